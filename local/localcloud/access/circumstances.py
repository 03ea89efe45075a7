"""What conditions of policies can ask about a request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from localcloud.settings import Cloud
from localcloud.state.store import Store
from localcloud.web.messages import HttpRequest

from . import resources
from .conditions import Context
from .policies import Resource
from .principals import Principal


def of(
    principal: Principal, http: HttpRequest, now: float, given: Mapping[str, str]
) -> dict[str, str]:
    """The values of the condition keys, as `conditions.canonical` writes them."""
    context = {
        "acs:currenttime": datetime.fromtimestamp(now, UTC).isoformat(),
        "acs:mfapresent": "false",
        "acs:principalarn": principal.arn,
        "acs:securetransport": "true",
        "acs:sourceip": http.peer,
        **requested_tags(given),
    }
    if given.get("ServiceName"):
        context["ram:servicename"] = given["ServiceName"]
    if given.get("ExternalId"):
        context["sts:externalid"] = given["ExternalId"]
    return context


def requested_tags(given: Mapping[str, str]) -> dict[str, str]:
    """`acs:RequestTag/<key>` of the tags that a request sets, flat or as JSON."""
    found: dict[str, str] = {}
    for name, value in given.items():
        head, _, rest = name.partition(".")
        if head not in {"Tag", "Tags"}:
            continue
        if rest.lower().endswith(".key"):
            values = (f"{name[:-3]}{v}" for v in ("Value", "value"))
            found[f"acs:requesttag/{value}"] = next((given[v] for v in values if v in given), "")
        elif not rest:
            found |= _from_json(value)
    return found


def _from_json(text: str) -> dict[str, str]:
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    found = {}
    for tag in listed if isinstance(listed, list) else []:
        if isinstance(tag, dict):
            key = tag.get("Key", tag.get("TagKey", tag.get("key")))
            value = tag.get("Value", tag.get("TagValue", tag.get("value")))
            found[f"acs:requesttag/{key}"] = "" if value is None else str(value)
    return found


def resources_of(
    store: Store, cloud: Cloud, product: str, action: str, given: Mapping[str, str]
) -> Sequence[Resource]:
    """The resources of a call. What it makes has the tags that it sets."""
    making: Context = {
        key.replace("acs:requesttag/", "acs:resourcetag/", 1): value
        for key, value in requested_tags(given).items()
    }
    return resources.acted_on(store, cloud, product, action, given, making)
