"""A node's user-data for cloud-init, which turns a bare machine into a node.

It has files and two commands. The first unpacks an archive with every file that is not secret,
because the cloud limits the size. The second, `bootstrap.sh`, is the same on every node, and
`node.env` has the differences (docs/decisions/one-program-for-every-node.md). It runs again at the
next boot if the power failed meanwhile. The scripts include the node's own unit, `node.sh`
(docs/decisions/node-unit.md).
"""

from __future__ import annotations

import json
import re
import tarfile
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from ipaddress import IPv6Network
from shlex import quote
from typing import Final

from config.model import Role
from config.report import ConfigError, Problem
from planning.model import ClusterPlan, NodePlan
from planning.nodes import etcd_disk, guest_network, guest_system
from planning.nodes.control_plane import api_server_files
from planning.nodes.endpoint import endpoint_name, other_control_planes, private_address
from planning.nodes.kubeadm import (
    DISCOVERY,
    KUBELET_SETTINGS,
    discovery_document,
    init_documents,
    join_documents,
    kubelet_settings,
)
from planning.nodes.machine import UNIT_VERSION
from planning.nodes.metadata_guard import RULES, SERVICE, SERVICE_FILE, guard_rules
from planning.nodes.secrets import ClusterSecrets

DIRECTORY: Final = "/etc/spiderpool-alicloud"
PKI: Final = "/etc/kubernetes/pki"
LIMIT: Final = 32 * 1024
"""Bytes of user-data before base64. RunInstances, UserData: "The raw data can be up to 32 KB in
size" (https://www.alibabacloud.com/help/en/ecs/developer-reference/api-ecs-2014-05-26-runinstances,
and the field's comment in the API's SDKs of 2026; older pages say 16 KB)."""
CREATION_SECONDS: Final = 6 * 3600
"""Seconds after the start of the first creation in which a control plane may create the cluster.
This suffices for a first boot that waits for the internet and is repeated. There is a limit because
the user-data does not change later, and must not create a second cluster on a new disk."""
UNIT: Final = "spiderpool-alicloud-node"
"""Name of the node's own unit: a service that a timer starts."""

_File = tuple[str, str, str | None]
"""Path, content, permissions."""

_PRIVATE: Final = "0600"
_PUBLIC: Final = None
"""cloud-init's default, `_READABLE`."""
_READABLE: Final = "0644"
_GZIP: Final = 16
"""Added to zlib's window size for the header and the trailer of gzip (zlib.h, deflateInit2)."""
_PROGRAM_PATH: Final = f"{DIRECTORY}/bootstrap.sh"
ARCHIVE: Final = f"{DIRECTORY}/files.tar.gz"
"""The archive of all files without a secret, with paths below `/`. It stays on the machine."""
_UNIT_PATH: Final = f"{DIRECTORY}/node.sh"
_AGAIN_PATH: Final = "/var/lib/cloud/scripts/per-boot/spiderpool-alicloud"
_AGAIN: Final = f"""\
#!/bin/sh
cd {DIRECTORY} && [ -e started ] && [ ! -e done ] || exit 0
exec ./bootstrap.sh
"""
"""cloud-init begins the user-data's command once, and never again if the power fails meanwhile
(`Runners.run` in cloudinit/helpers.py of canonical/cloud-init). It runs this one at every boot
(https://cloudinit.readthedocs.io/en/latest/reference/modules.html#scripts-per-boot)."""
_JOINED_CA: Final = f"{DIRECTORY}/kubeadm-ca.crt"
"""The CA that a worker trusts when it joins. kubeadm writes its own file later, and refuses to join
where one is there already."""
_SERVICE: Final = f"""\
[Unit]
Description=Brings this node to the settings that its Node asks for
[Service]
Type=oneshot
ExecStart={_UNIT_PATH}
"""
_TIMER: Final = f"""\
[Unit]
Description=Starts {UNIT}.service every 15 seconds
[Timer]
OnActiveSec=15s
OnUnitInactiveSec=15s
AccuracySec=1s
[Install]
WantedBy=timers.target
"""


