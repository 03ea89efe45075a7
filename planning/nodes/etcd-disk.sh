#!/bin/bash
# etcd's own disk (docs/decisions/etcd-disk.md). `prepare` is for a machine's first boot and may
# format a disk with nothing on it; `mount` is for every other boot, before the kubelet starts;
# `is-there` tells whether it still is attached and mounted, and makes its file system as large as the
# disk; `member` prints the id of the member whose data is there, `set-aside` takes data that no
# cluster needs out of etcd's way, `back-up` writes a snapshot of a running etcd, and `restore` makes
# the only member of a new cluster of the data on a disk that comes from a snapshot.
set -euo pipefail

# shellcheck source=/dev/null
. /etc/spiderpool-alicloud/node.env
# shellcheck source=planning/nodes/common.sh
. /etc/spiderpool-alicloud/common.sh
FORMATTING=$HERE/formatting
# The boot program goes on where it stopped; later boots start the kubelet, which needs the disk.
AGAIN="run $HERE/bootstrap.sh"
[ "$1" = prepare ] || AGAIN="run \`systemctl start kubelet\`"

stop() {
  echo ":: $NODE_NAME: $*" >&2
  exit 1
}

device() { # by the disk's serial number: the order of devices says nothing
  local path
  for path in /dev/disk/by-id/virtio-"$ETCD_DISK" /dev/disk/by-id/nvme-*"$ETCD_DISK"; do
    if [ -e "$path" ]; then
      echo "$path"
      return
    fi
  done
  return 1
}

is_mounted() { # FOLDER
  grep -q " $1 " /proc/mounts
}

format_if_blank() { # DEVICE
  local status=0 kinds
  kinds=$(blkid --probe "$1" 2>&1) || status=$?
  # 2 is also the answer for a device that cannot be read (blkid(8)), so its beginning is read too.
  if [ -e "$FORMATTING" ] ||
    { [ "$status" = 2 ] && cmp -s -n 1048576 "$1" /dev/zero; }; then
    # Until the end: a format that was cut off leaves a disk that is neither blank nor usable.
    touch "$FORMATTING"
    echo ":: $NODE_NAME: formats etcd's disk, which is blank"
    mkfs.ext4 -q -F -L etcd "$1"
    rm "$FORMATTING"
  elif [ "$status" != 0 ]; then
    stop "etcd's disk $1 is neither blank nor a file system (blkid: exit status $status," \
      "${kinds:-nothing}). It stays as it is. If nothing on it is needed, empty it with" \
      "\`blkdiscard --force $1\`, and $AGAIN."
  fi
}

# Once a boot for each size: resize2fs opens the device for writing, which udev would report again and
# again.
grow() { # DEVICE: a disk may be made larger while etcd waits for it, because its file system is full
  local grown
  grown=/run/etcd-disk-$(blockdev --getsize64 "$1")
  [ -e "$grown" ] || { resize2fs "$1" &> /dev/null && touch "$grown"; }
}

mount_disk() { # DEVICE
  mkdir -p "$DISK" /var/lib/etcd
  is_mounted "$DISK" || mount -o noatime "$1" "$DISK"
  grow "$1" || true
}

check_owner() { # prepare|mount
  local owner
  owner="$NODE_NAME $(sha256sum < "$PKI/etcd/ca.crt" | cut -c 1-64)"
  if [ ! -e "$DISK/owner" ]; then
    [ "$1" = prepare ] ||
      stop "etcd's disk has lost its file \`owner\`, and etcd would start empty on it. It stays as it" \
        "is: attach the disk of this node, or replace this machine."
    [ -z "$(ls -A -I lost+found -I owner.new "$DISK/")" ] ||
      stop "etcd's disk has files and no owner, so another program has written them. It stays as" \
        "it is: attach the disk of this node, or empty this one, and $AGAIN."
    echo "$owner" > "$DISK/owner.new"
    mv "$DISK/owner.new" "$DISK/owner"
  elif [ "$(cat "$DISK/owner")" = "$owner" ]; then
    return
  elif unfinished_restore && [ "$(cut -d ' ' -f 2 "$DISK/owner")" = "${owner#* }" ]; then
    # Every member's disk has the whole cluster.
    echo "$owner" > "$DISK/owner.new"
    mv "$DISK/owner.new" "$DISK/owner"
  else
    stop "etcd's disk belongs to $(cut -d ' ' -f 1 "$DISK/owner") of a cluster with other keys, or" \
      "to another node. It stays as it is: attach the disk of this node, and $AGAIN."
  fi
}

