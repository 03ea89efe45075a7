"""Reads flags and the configuration file like `pkg/config` of v2.14.0. Refuses unknown flags."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONTROLLERS: Final = ("node", "route", "service", "nlb")
"""The default of `--controllers`."""
_OTHERS: Final = ("ingress", "pvtz")

_FLAGS: Final[Mapping[str, str]] = {
    "allocate-node-cidrs": "false",
    "cloud-config": "",
    "cloud-provider": "alibabacloud",
    "cluster-cidr": "",
    "concurrent-service-syncs": "3",
    "configure-cloud-routes": "true",
    "controllers": ",".join(CONTROLLERS),
    "dry-run": "false",
    "enable-imdsv2": "true",
    "health-probe-bind-addr": ":10258",
    "kubeconfig": "",
    "leader-elect": "true",
    "leader-elect-lease-duration": "15s",
    "leader-elect-renew-deadline": "10s",
    "leader-elect-resource-lock": "leases",
    "leader-elect-resource-name": "ccm",
    "leader-elect-resource-namespace": "kube-system",
    "leader-elect-retry-period": "2s",
    "max-concurrent-actions": "10",
    "max-throttling-retry-times": "10",
    "metrics-bind-addr": ":8080",
    "network": "vpc",
    "node-event-aggregation-wait-seconds": "1",
    "node-monitor-period": "5m",
    "pprof-bind-addr": ":6060",
    "route-reconciliation-period": "5m",
    "sg-batch-size": "40",
    "skip-disable-source-dest-check": "false",
    "use-service-account-credentials": "false",
    "v": "0",
}
_BOOLEANS: Final = frozenset(name for name, value in _FLAGS.items() if value in {"true", "false"})
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class FlagError(Exception):
    """A flag or the configuration file is wrong. The real controller exits in this case, too."""


@dataclass(frozen=True, kw_only=True)
class CloudConfig:
    """The file behind `--cloud-config`, key `Global`."""

    cluster_id: str = "clusterid"
    region: str = ""
    vpc_id: str = ""
    vswitches: tuple[tuple[str, str], ...] = ()
    """Zone and id; a bare id is skipped, as in the real controller."""
    resource_group: str = ""
    eni_backends: bool = False
    no_public_clb: bool = False
    gates: frozenset[str] = frozenset()
    key_id: str = ""
    key_secret: str = ""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The values of the command line."""

    controllers: frozenset[str]
    config: CloudConfig
    kubeconfig: str
    leader_elect: bool
    lock_name: str
    lock_namespace: str
    lease_seconds: float
    monitor_seconds: float
    health_address: str
    keeps_source_check: bool


def read_flags(arguments: Sequence[str]) -> Flags:
    """Read the command line and the file it names; raises FlagError."""
    values = dict(_FLAGS)
    for argument in arguments:
        match = re.fullmatch(r"--?([a-z0-9-]+)(?:=(.*))?", argument)
        if match is None or match[1] not in _FLAGS:
            raise FlagError(f"unknown flag: {argument}")
        name, value = match[1], match[2]
        if value is None and name not in _BOOLEANS:
            raise FlagError(f"flag needs an argument: --{name}")
        if value is not None and name in _BOOLEANS and value not in {"true", "false"}:
            raise FlagError(f'invalid argument "{value}" for "--{name}" flag')
        values[name] = "true" if value is None else value
    controllers = _controllers(values["controllers"])
    if values["leader-elect-resource-lock"] != "leases":
        lock = values["leader-elect-resource-lock"]
        raise FlagError(f"{lock} lock is removed, migrate to leases")
    if values["configure-cloud-routes"] == "true" and not values["cluster-cidr"]:
        raise FlagError("--cluster-cidr must be set when --configure-cloud-routes=true")
    if not values["cloud-config"]:
        raise FlagError("--cloud-config is required")
    return Flags(
        controllers=controllers,
        config=read_config(Path(values["cloud-config"])),
        kubeconfig=values["kubeconfig"],
        leader_elect=values["leader-elect"] == "true",
        lock_name=values["leader-elect-resource-name"],
        lock_namespace=values["leader-elect-resource-namespace"],
        lease_seconds=_seconds("leader-elect-lease-duration", values),
        monitor_seconds=_seconds("node-monitor-period", values),
        health_address=values["health-probe-bind-addr"],
        keeps_source_check=values["skip-disable-source-dest-check"] == "true",
    )


def _controllers(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if unknown := names - {*CONTROLLERS, *_OTHERS}:
        raise FlagError(f"unknown controllers: {', '.join(sorted(unknown))}")
    return names


def _seconds(name: str, values: Mapping[str, str]) -> float:
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", values[name])
    if not parts or "".join(n + u for n, u in parts) != values[name]:
        raise FlagError(f'invalid argument "{values[name]}" for "--{name}" flag')
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def read_config(path: Path) -> CloudConfig:
    """Read the configuration file; keys are case-insensitive, as in Go."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FlagError(f"cloud config {path}: {error}") from error
    if not isinstance(document, dict):
        raise FlagError(f"cloud config {path}: no JSON object")
    settings: dict[str, Any] = {}
    for key, value in document.items():
        if key.lower() == "global" and isinstance(value, dict):
            settings = {name.lower(): entry for name, entry in value.items()}
    gates = dict(
        entry.strip().partition("=")[::2]
        for entry in str(settings.get("featuregates", "")).split(",")
        if entry.strip()
    )
    vswitches = (entry.partition(":") for entry in str(settings.get("vswitchid", "")).split(","))
    return CloudConfig(
        cluster_id=str(settings.get("clusterid") or "clusterid"),
        region=str(settings.get("region", "")),
        vpc_id=str(settings.get("vpcid", "")),
        vswitches=tuple((zone.strip(), vswitch) for zone, _, vswitch in vswitches if vswitch),
        resource_group=str(settings.get("resourcegroupid", "")),
        eni_backends=settings.get("servicebackendtype") == "eni",
        no_public_clb=bool(settings.get("disablepublicslb", False)),
        gates=frozenset(name for name, on in gates.items() if on.lower() == "true"),
        key_id=_decoded(settings.get("accesskeyid")),
        key_secret=_decoded(settings.get("accesskeysecret")),
    )


def _decoded(text: object) -> str:
    if not text:
        return ""
    try:
        return base64.b64decode(str(text), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise FlagError(f"the AccessKey in the cloud config is not base64: {error}") from error
