"""Official tools that are installed; one is used only if it has exactly the pinned version."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from toolchain import pins
from toolchain.plugin_cache import VERSIONS, plugin_path


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
        if entry and Path(entry).resolve() != bin_directory.resolve()
    )
    return {
        **_pulumi(path),
        **_plugins(Path(environment.get("PULUMI_HOME", home / ".pulumi")), home / ".pulumi"),
        **_kubectl(path),
        **_helm(path),
    }


def _pulumi(path: str) -> dict[str, Path]:
    pulumi = shutil.which("pulumi", path=path)
    if pulumi is None or _output_of(pulumi, "version") != f"v{pins.PULUMI_VERSION}":
        return {}
    programs = {"pulumi": Path(pulumi)}
    # The language host and the script that it runs come with the CLI, in the same directory.
    for name in ("pulumi-language-python", "pulumi-language-python-exec"):
        beside = Path(pulumi).resolve().with_name(name)
        if beside.exists():
            programs[name] = beside
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


def _kubectl(path: str) -> dict[str, Path]:
    kubectl = shutil.which("kubectl", path=path)
    output = _output_of(kubectl, "version", "--client", "--output=json") if kubectl else ""
    try:
        version = json.loads(output)["clientVersion"]["gitVersion"]
    except (ValueError, KeyError, TypeError):
        return {}
    fits = version == f"v{pins.KUBERNETES_VERSION}"
    return {"kubectl": Path(str(kubectl))} if fits else {}


def _helm(path: str) -> dict[str, Path]:
    helm = shutil.which("helm", path=path)
    if (
        helm is None
        or _output_of(helm, "version", "--short").split("+")[0] != f"v{pins.HELM_VERSION}"
    ):
        return {}
    return {"helm": Path(helm)}


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