# etcd's log begins with the ids of its member and cluster: records of a length (64 bits, of which
# the highest byte says how many are padding) and a message (WAL: server/storage/wal/encoder.go,
# walpb.Record, etcdserverpb.Metadata).
READ_LOG='
import glob, sys
def number(text, at):
    value = shift = 0
    while True:
        byte = text[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
def message(text):
    at, fields = 0, {}
    while at < len(text):
        tag, at = number(text, at)
        value, at = number(text, at)
        if tag & 7 == 2:
            value, at = text[at : at + value], at + value
        fields[tag >> 3] = value
    return fields
for path in sorted(glob.glob(sys.argv[1] + "/*.wal")):
    with open(path, "rb") as log:
        while length := int.from_bytes(log.read(8), "little"):
            padding = length >> 56 & 7 if length >> 63 else 0
            length &= (1 << 56) - 1
            record = message(log.read(length + padding)[:length])
            if record.get(1) == 1:
                print(message(record[3])[1])
                sys.exit()
'

# etcd's gateway answers with lines that have a part each, and the last one has the digest of all
# others (etcd, server/etcdserver/api/v3rpc/maintenance.go, Snapshot).
JOIN_PARTS='
import base64, hashlib, json, sys
digest, rest = hashlib.sha256(), b""
for line in sys.stdin:
    rest += base64.b64decode(json.loads(line)["result"].get("blob", ""))
    whole, rest = rest[:-32], rest[-32:]
    digest.update(whole)
    sys.stdout.buffer.write(whole)
sys.stdout.buffer.write(rest)
sys.exit(0 if rest == digest.digest() else "the snapshot is not whole")
'

etcdutl() { # from the image that kubeadm runs etcd with
  local image
  image=$(kubeadm config images list --config "$HERE/kubeadm.yaml" | grep '/etcd:')
  retry 10 15 crictl pull "$image" > /dev/null
  ctr --namespace k8s.io run --rm --mount "type=bind,src=$DISK,dst=$DISK,options=rbind:rw" \
    "$image" "restore-$$" etcdutl "$@"
}

# Revisions of a restored etcd begin far above all that clients have seen, and everything before is
# marked as compacted: informers then list again (etcd, Disaster recovery, "Restoring with revision
# bump"). The token gives the new cluster an id of its own, because each restore has a new disk.
make_member() { # FOLDER
  rm -rf "$1.new"
  etcdutl snapshot restore "$DISK/data/member/snap/db" --skip-hash-check --data-dir "$1.new" \
    --bump-revision 1000000000 --mark-compacted --initial-cluster-token "$RESTORE-$ETCD_DISK" \
    --name "$NODE_NAME" --initial-cluster "$NODE_NAME=https://$OWN_ADDRESS:2380" \
    --initial-advertise-peer-urls "https://$OWN_ADDRESS:2380"
  sync
  mv "$1.new" "$1"
}

case "$1" in
  prepare | mount)
    path=$(retry 120 5 device) ||
      stop "etcd's disk (d-$ETCD_DISK) is not attached. etcd does not start without it, because it" \
        "would start empty. \`pulumi up\` attaches it; then $AGAIN."
    [ "$1" = mount ] || format_if_blank "$path"
    mount_disk "$path"
    check_owner "$1"
    mkdir -p "$DISK/data"
    chmod 700 "$DISK/data"
    is_mounted /var/lib/etcd || mount --bind "$DISK/data" /var/lib/etcd
    touch "$HERE/etcd-disk-ready"
    ;;
  is-there)
    is_mounted /var/lib/etcd
    path=$(device)
    grow "$path" || true
    ;;
  member)
    python3 -c "$READ_LOG" "$DISK/data/member/wal"
    ;;
  back-up)
    # etcd's own snapshot, next to its data: the cloud's snapshot of the disk then has both.
    mkdir -p "$DISK/backup"
    chmod 700 "$DISK/backup"
    etcd 127.0.0.1 maintenance/snapshot '{}' 300 |
      python3 -c "$JOIN_PARTS" > "$DISK/backup/snapshot.db.new"
    sync "$DISK/backup/snapshot.db.new"
    mv "$DISK/backup/snapshot.db.new" "$DISK/backup/snapshot.db"
    sync "$DISK/backup"
    ;;
  restore) # every line may be the last one of a run that is cut off
    restored=$DISK/restored-$RESTORE
    if [ ! -e "$restored" ]; then
      [ -e "$DISK/data/member/snap/db" ] ||
        stop "etcd's disk has no data of etcd, so it does not come from the snapshot $RESTORE, or that" \
          "is of another disk. Run \`python -m operations restore\` with a snapshot that" \
          "\`python -m operations backup --list\` shows."
      make_member "$restored"
    fi
    if [ -e "$restored/member" ]; then
      if [ -e "$DISK/data/member" ]; then
        rm -rf "$DISK/data.old"
        mkdir -p "$DISK/data.old"
        mv "$DISK/data/member" "$DISK/data.old/"
      fi
      mv "$restored/member" "$DISK/data/"
    fi
    sync
    echo "$RESTORE" > "$DISK/restored.new"
    mv "$DISK/restored.new" "$DISK/restored"
    rm -rf "$restored"
    ;;
  set-aside)
    echo ":: $NODE_NAME: the data on etcd's disk are of a member that has left; they go to data.old"
    rm -rf "$DISK/data.old"
    mkdir -p "$DISK/data.old"
    mv "$DISK/data/member" "$DISK/data.old/"
    rm -f "$DISK/complete" "$DISK/encryption" "$DISK/cluster.yaml"
    ;;
esac
