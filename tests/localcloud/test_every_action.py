"""All registered actions together: each is called by its SDK, and has the SDK's parameters."""

from __future__ import annotations

import ast
import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from localcloud.products.catalogue import PRODUCTS
from localcloud.settings import ROOT_KEY_ID, ROOT_SECRET
from localcloud.wire import parameters
from localcloud.wire.parameters import declared
from tests.localcloud import action_list
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.published import keys, sdk_conformance
from tests.localcloud.sdk_api import PACKAGES, body_model_of, code_of, models, signed_v1

pytestmark = pytest.mark.unit

METHODS = {
    "vpc": "Vpc",
    "ecs": "Ecs",
    "ram": "Ram",
    "sts": "Sts",
    "slb": "Slb",
    "nlb": "Nlb",
    "location": "Location",
    "bss": "BssOpenApi",
    "groups": "ResourceManager",
}
# What the emulator always refuses, as the real cloud does in the state that is always here.
REFUSED = {
    ("Vpc", "ModifyNatGatewaySpec"),  # none is paid by size
    ("Vpc", "UpdateNatGatewayNatType"),  # all NAT gateways are enhanced already
    ("Ram", "DeleteLoginProfile"),  # no user has a password
    ("Ram", "UnbindMFADevice"),  # or a device
}
_DESTINATION = frozenset(
    {"DestGroupId", "DestGroupOwnerAccount", "DestGroupOwnerId", "DestPrefixListId"}
)
_SOURCE = frozenset(
    {"SourceGroupId", "SourceGroupOwnerAccount", "SourceGroupOwnerId", "SourcePrefixListId"}
)
_SEVERAL = frozenset({"InstanceId", "InstanceIds", "MaxResults", "NextToken"})
# Every tag action of every product has the same request type.
_EVERYWHERE = frozenset({"RegionId", "Tag", "Tags", "MaxResults", "PageSize"})
ALL = sorted((p.name, a) for p in PRODUCTS.values() for a in p.actions)

# Parameters that these SDKs do not have but a client sends: the provider by its own requests, or
# an action that shares its request type with others.
BEYOND_THE_SDK: Mapping[tuple[str, str], frozenset[str]] = MappingProxyType(
    {
        ("Vpc", "CreateIpv6Gateway"): frozenset({"Spec"}),
        ("Vpc", "ListVSwitchCidrReservations"): frozenset({"VpcId"}),
        ("Vpc", "ModifyNatGatewayAttribute"): frozenset({"AccessMode"}),
        ("Vpc", "UnassociateVpcCidrBlock"): frozenset({"IpVersion"}),
        ("Ecs", "AuthorizeSecurityGroup"): _DESTINATION | {"SecurityGroupRuleId"},
        ("Ecs", "AuthorizeSecurityGroupEgress"): _SOURCE | {"SecurityGroupRuleId"},
        ("Ecs", "DescribeImages"): frozenset({"OsType", "Ostype"}),
        ("Ecs", "DescribeInstanceAttachmentAttributes"): _SEVERAL,
        ("Ecs", "DescribeInstanceAutoRenewAttribute"): _SEVERAL,
        ("Ecs", "DescribeInstanceMaintenanceAttributes"): _SEVERAL,
        ("Ecs", "DescribeInstanceTypes"): frozenset({"InstanceType"}),
        ("Ecs", "DescribeNetworkInterfaces"): frozenset({"Attributes"}),
        # The provider 1.285.0 sends it to switch the high density mode.
        ("Ecs", "ModifyInstanceAttribute"): frozenset({"AdditionalInfo"}),
        ("Ecs", "RunInstances"): frozenset({"AdditionalInfo"}),
        ("Ecs", "ModifyInstanceSpec"): frozenset({"AutoPay"}),
        ("Ecs", "ModifyNetworkInterfaceAttribute"): frozenset({"NetworkInterfaceTrafficMode"}),
        ("Ecs", "ModifySecurityGroupEgressRule"): _SOURCE,
        ("Ecs", "ModifySecurityGroupRule"): _DESTINATION,
        ("Ecs", "RevokeSecurityGroup"): _DESTINATION,
        ("Ecs", "RevokeSecurityGroupEgress"): _SOURCE,
        ("Ecs", "StartInstance"): frozenset({"SourceRegionId"}),
        ("Ram", "GetRole"): frozenset({"Language"}),
        ("Ram", "UntagResources"): frozenset({"TagKey"}),
    }
)


class _Calls(ast.NodeVisitor):
    """Which actions a test calls by name, apart from those it expects to be refused."""

    def __init__(self) -> None:
        self.answered: set[tuple[str, str]] = set()
        self.refused: set[tuple[str, str]] = set()
        self._inside = 0

    def visit_With(self, node: ast.With) -> None:
        refusing = any(
            isinstance(item.context_expr, ast.Call)
            and isinstance(item.context_expr.func, ast.Name)
            and item.context_expr.func.id == "refused"
            for item in node.items
        )
        self._inside += refusing
        self.generic_visit(node)
        self._inside -= refusing

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in METHODS and node.args and isinstance(node.args[0], ast.Constant):
            action = (METHODS[name], str(node.args[0].value))
            (self.refused if self._inside else self.answered).add(action)
        self.generic_visit(node)


