"""Policies as requests meet them: ARNs of calls, conditions' keys, passing roles, sessions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from localcloud.settings import ACCOUNT_ID
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.products.test_ram_and_sts_by_sdk import assumer
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit


def statement(action: str = "*", resource: str = "*", **rest: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    return {"Effect": "Allow", "Action": action, "Resource": resource, **rest}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "1", "Statement": list(statements)})


def user_with(api: Api, cloud: CloudThread, *statements: dict[str, Any]) -> Api:
    api.ram("CreateUser", UserName="u")
    api.ram("CreatePolicy", PolicyName="p", PolicyDocument=document(*statements))
    api.ram("AttachPolicyToUser", PolicyType="Custom", PolicyName="p", UserName="u")
    key = api.ram("CreateAccessKey", UserName="u")["AccessKey"]
    return Api(cloud.config(key["AccessKeyId"], key["AccessKeySecret"]))


def vpc_of(api: Api, **more: object) -> str:
    return str(api.vpc("CreateVpc", CidrBlock="10.0.0.0/16", **more)["VpcId"])


def test_a_permission_for_one_vpc_does_not_cover_another(api: Api, cloud: CloudThread) -> None:
    mine, other = vpc_of(api), vpc_of(api)
    theirs = user_with(api, cloud, statement("vpc:*", f"acs:vpc:*:*:vpc/{mine}"))
    theirs.vpc("ModifyVpcAttribute", VpcId=mine, VpcName="named")
    theirs.vpc("DescribeVpcAttribute", VpcId=mine)
    with refused("Forbidden.RAM"):
        theirs.vpc("ModifyVpcAttribute", VpcId=other, VpcName="named")
    with refused("Forbidden.RAM"):
        theirs.vpc("CreateVpc", CidrBlock="10.0.0.0/16")
    with refused("Forbidden.RAM"):
        theirs.vpc("CreateVSwitch", VpcId=mine, CidrBlock="10.0.0.0/24", ZoneId="cn-hangzhou-h")


def test_several_resources_of_a_call_need_a_permission_each(api: Api, cloud: CloudThread) -> None:
    vpc = vpc_of(api)
    theirs = user_with(
        api,
        cloud,
        statement("vpc:CreateVSwitch", "acs:vpc:*:*:vswitch/*"),
        statement("vpc:CreateVSwitch", f"acs:vpc:*:*:vpc/{vpc}"),
    )
    where = {"CidrBlock": "10.0.0.0/24", "ZoneId": "cn-hangzhou-h"}
    theirs.vpc("CreateVSwitch", VpcId=vpc, **where)
    with refused("Forbidden.RAM"):
        theirs.vpc("CreateVSwitch", VpcId=vpc_of(api), **where)


def test_a_role_may_be_named_in_any_case(api: Api, cloud: CloudThread) -> None:
    trust = document(
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": ["ecs.aliyuncs.com"]},
        }
    )
    for name in ("Mine", "Other"):
        api.ram("CreateRole", RoleName=name, AssumeRolePolicyDocument=trust)
    theirs = user_with(api, cloud, statement("ram:GetRole", "acs:ram::*:role/mine"))
    assert theirs.ram("GetRole", RoleName="Mine")["Role"]["RoleName"] == "Mine"
    with refused("NoPermission"):
        theirs.ram("GetRole", RoleName="Other")


def test_a_tag_of_the_resource_decides(api: Api, cloud: CloudThread) -> None:
    mine = vpc_of(api, Tag=[{"Key": "team", "Value": "dev"}])
    other = vpc_of(api, Tag=[{"Key": "team", "Value": "ops"}])
    condition = {"StringEquals": {"acs:ResourceTag/team": "dev"}}
    theirs = user_with(api, cloud, statement("vpc:*", Condition=condition))
    theirs.vpc("DeleteVpc", VpcId=mine)
    for vpc in (other, "vpc-none"):
        with refused("Forbidden.RAM"):
            theirs.vpc("DeleteVpc", VpcId=vpc)


def test_a_tag_of_the_request_decides(api: Api, cloud: CloudThread) -> None:
    condition = {"StringLike": {"acs:RequestTag/team": "dev*"}}
    theirs = user_with(api, cloud, statement("vpc:CreateVpc", Condition=condition))
    assert vpc_of(theirs, Tag=[{"Key": "team", "Value": "dev-1"}])
    for tags in ({}, {"Tag": [{"Key": "team", "Value": "ops"}]}):
        with refused("Forbidden.RAM"):
            vpc_of(theirs, **tags)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"IpAddress": {"acs:SourceIp": "127.0.0.0/8"}}, True),
        ({"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}}, False),
        ({"NotIpAddress": {"acs:SourceIp": ["127.0.0.1"]}}, False),
        ({"Bool": {"acs:SecureTransport": "true"}}, True),
        ({"Bool": {"acs:MFAPresent": "true"}}, False),
        ({"DateLessThan": {"acs:CurrentTime": "2020-01-01T00:00:00Z"}}, False),
        ({"DateGreaterThan": {"acs:CurrentTime": "2020-01-01T00:00:00Z"}}, True),
        ({"StringLike": {"acs:PrincipalARN": "acs:ram:*:*:user/u"}}, True),
        ({"StringNotLike": {"acs:PrincipalARN": "acs:ram:*:*:user/*"}}, False),
    ],
)
def test_circumstances_of_a_request_decide(
    api: Api,
    cloud: CloudThread,
    condition: dict[str, Any],
    expected: bool,  # noqa: FBT001  # a table's column
) -> None:
    theirs = user_with(api, cloud, statement(Condition=condition))
    if expected:
        theirs.vpc("DescribeVpcs")
    else:
        with refused("Forbidden.RAM"):
            theirs.vpc("DescribeVpcs")


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ({"StringEqualsIfExists": {"acs:SourceIp": "x"}}, "MalformedPolicyDocument"),
        ({"StringEquals": {"ecs:InstanceType": "x"}}, "LocalCloud.UnsupportedCondition"),
    ],
)
def test_a_policy_that_cannot_be_evaluated_is_refused_at_its_creation(
    api: Api, condition: dict[str, Any], code: str
) -> None:
    text = document(statement(Condition=condition))
    with refused(code):
        api.ram("CreatePolicy", PolicyName="p", PolicyDocument=text)
    api.ram("CreatePolicy", PolicyName="p", PolicyDocument=document(statement()))
    with refused(code):
        api.ram("CreatePolicyVersion", PolicyName="p", PolicyDocument=text)


def account_trust(**condition: Any) -> str:  # noqa: ANN401  # JSON
    trusted = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"RAM": [f"acs:ram::{ACCOUNT_ID}:root"]},
    }
    return document({**trusted, **({"Condition": condition} if condition else {})})


ROLE = f"acs:ram::{ACCOUNT_ID}:role/r"


def test_a_trust_with_a_condition_trusts_when_it_holds(api: Api, cloud: CloudThread) -> None:
    trust = account_trust(StringEquals={"sts:ExternalId": "42"})
    api.ram("CreateRole", RoleName="r", AssumeRolePolicyDocument=trust)
    sender = assumer(api, cloud)
    sender.sts("AssumeRole", RoleArn=ROLE, RoleSessionName="session", ExternalId="42")
    for wrong in ({}, {"ExternalId": "43"}):
        with refused("NoPermission"):
            sender.sts("AssumeRole", RoleArn=ROLE, RoleSessionName="session", **wrong)


def test_a_sessions_own_policy_only_narrows(api: Api, cloud: CloudThread) -> None:
    api.ram("CreateRole", RoleName="r", AssumeRolePolicyDocument=account_trust())
    api.ram("CreatePolicy", PolicyName="p", PolicyDocument=document(statement("vpc:Describe*")))
    api.ram("AttachPolicyToRole", PolicyType="Custom", PolicyName="p", RoleName="r")
    vpc = vpc_of(api)
    sender = assumer(api, cloud)

    def session(*statements: dict[str, Any]) -> Api:
        limit = {"Policy": document(*statements)} if statements else {}
        answer = sender.sts("AssumeRole", RoleArn=ROLE, RoleSessionName="session", **limit)
        credentials = answer["Credentials"]
        names = ("AccessKeyId", "AccessKeySecret", "SecurityToken")
        return Api(cloud.config(*(credentials[n] for n in names)))

    session().vpc("DescribeVpcs")
    wide = session(statement())
    wide.vpc("DescribeVpcs")
    with refused("Forbidden.RAM"):
        wide.vpc("DeleteVpc", VpcId=vpc)
    narrow = session(statement("vpc:DescribeVpcAttribute"))
    narrow.vpc("DescribeVpcAttribute", VpcId=vpc)
    with refused("Forbidden.RAM"):
        narrow.vpc("DescribeVpcs")
    with refused("InvalidParameter.PolicyGrammar"):
        session({"Effect": "Maybe"})


def test_to_give_a_machine_a_role_is_a_right_of_its_own(api: Api, cloud: CloudThread) -> None:
    theirs = user_with(
        api, cloud, statement("ecs:*"), statement("ram:PassRole", "acs:ram:*:*:role/small")
    )
    what = {"InstanceIds": '["i-1"]'}
    with refused("InvalidUser.PassRoleForbidden"):
        theirs.ecs("AttachInstanceRamRole", RamRoleName="big", **what)
    with refused("InvalidRamRole.NotFound"):
        theirs.ecs("AttachInstanceRamRole", RamRoleName="small", **what)


def test_a_refusal_says_who_what_and_which(api: Api, cloud: CloudThread) -> None:
    theirs = user_with(api, cloud, statement("ecs:*"))
    with pytest.raises(Exception, match=r"user/u is not authorized to do vpc:DeleteVpc on acs:vpc"):
        theirs.vpc("DeleteVpc", VpcId="vpc-1")


def test_a_new_default_version_counts_at_once(api: Api, cloud: CloudThread) -> None:
    theirs = user_with(api, cloud, statement("ecs:*"))
    with refused("Forbidden.RAM"):
        theirs.vpc("DescribeVpcs")
    wider = {"PolicyDocument": document(statement()), "SetAsDefault": True}
    api.ram("CreatePolicyVersion", PolicyName="p", **wider)
    theirs.vpc("DescribeVpcs")
    api.ram("SetDefaultPolicyVersion", PolicyName="p", VersionId="v1")
    with refused("Forbidden.RAM"):
        theirs.vpc("DescribeVpcs")
