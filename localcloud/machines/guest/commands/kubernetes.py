"""kubeadm, the real one; kubelet, the simulated one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from localcloud.machines.guest import about
from localcloud.machines.guest.lines import complain, say
from localcloud.machines.guest.rootfs import TOOLS

if TYPE_CHECKING:
    from collections.abc import Sequence


def kubeadm(words: Sequence[str]) -> NoReturn:
    """Become the real kubeadm, without preflight: it looks at a real node's kernel and images."""
    arguments = without_preflight(words)
    if arguments != list(words):
        say("kubeadm: phase preflight is left out (this machine has no images of its own)")
    os.execv(TOOLS / "kubeadm", ["kubeadm", *arguments])  # noqa: S606  (the machine's own command)


def without_preflight(words: Sequence[str]) -> list[str]:
    """Return the arguments of an init or join with preflight among the skipped phases."""
    if words[:1] not in (["init"], ["join"]) or words[1:2] == ["phase"]:
        return list(words)
    kept = [word for word in words if not word.startswith("--skip-phases=")]
    given = [word.partition("=")[2] for word in words if word.startswith("--skip-phases=")]
    return [*kept, f"--skip-phases={','.join(['preflight', *given])}"]


def kubelet(words: Sequence[str]) -> int:
    """Become the simulated kubelet."""
    if list(words) == ["--version"]:
        say(f"Kubernetes {about.read().kubernetes_version}")
        return 0
    module = "localcloud.machines.guest.kubelet"
    return os.execv(sys.executable, [sys.executable, "-m", module, *words])  # noqa: S606  (ditto)


def kubectl(_: Sequence[str]) -> int:
    """Stand where the toolchain has no kubectl."""
    complain("kubectl: this machine's toolchain has none")
    return 1
