"""A machine's first process: `python -m localcloud.machines.guest FOLDER CHANNEL`.

The VPC's process starts it in new namespaces. It builds the root, waits for its NICs, and boots.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]  # ships no types

from localcloud.machines import channel
from localcloud.machines.control import Instance
from localcloud.machines.guest import about, disks, rootfs
from localcloud.machines.guest.cloud_init import cloudinit
from localcloud.machines.guest.network import leases, links
from localcloud.machines.guest.network.netplan import NetplanError
from localcloud.machines.guest.systemd.services import Services, reap_orphans
from localcloud.machines.tools import kubernetes_versions

from .commands import modules, scripts, sysctl
from .lines import ENVIRONMENT, say


def main() -> None:
    """Boot and stay; the VPC's process ends us by force."""
    folder, end = Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    spec = json.loads((folder / "machine.json").read_text("utf-8"))
    instance, tools = Instance.read(spec["instance"]), Path(spec["tools"])
    disk = folder / "disk"
    rootfs.install(disk, instance.image)
    _trust(folder.parents[1] / "cloud/tls/ca.pem", disk)
    versions = kubernetes_versions(tools)
    rootfs.enter(disk, tools, versions)
    os.environ.update(ENVIRONMENT)
    socket.sethostname(instance.hostname)
    say(f"machine {instance.id} ({instance.hostname}): kernel {os.uname().release}")
    os.umask(0o022)
    about.write(
        about.About(
            kubernetes_versions=tuple(versions),
            instance_type=instance.instance_type,
            # We assume that an ECS instance's firmware has its serial number as UUID, too.
            system_uuid=instance.serial_number.lower(),
        )
    )
    scripts.install_image()
    channel.send(end, {"started": True})
    got = channel.receive(end)
    if got is None:
        return
    leases.write(got[0]["leases"])
    disks.attach(got[0].get("attached", ()), got[1])
    threading.Thread(target=reap_orphans, daemon=True).start()
    threading.Thread(target=_boot, args=(instance,), daemon=True).start()
    while (got := channel.receive(end)) is not None:
        _change(*got)


def _trust(certificate: Path, disk: Path) -> None:
    """Install the CA certificate of the local cloud's OpenAPI in the machine."""
    if certificate.exists():
        shutil.copy(certificate, disk / "opt/machine/cloud-ca.pem")


def _boot(instance: Instance) -> None:
    links.loopback_up()
    if cloudinit.first_boot():
        _hosts(instance)
        if instance.primary:
            cloudinit.network_file("eth0", instance.primary.mac)
    _network()
    modules.load_configured()
    sysctl.sysctl(["--system", "--quiet"])
    services = Services()
    services.boot()
    config = cloudinit.read(instance.user_data, instance.id)
    cloudinit.init_stage(config)
    cloudinit.final_stage(config)


def _network() -> None:
    try:
        plans = links.apply_netplan(leases.read())
    except (NetplanError, NetlinkError) as error:
        # The machine keeps running, as a real one does: this process is its first one.
        say(f"netplan: {error}")
        return
    for plan in plans:
        say(f"network: {plan.name} ({plan.mac}) {' '.join(plan.addresses) or 'no address'}")


def _hosts(instance: Instance) -> None:
    Path("/etc/hostname").write_text(instance.hostname + "\n", encoding="utf-8")
    own = f"{instance.primary.address} {instance.hostname}\n" if instance.primary else ""
    Path("/etc/hosts").write_text(
        "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n" + own, encoding="utf-8"
    )


def _change(message: dict[str, Any], trees: list[int]) -> None:
    """Apply a change of the disks and ENIs while the machine runs."""
    disks.detach(message.get("detached", ()))
    disks.attach(message.get("attached", ()), trees)
    if "leases" in message:
        leases.write(message["leases"])
        _network()


if __name__ == "__main__":
    main()
