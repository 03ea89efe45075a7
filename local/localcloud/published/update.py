"""Take the published parameters of our actions from a checkout of the vendor's metadata.

    python -m localcloud.published.update CHECKOUT

CHECKOUT is a git repository of `github.com/aliyun/aliyun-openapi-meta` (Apache-2.0); it needs no
work tree. Writes one file for each product into `data/`, in a shorter form: name, type, whether the
parameter is mandatory, and its parts. An action that is not published there is left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from localcloud.products.catalogue import PRODUCTS
from localcloud.published.parameters import DATA

SOURCE: Final = "https://github.com/aliyun/aliyun-openapi-meta"
_FOLDERS: Final = {
    "Ecs": "ecs",
    "Vpc": "vpc",
    "Slb": "slb",
    "Nlb": "nlb",
    "Ram": "ram",
    "Sts": "sts",
    "BssOpenApi": "bssopenapi",
    "ResourceManager": "resourcemanager",
}
"""Product → its folder below `metadatas/`; Location is not published."""
_NOT_OURS: Final = frozenset({"Host", "Domain"})
"""Positions of parameters that no request carries."""


def main(arguments: Sequence[str]) -> int:
    """Write the files; 2 for a wrong command line."""
    if len(arguments) != 1:
        sys.stderr.write("Usage: python -m localcloud.published.update CHECKOUT\n")
        return 2
    checkout = Path(arguments[0])
    commit, date = _git(checkout, "log", "-1", "--format=%H %cs").split()
    for product in PRODUCTS.values():
        folder = _FOLDERS.get(product.name)
        if folder is None:
            continue
        published = set(
            _git(checkout, "ls-tree", "--name-only", "HEAD", f"metadatas/{folder}/").split()
        )
        actions = {
            action: [_short(parameter) for parameter in _parameters(checkout, path)]
            for action in sorted(product.actions)
            if (path := f"metadatas/{folder}/{action}.json") in published
        }
        document = {
            "source": SOURCE,
            "license": "Apache-2.0",
            "commit": commit,
            "date": date,
            "version": product.version,
            "actions": actions,
        }
        target = DATA / f"{product.name}.json"
        target.write_text(_text(document), encoding="utf-8")
        sys.stdout.write(f"{target.name}: {len(actions)} of {len(product.actions)} actions\n")
    return 0


def _parameters(checkout: Path, path: str) -> Iterator[Mapping[str, Any]]:
    document = json.loads(_git(checkout, "show", f"HEAD:{path}"))
    for parameter in document.get("parameters") or ():
        if parameter["position"] not in _NOT_OURS:
            yield parameter


def _short(parameter: Mapping[str, Any]) -> dict[str, object]:
    short: dict[str, object] = {"name": parameter["name"], "type": parameter["type"]}
    if parameter.get("required"):
        short["required"] = True
    if parts := parameter.get("sub_parameters"):
        short["parts"] = [_short(part) for part in parts]
    return short


def _text(document: Mapping[str, Any]) -> str:
    """JSON with one parameter a line, so that an update can be read as a diff."""
    head = {key: value for key, value in document.items() if key != "actions"}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    blocks = [
        f"  {json.dumps(action)}: [\n"
        + ",\n".join(f"   {json.dumps(parameter)}" for parameter in parameters)
        + "\n  ]"
        if parameters
        else f"  {json.dumps(action)}: []"
        for action, parameters in document["actions"].items()
    ]
    return "{\n" + "\n".join(lines) + '\n "actions": {\n' + ",\n".join(blocks) + "\n }\n}\n"


def _git(checkout: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - git on the folder that the user named
        ["git", "-C", str(checkout), *arguments],  # noqa: S607 - whichever git is on PATH
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
