"""NLB: one network load balancer for a Service, by the NLB actions of v2.14.0."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from .cloud import CloudError
from .wants import OWNER_TAG, Backend, Port, Want, WantError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .cloud import Cloud
    from .flags import CloudConfig

_GONE: Final = "ResourceNotFound.loadBalancer"
_ACTIVE_WITHIN: Final = 60.0
_PARTS_OF_A_ZONE: Final = 2
_TYPES: Final = {"ecs": "Ecs", "eni": "Eni", "ip": "Ip"}


class Nlb:
    """Makes, keeps and takes away NLBs."""

    def __init__(self, cloud: Cloud, config: CloudConfig) -> None:
        self._cloud = cloud
        self._config = config

    def ensure(
        self, asked: Want, groups: Mapping[Port, Sequence[Backend]]
    ) -> tuple[str, list[dict[str, str]]]:
        """Bring the load balancer to what is asked; its id and the Service's ingress.

        Raises:
            CloudError: The OpenAPI refused.
            WantError: What is asked cannot be.
        """
        balancer = asked.said("id") or self._find(asked) or self._make(asked)
        shown = self._active(balancer)
        self._keep(asked, shown)
        ids = self._ensure_groups(asked, groups)
        if asked.owned or asked.said("force-override-listeners") == "true":
            self._ensure_listeners(asked, balancer, ids)
        self._drop_groups(asked, keep=set(ids.values()))
        return balancer, [{"hostname": shown["DNSName"]}]

    def remove(self, asked: Want) -> str | None:
        """Take everything away that was made; the id of what it was about."""
        balancer = asked.said("id") or self._find(asked)
        if balancer is not None:
            try:
                self._drop_listeners(asked, balancer, keep=set())
                if asked.owned and not asked.said("preserve-lb-on-delete"):
                    self._delete(balancer)
            except CloudError as error:
                if error.code != _GONE:
                    raise
        self._drop_groups(asked, keep=set())
        return balancer

    def _find(self, asked: Want) -> str | None:
        tag = [{"Key": OWNER_TAG, "Value": asked.label}]
        for by in ({"Tag": tag}, {"LoadBalancerNames": [asked.said("name", asked.label)]}):
            for found in self._cloud.pages("nlb", "ListLoadBalancers", "LoadBalancers", **by):
                return str(found["LoadBalancerId"])
        return None

    def _make(self, asked: Want) -> str:
        public = asked.said("address-type", "internet") == "internet"
        dual = asked.said("ip-version").lower() == "dualstack"
        made = self._cloud(
            "nlb",
            "CreateLoadBalancer",
            LoadBalancerName=asked.said("name", asked.label),
            LoadBalancerType="Network",
            AddressType="Internet" if public else "Intranet",
            AddressIpVersion="DualStack" if dual else "Ipv4",
            VpcId=self._config.vpc_id,
            ZoneMappings=_zones(asked.said("zone-maps")),
            # v2.14.0 reads no annotation for these two: each NLB that it makes is protected.
            DeletionProtectionConfig={"Enabled": True},
            ModificationProtectionConfig={
                "Status": "ConsoleProtection",
                "Reason": "managed.by.ack",
            },
            ResourceGroupId=asked.said("resource-group-id", self._config.resource_group),
            ClientToken=asked.uid,
            Tag=asked.tags,
        )
        balancer = str(made["LoadbalancerId"])
        if dual and asked.said("ipv6-address-type").lower() == "internet":
            self._active(balancer)
            self._cloud("nlb", "EnableLoadBalancerIpv6Internet", LoadBalancerId=balancer)
        return balancer

    def _active(self, balancer: str) -> dict[str, Any]:
        until = time.monotonic() + _ACTIVE_WITHIN
        while True:
            shown = self._cloud("nlb", "GetLoadBalancerAttribute", LoadBalancerId=balancer)
            if shown["LoadBalancerStatus"] == "Active":
                return shown
            if time.monotonic() > until:
                status = shown["LoadBalancerStatus"]
                raise WantError(f"nlb {balancer} is {status} after {_ACTIVE_WITHIN:.0f} s")
            time.sleep(0.5)

    def _keep(self, asked: Want, shown: Mapping[str, Any]) -> None:
        if not asked.owned:
            return
        balancer = shown["LoadBalancerId"]
        wanted = "Internet" if asked.said("address-type", "internet") == "internet" else "Intranet"
        zones = _zones(asked.said("zone-maps"))
        if shown["AddressType"] != wanted:
            self._done(
                "UpdateLoadBalancerAddressTypeConfig",
                LoadBalancerId=balancer,
                AddressType=wanted,
                ZoneMappings=zones,
            )
        held = {(z["ZoneId"], z["VSwitchId"]) for z in shown["ZoneMappings"]}
        if held != {(z["ZoneId"], z["VSwitchId"]) for z in zones}:
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

    def _groups(self, asked: Want) -> dict[str, str]:
        tag = [{"Key": OWNER_TAG, "Value": asked.label}]
        return {
            group["ServerGroupName"]: group["ServerGroupId"]
            for group in self._cloud.pages(
                "nlb", "ListServerGroups", "ServerGroups", VpcId=self._config.vpc_id, Tag=tag
            )
        }

    def _ensure_groups(
        self, asked: Want, groups: Mapping[Port, Sequence[Backend]]
    ) -> dict[Port, str]:
        present = self._groups(asked)
        ids = {}
        for port, servers in groups.items():
            name = _group_name(asked, port)
            if name not in present:
                bare = asked.said("server-group-type") == "ip"
                present[name] = self._done(
                    "CreateServerGroup",
                    ServerGroupName=name,
                    VpcId=self._config.vpc_id,
                    ServerGroupType="Ip" if bare else "Instance",
                    Protocol=port.protocol.upper(),
                    Scheduler=asked.said("scheduler", "Wrr").capitalize(),
                    AddressIPVersion="Ipv4",
                    ResourceGroupId=asked.said("resource-group-id", self._config.resource_group),
                    Tag=asked.tags,
                )["ServerGroupId"]
            ids[port] = present[name]
            self._ensure_servers(present[name], servers)
        return ids

    def _ensure_servers(self, group: str, wanted: Sequence[Backend]) -> None:
        held = {
            (s["ServerId"], s["ServerIp"] if s["ServerType"] != "Ecs" else "", s["Port"]): s
            for s in self._cloud.pages(
                "nlb", "ListServerGroupServers", "Servers", ServerGroupId=group
            )
        }
        asked = {(b.server, b.ip, b.port): b for b in wanted}
        added = [_server(b) for key, b in asked.items() if key not in held]
        gone = [
            {
                "ServerId": s["ServerId"],
                "ServerType": s["ServerType"],
                "ServerIp": s["ServerIp"] if s["ServerType"] != "Ecs" else "",
                "Port": s["Port"],
            }
            for key, s in held.items()
            if key not in asked
        ]
        moved = [
            _server(b)
            for key, b in asked.items()
            if key in held and held[key]["Weight"] != b.weight
        ]
        for action, servers in (
            ("AddServersToServerGroup", added),
            ("RemoveServersFromServerGroup", gone),
            ("UpdateServerGroupServersAttribute", moved),
        ):
            if servers:
                self._done(action, ServerGroupId=group, Servers=servers)

    def _drop_groups(self, asked: Want, *, keep: set[str]) -> None:
        for group in self._groups(asked).values():
            if group not in keep:
                self._done("DeleteServerGroup", ServerGroupId=group)

    def _listeners(self, balancer: str) -> list[dict[str, Any]]:
        return list(
            self._cloud.pages("nlb", "ListListeners", "Listeners", LoadBalancerIds=[balancer])
        )

    def _ensure_listeners(self, asked: Want, balancer: str, groups: Mapping[Port, str]) -> None:
        self._drop_listeners(
            asked, balancer, keep={(port.port, port.protocol.upper()) for port in asked.ports}
        )
        present = {(x["ListenerPort"], x["ListenerProtocol"]): x for x in self._listeners(balancer)}
        for port in asked.ports:
            listener = present.get((port.port, port.protocol.upper()))
            if listener is None:
                self._done(
                    "CreateListener",
                    LoadBalancerId=balancer,
                    ListenerProtocol=port.protocol.upper(),
                    ListenerPort=port.port,
                    ListenerDescription=_listener_name(asked, port),
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

    def _drop_listeners(self, asked: Want, balancer: str, *, keep: set[tuple[int, str]]) -> None:
        suffix = f"/{asked.name}/{asked.namespace}/{asked.cluster}"
        for listener in self._listeners(balancer):
            said = str(listener.get("ListenerDescription") or "")
            at = (listener["ListenerPort"], listener["ListenerProtocol"])
            if at not in keep and said.startswith("k8s/") and said.endswith(suffix):
                self._done("DeleteListener", ListenerId=listener["ListenerId"])

    def _done(self, action: str, **parameters: object) -> dict[str, Any]:
        """Call an action and wait for its task."""
        answer = self._cloud("nlb", action, **parameters)
        job = answer.get("JobId")
        until = time.monotonic() + _ACTIVE_WITHIN
        while job:
            status = self._cloud("nlb", "GetJobStatus", JobId=job)["Status"]
            if status == "Succeeded":
                break
            if status == "Failed" or time.monotonic() > until:
                raise WantError(f"{action}: task {job} is {status}")
            time.sleep(0.3)
        return answer


def _zones(said: str) -> list[dict[str, str]]:
    """`zone:vsw[:ipv4[:eip]],…` as ZoneMappings."""
    found = []
    for entry in filter(None, said.split(",")):
        parts = entry.split(":")
        if len(parts) < _PARTS_OF_A_ZONE:
            raise WantError(f"ZoneMapping format error, expect zone:vswitch, got {entry}")
        keys = ("ZoneId", "VSwitchId", "PrivateIPv4Address", "AllocationId")
        found.append(dict(zip(keys, parts, strict=False)))
    if not found:
        raise WantError("ParameterMissing, zone-maps is required for a new NLB")
    return found


def _group_name(asked: Want, port: Port) -> str:
    number = port.target if asked.eni else port.node_port
    protocol = port.protocol.upper()
    return f"k8s.{number}.{protocol}.{asked.name}.{asked.namespace}.{asked.cluster}"[:128]


def _listener_name(asked: Want, port: Port) -> str:
    return f"k8s/{port.port}/{asked.name}/{asked.namespace}/{asked.cluster}"


def _server(backend: Backend) -> dict[str, object]:
    return {
        "ServerId": backend.server,
        "ServerType": _TYPES[backend.kind],
        "ServerIp": backend.ip,
        "Port": backend.port,
        "Weight": backend.weight,
    }