def user_data(  # noqa: PLR0913  # one parameter for each fact that only the cloud knows
    plan: ClusterPlan,
    node: str,
    *,
    secrets: ClusterSecrets,
    macs: Mapping[str, str],
    api_address: str,
    public_address: str | None,
    creation_ends: int | None,
    ipv6_networks: Mapping[str, IPv6Network] | None = None,
    earlier_addresses: Mapping[str, str] | None = None,
    etcd_disk_serial: str | None = None,
    restore: str | None = None,
) -> str:
    """One node's cloud-config, base64 text as RunInstances wants it.

    Args:
        plan: the cluster, in `kubeadm` mode.
        node: a key of `plan.nodes`.
        secrets: the cluster's; CA keys go to control planes only.
        macs: NIC name → MAC of the ENI that the node gets.
        api_address: one control plane: its private address; several: the load balancer's.
        public_address: the API server's EIP, for its certificate; None without one.
        creation_ends: in the first creation of the cluster, seconds since 1970 until which its
            first control plane may run `kubeadm init` (now plus `CREATION_SECONDS`). None once
            the cluster has existed, so that no machine ever creates another one.
        ipv6_networks: vSwitch key → its /64, with IPv6; each NIC then has its own address in it.
        earlier_addresses: node → its primary address before this run, where other control planes
            may not have their new ones yet.
        etcd_disk_serial: serial number of the disk that etcd's data is on; None without one.
        restore: id of the snapshot from which the first control plane rebuilds the cluster; its
            disk for etcd was created from it. None in every other run.

    Raises:
        ConfigError: over `LIMIT`.
    """
    this = plan.nodes[node]
    contents = _contents(
        plan,
        this,
        secrets=secrets,
        macs=macs,
        api_address=api_address,
        public_address=public_address,
        creation_ends=creation_ends,
        ipv6_networks=ipv6_networks or {},
        earlier_addresses=earlier_addresses or {},
        etcd_disk_serial=etcd_disk_serial,
        restore=restore,
    )
    raw = _cloud_config(contents, _packing(with_etcd_disk=etcd_disk_serial is not None))
    if len(raw) > LIMIT:
        raise ConfigError([_too_large(this, len(raw))])
    return b64encode(raw).decode()


def _contents(  # noqa: PLR0913  # as `user_data`
    plan: ClusterPlan,
    this: NodePlan,
    *,
    secrets: ClusterSecrets,
    macs: Mapping[str, str],
    api_address: str,
    public_address: str | None,
    creation_ends: int | None,
    ipv6_networks: Mapping[str, IPv6Network],
    earlier_addresses: Mapping[str, str],
    etcd_disk_serial: str | None,
    restore: str | None,
) -> list[_File]:
    network = guest_network.netplan(plan, this, macs=macs, ipv6_networks=ipv6_networks)
    environment = _environment(
        plan,
        this,
        api_address=api_address,
        creation_ends=creation_ends,
        earlier_addresses=earlier_addresses,
        etcd_disk_serial=etcd_disk_serial,
        encryption_keys=secrets.encryption_keys,
        restore=restore,
    )
    contents: list[_File] = [
        (_AGAIN_PATH, _AGAIN, "0700"),
        (f"/etc/systemd/system/{UNIT}.service", _SERVICE, _PUBLIC),
        (f"/etc/systemd/system/{UNIT}.timer", _TIMER, _PUBLIC),
        (f"/etc/systemd/system/{SERVICE}.service", SERVICE_FILE, _PUBLIC),
        (RULES, guard_rules(plan, this), _PUBLIC),
        (f"{DIRECTORY}/node.env", environment, _PUBLIC),
        (KUBELET_SETTINGS, kubelet_settings(plan, this), _PUBLIC),
        ("/etc/netplan/60-spiderpool.yaml", network, _PRIVATE),
        ("/etc/cloud/cloud.cfg.d/99-spiderpool.cfg", guest_network.CLOUD_INIT, _PUBLIC),
        ("/etc/systemd/networkd.conf.d/spiderpool.conf", guest_network.NETWORKD, _PUBLIC),
        ("/etc/NetworkManager/conf.d/spiderpool.conf", guest_network.NETWORK_MANAGER, _PUBLIC),
        # The name sorts after /etc/sysctl.d/99-sysctl.conf, which images fill.
        ("/etc/sysctl.d/99-z-spiderpool.conf", guest_system.sysctls(plan), _PUBLIC),
        ("/etc/chrony/sources.d/alibaba.sources", guest_system.CHRONY, _PUBLIC),
    ]
    system = {
        **guest_network.dual_stack_files(plan, this),
        **guest_system.apt_files(plan),
        **guest_system.containerd_files(plan),
    }
    contents += [(path, content, _PUBLIC) for path, content in system.items()]
    contents += _kubeadm(
        plan, this, secrets=secrets, api_address=api_address, public_address=public_address
    )
    if this.role is Role.CONTROL_PLANE:
        contents += _pki(secrets)
        contents += [(path, content, _PRIVATE) for path, content in api_server_files().items()]
    if etcd_disk_serial is not None:
        contents += [(path, text, _PUBLIC) for path, text in etcd_disk.etcd_disk_files().items()]
    return contents


