"""Deletion of instances and of the resources that go with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products import endings
from localcloud.products.ecs import existing, regions
from localcloud.products.ecs.disk import disk_deletion
from localcloud.products.ecs.entities import Console, Instance
from localcloud.products.ecs.instance import release_times
from localcloud.products.ecs.instance.instances import STOPPED, OneInstance, enis_of
from localcloud.products.ecs.interface import interfaces
from localcloud.products.nlb.entities import drop_server as drop_nlb_server
from localcloud.products.slb.entities import drop_server as drop_clb_server
from localcloud.products.vpc import eips
from localcloud.products.vpc.entities import Eip, RouteEntry
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError

_LONGEST_DELETION: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class DeleteInstance(OneInstance):
    """Parameters of DeleteInstance."""

    force: bool = False
    force_stop: bool = False
    terminate_subscription: bool | None = None


@dataclass(frozen=True, kw_only=True)
class DeleteInstances:
    """Parameters of DeleteInstances."""

    instance_id: tuple[str, ...]
    region_id: str | None = None
    force: bool = False
    force_stop: bool = False
    terminate_subscription: bool | None = None


def _delete(call: Call, instance: Instance, *, force: bool) -> None:
    if instance.deletion_protection:
        raise ApiError(
            "InvalidOperation.DeletionProtection",
            f"{instance.id} is protected from deletion; turn that off first.",
            403,
        )
    if instance.charge_type == "PrePaid":
        # Only an expired subscription can be released, with TerminateSubscription (page
        # DeleteInstance). None expires here. The provider's force_delete changes it to PostPaid.
        raise ApiError(
            "ChargeTypeViolation",
            f"{instance.id} is a subscription instance that has not expired; change it to "
            "pay-as-you-go first.",
            403,
        )
    status = instance.status(call.now)
    if status in {"Pending", "Starting", "Stopping"} or (status != STOPPED and not force):
        code = (
            "IncorrectInstanceStatus.Initializing"
            if status == "Pending"
            else ("IncorrectInstanceStatus")
        )
        raise ApiError(code, f"{instance.id} is {status}; stop it first, or give Force.", 403)
    if call.store.any(RouteEntry, "hop", instance.id):
        raise ApiError(
            "DependencyViolation.RouteEntry", f"A route entry still leads to {instance.id}."
        )
    if not endings.has_begun(call, instance, "Stopping", longest=_LONGEST_DELETION):
        _remove(call, instance, at=call.now)


def _remove(call: Call, instance: Instance, *, at: float) -> None:
    """Remove an instance whose deletion ended at `at`. Its ENIs become free soon after that."""
    for route in call.store.where(RouteEntry, "hop", instance.id):
        call.store.remove(route)
    for eip in call.store.where(Eip, "instance", instance.id):
        eips.release_binding(call, eip)
    for eni in enis_of(call, instance):
        if eni.delete_on_release or (
            eni.primary and not regions.retains_primary_interface(call.cloud.region)
        ):
            interfaces.destroy(call, eni)
        else:
            interfaces.detach(call, eni, since=at)
    disk_deletion.part_from(call, instance, at=at)
    console = call.store.find(Console, instance.id)
    if console is not None:
        call.store.remove(console)
    drop_clb_server(call.store, instance.id)
    drop_nlb_server(call.store, instance.id)
    call.store.remove(instance)


def settle(call: Call) -> None:
    """Remove instances whose deletion has ended or whose release time has come, and ENIs."""
    for instance in endings.ended(call, Instance):
        (ended_at, _) = instance.life.steps[-1]
        _remove(call, instance, at=ended_at)
    for instance in call.store.where(Instance, "released", "by time"):
        if release_times.is_over(instance.auto_release_time, call.now):
            _remove(call, instance, at=call.now)
    interfaces.settle(call)


@action(writes=True)
def delete_instance(call: Call, request: DeleteInstance) -> Answer:
    """Delete an instance and its ENIs with DeleteOnRelease. Its other ENIs become Available.

    In a region that does not retain primary ENIs, the primary ENI is always deleted too.
    """
    _delete(call, existing.instance(call, request.instance_id), force=request.force)
    return {}


@action(writes=True)
def delete_instances(call: Call, request: DeleteInstances) -> Answer:
    """Delete several instances, all or none."""
    for instance_id in request.instance_id:
        _delete(call, existing.instance(call, instance_id), force=request.force)
    return {}
