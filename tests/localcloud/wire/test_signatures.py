"""Both signature kinds, by requests that no SDK wrote: acceptance, and the codes of refusals."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from localcloud.products.ram.entities import Session
from localcloud.settings import ACCOUNT_ID, ROOT_KEY_ID, ROOT_SECRET
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.sdk_api import Api, code_of, signed_acs3, signed_v1

pytestmark = pytest.mark.unit

DESCRIBE = {"Action": "DescribeVpcs", "Version": "2016-04-28", "RegionId": "cn-hangzhou"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A request for DescribeVpcs with everything that a signature is made of."""

    kind: str
    key: str = ROOT_KEY_ID
    secret: str = ROOT_SECRET
    token: str | None = None
    at: datetime | None = None
    nonce: str | None = None
    then: Callable[[str], str] = str
    """What a man in the middle changes in the target and the form."""

    def send(self, cloud: CloudThread) -> tuple[int, bytes]:
        if self.kind == "acs3":
            target, headers, _ = signed_acs3(
                {"RegionId": "cn-hangzhou", "VpcName": "x"},
                action="DescribeVpcs",
                version="2016-04-28",
                key=self.key,
                secret=self.secret,
                token=self.token,
                at=self.at,
                nonce=self.nonce,
            )
            return cloud.raw("POST", self.then(target), b"", headers)
        fields = {**DESCRIBE, "VpcName": "x"}
        if self.token is not None:
            fields["SecurityToken"] = self.token
        text = self.then(
            signed_v1(
                fields,
                key=self.key,
                secret=self.secret,
                at=self.at,
                nonce=self.nonce,
                method="GET" if self.kind == "v1-get" else "POST",
            )
        )
        if self.kind == "v1-get":
            return cloud.raw("GET", "/?" + text)
        return cloud.raw("POST", "/", text.encode(), FORM)


@pytest.fixture(params=["v1-form", "v1-get", "acs3"])
def signed(request: pytest.FixtureRequest) -> Signed:
    return Signed(kind=request.param)


def refusal(answer: tuple[int, bytes]) -> tuple[int, str]:
    return answer[0], code_of(answer)


def test_a_good_signature_is_accepted(cloud: CloudThread, signed: Signed) -> None:
    assert signed.send(cloud)[0] == 200


def test_a_wrong_secret_does_not_match(cloud: CloudThread, signed: Signed) -> None:
    wrong = replace(signed, secret="other")  # noqa: S106  # obviously fake
    assert refusal(wrong.send(cloud)) == (400, "SignatureDoesNotMatch")


def test_an_unknown_key_answers_not_found(cloud: CloudThread, signed: Signed) -> None:
    unknown = replace(signed, key="LTAInobody")
    assert refusal(unknown.send(cloud)) == (404, "InvalidAccessKeyId.NotFound")


def test_a_disabled_key_is_inactive(cloud: CloudThread, api: Api, signed: Signed) -> None:
    api.ram("CreateUser", UserName="u")
    key = api.ram("CreateAccessKey", UserName="u")["AccessKey"]
    theirs = replace(signed, key=key["AccessKeyId"], secret=key["AccessKeySecret"])
    assert refusal(theirs.send(cloud)) == (403, "Forbidden.RAM")
    which = {"UserName": "u", "UserAccessKeyId": key["AccessKeyId"]}
    api.ram("UpdateAccessKey", Status="Inactive", **which)
    assert refusal(theirs.send(cloud)) == (400, "InvalidAccessKeyId.Inactive")
    api.ram("DeleteAccessKey", **which)
    assert refusal(theirs.send(cloud)) == (404, "InvalidAccessKeyId.NotFound")


@pytest.mark.parametrize("seconds", [-901, 960, -86_400, 10**8])
def test_a_timestamp_is_good_for_fifteen_minutes(
    cloud: CloudThread, signed: Signed, seconds: int
) -> None:
    off = replace(signed, at=datetime.now(UTC) + timedelta(seconds=seconds))
    assert refusal(off.send(cloud)) == (400, "InvalidTimeStamp.Expired")


@pytest.mark.parametrize("seconds", [-840, 890])
def test_a_clock_may_be_a_little_off(cloud: CloudThread, signed: Signed, seconds: int) -> None:
    off = replace(signed, at=datetime.now(UTC) + timedelta(seconds=seconds))
    assert off.send(cloud)[0] == 200


def test_a_replayed_request_is_refused(cloud: CloudThread, signed: Signed) -> None:
    at = datetime.now(UTC)
    once = replace(signed, nonce=uuid.uuid4().hex, at=at)
    assert once.send(cloud)[0] == 200
    assert refusal(once.send(cloud)) == (400, "SignatureNonceUsed")


def test_a_nonce_is_not_shared_between_kinds_of_signatures(cloud: CloudThread) -> None:
    nonce = uuid.uuid4().hex
    assert Signed(kind="v1-form", nonce=nonce).send(cloud)[0] == 200
    assert refusal(Signed(kind="acs3", nonce=nonce).send(cloud)) == (400, "SignatureNonceUsed")


