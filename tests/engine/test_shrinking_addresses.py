"""Pod addresses are removed from and added to a running control plane, which is never drained.

The deployment is shared with test_services.py and test_verify_for_real.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.engine.clouds.local_cloud import CLUSTER, Done, SecondCloud

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

ALL = "192.168.0.156-192.168.0.160"


@pytest.fixture
def stack_file(served: SecondCloud) -> Iterator[dict[str, Any]]:
    """The stack file's document for `write`; the file is restored afterwards."""
    text = served.config_file.read_text()
    yield yaml.safe_load(text)
    served.config_file.write_text(text)


def write(served: SecondCloud, document: dict[str, Any]) -> None:
    served.config_file.write_text(yaml.safe_dump(document, sort_keys=False))


def set_master_eth1(document: dict[str, Any], addresses: str, count: int) -> None:
    masters = document["config"][CLUSTER]["nodePools"]["masters"]
    masters["interfaces"]["eth1"]["podAddresses"] = count
    masters["nodes"]["master"]["interfaces"]["eth1"]["podAddresses"] = [addresses]


def up(served: SecondCloud) -> Done:
    return served.pulumi("up", "--yes", "--skip-preview", "--suppress-progress")


def pool(served: SecondCloud) -> tuple[str, ...]:
    return tuple(served.kubectl("get", "spiderippool", "master-eth1")["spec"]["ips"])


def expects_no_changes(served: SecondCloud) -> None:
    done = served.pulumi("preview", "--expect-no-changes")
    assert done.status == 0, done.transcript


def test_an_address_that_a_pod_has_does_not_leave(
    served: SecondCloud, stack_file: dict[str, Any]
) -> None:
    pods = served.kubectl("get", "pods", "-l", "app=test-app-2")["items"]
    (holder,) = (p for p in pods if p["spec"]["nodeName"] == "master")
    assert holder["status"]["podIP"] == "192.168.0.156"
    set_master_eth1(stack_file, "192.168.0.157-192.168.0.160", 4)
    write(served, stack_file)
    named = f"default/{holder['metadata']['name']} (192.168.0.156)"
    for done in (served.pulumi("preview"), up(served)):
        assert done.status != 0
        assert named in f"{done.out}{done.err}", done.transcript
    assert pool(served) == (ALL,)
    assert len(served.outputs()["nodes"]["master"]["interfaces"]["eth1"]["podAddresses"]) == 5


def test_after_the_refusal_the_old_stack_file_has_nothing_to_do(served: SecondCloud) -> None:
    expects_no_changes(served)


def test_a_free_address_leaves_the_pool_and_then_the_eni(
    served: SecondCloud, stack_file: dict[str, Any]
) -> None:
    set_master_eth1(stack_file, "192.168.0.156-192.168.0.159", 4)
    write(served, stack_file)
    done = up(served)
    assert done.status == 0, done.transcript
    assert pool(served) == ("192.168.0.156-192.168.0.159",)
    outputs = served.outputs()["nodes"]["master"]["interfaces"]["eth1"]
    assert outputs["podAddresses"] == [f"192.168.0.{n}" for n in range(156, 160)]
    expects_no_changes(served)


def test_it_comes_back_on_the_eni_and_then_in_the_pool(served: SecondCloud) -> None:
    preview = served.pulumi("preview")
    assert preview.status == 0, preview.transcript
    done = up(served)
    assert done.status == 0, done.transcript
    assert pool(served) == (ALL,)
    expects_no_changes(served)


def test_the_first_change_of_a_port_has_a_preview_and_keeps_the_address(
    served: SecondCloud, stack_file: dict[str, Any]
) -> None:
    before = served.outputs()["services"]["tcp-service"]["address"]
    services = stack_file["config"][CLUSTER]["services"]
    services["tcp-service"]["ports"]["tcp"] = {"port": 998, "targetPort": 80}
    write(served, stack_file)
    preview = served.pulumi("preview")
    assert preview.status == 0, preview.transcript
    done = up(served)
    assert done.status == 0, done.transcript
    assert served.outputs()["services"]["tcp-service"]["address"] == before
    ports = served.kubectl("get", "service", "tcp-service")["spec"]["ports"]
    assert [(p["name"], p["port"]) for p in ports] == [("tcp", 998)]
    expects_no_changes(served)


def test_the_port_goes_back(served: SecondCloud) -> None:
    done = up(served)
    assert done.status == 0, done.transcript
    expects_no_changes(served)
