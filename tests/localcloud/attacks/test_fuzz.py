"""Any request gets a valid answer or an API error: no traceback, no hang, no broken state."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from localcloud.daemons import ask
from localcloud.settings import Places
from tests.localcloud.attacks import invariants
from tests.localcloud.attacks.fuzz_client import FuzzClient, ServerProcess
from tests.localcloud.attacks.fuzz_requests import ACTIONS, Request, requests
from tests.localcloud.published import random_requests

FEW = 3_000
MANY = 100_000
A_BATCH = 25
_RESET_EVERY = 80
_ENOUGH = 15
_AT_A_TIME = 5_000


def fuzz(home: Path, total: int) -> FuzzClient:
    """Send so many requests; after each batch the state must be whole (`invariants`)."""
    server = ServerProcess(home)
    places = Places(home=home)
    client = FuzzClient(server)
    client.world()
    batches = 0

    @settings(
        max_examples=1 + min(total, _AT_A_TIME) // A_BATCH,
        deadline=None,
        database=None,
        # The cloud remembers, so a smaller example would not be the same one: no shrinking.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(batch=st.lists(requests(), min_size=A_BATCH, max_size=A_BATCH))
    def send(batch: list[Request]) -> None:
        nonlocal batches
        if client.sent >= total or len(client.problems) > _ENOUGH:
            return
        batches += 1
        if batches % _RESET_EVERY == 0:
            client.reset()
        for request in batch:
            client.send(request)
        assert server.process.poll() is None
        broken = invariants.problems(invariants.State.read(places.state))
        for problem in broken:
            client.problems.setdefault((problem, ""), f"{problem}\n  after {batch!r}"[:4000])

    try:
        while client.sent < total and not client.problems:
            # In several runs: hypothesis remembers all of a run.
            send()
        problems = [*client.problems.values(), *dict.fromkeys(server.bad_lines()[:_ENOUGH])]
        assert not problems, "\n\n".join(problems)
        assert client.call("Vpc", "DescribeVpcs")["RequestId"]
        before = ask(places, "GET", "/resources")
        client.close()
        server.kill()
        again = ServerProcess(home)
        try:
            assert ask(places, "GET", "/resources") == before
            assert again.bad_lines() == []
        finally:
            again.kill()
    finally:
        if server.process.poll() is None:
            server.kill()
    return client


def report(client: FuzzClient, seconds: float) -> str:
    return json.dumps(
        {
            "requests": client.sent,
            "seconds": round(seconds, 1),
            "slowest": round(client.slowest, 3),
            "kinds": dict(sorted(client.counts.items())),
            "actions that succeeded": f"{len(client.answered)} of {len(ACTIONS)}",
        },
        indent=1,
    )


@pytest.mark.process
@pytest.mark.timeout(900)
def test_three_thousand_requests_do_not_hurt_the_cloud(home: Path) -> None:
    client = fuzz(home, FEW)
    assert client.sent >= FEW
    assert len(client.answered) > len(ACTIONS) / 6


@pytest.mark.nightly
@pytest.mark.timeout(3 * 3600)
def test_a_hundred_thousand_requests_do_not_hurt_the_cloud(home: Path) -> None:
    began = time.monotonic()
    client = fuzz(home, MANY)
    print(report(client, time.monotonic() - began))  # noqa: T201  # the figures of the run
    assert client.sent >= MANY
    assert set(ACTIONS) <= client.called
    assert len(client.answered) > len(ACTIONS) / 2


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_random_requests_are_refused_by_listed_codes() -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    shown = random_requests.outcome(seed, 20_000)
    assert (seed, shown.problems) == (seed, ())
