"""A cloud for each test, and the official SDK clients on it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.settings import Cloud
from tests import loopback_ports
from tests.localcloud.cloud_thread import CloudThread, Judge
from tests.localcloud.fast_homes import fast_home
from tests.localcloud.sdk_api import Api
from tests.localcloud.self_signed import self_signed


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("authority") / "one.pem"
    path.write_text(self_signed("authority.example")[0], encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _no_public_authorities(monkeypatch: pytest.MonkeyPatch, _one_authority: Path) -> None:
    """Trust none of the public authorities, which the SDK reads twice for each client.

    That took a third of a test's processor time.
    """
    monkeypatch.setenv("SSL_CERT_FILE", str(_one_authority))
    monkeypatch.setattr("certifi.where", lambda: str(_one_authority))


@pytest.fixture
def home() -> Iterator[Path]:
    with fast_home() as folder:
        yield folder


@pytest.fixture
def judge() -> Iterator[Judge]:
    """All answers of the test; it fails if one of them does not fit the SDK."""
    judged = Judge()
    yield judged
    assert judged.problems == []


@pytest.fixture
def start_cloud(home: Path, judge: Judge) -> Iterator[Callable[..., CloudThread]]:
    started: list[CloudThread] = []

    def start(**settings: Any) -> CloudThread:  # noqa: ANN401  # the SDK is untyped
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
    return loopback_ports.free_port()
