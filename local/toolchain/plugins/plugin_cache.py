"""Links in a `PULUMI_HOME`, so that the engine finds the plugins there in the version it asks for.

The engine takes a plugin from PATH too, but then warns of it in every run, because it cannot see
the version there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from toolchain import launchers, pins

VERSIONS: Final = {
    "alicloud": pins.ALICLOUD_VERSION,
    "kubernetes": pins.KUBERNETES_PROVIDER_VERSION,
}
"""Resource plugin to the pinned version."""


def plugin_path(pulumi_home: Path, name: str) -> Path:
    """Return where the engine looks for a resource plugin.

    Source: pulumi v3.259.0, sdk/go/common/workspace/plugins.go, `PluginInfo.Dir` and `File`.
    """
    return (
        pulumi_home / "plugins" / f"resource-{name}-v{VERSIONS[name]}" / f"pulumi-resource-{name}"
    )


def fill(pulumi_home: Path, bin_directory: Path) -> None:
    """Link each plugin of `bin_directory`; one that is installed there already is left alone."""
    for name in VERSIONS:
        path = plugin_path(pulumi_home, name)
        if path.exists() and not path.is_symlink():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        launchers.link(path, bin_directory / path.name)
