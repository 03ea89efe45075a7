"""Our verdict on pools, where no cluster is needed to see it.

That it is the webhook's own is shown in `tests/engine/spiderpool`.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from planning.document_checks import pool_problems
from planning.spiderpool.verdict import judge, pools_problems
from tests.clusters import small
from tests.planning.documents import planned
from tests.program.golden_plans import cluster_in, stack_files

pytestmark = pytest.mark.unit

FILES = stack_files()
SUBNET = "10.6.0.0/24"


def pool(*ips: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"subnet": SUBNET, "ips": list(ips), **fields}


@pytest.mark.parametrize("name", FILES)
def test_every_pool_of_a_stack_file_is_accepted(name: str) -> None:
    assert list(pool_problems(planned(cluster_in(FILES[name])))) == []


def test_a_refusal_teaches() -> None:
    (problem,) = judge(pool("10.6.0.9-10.6.0.12", gateway="10.6.0.10"), others={}).webhook
    assert problem.path == "ips[0]"
    assert problem.value == "10.6.0.9-10.6.0.12"
    assert "gateway 10.6.0.10" in problem.rule
    assert "excludeIPs" in problem.remedy


def test_ipv6_is_refused_where_it_is_off() -> None:
    spec = {"subnet": "fd00:1::/64", "ips": ["fd00:1::1"]}
    assert judge(spec, others={}).accepted
    assert not judge(spec, others={}, ipv6=False).accepted


def test_pools_of_one_subnet_that_share_an_address_name_each_other() -> None:
    (problem,) = pools_problems({"one": pool("10.6.0.5-10.6.0.9"), "two": pool("10.6.0.9")})
    assert problem.path == "two.ips"
    assert "Pool one" in problem.rule


def test_a_pool_with_a_hole_lets_another_into_it() -> None:
    holed = pool("10.6.0.5-10.6.0.9", excludeIPs=["10.6.0.7"])
    assert pools_problems({"holed": holed, "within": pool("10.6.0.7")}) == ()


def test_subnets_that_overlap_are_refused_across_pools() -> None:
    (problem,) = pools_problems(
        {"one": pool("10.6.0.5"), "other": {"subnet": "10.6.0.0/16", "ips": ["10.6.9.9"]}}
    )
    assert problem.path == "subnet"
    assert "10.6.0.0" in problem.rule + str(problem.value)


def test_one_thousand_pools_are_judged_within_seconds() -> None:
    subnets = [f"10.{n}.0.0/16" for n in range(4)]
    specs = {
        f"{subnet}-{n}": {
            "subnet": subnet,
            "ips": [f"{subnet[:5]}{n}.10-{subnet[:5]}{n}.19"],
            "gateway": f"{subnet[:5]}255.253",
        }
        for subnet in subnets
        for n in range(250)
    }
    began = time.monotonic()
    assert pools_problems(specs) == ()
    assert time.monotonic() - began < 5


def test_a_plan_without_problems_has_pools_without_problems() -> None:
    assert list(pool_problems(planned(small()))) == []
