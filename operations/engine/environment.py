"""Environments of pulumi and kubectl: for the local cloud alone, or for a user's own stack."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from operations.engine.places import ROOT, Places

LOCAL_PASSPHRASE = "local-cloud-only-not-secret"  # noqa: S105 - opens nothing but the local stack
"""Passphrase of the local stack: fixed and public, because what it protects exists only here."""

PARALLEL = 64
"""Resource operations at once: many, because the provider's fixed waits dominate a run."""

_FOREIGN = ("PULUMI_", "ALICLOUD_", "ALIBABA_CLOUD_", "ALIBABACLOUD_")
"""Prefixes of variables that would point a run at another backend, account or token."""

_FOREIGN_NAMES = ("KUBECONFIG", "VIRTUAL_ENV")
_PATH = "/usr/bin:/bin"


def local_variables(places: Places) -> dict[str, str]:
    """Return the variables of `.local/env` except PATH, which is prepended to the existing one."""
    return {
        "PULUMI_HOME": str(places.pulumi_home),
        "PULUMI_BACKEND_URL": places.backend_url,
        "PULUMI_CONFIG_PASSPHRASE": LOCAL_PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        # PULUMI_HOME has the requested versions; without this, Pulumi warns of those on PATH.
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
        "PULUMI_PARALLEL": str(PARALLEL),
        "KUBECONFIG": str(places.kubeconfig),
        "SSL_CERT_FILE": str(places.trust_bundle),
    }


def search_path(places: Places) -> tuple[str, str]:
    """Return the first entries of PATH: our tools, then the virtual environment."""
    return (str(places.bin), str(ROOT / ".venv" / "bin"))


def env_file(places: Places) -> str:
    """Return the text of `.local/env`, for bash and any POSIX shell."""
    lines = [
        "# Written by `python -m operations local up`; use it with `source`.",
        "# The passphrase is public on purpose: it opens the local stack and nothing else.",
        f'export PATH={shlex.quote(":".join(search_path(places)))}:"$PATH"',
        *(f"export {name}={shlex.quote(value)}" for name, value in local_variables(places).items()),
    ]
    return "\n".join(lines) + "\n"


def tool_environment(places: Places, outer: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the local cloud's own programs: the caller's, our tools first.

    Every variable that would lead to another account, backend or cluster is left out.
    """
    kept = {
        k: v for k, v in outer.items() if not k.startswith(_FOREIGN) and k not in _FOREIGN_NAMES
    }
    return {**kept, "PATH": ":".join((*search_path(places), outer.get("PATH", _PATH)))}


def run_environment(places: Places, outer: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of pulumi and kubectl: the tools', and what `.local/env` sets."""
    return {**tool_environment(places, outer), **local_variables(places)}


def users_environment(places: Places, outer: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a user's own stack, with the user's backend and account.

    It has nothing of the local stack, even after `source .local/env`. Its tools leave PATH,
    because Pulumi prefers a plugin on PATH to the installed one (`pulumi plugin`, "ambient
    plugins"): the stand-in for the Kubernetes provider would replace the official plugin. Its
    variables go too: plugin folder, backend, passphrase, kubeconfig and trusted CAs.
    """
    local = local_variables(places)
    sourced = outer.get("PULUMI_CONFIG_PASSPHRASE") == LOCAL_PASSPHRASE
    removed = {
        name
        for name, value in local.items()
        if sourced or (outer.get(name) == value and str(places.home) in value)
    }
    kept = {name: value for name, value in outer.items() if name not in removed}
    path = _without(places.bin, outer.get("PATH", _PATH))
    # Pulumi's own default is four for each core, and its project file has no key for it.
    return {"PULUMI_PARALLEL": str(PARALLEL), **kept, "PATH": path}


def _without(folder: Path, path: str) -> str:
    """The PATH without this folder, also where an entry reaches it through a link."""
    return os.pathsep.join(
        entry for entry in path.split(os.pathsep) if Path(entry).resolve() != folder.resolve()
    )


def write_trust_bundle(places: Places, *, public: Path) -> None:
    """Write the public CAs of `public` and the emulated cloud's own into one file."""
    text = f"{public.read_text().rstrip()}\n\n{places.ca.read_text()}"
    if not places.trust_bundle.exists() or places.trust_bundle.read_text() != text:
        places.trust_bundle.write_text(text)
