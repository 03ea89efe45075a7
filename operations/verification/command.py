"""`verify`: verdicts on a stack's cluster."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from operations.engine.environment import run_environment, users_environment
from operations.engine.places import LOCAL_STACK, Places
from operations.engine.pulumi_stack import PulumiStack
from operations.engine.running import Runner
from operations.failure import ExitCode, OperationError
from operations.verification.kubectl import Kubectl
from operations.verification.objects import OBJECT_CHECKS
from operations.verification.packets import packet_checks
from operations.verification.run import Verdict, verify

EGRESS_URL = "http://ifconfig.me/ip"
"""Answers with the address that it was asked from, over IPv4 and IPv6."""


def verify_stack(stack: str, places: Places, *, egress_url: str) -> Sequence[Verdict]:
    """Run every check against the cluster of a stack that is up.

    Raises:
        OperationError: There is no such stack, it has no cluster, or its API server is silent.
    """
    local = stack == LOCAL_STACK
    environment = (run_environment if local else users_environment)(places, os.environ)
    found = PulumiStack(name=stack, runner=Runner(env=environment), backend=places.backend)
    if local and not found.exists():
        raise OperationError(
            f"There is no local stack in {places.home} yet; `make up` deploys it.",
            code=ExitCode.REFUSED,
        )
    outputs = dict(found.outputs(secrets=True))
    kubeconfig = outputs.pop("kubeconfig", None)
    if not isinstance(kubeconfig, str) or not kubeconfig:
        raise OperationError(
            f"Stack {stack} has no kubeconfig: its cluster is not there yet. Run `pulumi up "
            f"--stack {stack}` first.",
            code=ExitCode.REFUSED,
        )
    with _written(kubeconfig) as path:
        kubectl = Kubectl(runner=Runner(env={**environment, "KUBECONFIG": str(path)}))
        cluster = kubectl.snapshot(outputs, simulated=local or _on_loopback(outputs))
        checks = (*OBJECT_CHECKS, *packet_checks(egress_url))
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(f"Verifying {stack}", total=len(checks))
            return verify(checks, cluster, kubectl, done=lambda: progress.advance(task))


def _on_loopback(outputs: Mapping[str, object]) -> bool:
    """Whether the API server is on a loopback address, which only a local cloud has."""
    return str(outputs.get("apiEndpoint", "")).startswith("https://127.")


@contextmanager
def _written(kubeconfig: str) -> Iterator[Path]:
    """The kubeconfig in a file that no other user can read, for as long as it is used."""
    with tempfile.TemporaryDirectory(prefix="spiderpool-alicloud-") as folder:
        path = Path(folder, "kubeconfig")
        path.touch(mode=0o600)
        path.write_text(kubeconfig, encoding="utf-8")
        yield path
