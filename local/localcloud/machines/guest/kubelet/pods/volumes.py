"""A pod's environment and files, put together as the kubelet does.

Anything that must be asked of the API server comes through `Source`.
"""

from __future__ import annotations

import base64
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT: Final = Path("/var/lib/kubelet/pods")
_PLUGINS: Final = {
    "configMap": "kubernetes.io~configmap",
    "downwardAPI": "kubernetes.io~downward-api",
    "emptyDir": "kubernetes.io~empty-dir",
    "projected": "kubernetes.io~projected",
    "secret": "kubernetes.io~secret",
}


class VolumeError(Exception):
    """A volume or variable cannot be created (yet); the text is the event's message."""


class Source(Protocol):
    """What volumes need from the API server. Both return string values by key."""

    def config_map(self, namespace: str, name: str) -> dict[str, str] | None:
        """Return a ConfigMap's data, None where there is none."""

    def secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Return a Secret's data decoded, None where there is none."""

    def token(self, pod: Mapping[str, Any], audience: str | None, seconds: int) -> str:
        """Return a token of the pod's service account."""


def environment(
    pod: Mapping[str, Any], container: Mapping[str, Any], source: Source, host_ip: str
) -> dict[str, str]:
    """Return the container's variables: envFrom, then env, $(NAME) replaced."""
    namespace = pod["metadata"]["namespace"]
    variables: dict[str, str] = {}
    for entry in container.get("envFrom") or ():
        prefix = entry.get("prefix") or ""
        if reference := entry.get("configMapRef"):
            data = source.config_map(namespace, reference["name"])
            variables |= {prefix + key: value for key, value in _must(data, reference).items()}
        elif reference := entry.get("secretRef"):
            secret = source.secret(namespace, reference["name"])
            variables |= {prefix + key: v.decode() for key, v in _must(secret, reference).items()}
    for entry in container.get("env") or ():
        if origin := entry.get("valueFrom"):
            value = _value_from(pod, origin, source, host_ip)
            if value is not None:
                variables[entry["name"]] = value
        else:
            variables[entry["name"]] = expand(entry.get("value") or "", variables)
    return variables


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace $(NAME); $$(NAME) stays $(NAME), an unknown name is not replaced."""

    def put(match: re.Match[str]) -> str:
        if match.group(0).startswith("$$"):
            return match.group(0)[1:]
        return variables.get(match.group(1), match.group(0))

    return re.sub(r"\$?\$\(([^)]+)\)", put, text)


def field(pod: Mapping[str, Any], path: str, host_ip: str) -> str:
    """Return the value of a fieldRef. Raises VolumeError for an unknown one."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    plain = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata.get("uid", ""),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": host_ip,
        "status.podIP": host_ip if spec.get("hostNetwork") else status.get("podIP", ""),
    }
    if path in plain:
        return str(plain[path])
    if keyed := re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path):
        return str((metadata.get(keyed.group(1)) or {}).get(keyed.group(2), ""))
    raise VolumeError(f"fieldRef {path} is not simulated")


def mounts(
    pod: Mapping[str, Any], container: Mapping[str, Any], source: Source, host_ip: str
) -> tuple[tuple[str, str], ...]:
    """Write the container's volumes; return the (source, target) binds that are still needed."""
    folders: dict[str, Path] = {}
    for volume in pod["spec"].get("volumes") or ():
        folders[volume["name"]] = _volume(pod, volume, source, host_ip)
    binds = []
    for mount in container.get("volumeMounts") or ():
        path = folders[mount["name"]]
        if mount.get("subPath"):
            path = path / mount["subPath"]
        if str(path) != mount["mountPath"].rstrip("/"):
            binds.append((str(path), mount["mountPath"]))
    return tuple(binds)


def forget(uid: str) -> None:
    """Delete the files of a pod."""
    shutil.rmtree(_ROOT / uid, ignore_errors=True)


