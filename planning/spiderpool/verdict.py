"""How Spiderpool's webhook would judge a SpiderIPPool, before there is a cluster.

The rules are those of Spiderpool 1.2.2 (`pkg/ippoolmanager/ippool_{mutate,validate}.go`,
`pkg/ip/{ip,iprange,subnet,cidr}.go`), with SpiderSubnets off as this project has them. The real
controller is asked the same questions in `tests/engine/spiderpool`: for every pool that is not in
`Verdict.ours` the answers agree, both ways.

The webhook accepts some pools that do not work for pods. `Verdict.ours` has these: a backwards
range (which has no address), a gateway that is among the addresses in another spelling (so that a
pod gets it), a default route in disguise, IPv4 addresses in IPv6 spelling, and ranges so large that
the webhook panics at the pool's next update.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import pairwise

from config.report import Problem
from planning.spiderpool.own_rules import own_problems
from planning.spiderpool.pool_spec import Range, Spec, problem
from planning.spiderpool.webhook_rules import overlap_problem, subnet_and_ranges, webhook_problems


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Problems of one pool's spec; paths are relative to the spec."""

    webhook: tuple[Problem, ...]
    """Problems for which the webhook refuses the pool. It reports the first one only."""
    ours: tuple[Problem, ...]
    """Problems that the webhook may accept and this project refuses."""

    @property
    def accepted(self) -> bool:
        """Whether this project would write the pool."""
        return not self.webhook and not self.ours


def judge(spec: Spec, *, others: Mapping[str, Spec], ipv6: bool = True) -> Verdict:
    """Judge a pool that is to be created.

    Args:
        spec: the pool's spec; its fields have the types of the CRD.
        others: specs of all other pools of the cluster, by name; each was accepted.
        ipv6: `ipam.enableIPv6` of the release.
    """
    return Verdict(
        webhook=webhook_problems(spec, others=others, ipv6=ipv6), ours=tuple(own_problems(spec))
    )


def pools_problems(specs: Mapping[str, Spec], *, ipv6: bool = True) -> tuple[Problem, ...]:
    """Judge all pools of a cluster that is to be created; paths begin with the pool's name.

    Pools of one subnet are compared in the order of their addresses, so that the check of a
    thousand pools is fast.
    """
    problems: list[Problem] = []
    ranges_by_subnet: dict[str, list[tuple[Range, str]]] = {}
    for name, spec in specs.items():
        verdict = judge(spec, others={}, ipv6=ipv6)
        problems += [_under(name, p) for p in (*verdict.webhook, *verdict.ours)]
        if verdict.accepted:
            subnet, ranges = subnet_and_ranges(spec, ipv6=ipv6)
            entries = ranges_by_subnet.setdefault(str(subnet), [])
            entries.extend((range_, name) for range_ in ranges)
    for entries in ranges_by_subnet.values():
        ordered = sorted(entries, key=lambda entry: (entry[0].first, entry[0].last, entry[1]))
        for (low, one), (high, other) in pairwise(ordered):
            if high.first <= low.last and one != other:
                problems.append(_under(other, overlap_problem(one, [high.text])))
    problems += _overlapping_subnets(ranges_by_subnet)
    return tuple(problems)


def _overlapping_subnets(subnets: Iterable[str]) -> Iterator[Problem]:
    networks = sorted((ip_network(s) for s in subnets), key=lambda n: (n.version, n))
    for low, high in pairwise(networks):
        if low.version == high.version and int(low[-1]) >= int(high[0]):
            yield problem(
                "subnet",
                high,
                f"It overlaps subnet {low} of other pools; a vSwitch has one exact range.",
                "Write the vSwitch's own CIDR block in every pool.",
            )


def _under(name: str, problem: Problem) -> Problem:
    return Problem(
        path=f"{name}.{problem.path}",
        value=problem.value,
        rule=problem.rule,
        remedy=problem.remedy,
    )
