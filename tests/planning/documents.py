"""Plans and user-data for tests of what a plan turns into."""

from __future__ import annotations

import io
import tarfile
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

import yaml

from config.load import load
from planning.build import build_plan
from planning.model import ClusterPlan
from planning.nodes.endpoint import private_address
from planning.nodes.secrets import ClusterSecrets
from planning.nodes.user_data import ARCHIVE, user_data
from tests.clusters import fake_secrets

ROOT = Path(__file__).resolve().parents[2]
PUBLIC_ADDRESS = "47.98.0.10"
BALANCER_ADDRESS = "10.0.15.200"
ETCD_DISK = "bp14k9cxvr5uzy5x1234"
"""Serial number of etcd's disk, where a node has one."""
FAR_AWAY = 4_102_444_800
"""The year 2100: a first creation that is not over."""
STACKS = ("local", "dev", "prod")


def planned(document: Mapping[str, Any]) -> ClusterPlan:
    """The plan of one `spiderpool-alicloud:cluster` object."""
    return build_plan(load(document))


@cache
def stack_plan(stack: str) -> ClusterPlan:
    """The plan of one of the repository's own stack files."""
    text = (ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    return planned(yaml.safe_load(text)["config"]["spiderpool-alicloud:cluster"])


def every_node() -> list[tuple[str, str]]:
    """Stack and node name, for all stack files."""
    return [(stack, node) for stack in STACKS for node in stack_plan(stack).nodes]


def macs(plan: ClusterPlan, node: str) -> dict[str, str]:
    """MACs as Alibaba Cloud's are."""
    return {nic: f"00:16:3e:0a:00:{n:02x}" for n, nic in enumerate(plan.nodes[node].interfaces)}


def api_address(plan: ClusterPlan) -> str:
    """Where the API is: the only control plane, or a load balancer."""
    planes = plan.control_planes
    return private_address(planes[0]) if len(planes) == 1 else BALANCER_ADDRESS


@dataclass(frozen=True, kw_only=True)
class Booted:
    """A node's user-data, taken apart as cloud-init does."""

    raw: bytes
    document: Mapping[str, Any]
    files: Mapping[str, str]
    modes: Mapping[str, str]

    @property
    def kubeadm(self) -> dict[str, Any]:
        """Documents for kubeadm by kind: those of `join`, on control planes those of `init` too."""
        names = ("kubeadm-join.yaml.in", "kubeadm-init.yaml.in")
        texts = [self.files.get(f"/etc/spiderpool-alicloud/{name}", "") for name in names]
        return {
            document["kind"]: document
            for text in texts
            for document in yaml.safe_load_all(text)
            if document
        }

    @property
    def ethernets(self) -> dict[str, Any]:
        """NICs in the netplan file."""
        netplan = yaml.safe_load(self.files["/etc/netplan/60-spiderpool.yaml"])
        ethernets: dict[str, Any] = netplan["network"]["ethernets"]
        return ethernets


def booted(  # noqa: PLR0913 - as `user_data`
    plan: ClusterPlan,
    node: str,
    *,
    secrets: ClusterSecrets | None = None,
    public_address: str | None = PUBLIC_ADDRESS,
    creation_ends: int | None = FAR_AWAY,
    ipv6_networks: Mapping[str, str] | None = None,
    earlier_addresses: Mapping[str, str] | None = None,
    restore: str | None = None,
) -> Booted:
    """One node's user-data."""
    encoded = user_data(
        plan,
        node,
        secrets=secrets or fake_secrets(),
        macs=macs(plan, node),
        api_address=api_address(plan),
        public_address=public_address,
        creation_ends=creation_ends,
        ipv6_networks={k: IPv6Network(text) for k, text in (ipv6_networks or {}).items()},
        earlier_addresses=earlier_addresses,
        etcd_disk_serial=None if plan.nodes[node].etcd_disk is None else ETCD_DISK,
        restore=restore,
    )
    return unpacked(encoded)


def unpacked(encoded: str) -> Booted:
    """User-data as RunInstances gets it, taken apart."""
    raw = b64decode(encoded, validate=True)
    # By libyaml, because a line of some kilobytes takes the Python scanner ten milliseconds.
    document = yaml.load(raw, Loader=yaml.CSafeLoader)
    archive, *written = document["write_files"]
    packed = _archived(archive)
    return Booted(
        raw=raw,
        document=document,
        files={
            **{path: text for path, (text, _) in packed.items()},
            **{file["path"]: file["content"] for file in written},
        },
        modes={
            **{path: mode for path, (_, mode) in packed.items()},
            **{file["path"]: file.get("permissions", "0644") for file in written},
        },
    )


def _archived(archive: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Path → text and mode of each file, as the user-data's first command unpacks them."""
    assert archive["path"] == ARCHIVE
    files: dict[str, tuple[str, str]] = {}
    content = b64decode(archive["content"], validate=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as entries:
        for entry in entries:
            file = entries.extractfile(entry)
            assert file is not None
            files[f"/{entry.name}"] = file.read().decode(), f"{entry.mode:04o}"
    return files
