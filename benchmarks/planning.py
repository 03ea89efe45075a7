"""Time and memory of planning: `python benchmarks/planning.py`.

Each size runs in a process of its own, so that memory is that size's. A node has two NICs with ten
pod addresses each. Required: 1,000 nodes in less than 1.5 s and 300 MiB, and linear time from 1,000
to 5,000 nodes.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SIZES = (100, 250, 500, 1000, 2500, 5000)
SECONDS_FOR_1000 = 1.5
MEBIBYTES_FOR_1000 = 300.0
LINEAR_WITHIN = 1.6
"""Time for a node at 5,000 nodes, against that at 1,000; below 1,000 start-up weighs in."""


def document(nodes: int) -> dict[str, Any]:
    """A cluster of so many nodes, three of them control planes, in three zones."""
    workers = nodes - 3
    zones = ("cn-hangzhou-i", "cn-hangzhou-j", "cn-hangzhou-k")
    nics = {nic: {"subnet": nic.replace("eth", "net"), "podAddresses": 10} for nic in _NICS}
    return {
        "profile": "prod",
        "name": "benchmark",
        "region": "cn-hangzhou",
        "network": {
            "vpc": {"cidr": "10.0.0.0/8"},
            "subnets": {
                f"net{role}": {
                    "zones": {
                        zone: {"cidr": f"10.{16 * role + place}.0.0/16"}
                        for place, zone in enumerate(zones)
                    }
                }
                for role in range(2)
            },
        },
        "nodePools": {
            "masters": {
                "role": "control-plane",
                "zones": zones,
                "firstBlock": 1,
                "instanceType": "ecs.g7.xlarge",
                "interfaces": nics,
            },
            **{
                f"workers-{part}": {
                    "count": min(PER_POOL, workers - part * PER_POOL),
                    "zones": [zones[part % 3]],
                    "firstBlock": 17 + (part // 3) * PER_POOL,
                    "instanceType": "ecs.g7.xlarge",
                    "interfaces": nics,
                }
                for part in range(-(-workers // PER_POOL))
            },
        },
        "kubernetes": {"serviceCidr": "172.20.0.0/18", "podCidr": "172.21.0.0/16"},
    }


_NICS = ("eth0", "eth1")
PER_POOL = 1000


def measure(nodes: int) -> dict[str, float]:
    """Plan once in this process; seconds without imports, and the process's peak memory."""
    from planning.read import plan_from  # noqa: PLC0415 - imports are not planning
    from planning.report import plan_document  # noqa: PLC0415

    stack = document(nodes)
    plan_from(document(4))  # imports on first use do not count as planning
    began = time.perf_counter()
    plan = plan_from(stack)
    planned = time.perf_counter()
    text = json.dumps(plan_document(plan))
    shown = time.perf_counter()
    assert len(plan.nodes) == nodes
    assert len(plan.ip_pools) == 2 * len(plan.nodes)
    return {
        "nodes": nodes,
        "plan": planned - began,
        "report": shown - planned,
        "bytes": len(text),
        "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> int:
    """Measure every size and say whether the required figures hold."""
    if len(sys.argv) > 1:
        sys.path.insert(0, str(ROOT))
        print(json.dumps(measure(int(sys.argv[1]))))
        return 0
    results = [_in_its_own_process(size) for size in SIZES]
    print(f"{'nodes':>6} {'plan s':>8} {'ms/node':>8} {'report s':>9} {'MiB':>7}")
    for r in results:
        each = 1000 * r["plan"] / r["nodes"]
        print(
            f"{r['nodes']:>6} {r['plan']:>8.3f} {each:>8.3f} {r['report']:>9.3f} "
            f"{r['mebibytes']:>7.0f}"
        )
    by_size = {int(r["nodes"]): r for r in results}
    growth = (by_size[5000]["plan"] / 5000) / (by_size[1000]["plan"] / 1000)
    checks = {
        f"1,000 nodes under {SECONDS_FOR_1000} s": by_size[1000]["plan"] < SECONDS_FOR_1000,
        f"1,000 nodes under {MEBIBYTES_FOR_1000:.0f} MiB": by_size[1000]["mebibytes"]
        < MEBIBYTES_FOR_1000,
        f"linear: a node at 5,000 costs {growth:.2f} times one at 1,000": growth < LINEAR_WITHIN,
    }
    for what, holds in checks.items():
        print(f"{'holds' if holds else 'FAILS'}: {what}")
    return 0 if all(checks.values()) else 1


def _in_its_own_process(size: int) -> dict[str, float]:
    done = subprocess.run(  # noqa: S603 - this file, by this interpreter
        [sys.executable, __file__, str(size)], check=True, capture_output=True, text=True
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    raise SystemExit(main())
