"""How this user can create namespaces: as root, through a user namespace, or not at all."""

from __future__ import annotations

import os
import subprocess
from typing import Final

_NAMESPACES: Final = ("--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child")
_AS_ROOT_INSIDE: Final = ("--user", "--map-root-user")


class NamespacesUnavailableError(Exception):
    """The user is not root and unprivileged user namespaces are unavailable."""


def outer_command() -> tuple[str, ...]:
    """Return the `unshare` command that a VPC's process is started with.

    Raises NamespacesUnavailableError, whose message says what to do.
    """
    candidates = [_AS_ROOT_INSIDE] if os.geteuid() else [(), _AS_ROOT_INSIDE]
    for extra in candidates:
        command = ("unshare", *extra, *_NAMESPACES, "--mount-proc")
        if _works(command):
            return command
    raise NamespacesUnavailableError(
        "Booting machines needs Linux namespaces (mount, net, uts, ipc, pid), and this user may "
        "create none: run as root, allow unprivileged user namespaces (`sysctl -w "
        "kernel.apparmor_restrict_unprivileged_userns=0`, user.max_user_namespaces above 0), or "
        "start the container with --privileged; `unshare` of util-linux must be installed."
    )


def inner_command() -> tuple[str, ...]:
    """Return the `unshare` command that a machine is started with inside a VPC's process."""
    return ("unshare", *_NAMESPACES, "--cgroup")


def _works(command: tuple[str, ...]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603  (built above)
            [*command, "true"], capture_output=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