@pytest.fixture(scope="module")
def calls() -> _Calls:
    visitor = _Calls()
    for path in Path(__file__).parent.rglob("*.py"):
        visitor.visit(ast.parse(path.read_text()))
    return visitor


@pytest.mark.parametrize(("product", "action"), ALL)
def test_an_action_is_called_by_its_sdk_and_answers(
    calls: _Calls, product: str, action: str
) -> None:
    assert product in PACKAGES
    expected = calls.refused if (product, action) in REFUSED else calls.answered
    assert (product, action) in expected, "write a test that calls it by its official SDK"


@pytest.mark.parametrize(("product", "action"), ALL)
def test_an_answer_has_a_model_to_be_judged_by(product: str, action: str) -> None:
    assert body_model_of(product, action) is not None


def test_the_document_lists_the_actions_there_are() -> None:
    text = action_list.DOCUMENT.read_text()
    assert action_list.written(text) == text, "run `python -m tests.localcloud.action_list`"


def test_what_clients_cannot_do_without_is_never_left_out() -> None:
    assert set(keys.ASSERTED).isdisjoint(keys.left_out())


@pytest.mark.parametrize("key", keys.ASSERTED)
def test_what_clients_cannot_do_without_is_in_the_model(key: str) -> None:
    product, action, *path = key.replace("[]", "").split(".")
    here: Any = body_model_of(product, action)
    for name in path:
        fields = sdk_conformance.wire_fields(here)
        assert name in fields
        here = fields[name]
        inner = getattr(here, "__args__", None)
        here = inner[0] if inner else here


def test_an_absent_key_is_reported_unless_it_is_left_out() -> None:
    model = body_model_of("Vpc", "DescribeVpcs")
    answer = {"Vpcs": {"Vpc": [{"VpcId": "vpc-1"}, {"VpcId": "vpc-2"}]}, "TotalCount": 2}
    absent = sdk_conformance.absent(answer, model, "Vpc.DescribeVpcs")
    assert "Vpc.DescribeVpcs.PageNumber" in absent
    assert absent.count("Vpc.DescribeVpcs.Vpcs.Vpc[].CidrBlock") == 2
    assert "Vpc.DescribeVpcs.Vpcs.Vpc[].CidrBlock" not in keys.left_out()


# A CLB listener of any protocol takes what those of the others do.
LISTENERS = ("TCPListener", "UDPListener", "HTTPListener", "HTTPSListener")


@pytest.mark.parametrize(
    ("product", "action"), [(p, a) for p, a in ALL if not any(name in a for name in LISTENERS)]
)
def test_an_action_takes_no_parameter_that_its_sdk_does_not_know(product: str, action: str) -> None:
    module = models(product)
    assert module is not None
    names = sdk_conformance.request_names(module, action) or set()
    (version,) = (v for v, p in PRODUCTS.items() if p.name == product)
    own = declared(PRODUCTS[version].actions[action].request)
    beyond = BEYOND_THE_SDK.get((product, action), frozenset())
    assert own - names - _EVERYWHERE - beyond == set()
    assert beyond <= own - names | _SEVERAL


@pytest.mark.parametrize(("product", "action"), ALL)
def test_a_parameter_that_an_action_does_not_know_is_reported(product: str, action: str) -> None:
    (version,) = (v for v, p in PRODUCTS.items() if p.name == product)
    request = PRODUCTS[version].actions[action].request
    _, unknown = parameters.read(_without_mandatory(request), {"Surprise.1": "x"})
    assert unknown == ("Surprise.1",)


def _without_mandatory(request: type[Any]) -> type[Any]:
    """The same parameters, none of them mandatory."""
    hints = typing.get_type_hints(request)
    optional = [
        (f.name, hints[f.name], dataclasses.field(default=None, metadata=f.metadata))
        for f in dataclasses.fields(request)
    ]
    return dataclasses.make_dataclass(request.__name__, optional, frozen=True, kw_only=True)


@pytest.mark.parametrize(
    ("version", "action"),
    [
        ("2016-04-28", "DescribeVpcs"),
        ("2014-05-26", "DescribeInstances"),
        ("2014-05-15", "DescribeLoadBalancers"),
        ("2022-04-30", "ListLoadBalancers"),
        ("2015-05-01", "ListRoles"),
        ("2015-04-01", "GetCallerIdentity"),
        ("2017-12-14", "QueryAvailableInstances"),
        ("2020-03-31", "ListResourceGroups"),
    ],
)
def test_an_unknown_parameter_is_an_error_over_the_wire(
    cloud: CloudThread, version: str, action: str
) -> None:
    query = signed_v1(
        {"Action": action, "Version": version, "RegionId": "cn-hangzhou", "Surprise.1": "x"},
        key=ROOT_KEY_ID,
        secret=ROOT_SECRET,
    )
    answer = cloud.raw("POST", f"/?{query}")
    assert code_of(answer) == "LocalCloud.UnknownParameter"
    assert b"Surprise.1" in answer[1]
