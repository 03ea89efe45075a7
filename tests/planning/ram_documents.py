"""The RAM policies as the documentation shows them.

python -m tests.planning.ram_documents   # writes docs/cloud-controller/*.json, docs/rights/*.json
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from planning.cloud.cloud_controller import ram_policy, ram_trust_policy
from planning.cloud.run_policies import preview_policy, run_policy

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs"
DOCUMENTS: Final[Mapping[str, Callable[[], dict[str, object]]]] = MappingProxyType(
    {
        "cloud-controller/ram-policy.json": ram_policy,
        "cloud-controller/ram-trust-policy.json": ram_trust_policy,
        "rights/preview-policy.json": preview_policy,
        "rights/run-policy.json": run_policy,
    }
)


def text_of(name: str) -> str:
    """A document's text."""
    return json.dumps(DOCUMENTS[name](), indent=2) + "\n"


def main() -> None:
    """Write them all."""
    for name in DOCUMENTS:
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text_of(name))


if __name__ == "__main__":
    main()
