"""The stack's resources, as they are in the state before this run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import pulumi

from planning.transitions.earlier import StateResource

_READ: Final = "pulumi:pulumi:readStackResourceOutputs"
"""A function of the engine itself (`pkg/resource/deploy/builtins.go` in github.com/pulumi/pulumi):
it returns the outputs of every resource of a stack, from its last checkpoint, without a request to
the cloud or the cluster.

Every backend answers it with the same code: `GetStackResourceOutputs` of `pkg/backend/backend.go`
reads the resources of `Stack.Snapshot`, which file and object stores implement
(`pkg/backend/diy/state.go`) and Pulumi Cloud implements with its `export` call
(`pkg/backend/httpstate/state.go`), so a token needs the right to read the stack's state. Where
Pulumi Cloud checks a name, it accepts three parts only, which the one below has. Read in v3.259.0;
only the file backend is tested, because the other one needs an account."""


async def state_resources() -> tuple[StateResource, ...]:
    """Every resource of this stack with its outputs; empty before the first run has begun.

    Call it before any resource of a provider is registered: the engine writes checkpoints while it
    works. The outputs contain secrets in plain text: read what is needed, and never show or log
    them.
    """
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    answer = await pulumi.runtime.invoke_async(_READ, {"stackName": stack})
    return tuple(_resources(answer.get("outputs") if isinstance(answer, Mapping) else None))


def _resources(outputs: object) -> Iterator[StateResource]:
    if not isinstance(outputs, Mapping):
        return
    for urn, entry in outputs.items():
        values = entry.get("outputs") if isinstance(entry, Mapping) else None
        yield StateResource(urn=str(urn), outputs=values if isinstance(values, Mapping) else {})
