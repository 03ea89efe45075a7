"""kube-proxy's nftables mode does for the path of finding B what its iptables mode does.

Real kube-proxy, API server, kernel and packets; no ipvlan and no coordinator (docs/data-plane.md).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from operations.engine.places import ROOT
from tests.engine.services.kube_proxy_modes import POD, PRIMARY

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1200)]

Outcomes = dict[str, dict[str, str | None]]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What the backend sees in each case."""
    lacking = [name for name in ("nft", "iptables", "unshare", "ip") if shutil.which(name) is None]
    if os.geteuid() or lacking:
        pytest.skip(f"It needs root, and {', '.join(lacking) or 'all its programs are here'}.")
    folder = tmp_path_factory.mktemp("modes")
    program = ("-m", "tests.engine.services.kube_proxy_modes", str(folder))
    done = subprocess.run(  # noqa: S603 - our own program
        ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, *program],  # noqa: S607
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'local'}"},
        capture_output=True,
        text=True,
        timeout=1100,
        check=False,
    )
    assert done.returncode == 0, done.stderr + log_of(folder)
    document: Outcomes = json.loads(done.stdout)
    return document


def log_of(folder: Path) -> str:
    log = folder / "kube-proxy.log"
    return log.read_text(encoding="utf-8")[-3000:] if log.exists() else ""


@pytest.mark.parametrize("case", ["iptables", "nftables", "nftables, no pod inside"])
def test_a_request_to_a_cluster_ip_is_masqueraded(outcomes: Outcomes, case: str) -> None:
    assert outcomes[case]["ClusterIP"] == PRIMARY


@pytest.mark.parametrize(
    "case",
    ["iptables, pods inside", "nftables, pods inside", "nftables, the setting of iptables"],
)
def test_without_the_modes_own_setting_the_backend_sees_the_pod(
    outcomes: Outcomes, case: str
) -> None:
    assert outcomes[case]["ClusterIP"] == POD


@pytest.mark.parametrize(
    ("case", "answers"),
    [("iptables", True), ("nftables", False), ("nftables, all addresses", True)],
)
def test_a_node_port_answers_on_every_address_or_on_the_primary_one(
    outcomes: Outcomes, case: str, *, answers: bool
) -> None:
    assert outcomes[case]["primary"] == PRIMARY
    assert (outcomes[case]["second"] is not None) == answers
