#!/bin/bash
# Makes this machine a node of its Kubernetes cluster. cloud-init runs it at first boot, and at the
# next one if the machine lost its power meanwhile. It can be run again by hand. Every line that begins with :: is progress, and goes to the console.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
# shellcheck source=/dev/null
. /etc/spiderpool-alicloud/node.env
# shellcheck source=planning/nodes/common.sh
. /etc/spiderpool-alicloud/common.sh
resumed=''
[ ! -e "$HERE/started" ] || resumed=yes
: > "$HERE/started"

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

step 'check the operating system'
for command in apt-get netplan; do
  command -v "$command" > /dev/null ||
    refuse "no $command here: the image must be Ubuntu 24.04, or Debian 13 with netplan.io"
done
if [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ]; then
  refuse 'cgroup v1: Kubernetes 1.35 needs cgroup v2, so choose an image that boots with it'
fi

if [ -n "$resumed" ]; then
  step 'finish what dpkg was doing'
  # After a power cut apt-get refuses every installation until this. It fails for a package whose
  # dependencies were not unpacked yet, and the installation below brings these.
  retry 5 15 dpkg --force-confold --configure -a || true
fi

step 'configure the NICs'
nic_is_there() { grep -q "^ *$1:" /proc/net/dev; }
rm -f /etc/netplan/50-cloud-init.yaml
netplan apply
for nic in $NICS; do
  retry 60 2 nic_is_there "$nic"
done

# The user-data is the same on every system and names Docker's source for Ubuntu 24.04.
if grep -q '^ID=debian' /etc/os-release; then
  sed -i 's/ubuntu$/debian/;s/noble$/trixie/' /etc/apt/sources.list.d/spiderpool.sources
fi

step 'fetch the keys of the package sources'
# Before apt is used: a source whose key is missing fails every `apt-get update`.
mkdir -p /etc/apt/keyrings
# Egress may start after this machine: NAT gateway and SNAT entries are created in parallel. A short
# timeout, because an attempt that began before them may not notice them.
retry 200 3 curl -sSfL --connect-timeout 5 --max-time 60 \
  -o /etc/apt/keyrings/kubernetes.asc "$KUBERNETES_KEY"
retry 200 3 curl -sSfL --connect-timeout 5 --max-time 60 \
  -o /etc/apt/keyrings/docker.asc "$DOCKER_KEY"

step 'load kernel modules and settings'
printf '%s\n' "$MODULES" | tr ' ' '\n' > /etc/modules-load.d/spiderpool.conf
for module in $MODULES; do
  if ! modprobe "$module"; then
    # Some images leave ipvlan to a package of its own.
    retry 10 15 apt-get -o DPkg::Lock::Timeout=600 update
    retry 5 15 apt-get -o DPkg::Lock::Timeout=600 install -y "linux-modules-extra-$(uname -r)"
    modprobe "$module"
  fi
done
sysctl --system > /dev/null
swapoff -a
[ ! -e /etc/fstab ] || sed -i '/^[^#].*[[:space:]]swap[[:space:]]/s/^/#/' /etc/fstab

step 'ask the metadata service who this is'
metadata() {
  local token
  token=$(metadata_token) || return 1
  curl -sSf --max-time 5 -H "X-aliyun-ecs-metadata-token: $token" "$METADATA/meta-data/$1"
}
region=$(retry 60 5 metadata region-id)
instance=$(retry 60 5 metadata instance-id)
provider_id="$region.$instance"
case "$provider_id" in
  *[!a-z0-9.-]* | .* | *.) refuse "the metadata service answered '$provider_id'" ;;
esac
echo "$provider_id" > "$HERE/provider-id"
echo ":: $NODE_NAME: $provider_id"

step 'install packages'
retry 10 15 apt-get -o DPkg::Lock::Timeout=600 update
retry 5 15 apt-get -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold install -y \
  --no-install-recommends --allow-downgrades --allow-change-held-packages \
  "kubelet=$KUBERNETES_VERSION-*" "kubeadm=$KUBERNETES_VERSION-*" \
  "kubectl=$KUBERNETES_VERSION-*" cri-tools containerd.io chrony conntrack ethtool iptables nftables socat

