"""JSON Schema of a stack file, for editors (docs/schema)."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import Any

from pydantic import BaseModel

from config import model
from config.model import ClusterConfig
from config.stackfile import CLUSTER_KEY, NAMESPACE

DIALECT = "https://json-schema.org/draft/2020-12/schema"
CLUSTER_FILE = "cluster.schema.json"
STACK_FILE = "stack.schema.json"

_IPV4_NETWORK = r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$"


@cache
def meanings(kind: type[BaseModel]) -> Mapping[str, str]:
    """What the fields of a model mean, by their names: the texts below them in its source.

    pydantic could read them when it creates the class (`use_attribute_docstrings`), but then every
    preview would, which needs none of them.
    """
    (tree,) = ast.parse(dedent(inspect.getsource(kind))).body
    return dict(_meanings(tree.body if isinstance(tree, ast.ClassDef) else []))


def _meanings(statements: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(statements):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text)


def cluster_schema() -> dict[str, Any]:
    """The schema of the `cluster` object, without rules over several fields.

    docs/configuration.md has those rules. A key that the model needs is not required here if a
    profile has a default for it.
    """
    schema = ClusterConfig.model_json_schema(by_alias=True)
    for name, definition in {**schema["$defs"], ClusterConfig.__name__: schema}.items():
        _explain(definition, getattr(model, name))
    schema = _plain(schema)
    return {
        "$schema": DIALECT,
        "$id": CLUSTER_FILE,
        **schema,
        "title": "spiderpool-alicloud: a stack's cluster",
    }


def stack_schema() -> dict[str, Any]:
    """The schema of a whole stack file."""
    secret = {"description": "Set by `pulumi config set --secret`; never in plain text."}
    return {
        "$schema": DIALECT,
        "$id": STACK_FILE,
        "title": "spiderpool-alicloud: a stack file",
        "type": "object",
        "required": ["config"],
        "properties": {
            "config": {
                "type": "object",
                "required": [CLUSTER_KEY],
                "properties": {
                    CLUSTER_KEY: {"$ref": CLUSTER_FILE},
                    f"{NAMESPACE}:secrets": secret,
                    f"{NAMESPACE}:kubeconfig": secret,
                    f"{NAMESPACE}:accessKey": secret,
                    f"{NAMESPACE}:secretsFile": {
                        "type": "string",
                        "description": "Path of the secrets' file; for the local profile only.",
                    },
                },
            }
        },
    }


def _explain(definition: dict[str, Any], kind: type) -> None:
    """Give each property of a model's schema its meaning, with the keys in pydantic's own order."""
    if issubclass(kind, BaseModel):
        properties = definition["properties"]
        for name, meaning in meanings(kind).items():
            key = kind.model_fields[name].alias
            properties[key] = dict(sorted({**properties[key], "description": meaning}.items()))


def _plain(node: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """Replace formats that editors do not know, forbid other names, and drop generated titles."""
    if isinstance(node, Mapping):
        kept = {
            key: _plain(value)
            for key, value in node.items()
            if key != "title" or not isinstance(value, str)
        }
        if "patternProperties" in kept:
            kept.setdefault("additionalProperties", False)
        if kept.get("format") == "ipv4network":
            del kept["format"]
            kept["pattern"] = _IPV4_NETWORK
        return kept
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return node
