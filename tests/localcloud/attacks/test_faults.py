"""Every kind of fault with every way to choose its calls, seen through the official SDK."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from localcloud.requests.faults import BadFaultError, read
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit
KINDS: dict[str, dict[str, Any]] = {
    "throttling": {"kind": "error", "code": "Throttling.User", "status": 400},
    "5xx": {"kind": "error", "code": "ServiceUnavailable", "status": 503},
    "timeout": {"kind": "timeout", "seconds": 0.05},
    "drop": {"kind": "drop"},
    "stale": {"kind": "stale"},
    "after-effect": {"kind": "after-effect", "code": "InternalError", "status": 500},
}
_CODES = {
    "throttling": "Throttling.User",
    "5xx": "ServiceUnavailable",
    "after-effect": "InternalError",
}


class Scene:
    """Two VPCs; each step renames one of them, or reads it for a stale fault."""

    def __init__(self, api: Api, kind: str) -> None:
        self._api = api
        self._kind = kind
        self.vpcs = [str(api.vpc("CreateVpc", CidrBlock="10.0.0.0/16")["VpcId"]) for _ in range(2)]
        self._count = 0

    @property
    def action(self) -> str:
        return "DescribeVpcAttribute" if self._kind == "stale" else "ModifyVpcAttribute"

    def _name(self, vpc: str) -> str:
        rows = self._api.vpc("DescribeVpcs", VpcId=vpc)["Vpcs"]["Vpc"]
        return str(rows[0]["VpcName"])

    def struck(self, which: int = 0) -> bool:
        """One call on a VPC: whether the fault struck, which must be all of it or nothing."""
        self._count += 1
        vpc, name = self.vpcs[which], f"name-{self._count}"
        if self._kind == "stale":
            self._api.vpc("ModifyVpcAttribute", VpcId=vpc, VpcName=name)
            return bool(self._api.vpc("DescribeVpcAttribute", VpcId=vpc)["VpcName"] != name)
        try:
            self._api.vpc("ModifyVpcAttribute", VpcId=vpc, VpcName=name)
        except Exception as error:  # noqa: BLE001  # the SDKs have several classes
            failed: Exception | None = error
        else:
            failed = None
        happened = self._name(vpc) == name
        assert happened is (failed is None or self._kind == "after-effect")
        assert failed is None or getattr(failed, "code", None) == _CODES.get(self._kind)
        return failed is not None


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_fault_of_an_action_strikes_its_every_call_and_no_other(
    cloud: CloudThread, api: Api, kind: str
) -> None:
    scene = Scene(api, kind)
    assert not scene.struck()
    cloud.fault(action=scene.action, **KINDS[kind])
    assert [scene.struck(), scene.struck(1), scene.struck()] == [True] * 3
    cloud.call(cloud.inside.faults.clear)
    assert not scene.struck()


def test_a_fault_of_a_resource_spares_the_others(cloud: CloudThread, api: Api, kind: str) -> None:
    scene = Scene(api, kind)
    cloud.fault(action=scene.action, resource=scene.vpcs[0], **KINDS[kind])
    assert [scene.struck(0), scene.struck(1), scene.struck(0)] == [True, False, True]


def test_a_fault_of_the_nth_call_strikes_that_one(cloud: CloudThread, api: Api, kind: str) -> None:
    scene = Scene(api, kind)
    cloud.fault(action=scene.action, nth=2, **KINDS[kind])
    assert [scene.struck() for _ in range(4)] == [False, True, False, False]


def test_the_nth_call_may_be_counted_for_one_resource(
    cloud: CloudThread, api: Api, kind: str
) -> None:
    scene = Scene(api, kind)
    cloud.fault(action=scene.action, resource=scene.vpcs[1], nth=2, **KINDS[kind])
    assert [scene.struck(n) for n in (0, 1, 0, 1, 1)] == [False, False, False, True, False]


def test_a_fault_of_the_first_calls_ends_with_them(cloud: CloudThread, api: Api, kind: str) -> None:
    scene = Scene(api, kind)
    cloud.fault(action=scene.action, times=2, **KINDS[kind])
    assert [scene.struck() for _ in range(4)] == [True, True, False, False]


@pytest.mark.parametrize(("rate", "least", "most"), [(0.0, 0, 0), (0.5, 4, 16), (1.0, 20, 20)])
def test_a_fault_of_a_rate_strikes_about_as_often(  # noqa: PLR0913, PLR0917  # fixtures
    cloud: CloudThread, api: Api, kind: str, rate: float, least: int, most: int
) -> None:
    scene = Scene(api, kind)
    cloud.fault(action=scene.action, rate=rate, **KINDS[kind])
    assert least <= sum(scene.struck() for _ in range(20)) <= most


def test_rates_are_the_same_in_every_run(start_cloud: Callable[..., CloudThread]) -> None:
    seen = []
    for _ in range(2):
        cloud = start_cloud()
        cloud.fault(action="ModifyVpcAttribute", rate=0.5, **KINDS["throttling"])
        scene = Scene(Api(cloud.config()), "throttling")
        seen.append([scene.struck() for _ in range(12)])
        cloud.close()
    assert seen[0] == seen[1]


def test_a_fault_may_be_for_one_product(cloud: CloudThread, api: Api) -> None:
    vpc_id = api.vpc("CreateVpc", CidrBlock="10.0.0.0/16")["VpcId"]
    group = api.ecs("CreateSecurityGroup", VpcId=vpc_id)["SecurityGroupId"]
    cloud.fault(product="Vpc", action="*TagResources", code="X")
    api.ecs("ListTagResources", ResourceType="securitygroup", ResourceId=[group])
    with refused("X"):
        api.vpc("ListTagResources", ResourceType="VPC", ResourceId=[vpc_id])


def test_a_client_that_waits_less_than_the_cloud_gives_up(cloud: CloudThread, api: Api) -> None:
    config = cloud.config()
    config.read_timeout = 300
    cloud.fault(action="DescribeVpcs", kind="timeout", seconds=60, times=1)
    began = time.monotonic()
    with pytest.raises(Exception, match="(?i)timed out|timeout"):  # noqa: RUF043  # a pattern it is
        Api(config).vpc("DescribeVpcs")
    assert time.monotonic() - began < 10
    assert api.vpc("DescribeVpcs")["TotalCount"] == 0


def test_the_first_of_two_rules_strikes_and_both_count(cloud: CloudThread, api: Api) -> None:
    cloud.fault(action="CreateVpc", code="First", times=1)
    cloud.fault(action="Create*", code="Second", nth=2)
    codes = []
    for _ in range(3):
        try:
            codes.append(str(api.vpc("CreateVpc", CidrBlock="10.0.0.0/16")["VpcId"])[:4])
        except Exception as error:  # noqa: BLE001
            codes.append(str(getattr(error, "code", error)))
    assert codes == ["First", "Second", "vpc-"]


def test_a_stale_fault_does_not_touch_writes(cloud: CloudThread, api: Api) -> None:
    cloud.fault(kind="stale", transactions=50)
    first = api.vpc("CreateVpc", CidrBlock="10.0.0.0/16")["VpcId"]
    api.vpc("CreateVSwitch", VpcId=first, CidrBlock="10.0.0.0/24", ZoneId="cn-hangzhou-h")
    assert api.vpc("DescribeVpcs")["TotalCount"] == 0
    cloud.call(cloud.inside.faults.clear)
    assert api.vpc("DescribeVpcs")["TotalCount"] == 1


@pytest.mark.parametrize(
    "document",
    [
        {"acton": "x"},
        {"kind": "strange"},
        {"kind": []},
        {"times": "many"},
        {"times": True},
        {"rate": 1.5},
        {"rate": -0.1},
        {"rate": float("nan")},
        {"seconds": float("inf")},
        {"seconds": -1},
        {"status": 99},
        {"nth": 0},
        {"times": -1},
        {"transactions": -1},
    ],
)
def test_a_rule_that_cannot_be_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(BadFaultError):
        read(document)