step 'start the clock and the container runtime'
# systemctl gives up where systemd does not answer in time, as on a machine with little processor time.
retry 5 5 systemctl enable chrony containerd kubelet
retry 5 5 systemctl restart chrony
retry 5 5 systemctl restart containerd

step 'keep pods from the metadata service'
retry 5 5 systemctl enable --now spiderpool-alicloud-metadata
retry 3 2 metadata instance-id > /dev/null

is_a_node() {
  [ -e /etc/kubernetes/kubelet.conf ] && [ -e "$HERE/done" ]
}
read -ra peers <<< "$PEERS"
peer_is_ready() {
  peer=$(first_ready "${peers[@]}")
}
a_peer_serves() { # does an etcd or an API server run on another control plane, ready or not?
  local address
  for address in "${peers[@]}"; do
    if answers "$address" 2379 || answers "$address" 6443; then
      return
    fi
  done
  return 1
}
# Then its etcd has data, so another `kubeadm init` makes no other cluster. Others may have joined it
# already, and a join would leave out what was still missing: kube-proxy and DNS, for example.
goes_on_with_init() { # was this machine cut off in `kubeadm init`?
  ! unfinished_restore && [ "$(cat "$HERE/begun" 2> /dev/null)" = init ] && [ -e /var/lib/etcd/member ]
}
is_creation() { # is the cluster being made for the first time? A later disk has the same user-data
  [ -n "$CREATION_ENDS" ] && [ "$(date +%s)" -lt "$CREATION_ENDS" ]
}

has_data() { # is the disk of etcd mounted, with the data of a member?
  [ -n "$ETCD_DISK" ] && [ -e /var/lib/etcd/member ]
}
make_etcd_client() { # a certificate with which `etcd` may ask; kubeadm keeps one that is there
  kubeadm init phase certs etcd-healthcheck-client --kubernetes-version "$KUBERNETES_VERSION" \
    > /dev/null
}
silent=0
has_majority() { # does the etcd of another control plane have one?
  local address
  for address in "${peers[@]}"; do
    if members "$address" > /dev/null 2>&1; then
      return
    fi
  done
  return 1
}
lost_majority() { # with data here: has no other member of etcd had a majority, three times?
  has_data && make_etcd_client || return 1
  if has_majority; then
    silent=0
  else
    silent=$((silent + 1))
  fi
  [ "$silent" -ge 3 ]
}
peer_is_ready_or_nobody_serves() {
  peer_is_ready || lost_majority
}

member_on_disk() { # the id of the member whose data the disk has; nothing without data
  ! has_data || "$HERE/etcd-disk.sh" member
}

# The control plane that makes a cluster of a snapshot writes the version, and a join takes it from there.
cluster_has_version() { # PEER ADMIN
  kubectl --kubeconfig "$2/admin.conf" --server "https://$1:6443" --request-timeout=10s \
    --namespace kube-system get configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}' |
    grep -x "kubernetesVersion: v$KUBERNETES_VERSION" > /dev/null
}
read_keys_in_use() { # PEER FOLDER: the keys of another control plane
  local listed
  listed=$(kubectl --kubeconfig "$2/admin.conf" --server "https://$1:6443" --request-timeout=10s \
    get nodes -l node-role.kubernetes.io/control-plane -o \
    'jsonpath={range .items[*]}{.metadata.annotations.spiderpool-alicloud\.io/encryption-keys}{"\n"}{end}') ||
    return 1
  keys_in_use=$(sed -n '/./{p;q}' <<< "$listed")
  # In a restore the first control plane reports them a little later than it serves.
  [ -z "${RESTORE:-}" ] || [ -n "$keys_in_use" ]
}

