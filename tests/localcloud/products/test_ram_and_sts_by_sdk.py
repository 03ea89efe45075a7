"""RAM and STS by the official SDKs, and what policies allow."""

from __future__ import annotations

import json

import pytest

from localcloud.daemons import ask
from localcloud.settings import ACCOUNT_ID
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.sdk_api import Api, refused

pytestmark = pytest.mark.unit


def trust(kind: str, who: str) -> str:
    return json.dumps(
        {
            "Version": "1",
            "Statement": [
                {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {kind: [who]}}
            ],
        }
    )


ECS = trust("Service", "ecs.aliyuncs.com")
ACCOUNT = trust("RAM", f"acs:ram::{ACCOUNT_ID}:root")


def allowing(*actions: str, effect: str = "Allow") -> str:
    return json.dumps(
        {
            "Version": "1",
            "Statement": [{"Effect": effect, "Action": list(actions), "Resource": "*"}],
        }
    )


def role(api: Api, document: str | None = None, name: str = "r", by: str = ECS) -> None:
    api.ram("CreateRole", RoleName=name, AssumeRolePolicyDocument=by, Description="d")
    if document is not None:
        api.ram("CreatePolicy", PolicyName=name, PolicyDocument=document)
        api.ram("AttachPolicyToRole", PolicyType="Custom", PolicyName=name, RoleName=name)


def test_a_role_is_created_shown_changed_and_deleted(api: Api) -> None:
    role(api)
    shown = api.ram("GetRole", RoleName="r")["Role"]
    assert shown["Arn"] == f"acs:ram::{ACCOUNT_ID}:role/r"
    assert shown["AssumeRolePolicyDocument"] == ECS
    api.ram("UpdateRole", RoleName="r", NewAssumeRolePolicyDocument=ACCOUNT)
    assert api.ram("GetRole", RoleName="r")["Role"]["AssumeRolePolicyDocument"] == ACCOUNT
    assert [r["RoleName"] for r in api.ram("ListRoles")["Roles"]["Role"]] == ["r"]
    with refused("EntityAlreadyExists.Role"):
        role(api)
    api.ram("DeleteRole", RoleName="r")
    with refused("EntityNotExist.Role"):
        api.ram("GetRole", RoleName="r")


def test_a_policy_has_versions_and_holders(api: Api) -> None:
    role(api, allowing("ecs:Describe*"))
    document = allowing("ecs:*")
    for _ in range(4):
        api.ram("CreatePolicyVersion", PolicyName="r", PolicyDocument=document, SetAsDefault=True)
    with refused("LimitExceeded.Policy.Version"):
        api.ram("CreatePolicyVersion", PolicyName="r", PolicyDocument=document)
    api.ram(
        "CreatePolicyVersion",
        PolicyName="r",
        PolicyDocument=document,
        RotateStrategy="DeleteOldestNonDefaultVersionWhenLimitExceeded",
    )
    versions = api.ram("ListPolicyVersions", PolicyName="r", PolicyType="Custom")
    assert [v["VersionId"] for v in versions["PolicyVersions"]["PolicyVersion"]] == [
        "v2",
        "v3",
        "v4",
        "v5",
        "v6",
    ]
    api.ram("SetDefaultPolicyVersion", PolicyName="r", VersionId="v2")
    one = api.ram("GetPolicyVersion", PolicyName="r", PolicyType="Custom", VersionId="v2")
    assert one["PolicyVersion"]["IsDefaultVersion"] is True
    with refused("DeleteConflict.Policy.Version.Default"):
        api.ram("DeletePolicyVersion", PolicyName="r", VersionId="v2")
    api.ram("DeletePolicyVersion", PolicyName="r", VersionId="v3")
    api.ram("UpdatePolicyDescription", PolicyName="r", NewDescription="new")
    shown = api.ram("GetPolicy", PolicyName="r", PolicyType="Custom")
    assert isinstance(shown["DefaultPolicyVersion"]["PolicyDocument"], str)
    assert (shown["Policy"]["Description"], shown["Policy"]["AttachmentCount"]) == ("new", 1)
    holders = api.ram("ListEntitiesForPolicy", PolicyName="r", PolicyType="Custom")
    assert [r["RoleName"] for r in holders["Roles"]["Role"]] == ["r"]
    listed = api.ram("ListPoliciesForRole", RoleName="r")["Policies"]["Policy"]
    assert [p["PolicyName"] for p in listed] == ["r"]
    with refused("DeleteConflict.Role.Policy"):
        api.ram("DeleteRole", RoleName="r")
    with refused("DeleteConflict.Policy.Role"):
        api.ram("DeletePolicy", PolicyName="r")
    api.ram("DetachPolicyFromRole", PolicyType="Custom", PolicyName="r", RoleName="r")
    with refused("EntityNotExist.Role.Policy"):
        api.ram("DetachPolicyFromRole", PolicyType="Custom", PolicyName="r", RoleName="r")
    api.ram("DeletePolicy", PolicyName="r", CascadingDelete=True)
    names = {p["PolicyName"] for p in api.ram("ListPolicies")["Policies"]["Policy"]}
    assert "r" not in names
    assert "AdministratorAccess" in names


