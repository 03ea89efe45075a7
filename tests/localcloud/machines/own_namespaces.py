"""Programs of tests that run in namespaces of their own, as a VPC's process does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from localcloud.machines.privileges import NamespacesUnavailableError, outer_command
from tests.localcloud.machines.fake_cloud import REPOSITORY


def run_python(*arguments: str | Path, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run this Python with our packages; the test is skipped where there are no namespaces."""
    try:
        namespaces = outer_command()
    except NamespacesUnavailableError as error:
        pytest.skip(str(error))
    return subprocess.run(  # noqa: S603  (our own program)
        [*namespaces, sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'local'}"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def printed_json(*arguments: str | Path, timeout: float) -> Any:  # noqa: ANN401  (JSON)
    """Run it, and return the JSON that it prints. It has to end well."""
    done = run_python(*arguments, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
