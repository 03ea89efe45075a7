"""The official SDK clients, called by the API's own names."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import hmac
import importlib
import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import ModuleType
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from alibabacloud_tea_openapi.models import Config

from tests.localcloud.published import sdk_conformance

PACKAGES = {
    "Vpc": "alibabacloud_vpc20160428",
    "Ecs": "alibabacloud_ecs20140526",
    "Ram": "alibabacloud_ram20150501",
    "Sts": "alibabacloud_sts20150401",
    "Slb": "alibabacloud_slb20140515",
    "Nlb": "alibabacloud_nlb20220430",
    "Location": "alibabacloud_location20150612",
    "BssOpenApi": "alibabacloud_bssopenapi20171214",
    "ResourceManager": "alibabacloud_resourcemanager20200331",
}


@functools.cache
def models(product: str) -> ModuleType | None:
    """The SDK's models of a product."""
    package = PACKAGES.get(product)
    return importlib.import_module(f"{package}.models") if package else None


@functools.cache
def body_model_of(product: str, action: str) -> type | None:
    """The model of an action's answer, with RequestId left to the gateway."""
    module = models(product)
    return sdk_conformance.body_model(module, action) if module else None


@functools.cache
def _methods(product: str) -> dict[str, str]:
    client = importlib.import_module(f"{PACKAGES[product]}.client").Client
    return {name.replace("_", ""): name for name in dir(client) if not name.startswith("_")}


class Api:
    """`api.vpc("CreateVpc", CidrBlock=…)`: the SDK's request model, client and answer model."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._clients: dict[str, Any] = {}

    def _client(self, product: str) -> Any:  # noqa: ANN401  # the SDK is untyped
        if product not in self._clients:
            module = importlib.import_module(f"{PACKAGES[product]}.client")
            self._clients[product] = module.Client(self._config)
        return self._clients[product]

    def _call(self, product: str, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        client = self._client(product)
        module = models(product)
        method = getattr(client, _methods(product)[action.lower()])
        request_model = getattr(module, f"{action}Request", None)
        if request_model is None:
            assert not parameters
            response = method()
        else:
            fields = sdk_conformance.wire_fields(request_model)
            values = dict(parameters)
            if "RegionId" in fields:
                values.setdefault("RegionId", "cn-hangzhou")
            assert not set(values) - set(fields), f"{action}: {set(values) - set(fields)}"
            response = method(request_model().from_map(values))
        body: dict[str, Any] = response.body.to_map()
        assert body.pop("RequestId")
        return body

    def vpc(self, action: str, **parameters: object) -> dict[str, Any]:
        return self._call("Vpc", action, parameters)

    def ecs(self, action: str, **parameters: object) -> dict[str, Any]:
        return self._call("Ecs", action, parameters)

    def ram(self, action: str, **parameters: object) -> dict[str, Any]:
        return self._call("Ram", action, parameters)

    def sts(self, action: str, **parameters: object) -> dict[str, Any]:
        return self._call("Sts", action, parameters)

    def slb(self, action: str, **parameters: object) -> dict[str, Any]:
        return self._call("Slb", action, parameters)

    def nlb(self, action: str, **parameters: object) -> dict[str, Any]:
        return self._call("Nlb", action, parameters)

    def location(self, action: str, **parameters: object) -> dict[str, Any]:
        return self._call("Location", action, parameters)

    def bss(self, action: str, **parameters: object) -> dict[str, Any]:
        return self._call("BssOpenApi", action, parameters)

    def groups(self, action: str, **parameters: object) -> dict[str, Any]:
        return self._call("ResourceManager", action, parameters)


@contextlib.contextmanager
def refused(code: str) -> Iterator[None]:
    """The block's call is refused with this code, and no other exception."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the SDKs have several classes
        yield
    assert getattr(caught.value, "code", repr(caught.value)) == code


def signed_v1(  # noqa: PLR0913
    parameters: Mapping[str, str],
    *,
    key: str,
    secret: str,
    method: str = "POST",
    at: datetime | None = None,
    nonce: str | None = None,
) -> str:
    """A query string signed as the provider's older client does, written independently."""

    def enc(text: str) -> str:
        return quote(text, safe="~")

    fields = {
        **parameters,
        "Format": "JSON",
        "AccessKeyId": key,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": nonce or uuid.uuid4().hex,
        "Timestamp": (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    canonical = "&".join(f"{enc(k)}={enc(v)}" for k, v in sorted(fields.items()))
    text = f"{method}&{enc('/')}&{enc(canonical)}"
    digest = hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()
    return urlencode({**fields, "Signature": base64.b64encode(digest).decode()})


def signed_acs3(  # noqa: PLR0913
    parameters: Mapping[str, str],
    *,
    action: str,
    version: str,
    key: str,
    secret: str,
    method: str = "POST",
    at: datetime | None = None,
    nonce: str | None = None,
    token: str | None = None,
) -> tuple[str, dict[str, str], bytes]:
    """Target, headers and body of an ACS3 request, written independently of the emulator.

    As the SDKs do it for RPC actions: parameters in the query, an empty body.
    """

    def enc(text: str) -> str:
        return quote(text, safe="~")

    digest = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": "127.0.0.1",
        "x-acs-action": action,
        "x-acs-version": version,
        "x-acs-date": (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce or uuid.uuid4().hex,
        "x-acs-content-sha256": digest,
    }
    if token is not None:
        headers["x-acs-security-token"] = token
    # Header values are one byte a character on the wire; signed is what was meant.
    query = "&".join(f"{enc(k)}={enc(v)}" for k, v in sorted(parameters.items()))
    names = sorted(headers)
    canonical = "\n".join(
        [
            method,
            "/",
            query,
            "".join(f"{n}:{headers[n].strip()}\n" for n in names),
            ";".join(names),
            digest,
        ]
    )
    text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"ACS3-HMAC-SHA256 Credential={key},SignedHeaders={';'.join(names)},Signature={signature}"
    )
    return ("/?" + query) if query else "/", headers, b""


def code_of(answer: tuple[int, bytes]) -> str:
    """The code of an error answer, which has all the fields of one."""
    document = json.loads(answer[1])
    assert {"Code", "Message", "RequestId", "HostId", "Recommend"} <= set(document)
    assert all(document[name] for name in ("Code", "Message", "RequestId", "HostId"))
    return str(document["Code"])
