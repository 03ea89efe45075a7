"""The report of a made-up cluster in which one path of packets fails: `golden.html`.

python -m tests.operations.verification.fabric.golden_page        writes it again
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from operations.verification.checks import Check, Needs, NotRun, PacketPath, Probe
from operations.verification.cluster_objects import Cluster
from operations.verification.fabric.capture import Capture, Frame
from operations.verification.fabric.objects import Fabric
from operations.verification.fabric.page import Report, page
from operations.verification.run import Answer, Outcome, Verdict

GOLDEN = Path(__file__).parent / "golden.html"
CHECK = "pod-to-other-nodes"
SOURCE, TARGET = "test-app-1-b (worker)", "node master on eth1 192.168.0.154"


def _nic(number: int, machine: int, pods: list[str]) -> dict[str, Any]:
    network = ("172.31.199", "192.168.0")[number]
    return {
        "id": f"eni-{machine}{number}",
        "mac": f"00:16:3e:00:0{machine}:0{number}",
        "vswitch": f"vsw-{number}",
        "address": f"{network}.{150 + machine}",
        "secondary_addresses": pods,
        "ipv6_addresses": [],
        "security_groups": ["sg-1"],
    }


DOCUMENT: dict[str, Any] = {
    "id": "vpc-1",
    "network": "172.31.0.0/16",
    "vswitches": [
        {
            "id": "vsw-0",
            "network": "172.31.192.0/20",
            "ipv6_network": "",
            "gateway": "172.31.207.253",
            "zone": "cn-hangzhou-i",
        },
        {
            "id": "vsw-1",
            "network": "192.168.0.0/24",
            "ipv6_network": "2001:db8:0:1::/64",
            "gateway": "192.168.0.253",
            "zone": "cn-hangzhou-i",
        },
    ],
    "machines": [
        {
            "id": "i-4",
            "name": "master",
            "virtual": False,
            "public_address": "127.67.0.2",
            "interfaces": [_nic(0, 4, []), _nic(1, 4, [])],
        },
        {
            "id": "i-5",
            "name": "worker",
            "virtual": True,
            "public_address": "",
            "interfaces": [
                _nic(0, 5, ["172.31.199.190", "172.31.199.191", "172.31.199.192"]),
                _nic(1, 5, ["192.168.0.161"]),
            ],
        },
    ],
    "translations": [{"source": "172.31.192.0/20", "addresses": ["127.67.0.3"]}],
    "public_ipv6_addresses": ["2001:db8:0:1::a1"],
    "load_balancers": [
        {
            "id": "lb-1",
            "address": "127.67.0.4",
            "internet": True,
            "listeners": [
                {"port": 999, "protocol": "tcp", "backends": ["172.31.199.155:31999"]},
                {"port": 80, "protocol": "http", "backends": []},
            ],
        }
    ],
    "frames": {"passed": 24928, "foreign_mac": 0, "foreign_address": 2, "refused": 0},
}


def _check(name: str, needs: Needs) -> Check:
    return Check(
        name=name,
        needs=needs,
        how="each pod pings <every> other node",
        cause="per-NIC source routing is missing",
        look="kubectl exec -it POD -- sh",
        probes=lambda _: NotRun(reason="not asked"),
    )


def _answer(target: str, *problems: str) -> Answer:
    path = PacketPath(source=SOURCE, target=target)
    return Answer(probe=Probe(attempt=lambda _: (), path=path), problems=problems, seconds=1.25)


def _frame(place: str, direction: str, *ends: str, time: float) -> Frame:
    kind, source, destination = ends
    return Frame(
        time=time,
        place=place,
        direction=direction,
        source_mac="00:16:3e:00:05:00",
        source=source,
        destination=destination,
        kind=kind,
    )


def _capture() -> Capture:
    pod, node = "172.31.199.190", "192.168.0.154"
    request, reply = ("ICMP echo request", pod, node), ("ICMP echo reply", node, pod)
    return Capture(
        problems=("no answer",),
        frames=(
            _frame("eni-50", "in", *request, time=0.0),
            _frame("vsw-0", "in", *request, time=0.0002),
            _frame("vsw-1", "out", *request, time=0.0004),
            _frame("eni-41", "out", *request, time=0.0005),
            _frame("eni-40", "in", *reply, time=0.001),
        ),
        left_out=3,
        dropped={"foreign_address": 2},
    )


def report() -> Report:
    """A report of two nodes: one check passed, one failed, one was not run."""
    problem = f"{SOURCE} gets no answer from {TARGET}"
    runtime = {"kubeletVersion": "v1.36.3", "containerRuntimeVersion": "containerd://2.2.1"}
    cluster = Cluster(
        outputs={},
        simulated=False,
        nodes={"worker": {"status": {"nodeInfo": {**runtime, "osImage": "Debian 13"}}}},
        pods=(),
        services={},
        pools={},
    )
    return Report(
        stack="lab",
        moment="2026-01-02 03:04 UTC",
        cluster=cluster,
        verdicts=(
            Verdict(
                check=_check("nodes-ready", Needs.OBJECTS),
                outcome=Outcome.PASSED,
                answers=(Answer(probe=Probe(attempt=lambda _: ()), problems=(), seconds=0.0),),
            ),
            Verdict(
                check=_check(CHECK, Needs.PACKETS),
                outcome=Outcome.FAILED,
                details=(problem,),
                answers=(_answer("node master on eth0 172.31.199.154"), _answer(TARGET, problem)),
            ),
            Verdict(
                check=_check("egress-ipv6", Needs.PACKETS),
                outcome=Outcome.NOT_RUN,
                details=("no pod of test-app-2 has an IPv6 address",),
            ),
        ),
        fabric=Fabric.read(DOCUMENT),
        captures={(CHECK, SOURCE, TARGET): _capture()},
    )


if __name__ == "__main__":
    GOLDEN.write_text(page(report()), encoding="utf-8")