@pytest.mark.parametrize("document", ["{", "[]", '{"Statement":[{"Effect":"Maybe"}]}'])
def test_a_policy_document_that_cannot_be_is_refused(api: Api, document: str) -> None:
    with refused("MalformedPolicyDocument"):
        api.ram("CreatePolicy", PolicyName="p", PolicyDocument=document)


def test_tags_of_roles_go_by_name(api: Api) -> None:
    role(api)
    what = {"ResourceType": "role", "ResourceNames": ["r"]}
    api.ram("TagResources", Tag=[{"Key": "a", "Value": "1"}], **what)
    rows = api.ram("ListTagResources", **what)["TagResources"]
    assert [(r["ResourceName"], r["TagKey"]) for r in rows] == [("r", "a")]
    api.ram("UntagResources", TagKeys=["a"], **what)
    assert api.ram("ListTagResources", **what)["TagResources"] == []


def assumer(api: Api, cloud: CloudThread) -> Api:
    """A RAM user who may assume roles; the account itself may not."""
    api.ram("CreateUser", UserName="assumer")
    api.ram(
        "AttachPolicyToUser",
        PolicyType="System",
        PolicyName="AliyunSTSAssumeRoleAccess",
        UserName="assumer",
    )
    key = api.ram("CreateAccessKey", UserName="assumer")["AccessKey"]
    return Api(cloud.config(key["AccessKeyId"], key["AccessKeySecret"]))


def user(api: Api, cloud: CloudThread, document: str | None = None) -> Api:
    """A RAM user's own client."""
    api.ram("CreateUser", UserName="u")
    if document is not None:
        api.ram("CreatePolicy", PolicyName="p", PolicyDocument=document)
        api.ram("AttachPolicyToUser", PolicyType="Custom", PolicyName="p", UserName="u")
    key = api.ram("CreateAccessKey", UserName="u")["AccessKey"]
    return Api(cloud.config(key["AccessKeyId"], key["AccessKeySecret"]))


def test_users_and_keys_come_and_go(api: Api, cloud: CloudThread) -> None:
    theirs = user(api, cloud)
    who = theirs.sts("GetCallerIdentity")
    assert (who["IdentityType"], who["AccountId"]) == ("RAMUser", ACCOUNT_ID)
    (key,) = api.ram("ListAccessKeys", UserName="u")["AccessKeys"]["AccessKey"]
    api.ram("UpdateUser", UserName="u", NewUserName="v", NewComments="c")
    assert api.ram("GetUser", UserName="v")["User"]["Comments"] == "c"
    assert [x["UserName"] for x in api.ram("ListUsers")["Users"]["User"]] == ["v"]
    assert api.ram("ListGroupsForUser", UserName="v") == {"Groups": {"Group": []}}
    assert api.ram("ListPoliciesForUser", UserName="v") == {"Policies": {"Policy": []}}
    with refused("EntityNotExist.User.LoginProfile"):
        api.ram("DeleteLoginProfile", UserName="v")
    with refused("EntityNotExist.User.MFADevice"):
        api.ram("UnbindMFADevice", UserName="v")
    with refused("DeleteConflict.User.AccessKey"):
        api.ram("DeleteUser", UserName="v")
    which = {"UserAccessKeyId": key["AccessKeyId"], "UserName": "v"}
    api.ram("UpdateAccessKey", Status="Inactive", **which)
    with refused("InvalidAccessKeyId.Inactive"):
        theirs.sts("GetCallerIdentity")
    api.ram("DeleteAccessKey", **which)
    api.ram("DeleteUser", UserName="v")
    with refused("InvalidAccessKeyId.NotFound"):
        theirs.sts("GetCallerIdentity")


