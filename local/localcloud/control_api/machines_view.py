"""The part of the cloud's state that the machines need, and its changes."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any, Final

from localcloud.addressing import block, gateway
from localcloud.ingress import IngressRule
from localcloud.products import admission
from localcloud.products.ecs.entities import Disk, Instance, KeyPair, NetworkInterface, Snapshot
from localcloud.products.nlb.entities import (
    NetworkLoadBalancer,
    NlbListener,
    NlbServer,
    NlbServerGroup,
    NlbZone,
)
from localcloud.products.nlb.server_group.backends import check_port, interface_of
from localcloud.products.slb import access_control_lists
from localcloud.products.slb.entities import (
    AccessControlList,
    Listener,
    LoadBalancer,
    Server,
    servers_behind,
)
from localcloud.products.vpc.eips import ECS_INSTANCE
from localcloud.products.vpc.entities import (
    Eip,
    Ipv6Address,
    Ipv6Bandwidth,
    NatGateway,
    RouteEntry,
    SnatEntry,
    Vpc,
    VSwitch,
)
from localcloud.settings import Cloud
from localcloud.state.store import Store

_ANYWHERE: Final = "0.0.0.0/0"


def _interface(store: Store, eni: NetworkInterface) -> dict[str, Any]:
    vswitch = store.find(VSwitch, eni.vswitch_id)
    vpc = store.find(Vpc, eni.vpc_id)
    network = block(vswitch.cidr) if vswitch else block(f"{eni.address}/32")
    return {
        "id": eni.id,
        "mac": eni.mac,
        "primary": eni.primary,
        "address": eni.address,
        "prefix_length": network.prefixlen,
        "network": str(network),
        "ipv6_network": (vswitch.ipv6_cidr or "") if vswitch else "",
        "vpc_network": vpc.cidr if vpc else "",
        "vpc_ipv6_network": (vpc.ipv6_cidr or "") if vpc else "",
        "gateway": str(gateway(network)) if vswitch else eni.address,
        "secondary_addresses": list(eni.secondary),
        "ipv6_addresses": list(eni.ipv6),
        "prefixes": list(eni.prefixes),
        "vswitch_id": eni.vswitch_id,
        "vpc_id": eni.vpc_id,
        "security_group_ids": list(eni.security_group_ids),
        "ingress": _ingress(store, *eni.security_group_ids),
        "egress": [
            asdict(rule) for rule in admission.egress_rules_of(store, eni.security_group_ids)
        ],
    }


def _ingress(store: Store, *group_ids: str) -> list[dict[str, Any]]:
    return [asdict(rule) for rule in admission.rules_of(store, group_ids)]


def _instance(store: Store, cloud: Cloud, instance: Instance, now: float) -> dict[str, Any]:
    enis = sorted(
        store.where(NetworkInterface, "instance", instance.id),
        key=lambda e: (not e.primary, e.device_index),
    )
    return {
        "id": instance.id,
        "name": instance.name,
        "hostname": instance.hostname,
        "region": cloud.region,
        "zone": instance.zone,
        "status": instance.status(now),
        "boot": instance.boot,
        "user_data": instance.user_data,
        "image": instance.image_id,
        **_system_disk(store, instance),
        "data_disks": _attached(store, instance, now),
        "instance_type": instance.instance_type,
        "ram_role": instance.ram_role,
        "http_tokens": instance.http_tokens,
        "serial_number": instance.serial_number,
        "owner_account_id": cloud.account_id,
        "public_address": _public_address(store, instance),
        "public_keys": _public_keys(store, instance),
        "tags": dict(instance.tags),
        "interfaces": [_interface(store, e) for e in enis],
        "ingress": _ingress(store, *(g for e in enis for g in e.security_group_ids)),
    }


def _public_address(store: Store, instance: Instance) -> str:
    """The instance's EIP or static public address; empty without one."""
    return next((e.ip for e in store.where(Eip, "instance", instance.id)), instance.public_ip)


def _public_keys(store: Store, instance: Instance) -> list[str]:
    pair = store.find(KeyPair, instance.key_pair)
    return [pair.public_key] if pair else []


def _system_disk(store: Store, instance: Instance) -> dict[str, Any]:
    """The system disk's id, which changes with ReplaceSystemDisk, and its name."""
    disks = store.where(Disk, "instance", instance.id)
    system = next((disk for disk in disks if disk.kind == "system"), None)
    return {
        "system_disk": system.id if system else "",
        "system_disk_name": system.name if system else "",
    }


def _data_disk(disk: Disk) -> dict[str, Any]:
    return {
        "id": disk.id,
        "name": disk.name,
        "size": disk.size,
        "snapshot": disk.reset_snapshot_id or disk.source_snapshot_id,
        "content": f"{disk.reset}" if disk.reset else "",
    }


def _attached(store: Store, instance: Instance, now: float) -> list[dict[str, Any]]:
    """The instance's data disks in the order of their devices."""
    disks = store.where(Disk, "instance", instance.id)
    return [
        _data_disk(disk)
        for disk in sorted(disks, key=lambda d: d.device)
        if disk.kind == "data" and disk.life.at(now) == "In_use"
    ]


