"""containerd, crictl and ctr: a socket, a configuration check, no containers."""

from __future__ import annotations

import os
import signal
import socket
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localcloud.machines.guest.lines import complain, say
from localcloud.machines.guest.rootfs import TOOLS

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOCKET: Final = Path("/run/containerd/containerd.sock")
_CONFIGURATION: Final = Path("/etc/containerd/config.toml")
_DEFAULT: Final = """\
version = 3

[plugins]
  [plugins.'io.containerd.cri.v1.images']
    [plugins.'io.containerd.cri.v1.images'.pinned_images]
      sandbox = 'registry.k8s.io/pause:3.10.1'
  [plugins.'io.containerd.cri.v1.runtime']
    [plugins.'io.containerd.cri.v1.runtime'.containerd]
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
        [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
          SystemdCgroup = false
"""
_QUIET_CRICTL: Final = frozenset({"config", "images", "info", "pods", "ps", "pull", "version"})


def containerd(words: Sequence[str]) -> int:
    """Print the default configuration or the version, or stay as the service."""
    if list(words) == ["config", "default"]:
        say(_DEFAULT)
        return 0
    if words and words[0] in {"--version", "-v"}:
        say("containerd github.com/containerd/containerd/v2 2.2.1 (simulated)")
        return 0
    if words and words[0] not in {"--config", "-c"}:
        complain(f"containerd {words[0]}: not simulated")
        return 1
    if _CONFIGURATION.exists():
        try:
            tomllib.loads(_CONFIGURATION.read_text("utf-8"))
        except tomllib.TOMLDecodeError as error:
            complain(f"containerd: failed to load TOML: {_CONFIGURATION}: {error}")
            return 1
    _SOCKET.parent.mkdir(parents=True, exist_ok=True)
    _SOCKET.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(_SOCKET))
        listener.listen(1)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


def crictl(words: Sequence[str]) -> int:
    """Accept what a set-up asks for; there is nothing to pull or to list."""
    plain = [word for word in words if not word.startswith("-")]
    if plain and plain[0] in _QUIET_CRICTL:
        return 0
    complain(f"crictl {' '.join(words)}: not simulated")
    return 1


def ctr(words: Sequence[str]) -> int:
    """`ctr run` becomes the machine's own program of the command's name; mounts change nothing.

    The command comes after the image and the container's id.
    """
    rest = list(words)
    if rest[:1] == ["--namespace"]:
        rest = rest[2:]
    if rest[:1] != ["run"]:
        complain(f"ctr {' '.join(words)}: not simulated")
        return 1
    rest = rest[1:]
    while rest and rest[0].startswith("--"):
        rest = rest[2:] if rest[0] == "--mount" else rest[1:]
    _image, _container, name, *arguments = rest
    if not (TOOLS / name).exists():
        complain(f"ctr: the toolchain of this machine has no {name}")
        return 127
    return os.execv(TOOLS / name, [name, *arguments])  # noqa: S606  (the machine's own command)
