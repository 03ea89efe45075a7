"""The cloud controller's RAM policies as the documentation shows them.

python -m tests.planning.ram_documents   # writes docs/cloud-controller/*.json
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from planning.cloud.cloud_controller import ram_policy, ram_trust_policy

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "cloud-controller"
DOCUMENTS: Final[Mapping[str, Callable[[], dict[str, object]]]] = MappingProxyType(
    {
        "ram-policy.json": ram_policy,
        "ram-trust-policy.json": ram_trust_policy,
    }
)


def text_of(name: str) -> str:
    """A document's text."""
    return json.dumps(DOCUMENTS[name](), indent=2) + "\n"


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in DOCUMENTS:
        (FOLDER / name).write_text(text_of(name))


if __name__ == "__main__":
    main()
