#!/bin/bash
# The node's own unit: a timer starts it every few seconds, and it brings this machine to what the
# annotations of its Node ask for. It looks at what is there and not at what it did before, so it
# may be cut off anywhere. The annotations' names and meanings: planning/nodes/machine.py.
set -euo pipefail

# shellcheck source=/dev/null
. /etc/spiderpool-alicloud/node.env
# shellcheck source=planning/nodes/common.sh
. /etc/spiderpool-alicloud/common.sh
MANIFESTS=/etc/kubernetes/manifests
STOPPED=$HERE/stopped
LEAVING=$HERE/leaving
RENEWING=$HERE/renewing
RENEWED=/run/spiderpool-alicloud-renewed
REFUSED=/run/spiderpool-alicloud-refused
# Settings that are tried again, once Secrets are written again.
AWAITED=$REFUSED-until-secrets-are-written
REPLACED=/run/spiderpool-alicloud-tokens
KUBELET=$HERE/kubelet.d/50-settings.conf
SYSCTLS=/etc/sysctl.d/99-z-spiderpool.conf
METADATA_RULES=$HERE/metadata.nft
PREFIX=spiderpool-alicloud.io
MARKER=/var/lib/kubelet/device-plugins/spiderpool-alicloud
SPIDERPOOL=/apis/spiderpool.spidernet.io/v2beta1

[ -e "$HERE/done" ] || exit 0
exec 9> /run/spiderpool-alicloud-node.lock
flock --nonblock 9 || exit 0
forget_user_data
# kubeadm lets everybody read it, and writes it again in an upgrade.
chmod --silent 600 /var/lib/kubelet/config.yaml || true

say() {
  echo ":: $NODE_NAME: $*"
}

# --- certificates, on control planes ------------------------------------------------------------

stop_pods() { # NAME...: a static pod ends when its manifest goes
  local name
  mkdir -p "$STOPPED"
  for name in "$@"; do
    if [ -e "$MANIFESTS/$name.yaml" ]; then
      mv "$MANIFESTS/$name.yaml" "$STOPPED/$name.yaml"
    fi
  done
}

api_server_is_gone() {
  ! answers "$OWN_ADDRESS" 6443
}

