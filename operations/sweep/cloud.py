"""The cloud's API by the official SDK's generic call: one class for all products."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from config.profiles import LOCAL_ACCESS_KEY, LOCAL_SECRET_KEY
from operations.failure import ExitCode, OperationError

VERSIONS: Mapping[str, str] = {
    "ecs": "2014-05-26",
    "vpc": "2016-04-28",
    "slb": "2014-05-15",
    "nlb": "2022-04-30",
    "ram": "2015-05-01",
}
"""API versions of the products whose resources this program creates."""

KEY_VARIABLES = ("ALICLOUD_ACCESS_KEY", "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABACLOUD_ACCESS_KEY_ID")
SECRET_VARIABLES = (
    "ALICLOUD_SECRET_KEY",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABACLOUD_ACCESS_KEY_SECRET",
)
TOKEN_VARIABLES = (
    "ALICLOUD_SECURITY_TOKEN",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
    "ALIBABACLOUD_SECURITY_TOKEN",
)
"""Environment variables that the official provider reads, in its order."""

Answer = Mapping[str, Any]

_PAGE = 50
_TRIES = 6
_PASSING = ("Throttling", "ServiceUnavailable", "InternalError", "SystemBusy", "UnknownError")


class CloudError(Exception):
    """The cloud refused a call: its code and its message."""

    def __init__(self, action: str, code: str, message: str) -> None:
        super().__init__(f"{action}: {code}: {message}")
        self.code = code


def region_key(product: str, action: str) -> str | None:
    """Return the name of the parameter that has the region; None for a product without regions.

    The oldest actions on snapshot policies write it in small letters
    (https://www.alibabacloud.com/help/en/ecs/developer-reference/api-ecs-2014-05-26-deleteautosnapshotpolicy).
    """
    if product == "ram":
        return None
    return "regionId" if action == "DeleteAutoSnapshotPolicy" else "RegionId"


def tags_of(item: Answer) -> dict[str, str]:
    """Tags in both spellings and both shapes that the products have."""
    tags = item.get("Tags") or ()
    pairs = tags.get("Tag") or () if isinstance(tags, Mapping) else tags
    return {
        str(p.get("TagKey") or p.get("Key")): str(p.get("TagValue") or p.get("Value") or "")
        for p in pairs
    }


class Api(Protocol):
    """The calls that a sweep makes; tests implement them without a cloud."""

    def call(self, product: str, action: str, **parameters: object) -> Answer:
        """Make one call; raises `CloudError`."""

    def every(self, product: str, action: str, *path: str, **parameters: object) -> list[Answer]:
        """Return the items of all pages; `path` leads to them in an answer."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """The region, endpoint and credentials of the calls."""

    region: str
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    """`host:port` of a local cloud; None for the real one."""
    ca: Path | None = None

    @classmethod
    def of(
        cls, region: str, *, endpoint: str | None, ca: Path, env: Mapping[str, str] = os.environ
    ) -> Account:
        """The local cloud's published key pair, or the environment's credentials.

        Real credentials are never sent to a local endpoint.
        """
        if endpoint is not None:
            return cls(
                region=region,
                access_key=LOCAL_ACCESS_KEY,
                secret_key=LOCAL_SECRET_KEY,
                endpoint=endpoint,
                ca=ca,
            )
        return cls(
            region=region,
            access_key=_first(env, KEY_VARIABLES),
            secret_key=_first(env, SECRET_VARIABLES),
            token=_first(env, TOKEN_VARIABLES),
        )

    def host(self, product: str, env: Mapping[str, str] = os.environ) -> str:
        """Return a product's endpoint; `<PRODUCT>_ENDPOINT` overrides it, as for the provider."""
        if self.endpoint is not None:
            return self.endpoint
        if named := env.get(f"{product.upper()}_ENDPOINT"):
            return named
        if product == "ram":
            return "ram.aliyuncs.com"
        return f"{product}.{self.region}.aliyuncs.com"


class OfficialApi:
    """Calls by `alibabacloud-tea-openapi`, which every official Python SDK is built on."""

    def __init__(self, account: Account) -> None:
        # Imported late: it takes half a second, and most commands never speak to the cloud.
        self._sdk: Any = importlib.import_module("alibabacloud_tea_openapi.client")
        self._models: Any = importlib.import_module("alibabacloud_tea_openapi.utils_models")
        runtime: Any = importlib.import_module("darabonba.runtime")
        self._runtime = runtime.RuntimeOptions(
            connect_timeout=10_000,
            read_timeout=30_000,
            # A proxy cannot reach a local cloud: loopback there is the proxy's own machine.
            no_proxy=None if account.endpoint is None else account.endpoint.rpartition(":")[0],
        )
        self._account = account
        self._credential = _credential(account)
        self._clients: dict[str, Any] = {}

    def call(self, product: str, action: str, **parameters: object) -> Answer:
        """Make one call; retries after throttling, server errors and broken connections."""
        for attempt in range(_TRIES):
            try:
                return self._once(product, action, parameters)
            except CloudError as error:
                if attempt == _TRIES - 1 or not error.code.startswith(_PASSING):
                    raise
                time.sleep(min(0.5 * 2**attempt, 8))
        raise AssertionError("unreachable")

    def every(self, product: str, action: str, *path: str, **parameters: object) -> list[Answer]:
        """Return the items of all pages, by page number, or by NextToken where the API has it."""
        items: list[Answer] = []
        by_token = action.startswith("List")
        paging = {"MaxResults": _PAGE} if by_token else {"PageSize": _PAGE, "PageNumber": 1}
        while True:
            answer = self.call(product, action, **parameters, **paging)
            page = list(_at(answer, path))
            items += page
            if by_token:
                if not (token := answer.get("NextToken")):
                    return items
                paging["NextToken"] = token
            else:
                if not page or len(items) >= int(answer.get("TotalCount") or 0):
                    return items
                paging["PageNumber"] += 1

    def _once(self, product: str, action: str, parameters: Mapping[str, object]) -> Answer:
        models = self._models
        query = {k: _text(v) for k, v in parameters.items() if v is not None}
        if (key := region_key(product, action)) is not None:
            query[key] = self._account.region
        request = models.OpenApiRequest(query=query)
        params = models.Params(
            action=action,
            version=VERSIONS[product],
            protocol="HTTPS",
            pathname="/",
            method="POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        try:
            body = self._client(product).call_api(params, request, self._runtime)["body"]
        except Exception as error:  # noqa: BLE001 - the SDK's errors share no base that says more
            code = str(getattr(error, "code", "") or "UnknownError")
            raise CloudError(action, code, str(getattr(error, "message", error))) from None
        return body if isinstance(body, Mapping) else {}

    def _client(self, product: str) -> Any:  # noqa: ANN401 - the SDK has no types
        if product not in self._clients:
            config = self._models.Config(
                credential=self._credential,
                endpoint=self._account.host(product),
                region_id=self._account.region,
                protocol="https",
                ca=None if self._account.ca is None else str(self._account.ca),
            )
            self._clients[product] = self._sdk.Client(config)
        return self._clients[product]


def _credential(account: Account) -> Any:  # noqa: ANN401 - the SDK has no types
    client: Any = importlib.import_module("alibabacloud_credentials.client")
    models: Any = importlib.import_module("alibabacloud_credentials.models")
    if account.access_key and account.secret_key:
        return client.Client(
            models.Config(
                type="sts" if account.token else "access_key",
                access_key_id=account.access_key,
                access_key_secret=account.secret_key,
                security_token=account.token,
            )
        )
    try:
        # The SDK tries a profile, the machine's RAM role and OIDC in its own order.
        credential = client.Client()
        credential.get_credential()
    except Exception as error:  # the SDK's errors have no common base class
        raise OperationError(
            f"There are no credentials for Alibaba Cloud: set {KEY_VARIABLES[0]} and "
            f"{SECRET_VARIABLES[0]}, as for `pulumi up`, and run this again.",
            code=ExitCode.UNPREPARED,
        ) from error
    return credential


def _first(env: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((env[name] for name in names if env.get(name)), None)


def _at(answer: Answer, path: Sequence[str]) -> Iterator[Answer]:
    items: Any = answer
    for step in path:
        items = items.get(step) or {} if isinstance(items, Mapping) else {}
    yield from (item for item in items if isinstance(item, Mapping))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
