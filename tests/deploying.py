"""The real program, `__main__.py`, deployed to the recording engine."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

from planning.nodes.secrets import dump_secrets
from tests.clusters import Document, adopted_there, fake_secrets
from tests.recording import Cloud, Run, record

ROOT = Path(__file__).parent.parent
KEY = "spiderpool-alicloud"


def deploy(
    document: Document,
    *,
    preview: bool = False,
    cloud: Cloud | None = None,
    extra: Mapping[str, object] | None = None,
    stack: str = "test",
) -> Run:
    """Run the program for the cluster that `document` describes, with fake secrets.

    `extra` are more configuration values, each a secret; None in it takes one away. The API server
    is taken for ready, and machines for joined, at once; the tests of `until_ready` and of
    `until_joined` are about waiting.
    """
    cloud = cloud or Cloud()
    if cloud.there is None:
        cloud.there = adopted_there(document)
    secrets = {f"{KEY}:secrets": dump_secrets(fake_secrets())} | {
        f"{KEY}:{key}": value for key, value in (extra or {}).items()
    }
    present = {key: value for key, value in secrets.items() if value is not None}
    with (
        patch("components.control_plane.until_ready", _at_once),
        patch("components.machines.rollout.kept_values._now", lambda: 0.0),
        patch("components.machines.rollout.rollout.until_joined", _joined),
    ):
        return record(
            lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"),
            preview=preview,
            cloud=cloud,
            config={f"{KEY}:cluster": document, **present},
            secret_keys=list(present),
            stack=stack,
        )


def first_preview(document: Document, **kwargs: Any) -> Run:  # noqa: ANN401 - as `deploy`
    """Preview on an empty state: nothing has an id, nothing is computed."""
    return deploy(document, preview=True, cloud=Cloud(ids_known=False), **kwargs)


async def _joined(*_: object, **__: object) -> None:
    """Every machine has joined."""


async def _at_once(kubeconfig: str, **_: object) -> str:
    return kubeconfig
