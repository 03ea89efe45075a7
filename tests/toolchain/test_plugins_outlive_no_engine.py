from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ENGINE = """
import subprocess, sys
argv = [sys.executable, "-m", sys.argv[1], "127.0.0.1:1"]
plugin = subprocess.Popen(argv, stdout=subprocess.PIPE)
plugin.stdout.readline()
print(plugin.pid, flush=True)
sys.stdin.read()
"""
LIMIT = 20.0


@pytest.mark.parametrize("module", ["toolchain.language_host", "toolchain.kubernetes_provider"])
def test_a_plugin_ends_when_its_engine_was_killed(module: str) -> None:
    engine = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-c", ENGINE, module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert engine.stdout is not None
    plugin = Path("/proc", engine.stdout.readline().strip())
    assert plugin.is_dir()
    engine.kill()
    engine.wait()
    began = time.monotonic()
    while plugin.is_dir() and time.monotonic() - began < LIMIT:
        time.sleep(0.1)
    assert not plugin.is_dir()
