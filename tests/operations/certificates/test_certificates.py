"""When certificates end, what warns of it, and how control planes get new ones."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from operations.certificates.command import certificate_document, certificate_table
from operations.certificates.ends import Certificate, certificates_in, stored_certificates, warnings
from operations.certificates.live import (
    CertificateReport,
    control_plane_end,
    kubelet_end,
    served_certificate,
)
from operations.certificates.renewal import Renewal
from operations.engine.running import Finished, Runner
from operations.engine.steps import Progress
from operations.failure import ExitCode, OperationError
from operations.verification.certificates import certificate_check
from operations.verification.cluster_objects import read_cluster
from operations.verification.run import Outcome, verify
from planning.nodes.machine import CERTIFICATES_RENEWED, RENEW_CERTIFICATES, UNIT_SCHEMA
from tests.certificates import certificate_until
from tests.clusters import fake_secrets, three_control_planes
from tests.planning.documents import planned
from tests.toolchain.kubernetes_provider.servers.real_cluster import Authority

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def ending(days: float, name: str = "API server") -> Certificate:
    (certificate,) = certificates_in(
        certificate_until(NOW + timedelta(days=days)),
        name=name,
        where="10.0.0.16:6443",
        renewed_by="a command",
    )
    return certificate


def test_every_certificate_of_the_secrets_is_shown() -> None:
    stored = stored_certificates(fake_secrets())
    assert {certificate.name for certificate in stored} == {
        "cluster CA",
        "etcd CA",
        "front proxy CA",
        "administrator",
        "webhook CA",
        "webhook",
    }


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (29.5, ["API server (10.0.0.16:6443) ends in 29 days (2026-12-27); renewed by: a command"]),
        (-0.5, ["API server (10.0.0.16:6443) ended on 2026-11-27; renewed by: a command"]),
        (30.5, []),
    ],
)
def test_a_warning_comes_thirty_days_before_the_end(days: float, text: list[str]) -> None:
    assert warnings([ending(days)], NOW) == text


def test_the_first_to_end_is_named_first() -> None:
    near = [ending(9, "b"), ending(3, "c"), ending(400, "a")]
    assert [line[0] for line in warnings(near, NOW)] == ["c", "b"]


def test_verify_fails_on_a_certificate_that_ends_soon() -> None:
    cluster = read_cluster([], {}, local=True)
    checks = [
        certificate_check("dev", partial(list, [ending(days)]), lambda: NOW) for days in (12.5, 200)
    ]
    verdicts = verify(
        checks,
        cluster,
        None,  # type: ignore[arg-type]  # this check runs nothing in a pod
        done=lambda: None,
    )
    assert [verdict.outcome for verdict in verdicts] == [Outcome.FAILED, Outcome.PASSED]
    assert "ends in 12 days" in verdicts[0].details[0]
    assert verdicts[0].check.look == "python -m operations certificates --stack dev"


def test_verify_says_when_certificates_cannot_be_read() -> None:
    def refuse() -> list[Certificate]:
        raise OperationError("There are no secrets.")

    (verdict,) = verify(
        [certificate_check("dev", refuse, lambda: NOW)],
        read_cluster([], {}, local=True),
        None,  # type: ignore[arg-type]
        done=lambda: None,
    )
    assert (verdict.outcome, verdict.details) == (Outcome.FAILED, ("There are no secrets.",))


def test_the_documents_show_the_days_that_are_left() -> None:
    report = CertificateReport(certificates=(ending(400, "b"), ending(12.5, "a")), notes=("One.",))
    document = certificate_document("dev", report, NOW)
    assert [(c["name"], c["daysLeft"]) for c in document["certificates"]] == [  # type: ignore[attr-defined]
        ("a", 12),
        ("b", 400),
    ]
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(certificate_table("dev", report.certificates, NOW))
    assert "2026-12-10" in console.export_text()


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """A TLS server with a certificate that nobody trusts; yields its port."""
    issued = Authority.new().issue("kube-apiserver")
    pair = folder / "pair.pem"
    pair.touch(mode=0o600)
    pair.write_text(issued.certificate + issued.key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair)
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def test_the_certificate_of_a_server_is_read_without_trusting_it(tmp_path: Path) -> None:
    with serving(tmp_path) as port:
        certificate = served_certificate("127.0.0.1", port, name="API server")
    assert certificate is not None
    assert timedelta(hours=23) < certificate.end - datetime.now(UTC) < timedelta(days=1)
    assert served_certificate("127.0.0.1", port, name="API server") is None


def test_a_kubelets_certificate_ends_after_the_seconds_in_its_metrics() -> None:
    metrics = "# TYPE x\nkubelet_certificate_manager_client_ttl_seconds 86400\nother 1\n"
    assert kubelet_end(metrics, NOW) == NOW + timedelta(days=1)
    assert kubelet_end("kubelet_certificate_manager_client_ttl_seconds +Inf\n", NOW) is None
    assert kubelet_end("", NOW) is None


def test_without_a_way_to_a_control_plane_its_age_or_renewal_counts() -> None:
    node: dict[str, Any] = {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}
    assert control_plane_end(node) == datetime(2027, 1, 1, tzinfo=UTC)
    node["metadata"]["annotations"] = {CERTIFICATES_RENEWED: "2026-11-01T00:00:00+00:00"}
    assert control_plane_end(node) == datetime(2027, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Answering(Runner):
    """kubectl at a cluster whose units answer a request after a few looks."""

    annotations: dict[str, dict[str, str]] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    def run(  # type: ignore[override]
        self,
        argv: list[str],
        *,
        deadline: float,  # noqa: ARG002 - as `Runner`
        quiet: bool = False,  # noqa: ARG002 - as `Runner`
        stdin: str | None = None,  # noqa: ARG002 - as `Runner`
        env: Mapping[str, str] | None = None,  # noqa: ARG002 - as `Runner`
    ) -> Finished:
        name = argv[argv.index("node") + 1]
        own = self.annotations[name]
        if "annotate" in argv:
            self.asked.append(name)
            key, _, text = argv[-1].partition("=")
            own[key] = text
            return Finished(status=0, out="", err="")
        document = json.dumps({"metadata": {"annotations": own}})
        if name not in self.silent and RENEW_CERTIFICATES in own:
            own[CERTIFICATES_RENEWED] = own[RENEW_CERTIFICATES]
        return Finished(status=0, out=document, err="")


PLANES = ("masters-0", "masters-1", "masters-2")


def renewal(runner: Runner) -> Renewal:
    ticks = iter(range(0, 100_000, 20))
    return Renewal(
        plan=planned(three_control_planes()),
        runner=runner,
        progress=Progress(console=Console(quiet=True)),
        clock=lambda: float(next(ticks)),
        pause=lambda _: None,
    )


def answering(unit: str = "3", silent: frozenset[str] = frozenset()) -> Answering:
    return Answering(
        env={}, annotations={name: {UNIT_SCHEMA: unit} for name in PLANES}, silent=silent
    )


def test_control_planes_are_renewed_one_after_the_other() -> None:
    cluster = answering()
    renewal(cluster).run()
    assert cluster.asked == list(PLANES)
    for own in cluster.annotations.values():
        assert own[CERTIFICATES_RENEWED] == own[RENEW_CERTIFICATES]
        assert datetime.fromisoformat(own[CERTIFICATES_RENEWED]).tzinfo is not None


def test_the_next_control_plane_is_not_touched_while_one_does_not_answer() -> None:
    cluster = answering(silent=frozenset({"masters-1"}))
    with pytest.raises(OperationError, match="masters-1 has not renewed"):
        renewal(cluster).run()
    assert cluster.asked == ["masters-0", "masters-1"]


def test_an_api_server_that_does_not_answer_is_not_taken_for_an_old_unit() -> None:
    class Away(Answering):
        def run(self, *_: object, **__: object) -> Finished:
            return Finished(status=1, out="", err="connection refused")

    with pytest.raises(OperationError, match="could not read the Nodes of masters-0"):
        renewal(Away(env={})).run()


def test_a_unit_that_cannot_renew_refuses_the_whole_renewal() -> None:
    cluster = answering(unit="2")
    with pytest.raises(OperationError, match="nothing was changed") as refused:
        renewal(cluster).run()
    assert refused.value.code is ExitCode.REFUSED
    assert cluster.asked == []
