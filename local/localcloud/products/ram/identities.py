"""Names and numbers of RAM: ARNs, ids, system policies, and checks of their values."""

from __future__ import annotations

import json
import re
import secrets
from types import MappingProxyType
from typing import Final

from localcloud.access import policies
from localcloud.wire.errors import ApiError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_NAME: Final = 64
LONGEST_POLICY_NAME: Final = 128
LONGEST_DESCRIPTION: Final = 1024
_MOST_DOCUMENT: Final = 6144
UNSUPPORTED_CONDITION: Final = "LocalCloud.UnsupportedCondition"


def _full(*products: str) -> str:
    return json.dumps(
        {
            "Version": "1",
            "Statement": [
                {"Effect": "Allow", "Action": [f"{p}:*" for p in products], "Resource": "*"}
            ],
        }
    )


def _read_only() -> str:
    verbs = ("Describe*", "List*", "Get*", "Check*", "Query*")
    return json.dumps(
        {
            "Version": "1",
            "Statement": [
                {"Effect": "Allow", "Action": [f"*:{v}" for v in verbs], "Resource": "*"}
            ],
        }
    )


SYSTEM_POLICIES: Final = MappingProxyType(
    {
        "AdministratorAccess": json.dumps(
            {
                "Version": "1",
                "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
            }
        ),
        "ReadOnlyAccess": _read_only(),
        "AliyunECSFullAccess": _full("ecs"),
        "AliyunVPCFullAccess": _full("vpc"),
        "AliyunSLBFullAccess": _full("slb"),
        "AliyunNLBFullAccess": _full("nlb"),
        "AliyunRAMFullAccess": _full("ram", "ims"),
        "AliyunSTSAssumeRoleAccess": _full("sts"),
    }
)


def check_name(name: str, what: str, longest: int = _LONGEST_NAME) -> None:
    """Raise unless a name has the right length and only letters, digits and characters of `.-_`."""
    check_length(name, what, longest)
    if not _NAME.fullmatch(name):
        raise ApiError(
            f"InvalidParameter.{what}.InvalidChars",
            f"The {what} {name[:80]!r} must be letters, digits, '.', '_' or '-'.",
        )


def check_length(text: str, what: str, longest: int) -> None:
    """Raise unless a text, which may be empty, is short enough."""
    if len(text) > longest:
        raise ApiError(
            f"InvalidParameter.{what}.Length",
            f"The {what} has {len(text)} characters; it may have at most {longest}.",
        )


def check_document(document: str, code: str, *, trust: bool = False) -> None:
    """Raise unless a policy document is well-formed, short enough and supported here."""
    if len(document) > _MOST_DOCUMENT and not trust:
        raise ApiError(
            "InvalidParameter.PolicyDocument.Length",
            f"The policy document has {len(document)} characters, {_MOST_DOCUMENT} at most.",
        )
    problem = policies.problem(document, trust=trust)
    if problem is None and (key := policies.unevaluated(document)):
        raise ApiError(
            UNSUPPORTED_CONDITION,
            f"The local cloud cannot evaluate the condition key {key[:60]!r}, and will not take "
            "the policy without it. It knows acs:SourceIp, acs:SecureTransport, acs:CurrentTime, "
            "acs:MFAPresent, acs:PrincipalARN, acs:RequestTag/…, acs:ResourceTag/…, "
            "ram:ServiceName and sts:ExternalId.",
        )
    if problem is not None:
        raise ApiError(code, f"The policy document is not valid: {problem}.")


def number_id() -> str:
    """A numeric id in the format of roles and users."""
    return "3" + "".join(secrets.choice("0123456789") for _ in range(17))


def access_key_id(prefix: str = "LTAI5t") -> str:
    """An access key id."""
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
    return prefix + "".join(secrets.choice(letters) for _ in range(18))


def secret() -> str:
    """An access key secret."""
    return secrets.token_urlsafe(24)[:30]


def role_arn(account_id: str, name: str) -> str:
    """The ARN of a role. It contains the role's name in lower case."""
    return f"acs:ram::{account_id}:role/{name.lower()}"
