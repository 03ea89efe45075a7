"""Rows of the verdict table for a controller with the guard against deleting used pools.

Restarts the controller with the guard on, and again without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from localcloud.machines.guest.kubelet.client import ApiError
from planning.spiderpool.chart import chart_values
from tests.engine.spiderpool.cluster import DRY, POOLS, Judge, helm, thing
from tests.localcloud.machines.fake_cloud import until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

PODS = "/api/v1/namespaces/kube-system/pods"
CONTROLLERS = f"{PODS}?labelSelector=app.kubernetes.io/component%3Dspiderpool-controller"
POOL = {"subnet": "10.30.0.0/24", "ips": ["10.30.0.10-10.30.0.19"]}


@pytest.fixture(scope="module")
def guarded(judge: Judge) -> Iterator[Judge]:
    restart(judge, guard=True)
    yield judge
    restart(judge, guard=False)


def restart(judge: Judge, *, guard: bool) -> None:
    values: dict[str, Any] = chart_values(judge.plan, secrets=judge.secrets)
    controller = values["spiderpoolController"]
    controller["enableValidatingResourcesDeletedWebhook"] = guard
    helm(judge, "upgrade", values, "--timeout=120s")
    old = [pod["metadata"]["name"] for pod in judge.client.get(CONTROLLERS)["items"]]
    for name in old:
        judge.client.request("DELETE", f"{PODS}/{name}")

    def replaced() -> bool:
        pods = judge.client.get(CONTROLLERS)["items"]
        names = [pod["metadata"]["name"] for pod in pods]
        return bool(pods) and not set(names) & set(old)

    until("another controller", 60, replaced)
    body = thing("SpiderIPPool", "probe", POOL)
    until("it answers", 60, lambda: judge.client.request("POST", f"{POOLS}{DRY}", body))


def test_with_the_guard_a_pool_in_use_cannot_be_deleted(guarded: Judge) -> None:
    guarded.create("guarded", POOL)
    record = json.dumps({"10.30.0.10": {"pod": "default/one", "podUid": "one"}})
    used = {"allocatedIPs": record, "allocatedIPCount": 1, "totalIPCount": 10}
    guarded.record("guarded", used)
    with pytest.raises(ApiError, match="cannot delete an IPPool with allocated IPs") as refused:
        guarded.client.request("DELETE", f"{POOLS}/guarded")
    assert refused.value.status == 403
    guarded.record("guarded", {"allocatedIPCount": 0, "totalIPCount": 10})
    guarded.remove("guarded")
