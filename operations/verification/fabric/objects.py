"""The objects of a local cloud's fabric, as `localcloud.machines.observation describe` has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class VSwitch:
    """A vSwitch with the address of its gateway."""

    id: str
    network: str
    ipv6_network: str
    gateway: str
    zone: str


@dataclass(frozen=True, kw_only=True)
class Nic:
    """An ENI with its addresses."""

    id: str
    mac: str
    vswitch: str
    address: str
    secondary_addresses: tuple[str, ...]
    ipv6_addresses: tuple[str, ...]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read one entry of a machine's `interfaces`."""
        return cls(
            id=data["id"],
            mac=data["mac"],
            vswitch=data["vswitch"],
            address=data["address"],
            secondary_addresses=tuple(data["secondary_addresses"]),
            ipv6_addresses=tuple(data["ipv6_addresses"]),
        )


@dataclass(frozen=True, kw_only=True)
class Machine:
    """An instance: a virtual machine, or a set of namespaces."""

    id: str
    name: str
    virtual: bool
    public_address: str
    nics: tuple[Nic, ...]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read one entry of `machines`."""
        return cls(
            id=data["id"],
            name=data["name"],
            virtual=bool(data["virtual"]),
            public_address=data["public_address"],
            nics=tuple(Nic.read(nic) for nic in data["interfaces"]),
        )


@dataclass(frozen=True, kw_only=True)
class Translation:
    """An SNAT entry: packets of a network leave with one of the public addresses."""

    source: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A listener and its backends, each an address with a port."""

    port: int
    protocol: str
    backends: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Balancer:
    """A load balancer with a public address or one of the VPC."""

    id: str
    address: str
    internet: bool
    listeners: tuple[Listener, ...]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read one entry of `load_balancers`."""
        return cls(
            id=data["id"],
            address=data["address"],
            internet=bool(data["internet"]),
            listeners=tuple(
                Listener(port=x["port"], protocol=x["protocol"], backends=tuple(x["backends"]))
                for x in data["listeners"]
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """One VPC of a local cloud."""

    id: str
    network: str
    vswitches: tuple[VSwitch, ...]
    machines: tuple[Machine, ...]
    translations: tuple[Translation, ...]
    public_ipv6_addresses: tuple[str, ...]
    balancers: tuple[Balancer, ...]
    frames: Mapping[str, int]
    """What its filter and its security groups have counted since they started."""

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Read one document of `describe`."""
        return cls(
            id=data["id"],
            network=data["network"],
            vswitches=tuple(VSwitch(**vswitch) for vswitch in data["vswitches"]),
            machines=tuple(Machine.read(machine) for machine in data["machines"]),
            translations=tuple(
                Translation(source=entry["source"], addresses=tuple(entry["addresses"]))
                for entry in data["translations"]
            ),
            public_ipv6_addresses=tuple(data["public_ipv6_addresses"]),
            balancers=tuple(Balancer.read(balancer) for balancer in data["load_balancers"]),
            frames=dict(data["frames"]),
        )

    @property
    def place_names(self) -> Mapping[str, str]:
        """The id of an ENI or a vSwitch, or `internet` → what a reader calls it."""
        return {
            "internet": "link to the internet",
            **{v.id: f"gateway of {v.network}" for v in self.vswitches},
            **dict(self._ports()),
        }

    def _ports(self) -> Iterator[tuple[str, str]]:
        for machine in self.machines:
            for number, nic in enumerate(machine.nics):
                yield nic.id, f"eth{number} of {machine.name}"
