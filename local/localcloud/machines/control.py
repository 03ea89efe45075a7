"""The control API of the emulated cloud, as the machines see it: JSON over a unix socket."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_network
from typing import TYPE_CHECKING, Any, Self, cast

from localcloud.control_api.control_socket import ControlConnection
from localcloud.egress import EgressRule
from localcloud.ingress import IngressRule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Interface:
    """An ENI of an instance. `gateway` is the third address from the end of the vSwitch."""

    id: str
    mac: str
    primary: bool
    address: str
    prefix_length: int
    network: str
    gateway: str
    secondary_addresses: tuple[str, ...]
    prefixes: tuple[str, ...]
    """IPv4 prefixes of 16 addresses, such as 10.0.0.16/28."""
    ipv6_addresses: tuple[str, ...]
    ipv6_network: str
    vpc_network: str
    vpc_ipv6_network: str
    vswitch_id: str
    vpc_id: str
    security_group_ids: tuple[str, ...]
    ingress: tuple[IngressRule, ...]
    """The rules of these security groups."""
    egress: tuple[EgressRule, ...]

    @property
    def ipv4_addresses(self) -> tuple[str, ...]:
        """Every IPv4 address of the ENI, including those of its prefixes."""
        of_prefixes = (str(ip) for prefix in self.prefixes for ip in ip_network(prefix))
        return (self.address, *self.secondary_addresses, *of_prefixes)

    @property
    def ipv6_gateway(self) -> str:
        """The gateway that the metadata service names; empty without an IPv6 block.

        It is the first of the nine addresses that the system keeps at the end of the block: ends in
        fff7 (page view-instance-metadata, example of `ipv6-gateway`).
        """
        return str(IPv6Network(self.ipv6_network)[-9]) if self.ipv6_network else ""

    @property
    def ipv6_gateways(self) -> tuple[str, ...]:
        """Every address at which the gateway answers.

        Terway sends to the third address from the end instead (89aadf8b, pkg/ip/ip.go,
        `DeriveGatewayIP`, and pkg/eni/crdv2.go), and so does this project's program.
        """
        if not self.ipv6_network:
            return ()
        return (self.ipv6_gateway, str(IPv6Network(self.ipv6_network)[-3]))

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read one entry of an instance's `interfaces`."""
        return cls(
            id=data["id"],
            mac=data["mac"].lower(),
            primary=bool(data["primary"]),
            address=data["address"],
            prefix_length=int(data["prefix_length"]),
            network=data["network"],
            gateway=data["gateway"],
            secondary_addresses=tuple(data.get("secondary_addresses") or ()),
            prefixes=tuple(data.get("prefixes") or ()),
            ipv6_addresses=tuple(data.get("ipv6_addresses") or ()),
            ipv6_network=data.get("ipv6_network") or "",
            vpc_network=data.get("vpc_network") or "",
            vpc_ipv6_network=data.get("vpc_ipv6_network") or "",
            vswitch_id=data["vswitch_id"],
            vpc_id=data["vpc_id"],
            security_group_ids=tuple(data.get("security_group_ids") or ()),
            ingress=tuple(IngressRule.read(rule) for rule in data.get("ingress") or ()),
            egress=tuple(EgressRule.read(rule) for rule in data.get("egress") or ()),
        )


@dataclass(frozen=True, kw_only=True)
class DataDisk:
    """A data disk, attached or not. `size` is in GiB.

    `content` identifies the disk's initial content, and changes with ResetDisk.
    """

    id: str
    name: str
    size: int
    snapshot: str
    """The snapshot that the disk was created from or was reset to; empty for a blank disk."""
    content: str

    @property
    def serial_number(self) -> str:
        """The serial number that the guest sees."""
        return self.id.removeprefix("d-")

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read one entry of `disks` or of an instance's `data_disks`."""
        return cls(
            id=data["id"],
            name=data.get("name") or "",
            size=int(data["size"]),
            snapshot=data.get("snapshot") or "",
            content=data.get("content") or "",
        )


