"""`verify`: verdicts on a stack's cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from config.model import EtcdDiskConfig
from operations.backup.command import Backup
from operations.certificates.live import read_certificates
from operations.engine.cluster_access import open_cluster
from operations.engine.places import LOCAL_STACK, Places
from operations.engine.stack_file import Stack, path_of_stack
from operations.verification.certificates import certificate_check
from operations.verification.cluster_objects import Cluster
from operations.verification.etcd_snapshots import snapshot_check
from operations.verification.fabric.capture import LocalWatch, capture_failures
from operations.verification.fabric.page import Report, page
from operations.verification.kubectl import Kubectl
from operations.verification.objects import OBJECT_CHECKS
from operations.verification.packets import packet_checks
from operations.verification.run import AT_ONCE, Verdict, verify

EGRESS_URL = "http://ifconfig.me/ip"
"""A page that answers with the client's address, over IPv4 and IPv6."""


def verify_stack(  # noqa: PLR0913 - each is an option of the command
    stack: str,
    places: Places,
    *,
    egress_url: str,
    config_file: Path | None = None,
    at_once: int = AT_ONCE,
    report: Path | None = None,
) -> Sequence[Verdict]:
    """Run every check against the cluster of a stack that is up.

    Args:
        stack: its name.
        places: of the local cloud.
        egress_url: a page that answers with the client's address.
        config_file: a stack file instead of `stacks/Pulumi.<stack>.yaml`.
        at_once: how many probes run at the same time.
        report: where to write a page about the checks. For it, some of the probes that failed run
            once more on a local cloud, while the links of its fabric are watched.

    Raises:
        OperationError: The stack does not exist, it has no cluster, or its API server does not
            answer.
    """
    with open_cluster(stack, places) as cluster_access:
        kubectl = Kubectl(runner=cluster_access.runner)
        outputs = cluster_access.outputs
        local = stack == LOCAL_STACK or _on_loopback(outputs)
        cluster = kubectl.read_all(outputs, local=local)
        certificates = certificate_check(
            stack, lambda: read_certificates(stack, places, config_file=config_file).certificates
        )
        snapshots = snapshot_check(
            stack,
            _etcd_disk(stack, config_file),
            lambda: Backup.of(stack, places, config_file).snapshots(),
        )
        checks = (*OBJECT_CHECKS, certificates, snapshots, *packet_checks(egress_url))
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(f"Verifying {stack}", total=len(checks))
            verdicts = verify(
                checks, cluster, kubectl, done=lambda: progress.advance(task), at_once=at_once
            )
        if report is not None:
            watch = LocalWatch(home=places.home, runner=cluster_access.runner) if local else None
            report.write_text(_page(stack, cluster, verdicts, kubectl, watch), encoding="utf-8")
        return verdicts


def _page(
    stack: str,
    cluster: Cluster,
    verdicts: Sequence[Verdict],
    kubectl: Kubectl,
    watch: LocalWatch | None,
) -> str:
    captures = {} if watch is None else capture_failures(verdicts, kubectl, watch)
    return page(
        Report(
            stack=stack,
            moment=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            cluster=cluster,
            verdicts=verdicts,
            fabric=None if watch is None else watch.describe(),
            captures=captures,
        )
    )


def _etcd_disk(stack: str, config_file: Path | None) -> EtcdDiskConfig | None:
    plan = Stack.read(config_file or path_of_stack(stack)).plan()
    return next((node.etcd_disk for node in plan.control_planes if node.etcd_disk), None)


def _on_loopback(outputs: Mapping[str, object]) -> bool:
    """Whether the API server is on a loopback address, which only a local cloud has."""
    return str(outputs.get("apiEndpoint", "")).startswith("https://127.")
