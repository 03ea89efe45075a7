"""A cloud in a thread, and the official SDK clients on it."""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import os
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_tea_openapi.models import Config

from localcloud.actions import Action, Answer, Call, Product
from localcloud.faults import Fault
from localcloud.products.catalogue import PRODUCTS
from localcloud.server import Running, running
from localcloud.settings import ROOT_KEY_ID, ROOT_SECRET, Cloud, Places
from localcloud.wire.parameters import declared

sys.path.insert(0, str(Path(__file__).parent))

import sdk_conformance  # noqa: E402  # beside this file, not a package
from sdk_api import Api, body_model_of  # noqa: E402

REGION = "cn-hangzhou"


class Judge:
    """Holds each answer that an action gives against the SDK's model of it."""

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

    def _watched(self, product: str, action: Action) -> Action:
        def run(call: Call, request: Any) -> Answer:
            answer = action.run(call, request)
            self.seen.add((product, action.name))
            model = body_model_of(product, action.name)
            if model is not None:
                found = sdk_conformance.problems(dict(answer), model, action.name)
                self.problems += [p for p in found if p not in self.problems]
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

    def call(self, work: Callable[[], Any]) -> Any:
        """Run something on the cloud's own thread."""

        async def run() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(20)

    def fault(self, **rule: Any) -> None:
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

    def raw(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        context = ssl.create_default_context(cafile=str(self.ca))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=context, timeout=20
        )
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lc-") as folder:
        yield Path(folder)


@pytest.fixture
def judge() -> Iterator[Judge]:
    """All answers of the test; it fails if one of them does not fit the SDK."""
    judged = Judge()
    yield judged
    assert judged.problems == []


@pytest.fixture
def start_cloud(home: Path, judge: Judge) -> Iterator[Callable[..., CloudThread]]:
    started: list[CloudThread] = []

    def start(**settings: Any) -> CloudThread:
        settings = {"strict": True, **settings}
        cloud = CloudThread.start(home, dataclasses.replace(Cloud(), **settings), judge)
        started.append(cloud)
        return cloud

    yield start
    for cloud in started:
        if cloud.thread.is_alive():
            cloud.close()


@pytest.fixture
def cloud(start_cloud: Callable[..., CloudThread]) -> CloudThread:
    """A fresh, strict cloud without delays."""
    return start_cloud()


@pytest.fixture
def api(cloud: CloudThread) -> Api:
    """The official SDKs on that cloud, as its account."""
    return Api(cloud.config())


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
