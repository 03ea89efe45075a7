#!/bin/bash
# root.sh ROOT IMAGE MKE2FS...: configures the packages that were unpacked below ROOT and have their
# files in ROOT/packages, and writes the tree to IMAGE, an ext4 file system without a partition
# table, with the command MKE2FS. Runs in mount and process namespaces of its own.
set -eu
root=$1 image=$2
shift 2

mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
inside() {
  (inside_exec "$@")
}
inside_exec() {
  exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true "$@"
}

# No service is started here.
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
# In this order as debootstrap does: users, folders, then everything else.
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
touch "$root/var/lib/dpkg/status" "$root/var/lib/dpkg/available"
options=(--force-depends --force-unsafe-io --force-confold --no-triggers)
for package in base-passwd base-files; do
  inside sh -c "dpkg ${options[*]} --install /packages/${package}_*.deb"
done
inside sh -c "dpkg ${options[*]} --unpack /packages/*.deb"
inside dpkg --force-unsafe-io --force-confold --configure --pending
rm -rf "$root/packages" "$root/usr/sbin/policy-rc.d"
inside depmod "$(ls "$root/usr/lib/modules")"
inside update-ca-certificates

# Images of containers are unpacked as a machine's containerd does it.
if [ -f "$root/images.tar" ]; then
  (inside_exec containerd --log-level warn) & containerd=$!
  for _ in $(seq 300); do
    inside ctr version > "$root/tmp/version" 2>&1 && break
    sleep 0.2
  done
  inside ctr --namespace k8s.io images import --local --discard-unpacked-layers /images.tar >&2
  # The collector of what is not needed any more runs a moment later.
  for _ in $(seq 300); do
    [ -z "$(find "$root/var/lib/containerd/io.containerd.content.v1.content/blobs" -size +1M)" ] && break
    sleep 0.2
  done
  kill "$containerd"
  wait "$containerd" || true
  # A machine's containerd has an identity of its own.
  rm -rf "$root/images.tar" "$root/run/containerd" "$root/tmp/version" \
    "$root/var/lib/containerd/io.containerd.grpc.v1.introspection"
fi

# Nothing of /usr is newer than these: no cache is built again at the first boot.
touch "$root/etc/.updated" "$root/var/.updated"

umount -l "$root/dev" "$root/proc"
rm -f "$image"
"$@" -q -t ext4 -L root -m 0 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard \
  -d "$root" "$image" 20G
