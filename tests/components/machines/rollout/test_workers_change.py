"""A worker is emptied before it changes, and no other worker may be away."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pulumi
import pytest

from planning.nodes.machine import SETTINGS, SETTINGS_APPLIED, settings_digest
from tests.components.machines.rollout.rolling import (
    ELSEWHERE,
    FIRST,
    NOW,
    RESTART,
    SECOND,
    SETTINGS_EDIT,
    SETTINGS_TEXT,
    Rolling,
    args,
    changes,
    inputs,
    run,
    serving,
)
from tests.fake_cluster import a_node, a_pod
from tests.fake_pools import FakePools, a_pool

pytestmark = pytest.mark.unit


def test_a_worker_is_cordoned_and_then_emptied(roll: Rolling) -> None:
    cluster = serving(pods={FIRST: [a_pod("web")]})
    run(cluster, changes(roll, FIRST))
    assert cluster.done == [f"cordon {FIRST}", "evict web"]


def test_a_restart_empties_the_node_too(roll: Rolling) -> None:
    cluster = serving(pods={FIRST: [a_pod("web")]})
    run(cluster, changes(roll, FIRST, RESTART))
    assert cluster.done == [f"cordon {FIRST}", "evict web"]
    assert roll.progress.changed == {FIRST}


def test_pods_of_daemon_sets_leave_too_where_the_addresses_do(roll: Rolling) -> None:
    cluster = serving(pods={FIRST: [a_pod("web"), a_pod("agent", owner="DaemonSet")]})
    pool = a_pool(f"{FIRST}-eth0", "10.0.9.10")
    pools = FakePools(pools_by_name={pool.name: pool})
    run(cluster, changes(roll, FIRST, ELSEWHERE), pools)
    assert cluster.done == [f"cordon {FIRST}", "evict web", f"taint {FIRST}"]
    assert pools.written == [(pool.name, ())]


def test_a_machine_stays_while_a_pod_has_an_address_that_it_would_lose(roll: Rolling) -> None:
    pool = a_pool(f"{FIRST}-eth0", "10.0.9.10", web="10_0_9_10")
    with pytest.raises(pulumi.RunError, match=r"default/web.*its machine has not been touched"):
        run(serving(), changes(roll, FIRST, ELSEWHERE), FakePools(pools_by_name={pool.name: pool}))


def test_an_edit_without_changes_sends_no_request(roll: Rolling) -> None:
    cluster = serving(failures=10**6)
    run(cluster, changes(roll, FIRST, {}))
    assert cluster.done == []


def test_no_worker_goes_while_another_is_not_ready(roll: Rolling) -> None:
    cluster = serving()
    cluster.objects[SECOND] = a_node(SECOND, ready=False)
    with pytest.raises(pulumi.RunError, match=f"another worker is not ready: {SECOND}"):
        run(cluster, changes(roll, FIRST))
    assert cluster.done == []


def test_no_worker_goes_while_an_earlier_one_has_no_node(roll: Rolling) -> None:
    cluster = serving()
    del cluster.objects[FIRST]
    with pytest.raises(pulumi.RunError, match=f"not ready: {FIRST}"):
        run(cluster, changes(roll, SECOND))


def test_no_node_waits_for_a_worker_that_is_being_added(roll: Rolling) -> None:
    cluster = serving()
    del cluster.objects[FIRST]
    roll.changes.note_new(args(FIRST))
    run(cluster, changes(roll, SECOND))
    assert cluster.done == [f"cordon {SECOND}"]


def test_a_node_that_an_interrupted_run_left_cordoned_is_uncordoned(roll: Rolling) -> None:
    cluster = serving()
    asyncio.run(cluster.cordon(SECOND))
    run(cluster, changes(roll, FIRST))
    assert cluster.done == [f"cordon {SECOND}", f"uncordon {SECOND}", f"cordon {FIRST}"]


def test_an_older_api_server_refuses_a_new_machine_before_anything_is_done(roll: Rolling) -> None:
    cluster = serving(runs="v1.35.9", kube_proxy=None)
    with pytest.raises(pulumi.RunError, match="a kubelet is never newer"):
        run(cluster, changes(roll, FIRST))
    assert cluster.done == []


def test_a_cluster_that_does_not_answer_keeps_every_machine(roll: Rolling) -> None:
    cluster = serving(failures=10**6)
    with pytest.raises(pulumi.RunError, match="could not join it either") as refused:
        run(cluster, changes(roll, FIRST))
    assert "DRAIN_SECONDS" not in str(refused.value)


def test_without_a_drain_nobody_is_evicted_and_the_others_are_still_asked(
    roll: Rolling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIDERPOOL_ALICLOUD_DRAIN_SECONDS", "0")
    cluster = serving(pods={FIRST: [a_pod("web")]})
    run(cluster, changes(roll, FIRST))
    assert cluster.done == [f"cordon {FIRST}"]
    cluster.objects[FIRST] = a_node(FIRST, ready=False)
    with pytest.raises(pulumi.RunError, match="another worker is not ready"):
        run(cluster, changes(roll, SECOND))


def test_kube_proxy_follows_the_api_servers_and_precedes_the_first_worker(three: Rolling) -> None:
    cluster = serving(3, kube_proxy="r.example/kube-proxy:v1.36.2")
    run(cluster, changes(three, FIRST))
    assert cluster.done[0] == "kube-proxy r.example/kube-proxy:v1.36.3"


def test_settings_change_on_the_running_node(roll: Rolling) -> None:
    cluster = serving()
    run(cluster, changes(roll, FIRST, SETTINGS_EDIT))
    assert cluster.done == [f"change {FIRST}"]
    assert cluster.objects[FIRST].annotations[SETTINGS] == SETTINGS_TEXT
    assert cluster.objects[FIRST].annotations[SETTINGS_APPLIED] == settings_digest(SETTINGS_TEXT)
    assert roll.progress.changed == set()


def test_a_setting_that_an_earlier_unit_does_not_know_is_not_asked_of_it(roll: Rolling) -> None:
    cluster = serving()
    text = json.dumps({**json.loads(SETTINGS_TEXT), "metadata": "new"})
    new, old = inputs(roll, FIRST, {"settings": text}), inputs(roll, FIRST)
    run(cluster, roll.changes.prepare_change(args(FIRST, old_inputs=old, new_inputs=new)))
    assert SETTINGS not in cluster.objects[FIRST].annotations


def test_a_settings_edit_waits_for_the_others_too(roll: Rolling) -> None:
    cluster = serving()
    cluster.objects[SECOND] = a_node(SECOND, ready=False)
    with pytest.raises(pulumi.RunError, match="another worker is not ready"):
        run(cluster, changes(roll, FIRST, SETTINGS_EDIT))


@pytest.mark.parametrize(
    ("off", "direction"), [(timedelta(hours=2), "ahead of"), (timedelta(hours=-2), "behind")]
)
def test_no_machine_is_replaced_while_the_control_planes_clock_is_wrong(
    roll: Rolling, off: timedelta, direction: str
) -> None:
    cluster = serving(now=NOW + off)
    with pytest.raises(pulumi.RunError, match=f"120 minutes {direction} this computer's"):
        run(cluster, changes(roll, FIRST))
    assert cluster.done == []


def test_clocks_may_differ_by_five_minutes(roll: Rolling) -> None:
    cluster = serving(now=NOW + timedelta(minutes=5))
    run(cluster, changes(roll, FIRST))
    assert cluster.done == [f"cordon {FIRST}"]


def test_settings_change_whatever_the_clocks_show(roll: Rolling) -> None:
    cluster = serving(now=NOW + timedelta(hours=2))
    run(cluster, changes(roll, FIRST, SETTINGS_EDIT))
    assert cluster.done == [f"change {FIRST}"]