forget_predecessor() { # PEER: a machine of this name or address was here before, and is gone
  local peer=$1 admin=$HERE/admin members_there id address kind name own
  own=$(member_on_disk)
  rm -f "$HERE/returning" # of a run that was cut off: the members may be others now
  make_etcd_client
  members_there=$(retry 5 5 members "$peer")
  while read -r id address kind name; do
    # By its name too (kubeadm's etcd has its node's): it may have had another address. A dead member
    # that stays counts for the majority, and the next control plane that changes would end it.
    if [ "$id $address $kind" = "$own $OWN_ADDRESS voter" ]; then
      echo ":: $NODE_NAME: is etcd member $id again, with the data on its disk"
      touch "$HERE/returning"
    elif [ "$address" = "$OWN_ADDRESS" ] || [ "$name" = "$NODE_NAME" ]; then
      echo ":: $NODE_NAME: removes etcd member $id ($kind, $address) of the machine before"
      etcd "$peer" cluster/member/remove "{\"ID\":\"$id\"}" > /dev/null
    fi
  done <<< "$members_there"
  if has_data && [ ! -e "$HERE/returning" ]; then
    "$HERE/etcd-disk.sh" set-aside
  fi
  # Its Node would keep the old machine's provider id. Since 1.36 the API server's certificate for
  # kubelets may not delete Nodes (kubeadm, KubeletAPIAdminClusterRoleName), so an admin's is made.
  # Just after a member of etcd has gone, a write may fail.
  kubeadm init phase kubeconfig admin --kubernetes-version "$KUBERNETES_VERSION" \
    --apiserver-advertise-address "$OWN_ADDRESS" --kubeconfig-dir "$admin" > /dev/null
  retry 10 3 kubectl --kubeconfig "$admin/admin.conf" --server "https://$peer:6443" \
    --request-timeout=10s delete node "$NODE_NAME" --ignore-not-found --wait=false
  retry 20 3 read_keys_in_use "$peer" "$admin" || [ "$ENCRYPTION_KEYS" = identity ]
  [ -z "${RESTORE:-}" ] || retry 150 2 cluster_has_version "$peer" "$admin"
  rm -rf "$PKI"/etcd/healthcheck-client.* "$admin"
}

if [ -n "$ETCD_DISK" ] && ! is_a_node; then
  step "mount etcd's disk"
  "$HERE/etcd-disk.sh" prepare
  systemctl enable spiderpool-alicloud-etcd-disk
fi

action='join' alone=''
peer='' keys_in_use=''
if ! is_a_node && [ "$ROLE" = worker ]; then
  step 'find the API server'
  point_endpoint_at "$ENDPOINT_ADDRESS"
elif ! is_a_node; then
  step 'find the API server'
  if goes_on_with_init; then
    echo ":: $NODE_NAME: goes on with the cluster that it had begun to make"
    action='init'
    point_endpoint_at "$OWN_ADDRESS"
  elif unfinished_restore && a_peer_serves; then
    refuse "an etcd or API server of another control plane ($PEERS) runs, and a cluster made of the" \
      "snapshot $RESTORE would be a second one with the same keys; delete that machine, and run" \
      "$HERE/bootstrap.sh"
  elif unfinished_restore; then
    echo ":: $NODE_NAME: makes a cluster of the snapshot $RESTORE"
    action='init'
    touch "$HERE/returning"
    point_endpoint_at "$OWN_ADDRESS"
  elif [ -z "$PEERS" ] && has_data; then
    # The cluster is on the disk, and a disk is attached to one machine: nothing new is made.
    echo ":: $NODE_NAME: starts the cluster that is on its disk"
    action='init'
    touch "$HERE/returning"
    point_endpoint_at "$OWN_ADDRESS"
  elif [ "$(cat "$HERE/begun" 2> /dev/null)" = alone ]; then
    # A join would find etcd's manifest, and a member that runs.
    echo ":: $NODE_NAME: goes on with the etcd that it has started with the data on its disk"
    action='init' alone='yes'
    make_etcd_client
    point_endpoint_at "$OWN_ADDRESS"
  elif is_creation && [ "$INITIALISES" = yes ] && ! a_peer_serves; then
    action='init'
    point_endpoint_at "$OWN_ADDRESS"
  else
    # All are made at once, and etcd takes one learner at a time: the one before this goes first.
    if { is_creation || { [ -n "${RESTORE:-}" ] && [ "$INITIALISES" = no ]; }; } &&
      [ -n "$PEERS" ] && retry 450 2 ready "${peers[0]}"; then
      peer=${peers[0]}
    elif ! retry 450 2 peer_is_ready_or_nobody_serves; then
      # A second cluster with the same keys would be worse than none of this node.
      refuse "no API server of another control plane (${PEERS:-there is none}) is ready, and this" \
        'machine may not make a new cluster: only the first creation may' \
        '(docs/decisions/endpoint-name.md)'
    fi
    if [ -z "$peer" ]; then
      # It serves nothing before a majority of the members that its log names runs again, so this
      # cannot make a second cluster (docs/decisions/etcd-disk.md).
      echo ":: $NODE_NAME: starts its etcd with the data on its disk, because no other one serves"
      action='init' alone='yes'
      touch "$HERE/returning"
    fi
    point_endpoint_at "${peer:-$OWN_ADDRESS}"
    if [ -n "$peer" ] && [ ! -e "$HERE/begun" ]; then
      step 'forget the machine that had this name'
      forget_predecessor "$peer"
    fi
  fi
