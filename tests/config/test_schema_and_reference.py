"""Schema and reference are what the model says, and the schema takes what the model takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from referencing import Registry, Resource

from config import model, reference, schema
from config.model import Model
from config.schema import meanings

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
STACKS = sorted((*ROOT.glob("stacks/*.yaml"), *ROOT.glob("docs/examples/*.yaml")))
FIXTURES = ROOT / "tests/config/fixtures"


def _validator() -> jsonschema.Draft202012Validator:
    cluster = schema.cluster_schema()
    registry: Registry[Any] = Registry().with_resource(
        schema.CLUSTER_FILE, Resource.from_contents(cluster)
    )
    return jsonschema.Draft202012Validator(schema.stack_schema(), registry=registry)


def _errors(cluster: object) -> Iterator[str]:
    document = {"config": {"spiderpool-alicloud:cluster": cluster}}
    yield from (error.message for error in _validator().iter_errors(document))


@pytest.mark.parametrize("path", reference.generated(), ids=lambda p: p.name)
def test_generated_files_are_in_step_with_the_model(path: Path) -> None:
    written = path.read_text(encoding="utf-8") if path.exists() else ""
    assert written == reference.generated()[path], "run `python -m config.reference`"


def test_the_schemas_are_schemas() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.cluster_schema())
    jsonschema.Draft202012Validator.check_schema(schema.stack_schema())


@pytest.mark.parametrize("path", STACKS, ids=lambda p: p.stem)
def test_the_schema_takes_every_stack_file_and_example(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert [error.message for error in _validator().iter_errors(document)] == []


@pytest.mark.parametrize(
    "rule", ["unknown-key", "unknown-choice", "third-nic", "missing-key", "name-no-dns-label"]
)
def test_the_schema_refuses_what_an_editor_can_know(rule: str) -> None:
    cluster = yaml.safe_load((FIXTURES / f"cluster.error.{rule}.yaml").read_text())
    assert list(_errors(cluster))


@pytest.mark.parametrize("path", STACKS, ids=lambda p: p.stem)
def test_every_stack_file_names_its_schema(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == ROOT / "docs/schema" / schema.STACK_FILE


def test_every_key_has_a_meaning() -> None:
    models = [c for c in vars(model).values() if isinstance(c, type) and issubclass(c, Model)]
    without = [
        f"{kind.__name__}.{name}"
        for kind in models
        for name in kind.model_fields
        if not meanings(kind).get(name)
    ]
    assert without == []


def test_every_key_is_in_the_reference() -> None:
    text = reference.reference()
    keys = {
        str(field.alias)
        for kind in vars(model).values()
        if isinstance(kind, type) and issubclass(kind, Model)
        for field in kind.model_fields.values()
    }
    assert [key for key in sorted(keys) if f"| `{key}` |" not in text] == []


def test_the_schema_is_json_without_generated_titles() -> None:
    properties = json.loads(json.dumps(schema.cluster_schema()))["properties"]
    assert all("title" not in value for value in properties.values())