def test_the_account_is_who_it_is(api: Api) -> None:
    assert api.sts("GetCallerIdentity")["Arn"] == f"acs:ram::{ACCOUNT_ID}:root"


def test_a_user_may_do_what_its_policies_say_and_no_more(api: Api, cloud: CloudThread) -> None:
    theirs = user(api, cloud, allowing("ecs:Describe*"))
    theirs.ecs("DescribeInstances")
    with refused("Forbidden.RAM"):
        theirs.ecs("CreateSecurityGroup", VpcId="vpc-1")
    with refused("Forbidden.RAM"):
        theirs.vpc("DescribeVpcs")
    with refused("NoPermission"):
        theirs.ram("ListRoles")


def test_a_deny_wins(api: Api, cloud: CloudThread) -> None:
    theirs = user(api, cloud, allowing("*:*"))
    theirs.ecs("DescribeInstances")
    denying = allowing("ecs:DescribeInst*", effect="Deny")
    api.ram("CreatePolicy", PolicyName="deny", PolicyDocument=denying)
    api.ram("AttachPolicyToUser", PolicyType="Custom", PolicyName="deny", UserName="u")
    with refused("Forbidden.RAM"):
        theirs.ecs("DescribeInstances")
    api.ram("DetachPolicyFromUser", PolicyType="Custom", PolicyName="deny", UserName="u")
    theirs.ecs("DescribeInstances")


def test_an_assumed_role_may_do_what_the_role_may(api: Api, cloud: CloudThread) -> None:
    role(api, allowing("vpc:Describe*"), by=ACCOUNT)
    arn = f"acs:ram::{ACCOUNT_ID}:role/r"
    with refused("NoPermission"):
        api.sts("AssumeRole", RoleArn=arn, RoleSessionName="session")
    sender = assumer(api, cloud)
    answer = sender.sts(
        "AssumeRole", RoleArn=arn, RoleSessionName="session", SourceIdentity="alice"
    )
    assert answer["SourceIdentity"] == "alice"
    credentials = answer["Credentials"]
    theirs = Api(
        cloud.config(
            credentials["AccessKeyId"], credentials["AccessKeySecret"], credentials["SecurityToken"]
        )
    )
    assert theirs.sts("GetCallerIdentity")["Arn"] == f"{arn}/session"
    theirs.vpc("DescribeVpcs")
    with refused("Forbidden.RAM"):
        theirs.vpc("CreateVpc", CidrBlock="10.0.0.0/16")
    wrong = Api(cloud.config(credentials["AccessKeyId"], credentials["AccessKeySecret"], "other"))
    with refused("InvalidSecurityToken.MismatchWithAccessKey"):
        wrong.vpc("DescribeVpcs")


def test_a_role_that_does_not_trust_the_account_cannot_be_assumed(
    api: Api, cloud: CloudThread
) -> None:
    role(api)
    sender = assumer(api, cloud)
    with refused("NoPermission"):
        sender.sts("AssumeRole", RoleArn=f"acs:ram::{ACCOUNT_ID}:role/r", RoleSessionName="session")


def test_a_machine_gets_its_roles_credentials(api: Api, cloud: CloudThread) -> None:
    from tests.localcloud.products.test_ecs_by_sdk import Place  # noqa: PLC0415

    role(api, allowing("ecs:DescribeInstances"))
    instance_id = Place(api).run(RamRoleName="r")
    path = f"/machines/{instance_id}/credentials"
    credentials = ask(cloud.places, "GET", path)
    assert credentials["Code"] == "Success"
    assert ask(cloud.places, "GET", path)["AccessKeyId"] == credentials["AccessKeyId"]
    theirs = Api(
        cloud.config(
            credentials["AccessKeyId"], credentials["AccessKeySecret"], credentials["SecurityToken"]
        )
    )
    theirs.ecs("DescribeInstances")
    with refused("Forbidden.RAM"):
        theirs.ecs("DeleteInstance", InstanceId=instance_id, Force=True)
