"""Decides how guests can run on this host.

Neither the file `/dev/kvm` nor a KVM that creates a machine shows that a guest runs: a KVM inside
a virtual machine may run only kernels that were built for it, and stop at the first instruction of
others that it cannot emulate. So the test boots the kernel of our own machines.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from .hardware import Accelerator, trial
from .unpacked import Programs

_DEVICE: Final = Path("/dev/kvm")
_END: Final = b"Unable to mount root fs"
"""The kernel's message after it has booted and finds no disk."""
_SECONDS: Final = 8.0


def choose(programs: Programs, kernel: Path) -> Accelerator:
    """Choose KVM if our kernel boots with it, else software emulation."""
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return Accelerator.EMULATION
    if _END in _output(trial(programs, kernel, Accelerator.KVM)):
        return Accelerator.KVM
    return Accelerator.EMULATION


def _output(command: tuple[str, ...]) -> bytes:
    """Return the command's output; the command is killed after `_SECONDS`."""
    try:
        process = subprocess.run(  # noqa: S603  (built in this package)
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return error.stdout or b""
    except OSError:
        return b""
    return process.stdout
