#!/bin/bash
# Makes this machine a node of its Kubernetes cluster. cloud-init runs it once, at first boot; it
# can be run again by hand. Every line that begins with :: is progress, and goes to the console.
set -euo pipefail

HERE=/etc/spiderpool-alicloud
METADATA=http://100.100.100.200/latest
export DEBIAN_FRONTEND=noninteractive
# shellcheck source=/dev/null
. "$HERE/node.env"

STEP='start'
step() {
  STEP=$*
  echo ":: $NODE_NAME: $STEP"
}

refuse() {
  echo ":: $NODE_NAME: $*" >&2
  exit 1
}

finish() {
  local status=$?
  if [ "$status" -ne 0 ]; then
    echo ":: $NODE_NAME: FAILED at: $STEP (exit status $status); this machine is not a node" >&2
  fi
}
trap finish EXIT

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

step 'check the operating system'
command -v apt-get > /dev/null || refuse 'no apt-get here: the image must be Ubuntu 24.04'
if [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ]; then
  refuse 'cgroup v1: Kubernetes 1.35 needs cgroup v2, so choose an image that boots with it'
fi

step 'configure the NICs'
nic_is_there() { grep -q "^ *$1:" /proc/net/dev; }
rm -f /etc/netplan/50-cloud-init.yaml
netplan apply
for nic in $NICS; do
  retry 60 2 nic_is_there "$nic"
done

step 'load kernel modules and settings'
printf '%s\n' "$MODULES" | tr ' ' '\n' > /etc/modules-load.d/spiderpool.conf
for module in $MODULES; do
  if ! modprobe "$module"; then
    # Some images leave ipvlan to a package of its own.
    apt-get -o DPkg::Lock::Timeout=600 update
    apt-get -o DPkg::Lock::Timeout=600 install -y "linux-modules-extra-$(uname -r)"
    modprobe "$module"
  fi
done
sysctl --system > /dev/null
swapoff -a
[ ! -e /etc/fstab ] || sed -i '/^[^#].*[[:space:]]swap[[:space:]]/s/^/#/' /etc/fstab

step 'ask the metadata service who this is'
metadata() {
  local token
  token=$(curl -sSf --max-time 5 -X PUT -H 'X-aliyun-ecs-metadata-token-ttl-seconds: 300' \
    "$METADATA/api/token") || return 1
  curl -sSf --max-time 5 -H "X-aliyun-ecs-metadata-token: $token" "$METADATA/meta-data/$1"
}
region=$(retry 60 5 metadata region-id)
instance=$(retry 60 5 metadata instance-id)
provider_id="$region.$instance"
case "$provider_id" in
  *[!a-z0-9.-]* | .* | *.) refuse "the metadata service answered '$provider_id'" ;;
esac
echo ":: $NODE_NAME: $provider_id"

step 'install packages'
mkdir -p /etc/apt/keyrings
# The way out may open later than this machine: NAT gateway and SNAT entries are made beside it.
retry 60 10 curl -sSfL --max-time 60 -o /etc/apt/keyrings/kubernetes.asc "$KUBERNETES_KEY"
retry 60 10 curl -sSfL --max-time 60 -o /etc/apt/keyrings/docker.asc "$DOCKER_KEY"
retry 10 15 apt-get -o DPkg::Lock::Timeout=600 update
retry 5 15 apt-get -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold install -y \
  --no-install-recommends --allow-downgrades --allow-change-held-packages \
  "kubelet=$KUBERNETES_VERSION-*" "kubeadm=$KUBERNETES_VERSION-*" \
  "kubectl=$KUBERNETES_VERSION-*" containerd.io chrony conntrack ethtool iptables socat

step 'start the clock and the container runtime'
systemctl enable chrony containerd kubelet
systemctl restart chrony
systemctl restart containerd

step 'find the API server'
point_endpoint_at() { # the endpoint's name in /etc/hosts; nothing to do with one control plane
  [ -n "$ENDPOINT_NAME" ] || return 0
  local others
  others=$(grep -v " $ENDPOINT_NAME\$" /etc/hosts || true)
  printf '%s\n%s %s\n' "$others" "$1" "$ENDPOINT_NAME" > /etc/hosts
}
ready() { # is this cluster's API server, by its CA, ready on that control plane?
  [ "$(curl -sSf --max-time 3 --cacert /etc/kubernetes/pki/ca.crt "https://$1:6443/readyz" \
    2> /dev/null)" = ok ]
}
first_ready() {
  local peer
  for peer in $PEERS; do
    if ready "$peer"; then
      echo "$peer"
      return
    fi
  done
  return 1
}
serves() { # does an etcd or an API server run there, ready or not?
  local port connected
  for port in 2379 6443; do
    connected=$(curl -sk --max-time 3 -o /dev/null -w '%{time_connect}' "https://$1:$port/" || true)
    case "$connected" in
      '' | 0.000000) ;;
      *) return ;;
    esac
  done
  return 1
}
one_serves() {
  local peer
  for peer in $PEERS; do
    if serves "$peer"; then
      return
    fi
  done
  return 1
}

