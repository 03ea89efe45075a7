"""DescribeEndpoints: every product answers at the host that received the request."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.parameters import wire


@dataclass(frozen=True, kw_only=True)
class DescribeEndpoints:
    """Parameters of DescribeEndpoints. Id is the region."""

    region: str = wire("Id")
    service_code: str
    kind: str = wire("Type", default="openAPI")
    region_id: str | None = None


@action()
def describe_endpoints(call: Call, request: DescribeEndpoints) -> Answer:
    """Return the endpoint of a product, which is the host that the client named."""
    return {
        "Success": True,
        "Endpoints": {
            "Endpoint": [
                {
                    "Endpoint": call.host,
                    "Id": request.region,
                    "SerivceCode": request.service_code,
                    "Namespace": request.service_code,
                    "Type": request.kind,
                    "Protocols": {"Protocols": ["HTTPS"]},
                }
            ]
        },
    }
