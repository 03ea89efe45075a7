"""The user-data with which a node's machine boots for the first time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Network
from typing import Any

import pulumi

from components.failure import reporting_errors
from components.machines.control_planes.etcd_disk import serial_number
from planning.model import ClusterPlan
from planning.nodes.secrets import ClusterSecrets
from planning.nodes.user_data import user_data


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """What a node's first boot needs in addition to the plan; without it the machine boots bare."""

    secrets: pulumi.Output[ClusterSecrets]
    api_address: pulumi.Input[str]
    """Private address of the API server: the one control plane's, or the load balancer's."""
    public_address: pulumi.Input[str] | None
    """Address of the API server from outside, for the certificate; None without one."""
    creation_ends: pulumi.Input[int | None]
    """`components.machines.rollout.rollout.Rollout.creation_ends`."""
    earlier_addresses: pulumi.Input[Mapping[str, str]]
    """`components.machines.rollout.rollout.Rollout.earlier_addresses`."""
    restore: str | None = None
    """`components.machines.restoring.restored_snapshot`."""


@dataclass(frozen=True, kw_only=True)
class MachineAnswers:
    """What the cloud answers about one machine's resources."""

    macs: Mapping[str, pulumi.Output[str]]
    """NIC name → MAC address."""
    ipv6_ranges: Mapping[str, pulumi.Output[str]]
    """vSwitch key → the /64 of that vSwitch."""
    disk_id: pulumi.Output[str] | None
    """The disk for etcd; None where etcd is on the system disk."""
    snapshot: pulumi.Input[str | None]
    """The snapshot from which this machine rebuilds the cluster; None in an ordinary boot."""


def render_user_data(
    plan: ClusterPlan,
    node: str,
    bootstrap: Bootstrap,
    machine: MachineAnswers,
    *,
    parent: pulumi.Resource,
) -> pulumi.Output[str]:
    """The node's user-data, a secret, once the cloud has answered.

    A rendering that fails, for example because user-data is beyond its limit, fails the run with a
    `pulumi.RunError`, which `parent` reports.
    """
    answers = pulumi.Output.all(
        secrets=bootstrap.secrets,
        macs=dict(machine.macs),
        api_address=bootstrap.api_address,
        public_address=bootstrap.public_address,
        creation_ends=bootstrap.creation_ends,
        earlier_addresses=bootstrap.earlier_addresses,
        ipv6_ranges=dict(machine.ipv6_ranges),
        etcd_disk_serial=None if machine.disk_id is None else machine.disk_id.apply(serial_number),
        restore=machine.snapshot,
    )
    return pulumi.Output.secret(
        answers.apply(reporting_errors(parent, partial(_render, plan, node)))
    )


def _render(plan: ClusterPlan, node: str, answers: Mapping[str, Any]) -> str:
    """The user-data, from the keywords of `Output.all`, which knows no types."""
    ranges: Mapping[str, str] = answers["ipv6_ranges"]
    return user_data(
        plan,
        node,
        secrets=answers["secrets"],
        macs=answers["macs"],
        api_address=answers["api_address"],
        public_address=answers["public_address"],
        creation_ends=answers["creation_ends"],
        earlier_addresses=answers["earlier_addresses"],
        ipv6_networks={key: IPv6Network(text) for key, text in ranges.items()},
        etcd_disk_serial=answers["etcd_disk_serial"],
        restore=answers["restore"],
    )
