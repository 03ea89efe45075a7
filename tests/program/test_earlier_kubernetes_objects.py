"""What this release makes of the Kubernetes objects that an earlier one deployed.

`earlier/` has two stacks with the objects that the release before the transitions registered for
them, from its own golden plans. States of that release without Kubernetes objects go through the
engine (`tests/engine/lifecycle/test_earlier_release.py`). A state with objects cannot: a preview
asks the API server that has them, and its etcd would have to be recorded with the state. So the
inputs of both programs are compared here, with the edits that the change log asks for under
**Required action**.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters import Document
from tests.deploying import deploy
from tests.program.golden_plans import masked
from tests.recording import Cloud

pytestmark = pytest.mark.unit

FOLDER = Path(__file__).parent / "earlier"

Objects = dict[tuple[str, str], Any]
"""By type and name: inputs."""


def keep_the_version(cluster: Document) -> None:
    cluster["kubernetes"] = {**cluster.get("kubernetes", {}), "version": "1.35.4"}


def keep_mirrors_and_say_whose_namespace(cluster: Document) -> None:
    keep_the_version(cluster)
    cluster["kubernetes"]["mirrors"] = "global"
    cluster["namespaces"] = {"audit": {"create": False}}


REQUIRED: Mapping[str, Callable[[Document], None]] = {
    "dev": keep_the_version,
    "load-balancers": keep_mirrors_and_say_whose_namespace,
}

CHANGED = {
    ("Deployment", "spec.template.spec.tolerations"),
    ("Service", "metadata.annotations.pulumi.com/skipAwait"),
    ("SpiderCoordinator", "spec.hijackCIDR"),
}
"""The cloud controller leaves a lost node after a minute, so its pods are created again; the note
on a Service is Pulumi's own, which starts and stops nothing; new pods get a route to their node for
the metadata service."""

CREATED = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
"""The guard of the nodes' annotations is new."""


def earlier(name: str) -> tuple[Document, Objects]:
    recording = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    objects = {(each["type"], each["name"]): each["inputs"] for each in recording["objects"]}
    return recording["cluster"], objects


def now(cluster: Document, stack: str) -> Objects:
    run = deploy(cluster, stack=stack, cloud=Cloud(readable=True))
    return {
        (each.type, each.name): masked(each.inputs)
        for each in run.resources
        if each.type.startswith("kubernetes:")
    }


def different(before: Any, after: Any, at: str = "") -> Iterator[str]:  # noqa: ANN401 - JSON
    """Paths of settings that differ; a list is one setting."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            path = f"{at}.{key}" if at else key
            yield from different(before.get(key), after.get(key), path)
    elif before != after:
        yield at


@pytest.mark.parametrize("name", REQUIRED)
def test_the_first_run_changes_only_what_the_change_log_says(name: str) -> None:
    cluster, before = earlier(name)
    REQUIRED[name](cluster)
    after = now(cluster, name)
    # Under another type or name an object would be deleted and created again.
    assert before.keys() <= after.keys()
    added = {(kind.rpartition(":")[2], own) for kind, own in after.keys() - before.keys()}
    assert {kind for kind, _ in added} == CREATED
    assert all("-annotations-" in own for _, own in added)
    changed = {
        (kind.rpartition(":")[2], path)
        for kind, own in before
        for path in different(before[kind, own], after[kind, own])
    }
    assert changed <= CHANGED
