"""A stack's cluster, for commands that ask it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operations.engine.environment import run_environment, users_environment
from operations.engine.places import LOCAL_STACK, Places
from operations.engine.pulumi_stack import PulumiStack
from operations.engine.running import Runner
from operations.failure import ExitCode, OperationError


@contextmanager
def cluster_runner(stack: str, places: Places) -> Iterator[Runner]:
    """Give a runner whose kubectl reaches the stack's cluster, by a file that is gone afterwards.

    Raises:
        OperationError: there is no such stack, or it has no cluster.
    """
    local = stack == LOCAL_STACK
    environment = (run_environment if local else users_environment)(places, os.environ)
    found = PulumiStack(name=stack, runner=Runner(env=environment), backend=places.backend)
    if local and not found.exists():
        raise OperationError(
            f"There is no local stack in {places.home} yet; `make up` deploys it.",
            code=ExitCode.REFUSED,
        )
    kubeconfig = found.outputs(secrets=True).get("kubeconfig")
    if not isinstance(kubeconfig, str) or not kubeconfig:
        raise OperationError(
            f"Stack {stack} has no kubeconfig: its cluster is not there yet. Run `pulumi up "
            f"--stack {stack}` first.",
            code=ExitCode.REFUSED,
        )
    with tempfile.TemporaryDirectory(prefix="spiderpool-alicloud-") as folder:
        path = Path(folder, "kubeconfig")
        path.touch(mode=0o600)
        path.write_text(kubeconfig, encoding="utf-8")
        yield Runner(env={**environment, "KUBECONFIG": str(path)})