fi

reported='' missing=0
node_is_ours() { # a Node that a lost machine of this name left keeps that one's provider id
  local present
  present=$(kubectl --kubeconfig /etc/kubernetes/kubelet.conf --request-timeout=10s get node \
    "$NODE_NAME" --ignore-not-found -o 'jsonpath={.spec.providerID}') || return 1
  if [ -z "$present" ]; then
    missing=$((missing + 1))
    # A kubelet makes its Node when it starts, and at no other time; it may still be about to.
    if [ -n "$reported" ] || [ "$missing" -ge 30 ]; then
      reported='' missing=0
      systemctl restart kubelet
    fi
  elif [ "$present" != "$provider_id" ] && [ "$present" != "$reported" ]; then
    reported=$present
    echo ":: $NODE_NAME: its Node is that of $present: waits until it is deleted" \
      "(kubectl delete node $NODE_NAME, or the cloud controller does when that machine is gone)"
  fi
  [ "$present" = "$provider_id" ]
}
# A cluster of an earlier release has other settings of its API server than the user-data, and the
# machine that starts it again must keep them: control planes that join later read kubeadm's ConfigMap.
copy_cluster_configuration() {
  kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=10s --namespace kube-system get \
    configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}' > "$DISK/cluster.yaml.new" &&
    [ -s "$DISK/cluster.yaml.new" ] && mv "$DISK/cluster.yaml.new" "$DISK/cluster.yaml"
}
# The version is that of this machine: an upgrade has replaced the machine before.
KEEP_CLUSTER='
import re, sys
own, kept = (open(path).read() for path in sys.argv[1:3])
version = re.compile(r"^kubernetesVersion:.*$", re.M)
documents = own.split("\n---\n")
for at, document in enumerate(documents):
    if re.search(r"^kind: ClusterConfiguration$", document, re.M):
        documents[at] = version.sub(version.search(document)[0], kept).strip()
open(sys.argv[1], "w").write("\n---\n".join(documents))
'
take_node_over() { # a control plane that asks no other deletes the Node of the machine before it
  if ! node_is_ours; then
    kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=10s delete node \
      "$NODE_NAME" --ignore-not-found --wait=false || return 1
    reported=deleted
    retry 60 2 node_is_ours || return 1
  fi
  kubeadm init phase mark-control-plane --config "$HERE/kubeadm.yaml"
}

