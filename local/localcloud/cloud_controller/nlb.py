"""NLB: one network load balancer for a Service, by the NLB actions of v2.14.0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from localcloud.polling import first_answer

from .balancer_kind import BalancerKind
from .cloud import CloudError
from .desired import OWNER_TAG, Backend, DesiredLoadBalancer, Port, ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_GONE: Final = "ResourceNotFound.loadBalancer"
_ACTIVE_WITHIN: Final = 60.0
_PARTS_OF_A_ZONE: Final = 2
_TYPES: Final = {"ecs": "Ecs", "eni": "Eni", "ip": "Ip"}


class Nlb(BalancerKind):
    """Creates, updates and deletes NLBs."""

    def ensure(
        self, desired: DesiredLoadBalancer, groups: Mapping[Port, Sequence[Backend]]
    ) -> tuple[str, list[dict[str, str]]]:
        """Bring the NLB to its desired state; return its id and the Service's ingress."""
        balancer = desired.annotation("id") or self._find(desired) or self._make(desired)
        shown = self._active(balancer)
        self._keep(desired, shown)
        ids = self._ensure_groups(desired, groups)
        if desired.owned or desired.annotation("force-override-listeners") == "true":
            self._ensure_listeners(desired, balancer, ids)
        self._drop_groups(desired, keep=set(ids.values()))
        return balancer, [{"hostname": shown["DNSName"]}]

    def remove(self, desired: DesiredLoadBalancer) -> str | None:
        """Delete the NLB. Of a reused NLB, delete only what this controller added."""
        balancer = desired.annotation("id") or self._find(desired)
        if balancer is not None:
            try:
                self._drop_listeners(desired, balancer, keep=set())
                if desired.owned and not desired.annotation("preserve-lb-on-delete"):
                    self._delete(balancer)
            except CloudError as error:
                if error.code != _GONE:
                    raise
        self._drop_groups(desired, keep=set())
        return balancer

    def _find(self, desired: DesiredLoadBalancer) -> str | None:
        tag = [{"Key": OWNER_TAG, "Value": desired.label}]
        for by in (
            {"Tag": tag},
            {"LoadBalancerNames": [desired.annotation("name", desired.label)]},
        ):
            for balancer in self._cloud.pages("nlb", "ListLoadBalancers", "LoadBalancers", **by):
                return str(balancer["LoadBalancerId"])
        return None

    def _make(self, desired: DesiredLoadBalancer) -> str:
        public = desired.annotation("address-type", "internet") == "internet"
        dual = desired.annotation("ip-version").lower() == "dualstack"
        created = self._cloud(
            "nlb",
            "CreateLoadBalancer",
            LoadBalancerName=desired.annotation("name", desired.label),
            LoadBalancerType="Network",
            AddressType="Internet" if public else "Intranet",
            AddressIpVersion="DualStack" if dual else "Ipv4",
            VpcId=self._config.vpc_id,
            ZoneMappings=_zones(desired.annotation("zone-maps")),
            # v2.14.0 reads no annotation for these two: each NLB that it creates is protected.
            DeletionProtectionConfig={"Enabled": True},
            ModificationProtectionConfig={
                "Status": "ConsoleProtection",
                "Reason": "managed.by.ack",
            },
            ResourceGroupId=desired.annotation("resource-group-id", self._config.resource_group),
            ClientToken=desired.uid,
            Tag=desired.tags,
        )
        balancer = str(created["LoadbalancerId"])
        if dual and desired.annotation("ipv6-address-type").lower() == "internet":
            self._active(balancer)
            self._cloud("nlb", "EnableLoadBalancerIpv6Internet", LoadBalancerId=balancer)
        return balancer

    def _active(self, balancer: str) -> dict[str, Any]:
        def active() -> dict[str, Any] | None:
            shown = self._cloud("nlb", "GetLoadBalancerAttribute", LoadBalancerId=balancer)
            return shown if shown["LoadBalancerStatus"] == "Active" else None

        shown = first_answer(active, within=_ACTIVE_WITHIN, every=0.5)
        if shown is None:
            raise ServiceError(f"nlb {balancer} is not active after {_ACTIVE_WITHIN:.0f} s")
        return shown

    def _keep(self, desired: DesiredLoadBalancer, shown: Mapping[str, Any]) -> None:
        if not desired.owned:
            return
        balancer = shown["LoadBalancerId"]
        address_type = (
            "Internet"
            if desired.annotation("address-type", "internet") == "internet"
            else "Intranet"
        )
        zones = _zones(desired.annotation("zone-maps"))
        if shown["AddressType"] != address_type:
            self._done(
                "UpdateLoadBalancerAddressTypeConfig",
                LoadBalancerId=balancer,
                AddressType=address_type,
                ZoneMappings=zones,
            )
        mapped_zones = {(z["ZoneId"], z["VSwitchId"]) for z in shown["ZoneMappings"]}
        if mapped_zones != {(z["ZoneId"], z["VSwitchId"]) for z in zones}:
            self._done("UpdateLoadBalancerZones", LoadBalancerId=balancer, ZoneMappings=zones)

    def _delete(self, balancer: str) -> None:
        shown = self._active(balancer)
        if shown["DeletionProtectionConfig"]["Enabled"]:
            self._cloud(
                "nlb",
                "UpdateLoadBalancerProtection",
                LoadBalancerId=balancer,
                DeletionProtectionEnabled=False,
            )
        self._done("DeleteLoadBalancer", LoadBalancerId=balancer)

    def _groups(self, desired: DesiredLoadBalancer) -> dict[str, str]:
        tag = [{"Key": OWNER_TAG, "Value": desired.label}]
        return {
            group["ServerGroupName"]: group["ServerGroupId"]
            for group in self._cloud.pages(
                "nlb", "ListServerGroups", "ServerGroups", VpcId=self._config.vpc_id, Tag=tag
            )
        }

    def _ensure_groups(
        self, desired: DesiredLoadBalancer, groups: Mapping[Port, Sequence[Backend]]
    ) -> dict[Port, str]:
        present = self._groups(desired)
        ids = {}
        for port, servers in groups.items():
            name = _group_name(desired, port)
            if name not in present:
                bare = desired.annotation("server-group-type") == "ip"
                present[name] = self._done(
                    "CreateServerGroup",
                    ServerGroupName=name,
                    VpcId=self._config.vpc_id,
                    ServerGroupType="Ip" if bare else "Instance",
                    Protocol=port.protocol.upper(),
                    Scheduler=desired.annotation("scheduler", "Wrr").capitalize(),
                    AddressIPVersion="Ipv4",
                    ResourceGroupId=desired.annotation(
                        "resource-group-id", self._config.resource_group
                    ),
                    Tag=desired.tags,
                )["ServerGroupId"]
            ids[port] = present[name]
            self._ensure_servers(present[name], servers)
        return ids

    def _ensure_servers(self, group: str, backends: Sequence[Backend]) -> None:
        present = {
            (s["ServerId"], s["ServerIp"] if s["ServerType"] != "Ecs" else "", s["Port"]): s
            for s in self._cloud.pages(
                "nlb", "ListServerGroupServers", "Servers", ServerGroupId=group
            )
        }
        requested = {(b.server, b.ip, b.port): b for b in backends}
        added = [_server(b) for key, b in requested.items() if key not in present]
        gone = [
            {
                "ServerId": s["ServerId"],
                "ServerType": s["ServerType"],
                "ServerIp": s["ServerIp"] if s["ServerType"] != "Ecs" else "",
                "Port": s["Port"],
            }
            for key, s in present.items()
            if key not in requested
        ]
        moved = [
            _server(b)
            for key, b in requested.items()
            if key in present and present[key]["Weight"] != b.weight
        ]
        for action, servers in (
            ("AddServersToServerGroup", added),
            ("RemoveServersFromServerGroup", gone),
            ("UpdateServerGroupServersAttribute", moved),
        ):
            if servers:
                self._done(action, ServerGroupId=group, Servers=servers)

    def _drop_groups(self, desired: DesiredLoadBalancer, *, keep: set[str]) -> None:
        for group in self._groups(desired).values():
            if group not in keep:
                self._done("DeleteServerGroup", ServerGroupId=group)

    def _listeners(self, balancer: str) -> list[dict[str, Any]]:
        return list(
            self._cloud.pages("nlb", "ListListeners", "Listeners", LoadBalancerIds=[balancer])
        )

    def _ensure_listeners(
        self, desired: DesiredLoadBalancer, balancer: str, groups: Mapping[Port, str]
    ) -> None:
        self._drop_listeners(
            desired, balancer, keep={(port.port, port.protocol.upper()) for port in desired.ports}
        )
        present = {(x["ListenerPort"], x["ListenerProtocol"]): x for x in self._listeners(balancer)}
        for port in desired.ports:
            listener = present.get((port.port, port.protocol.upper()))
            if listener is None:
                self._done(
                    "CreateListener",
                    LoadBalancerId=balancer,
                    ListenerProtocol=port.protocol.upper(),
                    ListenerPort=port.port,
                    ListenerDescription=desired.listener_name(port),
                    ServerGroupId=groups[port],
                )
                continue
            if listener["ServerGroupId"] != groups[port]:
                self._done(
                    "UpdateListenerAttribute",
                    ListenerId=listener["ListenerId"],
                    ServerGroupId=groups[port],
                )
            if listener["ListenerStatus"] == "Stopped":
                self._done("StartListener", ListenerId=listener["ListenerId"])

    def _drop_listeners(
        self, desired: DesiredLoadBalancer, balancer: str, *, keep: set[tuple[int, str]]
    ) -> None:
        for listener in self._listeners(balancer):
            description = str(listener.get("ListenerDescription") or "")
            at = (listener["ListenerPort"], listener["ListenerProtocol"])
            if at not in keep and desired.owns_name(description):
                self._done("DeleteListener", ListenerId=listener["ListenerId"])

    def _done(self, action: str, **parameters: object) -> dict[str, Any]:
        """Call an action and wait for its task."""
        answer = self._cloud("nlb", action, **parameters)
        job = answer.get("JobId")

        def outcome() -> str | None:
            status = str(self._cloud("nlb", "GetJobStatus", JobId=job)["Status"])
            return status if status in {"Succeeded", "Failed"} else None

        if job:
            status = first_answer(outcome, within=_ACTIVE_WITHIN, every=0.3) or "not done"
            if status != "Succeeded":
                raise ServiceError(f"{action}: task {job} is {status}")
        return answer


def _zones(text: str) -> list[dict[str, str]]:
    """`zone:vsw[:ipv4[:eip]],…` as ZoneMappings."""
    mappings = []
    for entry in filter(None, text.split(",")):
        parts = entry.split(":")
        if len(parts) < _PARTS_OF_A_ZONE:
            raise ServiceError(f"ZoneMapping format error, expect zone:vswitch, got {entry}")
        keys = ("ZoneId", "VSwitchId", "PrivateIPv4Address", "AllocationId")
        mappings.append(dict(zip(keys, parts, strict=False)))
    if not mappings:
        raise ServiceError("ParameterMissing, zone-maps is required for a new NLB")
    return mappings


def _group_name(desired: DesiredLoadBalancer, port: Port) -> str:
    service = f"{desired.name}.{desired.namespace}.{desired.cluster}"
    return f"k8s.{desired.backend_port(port)}.{port.protocol.upper()}.{service}"[:128]


def _server(backend: Backend) -> dict[str, object]:
    return {
        "ServerId": backend.server,
        "ServerType": _TYPES[backend.kind],
        "ServerIp": backend.ip,
        "Port": backend.port,
        "Weight": backend.weight,
    }
