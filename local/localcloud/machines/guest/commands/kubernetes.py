"""kubeadm and kubectl, the real ones in the version installed; kubelet, the simulated one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from localcloud.machines.guest.apt import installed
from localcloud.machines.guest.lines import complain, say
from localcloud.machines.guest.rootfs import KUBERNETES

if TYPE_CHECKING:
    from collections.abc import Sequence

_OF_A_REAL_RUNTIME: Final = "ContainerRuntimeVersion,ImagePull,SystemVerification"
_IGNORED: Final = "--ignore-preflight-errors="
_SKIPPED: Final = "--skip-phases="


def kubeadm(words: Sequence[str]) -> int:
    """Become the real kubeadm; its checks of kernel, runtime and images are skipped."""
    arguments = without_preflight(words)
    if arguments != list(words):
        say("kubeadm: the checks of images and of the runtime are skipped (simulated machine)")
    return _become("kubeadm", arguments)


def kubectl(words: Sequence[str]) -> int:
    """Become the real kubectl."""
    return _become("kubectl", words)


def without_preflight(words: Sequence[str]) -> list[str]:
    """Return kubeadm's arguments for a machine that has no container runtime.

    `init` and `join` skip the phase preflight. `upgrade` does not: its preflight asks the cluster
    whether it is well and whether the versions may follow each other; checks of the runtime's own
    only warn.
    """
    if words[:1] in (["init"], ["join"]) and words[1:2] != ["phase"]:
        return _with(_SKIPPED, "preflight", words)
    if words[:2] in (["upgrade", "apply"], ["upgrade", "node"]) and words[2:3] != ["phase"]:
        return _with(_IGNORED, _OF_A_REAL_RUNTIME, words)
    return list(words)


def _with(flag: str, value: str, words: Sequence[str]) -> list[str]:
    kept = [word for word in words if not word.startswith(flag)]
    present = [word.removeprefix(flag) for word in words if word.startswith(flag)]
    return [*kept, flag + ",".join([value, *present])]


def _become(name: str, words: Sequence[str]) -> int:
    version = installed.upstream_version(name)
    path = KUBERNETES / version / name
    if not path.exists():
        complain(f"{name}: the toolchain of this machine has none of version {version}")
        return 127
    return os.execv(path, [name, *words])  # noqa: S606  (the machine's own command)


def kubelet(words: Sequence[str]) -> int:
    """Become the simulated kubelet."""
    if list(words) == ["--version"]:
        say(f"Kubernetes {installed.upstream_version('kubelet')}")
        return 0
    module = "localcloud.machines.guest.kubelet"
    return os.execv(sys.executable, [sys.executable, "-m", module, *words])  # noqa: S606  (ditto)
