"""One stack, by the pulumi command: create, update, destroy, unlock, read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from operations.engine.places import PROJECT
from operations.engine.running import Finished, Runner
from operations.failure import ExitCode, OperationError

QUICK = 120.0
"""Seconds for a command that only reads or writes the backend."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock in the file backend: the process that works on the stack."""

    pid: int
    alive: bool


@dataclass(frozen=True, kw_only=True)
class PulumiStack:
    """A stack in a file backend. `config_file` takes the place of `stacks/Pulumi.<name>.yaml`."""

    name: str
    runner: Runner
    backend: Path
    config_file: Path | None = None

    def exists(self) -> bool:
        """Whether the backend has the stack."""
        return (self.backend / ".pulumi" / "stacks" / PROJECT / f"{self.name}.json").exists()

    def init(self) -> None:
        """Create it."""
        done = self._pulumi("stack", "init", self.name, deadline=QUICK, quiet=True, stack=False)
        self._check(done, "pulumi could not create the stack")

    def resource_count(self) -> int:
        """Resources in the state, the stack itself and providers too."""
        return len(self._listed("resources"))

    def pending_operations(self) -> tuple[str, ...]:
        """Operations that a run began and did not finish: `creating vpc/network:Network guide`."""
        return tuple(
            pending_operation(item)
            for item in self._listed("pending_operations")
            if isinstance(item, Mapping)
        )

    def lock(self) -> Lock | None:
        """Return the lock of the stack, if there is one."""
        folder = self.backend / ".pulumi" / "locks" / "organization" / PROJECT / self.name
        for file in sorted(folder.glob("*.json")):
            try:
                pid = int(json.loads(file.read_text(encoding="utf-8"))["pid"])
            except (OSError, ValueError, KeyError, TypeError):
                pid = 0
            return Lock(pid=pid, alive=_is_pulumi(pid))
        return None

    def unlock(self) -> None:
        """Remove the lock that a killed run left behind."""
        done = self._pulumi("cancel", "--yes", deadline=QUICK, quiet=True)
        self._check(done, "pulumi could not release the stack")

    def write_deployment(self, deployment: Mapping[str, object]) -> None:
        """Replace the stack's state by this one, without a request to the cloud or a provider."""
        document = {**(self._document() or {}), "deployment": deployment}
        done = self._pulumi(
            "stack", "import", deadline=QUICK, quiet=True, stdin=json.dumps(document)
        )
        self._check(done, "pulumi could not import the repaired state")

    def deployment(self) -> Mapping[str, object] | None:
        """Return the state, secrets encrypted; None where Pulumi knows no such stack."""
        document = self._document()
        if document is None:
            return None
        deployment = document.get("deployment")
        return deployment if isinstance(deployment, Mapping) else {}

    def is_busy(self) -> bool:
        """Whether another run is at work, as far as the backend reports it."""
        lock = self.lock()
        if lock is not None:
            return lock.alive
        done = self._pulumi("stack", "ls", "--json", deadline=QUICK, quiet=True, stack=False)
        self._check(done, "pulumi could not list its stacks")
        return any(
            isinstance(item, Mapping)
            and str(item.get("name", "")).rpartition("/")[2] == self.name
            and item.get("updateInProgress") is True
            for item in json.loads(done.out)
        )

    def up(self, *, deadline: float, preview: bool = True) -> None:
        """Run `pulumi up`, after a preview or without one; the output streams."""
        skip = [] if preview else ["--skip-preview"]
        done = self._pulumi("up", "--yes", *skip, "--suppress-outputs", deadline=deadline)
        self._check(done, "pulumi up failed")

    def planned_creations(self, *, deadline: float) -> Sequence[Mapping[str, object]]:
        """Return the resources that the next `pulumi up` would create, as a state has them.

        Secret values are replaced by `[secret]`.

        Raises:
            OperationError: the preview failed.
        """
        done = self._pulumi("preview", "--json", deadline=deadline, quiet=True)
        self._check(done, "pulumi preview failed")
        return [
            step["newState"]
            for step in json.loads(done.out).get("steps") or ()
            if step.get("op") == "create" and isinstance(step.get("newState"), Mapping)
        ]

    def destroy(self, *, deadline: float) -> None:
        """Remove everything the state knows; the output streams."""
        done = self._pulumi(
            "destroy", "--yes", "--skip-preview", "--suppress-outputs", deadline=deadline
        )
        self._check(done, "pulumi destroy failed")

    def outputs(self, *, secrets: bool = False) -> Mapping[str, object]:
        """Return the stack's outputs; secret ones are masked unless asked for."""
        shown = ["--show-secrets"] if secrets else []
        done = self._pulumi("stack", "output", "--json", *shown, deadline=QUICK, quiet=True)
        self._check(done, "pulumi could not read the stack's outputs")
        outputs = json.loads(done.out)
        return outputs if isinstance(outputs, dict) else {}

    def _listed(self, what: str) -> Sequence[object]:
        items = (self.deployment() or {}).get(what)
        return items if isinstance(items, list) else ()

    def _document(self) -> Mapping[str, object] | None:
        done = self._pulumi("stack", "export", deadline=QUICK, quiet=True)
        if done.status != 0 and "no stack named" in done.err:
            return None
        self._check(done, "pulumi could not read the stack's state")
        document = json.loads(done.out)
        return document if isinstance(document, Mapping) else {}

    def _pulumi(
        self,
        *arguments: str,
        deadline: float,
        quiet: bool = False,
        stack: bool = True,
        stdin: str | None = None,
    ) -> Finished:
        argv = ["pulumi", *arguments]
        if quiet or not sys.stdout.isatty():
            argv += ["--non-interactive"]
        if stack:
            argv += ["--stack", self.name]
        if arguments[0] in {"up", "destroy", "refresh"}:
            argv += ["--suppress-progress"]
        reads_file = arguments[0] in {"up", "destroy", "refresh", "preview"}
        if reads_file and self.config_file is not None:
            argv += ["--config-file", str(self.config_file)]
        return self.runner.run(argv, deadline=deadline, quiet=quiet, stdin=stdin)

    @staticmethod
    def _check(done: Finished, what: str) -> None:
        if done.status == 0:
            return
        output = done.err.strip().removeprefix("error: ")
        if "incorrect passphrase" in output:
            raise OperationError(
                "The passphrase does not open this stack: another one encrypted its secrets. Set "
                "PULUMI_CONFIG_PASSPHRASE to the passphrase that the stack was created with.",
                code=ExitCode.REFUSED,
            )
        why = f": {output}" if output else "; its messages are above"
        raise OperationError(f"{what}{why}. Correct the cause and run the same command again.")


def pending_operation(item: Mapping[str, object]) -> str:
    """Kind, type and name of a pending operation, from its URN (`urn:pulumi:…::type::name`)."""
    resource = item.get("resource")
    urn = str(resource.get("urn", "")) if isinstance(resource, Mapping) else ""
    *_, chain, name = ["", "", *urn.split("::")]
    return f"{item.get('type', 'changing')} {chain.rpartition('$')[2]} {name}"


def _is_pulumi(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A pid is eventually reused: only a process named pulumi counts as the lock's holder.
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8")
    except OSError:
        return True
    return name.startswith("pulumi")
