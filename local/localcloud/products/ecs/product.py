"""ECS, API version 2014-05-26."""

from __future__ import annotations

from typing import Final

from localcloud.products.ecs import (
    key_pairs,
    offers,
    resource_groups,
    security_group_rules,
    security_groups,
    tagging,
)
from localcloud.products.ecs.disk import (
    automatic_snapshots,
    disk_attachments,
    disk_changes,
    disk_creation,
    disk_deletion,
    disk_resets,
    disks,
    snapshot_policies,
    snapshot_policy_views,
    snapshot_views,
    snapshots,
)
from localcloud.products.ecs.instance import (
    console,
    instance_attributes,
    instance_contracts,
    instance_deletion,
    instance_places,
    instance_power,
    instance_roles,
    instances,
    release_times,
    run_instances,
)
from localcloud.products.ecs.interface import (
    interface_actions,
    interface_addresses,
    interface_groups,
    interface_views,
    public_addresses,
)
from localcloud.requests.actions import Call, Product


def _settle(call: Call) -> None:
    instance_deletion.settle(call)
    automatic_snapshots.settle(call)


PRODUCT: Final = Product.of(
    "Ecs",
    "2014-05-26",
    (
        security_groups,
        security_group_rules,
        resource_groups,
        interface_actions,
        interface_views,
        interface_addresses,
        interface_groups,
        run_instances,
        instances,
        instance_attributes,
        instance_contracts,
        instance_power,
        instance_deletion,
        instance_roles,
        disks,
        disk_creation,
        disk_attachments,
        disk_changes,
        disk_deletion,
        disk_resets,
        snapshots,
        snapshot_views,
        snapshot_policies,
        snapshot_policy_views,
        instance_places,
        release_times,
        public_addresses,
        console,
        key_pairs,
        offers,
        tagging,
    ),
    settle=_settle,
)
