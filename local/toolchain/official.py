"""Official tools that are installed; one is used only if it has exactly the pinned version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from toolchain import pins
from toolchain.pins import BUILDS
from toolchain.places import Places
from toolchain.plugins.plugin_cache import VERSIONS, plugin_path


def _starts_with(text: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(text)}(?![\w.-])")


_KUBERNETES: Final = _starts_with(f"Kubernetes v{pins.KUBERNETES_VERSION}")
_ETCD: Final = next(build.version for build in BUILDS if build.name == "etcd")
_VERSIONS: Final[Mapping[str, tuple[tuple[str, ...], re.Pattern[str]]]] = {
    "kube-apiserver": (("--version",), _KUBERNETES),
    "kube-controller-manager": (("--version",), _KUBERNETES),
    "kube-scheduler": (("--version",), _KUBERNETES),
    "kubeadm": (("version", "--output=short"), _starts_with(f"v{pins.KUBERNETES_VERSION}")),
    "kubectl": (
        ("version", "--client"),
        _starts_with(f"Client Version: v{pins.KUBERNETES_VERSION}"),
    ),
    "helm": (("version", "--short"), _starts_with(f"v{pins.HELM_VERSION}")),
    "etcd": (("--version",), _starts_with(f"etcd Version: {_ETCD}")),
    "etcdutl": (("version",), _starts_with(f"etcdutl version: {_ETCD}")),
    "pulumi-resource-alicloud": (("-version",), _starts_with(pins.ALICLOUD_VERSION)),
}
"""Program to the arguments that print its version, and how that output must begin."""


def official_tools(bin_directory: Path, environment: Mapping[str, str]) -> dict[str, Path]:
    """Find installed tools by program name.

    Args:
        bin_directory: Our own links; never taken for an installation.
        environment: Its PATH and HOME are read.
    """
    home = Path(environment.get("HOME", "/"))
    path = os.pathsep.join(
        entry
        for entry in [*environment.get("PATH", "").split(os.pathsep), str(home / ".pulumi" / "bin")]
        if entry and Path(entry).resolve() != bin_directory.resolve() and not _is_ours(Path(entry))
    )
    return {
        **_pulumi(path),
        **_others(path),
        **_plugins(Path(environment.get("PULUMI_HOME", home / ".pulumi")), home / ".pulumi"),
    }


def _is_ours(directory: Path) -> bool:
    """Tell whether this is the `bin` of another checkout, whose links may go at any time."""
    return Places(home=directory.parent).lock.exists()


def _pulumi(path: str) -> dict[str, Path]:
    pulumi = shutil.which("pulumi", path=path)
    if pulumi is None or _output_of(pulumi, "version") != f"v{pins.PULUMI_VERSION}":
        return {}
    programs = {"pulumi": Path(pulumi)}
    # The language host and the script that it runs come with the CLI, in the same directory.
    for name in ("pulumi-language-python", "pulumi-language-python-exec"):
        sibling = Path(pulumi).resolve().with_name(name)
        if sibling.exists():
            programs[name] = sibling
    return programs


def _plugins(*pulumi_homes: Path) -> dict[str, Path]:
    plugins: dict[str, Path] = {}
    for name in VERSIONS:
        for pulumi_home in pulumi_homes:
            plugin = plugin_path(pulumi_home, name)
            # `pulumi plugin install` writes files; a link is what `plugin_cache.fill` made.
            if os.access(plugin, os.X_OK) and not plugin.is_symlink():
                plugins.setdefault(plugin.name, plugin)
    return plugins


def _others(path: str) -> dict[str, Path]:
    programs: dict[str, Path] = {}
    for program, (arguments, expected) in _VERSIONS.items():
        executable = shutil.which(program, path=path)
        if executable is not None and expected.match(_output_of(executable, *arguments)):
            programs[program] = Path(executable)
    return programs


def _output_of(*argv: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own argv, no shell
            argv,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
