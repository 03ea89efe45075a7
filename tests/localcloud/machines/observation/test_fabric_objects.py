"""The document of a fabric's objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localcloud.machines.network.fabric import link_name
from localcloud.machines.observation.__main__ import process_of
from localcloud.machines.observation.fabric_objects import describe, places
from tests.localcloud.machines.fake_cloud import instance, interface

pytestmark = pytest.mark.unit

SECRET = "a bootstrap token"  # noqa: S105  (obviously fake)


def _state() -> dict[str, Any]:
    nics = [
        interface("eni-0", "00:16:3E:00:00:00", "172.31.199.1", "172.31.192.0/20", primary=True),
        interface("eni-1", "00:16:3e:00:00:01", "192.168.0.1", "192.168.0.0/24", primary=False),
    ]
    nics[0]["secondary_addresses"] = ["172.31.199.11"]
    behind = {"instance_id": "i-worker", "address": "172.31.199.1", "port": 31999, "weight": 100}
    listener = {"port": 999, "backends": [behind], "ingress": []}
    return {
        "instances": [instance("worker", nics, SECRET)],
        "load_balancers": [
            {
                "id": "lb-1",
                "address": "127.67.0.4",
                "vpc_id": "vpc-test",
                "internet": True,
                "listeners": [listener],
            }
        ],
        "translations": [
            {"vpc_id": "vpc-test", "source": "192.168.0.0/24", "addresses": ["127.67.0.3"]}
        ],
        "public_ipv6_addresses": [],
    }


def _document() -> Any:  # noqa: ANN401  (JSON)
    return json.loads(json.dumps(describe("vpc-test", _state(), {"passed": 7}, ["i-worker"])))


def test_it_has_the_enis_of_a_machine_with_their_addresses() -> None:
    [machine] = _document()["machines"]
    assert machine["virtual"]
    assert [
        (nic["mac"], nic["address"], nic["secondary_addresses"]) for nic in machine["interfaces"]
    ] == [
        ("00:16:3e:00:00:00", "172.31.199.1", ["172.31.199.11"]),
        ("00:16:3e:00:00:01", "192.168.0.1", []),
    ]


def test_it_has_each_vswitch_once() -> None:
    networks = [vswitch["network"] for vswitch in _document()["vswitches"]]
    assert networks == ["172.31.192.0/20", "192.168.0.0/24"]


def test_it_has_the_backends_of_a_listener() -> None:
    [balancer] = _document()["load_balancers"]
    assert balancer["listeners"] == [
        {"port": 999, "protocol": "tcp", "backends": ["172.31.199.1:31999"]}
    ]


def test_it_has_no_user_data() -> None:
    raw = _state()["instances"][0]["user_data"]
    text = json.dumps(_document())
    assert raw not in text
    assert SECRET not in text


def test_each_link_of_the_fabric_has_a_place() -> None:
    links = places(_state())
    assert links["internet"] == "internet"
    assert links[link_name("tap", "eni-1")] == "eni-1"
    assert links[link_name("vsw", "vsw-192")] == "vsw-192"


def test_the_process_of_a_vpc_is_not_the_one_that_started_it(tmp_path: Path) -> None:
    state = Path("/home/machines/run/vpc-1.json")
    own = ["python", "-m", "localcloud.machines.vpc", "--channel=7", f"--state={state}"]
    commands = {
        "10": ["unshare", "--net", "--fork", *own],
        "11": own,
        "12": [*own[:-1], "--state=/elsewhere/machines/run/vpc-1.json"],
        "13": [],
    }
    for pid, words in commands.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_bytes("\0".join(words).encode())
    assert process_of(state, tmp_path) == 11