def _backend(store: Store, server: Server, port: int) -> dict[str, Any] | None:
    """A machine behind a CLB; None when it is deleted."""
    if server.kind == "eni":
        eni = store.find(NetworkInterface, server.id)
    else:
        enis = store.where(NetworkInterface, "instance", server.id)
        eni = next((e for e in enis if e.primary), None)
    if eni is None or eni.instance_id is None:
        return None
    return {
        "instance_id": eni.instance_id,
        "address": server.ip or eni.address,
        "port": port,
        "weight": server.weight,
    }


def _access(store: Store, listener: Listener) -> list[dict[str, Any]]:
    """The listener's access control lists as ingress rules.

    Without lists, and with lists that have no entries, it admits everybody
    (https://www.alibabacloud.com/help/en/slb/classic-load-balancer/user-guide/overview-3).
    """

    def rule(source: str, policy: str, priority: int) -> dict[str, Any]:
        return {
            "protocol": "tcp",
            "port_from": listener.port,
            "port_to": listener.port,
            "source": source,
            "policy": policy,
            "priority": priority,
        }

    everybody = rule(_ANYWHERE, "accept", 2)
    lists = [
        store.find(AccessControlList, id_)
        for id_ in access_control_lists.ids(listener.setting("AclId"))
    ]
    blocks = [block for acl in lists if acl is not None for block, _ in acl.entries]
    if not blocks or listener.setting("AclStatus") != "on":
        return [everybody]
    if listener.setting("AclType") == "black":
        return [everybody, *(rule(block, "drop", 1) for block in blocks)]
    return [rule(block, "accept", 1) for block in blocks]


def _listener(store: Store, balancer: LoadBalancer, listener: Listener) -> dict[str, Any]:
    backends = [_backend(store, s, port) for s, port in servers_behind(store, balancer, listener)]
    return {
        "port": listener.port,
        "backends": [b for b in backends if b is not None],
        "ingress": _access(store, listener),
    }


def _load_balancer(store: Store, balancer: LoadBalancer) -> dict[str, Any]:
    return {
        "id": balancer.id,
        "address": balancer.address,
        "vpc_id": balancer.vpc_id,
        "listeners": [
            _listener(store, balancer, x)
            for x in balancer.listeners
            if x.running and x.protocol == "tcp"
        ],
    }


def _internet_balancers(store: Store) -> list[dict[str, Any]]:
    """The internet CLBs that have backends, each in its backends' VPC, as it has none itself."""
    views: list[dict[str, Any]] = []
    for balancer in sorted(store.all(LoadBalancer), key=lambda b: b.id):
        if balancer.address_type != "internet" or balancer.status != "active":
            continue
        served = [x for x in balancer.listeners if x.running and x.protocol in {"tcp", "http"}]
        listeners = [
            {**_listener(store, balancer, x), "http": x.protocol == "http"} for x in served
        ]
        vpcs = {
            eni.vpc_id
            for listener in listeners
            for backend in listener["backends"]
            for eni in store.where(NetworkInterface, "instance", backend["instance_id"])
        }
        views += [
            {
                "id": balancer.id,
                "address": balancer.address,
                "vpc_id": vpc_id,
                "listeners": listeners,
                "internet": True,
            }
            for vpc_id in sorted(vpcs)[:1]
        ]
    return views


def _nlb_listener(  # noqa: PLR0913, PLR0917  # they decide about one listener in one zone
    store: Store,
    balancer: NetworkLoadBalancer,
    zone: NlbZone,
    listener: NlbListener,
    group: NlbServerGroup,
    now: float,
) -> dict[str, Any]:
    servers = [
        server
        for server in group.servers
        if server.life.at(now) == "Available"
        and (balancer.cross_zone or server.zone in {"", zone.zone})
    ]
    everybody = IngressRule(
        protocol="tcp",
        port_from=listener.port,
        port_to=listener.port,
        source=_ANYWHERE,
        policy="accept",
        priority=1,
    )
    guarded = _ingress(store, *balancer.security_group_ids)
    behind = [_nlb_backend(store, group, server) for server in servers]
    return {
        "port": listener.port,
        "backends": [backend for backend in behind if backend is not None],
        "ingress": guarded if balancer.security_group_ids else [asdict(everybody)],
        "sources": list(zone.local_ipv4),
        "preserves_client": group.preserve_client_ip,
    }


def _nlb_backend(store: Store, group: NlbServerGroup, server: NlbServer) -> dict[str, Any] | None:
    eni = interface_of(store, group, server)
    if eni is None or eni.instance_id is None:
        return None
    return {
        "instance_id": eni.instance_id,
        "address": server.ip,
        "port": server.port,
        "weight": server.weight,
        "check_port": check_port(group.health_check, server),
        "ingress": _ingress(store, *eni.security_group_ids),
    }


