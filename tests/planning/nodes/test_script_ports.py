"""The node's scripts name the same ports as the plan."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config.facts.ports import API_SERVER, ETCD_CLIENT, KUBELET_HEALTH

pytestmark = pytest.mark.unit

SCRIPTS = Path(__file__).parents[3] / "planning" / "nodes"


@pytest.mark.parametrize("script", ["bootstrap.sh", "common.sh", "node.sh"])
def test_a_script_connects_to_ports_of_the_cluster_only(script: str) -> None:
    text = (SCRIPTS / script).read_text(encoding="utf-8")
    ports = {int(port) for port in re.findall(r"(?:[}\w]:|\banswers \"\S+\" )(\d{4,5})\b", text)}
    assert ports
    assert ports <= {API_SERVER, ETCD_CLIENT, KUBELET_HEALTH}
