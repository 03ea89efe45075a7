"""Freezes the layouts of a release: `python tests/planning/freeze_layouts.py 0.2.0`.

Copies the stack files and examples as they are now, with the addresses that they get, into
`frozen/<version>/`. A release that is frozen already is never written again: a cluster out there
has these addresses, and a later version that computes others would replace its nodes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
FROZEN = Path(__file__).parent / "frozen"


def layout(document: Mapping[str, object]) -> dict[str, object]:
    """Every address of every node, and what each pool holds."""
    from planning.read import plan_from  # noqa: PLC0415 - run as a script, the path comes first

    plan = plan_from(document)
    return {
        "nodes": {
            name: {
                "zone": node.zone,
                "maxPods": node.max_pods,
                "interfaces": {
                    nic: {
                        "vswitch": interface.vswitch,
                        "primary": str(interface.primary),
                        "podAddresses": [str(a) for a in interface.pods.planned],
                        "prefixes": [str(p) for p in interface.pods.blocks],
                    }
                    for nic, interface in node.interfaces.items()
                },
            }
            for name, node in plan.nodes.items()
        },
        "pools": {
            name: {
                "gateway": None if pool.gateway is None else str(pool.gateway),
                "ips": list(pool.ips),
                "twins": [str(a) for a in pool.twins],
            }
            for name, pool in plan.ip_pools.items()
        },
    }


def main() -> int:
    sys.path.insert(0, str(ROOT))
    if len(sys.argv) != 2 or not re.fullmatch(r"\d+\.\d+\.\d+", sys.argv[1]):
        sys.stderr.write("Name the release, for example 0.2.0.\n")
        return 2
    from config.stackfile import read_file  # noqa: PLC0415

    version = sys.argv[1]
    place = FROZEN / version
    if place.exists():
        sys.stderr.write(f"{version} is frozen already; a released layout never changes.\n")
        return 1
    place.mkdir(parents=True)
    sources = [*(ROOT / "stacks").glob("Pulumi.*.yaml"), *(ROOT / "docs/examples").glob("*.yaml")]
    for source in sorted(sources):
        name = source.stem.removeprefix("Pulumi.")
        cluster = read_file(source).cluster
        (place / f"{name}.cluster.json").write_text(
            json.dumps(cluster, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
        (place / f"{name}.layout.json").write_text(
            json.dumps(layout(cluster), indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
