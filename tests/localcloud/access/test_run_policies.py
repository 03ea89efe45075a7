"""The policies for people who run this program: which calls they allow, and which not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from localcloud.products.catalogue import PRODUCTS
from localcloud.settings import Cloud
from planning.cloud.run_policies import preview_policy, run_policy
from planning.names import controller_role_name
from tests.localcloud.cloud_thread import CloudThread, Judge
from tests.localcloud.sdk_api import Api, signed_v1

pytestmark = pytest.mark.unit

POLICIES = {"run": run_policy, "preview": preview_policy}
VERSIONS = {product.name: version for version, product in PRODUCTS.items()}
EMULATED = {(p.name, action) for p in PRODUCTS.values() for action in p.actions if p.name != "Nlb"}
"""Without NLBs, which only the cloud controller uses."""
READS = ("Describe", "Get", "List")
ROLE = controller_role_name("dev", "cn-hangzhou")
_REFUSALS = {"Forbidden.RAM", "Forbidden.NoPermission", "NoPermission"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OF_EVERYBODY = {("Sts", "GetCallerIdentity")}


def allowed(name: str) -> set[tuple[str, str]]:
    """Product and action of every call that a policy names; PassRole is a right and no call."""
    statements: Any = POLICIES[name]()["Statement"]
    pairs = {tuple(text.split(":")) for s in statements for text in s["Action"]}
    return {(product.capitalize(), action) for product, action in pairs} - {("Ram", "PassRole")}


@dataclass(frozen=True)
class Person:
    """A RAM user with one policy."""

    cloud: CloudThread
    key: str
    secret: str

    def code(self, product: str, action: str, parameters: dict[str, str] | None = None) -> str:
        """The error code of a call's answer; empty when the call succeeded."""
        fields = {"Action": action, "Version": VERSIONS[product], **(parameters or {})}
        text = signed_v1(fields, key=self.key, secret=self.secret)
        status, answered = self.cloud.raw("POST", "/", text.encode(), _FORM)
        return "" if status == 200 else str(json.loads(answered)["Code"])


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Person]]:
    cloud = CloudThread.start(tmp_path_factory.mktemp("lc"), Cloud(), Judge())
    api = Api(cloud.config())
    people: dict[str, Person] = {}
    for name, policy in POLICIES.items():
        api.ram("CreateUser", UserName=name)
        api.ram("CreatePolicy", PolicyName=name, PolicyDocument=json.dumps(policy()))
        api.ram("AttachPolicyToUser", PolicyType="Custom", PolicyName=name, UserName=name)
        key: Any = api.ram("CreateAccessKey", UserName=name)["AccessKey"]
        people[name] = Person(cloud, key["AccessKeyId"], key["AccessKeySecret"])
    yield people
    cloud.close()


@pytest.mark.parametrize("name", POLICIES)
def test_every_call_that_is_named_goes_through(people: dict[str, Person], name: str) -> None:
    named = {"RoleName": ROLE, "PolicyName": ROLE, "PolicyType": "Custom"}
    refused = [
        f"{product}:{action}"
        for product, action in sorted(allowed(name))
        if people[name].code(product, action, named if product == "Ram" else None)
        in {*_REFUSALS, "LocalCloud.UnknownAction"}
    ]
    assert refused == []


@pytest.mark.parametrize("name", POLICIES)
def test_every_other_call_that_the_cloud_has_is_refused(
    people: dict[str, Person], name: str
) -> None:
    others = EMULATED - allowed(name) - OF_EVERYBODY
    assert len(others) > 50
    went_through = [
        f"{product}:{action}"
        for product, action in sorted(others)
        if people[name].code(product, action) not in _REFUSALS
    ]
    assert went_through == []


def test_roles_and_policies_of_others_are_out_of_reach(people: dict[str, Person]) -> None:
    for action in ("CreateRole", "DeleteRole", "UpdateRole"):
        assert people["run"].code("Ram", action, {"RoleName": "admin"}) in _REFUSALS
    for action in ("CreatePolicy", "DeletePolicy"):
        assert people["run"].code("Ram", action, {"PolicyName": "admin"}) in _REFUSALS
    both = {"RoleName": ROLE, "PolicyName": "AdministratorAccess", "PolicyType": "System"}
    assert people["run"].code("Ram", "AttachPolicyToRole", both) in _REFUSALS


def test_a_preview_only_reads() -> None:
    assert all(action.startswith(READS) for _, action in allowed("preview"))


@pytest.mark.parametrize("name", POLICIES)
def test_no_action_has_a_wildcard_and_a_policy_fits_rams_limit(name: str) -> None:
    text = json.dumps(POLICIES[name]())
    assert not [action for _, action in allowed(name) if "*" in action]
    # A custom policy has at most 6,144 characters (RAM, "Limits").
    assert len(text) <= 6144
