"""A node's user-data: everything that makes a bare machine a node, for cloud-init.

Files and one command. The command, `bootstrap.sh`, is the same on every node; what differs stands
in `node.env` beside it (docs/decisions/one-program-for-every-node.md).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from gzip import compress
from hashlib import sha256
from importlib.resources import files
from ipaddress import IPv6Network
from shlex import quote
from typing import Final

from config.model import Role
from config.report import ConfigError, Problem
from planning import guest_network, guest_system
from planning.document import yaml_text
from planning.endpoint import endpoint_name, other_control_planes, private_address
from planning.kubeadm import (
    KUBELET_PATCH,
    PATCH_DIRECTORY,
    init_documents,
    join_documents,
    kubelet_patch,
)
from planning.model import ClusterPlan, NodePlan
from planning.secrets import ClusterSecrets

DIRECTORY: Final = "/etc/spiderpool-alicloud"
PKI: Final = "/etc/kubernetes/pki"
LIMIT: Final = 16 * 1024
"""Bytes of user-data before base64: the API's documented limit (ECS, RunInstances UserData)."""

_File = tuple[str, str, str | None]
"""Path, content, permissions."""

_PRIVATE: Final = "0600"
_PUBLIC: Final = None
"""What cloud-init gives by itself: 0644."""
_PROGRAM: Final = "0700"
_SOME_ADDRESS: Final = "192.0.2.1"
_SOME_NETWORK: Final = IPv6Network("2001:db8::/64")
_PROGRAM_PATH: Final = f"{DIRECTORY}/bootstrap.sh"


