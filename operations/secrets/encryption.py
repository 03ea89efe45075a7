"""Replaces the key of Secrets in etcd so that every API server reads every Secret at every moment.

A control plane derives a key from the CA's key and the key's name, so only names are kept and sent.
There are three steps, each deployed before the next: every API server reads the new key, every one
writes with it, and once all Secrets are written again, none reads the old one.
Source of the order: https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/,
"Rotate a decryption key".

The same steps begin the encryption of a cluster whose Secrets are plain, with `PLAIN` as the old
key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

from operations.engine.cluster_access import check_answer
from operations.engine.running import Runner
from operations.failure import OperationError
from operations.secrets.rotation import refused
from planning.names import CONTROL_PLANE
from planning.nodes.machine import ENCRYPTION_KEYS
from planning.nodes.secrets import PLAIN, ClusterSecrets

_READ_WITHIN: Final = 300.0
_NODES_WITHIN: Final = 60.0
_ATTEMPTS: Final = 5

Keys = tuple[str, ...]


class Step(Enum):
    """The state of a rotation, from the stored names. The value is the next step."""

    SETTLED = "read the new key"
    BOTH_READ = "write with the new key"
    NEW_WRITES = "forget the old key"


def step_of(secrets: ClusterSecrets) -> Step:
    """Return the state of the rotation of these secrets."""
    keys = secrets.encryption_keys
    if len(keys) == 1:
        return Step.SETTLED
    return Step.NEW_WRITES if keys[0] == _newest(keys) else Step.BOTH_READ


def next_keys(keys: Keys) -> Keys:
    """Return the names after the next step. A number is never used again."""
    newest = _newest(keys)
    if len(keys) == 1:
        return (*keys, f"key{_number(newest) + 1}")
    return (newest,) if keys[0] == newest else (newest, *(key for key in keys if key != newest))


def read_running(documents: Mapping[str, Any]) -> dict[str, Keys | None]:
    """Return the keys of each control plane, from what `kubectl get nodes -o json` printed.

    None for one that does not report any: its API server takes no keys.
    """
    running: dict[str, Keys | None] = {}
    for node in documents.get("items", ()):
        annotations = node["metadata"].get("annotations") or {}
        names = annotations.get(ENCRYPTION_KEYS, "").split()
        running[node["metadata"]["name"]] = tuple(names) or None
    return running


def check_deployed(keys: Keys, running: Mapping[str, Keys | None], planned: Sequence[str]) -> None:
    """Refuse the next step unless every control plane runs with these keys.

    Raises:
        OperationError: A control plane has no Node, takes no keys, or has others.
    """
    absent = [name for name in planned if name not in running]
    if absent:
        raise refused(
            f"{', '.join(absent)} has no Node, and an API server that comes back later could not "
            "read Secrets under a key that it does not have",
            "run `pulumi up` until every control plane has joined, then run this again",
        )
    unable = [name for name, names in running.items() if names is None]
    if unable:
        raise refused(
            f"the API server of {', '.join(unable)} takes no keys, because an earlier release "
            "created the cluster or the machine's unit has not reported them yet",
            "wait a minute and run this again; docs/decisions/api-server-settings.md says what a "
            "cluster of an earlier release can do",
        )
    behind = {name: names for name, names in running.items() if names and names != keys}
    if behind:
        listed = ", ".join(f"{name} ({' '.join(names)})" for name, names in behind.items())
        raise refused(
            f"not every control plane runs with the keys '{' '.join(keys)}' yet: {listed}",
            "deploy the last step with `pulumi up`, then run this again",
        )


def write_every_secret_again(runner: Runner) -> int:
    """Write every Secret as it is, so that etcd has it under the first key; return their number.

    A Secret that changes between the reading and the writing is refused with a conflict. The
    change itself has written it with the first key, so only those that still have the version of
    the first reading are written once more. Their content passes through pipes only.

    Raises:
        OperationError: The API server does not answer, or a Secret could not be written.
    """
    versions: dict[str, str] | None = None
    errors = ""
    for _ in range(_ATTEMPTS):
        done = runner.run(
            ["kubectl", "get", "secrets", "--all-namespaces", "--output", "json"],
            deadline=_READ_WITHIN,
            quiet=True,
        )
        if done.status != 0:
            errors = done.err
            continue
        secrets = {str(item["metadata"]["uid"]): item for item in json.loads(done.out)["items"]}
        if versions is None:
            versions = {uid: item["metadata"]["resourceVersion"] for uid, item in secrets.items()}
        unchanged = [
            item
            for uid, item in secrets.items()
            if versions.get(uid) == item["metadata"]["resourceVersion"]
        ]
        if not unchanged:
            return len(versions)
        written = runner.run(
            ["kubectl", "replace", "--filename", "-", "--output", "name"],
            deadline=_READ_WITHIN,
            quiet=True,
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": unchanged}),
        )
        if written.status == 0:
            return len(versions)
        errors = written.err
    raise OperationError(
        "Nothing was changed in the stack: not every Secret could be written again "
        f"({_last_line(errors)}). The old key is still read. Check that the API server answers "
        "(`kubectl get nodes`), then run this again.",
    )


def read_control_planes(runner: Runner, stack: str) -> dict[str, Keys | None]:
    """Return the keys of each control plane of the cluster that the runner's KUBECONFIG names.

    Raises:
        OperationError: The API server does not answer.
    """
    done = runner.run(
        ["kubectl", "get", "nodes", "-l", CONTROL_PLANE, "-o", "json"],
        deadline=_NODES_WITHIN,
        quiet=True,
    )
    check_answer(done, f"kubectl could not read the control planes of stack {stack}")
    return read_running(json.loads(done.out))


def _last_line(text: str) -> str:
    """The last line of kubectl's report; it names objects, and has no content."""
    return (text.strip().splitlines() or ["no answer"])[-1]


def _newest(keys: Keys) -> str:
    return max(keys, key=_number)


def _number(name: str) -> int:
    return 0 if name == PLAIN else int(name.removeprefix("key"))