# The data may be from before an upgrade of Kubernetes, and this machine is not: its API server takes
# them, and control planes that join, and kube-proxy, have to get its version.
take_version_over() {
  local earlier
  local ask=(kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=10s -n kube-system)
  earlier=$("${ask[@]}" get configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}' |
    sed -n 's/^kubernetesVersion: v//p') || return 1
  if [ -z "$earlier" ] || [ "$earlier" = "$KUBERNETES_VERSION" ] ||
    [ "$(printf '%s\n' "$earlier" "$KUBERNETES_VERSION" | sort -V | tail -n 1)" = "$earlier" ]; then
    return
  fi
  echo ":: $NODE_NAME: the data are of Kubernetes $earlier; the cluster has $KUBERNETES_VERSION now"
  "${ask[@]}" get configmap/kubeadm-config daemonset/kube-proxy --ignore-not-found -o yaml |
    sed -E "s|^( *kubernetesVersion: v).*|\1$KUBERNETES_VERSION|
      s|(/kube-proxy:v).*|\1$KUBERNETES_VERSION|" |
    "${ask[@]}" replace -f -
}

# What was written just before a power cut is an empty file: kubeadm and the kubelet do not sync. kubeadm
# keeps certificates that are there, and makes a pair only if both files are missing.
remove_empty_files() {
  local empty
  { find /etc/kubernetes /var/lib/kubelet -maxdepth 3 -type f -empty -name '*.*' \
    ! -path "$PKI/*ca.*" ! -path "$PKI/sa.*" 2> /dev/null || true; } |
    while read -r empty; do
      case "$empty" in
        "$PKI"/*) rm -f "${empty%.*}".{crt,key} ;;
        *) rm -f "$empty" ;;
      esac
    done
}
kubelet_is_known() { # does the cluster accept the certificate of this kubelet, with or without a Node?
  kubectl --kubeconfig /etc/kubernetes/kubelet.conf --request-timeout=10s get node "$NODE_NAME" \
    --ignore-not-found > /dev/null
}
kubelet_has_joined() { # in a join that was cut off
  [ -e /etc/kubernetes/kubelet.conf ] && [ -e /var/lib/kubelet/config.yaml ] &&
    [ -e /var/lib/kubelet/kubeadm-flags.env ] && retry 30 2 kubelet_is_known
}
make_cluster() {
  kubeadm init --config "$HERE/kubeadm.yaml" --skip-token-print "${again[@]}" "${skipped[@]}"
}
refuse_if_removed() { # has an etcd with a majority removed the member whose data are on the disk?
  local address others own
  own=$(member_on_disk)
  for address in "${peers[@]}"; do
    if others=$(members "$address" 2> /dev/null) && ! grep -q "^$own " <<< "$others"; then
      refuse "the etcd on $address has removed member $own, whose data are on this disk; delete" \
        "this machine and run \`pulumi up\`: the next one joins as a new member"
    fi
  done
}
start_alone() { # kubeadm waits four minutes for an API server, which needs etcd's majority
  local try=1
  until make_cluster; do
    refuse_if_removed
    if [ "$try" -ge 15 ]; then
      refuse "kubeadm failed $try times, and etcd has no majority unless it gave another reason." \
        "Start the other control planes ($PEERS), then reboot this machine, which goes on; if" \
        'their disks are lost, restore a snapshot (docs/runbooks/restore.md)'
    fi
    try=$((try + 1))
    echo ":: $NODE_NAME: etcd waits for that of another control plane ($PEERS), unless kubeadm" \
      "gave another reason; runs it again ($try of 15)" >&2
    again=(--ignore-preflight-errors=all)
  done
}

step "run kubeadm $action"
if is_a_node; then
  echo ":: $NODE_NAME: is a node already"
else
  again=() skipped=() persistently=() joined=''
  if [ -e "$HERE/begun" ]; then
    remove_empty_files
    again=(--ignore-preflight-errors=all)
    # A join is refused for as long as the Node is ready, and it is for a minute after a power cut.
    persistently=(retry 6 15)
    if [ "$action" = join ] && kubelet_has_joined; then
      joined=yes
      skipped+=(--skip-phases=kubelet-start)
    fi
  elif has_data; then
    again=(--ignore-preflight-errors=DirAvailable--var-lib-etcd)
  fi
  if [ -e "$HERE/returning" ] || [ -e /etc/kubernetes/manifests/etcd.yaml ]; then
    if [ "$action" = join ]; then
      # It asks every member of etcd, also this one, which does not run yet.
      skipped+=(--skip-phases=check-etcd)
    elif [ -e "$HERE/returning" ] && [ -e "$DISK/complete" ]; then
      # The cluster has them, perhaps with changes of its administrators.
      skipped=(--skip-phases=upload-config/kubeadm --skip-phases=addon)
    fi
  fi
  [ -e "$HERE/kubeadm-$action.yaml.in" ] ||
    refuse 'its first boot removed the token to join with: a machine joins once, so replace it'
  if [ -n "$alone" ]; then echo alone; else echo "$action"; fi > "$HERE/begun"
  if [ "$ROLE" = control-plane ]; then
    # The user-data may be older than the keys that the others, or the data on the disk, have now.
    if [ -z "$keys_in_use" ] && [ -e "$HERE/returning" ] && [ -e "$DISK/encryption" ]; then
      keys_in_use=$(cat "$DISK/encryption")
    fi
    if [ ! -e "$ENCRYPTION" ]; then
      # Secrets of a snapshot may have keys that the stack has forgotten since.
      [ -z "${RESTORE:-}" ] ||
        keys_in_use=$(tr ' ' '\n' <<< "$ENCRYPTION_KEYS $keys_in_use" | awk 'NF && !seen[$0]++' | paste -sd ' ')
      echo "${keys_in_use:-$ENCRYPTION_KEYS}" > "$ENCRYPTION.new"
      mv "$ENCRYPTION.new" "$ENCRYPTION"
    fi
    write_encryption "$(cat "$ENCRYPTION")"
  fi
  document=$(cat "$HERE/kubeadm-$action.yaml.in")
  document=${document/@PROVIDER_ID@/$provider_id}
  token=$(sed -n "s/^ *token: ['\"]*\([a-z0-9.]*\).*/\1/p" "$HERE/kubeadm-discovery.yaml")
  (
    umask 077
    # By the shell itself, so that no argument of a program has the token.
    printf '%s\n' "${document/@TOKEN@/$token}" > "$HERE/kubeadm.yaml"
  )
  if [ "$action" = init ] && [ -e "$HERE/returning" ] && [ -s "$DISK/cluster.yaml" ]; then
    python3 -c "$KEEP_CLUSTER" "$HERE/kubeadm.yaml" "$DISK/cluster.yaml"
  fi
  if [ "$action" = init ]; then
    if unfinished_restore; then
      step "restore etcd from the snapshot $RESTORE"
      "$HERE/etcd-disk.sh" restore
    fi
    if [ -n "$alone" ]; then
      start_alone
    else
      "${persistently[@]}" make_cluster
    fi
    if [ -e "$HERE/returning" ]; then
      step 'take the Node over'
      retry 10 6 take_node_over
      retry 10 6 take_version_over
    fi
  elif [ "$ROLE" = worker ] && [ -n "$joined" ]; then
    # Nothing else is left of a worker's join, and its token may have ended.
    rm -f /etc/kubernetes/bootstrap-kubelet.conf
  else
    "${persistently[@]}" kubeadm join --config "$HERE/kubeadm.yaml" "${again[@]}" "${skipped[@]}"
  fi
fi

step 'settle'
if [ "$ROLE" = worker ]; then
  retry 900 2 node_is_ours
fi
if [ -n "$peer" ]; then
  point_endpoint_at "$OWN_ADDRESS"
  # A kube-proxy that started meanwhile has the address of the other control plane.
  restart_kube_proxy
fi
retry 5 5 systemctl daemon-reload
retry 5 5 systemctl enable --now spiderpool-alicloud-node.timer
if [ -n "$ETCD_DISK" ]; then
  retry 5 5 copy_cluster_configuration ||
    echo ":: $NODE_NAME: has no copy of the cluster's configuration on etcd's disk" >&2
  touch "$DISK/complete"
fi
touch "$HERE/done"
forget_user_data
echo ":: $NODE_NAME: done, kubelet $KUBERNETES_VERSION runs as $provider_id"
