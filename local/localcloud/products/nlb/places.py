"""The region of NLB and its zones."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.requests.actions import Answer, Call, action


@dataclass(frozen=True, kw_only=True)
class DescribeRegions:
    """Parameters of DescribeRegions."""

    accept_language: str | None = None
    service_code: str | None = None


@dataclass(frozen=True, kw_only=True)
class DescribeZones:
    """Parameters of DescribeZones."""

    region_id: str | None = None
    accept_language: str | None = None
    service_code: str | None = None


@action()
def describe_regions(call: Call, _request: DescribeRegions) -> Answer:
    """Return this cloud's region."""
    region = call.cloud.region
    return {"Regions": [{"RegionId": region, "LocalName": region, "RegionEndpoint": call.host}]}


@action()
def describe_zones(call: Call, _request: DescribeZones) -> Answer:
    """List the zones of the region."""
    return {"Zones": [{"ZoneId": zone, "LocalName": zone} for zone in call.cloud.zones]}
