"""The mapping of the local Alibaba Cloud plugin, compared with the published SDK."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.toolchain.alicloud import published_sdk
from toolchain.places import SOURCES

pytestmark = pytest.mark.unit

ROOT: Final = SOURCES.parents[1]
MAPPING: Final[Mapping[str, Mapping[str, str]]] = json.loads(
    (SOURCES / "alicloud" / "mapping.json").read_text(encoding="utf-8")
)
RESOURCES: Final = sorted(MAPPING["resources"].values())
DATA_SOURCES: Final = sorted(MAPPING["dataSources"].values())


@pytest.mark.parametrize("token", RESOURCES)
def test_the_sdk_registers_a_mapped_resource_under_the_same_token(token: str) -> None:
    module = published_sdk.module_of(token)
    assert published_sdk.token_registered_by(module, token.rsplit(":", maxsplit=1)[-1]) == token


@pytest.mark.parametrize("token", DATA_SOURCES)
def test_the_sdk_calls_a_mapped_data_source_by_the_same_token(token: str) -> None:
    module = published_sdk.module_of(token)
    function = published_sdk.snake(token.rsplit(":", maxsplit=1)[-1])
    assert published_sdk.token_registered_by(module, function) == token


def test_every_cloud_type_of_the_program_is_mapped() -> None:
    used = {
        (room, name)
        for path in [ROOT / "__main__.py", *sorted((ROOT / "components").rglob("*.py"))]
        for room, name in cloud_names(path)
    }
    tokens = {token for room, name in used for token in tokens_of(room, name)}
    assert tokens, "no use of pulumi_alicloud found: this test looks in the wrong place"
    assert tokens - {*RESOURCES, *DATA_SOURCES} == set()


def test_what_is_single_in_the_mapping_is_mapped_itself() -> None:
    assert set(MAPPING["maxItemsOne"]) <= set(MAPPING["resources"])


def cloud_names(path: Path) -> Iterator[tuple[str, str]]:
    """Yield ("vpc", "Network") for each use of a submodule of pulumi_alicloud."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    rooms: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "pulumi_alicloud":
            rooms |= {alias.asname or alias.name: alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pulumi_alicloud."):
            yield from ((str(node.module).split(".")[1], alias.name) for alias in node.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            room = rooms.get(node.value.id)
            if room is not None:
                yield room, node.attr


def tokens_of(room: str, name: str) -> set[str]:
    """Return the token of a resource class or a data source; nothing for its arguments."""
    if name.endswith(("Args", "ArgsDict", "Result")):
        return set()
    name = name.removesuffix("_output")
    if name.startswith("get_"):
        first, *rest = name.split("_")
        name = first + "".join(word.title() for word in rest)
    token = f"alicloud:{room}/{name[0].lower()}{name[1:]}:{name}"
    published_sdk.module_of(token)  # the SDK has it under this very name
    return {token}
