"""How a machine's systemd, apt and kubelet read their files."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from localcloud.machines.guest.apt import sources
from localcloud.machines.guest.apt.packages import Package, select
from localcloud.machines.guest.kubelet import settings
from localcloud.machines.guest.systemd import services, units

pytestmark = pytest.mark.unit

TIMER = "[Timer]\nOnActiveSec=15s\nOnUnitInactiveSec=1min 30s\nAccuracySec=1s\n"


def test_a_timers_times_are_read_in_seconds() -> None:
    timer = units.parse_timer("node", TIMER)
    assert (timer.service, timer.after_start, timer.after_end) == ("node", 15, 90)
    assert timer.after_begin is None


def test_services_start_in_the_order_that_their_files_ask_for() -> None:
    texts = {
        "a": "[Unit]\nAfter=z.service missing.service\n[Service]\nBefore=z.service\n",
        "kubelet": "[Unit]\nDescription=x\n",
        "rules": "[Unit]\nBefore=kubelet.service\n",
        "z": "",
    }
    assert units.boot_order(texts) == ["rules", "kubelet", "z", "a"]
    circle = {"a": "[Unit]\nAfter=b.service\n", "b": "[Unit]\nAfter=a.service\n"}
    assert units.boot_order(circle) == ["a", "b"]


def test_a_timer_may_start_another_service() -> None:
    assert units.parse_timer("a", TIMER + "Unit=b.service\n").service == "b"


@pytest.mark.parametrize("text", ["[Timer]\nOnUnitActiveSec=5s\n", "[Timer]\nOnBootSec=soon\n"])
def test_a_timer_that_never_elapses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither OnActiveSec|time span"):
        units.parse_timer("a", text)


def test_a_timer_starts_its_service_again_and_again_until_it_is_stopped() -> None:
    three = threading.Semaphore(0)
    started: list[str] = []

    def start(service: str) -> None:
        started.append(service)
        three.release()

    timer = services._Timer(
        units.Timer(name="n", service="node", after_start=0.01, after_begin=None, after_end=0.01),
        start,
    )
    for _ in range(3):
        assert three.acquire(timeout=5)
    timer.stop()
    assert set(started) == {"node"}


STANZA = """\
Types: deb
URIs: https://pkgs.k8s.io/core:/stable:/v1.35/deb/
Suites: /
Signed-By: /etc/apt/keyrings/kubernetes.asc
"""


def test_every_stanza_of_a_sources_file_is_a_source() -> None:
    both = sources.read(STANZA + "\n" + STANZA.replace("v1.35", "v1.34"))
    assert [source.uri[-10:] for source in both] == ["v1.35/deb/", "v1.34/deb/"]
    assert both[0].signed_by == "/etc/apt/keyrings/kubernetes.asc"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Pin: version 1\nPin-Priority: 1\n", "no Package header"),
        ("Package: a\nPin: versions 1\nPin-Priority: 1\n", "Did not understand pin type"),
        ("Package: a\nPin: version 1\nPin-Priority: high\n", "No priority"),
    ],
)
def test_preferences_that_apt_cannot_read_end_every_command(text: str, reason: str) -> None:
    with pytest.raises(sources.AptError, match=reason):
        sources.read_preferences([text])


def test_a_pin_chooses_the_version_and_one_that_matches_none_changes_nothing() -> None:
    archive = {"a": (Package(name="a", version="2.0-1"), Package(name="a", version="1.9-1"))}
    stanza = "Package: a b\nPin: version {}\nPin-Priority: 1001\n"
    pinned = sources.read_preferences([stanza.format("1.9-*")])
    assert [p.version for p in select(["a"], archive, pinned)] == ["1.9-1"]
    unmatched = sources.read_preferences([stanza.format("7.*")])
    assert [p.version for p in select(["a"], archive, unmatched)] == ["2.0-1"]


BASE = {"kind": "KubeletConfiguration", "maxPods": 5, "evictionHard": {"a": "1", "b": "2"}}


def test_drop_ins_are_laid_over_each_other_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, pods in (("50-b.conf", 8), ("40-a.conf", 7), ("60-c.conf.before", 9)):
        text = (
            f'{{"kind": "KubeletConfiguration", "maxPods": {pods}, "evictionHard": {{"b": "3"}}}}'
        )
        (tmp_path / name).write_text(text, encoding="utf-8")
    whole = settings.merged(BASE, settings.read_drop_ins(tmp_path))
    assert whole["maxPods"] == 8
    assert whole["evictionHard"] == {"a": "1", "b": "3"}


def test_a_drop_in_without_its_kind_ends_the_kubelet(tmp_path: Path) -> None:
    (tmp_path / "50.conf").write_text("maxPods: 3\n", encoding="utf-8")
    with pytest.raises(settings.SettingsError, match="Object 'Kind' is missing"):
        settings.read_drop_ins(tmp_path)


@pytest.mark.parametrize(
    "field",
    [
        {"maxPods": -1},
        {"maxPods": "ten"},
        {"serializeImagePulls": "no"},
        {"imageGCHighThresholdPercent": 60, "imageGCLowThresholdPercent": 70},
        {"maxParallelImagePulls": 4},
    ],
)
def test_the_kubelet_does_not_start_with_a_value_that_the_real_one_refuses(
    field: dict[str, Any],
) -> None:
    with pytest.raises(settings.SettingsError, match="failed to validate"):
        settings.load(["--config=/x"], "host", BASE | field, version="v1.35.4")


def test_no_pods_at_all_is_a_number_of_pods() -> None:
    loaded = settings.load(["--config=/x"], "host", BASE | {"maxPods": 0}, version="v1.35.4")
    assert loaded.max_pods == 0
