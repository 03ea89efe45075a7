"""The way from one set of versions to another: never out of order, never a step too far."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from planning.transitions.upgrades import (
    Kind,
    Running,
    Step,
    Upgrade,
    Version,
    kubelet_problem,
    kubernetes_problem,
    plan_upgrade,
    spiderpool_problem,
    version_of,
)

pytestmark = pytest.mark.unit

PLANES = frozenset({"m-0", "m-1", "m-2"})
WORKERS = frozenset({"w-0", "w-1"})
CHARTS = [version_of("1.2.1"), version_of("1.2.2")]

versions = st.builds(Version, major=st.just(1), minor=st.integers(31, 35), patch=st.integers(0, 9))


@st.composite
def clusters(draw: st.DrawFn) -> tuple[Running, Version]:
    """A cluster and where it shall go: in most of them some part is there already, or far off."""
    old = draw(versions)
    to = draw(
        st.sampled_from(
            [
                old,
                Version(major=1, minor=old.minor, patch=old.patch + 1),
                Version(major=1, minor=old.minor + 1, patch=0),
                Version(major=1, minor=old.minor + 2, patch=0),
            ]
        )
    )
    part = st.sampled_from([old, old, old, to, to, Version(major=1, minor=old.minor - 1, patch=3)])
    running = Running(
        api_servers={plane: draw(part) for plane in sorted(PLANES)},
        kubelets={node: draw(part) for node in sorted(PLANES | WORKERS)},
        cluster=draw(part),
        kube_proxy=draw(part),
        spiderpool=draw(st.none() | st.sampled_from(CHARTS)),
    )
    return running, to


def calm(version: str = "1.35.4", chart: str = "1.2.1") -> Running:
    """A cluster that runs one version throughout."""
    everywhere = version_of(version)
    return Running(
        api_servers=dict.fromkeys(sorted(PLANES), everywhere),
        kubelets=dict.fromkeys(sorted(PLANES | WORKERS), everywhere),
        cluster=everywhere,
        kube_proxy=everywhere,
        spiderpool=version_of(chart),
    )


def planned(
    running: Running, to: str, chart: str = "1.2.1", planes: frozenset[str] = PLANES
) -> Upgrade:
    return plan_upgrade(
        running,
        kubernetes=version_of(to),
        spiderpool=version_of(chart),
        workers=WORKERS,
        control_planes=planes,
    )


def after(running: Running, step: Step) -> Running:
    """What runs once a step is done."""
    to = version_of(step.after)
    names = step.target.split(", ")
    servers, kubelets = dict(running.api_servers), dict(running.kubelets)
    if step.kind is Kind.CONTROL_PLANE:
        servers[step.target] = kubelets[step.target] = to
    if step.kind is Kind.WORKERS:
        kubelets |= dict.fromkeys(names, to)
    return Running(
        api_servers=servers,
        kubelets=kubelets,
        cluster=to if step.kind is Kind.CLUSTER_VERSION else running.cluster,
        kube_proxy=to if step.kind is Kind.KUBE_PROXY else running.kube_proxy,
        spiderpool=to if step.kind is Kind.SPIDERPOOL else running.spiderpool,
    )


def test_a_patch_upgrades_control_planes_one_by_one_and_then_workers() -> None:
    steps = planned(calm(), "1.35.5").steps
    assert [(step.kind, step.target) for step in steps] == [
        (Kind.CLUSTER_VERSION, "kubeadm-config"),
        (Kind.CONTROL_PLANE, "m-0"),
        (Kind.CONTROL_PLANE, "m-1"),
        (Kind.CONTROL_PLANE, "m-2"),
        (Kind.KUBE_PROXY, "kube-proxy"),
        (Kind.WORKERS, "w-0, w-1"),
    ]


def test_a_chart_alone_is_one_step() -> None:
    (step,) = planned(calm(), "1.35.4", "1.2.2").steps
    assert (step.kind, step.before, step.after) == (Kind.SPIDERPOOL, "1.2.1", "1.2.2")


def test_without_changes_there_are_no_steps_and_no_problems() -> None:
    assert planned(calm(), "1.35.4") == Upgrade()


@pytest.mark.parametrize(
    ("running", "to", "chart", "why"),
    [
        pytest.param(calm("1.33.2"), "1.35.4", "1.2.1", "one at a time", id="a minor skipped"),
        pytest.param(calm(), "1.34.9", "1.2.1", "cannot be downgraded", id="a minor back"),
        pytest.param(calm(), "1.35.3", "1.2.1", "cannot be downgraded", id="a patch back"),
        pytest.param(calm(chart="1.2.2"), "1.35.4", "1.2.1", "downgrade", id="a chart back"),
        pytest.param(
            calm(chart="1.1.0"), "1.35.4", "1.2.2", "only knows the upgrades", id="a strange chart"
        ),
    ],
)
def test_an_impossible_upgrade_is_refused_with_the_reason(
    running: Running, to: str, chart: str, why: str
) -> None:
    upgrade = planned(running, to, chart)
    assert upgrade.steps == ()
    assert any(why in problem for problem in upgrade.problems)


def test_the_only_control_plane_is_never_replaced() -> None:
    running = calm()
    alone = Running(
        api_servers={"m-0": version_of("1.35.4")},
        kubelets=running.kubelets,
        cluster=running.cluster,
        kube_proxy=running.kube_proxy,
        spiderpool=running.spiderpool,
    )
    (problem,) = planned(alone, "1.35.5", planes=frozenset({"m-0"})).problems
    assert "the only control plane" in problem
    assert planned(alone, "1.35.4", "1.2.2", planes=frozenset({"m-0"})).steps


def test_the_only_control_plane_whose_kubelet_was_forgotten_is_not_replaced_either() -> None:
    running = calm("1.34.4")
    alone = Running(
        api_servers={"m-0": version_of("1.35.4")},
        kubelets={node: running.kubelets[node] for node in ("m-0", "w-0", "w-1")},
        cluster=version_of("1.35.4"),
        kube_proxy=version_of("1.35.4"),
        spiderpool=running.spiderpool,
    )
    upgrade = planned(alone, "1.35.4", planes=frozenset({"m-0"}))
    assert upgrade.steps == ()
    (problem,) = upgrade.problems
    assert "Upgrade its kubelet on the machine" in problem


def test_no_control_plane_is_taken_away_while_another_is_missing() -> None:
    running = calm()
    two = {plane: running.api_servers[plane] for plane in ("m-0", "m-1")}
    upgrade = planned(
        Running(
            api_servers=two,
            kubelets=running.kubelets,
            cluster=running.cluster,
            kube_proxy=running.kube_proxy,
            spiderpool=running.spiderpool,
        ),
        "1.35.5",
    )
    assert any("m-2 has no API server" in problem for problem in upgrade.problems)


@given(start=clusters(), chart=st.sampled_from(CHARTS))
def test_no_step_ever_makes_a_kubelet_newer_or_api_servers_drift_apart(
    start: tuple[Running, Version], chart: Version
) -> None:
    running, to = start
    upgrade = plan_upgrade(
        running, kubernetes=to, spiderpool=chart, workers=WORKERS, control_planes=PLANES
    )
    assume(not upgrade.problems)
    state = running
    for step in upgrade.steps:
        before, state = state, after(state, step)
        if step.kind is Kind.CONTROL_PLANE:
            # A joining control plane takes its version from the ConfigMap.
            assert before.cluster == to
            gone = [
                plane for plane in PLANES if before.api_servers[plane] != state.api_servers[plane]
            ]
            assert gone in ([], [step.target])
        if step.kind is Kind.WORKERS:
            assert min(state.api_servers.values()) >= to
        for version in state.api_servers.values():
            assert abs(version.minor - to.minor) <= 1
    for node in WORKERS:
        assert kubelet_problem(node, state.kubelets[node], min(state.api_servers.values())) is None
    assert set(state.api_servers.values()) == {to}
    # What a finished upgrade leaves is at its goal, so planning again finds nothing.
    again = plan_upgrade(
        state, kubernetes=to, spiderpool=chart, workers=WORKERS, control_planes=PLANES
    )
    assert again == Upgrade()


@given(start=clusters(), cut=st.integers(0, 8))
def test_an_upgrade_that_was_cut_off_goes_on_with_what_is_left(
    start: tuple[Running, Version], cut: int
) -> None:
    running, to = start

    def steps_from(state: Running) -> tuple[Step, ...]:
        upgrade = plan_upgrade(
            state, kubernetes=to, spiderpool=None, workers=WORKERS, control_planes=PLANES
        )
        assume(not upgrade.problems)
        return upgrade.steps

    steps = steps_from(running)
    state = running
    for step in steps[:cut]:
        state = after(state, step)
    assert steps_from(state) == steps[cut:]


@given(before=versions, after=versions)
def test_a_step_is_refused_exactly_when_it_goes_back_or_skips_a_minor(
    before: Version, after: Version
) -> None:
    refused = kubernetes_problem(before, after) is not None
    assert refused == (after < before or after.minor > before.minor + 1)


@given(before=versions, after=versions)
def test_the_table_of_charts_refuses_what_it_does_not_know(before: Version, after: Version) -> None:
    assume(before != after)
    assert spiderpool_problem(before, after) is not None


@pytest.mark.parametrize("text", ["", "1.35", "latest", "v1.x.2", "1.2.3.4"])
def test_what_is_not_a_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        version_of(text)


def test_an_api_servers_own_spelling_is_read() -> None:
    assert str(version_of("v1.35.4-aliyun.1")) == "1.35.4"
