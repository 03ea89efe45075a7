"""The sender of a request: both signature families of the OpenAPI, verified.

V1 ("RPC", HMAC-SHA1): the signature is one of the query parameters.
https://help.aliyun.com/document_detail/315526.html
ACS3-HMAC-SHA256: the signature is in the Authorization header.
https://help.aliyun.com/document_detail/2593177.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from .errors import ApiError

MAX_SKEW_SECONDS: Final = 15 * 60
_ACS3: Final = re.compile(
    r"ACS3-HMAC-SHA256 Credential=(?P<key>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]*),"
    r"\s*Signature=(?P<signature>[0-9a-f]+)"
)
_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What a request claims about its sender, before verification."""

    key_id: str
    signature: str
    nonce: str
    timestamp: str
    security_token: str | None
    family: str
    expects: Sequence[str] = ()


def percent(text: str) -> str:
    """Percent-encode as RFC 3986 requires it: only letters, digits and `-_.~` stay."""
    return quote(text, safe="-_.~")


def sign_v1(method: str, parameters: Mapping[str, str], secret: str) -> str:
    """The V1 signature over the query and form parameters, without `Signature`."""
    # Sorted before encoding, as clients do. The order can differ for all but ASCII letters.
    canonical = "&".join(
        f"{percent(name)}={percent(value)}"
        for name, value in sorted(parameters.items())
        if name != "Signature"
    )
    text = f"{method}&%2F&{percent(canonical)}"
    digest = hmac.digest(f"{secret}&".encode(), text.encode(), "sha1")
    return base64.b64encode(digest).decode()


def sign_acs3(  # noqa: PLR0913, PLR0917  # the canonical request has these six parts
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    signed_headers: Sequence[str],
    body_hash: str,
    secret: str,
) -> str:
    """The ACS3 signature; `headers` has lower-case names, `body_hash` is hex SHA-256."""
    canonical_query = "&".join(
        f"{percent(name)}={percent(value)}" for name, value in sorted(query.items())
    )
    canonical_headers = "".join(
        f"{name}:{headers.get(name, '').strip()}\n" for name in signed_headers
    )
    canonical = "\n".join(
        (
            method,
            path or "/",
            canonical_query,
            canonical_headers,
            ";".join(signed_headers),
            body_hash,
        )
    )
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def signed_headers_of(headers: Mapping[str, str]) -> tuple[str, tuple[str, ...], str] | None:
    """Key id, signed header names and signature of an ACS3 Authorization header, or None."""
    match = _ACS3.fullmatch(headers.get("authorization", ""))
    if match is None:
        return None
    return match["key"], tuple(match["headers"].split(";")), match["signature"]


def check_time(timestamp: str, now: float) -> None:
    """Raise unless the timestamp is UTC, well-formed and within 15 minutes of `now`."""
    try:
        at = datetime.strptime(timestamp, _TIME_FORMAT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise ApiError(
            "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."
        ) from None
    if abs(now - at) > MAX_SKEW_SECONDS:
        raise ApiError("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")


def same(sent: str, computed: str) -> bool:
    """Compare two signatures in constant time."""
    return hmac.compare_digest(sent.encode(), computed.encode())
