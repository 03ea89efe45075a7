"""CLB: one classic load balancer for a Service, by the SLB actions of v2.14.0."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from .cloud import CloudError
from .wants import OWNER_TAG, Backend, Port, Want, WantError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .cloud import Cloud
    from .flags import CloudConfig

GONE: Final = "InvalidLoadBalancerId.NotFound"
_REASON: Final = "managed.by.ack"
_AT_ONCE: Final = 20


class Clb:
    """Makes, keeps and takes away CLBs."""

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
        balancer = self._balancer(asked)
        self._keep(asked, balancer)
        ids = self._ensure_groups(asked, balancer, groups)
        if asked.owned or asked.said("force-override-listeners") == "true":
            self._ensure_listeners(asked, balancer, ids)
        self._drop_groups(asked, balancer, keep=set(ids.values()))
        shown = self._cloud("slb", "DescribeLoadBalancerAttribute", LoadBalancerId=balancer)
        return balancer, [{"ip": shown["Address"]}]

    def remove(self, asked: Want) -> str | None:
        """Take everything away that was made; the id of what it was about."""
        if not asked.owned:
            balancer = asked.said("id")
            try:
                self._drop_listeners(asked, balancer, keep=set())
                self._drop_groups(asked, balancer, keep=set())
            except CloudError as error:
                if error.code != GONE:
                    raise
            return balancer
        found = self._find(asked)
        if found is None:
            return None
        if asked.said("preserve-lb-on-delete"):
            return found
        self._protect(found, on=False)
        self._cloud("slb", "DeleteLoadBalancer", LoadBalancerId=found)
        return found

    def _find(self, asked: Want) -> str | None:
        tag = json.dumps([{"TagKey": OWNER_TAG, "TagValue": asked.label}])
        for by in ({"Tags": tag}, {"LoadBalancerName": asked.said("name", asked.label)}):
            answer = self._cloud("slb", "DescribeLoadBalancers", **by)
            if found := answer["LoadBalancers"]["LoadBalancer"]:
                return str(found[0]["LoadBalancerId"])
        return None

    def _balancer(self, asked: Want) -> str:
        if not asked.owned:
            balancer = asked.said("id")
            shown = self._cloud("slb", "DescribeLoadBalancerAttribute", LoadBalancerId=balancer)
            tags = self._tags(balancer)
            if {OWNER_TAG, "ack.aliyun.com"} & tags.keys():
                raise WantError(
                    f"loadbalancer {shown['LoadBalancerId']} can not be reused, it is tagged as "
                    "another cluster's or controller's"
                )
            return balancer
        return self._find(asked) or self._make(asked)

    def _tags(self, balancer: str) -> dict[str, str]:
        answer = self._cloud(
            "slb", "ListTagResources", ResourceType="instance", ResourceId=[balancer]
        )
        rows = (answer.get("TagResources") or {}).get("TagResource") or ()
        return {row["TagKey"]: row["TagValue"] for row in rows}

    def _make(self, asked: Want) -> str:
        kind = asked.said("address-type", "internet")
        if kind == "internet" and self._config.no_public_clb:
            raise WantError("PublicSLB is not allowed: disablePublicSLB")
        charge = asked.said("instance-charge-type", "PayByCLCU")
        made = self._cloud(
            "slb",
            "CreateLoadBalancer",
            LoadBalancerName=asked.said("name", asked.label),
            AddressType=kind,
            AddressIPVersion=asked.said("ip-version", "ipv4"),
            VpcId=self._config.vpc_id if kind == "intranet" else None,
            VSwitchId=self._vswitch(asked) if kind == "intranet" else None,
            Address=asked.said("ip"),
            InternetChargeType=asked.said("charge-type"),
            Bandwidth=asked.said("bandwidth"),
            InstanceChargeType=charge,
            LoadBalancerSpec=asked.said("spec") if charge == "PayBySpec" else None,
            MasterZoneId=asked.said("master-zoneid"),
            SlaveZoneId=asked.said("slave-zoneid"),
            DeleteProtection="on" if asked.protected else "off",
            ModificationProtectionStatus=_modification(asked),
            ModificationProtectionReason=_REASON,
            ResourceGroupId=asked.said("resource-group-id", self._config.resource_group),
            ClientToken=asked.uid,
            Tag=asked.tags,
        )
        return str(made["LoadBalancerId"])

    def _vswitch(self, asked: Want) -> str:
        if said := asked.said("vswitch-id"):
            return said
        if not self._config.vswitches:
            raise WantError("no vswitches found: vswitchid of the cloud config has no zone:vsw-id")
        return self._config.vswitches[0][1]

    def _keep(self, asked: Want, balancer: str) -> None:
        """What changes on a load balancer of our own."""
        if not asked.owned:
            return
        shown = self._cloud("slb", "DescribeLoadBalancerAttribute", LoadBalancerId=balancer)
        wanted_type = asked.said("address-type", "internet")
        if shown["AddressType"] != wanted_type:
            raise WantError(
                f"can not change LoadBalancer AddressType once created. delete and retry. "
                f"[{balancer}] is {shown['AddressType']}, the service says {wanted_type}"
            )
        if (shown["DeleteProtection"] == "on") != asked.protected:
            self._cloud(
                "slb",
                "SetLoadBalancerDeleteProtection",
                LoadBalancerId=balancer,
                DeleteProtection="on" if asked.protected else "off",
            )
        name = asked.said("name")
        if name and shown["LoadBalancerName"] != name:
            self._cloud(
                "slb", "SetLoadBalancerName", LoadBalancerId=balancer, LoadBalancerName=name
            )
        held = self._tags(balancer)
        if missing := [tag for tag in asked.tags if held.get(tag["Key"]) != tag["Value"]]:
            self._cloud(
                "slb",
                "TagResources",
                ResourceType="instance",
                ResourceId=[balancer],
                Tag=missing,
            )

    def _protect(self, balancer: str, *, on: bool) -> None:
        shown = self._cloud("slb", "DescribeLoadBalancerAttribute", LoadBalancerId=balancer)
        wanted = "on" if on else "off"
        if shown["DeleteProtection"] != wanted:
            self._cloud(
                "slb",
                "SetLoadBalancerDeleteProtection",
                LoadBalancerId=balancer,
                DeleteProtection=wanted,
            )

    def _groups(self, balancer: str) -> list[dict[str, Any]]:
        answer = self._cloud("slb", "DescribeVServerGroups", LoadBalancerId=balancer)
        return list(answer["VServerGroups"]["VServerGroup"])

    def _ensure_groups(
        self, asked: Want, balancer: str, groups: Mapping[Port, Sequence[Backend]]
    ) -> dict[int, str]:
        present = {g["VServerGroupName"]: g["VServerGroupId"] for g in self._groups(balancer)}
        ids: dict[int, str] = {}
        for port, servers in groups.items():
            name = _group_name(asked, port)
            group = present.get(name)
            if group is None:
                group = self._cloud(
                    "slb", "CreateVServerGroup", LoadBalancerId=balancer, VServerGroupName=name
                )["VServerGroupId"]
                present[name] = group
            ids[_key(port)] = group
            self._ensure_servers(group, servers)
        return ids

    def _ensure_servers(self, group: str, wanted: Sequence[Backend]) -> None:
        shown = self._cloud("slb", "DescribeVServerGroupAttribute", VServerGroupId=group)
        held = {
            (s["ServerId"], s.get("ServerIp") or "", int(s["Port"])): (
                int(s["Weight"]),
                str(s.get("Type") or "ecs"),
            )
            for s in shown["BackendServers"]["BackendServer"]
        }
        # The id alone distinguishes instances: only pods' backends have addresses of their own.
        held = {(i, ip if what[1] == "eni" else "", p): what for (i, ip, p), what in held.items()}
        asked = {(b.server, b.ip if b.kind == "eni" else "", b.port): b for b in wanted}
        added = [b for key, b in asked.items() if key not in held]
        gone = [
            _server(Backend(kind=kind, server=i, ip=ip, port=port, weight=weight))
            for (i, ip, port), (weight, kind) in held.items()
            if (i, ip, port) not in asked
        ]
        moved = [b for key, b in asked.items() if key in held and held[key][0] != b.weight]
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

    def _drop_groups(self, asked: Want, balancer: str, *, keep: set[str]) -> None:
        suffix = f"/{asked.name}/{asked.namespace}/{asked.cluster}"
        for group in self._groups(balancer):
            name, identity = group["VServerGroupName"], group["VServerGroupId"]
            if name.startswith("k8s/") and name.endswith(suffix) and identity not in keep:
                self._cloud("slb", "DeleteVServerGroup", VServerGroupId=identity)

    def _listeners(self, balancer: str) -> list[dict[str, Any]]:
        return list(
            self._cloud.pages(
                "slb", "DescribeLoadBalancerListeners", "Listeners", LoadBalancerId=[balancer]
            )
        )

    def _ensure_listeners(self, asked: Want, balancer: str, groups: Mapping[int, str]) -> None:
        keep = {(port.port, port.protocol) for port in asked.ports}
        self._drop_listeners(asked, balancer, keep=keep)
        present = {(x["ListenerPort"], x["ListenerProtocol"]): x for x in self._listeners(balancer)}
        for port in asked.ports:
            settings = self._settings(asked, port, groups[_key(port)])
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

    def _settings(self, asked: Want, port: Port, group: str) -> dict[str, str]:
        settings = {
            "VServerGroupId": group,
            "Description": _listener_name(asked, port),
            "Scheduler": asked.said("scheduler", "rr"),
        }
        if port.protocol in {"http", "https"}:
            settings |= {"StickySession": "off", "HealthCheck": "off"}
        if port.protocol == "https":
            certificate = asked.said("cert-id")
            if not certificate:
                raise WantError(f"https listener {port.port} needs a certificate: cert-id")
            settings["ServerCertificateId"] = certificate
        return settings

    def _drop_listeners(self, asked: Want, balancer: str, *, keep: set[tuple[int, str]]) -> None:
        suffix = f"/{asked.name}/{asked.namespace}/{asked.cluster}"
        for listener in self._listeners(balancer):
            at = (listener["ListenerPort"], listener["ListenerProtocol"])
            said = str(listener.get("Description") or "")
            if at not in keep and said.startswith("k8s/") and said.endswith(suffix):
                self._cloud(
                    "slb",
                    "DeleteLoadBalancerListener",
                    LoadBalancerId=balancer,
                    ListenerPort=at[0],
                    ListenerProtocol=at[1],
                )


def _modification(asked: Want) -> str:
    return (
        "ConsoleProtection"
        if asked.said("modification-protection") != "NonProtection"
        else ("NonProtection")
    )


def _key(port: Port) -> int:
    """TCP and UDP may share a number."""
    return port.port * 2 + (port.protocol == "udp")


def _group_name(asked: Want, port: Port) -> str:
    number = port.target if asked.eni else port.node_port
    return f"k8s/{number}/{asked.name}/{asked.namespace}/{asked.cluster}"


def _listener_name(asked: Want, port: Port) -> str:
    return f"k8s/{port.port}/{asked.name}/{asked.namespace}/{asked.cluster}"


def _server(backend: Backend) -> dict[str, object]:
    shown: dict[str, object] = {
        "ServerId": backend.server,
        "Port": backend.port,
        "Weight": backend.weight,
        "Type": backend.kind,
    }
    return shown | ({"ServerIp": backend.ip} if backend.kind == "eni" else {})
