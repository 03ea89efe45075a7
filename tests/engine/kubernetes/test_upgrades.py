"""One `up` upgrades Spiderpool; versions without an upgrade path are refused first.

Runs after `test_rolling_replacement`, on its cloud.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from operations.failure import ExitCode
from tests.engine.clouds.local_cloud import Done
from tests.engine.clouds.rolling_cloud import NEW, OLD, RollingCloud

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]


def of_kubernetes(version: str) -> Any:  # noqa: ANN401 - an edit
    def edit(cluster: dict[str, Any]) -> None:
        cluster.setdefault("kubernetes", {})["version"] = version

    return edit


def images(rolling: RollingCloud) -> set[str]:
    """Tags of the images that Spiderpool runs."""
    pods = rolling.cloud.kubectl("get", "pods", "-n", "kube-system")["items"]
    return {
        container["image"].rpartition(":")[2]
        for pod in pods
        for container in pod["spec"]["containers"]
        if "spiderpool" in container["image"] and "deletionTimestamp" not in pod["metadata"]
    }


def upgrade(rolling: RollingCloud, *words: str) -> Done:
    """`python -m operations upgrade`, as a person would call it."""
    rolling.write()
    return rolling.cloud.on_stack_file("upgrade", *words, deadline=900)


def certificates(rolling: RollingCloud) -> list[dict[str, str]]:
    secrets = rolling.cloud.kubectl("get", "secrets", "-n", "kube-system")["items"]
    return [s["data"] for s in secrets if "tls.crt" in s.get("data", {})]


def test_a_kubelet_newer_than_the_api_server_is_refused_and_no_machine_is_touched(
    rolling: RollingCloud,
) -> None:
    before = rolling.instances()
    with rolling.edited(of_kubernetes("1.36.9")):
        planned = upgrade(rolling, "--go")
        done = rolling.up()
    assert planned.status == ExitCode.REFUSED
    assert "the only control plane" in " ".join(planned.err.split()), planned.transcript
    assert done.status != 0
    assert "workers are never newer than it" in " ".join(done.out.split()), done.transcript
    assert rolling.instances() == before


def test_going_back_in_kubernetes_is_refused_by_the_preview(rolling: RollingCloud) -> None:
    with rolling.edited(of_kubernetes("1.35.2")):
        done = rolling.preview()
    assert done.status != 0
    assert "A cluster cannot be downgraded" in " ".join(done.out.split()), done.transcript


def test_spiderpool_goes_forward_with_its_pools_and_its_certificate(rolling: RollingCloud) -> None:
    assert images(rolling) == {f"v{OLD}"}
    certificate = certificates(rolling)
    assert certificate
    pools = rolling.cloud.kubectl("get", "spiderippools")["items"]
    rolling.cluster["spiderpool"] = {"chart": rolling.chart(NEW)}
    shown = upgrade(rolling)
    assert shown.status == 0, shown.transcript
    assert re.search(rf"1 +spiderpool +spiderpool +{OLD} +{NEW}", shown.out), shown.transcript
    assert images(rolling) == {f"v{OLD}"}
    done = upgrade(rolling, "--go")
    assert done.status == 0, rolling.cloud.explain(done)
    rolling.until(lambda: images(rolling) == {f"v{NEW}"})
    assert "runs the versions of its stack file" in upgrade(rolling).out
    assert certificates(rolling) == certificate
    after = rolling.cloud.kubectl("get", "spiderippools")["items"]
    assert [(p["metadata"]["uid"], p["spec"]) for p in after] == [
        (p["metadata"]["uid"], p["spec"]) for p in pools
    ]


def test_going_back_in_spiderpool_is_refused_by_the_preview(rolling: RollingCloud) -> None:
    def back(cluster: dict[str, Any]) -> None:
        cluster["spiderpool"] = {"chart": rolling.chart(OLD)}

    with rolling.edited(back):
        done = rolling.preview()
    assert done.status != 0
    assert f"{NEW} cannot become {OLD}" in " ".join(done.out.split()), done.transcript
