"""Reads a request's parameters from its query, form or JSON body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from localcloud.requests.actions import Action
from localcloud.web.messages import HttpRequest
from localcloud.wire import parameters as wire_parameters
from localcloud.wire.errors import ApiError

COMMON_PARAMETERS: Final = frozenset(
    {
        "Action",
        "Version",
        "Format",
        "Timestamp",
        "SignatureNonce",
        "AccessKeyId",
        "SignatureMethod",
        "SignatureVersion",
        "SignatureType",
        "Signature",
        "SecurityToken",
        "ClientToken",
        "DryRun",
        "OwnerId",
        "OwnerAccount",
        "ResourceOwnerId",
        "ResourceOwnerAccount",
        "AcceptLanguage",
        "SecureTransport",
        "SourceIp",
    }
)
_MOST_FIELDS: Final = 5000


@dataclass(frozen=True, kw_only=True)
class ParsedRequest:
    """A request after parsing and before authentication: nothing in it is trusted yet."""

    query: Mapping[str, str]
    form: Mapping[str, str]
    version: str
    action: str

    @property
    def parameters(self) -> dict[str, str]:
        """All parameters, of the query and the form."""
        return {**self.query, **self.form}


def own_parameters(action: Action, parameters: wire_parameters.Tree) -> wire_parameters.Tree:
    """The action's own parameters: all except the common ones that it does not declare."""
    declared = wire_parameters.declared(action.request)
    return {
        name: node
        for name, node in parameters.items()
        if name in declared or not (name in COMMON_PARAMETERS or name == "RegionId")
    }


def _pairs(text: str, what: str) -> dict[str, str]:
    if not text:
        return {}
    try:
        return dict(
            parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
        )
    except ValueError:
        raise ApiError(
            "InvalidParameter", f"The {what} is not valid: UTF-8, at most {_MOST_FIELDS} fields."
        ) from None


def _json_body(body: bytes) -> dict[str, str]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError("InvalidParameter", "The body is not valid JSON.") from None
    if not isinstance(document, dict):
        raise ApiError("InvalidParameter", "The JSON body must be an object.")
    parameters = {str(name): _as_parameter(value) for name, value in document.items()}
    if not all(map(wire_parameters.encodable, (*parameters, *parameters.values()))):
        raise ApiError("InvalidParameter", "The JSON body must be valid Unicode.")
    return parameters


def _as_parameter(value: Any) -> str:  # noqa: ANN401  # any JSON value
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else json.dumps(value)


def parse_request(http: HttpRequest) -> ParsedRequest:
    """The parameters of a request; `ApiError` for malformed ones."""
    query = _pairs(http.query, "query")
    form: dict[str, str] = {}
    if http.body:
        kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            form = _json_body(http.body)
        elif kind in {"", "application/x-www-form-urlencoded", "application/octet-stream"}:
            try:
                form = _pairs(http.body.decode(), "form")
            except UnicodeDecodeError:
                raise ApiError("InvalidParameter", "The body is not UTF-8.") from None
        else:
            raise ApiError("UnsupportedContentType", f"Content-Type {kind[:60]!r} is unknown.")
    both = {**query, **form}
    return ParsedRequest(
        query=query,
        form=form,
        version=both.get("Version") or http.headers.get("x-acs-version", ""),
        action=both.get("Action") or http.headers.get("x-acs-action", ""),
    )
