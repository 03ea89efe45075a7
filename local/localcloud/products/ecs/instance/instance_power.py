"""Starting, stopping and rebooting instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from localcloud.products import choices, statuses
from localcloud.products.ecs import existing
from localcloud.products.ecs.entities import Instance
from localcloud.products.ecs.instance.instances import RUNNING, STOPPED, OneInstance
from localcloud.requests.actions import Answer, Call, action

_STOPPED_MODES: Final = ("StopCharging", "KeepCharging", "Not-applicable")


@dataclass(frozen=True, kw_only=True)
class StartInstance(OneInstance):
    """Parameters of StartInstance."""

    source_region_id: str | None = None
    init_local_disk: bool | None = None


@dataclass(frozen=True, kw_only=True)
class StopInstance(OneInstance):
    """Parameters of StopInstance."""

    force_stop: bool | None = None
    confirm_stop: bool | None = None
    stopped_mode: str | None = None
    hibernate: bool | None = None


@dataclass(frozen=True, kw_only=True)
class RebootInstance(OneInstance):
    """Parameters of RebootInstance."""

    force_stop: bool | None = None


@dataclass(frozen=True, kw_only=True)
class StartInstances:
    """Parameters of StartInstances."""

    instance_id: tuple[str, ...]
    region_id: str | None = None
    batch_optimization: str | None = None


@dataclass(frozen=True, kw_only=True)
class StopInstances:
    """Parameters of StopInstances."""

    instance_id: tuple[str, ...]
    region_id: str | None = None
    force_stop: bool | None = None
    stopped_mode: str | None = None
    batch_optimization: str | None = None


@dataclass(frozen=True, kw_only=True)
class RebootInstances:
    """Parameters of RebootInstances."""

    instance_id: tuple[str, ...]
    region_id: str | None = None
    force_reboot: bool | None = None
    batch_optimization: str | None = None


def _boot(call: Call, instance: Instance, *, once: str) -> None:
    statuses.require(call, instance, once, code="IncorrectInstanceStatus", status=403)
    call.store.change(
        instance,
        boot=instance.boot + 1,
        started=call.now,
        life=call.passing(("Starting", 8.0), to=RUNNING),
    )


def _start(call: Call, instance: Instance) -> None:
    _boot(call, instance, once=STOPPED)


def _stop(call: Call, instance: Instance, mode: str | None) -> None:
    """Stop an instance. A subscription has no stopped mode because it is billed all the time."""
    statuses.require(call, instance, RUNNING, code="IncorrectInstanceStatus", status=403)
    call.store.change(
        instance,
        stopped_mode="Not-applicable"
        if instance.charge_type == "PrePaid"
        else mode or "StopCharging",
        life=call.passing(("Stopping", 5.0), to=STOPPED),
    )


def _reboot(call: Call, instance: Instance) -> None:
    _boot(call, instance, once=RUNNING)


def _each(ids: Sequence[str]) -> dict[str, object]:
    return {
        "InstanceResponses": {
            "InstanceResponse": [
                {
                    "InstanceId": i,
                    "Code": "200",
                    "Message": "success",
                    "PreviousStatus": "",
                    "CurrentStatus": "",
                }
                for i in ids
            ]
        }
    }


@action(writes=True)
def start_instance(call: Call, request: StartInstance) -> Answer:
    """Start a stopped instance, which is its next boot."""
    _start(call, existing.instance(call, request.instance_id))
    return {}


@action(writes=True)
def stop_instance(call: Call, request: StopInstance) -> Answer:
    """Stop a running instance."""
    choices.require("StoppedMode", request.stopped_mode or "", *_STOPPED_MODES)
    _stop(call, existing.instance(call, request.instance_id), request.stopped_mode)
    return {}


@action(writes=True)
def reboot_instance(call: Call, request: RebootInstance) -> Answer:
    """Stop and start an instance."""
    _reboot(call, existing.instance(call, request.instance_id))
    return {}


@action(writes=True)
def start_instances(call: Call, request: StartInstances) -> Answer:
    """Start several instances, all or none."""
    for instance_id in request.instance_id:
        _start(call, existing.instance(call, instance_id))
    return _each(request.instance_id)


@action(writes=True)
def stop_instances(call: Call, request: StopInstances) -> Answer:
    """Stop several instances, all or none."""
    choices.require("StoppedMode", request.stopped_mode or "", *_STOPPED_MODES)
    for instance_id in request.instance_id:
        _stop(call, existing.instance(call, instance_id), request.stopped_mode)
    return _each(request.instance_id)


@action(writes=True)
def reboot_instances(call: Call, request: RebootInstances) -> Answer:
    """Reboot several instances, all or none."""
    for instance_id in request.instance_id:
        _reboot(call, existing.instance(call, instance_id))
    return _each(request.instance_id)
