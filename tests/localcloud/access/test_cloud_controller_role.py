"""The cloud controller's role: which calls its policy allows in the cloud, and which not.

The list of actions is the real controller's (`tests.planning.controller_calls`), not the policy's.
`cloud_controller/test_load_balancers.py` runs the stand-in with this policy.

The calls use credentials from a machine's metadata service, as the controller's do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from localcloud.machines.control import Control, Instance
from localcloud.machines.vpc_services.metadata import (
    TOKEN_HEADER,
    TTL_HEADER,
    Answer,
    Request,
    Tokens,
    answer,
)
from localcloud.products.catalogue import PRODUCTS
from localcloud.settings import Cloud
from planning.cloud.cloud_controller import ram_policy, ram_trust_policy
from tests.localcloud.cloud_thread import CloudThread, Judge
from tests.localcloud.products.test_ecs_by_sdk import Place
from tests.localcloud.sdk_api import Api, signed_acs3, signed_v1
from tests.planning import ram_documents
from tests.planning.controller_calls import needed_actions

pytestmark = pytest.mark.unit
ROLE = "ccm"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


ALLOWED = sorted(
    (product.capitalize(), action)
    for product, action in (text.split(":") for text in needed_actions())
)
VERSIONS = {product.name: version for version, product in PRODUCTS.items()}
EMULATED = {(p.name, action) for p in PRODUCTS.values() for action in p.actions}
_REFUSALS = {"Forbidden.RAM", "Forbidden.NoPermission", "NoPermission"}


@dataclass(frozen=True)
class Controller:
    """The controller's view: its credentials, and raw calls with them."""

    cloud: CloudThread
    credentials: dict[str, str]

    def code(self, product: str, action: str, parameters: dict[str, str] | None = None) -> str:
        """The error code of a call's answer; empty when the call succeeded."""
        key, secret = self.credentials["AccessKeyId"], self.credentials["AccessKeySecret"]
        token, version = self.credentials["SecurityToken"], VERSIONS[product]
        if product == "Nlb":
            target, headers, body = signed_acs3(
                parameters or {},
                action=action,
                version=version,
                key=key,
                secret=secret,
                token=token,
            )
        else:
            fields = {"Action": action, "Version": version, "SecurityToken": token}
            text = signed_v1({**fields, **(parameters or {})}, key=key, secret=secret)
            target, headers, body = "/", FORM, text.encode()
        status, answered = self.cloud.raw("POST", target, body, headers)
        return "" if status == 200 else str(json.loads(answered)["Code"])


def ask_metadata(
    control: Control, instance: Instance, tokens: Tokens, method: str, path: str, **headers: str
) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(method=method, path=path, headers=named)
    return answer(request, instance, tokens, lambda: control.credentials(instance.id))


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    """A control plane's machine in hardened mode, and the credentials from its metadata service."""
    home: Path = tmp_path_factory.mktemp("lc")
    cloud = CloudThread.start(home, Cloud(), Judge())
    api = Api(cloud.config())
    policy = json.dumps(ram_policy())
    trust = json.dumps(ram_trust_policy())
    api.ram("CreateRole", RoleName=ROLE, AssumeRolePolicyDocument=trust)
    api.ram("CreatePolicy", PolicyName=ROLE, PolicyDocument=policy)
    api.ram("AttachPolicyToRole", PolicyType="Custom", PolicyName=ROLE, RoleName=ROLE)
    instance_id = Place(api).run(RamRoleName=ROLE, HttpTokens="required")
    control = Control(cloud.places.control_socket)
    (machine,) = control.machines(0, 0)["instances"]
    instance, tokens = Instance.read(machine), Tokens(b"key")
    assert (instance.id, instance.http_tokens) == (instance_id, "required")
    path = "/latest/meta-data/ram/security-credentials/"
    token = ask_metadata(
        control, instance, tokens, "PUT", "/latest/api/token", **{TTL_HEADER: "300"}
    ).body.decode()
    role = ask_metadata(control, instance, tokens, "GET", path, **{TOKEN_HEADER: token}).body
    reply = ask_metadata(
        control, instance, tokens, "GET", path + role.decode(), **{TOKEN_HEADER: token}
    )
    yield Controller(cloud, json.loads(reply.body))
    cloud.close()


@pytest.mark.parametrize(("product", "action"), ALLOWED)
def test_each_call_of_the_controller_is_allowed(
    controller: Controller, product: str, action: str
) -> None:
    code = controller.code(product, action)
    # Any other error comes from the action itself, because the call has no parameters.
    assert code not in {*_REFUSALS, "LocalCloud.UnknownAction"}


def test_every_other_action_that_the_cloud_has_is_refused(controller: Controller) -> None:
    others = EMULATED - set(ALLOWED) - {("Sts", "GetCallerIdentity")}
    assert len(others) > 100
    went_through = [
        f"{product}:{action}"
        for product, action in sorted(others)
        if controller.code(product, action) not in _REFUSALS
    ]
    assert went_through == []


@pytest.mark.parametrize(
    ("product", "action", "code"),
    [
        ("Ecs", "RunInstances", "Forbidden.RAM"),
        ("Ecs", "DeleteInstance", "Forbidden.RAM"),
        ("Ecs", "StopInstance", "Forbidden.RAM"),
        ("Ecs", "AttachInstanceRamRole", "Forbidden.RAM"),
        ("Ecs", "CreateNetworkInterface", "Forbidden.RAM"),
        ("Ecs", "ModifyNetworkInterfaceAttribute", "Forbidden.RAM"),
        ("Ecs", "AuthorizeSecurityGroup", "Forbidden.RAM"),
        ("Vpc", "CreateVpc", "Forbidden.RAM"),
        ("Vpc", "DeleteVpc", "Forbidden.RAM"),
        ("Vpc", "CreateRouteEntry", "Forbidden.RAM"),
        ("Vpc", "AllocateEipAddress", "Forbidden.RAM"),
        ("Slb", "AddTags", "Forbidden.RAM"),
        ("Slb", "UploadServerCertificate", "Forbidden.RAM"),
        ("Nlb", "CreateSecurityPolicy", "Forbidden.NoPermission"),
        ("Ram", "CreateUser", "NoPermission"),
        ("Ram", "CreateAccessKey", "NoPermission"),
        ("Ram", "PassRole", "NoPermission"),
        ("Ram", "AttachPolicyToRole", "NoPermission"),
        ("Ram", "CreatePolicyVersion", "NoPermission"),
        ("Sts", "AssumeRole", "NoPermission"),
    ],
)
def test_what_the_controller_does_not_do_has_the_real_refusal(
    controller: Controller, product: str, action: str, code: str
) -> None:
    assert controller.code(product, action) == code


@pytest.mark.parametrize(
    ("service", "code"),
    [
        ("nlb.aliyuncs.com", "LocalCloud.UnknownAction"),
        ("alb.aliyuncs.com", "NoPermission"),
        ("", "NoPermission"),
    ],
)
def test_a_service_linked_role_is_created_for_nlb_only(
    controller: Controller, service: str, code: str
) -> None:
    parameters = {"ServiceName": service} if service else None
    assert controller.code("Ram", "CreateServiceLinkedRole", parameters) == code


@pytest.mark.parametrize("name", sorted(ram_documents.DOCUMENTS))
def test_the_documented_policy_is_the_programs_own(name: str) -> None:
    path = ram_documents.FOLDER / name
    assert path.read_text() == ram_documents.text_of(name), (
        f"{path} is not up to date: run `python -m tests.planning.ram_documents`"
    )
