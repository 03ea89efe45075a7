"""JSON Schema of a stack file, for editors (docs/schema)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from config.model import ClusterConfig
from config.stackfile import CLUSTER_KEY, NAMESPACE

DIALECT = "https://json-schema.org/draft/2020-12/schema"
CLUSTER_FILE = "cluster.schema.json"
STACK_FILE = "stack.schema.json"

_IPV4_NETWORK = r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$"


def cluster_schema() -> dict[str, Any]:
    """The schema of the `cluster` object, without rules over several fields.

    docs/configuration.md has those rules. A key that the model needs is not required here if a
    profile has a default for it.
    """
    schema = _plain(ClusterConfig.model_json_schema(by_alias=True))
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
