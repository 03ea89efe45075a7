"""ECS, API version 2014-05-26."""

from __future__ import annotations

from typing import Final

from localcloud.actions import Product

from . import (
    console,
    disk_attachments,
    disk_changes,
    disk_creation,
    disk_deletion,
    disks,
    instance_attributes,
    instance_contracts,
    instance_deletion,
    instance_places,
    instance_power,
    instance_roles,
    instances,
    interface_actions,
    interface_addresses,
    interface_groups,
    interface_views,
    key_pairs,
    offers,
    public_addresses,
    release_times,
    resource_groups,
    run_instances,
    security_groups,
    tagging,
)

PRODUCT: Final = Product.of(
    "Ecs",
    "2014-05-26",
    (
        security_groups,
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
        instance_places,
        release_times,
        public_addresses,
        console,
        key_pairs,
        offers,
        tagging,
    ),
    settle=instance_deletion.settle,
)