forget_predecessor() { # PEER: a machine of this name and address was here before, and is gone
  local peer=$1 pki=/etc/kubernetes/pki name members member
  for name in etcd-healthcheck-client apiserver-kubelet-client; do
    kubeadm init phase certs "$name" --kubernetes-version "$KUBERNETES_VERSION" > /dev/null
  done
  etcd() { # ACTION JSON
    curl -sSf --max-time 10 --cacert "$pki/etcd/ca.crt" --cert "$pki/etcd/healthcheck-client.crt" \
      --key "$pki/etcd/healthcheck-client.key" -d "$2" "https://$peer:2379/v3/cluster/member/$1"
  }
  members=$(retry 5 5 etcd list '{}')
  for member in $(echo "$members" | tr '{' '\n' | grep -F "https://$OWN_ADDRESS:2380" |
    sed -n 's/.*"ID":"\([0-9]*\)".*/\1/p'); do
    echo ":: $NODE_NAME: removes etcd member $member, which had this address"
    etcd remove "{\"ID\":\"$member\"}" > /dev/null
  done
  # Its Node would keep the old machine's provider id for ever. Most often there is none: 404.
  curl -sS --max-time 10 -o /dev/null -X DELETE --cacert "$pki/ca.crt" \
    --cert "$pki/apiserver-kubelet-client.crt" --key "$pki/apiserver-kubelet-client.key" \
    "https://$peer:6443/api/v1/nodes/$NODE_NAME"
  rm -f "$pki"/etcd/healthcheck-client.* "$pki"/apiserver-kubelet-client.*
}

action='join'
peer=''
template=kubeadm.yaml.in
case "$ROLE" in
  init)
    # The cluster may be there already, and this a replacement of its first control plane.
    if one_serves && ! retry 90 10 first_ready > /dev/null; then
      # A second cluster with the same keys would be worse than none of this node.
      refuse 'another control plane runs, but no API server is ready: mend that, then reboot this'
    fi
    if peer=$(first_ready); then
      template=kubeadm-rejoin.yaml.in
    else
      action='init'
      point_endpoint_at "$OWN_ADDRESS"
    fi
    ;;
  join)
    # etcd takes one learner at a time: first wait for the control plane before this one.
    if ! retry 90 10 ready "${PEERS%% *}"; then
      retry 90 10 first_ready > /dev/null
    fi
    peer=$(first_ready)
    ;;
  worker)
    point_endpoint_at "$ENDPOINT_ADDRESS"
    ;;
esac
if [ -n "$peer" ]; then
  point_endpoint_at "$peer"
  if [ ! -e "$HERE/begun" ]; then
    step 'forget the machine that had this name'
    forget_predecessor "$peer"
  fi
fi

step "run kubeadm $action"
if [ -e /etc/kubernetes/kubelet.conf ] && [ -e "$HERE/done" ]; then
  echo ":: $NODE_NAME: is a node already"
else
  again=()
  if [ -e "$HERE/begun" ]; then
    again=(--ignore-preflight-errors=all)
  fi
  touch "$HERE/begun"
  (
    umask 077
    sed "s/@PROVIDER_ID@/$provider_id/" "$HERE/$template" > "$HERE/kubeadm.yaml"
  )
  if [ "$action" = init ]; then
    kubeadm init --config "$HERE/kubeadm.yaml" --skip-token-print "${again[@]}"
  else
    kubeadm join --config "$HERE/kubeadm.yaml" "${again[@]}"
  fi
fi

step 'settle'
told='' missing=0
node_is_ours() { # a Node that a lost machine of this name left keeps that one's provider id for ever
  local said
  said=$(kubectl --kubeconfig /etc/kubernetes/kubelet.conf --request-timeout=10s get node \
    "$NODE_NAME" --ignore-not-found -o 'jsonpath={.spec.providerID}') || return 1
  if [ -z "$said" ]; then
    missing=$((missing + 1))
    # A kubelet makes its Node when it starts, and at no other time; it may still be about to.
    if [ -n "$told" ] || [ "$missing" -ge 30 ]; then
      told='' missing=0
      systemctl restart kubelet
    fi
  elif [ "$said" != "$provider_id" ] && [ "$said" != "$told" ]; then
    told=$said
    echo ":: $NODE_NAME: its Node is that of $said: waits until it is deleted" \
      "(kubectl delete node $NODE_NAME, or the cloud controller does when that machine is gone)"
  fi
  [ "$said" = "$provider_id" ]
}
if [ "$ROLE" = worker ]; then
  retry 900 2 node_is_ours
fi
if [ -n "$peer" ]; then
  point_endpoint_at "$OWN_ADDRESS"
  # A kube-proxy that started meanwhile took a copy of /etc/hosts with the other control plane.
  for container in $(crictl ps --quiet --name '^kube-proxy$' 2> /dev/null || true); do
    crictl stop "$container" > /dev/null || true
  done
fi
touch "$HERE/done"
echo ":: $NODE_NAME: done, kubelet $KUBERNETES_VERSION runs as $provider_id"
