"""The facts of a request that the conditions of policies can test."""

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
    principal: Principal, http: HttpRequest, now: float, parameters: Mapping[str, str]
) -> dict[str, str]:
    """The values by condition key; keys are written as by `conditions.canonical`."""
    context = {
        "acs:currenttime": datetime.fromtimestamp(now, UTC).isoformat(),
        "acs:mfapresent": "false",
        "acs:principalarn": principal.arn,
        "acs:securetransport": "true",
        "acs:sourceip": http.peer,
        **requested_tags(parameters),
    }
    if parameters.get("ServiceName"):
        context["ram:servicename"] = parameters["ServiceName"]
    if parameters.get("ExternalId"):
        context["sts:externalid"] = parameters["ExternalId"]
    return context


def requested_tags(parameters: Mapping[str, str]) -> dict[str, str]:
    """`acs:RequestTag/<key>` of the tags that a request sets, flat or as JSON."""
    context: dict[str, str] = {}
    for name, value in parameters.items():
        head, _, rest = name.partition(".")
        if head not in {"Tag", "Tags"}:
            continue
        if rest.lower().endswith(".key"):
            values = (f"{name[:-3]}{v}" for v in ("Value", "value"))
            context[f"acs:requesttag/{value}"] = next(
                (parameters[v] for v in values if v in parameters), ""
            )
        elif not rest:
            context |= _from_json(value)
    return context


def _from_json(text: str) -> dict[str, str]:
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    context = {}
    for tag in listed if isinstance(listed, list) else []:
        if isinstance(tag, dict):
            key = tag.get("Key", tag.get("TagKey", tag.get("key")))
            value = tag.get("Value", tag.get("TagValue", tag.get("value")))
            context[f"acs:requesttag/{key}"] = "" if value is None else str(value)
    return context


def resources_of(
    store: Store, cloud: Cloud, product: str, action: str, parameters: Mapping[str, str]
) -> Sequence[Resource]:
    """The resources of a call. A resource that the call creates has the tags of the request."""
    making: Context = {
        key.replace("acs:requesttag/", "acs:resourcetag/", 1): value
        for key, value in requested_tags(parameters).items()
    }
    return resources.acted_on(store, cloud, product, action, parameters, making)
