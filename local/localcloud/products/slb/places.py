"""The region of CLB, its zones and the resources available there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.parameters import wire


@dataclass(frozen=True, kw_only=True)
class DescribeRegions:
    """Parameters of DescribeRegions."""

    region_id: str | None = None
    accept_language: str | None = None


@dataclass(frozen=True, kw_only=True)
class DescribeZones:
    """Parameters of DescribeZones."""

    region_id: str | None = None
    accept_language: str | None = None


@dataclass(frozen=True, kw_only=True)
class DescribeAvailableResource:
    """Parameters of DescribeAvailableResource."""

    region_id: str | None = None
    address_type: str | None = None
    address_ip_version: str | None = wire("AddressIPVersion", default=None)


@action()
def describe_regions(call: Call, _request: DescribeRegions) -> Answer:
    """Return this cloud's region."""
    region = call.cloud.region
    shown = {"RegionId": region, "LocalName": region, "RegionEndpoint": call.host}
    return {"Regions": {"Region": [shown]}}


@action()
def describe_zones(call: Call, _request: DescribeZones) -> Answer:
    """List the zones of the region, each with the next zone as its standby."""
    zones = call.cloud.zones
    shown = [
        {
            "ZoneId": master,
            "LocalName": master,
            "SlaveZones": {"SlaveZone": [{"ZoneId": slave, "LocalName": slave}]},
        }
        for master, slave in pairwise((*zones, zones[0]))
    ]
    return {"Zones": {"Zone": shown}}


@action()
def describe_available_resource(call: Call, request: DescribeAvailableResource) -> Answer:
    """List the pairs of zones for a CLB: all pairs of neighbours, for each kind of address."""
    kinds = [
        (address_type, version)
        for address_type in ("vpc", "classic_internet")
        for version in ("ipv4", "ipv6")
        if request.address_type in {None, "", address_type}
        and request.address_ip_version in {None, "", version}
    ]
    zones = call.cloud.zones
    return {
        "AvailableResources": {
            "AvailableResource": [
                {
                    "MasterZoneId": master,
                    "SlaveZoneId": slave,
                    "SupportResources": {
                        "SupportResource": [
                            {"AddressType": address_type, "AddressIPVersion": version}
                            for address_type, version in kinds
                        ]
                    },
                }
                for master, slave in pairwise((*zones, zones[0]))
            ]
        }
    }
