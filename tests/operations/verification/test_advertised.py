"""The check of advertised addresses agrees with what the node's own unit writes."""

from __future__ import annotations

import io
import json
import re
import sys
from contextlib import redirect_stdout
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.engine.places import ROOT
from operations.verification.advertised import ADVERTISED_CHECK
from operations.verification.checks import NotRun
from operations.verification.cluster_objects import read_cluster
from planning.nodes.machine import UNIT_SCHEMA, UNIT_VERSION
from tests.operations.verification.test_verification import Played

pytestmark = pytest.mark.unit

RESOURCE = "spiderpool-alicloud.io/eth1-addresses"
SIZE = 6
PODS = ("a", "b", "c")


def unit_program() -> str:
    """The Python text by which the unit counts."""
    script = (ROOT / "planning" / "nodes" / "node.sh").read_text(encoding="utf-8")
    text = re.search(r"^COUNT_ADDRESSES='(.*?)^'$", script, re.MULTILINE | re.DOTALL)
    assert text is not None
    return text[1]


PROGRAM = compile(unit_program(), "COUNT_ADDRESSES", "exec")


def counted(node: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    """The Node after the unit's program has read it, the pool, the reservations and the pods."""
    lines = "\n".join(json.dumps(document) for document in (node, *others))
    out = io.StringIO()
    argv = ["-c", "spiderpool-alicloud.io", "eth1"]
    with (
        patch.object(sys, "argv", argv),
        patch.object(sys, "stdin", io.StringIO(lines)),
        redirect_stdout(out),
    ):
        exec(PROGRAM, {})  # noqa: S102 - our own program
    after: dict[str, Any] = json.loads(out.getvalue() or json.dumps(node))
    return after


def address(number: int) -> str:
    return f"10.0.0.{10 + number}"


def asking(count: int, **more: str) -> dict[str, Any]:
    """A container."""
    return {"resources": {"requests": {RESOURCE: str(count)}}, **more}


INIT_CONTAINERS = st.lists(
    st.builds(asking, st.integers(0, 3))
    | st.builds(asking, st.integers(0, 3), restartPolicy=st.just("Always")),
    max_size=2,
)


def pod(uid: str, asked: int, first: list[dict[str, Any]], *, has_ended: bool) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": uid, "namespace": "default", "uid": uid},
        "spec": {
            "nodeName": "worker",
            "containers": [asking(asked)],
            **({"initContainers": first} if first else {}),
        },
        "status": {"phase": "Succeeded" if has_ended else "Running"},
    }


@given(
    holders=st.dictionaries(st.integers(0, SIZE - 1), st.sampled_from((*PODS, "gone"))),
    requests=st.fixed_dictionaries({uid: st.integers(0, 3) for uid in PODS}),
    first=st.fixed_dictionaries(dict.fromkeys(PODS, INIT_CONTAINERS)),
    ended=st.sets(st.sampled_from(PODS)),
    reserved=st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, 2)), max_size=3),
    excluded=st.lists(st.integers(0, SIZE - 1), max_size=3),
    is_disabled=st.booleans(),
    is_leaving=st.booleans(),
)
def test_what_the_unit_advertises_passes_and_one_more_fails(  # noqa: PLR0913 - one for each thing
    *,
    holders: dict[int, str],
    requests: dict[str, int],
    first: dict[str, list[dict[str, Any]]],
    ended: set[str],
    reserved: list[tuple[int, int]],
    excluded: list[int],
    is_disabled: bool,
    is_leaving: bool,
) -> None:
    pool = {
        "kind": "SpiderIPPool",
        "metadata": {"name": "worker-eth1"} | ({"deletionTimestamp": "now"} if is_leaving else {}),
        "spec": {
            "ips": [f"{address(0)}-{address(SIZE - 1)}"],
            "excludeIPs": [address(number) for number in excluded],
            "disable": is_disabled,
        },
        "status": {
            "allocatedIPs": json.dumps({address(n): {"podUid": u} for n, u in holders.items()})
        },
    }
    reservations = [
        {
            "kind": "SpiderReservedIP",
            "metadata": {"name": f"r{place}"},
            "spec": {"ips": [f"{address(begin)}-{address(begin + more)}"]},
        }
        for place, (begin, more) in enumerate(reserved)
    ]
    pods = [pod(uid, requests[uid], first[uid], has_ended=uid in ended) for uid in PODS]
    node: dict[str, Any] = {
        "kind": "Node",
        "metadata": {"name": "worker", "annotations": {UNIT_SCHEMA: str(UNIT_VERSION)}},
        "spec": {},
        "status": {"capacity": {}, "allocatable": {}},
    }
    node = counted(node, pool, {"items": reservations}, {"items": pods})
    assert verdict(node, pool, *reservations, *pods) == []
    more = int(node["status"]["allocatable"][RESOURCE]) + 1
    node["status"]["allocatable"][RESOURCE] = str(more)
    assert len(verdict(node, pool, *reservations, *pods)) == 1


def verdict(*items: dict[str, Any]) -> list[str]:
    outputs = {"advertised": {"worker": {RESOURCE: SIZE}}}
    probes = ADVERTISED_CHECK.probes(read_cluster(items, outputs, local=True))
    assert not isinstance(probes, NotRun)
    return [line for probe in probes for line in probe.attempt(Played())]