def test_a_refused_request_does_not_use_its_nonce_up(cloud: CloudThread, signed: Signed) -> None:
    nonce = uuid.uuid4().hex
    wrong = replace(signed, secret="other", nonce=nonce)  # noqa: S106  # obviously fake
    assert refusal(wrong.send(cloud))[1] == "SignatureDoesNotMatch"
    assert replace(signed, nonce=nonce).send(cloud)[0] == 200


def test_another_key_may_have_the_same_nonce(cloud: CloudThread, api: Api, signed: Signed) -> None:
    session = assumed(cloud, api)
    nonce = uuid.uuid4().hex
    assert replace(signed, nonce=nonce).send(cloud)[0] == 200
    assert by(session, replace(signed, nonce=nonce)).send(cloud)[0] == 200


def test_a_changed_parameter_does_not_match(cloud: CloudThread, signed: Signed) -> None:
    changed = replace(signed, then=lambda text: text.replace("VpcName=x", "VpcName=y"))
    assert refusal(changed.send(cloud)) == (400, "SignatureDoesNotMatch")


def test_an_added_parameter_does_not_match(cloud: CloudThread, signed: Signed) -> None:
    added = replace(signed, then=lambda text: text + "&DryRun=true")
    assert refusal(added.send(cloud)) == (400, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("AccessKeyId", "MissingParameter"),
        ("Signature", "MissingParameter"),
        ("SignatureNonce", "MissingParameter"),
        ("Timestamp", "MissingParameter"),
    ],
)
def test_a_v1_request_needs_all_its_parts(cloud: CloudThread, name: str, code: str) -> None:
    def without(text: str) -> str:
        return "&".join(p for p in text.split("&") if not p.startswith(f"{name}="))

    answer = Signed(kind="v1-form", then=without).send(cloud)
    assert refusal(answer) == (400, code)
    assert name in json.loads(answer[1])["Message"]


def test_a_timestamp_must_be_in_its_format(cloud: CloudThread) -> None:
    fields = {**DESCRIBE, "Timestamp": "yesterday"}
    text = signed_v1(fields, key=ROOT_KEY_ID, secret=ROOT_SECRET)
    bad = "&".join(p for p in text.split("&") if not p.startswith("Timestamp="))
    answer = cloud.raw("POST", "/", (bad + "&Timestamp=yesterday").encode(), FORM)
    assert refusal(answer) == (400, "InvalidTimeStamp.Format")


def acs3(**changes: str | None) -> dict[str, str]:
    _, headers, _ = signed_acs3(
        {}, action="DescribeVpcs", version="2016-04-28", key=ROOT_KEY_ID, secret=ROOT_SECRET
    )
    for name, value in changes.items():
        wire = name.replace("_", "-")
        headers.pop(wire)
        if value is not None:
            headers[wire] = value
    return headers


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"x_acs_date": None}, "MissingParameter"),
        ({"x_acs_signature_nonce": None}, "MissingParameter"),
        ({"x_acs_content_sha256": None}, "MissingParameter"),
        ({"x_acs_date": "yesterday"}, "InvalidTimeStamp.Format"),
        ({"x_acs_date": "2020-01-01T00:00:00Z"}, "InvalidTimeStamp.Expired"),
        ({"x_acs_signature_nonce": "other"}, "SignatureDoesNotMatch"),
        ({"x_acs_action": "DescribeVSwitches"}, "SignatureDoesNotMatch"),
        ({"x_acs_version": "2014-05-26"}, "SignatureDoesNotMatch"),
        ({"Authorization": "ACS3-HMAC-SHA256 nonsense"}, "IncompleteSignature"),
        ({"Authorization": "Basic eDp5"}, "IncompleteSignature"),
        ({"Authorization": None}, "MissingParameter"),
    ],
)
def test_an_acs3_request_needs_all_its_parts(
    cloud: CloudThread, changes: dict[str, str | None], code: str
) -> None:
    assert refusal(cloud.raw("POST", "/", b"", acs3(**changes))) == (400, code)


def test_an_acs3_body_is_the_one_that_was_signed(cloud: CloudThread) -> None:
    answer = cloud.raw("POST", "/", b"VpcName=x", {**acs3(), **FORM})
    assert refusal(answer) == (400, "SignatureDoesNotMatch")


def test_what_is_not_signed_is_not_believed(cloud: CloudThread) -> None:
    headers = acs3()
    headers["Authorization"] = headers["Authorization"].replace("x-acs-date;", "")
    assert refusal(cloud.raw("POST", "/", b"", headers)) == (400, "IncompleteSignature")