start_pods() { # those that were stopped
  mv "$STOPPED"/*.yaml "$MANIFESTS"
}

renew() { # this control plane's certificates; its pods read them when they start
  local gone=true
  say 'renews its certificates'
  # There until the end: a renewal that was cut off, or failed halfway, is done again as a whole.
  touch "$RENEWING"
  kubeadm certs renew all > /dev/null || return 1
  stop_pods etcd kube-apiserver kube-controller-manager kube-scheduler
  retry 90 1 api_server_is_gone || gone=false
  start_pods || true
  rm "$RENEWING"
  "$gone"
}

# An API server whose etcd has lost its disk takes connections, and answers after a minute with an error.
# Without it the load balancer turns to the others, and runs of the program see that it does not
# answer. etcd must not start on the folder below the mount. Only a boot mounts the disk again.
#
# Nobody could ask for a renewal any more: an API server with an ended certificate answers no unit. Once
# a boot, because a CA near its own end cannot issue certificates that outlive it.
if [ -e "$LEAVING" ]; then
  : # its pods stop for good
elif [ -n "${ETCD_DISK:-}" ] && ! retry 3 2 "$HERE/etcd-disk.sh" is-there 2> /dev/null; then
  say "etcd's disk (d-$ETCD_DISK) is gone, so etcd and the API server are stopped until the next boot" \
    'that finds the disk'
  stop_pods etcd kube-apiserver
  exit 0
elif [ -e "$RENEWING" ]; then
  renew || true
elif compgen -G "$STOPPED/*.yaml" > /dev/null; then
  start_pods # a restart of the API server was cut off
elif [ -e "$PKI/apiserver.crt" ] && [ ! -e "$RENEWED" ] &&
  command -v openssl > /dev/null &&
  ! openssl x509 -noout -checkend 86400 -in "$PKI/apiserver.crt" > /dev/null && renew; then
  touch "$RENEWED"
fi

# By the endpoint's name: on a control plane kubelet.conf has its own API server's address, which
# answers no more once this machine leaves (KEP-4471, https://github.com/kubernetes/enhancements/issues/4471).
api() {
  kubectl --kubeconfig /etc/kubernetes/kubelet.conf --server "https://$ENDPOINT_NAME:6443" \
    --request-timeout=10s "$@"
}

annotate() {
  api annotate --overwrite node "$NODE_NAME" "$@" > /dev/null
}

if [ -e "$LEAVING" ]; then
  # Its own API server is stopped, or is about to be.
  read -ra peers < "$LEAVING"
  peer=$(first_ready "${peers[@]}") || exit 0
  point_endpoint_at "$peer"
fi

READ_NODE='
import json, shlex, sys
node = json.load(sys.stdin)
annotations = node["metadata"].get("annotations") or {}
print("node_is=" + shlex.quote(node["spec"].get("providerID", "")))
for name in sys.argv[2:]:
    value = annotations.get(sys.argv[1] + "/" + name, "")
    print(name.replace("-", "_") + "=" + shlex.quote(value))
'
node_is='' unit='' settings='' settings_applied='' settings_failed=''
leave_etcd='' etcd_left='' etcd_failed='' forget_members='' members_forgotten=''
renew_certificates='' certificates_renewed='' metadata_for_pods='' back_up='' backed_up=''
encryption_keys=''
# An API server that does not answer is asked again in a few seconds.
node=$(api get --raw "/api/v1/nodes/$NODE_NAME") || exit 0
eval "$(python3 -c "$READ_NODE" "$PREFIX" unit settings settings-applied settings-failed \
  leave-etcd etcd-left etcd-failed forget-members members-forgotten renew-certificates \
  certificates-renewed metadata-for-pods back-up backed-up encryption-keys <<< "$node")"
# A Node that another machine of this name left behind asks nothing of this one.
[ "$node_is" = "$(cat "$HERE/provider-id")" ] || exit 0

[ "$unit" = "$UNIT_VERSION" ] || annotate "$PREFIX/unit=$UNIT_VERSION"

# --- the metadata service --------------------------------------------------------------------

# Loaded every time: another program, or a person, may have flushed the rules of the whole machine.
guard_metadata() {
  local answer state=open
  if grep -q ' drop$' "$METADATA_RULES"; then
    state=blocked
  fi
  if ! answer=$(nft -f "$METADATA_RULES" 2>&1); then
    answer=${answer//$'\n'/ }
    state="failed: ${answer:0:300}"
  fi
  [ "$metadata_for_pods" != "$state" ] || return 0
  if [ "${state%%:*}" != failed ] && ! retry 3 2 metadata_token > /dev/null 2>&1; then
    state='failed: this machine itself does not reach the metadata service'
    [ "$metadata_for_pods" != "$state" ] || return 0
  fi
  annotate "$PREFIX/metadata-for-pods=$state"
}
guard_metadata || true

# --- tokens of pods --------------------------------------------------------------------------

# An API server whose clock was ahead has issued tokens that are not valid yet. A kubelet keeps tokens in
# its memory alone (pkg/kubelet/token/token_manager.go), so after a restart it asks for other ones, and
# writes them into the pods' volumes. No pod ends. API servers allow for a minute.
FIND_EARLY_TOKENS='
import base64, glob, json, sys, time
for path in glob.glob("/var/lib/kubelet/pods/*/volumes/kubernetes.io~projected/*/token"):
    claims = open(path).read().split(".")[1]
    if json.loads(base64.urlsafe_b64decode(claims + "=="))["nbf"] > time.time() + 60:
        sys.exit(3)
'
api_server_is_ahead() { # by its answers, of this machine
  local date
  date=$(curl -sS --max-time 5 --cacert "$PKI/ca.crt" -o /dev/null -D - "https://$ENDPOINT_NAME:6443/readyz" |
    sed -n 's/\r$//; s/^[Dd]ate: //p') && [ -n "$date" ] || return 0
  [ "$(date -d "$date" +%s)" -gt $(($(date +%s) + 60)) ]
}
replace_early_tokens() {
  local status=0
  python3 -c "$FIND_EARLY_TOKENS" 2> /dev/null || status=$?
  if [ "$status" = 3 ] && [ -z "$(find "$REPLACED" -mmin -5 2> /dev/null)" ] && ! api_server_is_ahead; then
    touch "$REPLACED"
    say 'restarts the kubelet, because pods have tokens that are not valid yet'
    systemctl restart kubelet
  fi
}
replace_early_tokens || true

# --- addresses -------------------------------------------------------------------------------

# How many addresses of each NIC the scheduler may give away (docs/decisions/counted-addresses.md): those
# that no pod holds, and those whose pod has asked for them. So pods from before the admission policy
# are taken off, addresses that an ended pod has not given back yet, and those that are reserved or that
# the pool excludes. Never less than the pods of this node ask for: a kubelet that starts would fail the
# rest (lifecycle/predicate.go). What a pod asks for is the sum of its containers and sidecars, or what
# an init container needs with the sidecars before it (k8s.io/component-helpers resource/helpers.go).
COUNT_ADDRESSES='
import json, sys
from collections import Counter
from ipaddress import ip_address as ip
node, *pools, reserved, pods = [json.loads(line) for line in sys.stdin]
def spans(parts):
    for part in parts or []:
        first, _, last = part.partition("-")
        yield range(int(ip(first)), int(ip(last or first)) + 1)
kept = [span for item in reserved.get("items", []) for span in spans(item["spec"].get("ips"))]
def own(container):
    counts = container.get("resources", {}).get("requests", {}).items()
    return Counter({name: int(count) for name, count in counts if count.isdigit()})
def asked(spec):
    most, sidecars = Counter(), Counter()
    for container in spec.get("initContainers", []):
        most |= sidecars + own(container)
        if container.get("restartPolicy") == "Always":
            sidecars += own(container)
    return most | sum(map(own, spec["containers"]), sidecars)
requests = Counter()
for pod in pods["items"]:
    if pod["status"].get("phase") not in ("Succeeded", "Failed"):
        for name, count in asked(pod["spec"]).items():
            requests[pod["metadata"]["uid"], name] = count
counts = {}
for nic, pool in zip(sys.argv[2:], pools):
    resource = f"{sys.argv[1]}/{nic}-addresses"
    spec = pool.get("spec", {})
    holders = json.loads(pool.get("status", {}).get("allocatedIPs") or "{}")
    lacking = [*kept, *spans(spec.get("excludeIPs"))]
    usable = [n for span in spans(spec.get("ips")) for n in span if all(n not in k for k in lacking)]
    free = sum(str(ip(n)) not in holders for n in usable)
    owners = Counter(holder["podUid"] for holder in holders.values())
    paid = sum(min(n, requests[uid, resource]) for uid, n in owners.items())
    closed = spec.get("disable") or "deletionTimestamp" in pool.get("metadata", {})
    bound = sum(n for (_, name), n in requests.items() if name == resource)
    counts[resource] = str(max(bound, paid + (0 if closed else free)))
parts = [node["status"].setdefault(part, {}) for part in ("capacity", "allocatable")]
if any(part | counts != part for part in parts):
    for part in parts:
        part.update(counts)
    print(json.dumps(node))
'
advertise() {
  local lines='' nic answer changed
  # Pools before pods: a pod that takes an address in between is then among the pods.
  for nic in $NICS; do
    answer=$(api get --raw "$SPIDERPOOL/spiderippools/$NODE_NAME-$nic" 2>&1) || {
      # Without a pool the NIC has no addresses. Any other answer says nothing about them.
      [[ $answer == *'(NotFound)'* ]] || return 0
      answer='{}'
    }
    lines+=$'\n'$answer
  done
  answer=$(api get --raw "$SPIDERPOOL/spiderreservedips" 2>&1) || {
    # A role of an earlier release does not allow it.
    [[ $answer == *'(Forbidden)'* || $answer == *'(NotFound)'* ]] || return 0
    answer='{}'
  }
  lines+=$'\n'$answer
  lines+=$'\n'$(api get --raw "/api/v1/pods?fieldSelector=spec.nodeName%3D$NODE_NAME") || return 0
  # A kubelet that starts and finds this directory empty sets every extended resource of its Node to
  # 0 (kubelet, devicemanager.ShouldResetExtendedResourceCapacity), and fails the pods that have one.
  mkdir -p "${MARKER%/*}"
  touch "$MARKER"
  for _ in 1 2 3; do
    # shellcheck disable=SC2086  # a word for each NIC
    changed=$(python3 -c "$COUNT_ADDRESSES" "$PREFIX" $NICS <<< "$node$lines") || return 0
    [ -n "$changed" ] || return 0
    # The whole Node with its version: a kubelet may not read nodes/status, as `kubectl patch` would.
    answer=$(api replace --raw "/api/v1/nodes/$NODE_NAME/status" -f - <<< "$changed" 2>&1) &&
      return 0
    # The Node has changed since it was read: by an annotation of this run, or by the kubelet.
    node=$(api get --raw "/api/v1/nodes/$NODE_NAME") || return 0
  done
  say "its addresses are not advertised yet: ${answer:0:300}"
}
advertise || true

# --- settings --------------------------------------------------------------------------------

changed() { # PATH TEXT: does the file have another content, or is its own not in use yet?
  [ -e "$1.pending" ] || [ "$(cat "$1" 2> /dev/null)" != "$2" ]
}

# FILE.pending marks a file that is written and not yet in use: an interrupted run is repeated, and
# a rollback still restores the file that worked.
replace() { # PATH TEXT
  mkdir -p "$(dirname "$1")" || return 1
  if [ ! -e "$1.pending" ]; then
    rm -f "$1.before" || return 1
    if [ -e "$1" ]; then
      cp -p "$1" "$1.before" || return 1
    fi
    touch "$1.pending" || return 1
  fi
  printf '%s\n' "$2" > "$1.new" && mv "$1.new" "$1"
}

take_back() { # PATH: the file before this one
  if [ -e "$1.before" ]; then
    cp -p "$1.before" "$1"
  else
    rm -f "$1"
  fi
}

kubelet_is_well() {
  [ "$(curl -sS --max-time 3 http://127.0.0.1:10248/healthz 2> /dev/null)" = ok ]
}

apply_sysctls() { # TEXT; prints why not
  local answer
  if ! replace "$SYSCTLS" "$1"; then
    echo "cannot write $SYSCTLS"
    return 1
  fi
  # -e: a machine with one NIC has no settings of eth1.
  if answer=$(sysctl -e -q -p "$SYSCTLS" 2>&1); then
    rm -f "$SYSCTLS.pending"
    return
  fi
  take_back "$SYSCTLS"
  sysctl -e -q -p "$SYSCTLS" > /dev/null 2>&1 || true
  rm -f "$SYSCTLS.pending"
  echo "sysctl refused a setting, and the ones from before are back: ${answer:0:300}"
  return 1
}

apply_metadata() { # TEXT; prints why not
  local answer reason='this machine itself no longer reached the metadata service'
  if ! replace "$METADATA_RULES" "$1"; then
    echo "cannot write $METADATA_RULES"
    return 1
  fi
  if ! answer=$(nft -f "$METADATA_RULES" 2>&1); then
    reason="nft refused the rules for the metadata service: ${answer:0:300}"
  elif retry 3 2 metadata_token > /dev/null 2>&1; then
    rm -f "$METADATA_RULES.pending"
    return
  fi
  take_back "$METADATA_RULES"
  nft -f "$METADATA_RULES" > /dev/null 2>&1 || true
  rm -f "$METADATA_RULES.pending"
  echo "$reason; the rules from before are back"
  return 1
}

apply_kubelet() { # TEXT; prints why not
  if ! replace "$KUBELET" "$1"; then
    echo "cannot write $KUBELET"
    return 1
  fi
  systemctl restart kubelet || true
  if retry 30 1 kubelet_is_well 2> /dev/null; then
    rm -f "$KUBELET.pending"
    return
  fi
  take_back "$KUBELET"
  systemctl restart kubelet || true
  rm -f "$KUBELET.pending"
  if retry 30 1 kubelet_is_well 2> /dev/null; then
    echo 'the kubelet does not start with these settings, and runs with the ones from before' \
      '(journalctl -u kubelet says why)'
  else
    echo 'the kubelet does not start, not even with the settings from before' \
      '(journalctl -u kubelet says why)'
  fi
  return 1
}

can_encrypt() { # does this machine's API server take keys? Those of an earlier release do not
  grep -qs -- "--encryption-provider-config=$ENCRYPTION_FILE" "$MANIFESTS/kube-apiserver.yaml"
}

restart_api_server() { # it reads its keys when it starts
  local gone=true
  stop_pods kube-apiserver
  retry 90 1 api_server_is_gone 2> /dev/null || gone=false
  start_pods && "$gone" && retry 60 2 ready "$OWN_ADDRESS" 2> /dev/null
}

# A Secret in etcd begins with the name of its key, `k8s:enc:secretbox:v1:NAME:`, unless it is plain
# (k8s.io/apiserver/pkg/server/options/encryptionconfig/config.go, secretboxTransformerPrefixV1).
READ_KEYS='
import base64, json, sys
page = json.load(sys.stdin)
pairs = page.get("kvs", ())
heads = [base64.b64decode(pair["value"])[:300].split(b":") for pair in pairs]
print(*{head[4].decode() if head[:2] == [b"k8s", b"enc"] else "identity" for head in heads})
if page.get("more"):
    print(base64.b64encode(base64.b64decode(pairs[-1]["key"]) + bytes(1)).decode())
'
keys_in_etcd() { # names of the keys that Secrets there have, some more than once
  # From /registry/secrets/ to /registry/secrets0, by a few: a Secret has up to a megabyte.
  local from=L3JlZ2lzdHJ5L3NlY3JldHMv to=L3JlZ2lzdHJ5L3NlY3JldHMw page
  while [ -n "$from" ]; do
    page=$(etcd 127.0.0.1 kv/range "{\"key\":\"$from\",\"range_end\":\"$to\",\"limit\":\"20\"}" 60 |
      python3 -c "$READ_KEYS") || return 1
    echo "${page%%$'\n'*}"
    from=$(sed -n 2p <<< "$page")
  done
}

check_forgotten() { # BEFORE NAMES: may the API server forget the keys that are not in both?
  local name in_use=''
  for name in $1; do
    case " $2 " in *" $name "*) ;; *) in_use=asked ;; esac
  done
  [ -n "$in_use" ] || return 0
  if ! in_use=$(keys_in_etcd 2> /dev/null); then
    echo "its etcd does not answer, and Secrets may still have a key that is not among '$2'"
    return 1
  fi
  for name in $in_use; do
    case " $2 " in *" $name "*) ;; *)
      echo "Secrets in etcd have $name, which is not among the keys '$2'; write them again with" \
        "\`python -m operations secrets rewrite\`"
      return 1 ;;
    esac
  done
}

apply_encryption() { # NAMES; prints why not
  local before
  before=$(cat "$ENCRYPTION")
  [ ! -e "$ENCRYPTION.pending" ] || before=$(cat "$ENCRYPTION.before")
  if ! can_encrypt; then
    echo 'its API server takes no keys, because an earlier release created the cluster'
    return 1
  fi
  # Else this API server could not read what it wrote before, or others could not read what it writes.
  case " $1 " in *" ${before%% *} "*) ;; *)
    echo "it writes Secrets with ${before%% *}, which is not among the keys '$1'"
    return 1 ;;
  esac
  case " $before " in *" ${1%% *} "*) ;; *)
    echo "it would write Secrets with ${1%% *}, which is not among its keys '$before' yet"
    return 1 ;;
  esac
  if ! check_forgotten "$before" "$1"; then
    touch "$AWAITED"
    return 1
  fi
  rm -f "$AWAITED"
  if replace "$ENCRYPTION" "$1" && write_encryption "$1" && restart_api_server; then
    rm -f "$ENCRYPTION.pending"
    return
  fi
  take_back "$ENCRYPTION"
  if write_encryption "$before"; then
    restart_api_server || true
  fi
  rm -f "$ENCRYPTION.pending"
  echo "its API server is not ready with the keys '$1', and runs with '$before'"
  return 1
}

apply() { # ENDPOINT KUBELET SYSCTLS METADATA KEYS; prints why not
  if [ "$(endpoint_address)" != "$1" ] || [ -e "$HERE/kube-proxy.pending" ]; then
    touch "$HERE/kube-proxy.pending"
    point_endpoint_at "$1"
    restart_kube_proxy
    rm "$HERE/kube-proxy.pending"
  fi
  if changed "$SYSCTLS" "$3"; then
    apply_sysctls "$3" || return 1
  fi
  if changed "$METADATA_RULES" "$4"; then
    apply_metadata "$4" || return 1
  fi
  if changed "$KUBELET" "$2"; then
    apply_kubelet "$2" || return 1
  fi
  if [ -n "$5" ] && [ -e "$ENCRYPTION" ] && changed "$ENCRYPTION" "$5"; then
    apply_encryption "$5" || return 1
  fi
}

READ_SETTINGS='
import json, shlex, sys
settings = json.load(sys.stdin)
for name in ("endpoint", "kubelet", "sysctls", "metadata"):
    print("new_" + name + "=" + shlex.quote(settings[name].rstrip("\n")))
print("new_keys=" + shlex.quote(settings.get("encryption", "")))
'
apply_settings() {
  local digest read reason new_endpoint='' new_kubelet='' new_sysctls='' new_metadata='' new_keys=''
  digest=$(printf %s "$settings" | sha256sum | cut -c 1-16)
  [ "$(cat "$REFUSED" 2> /dev/null)" != "$digest" ] || [ -n "$(find "$AWAITED" -mmin +1 2> /dev/null)" ] ||
    return 0
  if ! read=$(python3 -c "$READ_SETTINGS" <<< "$settings" 2> /dev/null); then
    reason="this node's unit (version $UNIT_VERSION) cannot read the settings"
  else
    eval "$read"
    if reason=$(
      apply "$new_endpoint" "$new_kubelet" "$new_sysctls" "$new_metadata" "$new_keys"
    ); then
      rm -f "$REFUSED"
      if [ "$settings_applied" != "$digest" ] || [ -n "$settings_failed" ]; then
        annotate "$PREFIX/settings-applied=$digest" "$PREFIX/settings-failed-"
        say "settings $digest are applied"
      fi
      return
    fi
  fi
  say "settings $digest are not applied: $reason"
  # Trying once more every few seconds would only restart the kubelet over and over.
  annotate "$PREFIX/settings-failed=$digest: $reason"
  echo "$digest" > "$REFUSED"
}

# --- etcd, on control planes -----------------------------------------------------------------

etcd_is_well() { # ADDRESS
  curl -sSf --max-time 3 --cacert "$PKI/etcd/ca.crt" --cert "$PKI/etcd/healthcheck-client.crt" \
    --key "$PKI/etcd/healthcheck-client.key" "https://$1:2379/health" 2> /dev/null |
    grep -q '"health":"true"'
}

refuse() { # REASON: say why nothing is done, where the program looks
  say "$1"
  [ "$etcd_failed" = "$1" ] || annotate "$PREFIX/etcd-failed=$1"
}

others_suffice() { # MEMBERS ADDRESS: has etcd a majority of healthy members without that one?
  local id address kind voters=0 well=0
  while read -r id address kind _; do
    if [ "$kind" = voter ] && [ "$address" != "$2" ]; then
      voters=$((voters + 1))
      if etcd_is_well "$address"; then
        well=$((well + 1))
      fi
    fi
  done <<< "$1"
  [ "$voters" -gt 0 ] && [ "$well" -gt $((voters / 2)) ]
}

remove_member() { # THROUGH ADDRESS: the member that has that address, if there is one
  local known id address kind
  known=$(members "$1") || return 1
  while read -r id address kind _; do
    if [ "$address" = "$2" ]; then
      say "removes etcd member $id ($kind, $address) through $1"
      etcd "$1" cluster/member/remove "{\"ID\":\"$id\"}" > /dev/null || return 1
    fi
  done <<< "$known"
}

IS_LEADER='
import json, sys
status = json.load(sys.stdin)
sys.exit(status["leader"] != status["header"]["member_id"])
'
hand_over_leadership() { # PEER: only for a shorter pause; etcd elects a leader anyway
  local status successor
  status=$(etcd 127.0.0.1 maintenance/status '{}') || return 0
  successor=$(members 127.0.0.1 | sed -n "s/ $1 voter .*//p") || return 0
  if [ -n "$successor" ] && python3 -c "$IS_LEADER" <<< "$status"; then
    etcd 127.0.0.1 maintenance/transfer-leadership "{\"targetID\":\"$successor\"}" > /dev/null || true
  fi
}

