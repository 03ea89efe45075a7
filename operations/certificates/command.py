"""`certificates`: shows when each one ends; renews those of the control planes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from operations.certificates.ends import Certificate, first_to_end
from operations.certificates.live import CertificateReport
from operations.certificates.renewal import Renewal
from operations.engine.cluster_access import reaching, stack_of
from operations.engine.places import Places
from operations.engine.stack_file import Stack, path_of_stack
from operations.engine.steps import Progress
from operations.failure import ExitCode, OperationError
from operations.secrets.admin_access import admin_kubeconfig


def renew_certificates(
    name: str, places: Places, *, config_file: Path | None, console: Console
) -> None:
    """Give every control plane new certificates.

    Raises:
        OperationError: Somebody else runs the cluster, or a control plane cannot renew its
            certificates.
    """
    plan = Stack.read(config_file or path_of_stack(name)).plan()
    if plan.kubernetes.mode != "kubeadm":
        raise OperationError(
            "The stack has kubernetes.mode: existing, and this program renews certificates only in "
            "clusters that it built. Renew them with the tool that built the cluster.",
            code=ExitCode.REFUSED,
        )
    kubeconfig = admin_kubeconfig(name, places, config_file=config_file)
    with reaching(kubeconfig, stack_of(name, places, config_file).runner) as runner:
        Renewal(plan=plan, runner=runner, progress=Progress(console=console)).run()


def certificate_table(name: str, certificates: Sequence[Certificate], now: datetime) -> Table:
    """Show the certificates, the first to end first."""
    table = Table(
        title=f"Certificates of {name}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column in ("certificate", "where", "ends", "days", "renewed by"):
        table.add_column(column, overflow="fold")
    for certificate in first_to_end(certificates):
        style = "[bold red]" if certificate.is_near_its_end(now) else ""
        table.add_row(
            certificate.name,
            certificate.where,
            f"{style}{certificate.end:%Y-%m-%d}",
            f"{style}{(certificate.end - now).days}",
            certificate.renewed_by,
        )
    return table


def certificate_document(name: str, report: CertificateReport, now: datetime) -> dict[str, object]:
    """Return the certificates as JSON-ready data."""
    ordered = first_to_end(report.certificates)
    return {
        "stack": name,
        "certificates": [certificate.as_document(now) for certificate in ordered],
        "notes": list(report.notes),
    }
