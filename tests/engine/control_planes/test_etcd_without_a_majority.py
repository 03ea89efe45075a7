"""etcd's own answer to the boot program's question whether a member has a majority."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from operations.engine.places import ROOT
from tests.engine.control_planes.etcd_process import start_etcd
from tests.localcloud.machines.fake_cloud import until
from tests.loopback_ports import free_port

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

ADDRESS = "10.0.0.16"
"""Of the member that is asked."""
# Takes what the program asks of ADDRESS to that member, without TLS.
_CURL = """\
#!/bin/bash
words=()
for word; do words+=("${{word/https:\\/\\/{address}:2379/{url}}}"); done
exec /usr/bin/curl "${{words[@]}}"
"""


@contextmanager
def member(folder: Path, name: str, ports: Mapping[str, tuple[int, int]]) -> Iterator[None]:
    """A member of etcd, which uses the data that its folder has; killed at the end.

    `ports` has each member's port for clients and for peers.
    """
    with start_etcd(folder / name, name, ports) as process:
        try:
            yield
        finally:
            process.kill()


def test_a_member_whose_others_are_gone_lists_no_members_until_one_is_back(tmp_path: Path) -> None:
    ports = {name: (free_port(), free_port()) for name in ("masters-0", "masters-1")}
    url = f"http://127.0.0.1:{ports['masters-0'][0]}"
    curl = tmp_path / "curl"
    curl.write_text(_CURL.format(address=ADDRESS, url=url), encoding="utf-8")
    curl.chmod(curl.stat().st_mode | stat.S_IXUSR)

    def members() -> list[str]:
        """The names that the boot program sees; none if etcd refuses."""
        done = subprocess.run(  # noqa: S603 - our own program
            ["/bin/bash", "-c", f"set -e; . {ROOT}/planning/nodes/common.sh; members {ADDRESS}"],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", "NODE_NAME": "masters-1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) is bool(done.stdout)
        return sorted(line.split()[3] for line in done.stdout.splitlines())

    both = sorted(ports)
    with ExitStack() as survivor:
        survivor.enter_context(member(tmp_path, "masters-0", ports))
        with member(tmp_path, "masters-1", ports):
            until("both members serve", 60, lambda: members() == both)
        assert members() == []
        # From its memory it would list them.
        answer = httpx.post(f"{url}/v3/cluster/member/list", json={}).json()
        assert len(answer["members"]) == 2
    with member(tmp_path, "masters-0", ports):
        assert members() == []
        with member(tmp_path, "masters-1", ports):
            until("both members serve again", 60, lambda: members() == both)