leave() {
  local known others peer
  if [ ! -e "$LEAVING" ]; then
    known=$(members 127.0.0.1) || {
      refuse 'its own etcd does not answer, so it cannot leave; another member has to forget it'
      return
    }
    others=$(awk -v own="$OWN_ADDRESS" '$2 != own && $3 == "voter" { print $2 }' <<< "$known") || {
      refuse "this machine cannot read etcd's list of members, so its member stays"
      return
    }
    if [ -z "$others" ]; then
      refuse 'its etcd member is the only one: without it the cluster would be lost'
      return
    fi
    if ! others_suffice "$known" "$OWN_ADDRESS"; then
      refuse 'without its etcd member the others would have no healthy majority'
      return
    fi
    paste -s -d ' ' <<< "$others" > "$LEAVING.new"
    mv "$LEAVING.new" "$LEAVING"
  fi
  read -ra peers < "$LEAVING"
  peer=$(first_ready "${peers[@]}") || {
    refuse 'no API server of another control plane is ready to serve instead'
    return
  }
  point_endpoint_at "$peer"
  stop_pods kube-controller-manager kube-scheduler kube-apiserver
  retry 90 1 api_server_is_gone
  hand_over_leadership "$peer"
  # etcd refuses (503) while its members have been connected for less than five seconds.
  retry 5 3 remove_member "$peer" "$OWN_ADDRESS" || {
    refuse "etcd at $peer does not remove this machine's member"
    return
  }
  stop_pods etcd
  annotate "$PREFIX/etcd-left=$node_is" "$PREFIX/etcd-failed-"
  say "its etcd member is removed, and its API server is stopped"
}

