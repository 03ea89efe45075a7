"""The console output of instances."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from localcloud.products.ecs import existing
from localcloud.products.ecs.entities import Console
from localcloud.products.ecs.instance.instances import OneInstance
from localcloud.requests.actions import Answer, Call, action, moment


@dataclass(frozen=True, kw_only=True)
class GetInstanceConsoleOutput(OneInstance):
    """Parameters of GetInstanceConsoleOutput."""

    remove_symbols: bool | None = None


@action()
def get_instance_console_output(call: Call, request: GetInstanceConsoleOutput) -> Answer:
    """Return the end of an instance's console output, encoded in Base64."""
    instance = existing.instance(call, request.instance_id, code="InvalidParameter")
    console = call.store.find(Console, instance.id)
    text = console.text if console else ""
    return {
        "InstanceId": instance.id,
        "ConsoleOutput": base64.b64encode(text.encode()).decode(),
        "LastUpdateTime": moment(console.updated if console else instance.started),
    }
