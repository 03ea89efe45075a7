"""Rules about public bandwidth: EIPs of the NAT gateway and of the API server, and IPv6.

Sources: VPC, AllocateEipAddress (`Bandwidth`: 1 to 200 with PayByTraffic, 1 to 500 with
PayByBandwidth when it is paid by use); the provider's note on alicloud_eip_address (international
accounts: PayByTraffic only); AllocateIpv6InternetBandwidth (1 to 5000, in this program's bounds
1000 at most, PayByTraffic).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from config.model import ClusterConfig
from config.report import Problem

HIGHEST: Mapping[str, int] = {"PayByTraffic": 200, "PayByBandwidth": 500}
"""Highest bandwidth in Mbit/s of a pay-as-you-go EIP, by internet charge type."""


def eips_fit(config: ClusterConfig) -> Iterator[Problem]:
    """EIPs that this program creates have a bandwidth that the cloud accepts."""
    nat, endpoint = config.network.nat, config.kubernetes.endpoint
    if nat.enabled and nat.id is None and nat.eip_id is None:
        kind = nat.internet_charge_type
        if config.cloud.account_type == "International" and kind == "PayByBandwidth":
            yield Problem(
                path="network.nat.internetChargeType",
                value=kind,
                rule="On international accounts a pay-as-you-go EIP is billed by traffic only.",
                remedy="Write internetChargeType: PayByTraffic, or cloud.accountType: Domestic for "
                "an account of aliyun.com.",
            )
        if nat.bandwidth > HIGHEST[kind]:
            other = HIGHEST["PayByBandwidth"]
            more = (
                f", or internetChargeType: PayByBandwidth for up to {other}"
                if kind == "PayByTraffic"
                and config.cloud.account_type == "Domestic"
                and nat.bandwidth <= other
                else ""
            )
            yield Problem(
                path="network.nat.bandwidth",
                value=str(nat.bandwidth),
                rule=f"An EIP with {kind} has {HIGHEST[kind]} Mbit/s at most.",
                remedy=f"Write bandwidth: {HIGHEST[kind]}{more}.",
            )
    if endpoint.public and config.kubernetes.mode == "kubeadm":
        highest = HIGHEST["PayByTraffic"]
        if endpoint.bandwidth > highest:
            yield Problem(
                path="kubernetes.endpoint.bandwidth",
                value=str(endpoint.bandwidth),
                rule=f"The API server's EIP is billed by traffic and has {highest} Mbit/s at most.",
                remedy=f"Write bandwidth: {highest}.",
            )


def ipv6_egress_has_a_gateway(config: ClusterConfig) -> Iterator[Problem]:
    """Public IPv6 bandwidth is a setting of an IPv6 gateway (AllocateIpv6InternetBandwidth)."""
    network = config.network
    if not network.ipv6.egress:
        return
    if not network.ipv6.enabled:
        rule, remedy = "IPv6 is off, so no pod has an IPv6 address.", "network.ipv6.enabled: true"
    elif not network.ipv6.has_gateway:
        rule = "Public bandwidth is a setting of the VPC's IPv6 gateway, and gateway is false."
        remedy = "network.ipv6.gateway: true"
    elif network.vpc.id is not None:
        yield Problem(
            path="network.ipv6.egress",
            value="true",
            rule="Public bandwidth is a setting of the VPC's IPv6 gateway, and of an adopted VPC "
            "this program does not create one.",
            remedy="Take it out, and give addresses bandwidth at the VPC's own IPv6 gateway.",
        )
        return
    else:
        return
    yield Problem(
        path="network.ipv6.egress",
        value="true",
        rule=rule,
        remedy=f"Write {remedy} too, or take it out.",
    )


RULES = (eips_fit, ipv6_egress_has_a_gateway)
