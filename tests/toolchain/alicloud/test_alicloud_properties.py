"""Every property the built plugin makes of upstream's schema, compared with the published SDK."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.toolchain.alicloud import published_sdk
from toolchain.pins import ALICLOUD_VERSION
from toolchain.places import SOURCES

pytestmark = pytest.mark.engine

PLUGIN: Final = SOURCES.parents[1] / ".local" / "bin" / "pulumi-resource-alicloud"
# The SDK has the id of a resource, and of a result, from the engine.
FROM_THE_ENGINE: Final = {"id"}


@pytest.fixture(scope="module")
def surface() -> Mapping[str, Any]:
    if not os.access(PLUGIN, os.X_OK):
        pytest.fail(f"{PLUGIN} is not there; run `python -m toolchain ensure`")
    if ".pulumi" in Path(PLUGIN).resolve().parts:
        pytest.skip("the published plugin itself is installed here")
    done = subprocess.run(  # noqa: S603 - our own program
        [PLUGIN, "properties"], capture_output=True, text=True, check=True, timeout=60
    )
    document: Mapping[str, Any] = json.loads(done.stdout)
    return document


def test_the_plugin_says_the_version_the_sdk_asks_for(surface: Mapping[str, Any]) -> None:
    assert surface["version"] == ALICLOUD_VERSION


def test_resources_have_the_properties_of_the_sdk(surface: Mapping[str, Any]) -> None:
    assert differences(surface["resources"]) == []


def test_data_sources_have_the_properties_of_the_sdk(surface: Mapping[str, Any]) -> None:
    assert differences(surface["dataSources"]) == []


def test_resources_take_the_inputs_of_the_sdk(surface: Mapping[str, Any]) -> None:
    wrong = {
        token: sorted(inputs(properties) ^ published_sdk.inputs_of(token))
        for token, properties in surface["resources"].items()
    }
    assert {token: names for token, names in wrong.items() if names} == {}


def test_data_sources_take_the_arguments_of_the_sdk(surface: Mapping[str, Any]) -> None:
    wrong = {
        token: sorted(inputs(properties) ^ published_sdk.arguments_of(token))
        for token, properties in surface["dataSources"].items()
    }
    assert {token: names for token, names in wrong.items() if names} == {}


def test_the_provider_takes_the_settings_of_the_sdk(surface: Mapping[str, Any]) -> None:
    from pulumi_alicloud import ProviderArgs  # noqa: PLC0415 - slow to import; only here

    assert set(surface["config"]) == published_sdk.names(ProviderArgs)


def inputs(properties: Mapping[str, Any]) -> set[str]:
    return {name for name, entry in properties.items() if entry["input"]}


def differences(tokens: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        line
        for token, properties in sorted(tokens.items())
        for line in compare(token, properties, published_sdk.outputs_of(token))
    ]


def compare(path: str, ours: Mapping[str, Any], theirs: published_sdk.Shape) -> Iterator[str]:
    for name in sorted((set(ours) ^ set(theirs)) - FROM_THE_ENGINE):
        yield f"{path}.{name}: only {'the plugin' if name in ours else 'the SDK'} has it"
    for name in sorted(set(ours) & set(theirs)):
        if ours[name]["many"] != theirs[name]["many"]:
            yield f"{path}.{name}: a collection for only one of plugin and SDK"
        fields = ours[name].get("fields", {})
        if bool(fields) != bool(theirs[name]["fields"]):
            yield f"{path}.{name}: an object for only one of plugin and SDK"
        elif fields:
            yield from compare(f"{path}.{name}", fields, theirs[name]["fields"])
