"""A stack and its cluster, for commands that read them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from operations.engine.environment import run_environment, users_environment
from operations.engine.places import LOCAL_STACK, Places
from operations.engine.pulumi_stack import PulumiStack
from operations.engine.running import Finished, Runner
from operations.failure import ExitCode, OperationError
from operations.writing import write_file


@dataclass(frozen=True, kw_only=True)
class ClusterAccess:
    """A stack's cluster."""

    runner: Runner
    """Its environment has KUBECONFIG."""
    outputs: Mapping[str, object]
    """The stack's outputs without the kubeconfig. Other secret ones are in plain text."""


def environment_of(places: Places, *, local: bool) -> dict[str, str]:
    """Return the environment of pulumi and kubectl for the local stack, or for a user's own."""
    return (run_environment if local else users_environment)(places, os.environ)


def stack_of(name: str, places: Places, config_file: Path | None = None) -> PulumiStack:
    """Return the stack of that name, in its own backend; it need not exist."""
    return PulumiStack(
        name=name,
        runner=Runner(env=environment_of(places, local=name == LOCAL_STACK)),
        backend=places.backend,
        config_file=config_file,
    )


def existing_stack(name: str, places: Places) -> PulumiStack:
    """Return the stack of that name.

    Raises:
        OperationError: the local stack does not exist. Pulumi itself reports any other one.
    """
    stack = stack_of(name, places)
    if name == LOCAL_STACK and not stack.exists():
        raise OperationError(
            f"There is no local stack in {places.home} yet; `make up` deploys it.",
            code=ExitCode.REFUSED,
        )
    return stack


@contextmanager
def open_cluster(name: str, places: Places) -> Iterator[ClusterAccess]:
    """Give access to the stack's cluster, by a kubeconfig file that only its user can read.

    The file is deleted at the end.

    Raises:
        OperationError: the stack does not exist, or it has no cluster.
    """
    stack = existing_stack(name, places)
    outputs = dict(stack.outputs(secrets=True))
    kubeconfig = outputs.pop("kubeconfig", None)
    if not isinstance(kubeconfig, str) or not kubeconfig:
        raise OperationError(
            f"Stack {name} has no kubeconfig: its cluster does not exist yet. Run `pulumi up "
            f"--stack {name}` first.",
            code=ExitCode.REFUSED,
        )
    with reaching(kubeconfig, stack.runner) as runner:
        yield ClusterAccess(runner=runner, outputs=outputs)


@contextmanager
def reaching(kubeconfig: str, runner: Runner) -> Iterator[Runner]:
    """Yield the runner with KUBECONFIG set to a file that only its user can read.

    The file is deleted at the end.
    """
    with tempfile.TemporaryDirectory(prefix="spiderpool-alicloud-") as folder:
        path = Path(folder, "kubeconfig")
        write_file(path, kubeconfig, mode=0o600)
        yield replace(runner, env={**runner.env, "KUBECONFIG": str(path)})


def check_answer(done: Finished, failure: str) -> None:
    """Raise `OperationError` if kubectl or helm failed.

    `failure` names what was tried, for example `kubectl could not read the cluster`.
    """
    if done.status != 0:
        raise OperationError(
            f"{failure}: {done.err.strip()}. Check that the API server answers (`kubectl get "
            "nodes`), then run this again."
        )
