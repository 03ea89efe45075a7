"""etcd's own programs on what the boot program makes of a disk's snapshot."""

from __future__ import annotations

import base64
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.control_planes.etcd_process import BIN, start_etcd
from tests.loopback_ports import free_port
from tests.patience import end_of_wait
from tests.planning.nodes.programs.test_etcd_disk_program import Planes, one, plane

__all__ = ["plane"]

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

_KUBEADM = """\
#!/bin/bash
case $* in "config images list "*) echo registry.k8s.io/etcd:3 ;; esac
"""
_CTR = f"""\
#!/bin/bash
while [ "$1" != etcdutl ]; do shift; done
exec {BIN}/"$@"
"""


@contextmanager
def etcd(folder: Path) -> Iterator[str]:
    """An etcd on this data folder, by its URL. At its end it writes its database."""
    ports = (free_port(), free_port())
    client = f"http://127.0.0.1:{ports[0]}"
    with start_etcd(folder, "masters-0", {"masters-0": ports}) as process:
        try:
            until_it_serves(client)
            yield client
        finally:
            process.terminate()


def until_it_serves(url: str) -> None:
    deadline = end_of_wait(60)
    while True:
        try:
            if "true" in httpx.get(f"{url}/health").text:
                return
        except httpx.HTTPError:
            assert time.monotonic() < deadline
        time.sleep(0.1)


def ask(url: str, method: str, body: Mapping[str, object]) -> dict[str, Any]:
    return dict(httpx.post(f"{url}/v3/{method}", json=body).json())


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_the_member_is_of_a_new_cluster_with_all_keys_and_far_higher_revisions(
    plane: Planes, tmp_path: Path
) -> None:
    commands = plane.machine.root / "commands"
    for name, program in {"kubeadm": _KUBEADM, "ctr": _CTR}.items():
        (commands / name).write_text(program, encoding="utf-8")
        (commands / name).chmod((commands / name).stat().st_mode | stat.S_IXUSR)
    plane.has_data_of(77, node="masters-1")
    shutil.rmtree(plane.files / "data")
    with etcd(tmp_path / "lost") as url:
        before = ask(url, "kv/put", {"key": coded("key"), "value": coded("value")})["header"]
    shutil.copytree(tmp_path / "lost", plane.files / "data")

    assert plane.run(one(), restore="s-1").returncode == 0
    with etcd(plane.files / "data") as url:
        answer = ask(url, "kv/range", {"key": coded("key")})
        assert answer["kvs"][0]["value"] == coded("value")
        after = answer["header"]
        assert after["cluster_id"] != before["cluster_id"]
        assert after["member_id"] != before["member_id"]
        assert int(after["revision"]) >= int(before["revision"]) + 1_000_000_000
        (member,) = ask(url, "cluster/member/list", {})["members"]
        assert member["peerURLs"] == ["https://10.0.0.16:2380"]
        # A watch from an old revision ends with this error, and its client lists again.
        old = {"create_request": {"key": coded("key"), "start_revision": before["revision"]}}
        with httpx.stream("POST", f"{url}/v3/watch", json=old) as stream:
            lines = stream.iter_lines()
            next(lines)
            assert "compact" in next(lines)