def _cloud_config(contents: Sequence[_File], pack: Callable[[bytes], bytes]) -> bytes:
    own = [file for file in contents if not _is_apart(file[0])]
    packed = pack(b"".join(_tar_entry(*file) for file in own))
    archive = {"path": ARCHIVE, "encoding": "b64", "content": b64encode(packed).decode()}
    document = {
        "write_files": [archive, *(_written(file) for file in contents if _is_apart(file[0]))],
        # The files get the time at which they are unpacked.
        "runcmd": [["tar", "-xzmf", ARCHIVE, "-C", "/"], [_PROGRAM_PATH]],
    }
    # JSON is YAML, and a line break takes two bytes of it instead of a line's indentation.
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return f"#cloud-config\n{text}\n".encode()


def _is_apart(path: str) -> bool:
    """Whether a file is not in the archive, which stays on the machine.

    Files with a secret are readable, so that a search finds the keys and the token. `_AGAIN_PATH`
    has to be there before any command runs.
    """
    return path.startswith(f"{PKI}/") or path in {DISCOVERY, _AGAIN_PATH}


def _written(file: _File) -> dict[str, str]:
    path, content, mode = file
    permissions = {} if mode is None else {"permissions": mode}
    return {"path": path, **permissions, "content": content}


@cache
def _packing(*, with_etcd_disk: bool) -> Callable[[bytes], bytes]:
    """Make a `.tar.gz` of the scripts and of further entries.

    The scripts are most of it and the same on every node, so they are compressed once. One archive
    is 6 KB shorter than a packed file for each (base64 included).
    """
    names = ("common.sh", "bootstrap.sh", "node.sh", *(("etcd-disk.sh",) if with_etcd_disk else ()))
    compressor = zlib.compressobj(zlib.Z_BEST_COMPRESSION, zlib.DEFLATED, zlib.MAX_WBITS | _GZIP)
    scripts = compressor.compress(
        b"".join(_tar_entry(f"{DIRECTORY}/{name}", _script(name), "0700") for name in names)
    )

    def pack(entries: bytes) -> bytes:
        rest = compressor.copy()
        return scripts + rest.compress(entries + bytes(2 * tarfile.BLOCKSIZE)) + rest.flush()

    return pack


def _tar_entry(path: str, content: str, mode: str | None) -> bytes:
    """A file of root's in an archive, with its path below `/`."""
    data = content.encode()
    entry = tarfile.TarInfo(path.removeprefix("/"))
    entry.size, entry.mode = len(data), int(mode or _READABLE, 8)
    return entry.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


