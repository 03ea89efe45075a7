"""Golden plans: what each stack file and each example makes, written down and reviewed as a diff.

    python -m tests.program.golden_plans        regenerates them all

A plan lists every resource with its inputs. Ids read `${Kind:name}`, so the wiring shows; secrets
read `[secret]`. Addresses that the cloud would choose come from the recording engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.deploying import KEY, ROOT, deploy
from tests.recording import Cloud, Resource, Run, Secret

FOLDER = Path(__file__).parent / "golden"
_HEAD = (
    "# Written by `python -m tests.program.golden_plans`; a change here is a change of clouds.\n"
)


def stack_files() -> dict[str, Path]:
    """Every file that describes a cluster, by the name of its plan."""
    stacks = {path.name.split(".")[1]: path for path in (ROOT / "stacks").glob("Pulumi.*.yaml")}
    examples = {
        f"example-{path.name.removeprefix('Pulumi.').removesuffix('.yaml')}": path
        for path in (ROOT / "docs" / "examples").glob("**/*.yaml")
    }
    return dict(sorted((stacks | examples).items()))


def cluster_in(path: Path) -> dict[str, Any]:
    """The `cluster` object of a stack file."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))["config"][f"{KEY}:cluster"]
    assert isinstance(document, dict)
    return document


@cache
def run_stack(name: str, path: Path, *, readable: bool = False) -> Run:
    """Deploy a stack file to the recording engine."""
    document = cluster_in(path)
    extra: dict[str, object] = {}
    if document.get("kubernetes", {}).get("mode") == "existing":
        extra["kubeconfig"] = "apiVersion: v1\nkind: Config\n"
    if document.get("cloudController", {}).get("credentials") == "access-key":
        extra["accessKey"] = {"accessKeyId": "LTAI-fake", "accessKeySecret": "fake"}
    return deploy(document, stack=name, cloud=Cloud(readable=readable), extra=extra)


def written(run: Run) -> str:
    """The plan as text, the same for the same plan."""
    names = {r.urn: f"{r.kind}/{r.name}" for r in run.resources}
    plan = {
        "resources": [_entry(resource, names) for resource in run.resources],
        "outputs": masked(run.outputs),
    }
    return _HEAD + yaml.safe_dump(plan, sort_keys=False, width=100, allow_unicode=True)


def _entry(resource: Resource, names: Mapping[str, str]) -> dict[str, object]:
    options = {
        "protect": resource.protect,
        "deleteBeforeReplace": resource.delete_before_replace,
        "retainOnDelete": resource.retain_on_delete,
        "ignoreChanges": list(resource.ignore_changes),
        "replaceOnChanges": list(resource.replace_on_changes),
        "deleteTimeout": resource.delete_timeout,
    }
    entry: dict[str, object] = {"type": resource.type, "name": resource.name}
    if resource.parent:
        entry["parent"] = names[resource.parent]
    if set_options := {key: value for key, value in options.items() if value}:
        entry["options"] = set_options
    if resource.inputs:
        entry["inputs"] = masked(resource.inputs)
    return entry


def masked(value: Any) -> Any:  # noqa: ANN401 - JSON is any of seven things
    """A value with its secrets hidden and its keys sorted."""
    match value:
        case Secret():
            return "[secret]"
        case Mapping():
            return {key: masked(value[key]) for key in sorted(value)}
        case list() | tuple():
            return [masked(inner) for inner in value]
        case _:
            return value


def main() -> None:
    """Write every plan, and take away plans of what is no longer there."""
    FOLDER.mkdir(exist_ok=True)
    plans = {
        FOLDER / f"{name}.yaml": written(run_stack(name, path, readable=True))
        for name, path in stack_files().items()
    }
    for stale in set(FOLDER.glob("*.yaml")) - plans.keys():
        stale.unlink()
    for path, text in plans.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
