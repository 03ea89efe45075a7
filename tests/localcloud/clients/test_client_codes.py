"""The local cloud answers the error codes on which programs of others act."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from tests.localcloud.clients import clients, codes
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.corpus import entries, runner
from tests.localcloud.products.test_nlb_by_sdk import Balanced
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit
ROWS = codes.client_codes()
WORLD = entries.world()
SITUATIONS = [(row, row.shown_by) for row in ROWS if isinstance(row.shown_by, entries.Entry)]
INJECTED = [(row, row.shown_by) for row in ROWS if isinstance(row.shown_by, codes.Injected)]


def cases(pairs: list[tuple[codes.ClientCode, Any]]) -> list[Any]:
    return [pytest.param(*pair, id=pair[0].title) for pair in pairs]


@pytest.mark.parametrize(("row", "entry"), cases(SITUATIONS))
def test_the_situation_has_the_code(
    cloud: CloudThread, row: codes.ClientCode, entry: entries.Entry
) -> None:
    session = runner.Session(cloud, WORLD)
    assert runner.problems(session, entry) == []
    if row.in_message:
        _, answer = session.send(f"{entry.product}.{entry.action}", entry.parameters)
        assert row.code in answer["Message"]


@pytest.mark.parametrize(("row", "injected"), cases(INJECTED))
def test_a_fault_rule_makes_the_code(
    cloud: CloudThread, row: codes.ClientCode, injected: codes.Injected
) -> None:
    cloud.fault(
        product=injected.product,
        action=injected.action,
        kind="error",
        code=row.code,
        status=injected.status,
    )
    session = runner.Session(cloud, WORLD)
    status, answer = session.send(f"{injected.product}.{injected.action}", {})
    assert (status, answer["Code"]) == (injected.status, row.code)


def test_a_code_that_a_test_provokes_is_in_that_test() -> None:
    for row in ROWS:
        if isinstance(row.shown_by, codes.Test):
            module, _, name = row.shown_by.name.rpartition(".")
            assert callable(getattr(importlib.import_module(module), name))


def test_each_row_is_there_once_and_says_why_a_code_never_occurs() -> None:
    titles = [row.title for row in ROWS]
    assert sorted(titles) == sorted(set(titles))
    assert all(injected.reason.endswith(".") for _, injected in INJECTED)


def test_a_security_group_takes_no_rule_beyond_200(api: Api) -> None:
    vpc = api.vpc("CreateVpc", CidrBlock="172.31.0.0/16")["VpcId"]
    group = api.ecs("CreateSecurityGroup", VpcId=vpc)["SecurityGroupId"]
    rules = [
        {"IpProtocol": "tcp", "PortRange": f"{port}/{port}", "SourceCidrIp": "10.0.0.0/8"}
        for port in range(1, 202)
    ]
    for first in (0, 100):
        api.ecs(
            "AuthorizeSecurityGroup", SecurityGroupId=group, Permissions=rules[first : first + 100]
        )
    with refused("AuthorizationLimitExceed"):
        api.ecs("AuthorizeSecurityGroup", SecurityGroupId=group, Permissions=rules[200:])


def test_an_nlb_with_four_security_groups_takes_no_fifth(api: Api) -> None:
    place = Balanced(api)
    groups = [
        api.ecs("CreateSecurityGroup", VpcId=place.vpc, SecurityGroupName=f"group-{n}")[
            "SecurityGroupId"
        ]
        for n in range(5)
    ]
    nlb = place.nlb()
    api.nlb("LoadBalancerJoinSecurityGroup", LoadBalancerId=nlb, SecurityGroupIds=groups[:4])
    with refused("QuotaExceeded.QuotaInsufficient"):
        api.nlb("LoadBalancerJoinSecurityGroup", LoadBalancerId=nlb, SecurityGroupIds=groups[4:])


def test_each_code_is_of_a_client_in_the_table() -> None:
    assert {row.client for row in ROWS} <= {client.key for client in clients.clients()}