def test_parameters_are_sorted_as_they_are_and_encoded_afterwards(cloud: CloudThread) -> None:
    odd = {"Lz": "1", "L:": "2", "L.": "3", "Lé": "4", "Action": "DescribeVpcs"}
    text = signed_v1({**odd, "Version": "2016-04-28"}, key=ROOT_KEY_ID, secret=ROOT_SECRET)
    assert code_of(cloud.raw("POST", "/", text.encode(), FORM)) != "SignatureDoesNotMatch"


# Temporary credentials

_TRUST = {
    "Version": "1",
    "Statement": [
        {
            "Action": "sts:AssumeRole",
            "Effect": "Allow",
            "Principal": {"RAM": [f"acs:ram::{ACCOUNT_ID}:root"]},
        }
    ],
}


def assumed(cloud: CloudThread, api: Api, name: str = "r") -> dict[str, str]:
    api.ram("CreateRole", RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))
    what = {"PolicyType": "System", "PolicyName": "ReadOnlyAccess", "RoleName": name}
    api.ram("AttachPolicyToRole", **what)
    arn = f"acs:ram::{ACCOUNT_ID}:role/{name}"
    answer = a_user(cloud, api).sts("AssumeRole", RoleArn=arn, RoleSessionName="session")
    credentials: dict[str, str] = answer["Credentials"]
    return credentials


def a_user(cloud: CloudThread, api: Api) -> Api:
    """A new RAM user who may assume every role: the account itself may assume none."""
    user = f"u-{uuid.uuid4().hex[:8]}"
    api.ram("CreateUser", UserName=user)
    what = {"PolicyType": "System", "PolicyName": "AliyunSTSAssumeRoleAccess", "UserName": user}
    api.ram("AttachPolicyToUser", **what)
    key = api.ram("CreateAccessKey", UserName=user)["AccessKey"]
    return Api(cloud.config(key["AccessKeyId"], key["AccessKeySecret"]))


def by(session: dict[str, str], signed: Signed) -> Signed:
    return replace(
        signed,
        key=session["AccessKeyId"],
        secret=session["AccessKeySecret"],
        token=session["SecurityToken"],
    )


def test_a_roles_credentials_are_accepted_with_their_token(
    cloud: CloudThread, api: Api, signed: Signed
) -> None:
    assert by(assumed(cloud, api), signed).send(cloud)[0] == 200


def test_a_roles_credentials_need_their_token(cloud: CloudThread, api: Api, signed: Signed) -> None:
    without = replace(by(assumed(cloud, api), signed), token=None)
    assert refusal(without.send(cloud)) == (400, "MissingSecurityToken")


def test_a_wrong_token_mismatches(cloud: CloudThread, api: Api, signed: Signed) -> None:
    wrong = replace(by(assumed(cloud, api), signed), token="wrong")  # noqa: S106  # obviously fake
    assert refusal(wrong.send(cloud)) == (400, "InvalidSecurityToken.MismatchWithAccessKey")


def test_a_token_of_any_characters_is_compared(cloud: CloudThread, api: Api) -> None:
    wrong = replace(by(assumed(cloud, api), Signed(kind="v1-form")), token="é")  # noqa: S106  # no secret
    assert refusal(wrong.send(cloud)) == (400, "InvalidSecurityToken.MismatchWithAccessKey")


def test_a_token_of_another_session_mismatches(
    cloud: CloudThread, api: Api, signed: Signed
) -> None:
    mine, other = assumed(cloud, api), assumed(cloud, api, "other")
    wrong = replace(by(mine, signed), token=other["SecurityToken"])
    assert refusal(wrong.send(cloud)) == (400, "InvalidSecurityToken.MismatchWithAccessKey")


def test_a_sessions_secret_is_its_own(cloud: CloudThread, api: Api, signed: Signed) -> None:
    mine, other = assumed(cloud, api), assumed(cloud, api, "other")
    wrong = replace(by(mine, signed), secret=other["AccessKeySecret"])
    assert refusal(wrong.send(cloud)) == (400, "SignatureDoesNotMatch")


def test_a_session_ends(cloud: CloudThread, api: Api, signed: Signed) -> None:
    mine = assumed(cloud, api)

    def end() -> None:
        store = cloud.inside.store
        session = store.find(Session, mine["AccessKeyId"])
        assert session is not None
        with store.transaction():
            store.change(session, expires=1.0)

    assert by(mine, signed).send(cloud)[0] == 200
    cloud.call(end)
    assert refusal(by(mine, signed).send(cloud)) == (400, "InvalidSecurityToken.Expired")


def test_a_session_ends_with_its_role(cloud: CloudThread, api: Api, signed: Signed) -> None:
    mine = assumed(cloud, api)
    what = {"PolicyType": "System", "PolicyName": "ReadOnlyAccess", "RoleName": "r"}
    api.ram("DetachPolicyFromRole", **what)
    assert refusal(by(mine, signed).send(cloud)) == (403, "Forbidden.RAM")
    api.ram("DeleteRole", RoleName="r")
    assert refusal(by(mine, signed).send(cloud)) == (400, "InvalidSecurityToken.Expired")
