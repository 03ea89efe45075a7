"""Listeners on the EIPs: they forward the connections that the security groups admit."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localcloud.ingress import IngressRule, admits
from localcloud.machines.network.ingress import listening_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from localcloud.machines.control import Instance, LoadBalancer, PublicAddress


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A public port, the address behind it, and the rules that guard it.

    The rules are a machine's security groups or the access list of a CLB's listener.
    """

    ip: str
    port: int
    address: str
    vpc_id: str
    rules: tuple[IngressRule, ...]


def openings(
    instances: Iterable[Instance],
    addresses: Iterable[PublicAddress],
    load_balancers: Iterable[LoadBalancer] = (),
) -> dict[tuple[str, int], Opening]:
    """Return the openings to serve, by (EIP, port). Only loopback EIPs can be served locally."""
    by_id = {instance.id: instance for instance in instances}
    balancers = {balancer.id: balancer for balancer in load_balancers}
    opened: list[Opening] = []
    for balancer in balancers.values():
        if balancer.internet:
            opened += _of_balancer(balancer.address, balancer)
    for public in addresses:
        if not ipaddress.ip_address(public.ip).is_loopback:
            continue
        if public.load_balancer_id in balancers:
            opened += _of_balancer(public.ip, balancers[public.load_balancer_id])
        elif public.instance_id in by_id:
            opened += _of_instance(public.ip, by_id[public.instance_id])
    return {(opening.ip, opening.port): opening for opening in opened}


def _of_instance(ip: str, instance: Instance) -> list[Opening]:
    primary = instance.primary
    if primary is None or instance.status != "Running":
        return []
    return [
        Opening(
            ip=ip,
            port=port,
            address=primary.address,
            vpc_id=primary.vpc_id,
            rules=instance.ingress,
        )
        for port in listening_ports(instance.ingress)
    ]


def _of_balancer(ip: str, balancer: LoadBalancer) -> list[Opening]:
    return [
        Opening(
            ip=ip,
            port=listener.port,
            address=balancer.address,
            vpc_id=balancer.vpc_id,
            rules=listener.ingress,
        )
        for listener in balancer.listeners
    ]


class PublicAddresses:
    """Keeps one listener for each opening; connections go to `forward`."""

    def __init__(
        self,
        forward: Callable[[socket.socket, Opening], None],
        complain: Callable[[str], None],
    ) -> None:
        self._forward = forward
        self._complain = complain
        self._openings: dict[tuple[str, int], Opening] = {}
        self._listeners: dict[tuple[str, int], socket.socket] = {}
        self._refused: set[tuple[str, int]] = set()

    def follow(self, openings: dict[tuple[str, int], Opening]) -> None:
        """Open and close listeners. A port in use is reported once and retried later."""
        self._openings = openings
        loop = asyncio.get_running_loop()
        for key in self._listeners.keys() - openings.keys():
            listener = self._listeners.pop(key)
            loop.remove_reader(listener)
            listener.close()
        for key in openings.keys() - self._listeners.keys():
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(key)
                listener.listen(128)
            except OSError as error:
                listener.close()
                if key not in self._refused:
                    self._complain(f"The public address {key[0]}:{key[1]} cannot listen: {error}.")
                self._refused.add(key)
                continue
            listener.setblocking(False)  # noqa: FBT003  (the socket module's own signature)
            self._refused.discard(key)
            self._listeners[key] = listener
            loop.add_reader(listener, self._accept, key, listener)

    def _accept(self, key: tuple[str, int], listener: socket.socket) -> None:
        try:
            connection, source = listener.accept()
        except OSError:
            return
        with connection:
            opening = self._openings.get(key)
            if opening and admits(opening.rules, source[0], opening.port):
                self._forward(connection, opening)