@cache
def _script(name: str) -> str:
    """A script without comments, blank lines and indentation.

    They would take a quarter of `LIMIT`. A Python text in a script, from a line that ends in `='`
    to one that begins with `'`, is indented by one space a level instead of four.
    """
    kept: list[str] = []
    python = False
    for line in files("planning.nodes").joinpath(name).read_text(encoding="utf-8").splitlines():
        if python:
            statement = line.lstrip(" ")
            kept.append(" " * ((len(line) - len(statement)) // 4) + statement)
            python = not line.startswith("'")
        elif line.startswith("#!"):
            kept.append(line)
        elif (short := _FUNCTION.sub(r"\1", line.lstrip())) and not short.startswith("#"):
            kept.append(short)
            python = short.endswith("='")
    return "\n".join(kept) + "\n"


_FUNCTION: Final = re.compile(r"^(\w+\(\) \{) #.*$")
"""A function's first line with the comment that describes its arguments."""


def _environment(  # noqa: PLR0913  # as `user_data`
    plan: ClusterPlan,
    node: NodePlan,
    *,
    api_address: str,
    creation_ends: int | None,
    earlier_addresses: Mapping[str, str],
    etcd_disk_serial: str | None,
    encryption_keys: tuple[str, ...],
    restore: str | None,
) -> str:
    """Shell assignments that the scripts read.

    The plan decides which node initialises the cluster, not the order of the boots.
    """
    control_plane = node.role is Role.CONTROL_PLANE
    peers = other_control_planes(plan, node, earlier_addresses) if control_plane else ()
    keys = guest_system.signing_keys(plan)
    values = {
        "NODE_NAME": node.name,
        "ROLE": str(node.role),
        "NICS": " ".join(sorted(node.interfaces)),
        "MODULES": " ".join(guest_system.MODULES),
        "KUBERNETES_VERSION": plan.kubernetes.version,
        "KUBERNETES_KEY": keys["kubernetes"],
        "DOCKER_KEY": keys["docker"],
        "UNIT_VERSION": str(UNIT_VERSION),
        "ENDPOINT_NAME": endpoint_name(plan),
        "ENDPOINT_ADDRESS": api_address,
        "OWN_ADDRESS": private_address(node),
        "PEERS": " ".join(peers),
        "CREATION_ENDS": str(creation_ends) if control_plane and creation_ends else "",
        "ETCD_DISK": etcd_disk_serial or "",
        "ENCRYPTION_KEYS": " ".join(encryption_keys) if control_plane else "",
        "INITIALISES": "yes" if node.name == plan.control_planes[0].name else "no",
        **({"RESTORE": restore} if restore and control_plane else {}),
    }
    return "".join(f"{name}={quote(value)}\n" for name, value in values.items())


def _kubeadm(
    plan: ClusterPlan,
    node: NodePlan,
    *,
    secrets: ClusterSecrets,
    api_address: str,
    public_address: str | None,
) -> list[_File]:
    control_plane = node.role is Role.CONTROL_PLANE
    ca = f"{PKI}/ca.crt" if control_plane else _JOINED_CA
    documents: list[_File] = [
        (f"{DIRECTORY}/kubeadm-join.yaml.in", join_documents(node), _PRIVATE),
        (DISCOVERY, discovery_document(plan, secrets=secrets, ca=ca), _PRIVATE),
    ]
    if not control_plane:
        documents.append((ca, secrets.ca.certificate, _PUBLIC))
    if control_plane:
        init = init_documents(plan, node, api_address=api_address, public_address=public_address)
        documents.append((f"{DIRECTORY}/kubeadm-init.yaml.in", init, _PRIVATE))
    return documents


def _pki(secrets: ClusterSecrets) -> list[_File]:
    pairs = {
        "ca": secrets.ca,
        "front-proxy-ca": secrets.front_proxy_ca,
        "etcd/ca": secrets.etcd_ca,
    }
    files: list[_File] = []
    for name, pair in pairs.items():
        files.append((f"{PKI}/{name}.crt", pair.certificate, _PUBLIC))
        files.append((f"{PKI}/{name}.key", pair.key, _PRIVATE))
    files.append((f"{PKI}/sa.key", secrets.service_account_key, _PRIVATE))
    files.append((f"{PKI}/sa.pub", secrets.service_account_public_key, _PUBLIC))
    return files


def _too_large(node: NodePlan, size: int) -> Problem:
    return Problem(
        path=f"nodePools.{node.pool}",
        value=None,
        rule=(
            f"The user-data of node {node.name} is {size} bytes, and Alibaba Cloud takes at most "
            f"{LIMIT} before base64."
        ),
        remedy="Write fewer or shorter labels, taints and kubernetes.kubelet settings.",
    )