def user_data(  # noqa: PLR0913  # what only the cloud knows comes one by one
    plan: ClusterPlan,
    node: str,
    *,
    secrets: ClusterSecrets,
    macs: Mapping[str, str],
    api_address: str,
    public_address: str | None,
    ipv6_networks: Mapping[str, IPv6Network] | None = None,
) -> str:
    """One node's cloud-config, base64 text as RunInstances wants it.

    Args:
        plan: the cluster, in `kubeadm` mode.
        node: a key of `plan.nodes`.
        secrets: the cluster's; CA keys go to control planes only.
        macs: NIC name → MAC of the ENI that the node gets.
        api_address: one control plane: its private address; several: the load balancer's.
        public_address: the API server's EIP, for its certificate; None without one.
        ipv6_networks: vSwitch key → its /64, with IPv6; each NIC then has its own address in it.

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
        ipv6_networks=ipv6_networks or {},
    )
    raw = _cloud_config(contents)
    if len(raw) > LIMIT and this.role is Role.CONTROL_PLANE:
        raw = _cloud_config(contents, packed=True)
    if len(raw) > LIMIT:
        raise ConfigError([_too_large(this, len(raw))])
    return b64encode(raw).decode()


def generation(plan: ClusterPlan, worker: str, *, secrets: ClusterSecrets) -> str:
    """What a worker is built from, as a short name: another one means another machine.

    Its user-data without what only the cloud knows, so that it is known before the worker's first
    resource is. MACs are left out: they change only with an ENI, and that is told elsewhere.
    """
    this = plan.nodes[worker]
    contents = _contents(
        plan,
        this,
        secrets=secrets,
        macs=dict.fromkeys(this.interfaces, "00:16:3e:00:00:00"),
        api_address=_SOME_ADDRESS,
        public_address=None,
        ipv6_networks=(
            {nic.vswitch: _SOME_NETWORK for nic in this.interfaces.values()}
            if plan.network.ipv6.enabled
            else {}
        ),
    )
    return sha256(_cloud_config(contents)).hexdigest()[:16]


def _contents(  # noqa: PLR0913  # as `user_data`
    plan: ClusterPlan,
    this: NodePlan,
    *,
    secrets: ClusterSecrets,
    macs: Mapping[str, str],
    api_address: str,
    public_address: str | None,
    ipv6_networks: Mapping[str, IPv6Network],
) -> list[_File]:
    network = guest_network.netplan(plan, this, macs=macs, ipv6_networks=ipv6_networks)
    contents: list[_File] = [
        (_PROGRAM_PATH, _program(), _PROGRAM),
        (f"{DIRECTORY}/node.env", _environment(plan, this, api_address=api_address), _PUBLIC),
        (f"{PATCH_DIRECTORY}/{KUBELET_PATCH}", kubelet_patch(plan, this), _PUBLIC),
        ("/etc/netplan/60-spiderpool.yaml", network, _PRIVATE),
        ("/etc/cloud/cloud.cfg.d/99-spiderpool.cfg", guest_network.CLOUD_INIT, _PUBLIC),
        ("/etc/systemd/networkd.conf.d/spiderpool.conf", guest_network.NETWORKD, _PUBLIC),
        ("/etc/NetworkManager/conf.d/spiderpool.conf", guest_network.NETWORK_MANAGER, _PUBLIC),
        # Named to come after /etc/sysctl.d/99-sysctl.conf, which images fill.
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
    return contents


def _cloud_config(contents: list[_File], *, packed: bool = False) -> bytes:
    """The document; `packed` compresses every file that becomes shorter by it.

    Only for control planes, which never take a later user-data: compressed bytes may differ
    between machines, and a worker with other user-data is replaced.
    """
    document = {
        "write_files": [_written(file, packed=packed) for file in contents],
        "runcmd": [[_PROGRAM_PATH]],
    }
    return ("#cloud-config\n" + yaml_text(document)).encode()


def _written(file: _File, *, packed: bool) -> dict[str, str]:
    path, content, mode = file
    written = {"path": path}
    if mode is not None:
        written["permissions"] = mode
    if packed:
        squeezed = b64encode(compress(content.encode(), mtime=0)).decode()
        if len(squeezed) + len("encoding: gz+b64") < len(content):
            return {**written, "encoding": "gz+b64", "content": squeezed}
    return {**written, "content": content}


def _program() -> str:
    """The script without its comments, which are for readers of this repository."""
    text = files("planning").joinpath("bootstrap.sh").read_text(encoding="utf-8")
    first, *lines = text.splitlines()
    kept = [line for line in lines if line and not line.lstrip().startswith("#")]
    return "\n".join((first, *kept)) + "\n"


def _environment(plan: ClusterPlan, node: NodePlan, *, api_address: str) -> str:
    """Shell assignments that `bootstrap.sh` reads."""
    control_plane = node.role is Role.CONTROL_PLANE
    keys = guest_system.signing_keys(plan)
    values = {
        "NODE_NAME": node.name,
        "ROLE": _part(plan, node),
        "NICS": " ".join(sorted(node.interfaces)),
        "MODULES": " ".join(guest_system.MODULES),
        "KUBERNETES_VERSION": plan.kubernetes.version,
        "KUBERNETES_KEY": keys["kubernetes"],
        "DOCKER_KEY": keys["docker"],
        "ENDPOINT_NAME": endpoint_name(plan) or "",
        "ENDPOINT_ADDRESS": api_address,
        "OWN_ADDRESS": private_address(node),
        "PEERS": " ".join(other_control_planes(plan, node)) if control_plane else "",
    }
    return "".join(f"{name}={quote(value)}\n" for name, value in values.items())


def _part(plan: ClusterPlan, node: NodePlan) -> str:
    """What the node does at boot: chosen by name in the plan, never by who comes first."""
    if node.role is Role.WORKER:
        return "worker"
    return "init" if node.name == plan.control_planes[0].name else "join"


def _kubeadm(
    plan: ClusterPlan,
    node: NodePlan,
    *,
    secrets: ClusterSecrets,
    api_address: str,
    public_address: str | None,
) -> list[_File]:
    first = f"{DIRECTORY}/kubeadm.yaml.in"
    join = join_documents(plan, node, secrets=secrets, api_address=api_address)
    if _part(plan, node) != "init":
        return [(first, join, _PRIVATE)]
    init = init_documents(
        plan, node, secrets=secrets, api_address=api_address, public_address=public_address
    )
    found: list[_File] = [(first, init, _PRIVATE)]
    if len(plan.control_planes) > 1:
        # A replacement of the first control plane finds a cluster, and joins it.
        found.append((f"{DIRECTORY}/kubeadm-rejoin.yaml.in", join, _PRIVATE))
    return found


def _pki(secrets: ClusterSecrets) -> list[_File]:
    pairs = {
        "ca": secrets.ca,
        "front-proxy-ca": secrets.front_proxy_ca,
        "etcd/ca": secrets.etcd_ca,
    }
    found: list[_File] = []
    for name, pair in pairs.items():
        found.append((f"{PKI}/{name}.crt", pair.certificate, _PUBLIC))
        found.append((f"{PKI}/{name}.key", pair.key, _PRIVATE))
    found.append((f"{PKI}/sa.key", secrets.service_account_key, _PRIVATE))
    found.append((f"{PKI}/sa.pub", secrets.service_account_public_key, _PUBLIC))
    return found


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
