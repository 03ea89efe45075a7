"""The documents and answers of the ECS metadata service, without its sockets.

Rules: the metadata pages of the ECS documentation ("view instance metadata", "hardened mode"). The
tests of cloud-init have a whole document (tests/unittests/sources/test_aliyun.py). Not here: tags,
marketplace images, maintenance, the signature of the identity document, and IPv6 prefixes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http
import ipaddress
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from localcloud.machines.control import Instance, Interface

TOKEN_HEADER: Final = "x-aliyun-ecs-metadata-token"  # noqa: S105  (a header's name)
TTL_HEADER: Final = "x-aliyun-ecs-metadata-token-ttl-seconds"
LONGEST_TOKEN_SECONDS: Final = 21_600
_DATED: Final = "2016-01-01"
"""The version that cloud-init asks for (cloudinit/sources/DataSourceAliYun.py)."""
_SECONDS: Final = re.compile(r"[0-9]{1,5}")
_BANDWIDTH: Final = "2097152"
"""In Kbit/s. Every type has the same here, as in the answer of DescribeInstanceTypes."""
_FORWARDED: Final = "x-forwarded-for"

Tree = dict[str, "str | Tree"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """An HTTP request to the metadata service; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer of the metadata service."""

    status: int
    body: bytes = b""


class Tokens:
    """Session tokens of hardened mode: signed, bound to one instance, not stored."""

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock

    def issue(self, instance_id: str, seconds: int) -> str:
        """Return a token that is valid for `seconds`."""
        until = f"{int(self._clock()) + seconds}"
        return f"{until}.{self._sign(instance_id, until)}"

    def is_valid(self, instance_id: str, token: str) -> bool:
        """Whether the token is this instance's and has not expired."""
        until, _, signature = token.partition(".")
        # As bytes, because a header may have non-ASCII text, which compare_digest refuses as str.
        if not hmac.compare_digest(signature.encode(), self._sign(instance_id, until).encode()):
            return False
        return until.isdecimal() and int(until) > self._clock()

    def _sign(self, instance_id: str, until: str) -> str:
        mac = hmac.new(self._key, f"{instance_id} {until}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(mac.digest()).decode().rstrip("=")


def answer(
    request: Request,
    instance: Instance,
    tokens: Tokens,
    credentials: Callable[[], dict[str, Any] | None],
) -> Answer:
    """Answer one request of `instance`. `credentials` is called only for the role's document."""
    path = request.path.partition("?")[0]
    if path == f"/{_DATED}" or path.startswith(f"/{_DATED}/"):
        path = "/latest" + path.removeprefix(f"/{_DATED}")
    if path == "/latest/api/token":
        return _token(request, instance, tokens)
    if refused := _refusal(request, instance, tokens):
        return refused
    if path.rstrip("/") == "/latest/user-data":
        return _user_data(instance)
    role = instance.ram_role
    if role and path.rstrip("/") == f"/latest/meta-data/ram/security-credentials/{role}":
        document = credentials()
        if document is None:
            return Answer(status=http.HTTPStatus.NOT_FOUND)
        return Answer(status=http.HTTPStatus.OK, body=json.dumps(document, indent=2).encode())
    return _walk(_tree(instance), path)


def _refusal(request: Request, instance: Instance, tokens: Tokens) -> Answer | None:
    if request.method not in {"GET", "HEAD"}:
        return Answer(status=http.HTTPStatus.METHOD_NOT_ALLOWED)
    token = request.headers.get(TOKEN_HEADER)
    if token is None and instance.http_tokens == "required":
        return Answer(
            status=http.HTTPStatus.FORBIDDEN,
            body=f"hardened mode: PUT /latest/api/token first, then send {TOKEN_HEADER}\n".encode(),
        )
    if token is not None and not tokens.is_valid(instance.id, token):
        return Answer(status=http.HTTPStatus.UNAUTHORIZED)
    return None


def _token(request: Request, instance: Instance, tokens: Tokens) -> Answer:
    if request.method != "PUT":
        return Answer(status=http.HTTPStatus.METHOD_NOT_ALLOWED)
    if _FORWARDED in request.headers:
        # "The request contains the X-Forwarded-For header (403 - Forbidden)".
        return Answer(status=http.HTTPStatus.FORBIDDEN)
    asked = request.headers.get(TTL_HEADER, "")
    if not _SECONDS.fullmatch(asked) or not 1 <= int(asked) <= LONGEST_TOKEN_SECONDS:
        return Answer(
            status=http.HTTPStatus.BAD_REQUEST,
            body=f"{TTL_HEADER} must be 1 to {LONGEST_TOKEN_SECONDS}\n".encode(),
        )
    return Answer(status=http.HTTPStatus.OK, body=tokens.issue(instance.id, int(asked)).encode())


def _user_data(instance: Instance) -> Answer:
    if not instance.user_data:
        return Answer(status=http.HTTPStatus.NOT_FOUND)
    try:
        raw = base64.b64decode(instance.user_data, validate=True)
    except binascii.Error:
        raw = instance.user_data.encode()
    return Answer(status=http.HTTPStatus.OK, body=raw)


def _walk(tree: Tree, path: str) -> Answer:
    node: str | Tree = tree
    for step in [part for part in path.split("/") if part]:
        if not isinstance(node, dict) or step not in node:
            return Answer(status=http.HTTPStatus.NOT_FOUND)
        node = node[step]
    if isinstance(node, str):
        return Answer(status=http.HTTPStatus.OK, body=node.encode())
    names = [name if isinstance(child, str) else f"{name}/" for name, child in node.items()]
    return Answer(status=http.HTTPStatus.OK, body="\n".join(sorted(names)).encode())


def _tree(instance: Instance) -> Tree:
    primary = instance.primary
    data: Tree = {
        "hostname": instance.hostname,
        "image-id": instance.image,
        "instance-id": instance.id,
        "instance": {
            "instance-name": instance.name,
            "instance-type": instance.instance_type,
            "max-netbw-egress": _BANDWIDTH,
            "max-netbw-ingress": _BANDWIDTH,
            "virtualization-solution": "ECS Virt",
            "virtualization-solution-version": "2.0",
        },
        "network-type": "vpc",
        "owner-account-id": instance.owner_account_id,
        "serial-number": instance.serial_number,
        "source-address": "http://mirrors.cloud.aliyuncs.com",
        "region-id": instance.region,
        "zone-id": instance.zone,
        "dns-conf": {"nameservers": "100.100.2.136\n100.100.2.138"},
        "ntp-conf": {"ntp-servers": "ntp.cloud.aliyuncs.com"},
        "network": {
            "interfaces": {"macs": {nic.mac: _interface(nic) for nic in instance.interfaces}}
        },
    }
    if primary is not None:
        data |= {
            "mac": primary.mac,
            "private-ipv4": primary.address,
            "vpc-cidr-block": primary.vpc_network,
            "vpc-id": primary.vpc_id,
            "vswitch-id": primary.vswitch_id,
            "vswitch-cidr-block": _network(primary),
        }
    if instance.public_keys:
        data["public-keys"] = {
            str(number): {"openssh-key": key} for number, key in enumerate(instance.public_keys)
        }
    if disks := _disks(instance):
        data["disks"] = disks
    if instance.ram_role:
        data["ram"] = {"security-credentials": {instance.ram_role: ""}}
    if instance.public_address:
        data["eipv4"] = instance.public_address
        data["public-ipv4"] = instance.public_address
    document = {
        "mac": primary.mac if primary else "",
        "owner-account-id": instance.owner_account_id,
        "serial-number": instance.serial_number,
        "instance-id": instance.id,
        "instance-type": instance.instance_type,
        "image-id": instance.image,
        "private-ipv4": primary.address if primary else "",
        "region-id": instance.region,
        "zone-id": instance.zone,
    }
    # One document instead of many requests: newer versions of cloud-init ask for it.
    data["all"] = json.dumps(data)
    return {
        "latest": {
            "meta-data": data,
            "dynamic": {"instance-identity": {"document": json.dumps(document)}},
        }
    }


def _interface(nic: Interface) -> Tree:
    network = ipaddress.ip_network(_network(nic))
    entries: Tree = {
        "gateway": nic.gateway,
        "netmask": str(network.netmask),
        "network-interface-id": nic.id,
        "primary-ip-address": nic.address,
        "private-ipv4s": json.dumps([nic.address, *nic.secondary_addresses]),
        "vpc-id": nic.vpc_id,
        "vpc-cidr-block": nic.vpc_network,
        "vswitch-cidr-block": str(network),
        "vswitch-id": nic.vswitch_id,
    }
    if nic.prefixes:
        # The page has an example of one prefix; how several are separated is a guess.
        entries["ipv4-prefixes"] = "\n".join(nic.prefixes)
    if nic.ipv6_addresses:
        # Without quotes: Terway at 89aadf8b, pkg/aliyun/metadata/metadata.go and its test.
        entries["ipv6s"] = f"[{','.join(nic.ipv6_addresses)}]"
    if nic.ipv6_network:
        entries["vswitch-ipv6-cidr-block"] = nic.ipv6_network
        entries["ipv6-gateway"] = nic.ipv6_gateway
        entries["vpc-ipv6-cidr-blocks"] = f"[{nic.vpc_ipv6_network}]"
    return entries


def _disks(instance: Instance) -> Tree:
    """`disks/<serial number>/id` and `name`.

    Source: the paths that AliyunContainerService/ack-ram-tool asks for (pkg/ecsmetadata/disk.go,
    v0.0.7). The page on instance metadata has them too.
    """
    disks = {disk.id: disk.name for disk in instance.data_disks}
    if instance.system_disk:
        disks[instance.system_disk] = instance.system_disk_name
    return {i.removeprefix("d-"): {"id": i, "name": name} for i, name in disks.items()}


def _network(nic: Interface) -> str:
    return str(ipaddress.ip_network(f"{nic.address}/{nic.prefix_length}", strict=False))
