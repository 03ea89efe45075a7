"""Spiderpool's CRDs, generated from upstream's Go types by controller-gen.

The NetworkAttachmentDefinition type carries no kubebuilder markers, so its names and requirements
come out as Go spells them; they are set to what Multus expects (its own CRD in
k8snetworkplumbingwg/multus-cni, deployments/multus-daemonset.yml).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import yaml

from toolchain.builds.golang import Go
from toolchain.failure import FAILED, ToolchainError
from toolchain.places import SOURCES

_PACKAGES: Final = (
    "github.com/spidernet-io/spiderpool/pkg/k8s/apis/spiderpool.spidernet.io/v2beta1",
    (
        "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/"
        "k8s.cni.cncf.io/v1"
    ),
)
_NAD_NAMES: Final = {
    "kind": "NetworkAttachmentDefinition",
    "listKind": "NetworkAttachmentDefinitionList",
    "plural": "network-attachment-definitions",
    "singular": "network-attachment-definition",
    "shortNames": ["net-attach-def"],
}


def generate(go: Go, controller_gen: Path, into: Path) -> None:
    """Write one YAML file for each CRD into a directory, all of them or none.

    Raises:
        ToolchainError: controller-gen failed; the message quotes its output.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".crds-", dir=into.parent))
    try:
        done = subprocess.run(  # noqa: S603 - our own argv, no shell
            [
                str(controller_gen),
                "crd",
                *(f"paths={package}" for package in _PACKAGES),
                f"output:crd:dir={fresh}",
            ],
            cwd=SOURCES / "crds",
            env={
                **go.environment,
                "PATH": f"{Path(go.path).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ToolchainError(
                f"Generating Spiderpool's CRDs failed:\n{done.stderr.strip()}", status=FAILED
            )
        for path in fresh.iterdir():
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
            path.write_text(yaml.safe_dump(finished(document)), encoding="utf-8")
        shutil.rmtree(into, ignore_errors=True)
        fresh.chmod(0o755)
        fresh.rename(into)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def finished(crd: dict[str, object]) -> dict[str, object]:
    """Return the CRD in its form for the API server; only Multus' CRD is changed."""
    spec = crd["spec"]
    if not isinstance(spec, dict) or spec["names"]["kind"] != _NAD_NAMES["kind"]:
        return crd
    versions = []
    for version in spec["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        open_schema = {key: value for key, value in schema.items() if key != "required"}
        versions.append({**version, "schema": {"openAPIV3Schema": open_schema}})
    return {
        **crd,
        "metadata": {"name": f"{_NAD_NAMES['plural']}.{spec['group']}"},
        "spec": {**spec, "names": _NAD_NAMES, "versions": versions},
    }
