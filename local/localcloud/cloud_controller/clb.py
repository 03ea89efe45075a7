"""CLB: one classic load balancer for a Service, by the SLB actions of v2.14.0."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from .balancer_kind import BalancerKind
from .cloud import CloudError
from .desired import OWNER_TAG, Backend, DesiredLoadBalancer, Port, ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


GONE: Final = "InvalidLoadBalancerId.NotFound"
_REASON: Final = "managed.by.ack"
_AT_ONCE: Final = 20


class Clb(BalancerKind):
    """Creates, updates and deletes CLBs."""

    def ensure(
        self, desired: DesiredLoadBalancer, groups: Mapping[Port, Sequence[Backend]]
    ) -> tuple[str, list[dict[str, str]]]:
        """Bring the CLB to its desired state; return its id and the Service's ingress."""
        balancer = self._balancer(desired)
        self._keep(desired, balancer)
        ids = self._ensure_groups(desired, balancer, groups)
        if desired.owned or desired.annotation("force-override-listeners") == "true":
            self._ensure_listeners(desired, balancer, ids)
        self._drop_groups(desired, balancer, keep=set(ids.values()))
        shown = self._cloud("slb", "DescribeLoadBalancerAttribute", LoadBalancerId=balancer)
        return balancer, [{"ip": shown["Address"]}]

    def remove(self, desired: DesiredLoadBalancer) -> str | None:
        """Delete the CLB. Of a reused CLB, delete only what this controller added."""
        if not desired.owned:
            balancer = desired.annotation("id")
            try:
                self._drop_listeners(desired, balancer, keep=set())
                self._drop_groups(desired, balancer, keep=set())
            except CloudError as error:
                if error.code != GONE:
                    raise
            return balancer
        balancer_id = self._find(desired)
        if balancer_id is None:
            return None
        if desired.annotation("preserve-lb-on-delete"):
            return balancer_id
        self._protect(balancer_id, on=False)
        self._cloud("slb", "DeleteLoadBalancer", LoadBalancerId=balancer_id)
        return balancer_id

    def _find(self, desired: DesiredLoadBalancer) -> str | None:
        tag = json.dumps([{"TagKey": OWNER_TAG, "TagValue": desired.label}])
        for by in ({"Tags": tag}, {"LoadBalancerName": desired.annotation("name", desired.label)}):
            answer = self._cloud("slb", "DescribeLoadBalancers", **by)
            if balancers := answer["LoadBalancers"]["LoadBalancer"]:
                return str(balancers[0]["LoadBalancerId"])
        return None

    def _balancer(self, desired: DesiredLoadBalancer) -> str:
        if not desired.owned:
            balancer = desired.annotation("id")
            shown = self._cloud("slb", "DescribeLoadBalancerAttribute", LoadBalancerId=balancer)
            tags = self._tags(balancer)
            if {OWNER_TAG, "ack.aliyun.com"} & tags.keys():
                raise ServiceError(
                    f"loadbalancer {shown['LoadBalancerId']} can not be reused, it is tagged as "
                    "another cluster's or controller's"
                )
            return balancer
        return self._find(desired) or self._make(desired)

    def _tags(self, balancer: str) -> dict[str, str]:
        answer = self._cloud(
            "slb", "ListTagResources", ResourceType="instance", ResourceId=[balancer]
        )
        rows = (answer.get("TagResources") or {}).get("TagResource") or ()
        return {row["TagKey"]: row["TagValue"] for row in rows}

    def _make(self, desired: DesiredLoadBalancer) -> str:
        kind = desired.annotation("address-type", "internet")
        if kind == "internet" and self._config.no_public_clb:
            raise ServiceError("PublicSLB is not allowed: disablePublicSLB")
        charge = desired.annotation("instance-charge-type", "PayByCLCU")
        created = self._cloud(
            "slb",
            "CreateLoadBalancer",
            LoadBalancerName=desired.annotation("name", desired.label),
            AddressType=kind,
            AddressIPVersion=desired.annotation("ip-version", "ipv4"),
            VpcId=self._config.vpc_id if kind == "intranet" else None,
            VSwitchId=self._vswitch(desired) if kind == "intranet" else None,
            Address=desired.annotation("ip"),
            InternetChargeType=desired.annotation("charge-type"),
            Bandwidth=desired.annotation("bandwidth"),
            InstanceChargeType=charge,
            LoadBalancerSpec=desired.annotation("spec") if charge == "PayBySpec" else None,
            MasterZoneId=desired.annotation("master-zoneid"),
            SlaveZoneId=desired.annotation("slave-zoneid"),
            DeleteProtection="on" if desired.protected else "off",
            ModificationProtectionStatus=_modification(desired),
            ModificationProtectionReason=_REASON,
            ResourceGroupId=desired.annotation("resource-group-id", self._config.resource_group),
            ClientToken=desired.uid,
            Tag=desired.tags,
        )
        return str(created["LoadBalancerId"])

    def _vswitch(self, desired: DesiredLoadBalancer) -> str:
        if vswitch := desired.annotation("vswitch-id"):
            return vswitch
        if not self._config.vswitches:
            raise ServiceError(
                "no vswitches found: vswitchid of the cloud config has no zone:vsw-id"
            )
        return self._config.vswitches[0][1]

    def _keep(self, desired: DesiredLoadBalancer, balancer: str) -> None:
        """Apply the settings that may change on a load balancer of our own."""
        if not desired.owned:
            return
        shown = self._cloud("slb", "DescribeLoadBalancerAttribute", LoadBalancerId=balancer)
        address_type = desired.annotation("address-type", "internet")
        if shown["AddressType"] != address_type:
            raise ServiceError(
                f"can not change LoadBalancer AddressType once created. delete and retry. "
                f"[{balancer}] is {shown['AddressType']}, the service has {address_type}"
            )
        if (shown["DeleteProtection"] == "on") != desired.protected:
            self._cloud(
                "slb",
                "SetLoadBalancerDeleteProtection",
                LoadBalancerId=balancer,
                DeleteProtection="on" if desired.protected else "off",
            )
        name = desired.annotation("name")
        if name and shown["LoadBalancerName"] != name:
            self._cloud(
                "slb", "SetLoadBalancerName", LoadBalancerId=balancer, LoadBalancerName=name
            )
        tags = self._tags(balancer)
        if missing := [tag for tag in desired.tags if tags.get(tag["Key"]) != tag["Value"]]:
            self._cloud(
                "slb",
                "TagResources",
                ResourceType="instance",
                ResourceId=[balancer],
                Tag=missing,
            )

    def _protect(self, balancer: str, *, on: bool) -> None:
        shown = self._cloud("slb", "DescribeLoadBalancerAttribute", LoadBalancerId=balancer)
        protection = "on" if on else "off"
        if shown["DeleteProtection"] != protection:
            self._cloud(
                "slb",
                "SetLoadBalancerDeleteProtection",
                LoadBalancerId=balancer,
                DeleteProtection=protection,
            )

    def _groups(self, balancer: str) -> list[dict[str, Any]]:
        answer = self._cloud("slb", "DescribeVServerGroups", LoadBalancerId=balancer)
        return list(answer["VServerGroups"]["VServerGroup"])

    def _ensure_groups(
        self, desired: DesiredLoadBalancer, balancer: str, groups: Mapping[Port, Sequence[Backend]]
    ) -> dict[int, str]:
        present = {g["VServerGroupName"]: g["VServerGroupId"] for g in self._groups(balancer)}
        ids: dict[int, str] = {}
        for port, servers in groups.items():
            name = _group_name(desired, port)
            group = present.get(name)
            if group is None:
                group = self._cloud(
                    "slb", "CreateVServerGroup", LoadBalancerId=balancer, VServerGroupName=name
                )["VServerGroupId"]
                present[name] = group
            ids[_key(port)] = group
            self._ensure_servers(group, servers)
        return ids

    def _ensure_servers(self, group: str, backends: Sequence[Backend]) -> None:
        shown = self._cloud("slb", "DescribeVServerGroupAttribute", VServerGroupId=group)
        present = {
            (s["ServerId"], s.get("ServerIp") or "", int(s["Port"])): (
                int(s["Weight"]),
                str(s.get("Type") or "ecs"),
            )
            for s in shown["BackendServers"]["BackendServer"]
        }
        # The id alone distinguishes instances: only pods' backends have addresses of their own.
        present = {
            (i, ip if what[1] == "eni" else "", p): what for (i, ip, p), what in present.items()
        }
        requested = {(b.server, b.ip if b.kind == "eni" else "", b.port): b for b in backends}
        added = [b for key, b in requested.items() if key not in present]
        gone = [
            _server(Backend(kind=kind, server=i, ip=ip, port=port, weight=weight))
            for (i, ip, port), (weight, kind) in present.items()
            if (i, ip, port) not in requested
        ]
        moved = [
            b for key, b in requested.items() if key in present and present[key][0] != b.weight
        ]
        for action, servers in (
            ("AddVServerGroupBackendServers", [_server(b) for b in added]),
            ("RemoveVServerGroupBackendServers", gone),
        ):
            for first in range(0, len(servers), _AT_ONCE):
                part = json.dumps(servers[first : first + _AT_ONCE])
                self._cloud("slb", action, VServerGroupId=group, BackendServers=part)
        if moved:
            self._cloud(
                "slb",
                "SetVServerGroupAttribute",
                VServerGroupId=group,
                BackendServers=json.dumps([_server(b) for b in moved]),
            )

    def _drop_groups(self, desired: DesiredLoadBalancer, balancer: str, *, keep: set[str]) -> None:
        for group in self._groups(balancer):
            name, identity = group["VServerGroupName"], group["VServerGroupId"]
            if desired.owns_name(name) and identity not in keep:
                self._cloud("slb", "DeleteVServerGroup", VServerGroupId=identity)

    def _listeners(self, balancer: str) -> list[dict[str, Any]]:
        return list(
            self._cloud.pages(
                "slb", "DescribeLoadBalancerListeners", "Listeners", LoadBalancerId=[balancer]
            )
        )

    def _ensure_listeners(
        self, desired: DesiredLoadBalancer, balancer: str, groups: Mapping[int, str]
    ) -> None:
        keep = {(port.port, port.protocol) for port in desired.ports}
        self._drop_listeners(desired, balancer, keep=keep)
        present = {(x["ListenerPort"], x["ListenerProtocol"]): x for x in self._listeners(balancer)}
        for port in desired.ports:
            settings = self._settings(desired, port, groups[_key(port)])
            listener = present.get((port.port, port.protocol))
            named = {"LoadBalancerId": balancer, "ListenerPort": port.port}
            proper = port.protocol.upper()
            if listener is None:
                self._cloud(
                    "slb", f"CreateLoadBalancer{proper}Listener", **named, Bandwidth=-1, **settings
                )
            elif any(
                str(listener.get(key, "")) != value
                for key, value in settings.items()
                if key in {"VServerGroupId", "Scheduler", "Description"}
            ):
                self._cloud("slb", f"SetLoadBalancer{proper}ListenerAttribute", **named, **settings)
            if listener is None or listener["Status"] != "running":
                self._cloud(
                    "slb", "StartLoadBalancerListener", **named, ListenerProtocol=port.protocol
                )

    def _settings(self, desired: DesiredLoadBalancer, port: Port, group: str) -> dict[str, str]:
        settings = {
            "VServerGroupId": group,
            "Description": desired.listener_name(port),
            "Scheduler": desired.annotation("scheduler", "rr"),
        }
        if port.protocol in {"http", "https"}:
            settings |= {"StickySession": "off", "HealthCheck": "off"}
        if port.protocol == "https":
            certificate = desired.annotation("cert-id")
            if not certificate:
                raise ServiceError(f"https listener {port.port} needs a certificate: cert-id")
            settings["ServerCertificateId"] = certificate
        return settings

    def _drop_listeners(
        self, desired: DesiredLoadBalancer, balancer: str, *, keep: set[tuple[int, str]]
    ) -> None:
        for listener in self._listeners(balancer):
            at = (listener["ListenerPort"], listener["ListenerProtocol"])
            description = str(listener.get("Description") or "")
            if at not in keep and desired.owns_name(description):
                self._cloud(
                    "slb",
                    "DeleteLoadBalancerListener",
                    LoadBalancerId=balancer,
                    ListenerPort=at[0],
                    ListenerProtocol=at[1],
                )


def _modification(desired: DesiredLoadBalancer) -> str:
    return (
        "ConsoleProtection"
        if desired.annotation("modification-protection") != "NonProtection"
        else ("NonProtection")
    )


def _key(port: Port) -> int:
    """TCP and UDP may share a number."""
    return port.port * 2 + (port.protocol == "udp")


def _group_name(desired: DesiredLoadBalancer, port: Port) -> str:
    return f"k8s/{desired.backend_port(port)}{desired.name_suffix}"


def _server(backend: Backend) -> dict[str, object]:
    shown: dict[str, object] = {
        "ServerId": backend.server,
        "Port": backend.port,
        "Weight": backend.weight,
        "Type": backend.kind,
    }
    return shown | ({"ServerIp": backend.ip} if backend.kind == "eni" else {})