@dataclass(frozen=True, kw_only=True)
class Instance:
    """An ECS instance as the emulator reports it. `boot` grows by one at each start."""

    id: str
    name: str
    hostname: str
    region: str
    zone: str
    status: str
    boot: int
    user_data: str
    image: str
    system_disk: str
    """The disk's id. A new id means a new disk, and so a first boot."""
    system_disk_name: str
    data_disks: tuple[DataDisk, ...]
    """The attached ones, in the order of their devices."""
    instance_type: str
    ram_role: str | None
    http_tokens: str
    serial_number: str
    owner_account_id: str
    public_address: str
    public_keys: tuple[str, ...]
    """The public half of the key pair that is bound to the instance, if there is one."""
    tags: tuple[tuple[str, str], ...]
    interfaces: tuple[Interface, ...]
    ingress: tuple[IngressRule, ...]

    @property
    def primary(self) -> Interface | None:
        """The primary ENI, if it is attached."""
        return next((nic for nic in self.interfaces if nic.primary), None)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read one entry of `instances`."""
        return cls(
            id=data["id"],
            name=data.get("name") or data["id"],
            hostname=data.get("hostname") or data["id"],
            region=data["region"],
            zone=data["zone"],
            status=data["status"],
            boot=int(data["boot"]),
            user_data=data.get("user_data") or "",
            image=data.get("image") or "",
            system_disk=data.get("system_disk") or "",
            system_disk_name=data.get("system_disk_name") or "",
            data_disks=tuple(DataDisk.read(disk) for disk in data.get("data_disks") or ()),
            instance_type=data.get("instance_type") or "",
            ram_role=data.get("ram_role") or None,
            http_tokens=data.get("http_tokens") or "optional",
            serial_number=data.get("serial_number") or "",
            owner_account_id=data.get("owner_account_id") or "",
            public_address=data.get("public_address") or "",
            public_keys=tuple(data.get("public_keys") or ()),
            tags=tuple(sorted((data.get("tags") or {}).items())),
            interfaces=tuple(Interface.read(nic) for nic in data["interfaces"]),
            ingress=tuple(IngressRule.read(rule) for rule in data.get("ingress") or ()),
        )


@dataclass(frozen=True, kw_only=True)
class PublicAddress:
    """An EIP and the instance or the load balancer that it is bound to, if any."""

    id: str
    ip: str
    instance_id: str | None = None
    load_balancer_id: str | None = None

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read one entry of `addresses`."""
        bound, kind = data.get("instance_id") or None, data.get("instance_type")
        return cls(
            id=data["id"],
            ip=data["ip"],
            instance_id=bound if kind == "EcsInstance" else None,
            load_balancer_id=bound if kind in {"SlbInstance", "NetworkInterface"} else None,
        )


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A machine behind a listener, and the rules of the security groups before it."""

    instance_id: str
    address: str
    port: int
    weight: int
    check_port: int = 0
    """The port that the health check connects to; 0 without one."""
    ingress: tuple[IngressRule, ...] = ()

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read one entry of a listener's `backends`."""
        return cls(
            instance_id=data["instance_id"],
            address=data["address"],
            port=int(data["port"]),
            weight=int(data["weight"]),
            check_port=int(data.get("check_port") or 0),
            ingress=tuple(IngressRule.read(rule) for rule in data.get("ingress") or ()),
        )


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A running TCP or HTTP listener: its backends and the clients that it admits."""

    port: int
    backends: tuple[Backend, ...]
    ingress: tuple[IngressRule, ...]
    sources: tuple[str, ...] = ()
    """The addresses from which an NLB connects to its backends. Empty for a CLB, to whose packets
    no security group applies."""
    preserves_client: bool = False
    """Whether the backends see the client's address instead."""
    http: bool = False
    """Whether the load balancer reads the requests itself (layer 7)."""

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read one entry of a load balancer's `listeners`."""
        return cls(
            port=int(data["port"]),
            backends=tuple(Backend.read(backend) for backend in data["backends"]),
            ingress=tuple(IngressRule.read(rule) for rule in data["ingress"]),
            sources=tuple(data.get("sources") or ()),
            preserves_client=bool(data.get("preserves_client")),
            http=bool(data.get("http")),
        )


@dataclass(frozen=True, kw_only=True)
class LoadBalancer:
    """A CLB, or an NLB in one of its zones: an address, mostly in a vSwitch, with listeners.

    `id` is what an EIP is bound to: the CLB, or the NLB's ENI in the zone.
    """

    id: str
    address: str
    vpc_id: str
    listeners: tuple[Listener, ...]
    internet: bool = False
    """Whether it is a CLB that has a public address only. It serves the VPC of its backends."""

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read one entry of `load_balancers`."""
        return cls(
            id=data["id"],
            address=data["address"],
            vpc_id=data["vpc_id"],
            listeners=tuple(Listener.read(listener) for listener in data["listeners"]),
            internet=bool(data.get("internet")),
        )


class ControlError(Exception):
    """The emulator's control socket gave no valid answer."""


class Control:
    """A client of the control socket. Every method raises ControlError if there is no answer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._polling: ControlConnection | None = None

    def interrupt(self) -> None:
        """Make a `machines` call that waits in another thread end with ControlError."""
        if self._polling is not None and self._polling.sock is not None:
            with contextlib.suppress(OSError):
                self._polling.sock.shutdown(socket.SHUT_RDWR)

    def request(
        self, method: str, target: str, body: object = None, timeout: float = 10.0
    ) -> tuple[int, dict[str, Any]]:
        """Send one request; return the status and the JSON document."""
        connection = ControlConnection(self._path, timeout)
        if target.startswith("/machines?"):
            self._polling = connection
        try:
            sent = None if body is None else json.dumps(body).encode()
            headers = {} if sent is None else {"Content-Type": "application/json"}
            connection.request(method, target, sent, headers)
            answer = connection.getresponse()
            text = answer.read()
            document = json.loads(text) if text.strip() else {}
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ControlError(f"{method} {target} on {self._path} failed: {error}.") from error
        finally:
            connection.close()
        return answer.status, cast("dict[str, Any]", document)

    def health(self) -> dict[str, Any]:
        """Return the answer of /health."""
        return self._document("/health", 10.0)

    def machines(self, after: int, wait: float) -> dict[str, Any]:
        """Wait up to `wait` seconds for a revision above `after`; return the document."""
        return self._document(f"/machines?after={after}&wait={wait:g}", wait + 10.0)

    def console(self, instance_id: str, text: str) -> None:
        """Append to an instance's console output."""
        self.request("POST", f"/machines/{instance_id}/console", {"text": text})

    def credentials(self, instance_id: str) -> dict[str, Any] | None:
        """Return the RAM role's credentials, or None if no role is attached."""
        status, document = self.request("GET", f"/machines/{instance_id}/credentials")
        return document if status == http.client.OK else None

    def _document(self, target: str, timeout: float) -> dict[str, Any]:
        status, document = self.request("GET", target, timeout=timeout)
        if status != http.client.OK:
            raise ControlError(f"GET {target} on {self._path} answered HTTP {status}.")
        return document