forget() {
  local known address
  for address in ${forget_members//,/ }; do
    known=$(members 127.0.0.1) || {
      refuse 'its own etcd does not answer, so it cannot remove a member'
      return
    }
    # No program and no file that could fail: a failure would pass for a member that is gone.
    case "$known" in
      *" $address "*) ;;
      *) continue ;;
    esac
    if [ "$address" = "$OWN_ADDRESS" ] || etcd_is_well "$address"; then
      refuse "the etcd member at $address is alive: it has to leave by itself"
      return
    fi
    if ! others_suffice "$known" "$address" || ! remove_member 127.0.0.1 "$address"; then
      refuse "etcd has no healthy majority to remove the member at $address"
      return
    fi
  done
  annotate "$PREFIX/members-forgotten=$forget_members" "$PREFIX/etcd-failed-"
}

if [ "$ROLE" = control-plane ] && [ "$leave_etcd" = "$node_is" ]; then
  [ "$etcd_left" = "$node_is" ] || leave
  # Whatever else is asked, this machine is about to go.
  exit 0
fi
if [ "$ROLE" = control-plane ] && [ -n "$forget_members" ] &&
  [ "$members_forgotten" != "$forget_members" ]; then
  forget
fi
if [ "$ROLE" = control-plane ] && [ "$renew_certificates" != "$certificates_renewed" ] && renew; then
  retry 60 2 annotate "$PREFIX/certificates-renewed=$renew_certificates"
fi
if [ -n "${ETCD_DISK:-}" ] && [ "$back_up" != "$backed_up" ] && "$HERE/etcd-disk.sh" back-up; then
  annotate "$PREFIX/backed-up=$back_up"
fi
if [ -z "$leave_etcd$forget_members" ] && [ -n "$etcd_failed" ]; then
  annotate "$PREFIX/etcd-failed-"
fi
if [ -n "$settings" ]; then
  apply_settings
fi
if [ "$ROLE" = control-plane ] && [ ! -e "$ENCRYPTION.pending" ] && can_encrypt; then
  keys=$(cat "$ENCRYPTION")
  [ "$encryption_keys" = "$keys" ] || annotate "$PREFIX/encryption-keys=$keys"
fi
