"""Generated pools, and how the two verdicts on each must agree."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from hypothesis import HealthCheck, event, note
from hypothesis import strategies as st

from planning.spiderpool.verdict import judge as our_judge
from tests.engine.spiderpool.cluster import Judge, Spec

V4, V6 = "10.6.0.0/24", "2408:4005:3a0:1201::/64"
STANDING: Mapping[str, Spec] = {
    "low": {"subnet": V4, "ips": ["10.6.0.10-10.6.0.20", "10.6.0.30"]},
    "holed": {
        "subnet": V4,
        "ips": ["10.6.0.100-10.6.0.120"],
        "excludeIPs": ["10.6.0.105-10.6.0.115"],
        "disable": True,
    },
    "six": {"subnet": V6, "ips": ["2408:4005:3a0:1201::10-2408:4005:3a0:1201::20"]},
}

Document = dict[str, Any]


def spelled(version: int) -> st.SearchStrategy[str]:
    """Addresses of the standing pools' subnet, near their edges more often than elsewhere."""
    numbers = st.one_of(
        st.sampled_from([0, 9, 10, 20, 21, 29, 30, 31, 99, 105, 115, 116, 120, 253, 255]),
        st.integers(0, 255),
    )
    if version == 4:
        return numbers.map(lambda n: f"10.6.0.{n}")
    prefix = "2408:4005:3a0:1201:"
    return st.one_of(
        numbers.map(lambda n: f"{prefix}:{n:x}"),
        numbers.map(lambda n: f"{prefix.upper()}:{n:X}"),
        numbers.map(lambda n: f"{prefix}0:0:0:{n:04x}"),
    )


STRANGE = st.sampled_from(
    [
        "10.6.1.1",
        "10.6.0.256",
        "10.6.0.01",
        " 10.6.0.40",
        "10.6.0.40/32",
        "10.6.0",
        "",
        "10.6.0.40-",
        "-",
        "10.6.0.40-10.6.0.41-10.6.0.42",
        "10.6.0.40 - 10.6.0.41",
        "x",
        "fe80::1",
        "2408:4005:3a0:1202::1",
        "2408:4005:3a0:1201::1%eth0",
        "::ffff:10.6.0.40",
        "2408:4005:3a0:1201::g",
        "2408::1::2",
        "2408:4005:3a0:1201:0:0:0:0:1",
        "1::2:3:4:5:6:7:8",
        "2408:4005:3a0:1201::10.6.0.40",
    ]
)


def entries(version: int) -> st.SearchStrategy[str]:
    address = spelled(version)
    return st.one_of(
        address,
        st.tuples(address, address).map("-".join),
        st.tuples(address, address).map(lambda ends: "-".join(sorted(ends))),
        st.integers(0, 99).flatmap(lambda n: st.just(f"{n}")) if version == 0 else STRANGE,
    )


def subnets() -> st.SearchStrategy[tuple[int, str]]:
    return st.one_of(
        st.sampled_from([(4, V4), (6, V6)]),
        st.sampled_from([(4, V4), (6, V6)]),
        st.sampled_from(
            [
                (4, "10.6.0.0/25"),
                (4, "10.6.0.0/16"),
                (4, "10.6.0.1/24"),
                (4, "10.7.0.0/24"),
                (4, "10.6.0.0"),
                (4, "10.6.0.0/33"),
                (4, "10.6.0.0/024"),
                (4, ""),
                (4, "10.6.0.0/255.255.255.0"),
                (4, "0.0.0.0/0"),
                (4, "10.6.0.40/32"),
                (6, "2408:4005:3a0:1201::/80"),
                (6, "2408:4005:3A0:1202::/64"),
                (6, "2408:4005:3a0:1202:0::/64"),
                (6, "2408:4005:3a0:1202::1/64"),
                (6, "2408:4005:3a0:1202::/64"),
                (6, "::/0"),
                (6, "fd00::/129"),
                (6, "::1:0/112"),
            ]
        ),
    )


def routes(version: int) -> st.SearchStrategy[list[Document]]:
    dst = st.sampled_from(
        [
            "10.0.0.0/8",
            "10.1.2.3/8",
            "0.0.0.0/0",
            "10.0.0.0",
            "fd00::/8",
            "::/0",
            "fd00::1/8",
            "0::/0",
        ]
    )
    return st.lists(
        st.fixed_dictionaries({"dst": dst, "gw": st.one_of(spelled(version), STRANGE)}), max_size=3
    )


LABEL = st.sampled_from(["app", "a.b/c", "A_b", "-app", "a/b/c", "", "app.", "x" * 64, "UP.er/x"])
VALUE = st.sampled_from(["web", "", "we b", "-web", "x" * 63, "x" * 64, "w.e_b"])
SELECTOR = st.fixed_dictionaries(
    {},
    optional={
        "matchLabels": st.dictionaries(LABEL, VALUE, max_size=2),
        "matchExpressions": st.lists(
            st.fixed_dictionaries(
                {
                    "key": LABEL,
                    "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Like"]),
                },
                optional={"values": st.lists(VALUE, max_size=2)},
            ),
            max_size=2,
        ),
    },
)


@st.composite
def pools(draw: st.DrawFn) -> Document:
    """A pool's spec with the types of the CRD; about half of them are good."""
    version, subnet = draw(subnets())
    spec: Document = {"subnet": subnet}
    entry = draw(st.sampled_from([entries(version), spelled(version)]))
    spec["ips"] = draw(st.lists(entry, max_size=4))
    maybe = st.integers(0, 3).map(lambda n: n == 0)
    if draw(maybe):
        spec["excludeIPs"] = draw(st.lists(entry, max_size=3))
    if draw(maybe):
        spec["gateway"] = draw(st.one_of(spelled(version), spelled(version), STRANGE))
    if draw(maybe):
        spec["routes"] = draw(routes(version))
    if draw(maybe):
        spec["podAffinity"] = draw(SELECTOR)
    if draw(maybe):
        spec["ipVersion"] = draw(st.sampled_from([4, 6, 5]))
    if draw(maybe):
        spec |= {"default": True, "nodeName": ["master"], "multusName": ["kube-system/ipvlan-eth0"]}
    return spec


@st.composite
def good_pools(draw: st.DrawFn) -> Document:
    """Pools as a plan has them: canonical, around the standing ones, with the vSwitch's gateway."""
    network = ip_network(draw(st.sampled_from([V4, V6])))
    start = draw(st.integers(1, 240))
    ranges = draw(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=3))
    ips = []
    for skip, size in ranges:
        first = start + skip
        last = first + size
        start = last + 2
        one, other = network[first % 250], network[min(last, 250)]
        if one <= other:  # type: ignore[operator]  # one network's
            ips.append(f"{one}-{other}" if one != other else str(one))
    return {"subnet": str(network), "ips": ips, "gateway": str(network[253]), "default": True}


def agree(standing: Judge, spec: Document) -> None:
    refusal, ours = standing.refusal(spec), our_judge(spec, others=STANDING)
    note(f"webhook: {refusal}\nours: {ours}")
    event("refused" if refusal else "accepted", "ours is stricter" if ours.ours else "the same")
    if refusal is None:
        assert ours.accepted or ours.ours
    else:
        assert not ours.accepted
    if not ours.ours:
        assert bool(ours.webhook) == (refusal is not None)


SETTINGS = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much],
}
