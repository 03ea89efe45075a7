"""Calls with random parameters, whose refusals are compared with the table of error codes.

`python -m tests.localcloud.published.random_requests NUMBER SEED...` sends so many for each seed,
each to a cloud of its own, and prints what the table or the SDK's models lack. The same seed sends
the same requests. Unlike `test_fuzz.py` it goes past the wire, so that it is fast, and looks at the
codes.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import random
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from localcloud.products.catalogue import PRODUCTS
from localcloud.settings import Cloud
from tests.localcloud.cloud_thread import CloudThread, Judge
from tests.localcloud.fast_homes import fast_home

_VALUES: Final = (
    "true",
    "false",
    "1",
    "2",
    "-1",
    "1e9",
    "[]",
    "[[[",
    '{"a":',
    "10.0.0.0/16",
    "cn-hangzhou",
    "cn-hangzhou-h",
    "x-nothing",
    "tcp",
    "80/80",
    "TCP",
    "80",
    "",
    "vpc-1",
    "sg-1",
    "i-1",
    "eni-1",
    "lb-1",
    "nlb-1",
    "2000",
    "2026-01-01T00:00:00Z",
    "60",
    "internet",
    "intranet",
    "Internet",
    "Intranet",
    '["a"]',
    '[{"Key":"a"}]',
    "10.0.0.1",
    "fd00::/64",
    "PrePaid",
    "PostPaid",
    "cloud_essd",
    "aé",
    "x" * 300,
)
_LEFT_OUT: Final = ("DryRun", "ClientToken")
_WHOLE_ROUNDS: Final = 3
_MOST_PARAMETERS: Final = 8


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the requests of one seed showed: the refusals, by action and code, and the problems."""

    refusals: frozenset[tuple[str, str]]
    problems: tuple[str, ...]


def requests(
    cloud: CloudThread, seed: int, number: int
) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Version, action and parameters of each request.

    Every action comes three times with all of its parameters, first with an unknown name in each.
    After that the action and the choice of parameters are random, too.
    """
    chosen = random.Random(seed)  # noqa: S311  # requests that must repeat, not secrets
    actions = [(p.version, a) for p in PRODUCTS.values() for a in sorted(p.actions)]
    for turn in range(number):
        whole = turn < _WHOLE_ROUNDS * len(actions)
        version, action = actions[turn % len(actions)] if whole else chosen.choice(actions)
        names = cloud.parameters(version, action)
        kind = chosen.random()
        if kind < 1 / 4:
            some = [name for name in names if chosen.random() < 4 / 5]
        elif whole or kind < 1 / 2:
            some = names
        else:
            some = chosen.sample(names, chosen.randint(0, min(_MOST_PARAMETERS, len(names))))
        parameters = {name: chosen.choice(_VALUES) for name in some}
        if turn < len(actions):
            parameters = dict.fromkeys(some, "x-nothing")
        if chosen.random() < 7 / 10 and "RegionId" in names:
            parameters["RegionId"] = cloud.cloud.region
        yield version, action, {n: v for n, v in parameters.items() if n not in _LEFT_OUT}


def outcome(seed: int, number: int) -> Outcome:
    """Send the requests of a seed to a new cloud."""
    judge = Judge()
    refusals: set[tuple[str, str]] = set()
    with fast_home("random-") as home:
        cloud = CloudThread.start(home, dataclasses.replace(Cloud(), strict=True), judge)
        try:
            for version, action, parameters in requests(cloud, seed, number):
                document = cloud.document(version, action, parameters)
                if "HostId" in document:
                    refusals.add((action, document["Code"]))
        finally:
            cloud.close()
    bugs = [f"{action} has a bug" for action, code in refusals if code == "LocalCloud.Bug"]
    return Outcome(refusals=frozenset(refusals), problems=(*sorted(bugs), *sorted(judge.problems)))


def main(arguments: list[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int)
    parser.add_argument("seeds", type=int, nargs="+")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    problems = 0
    for seed in options.seeds:
        began = time.process_time()
        shown = outcome(seed, options.number)
        seconds = time.process_time() - began
        problems += len(shown.problems)
        sys.stdout.write(
            f"seed {seed}: {options.number} requests, {len(shown.refusals)} refusals of another "
            f"action or code, {len(shown.problems)} problems, {seconds:.0f} s of CPU\n"
        )
        sys.stdout.writelines(f"  {problem}\n" for problem in shown.problems)
    return int(problems > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
