"""A client of the local cloud's OpenAPI only; it signs with a role's credentials."""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import ssl
import threading
import time
import urllib.parse
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from localcloud.settings import OPENAPI_ADDRESS
from localcloud.wire.signatures import sign_v1

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .flags import CloudConfig

CERTIFICATE: Final = Path("/opt/machine/cloud-ca.pem")
"""The local cloud's private CA, on a machine's disk."""
METADATA: Final = "http://100.100.100.200"

_VERSIONS: Final = {
    "ecs": "2014-05-26",
    "vpc": "2016-04-28",
    "slb": "2014-05-15",
    "nlb": "2022-04-30",
}
_TOKEN_HEADER: Final = "X-aliyun-ecs-metadata-token"  # noqa: S105  (a header's name)
_TTL_HEADER: Final = "X-aliyun-ecs-metadata-token-ttl-seconds"
_REFRESH_SECONDS: Final = 600.0
_MOST_TRIES: Final = 4
_BAD: Final = 400


class RefusedError(Exception):
    """An address that is not the local cloud's."""


class CloudError(Exception):
    """The OpenAPI refused, or did not answer (`code` is empty). The text is fit for an event."""

    def __init__(self, action: str, code: str, message: str) -> None:
        super().__init__(f"{action}: {code + ': ' if code else ''}{message}")
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A key pair, with the token of a role's session."""

    key_id: str
    secret: str
    token: str = ""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a product answers."""

    host: str
    port: int
    tls: bool


def endpoint(product: str, environment: Mapping[str, str]) -> Endpoint:
    """A product's endpoint: `<PRODUCT>_ENDPOINT`, or the OpenAPI address of the machines.

    Raises:
        RefusedError: The address is not loopback and not the OpenAPI address of the machines.
    """
    address = environment.get(f"{product.upper()}_ENDPOINT") or OPENAPI_ADDRESS
    tls = environment.get("ALICLOUD_CLIENT_SCHEME", "").upper() != "HTTP"
    return _local(address, tls=tls, other_host=OPENAPI_ADDRESS)


def _local(address: str, *, tls: bool, other_host: str) -> Endpoint:
    parts = urllib.parse.urlsplit(address if "://" in address else f"//{address}")
    host = parts.hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback and host != other_host:
        raise RefusedError(
            f"{address} is not the local cloud. This is a stand-in for the cloud controller: it "
            f"calls loopback addresses and {other_host} only."
        )
    return Endpoint(host=host, port=parts.port or (443 if tls else 80), tls=tls)


class Identity:
    """Credentials in the real controller's order: file, environment, the instance's RAM role."""

    def __init__(self, config: CloudConfig, environment: Mapping[str, str]) -> None:
        self._fixed: Credentials | None = None
        if config.key_id:
            self._fixed = Credentials(key_id=config.key_id, secret=config.key_secret)
        elif environment.get("ACCESS_KEY_ID"):
            self._fixed = Credentials(
                key_id=environment["ACCESS_KEY_ID"],
                secret=environment.get("ACCESS_KEY_SECRET", ""),
            )
        metadata = environment.get("METADATA_ENDPOINT") or METADATA
        self._metadata = _local(
            metadata, tls=False, other_host=urllib.parse.urlsplit(METADATA).netloc
        )
        self._until = 0.0
        self._temporary: Credentials | None = None
        self.role = ""
        """The RAM role whose credentials are used; empty with a key pair."""

    def credentials(self) -> Credentials:
        """Return credentials that stay valid for some minutes. Raises CloudError."""
        if self._fixed is not None:
            return self._fixed
        if self._temporary is None or time.monotonic() > self._until:
            self._temporary = self._of_role()
            self._until = time.monotonic() + _REFRESH_SECONDS
        return self._temporary

    def _of_role(self) -> Credentials:
        token = self._ask("PUT", "/latest/api/token", {_TTL_HEADER: "21600"})
        headers = {_TOKEN_HEADER: token}
        path = "/latest/meta-data/ram/security-credentials/"
        self.role = self._ask("GET", path, headers).strip()
        document = json.loads(self._ask("GET", path + self.role, headers))
        return Credentials(
            key_id=document["AccessKeyId"],
            secret=document["AccessKeySecret"],
            token=document["SecurityToken"],
        )

    def _ask(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        at = self._metadata
        connection = http.client.HTTPConnection(at.host, at.port, timeout=10)
        try:
            connection.request(method, path, headers=dict(headers))
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise CloudError("metadata", "", f"{path}: {error!r}") from error
        finally:
            connection.close()
        if answer.status >= _BAD:
            why = " (has the instance a RAM role?)" if "security-credentials" in path else ""
            raise CloudError("metadata", "", f"{path}: HTTP {answer.status}{why}")
        return text


class Cloud:
    """Calls of the OpenAPI. Threads may share it."""

    def __init__(
        self, region: str, identity: Identity, environment: Mapping[str, str] | None = None
    ) -> None:
        variables = os.environ if environment is None else environment
        self._region = region
        self._identity = identity
        self._endpoints = {product: endpoint(product, variables) for product in _VERSIONS}
        self._context: ssl.SSLContext | None = None
        self._trusted = Path(variables.get("SSL_CERT_FILE") or CERTIFICATE)
        self._local = threading.local()

    def __call__(self, product: str, action: str, **parameters: object) -> dict[str, Any]:
        """Call an action of `product`; lists and objects are flattened. Raises CloudError."""
        for attempt in range(_MOST_TRIES):
            try:
                return self._once(product, action, parameters)
            except CloudError as error:
                if not error.code.startswith("Throttling") or attempt + 1 == _MOST_TRIES:
                    raise
                time.sleep(0.2 * 2**attempt)
        raise AssertionError("not reached")

    def pages(
        self, product: str, action: str, key: str, **parameters: object
    ) -> Iterator[dict[str, Any]]:
        """Every entry of a listing that continues by NextToken."""
        token: str | None = None
        while True:
            more: dict[str, object] = {"NextToken": token} if token else {}
            answer = self(product, action, MaxResults=100, **parameters, **more)
            yield from answer.get(key) or ()
            token = answer.get("NextToken") or None
            if token is None:
                return

    def _once(self, product: str, action: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        who = self._identity.credentials()
        form = {
            **flattened({"RegionId": self._region, **parameters}),
            "Action": action,
            "Version": _VERSIONS[product],
            "Format": "JSON",
            "AccessKeyId": who.key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": uuid.uuid4().hex,
            "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **({"SecurityToken": who.token} if who.token else {}),
        }
        form["Signature"] = sign_v1("POST", form, who.secret)
        body = urllib.parse.urlencode(form).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection = self._connection(product)
        try:
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            document = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CloudError(action, "", f"the API did not answer: {error!r}") from error
        finally:
            connection.close()
        if answer.status >= _BAD:
            raise CloudError(action, str(document.get("Code")), str(document.get("Message")))
        return cast("dict[str, Any]", document)

    def _connection(self, product: str) -> http.client.HTTPConnection:
        at = self._endpoints[product]
        if not at.tls:
            return http.client.HTTPConnection(at.host, at.port, timeout=30)
        if self._context is None:
            self._context = ssl.create_default_context(cafile=str(self._trusted))
        return http.client.HTTPSConnection(at.host, at.port, timeout=30, context=self._context)


def flattened(parameters: Mapping[str, object]) -> dict[str, str]:
    """Flatten parameters for the wire: `Name.1`, `Name.1.Key`; None and "" are left out."""
    flat: dict[str, str] = {}

    def put(name: str, value: object) -> None:
        if isinstance(value, dict):
            for key, entry in value.items():
                put(f"{name}.{key}", entry)
        elif isinstance(value, list | tuple):
            for place, entry in enumerate(value, 1):
                put(f"{name}.{place}", entry)
        elif isinstance(value, bool):
            flat[name] = str(value).lower()
        elif value is not None and value != "":
            flat[name] = str(value)

    for name, value in parameters.items():
        put(name, value)
    return flat
