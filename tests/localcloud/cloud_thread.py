"""A cloud that runs in a thread of the test, with every answer compared with the SDK's models."""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import json
import os
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alibabacloud_tea_openapi.models import Config

from localcloud.products.catalogue import PRODUCTS
from localcloud.requests.actions import Action, Answer, Call, Product
from localcloud.requests.faults import Fault
from localcloud.server import Running, running
from localcloud.settings import ROOT_KEY_ID, ROOT_SECRET, Cloud, Places
from localcloud.web.messages import HttpRequest
from localcloud.web.protocol import IDLE_SECONDS
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import declared
from tests.localcloud.published import error_codes, keys, samples, sdk_conformance
from tests.localcloud.sdk_api import body_model_of, signed_v1

REGION = "cn-hangzhou"
# Keys of the published samples that the SDK's model does not have.
_PUBLISHED = re.compile(
    r"(DescribeDisks\.Disks\.Disk\[\d+\]\.DedicatedBlockStorageClusterId"
    r"|DescribeInstanceRamRole\.Page(Number|Size)): unknown"
)


def _absent(product: str, name: str, answer: Answer, model: type) -> list[str]:
    if name in keys.GONE and not answer.get(keys.GONE[name]):
        return []
    paths = sdk_conformance.absent(dict(answer), model, f"{product}.{name}")
    # The gateway adds it to every answer.
    lacking = [key for key in dict.fromkeys(paths) if key != f"{product}.{name}.RequestId"]
    folder = os.environ.get(keys.RECORD)
    if folder:
        keys.record(folder, lacking)
        samples.record(folder, product, name, answer)
        return []
    return [
        f"{key} is absent; if that is right, run `python -m tests.localcloud.published.keys`"
        for key in lacking
        if key not in keys.left_out()
    ]


class Judge:
    """Compares each answer of an action with the SDK's model of it."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.seen: set[tuple[str, str]] = set()

    def products(self) -> dict[str, Any]:
        return {
            version: dataclasses.replace(
                product,
                actions={n: self._watched(product.name, a) for n, a in product.actions.items()},
            )
            for version, product in PRODUCTS.items()
        }

    def _refused(self, product: str, action: str, error: ApiError) -> None:
        """Note a code that has no source for its action and HTTP status."""
        problem = error_codes.problem(product, action, error.code, error.status)
        if problem is not None and problem not in self.problems:
            self.problems.append(problem)

    def _watched(self, product: str, action: Action) -> Action:
        def run(call: Call, request: Any) -> Answer:  # noqa: ANN401  # the SDK is untyped
            try:
                answer = action.run(call, request)
            except ApiError as error:
                self._refused(product, action.name, error)
                raise
            self.seen.add((product, action.name))
            model = body_model_of(product, action.name)
            if model is not None:
                problems = sdk_conformance.problems(dict(answer), model, action.name)
                problems += _absent(product, action.name, answer, model)
                self.problems += [
                    p for p in problems if p not in self.problems and not _PUBLISHED.match(p)
                ]
            return answer

        return dataclasses.replace(action, run=run)


@dataclass
class CloudThread:
    """A cloud that runs in a thread of its own until `close`."""

    places: Places
    cloud: Cloud
    inside: Running
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    stop: asyncio.Event
    ahead: float = 0.0
    kept: threading.local = field(default_factory=threading.local)

    @classmethod
    def start(cls, home: Path, cloud: Cloud, judge: Judge, port: int = 0) -> CloudThread:
        products = judge.products()
        ready: list[Any] = []
        up = threading.Event()

        async def work() -> None:
            stop = asyncio.Event()
            try:
                async with running(Places(home=home), cloud, port, products) as inside:
                    ready.extend((inside, asyncio.get_running_loop(), stop))
                    up.set()
                    await stop.wait()
            except BaseException as error:
                if not ready:
                    ready.append(error)
                up.set()
                raise

        thread = threading.Thread(target=lambda: asyncio.run(work()), daemon=True)
        thread.start()
        assert up.wait(20)
        if isinstance(ready[0], BaseException):
            raise ready[0]
        return cls(Places(home=home), cloud, ready[0], ready[1], thread, ready[2])

    @property
    def products(self) -> Mapping[str, Product]:
        return PRODUCTS

    def parameters(self, version: str, action: str) -> list[str]:
        """The parameters that an action declares."""
        return sorted(declared(PRODUCTS[version].actions[action].request)) or ["RegionId"]

    @property
    def port(self) -> int:
        return self.inside.port

    @property
    def ca(self) -> Path:
        return self.places.tls / "ca.pem"

    def call(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401  # the SDK is untyped
        """Run something on the cloud's own thread."""

        async def run() -> Any:  # noqa: ANN401  # the SDK is untyped
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(20)

    def pass_time(self, seconds: float) -> None:
        """Move the cloud's clock ahead; the SDKs sign by the real one, at most 15 minutes off."""
        self.ahead += seconds
        self.inside.gateway.clock = lambda: time.time() + self.ahead

    def fault(self, **rule: Any) -> None:  # noqa: ANN401  # the SDK is untyped
        self.call(lambda: self.inside.faults.add(Fault(**rule)))

    def config(
        self, key: str = ROOT_KEY_ID, secret: str = ROOT_SECRET, token: str | None = None
    ) -> Config:
        return Config(
            endpoint=f"127.0.0.1:{self.port}",
            protocol="https",
            region_id=REGION,
            access_key_id=key,
            access_key_secret=secret,
            security_token=token,
            ca=str(self.ca),
            read_timeout=20_000,
        )

    def document(self, version: str, action: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """The answer to a request of the account's that goes past the wire."""
        query = signed_v1(
            {**parameters, "Action": action, "Version": version},
            key=ROOT_KEY_ID,
            secret=ROOT_SECRET,
        )
        http = HttpRequest(method="POST", path="/", query=query, headers={}, body=b"")
        reply = self.call(lambda: self.inside.gateway.answer(http))
        return dict(json.loads(reply.body))

    def raw(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """The answer to a request, on the connection of this thread if the cloud has kept it."""
        connection = self._connection
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        except BaseException:
            # Half a request or half an answer is still on it.
            del self.kept.connection
            connection.close()
            raise

    @property
    def _connection(self) -> http.client.HTTPSConnection:
        now = time.monotonic()
        if not hasattr(self.kept, "connection") or now - self.kept.used > IDLE_SECONDS / 2:
            context = ssl.create_default_context(cafile=str(self.ca))
            self.kept.connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, context=context, timeout=20
            )
        self.kept.used = now
        connection: http.client.HTTPSConnection = self.kept.connection
        return connection

    def close(self) -> None:
        if hasattr(self.kept, "connection"):
            self.kept.connection.close()
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(20)
        assert not self.thread.is_alive()