def _volume(
    pod: Mapping[str, Any], volume: Mapping[str, Any], source: Source, host_ip: str
) -> Path:
    if host := volume.get("hostPath"):
        path = Path(str(host["path"]))
        if host.get("type") == "FileOrCreate":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(exist_ok=True)
        elif not path.exists():
            path.mkdir(parents=True, exist_ok=True)
        return path
    # As the kubelet's volume plugins name it (pkg/volume, `kubernetes.io/projected` and others).
    plugin = next((name for key, name in _PLUGINS.items() if key in volume), "unknown")
    folder = _ROOT / str(pod["metadata"]["uid"]) / "volumes" / plugin / str(volume["name"])
    folder.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(0o700)
    if "emptyDir" in volume:
        return folder
    if "projected" in volume:
        files: dict[str, bytes] = {}
        for entry in volume["projected"].get("sources") or ():
            files |= _projection(pod, entry, source, host_ip)
    else:
        files = _projection(pod, volume, source, host_ip)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != content:
            draft = path.with_name(f".{path.name}.new")
            draft.touch(mode=0o600)
            draft.write_bytes(content)
            draft.replace(path)
    return folder


def _projection(
    pod: Mapping[str, Any], entry: Mapping[str, Any], source: Source, host_ip: str
) -> dict[str, bytes]:
    namespace = pod["metadata"]["namespace"]
    if config := entry.get("configMap"):
        text = _must(source.config_map(namespace, config["name"]), config)
        return _chosen({key: value.encode() for key, value in text.items()}, config)
    if secret := entry.get("secret"):
        named = {"name": secret.get("secretName") or secret.get("name"), **secret}
        return _chosen(_must(source.secret(namespace, named["name"]), named), secret)
    if token := entry.get("serviceAccountToken"):
        text = source.token(pod, token.get("audience"), token.get("expirationSeconds") or 3600)
        return {token["path"]: text.encode()}
    if downward := entry.get("downwardAPI"):
        return {
            item["path"]: field(pod, item["fieldRef"]["fieldPath"], host_ip).encode()
            for item in downward.get("items") or ()
            if "fieldRef" in item
        }
    kinds = ", ".join(sorted(key for key in entry if key != "name"))
    raise VolumeError(f"volume {entry.get('name', '')} of kind {kinds} is not simulated")


def _chosen(data: Mapping[str, bytes], reference: Mapping[str, Any]) -> dict[str, bytes]:
    items = reference.get("items")
    if not items:
        return dict(data)
    missing = [item["key"] for item in items if item["key"] not in data]
    if missing and not reference.get("optional"):
        raise VolumeError(f"references non-existent secret or config key: {', '.join(missing)}")
    return {item["path"]: data[item["key"]] for item in items if item["key"] in data}


def _value_from(
    pod: Mapping[str, Any], origin: Mapping[str, Any], source: Source, host_ip: str
) -> str | None:
    namespace = pod["metadata"]["namespace"]
    if reference := origin.get("fieldRef"):
        return field(pod, reference["fieldPath"], host_ip)
    if reference := origin.get("configMapKeyRef"):
        data = _must(source.config_map(namespace, reference["name"]), reference)
        return _key(data, reference)
    if reference := origin.get("secretKeyRef"):
        secret = _must(source.secret(namespace, reference["name"]), reference)
        return _key({key: value.decode() for key, value in secret.items()}, reference)
    return None


def _key(data: Mapping[str, str], reference: Mapping[str, Any]) -> str | None:
    if reference["key"] not in data and not reference.get("optional"):
        raise VolumeError(f"couldn't find key {reference['key']} in {reference['name']}")
    return data.get(reference["key"])


def _must(data: Any, reference: Mapping[str, Any]) -> Any:  # noqa: ANN401  (either data kind)
    if data is None:
        if reference.get("optional"):
            return {}
        raise VolumeError(f"{reference['name']!r} not found")
    return data


def decode_secret(document: Mapping[str, Any]) -> dict[str, bytes]:
    """Return a Secret object's data."""
    return {key: base64.b64decode(v) for key, v in (document.get("data") or {}).items()}