def _nlb_zones(store: Store, balancer: NetworkLoadBalancer, now: float) -> list[dict[str, Any]]:
    """An NLB is one load balancer in each of its zones. TCP listeners with one port only."""
    listeners = [
        (listener, group)
        for listener in store.where(NlbListener, "load_balancer", balancer.id)
        if listener.protocol == "TCP"
        and listener.port
        and listener.life.at(now) == "Running"
        and (group := store.find(NlbServerGroup, listener.server_group_id)) is not None
    ]
    return [
        {
            "id": zone.eni_id,
            "address": zone.private_ipv4,
            "vpc_id": balancer.vpc_id,
            "listeners": [
                _nlb_listener(store, balancer, zone, listener, group, now)
                for listener, group in listeners
            ],
        }
        for zone in balancer.zones
    ]


def _translations(store: Store, nat: NatGateway, now: float) -> list[dict[str, Any]]:
    """The SNAT entries of a gateway that the VPC's default route leads to."""
    routed = any(r.destination == _ANYWHERE for r in store.where(RouteEntry, "hop", nat.id))
    return [
        {"vpc_id": nat.vpc_id, "source": entry.cidr, "addresses": list(entry.ips)}
        for entry in sorted(store.where(SnatEntry, "table", nat.snat_table_id), key=lambda s: s.id)
        if routed and entry.life.at(now) == "Available"
    ]


def _all_balancers(store: Store, now: float) -> list[dict[str, Any]]:
    """The CLBs of VPCs, the internet CLBs, and the NLBs zone by zone."""
    return [
        *(
            _load_balancer(store, b)
            for b in sorted(store.all(LoadBalancer), key=lambda b: b.id)
            if b.vpc_id and b.address_type == "intranet" and b.status == "active"
        ),
        *_internet_balancers(store),
        *(
            zone
            for b in sorted(store.all(NetworkLoadBalancer), key=lambda b: b.id)
            if b.life.at(now) in {"Active", "Configuring"}
            for zone in _nlb_zones(store, b, now)
        ),
    ]


def _addresses(store: Store, instances: list[Instance]) -> list[dict[str, Any]]:
    """Public addresses: the EIPs, and the instances' static addresses."""
    return [
        *(
            {
                "id": e.id,
                "ip": e.ip,
                "instance_id": e.instance_id,
                "instance_type": e.instance_type,
            }
            for e in sorted(store.all(Eip), key=lambda e: e.id)
        ),
        *(
            {"id": i.id, "ip": i.public_ip, "instance_id": i.id, "instance_type": ECS_INSTANCE}
            for i in instances
            if i.public_ip
        ),
    ]


def _view(store: Store, cloud: Cloud, now: float) -> dict[str, Any]:
    instances = sorted(store.all(Instance), key=lambda i: (i.created, i.id))
    return {
        "instances": [_instance(store, cloud, i, now) for i in instances],
        "disks": [
            _data_disk(d) for d in sorted(store.all(Disk), key=lambda d: d.id) if d.kind == "data"
        ],
        "snapshots": [
            {"id": s.id, "disk": s.disk_id}
            for s in sorted(store.all(Snapshot), key=lambda s: (s.created, s.id))
            if s.disk_kind == "data"
        ],
        "load_balancers": _all_balancers(store, now),
        "translations": [
            translation
            for nat in sorted(store.all(NatGateway), key=lambda n: n.id)
            for translation in _translations(store, nat, now)
        ],
        "public_ipv6_addresses": [
            {"vpc_id": address.vpc_id, "address": address.address}
            for bandwidth in sorted(store.all(Ipv6Bandwidth), key=lambda b: b.id)
            if (address := store.find(Ipv6Address, bandwidth.address_id)) is not None
        ],
        "addresses": _addresses(store, instances),
    }


def _next_change(store: Store, now: float) -> float | None:
    """When a status in the view next changes by itself, in seconds since 1970; None for never."""
    lives = [
        *(i.life for i in store.all(Instance)),
        *(d.life for d in store.all(Disk)),
        *(b.life for b in store.all(NetworkLoadBalancer)),
        *(s.life for s in store.all(SnatEntry)),
        *(x.life for x in store.all(NlbListener)),
        *(s.life for g in store.all(NlbServerGroup) for s in g.servers),
    ]
    changes = (life.next_change(now) for life in lives)
    return min((c for c in changes if c is not None), default=None)


class MachinesView:
    """The view with its revision, which grows whenever the view differs from the last one."""

    def __init__(self, store: Store, cloud: Cloud) -> None:
        self._store = store
        self._cloud = cloud
        # Revisions of a process that was killed are smaller: they started earlier.
        self._revision = int(time.time() * 1000)
        self._text = ""
        self._view: dict[str, Any] = {}
        self._version = -1
        self._next: float | None = None

    def now(self) -> dict[str, Any]:
        """The current view."""
        now = time.time()
        due = self._next is not None and now >= self._next
        if self._version == self._store.version and not due and self._text:
            return self._view
        view = _view(self._store, self._cloud, now)
        text = json.dumps(view, sort_keys=True)
        self._version = self._store.version
        self._next = _next_change(self._store, now)
        if text != self._text:
            self._text = text
            self._revision += 1
            self._view = {"revision": self._revision, **view}
        return self._view
