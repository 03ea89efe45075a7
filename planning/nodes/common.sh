# What bootstrap.sh and node.sh share; both read it after node.env.
# shellcheck disable=SC2034  # for them
HERE=/etc/spiderpool-alicloud
PKI=/etc/kubernetes/pki
DISK=/var/lib/etcd-disk
METADATA=http://100.100.100.200/latest
# Names of the keys with which this machine's API server encrypts Secrets in etcd.
ENCRYPTION=$HERE/encryption
ENCRYPTION_FILE=/etc/kubernetes/api-server/encryption.yaml

retry() { # retry TRIES PAUSE COMMAND...
  local tries=$1 pause=$2 try=1
  shift 2
  until "$@"; do
    if [ "$try" -ge "$tries" ]; then
      echo ":: $NODE_NAME: gave up after $try tries: $*" >&2
      return 1
    fi
    try=$((try + 1))
    sleep "$pause"
  done
}

endpoint_address() { # where this machine looks for the API server; empty before the first pointing
  sed -n "s/ $ENDPOINT_NAME\$//p" /etc/hosts
}

point_endpoint_at() { # ADDRESS: the endpoint's name in /etc/hosts
  local others
  [ "$(endpoint_address)" != "$1" ] || return 0
  others=$(grep -v " $ENDPOINT_NAME\$" /etc/hosts || true)
  printf '%s\n%s %s\n' "$others" "$1" "$ENDPOINT_NAME" > /etc/hosts.new
  # In place: a container may have the file mounted.
  cat /etc/hosts.new > /etc/hosts
  rm /etc/hosts.new
}

restart_kube_proxy() { # it took a copy of /etc/hosts when it started
  local container
  for container in $(crictl ps --quiet --name '^kube-proxy$' 2> /dev/null || true); do
    crictl stop "$container" > /dev/null || true
  done
}

forget_user_data() { # what is used of it or in use elsewhere (docs/decisions/used-user-data.md)
  rm -f "$HERE"/kubeadm*
  # cloud-init fills its folder at every boot, and reads it until its last stage is over.
  [ ! -e /run/cloud-init/result.json ] ||
    rm -f /var/lib/cloud/instances/*/{user-data.txt*,cloud-config.txt,obj.pkl} \
      /run/cloud-init/{combined-cloud-config,instance-data-sensitive}.json
}

metadata_token() { # a token for the metadata service, which answers this machine's own network
  curl -sSf --max-time 5 -X PUT -H 'X-aliyun-ecs-metadata-token-ttl-seconds: 300' \
    "$METADATA/api/token"
}

ready() { # ADDRESS: is this cluster's API server, by its CA, ready on that control plane?
  [ "$(curl -sSf --max-time 3 --cacert "$PKI/ca.crt" "https://$1:6443/readyz" 2> /dev/null)" = ok ]
}

first_ready() { # ADDRESS...: the first one that is
  local peer
  for peer in "$@"; do
    if ready "$peer"; then
      echo "$peer"
      return
    fi
  done
  return 1
}

unfinished_restore() { # does this machine still have to make a cluster of a snapshot?
  [ -n "${RESTORE:-}" ] && [ "$INITIALISES" = yes ] &&
    [ "$(cat "$DISK/restored" 2> /dev/null)" != "$RESTORE" ]
}

answers() { # ADDRESS PORT: does something listen there, ready or not?
  local connected
  connected=$(curl -sk --max-time 3 -o /dev/null -w '%{time_connect}' "https://$1:$2/" || true)
  case "$connected" in
    '' | 0.000000) return 1 ;;
  esac
}

etcd() { # ADDRESS METHOD JSON [SECONDS]: one call of etcd's own API there
  curl -sSf --max-time "${4:-10}" --cacert "$PKI/etcd/ca.crt" --cert "$PKI/etcd/healthcheck-client.crt" \
    --key "$PKI/etcd/healthcheck-client.key" -d "$3" "https://$1:2379/v3/$2"
}

# cloud-init is a Python program, so that every image that runs user-data has an interpreter.
READ_MEMBERS='
import json, sys, urllib.parse
members = json.load(sys.stdin).get("members")
for member in members or ():
    address = urllib.parse.urlsplit(member["peerURLs"][0]).hostname
    kind = "learner" if member.get("isLearner") else "voter"
    print(member["ID"], address, kind, member.get("name", ""))
sys.exit(0 if members else "etcd names no member")
'
# It fails where etcd names no member: a member that answers is in its own list. It fails as well
# where etcd has no majority. Without `linearizable` etcd would answer from the member's memory
# (server/etcdserver/api/v3rpc/member.go, MemberList).
members() { # ADDRESS: the members that the etcd there knows, a line each: id, address, kind, name
  local answer
  answer=$(etcd "$1" cluster/member/list '{"linearizable":true}') || return 1
  python3 -c "$READ_MEMBERS" <<< "$answer"
}

# The key of a name is 32 bytes by HKDF (RFC 5869) from the key of the cluster's CA, so that no
# key has to be sent or kept. kube-bench reads the lines below `providers:`.
DERIVE_KEYS='
import base64, hashlib, hmac, sys
def digest(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()
root = digest(b"spiderpool-alicloud", open(sys.argv[1], "rb").read().strip())
print("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:")
print("- resources: [secrets]\n  providers:")
for name in sys.argv[2].split():
    secret = base64.b64encode(digest(root, f"secretbox {name}".encode() + bytes([1]))).decode()
    keys = f"secretbox: {{keys: [{{name: {name}, secret: {secret}}}]}}"
    print("  - identity: {}" if name == "identity" else f"  - {keys}")
'
# The names are on etcd's disk too: a machine that starts from the data there, and that no other
# control plane can tell, needs the keys that the data has.
write_encryption() { # NAMES: the first key encrypts; `identity` leaves Secrets plain
  mkdir -p "${ENCRYPTION_FILE%/*}" || return 1
  if [ -n "${ETCD_DISK:-}" ] && [ -d "$DISK/data" ]; then
    echo "$1" > "$DISK/encryption.new" && mv "$DISK/encryption.new" "$DISK/encryption" || return 1
  fi
  (
    umask 077
    python3 -c "$DERIVE_KEYS" "$PKI/ca.key" "$1" > "$ENCRYPTION_FILE.new"
  ) && mv "$ENCRYPTION_FILE.new" "$ENCRYPTION_FILE"
}
