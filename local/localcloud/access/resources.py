"""The ARNs of the resources that a call acts on. A policy's Resource is compared with them.

Their form is that of the products' pages on RAM: `acs:ecs:<region>:<account>:instance/<id>`. A call
names resources in its parameters; what it creates or lists has no id yet and is `…/*`. The filters
of a read are not resources: only the kind that it reads counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from localcloud.settings import Cloud
from localcloud.state.store import Store

from .conditions import Context
from .policies import Resource

_READS: Final = ("Describe", "List", "Get", "Query")
_KINDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "ecs": {
            "Image": "image",
            "Instance": "instance",
            "KeyPair": "keypair",
            "NetworkInterface": "eni",
            "SecurityGroup": "securitygroup",
            "Disk": "disk",
            "Snapshot": "snapshot",
            "AutoSnapshotPolicy": "snapshotpolicy",
        },
        "vpc": {
            "Vpc": "vpc",
            "VSwitch": "vswitch",
            "NatGateway": "natgateway",
            "Eip": "eip",
            "Ipv6Gateway": "ipv6gateway",
            "RouteTable": "routetable",
        },
        "slb": {"LoadBalancer": "loadbalancer"},
        "nlb": {
            "LoadBalancer": "loadbalancer",
            "ServerGroup": "servergroup",
            "Listener": "listener",
        },
        "ram": {"Role": "role", "User": "user", "Policy": "policy"},
    }
)
"""Product → noun in action and parameter names → type in ARNs."""
_ELSEWHERE: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = MappingProxyType(
    {
        "ecs": {"VpcId": ("vpc", "vpc"), "VSwitchId": ("vpc", "vswitch")},
        "slb": {"VpcId": ("vpc", "vpc"), "VSwitchId": ("vpc", "vswitch")},
        "nlb": {"VpcId": ("vpc", "vpc")},
    }
)
_OTHER_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"AllocationId": "Eip", "KeyPairName": "KeyPair"}
)


def acted_on(  # noqa: PLR0913, PLR0917  # a call, and where it is made
    store: Store,
    cloud: Cloud,
    product: str,
    action: str,
    parameters: Mapping[str, str],
    request_tags: Context,
) -> Sequence[Resource]:
    """The resources of a call; product in lower case, `request_tags` for what it creates."""
    kinds = _KINDS.get(product, {})
    own = next(
        (kinds[noun] for noun in sorted(kinds, key=len, reverse=True) if noun in action), None
    )
    reads = action.startswith(_READS)
    touched: dict[str, Resource] = {}
    has_own = False
    if parameters.get("RoleArn"):
        return [Resource(arn=parameters["RoleArn"])]
    for name, value in parameters.items():
        where, kind = _kind_of(product, kinds, name)
        if name.partition(".")[0] == "ResourceId" and parameters.get("ResourceType"):
            where, kind = product, _type_of(product, parameters["ResourceType"])
            own = kind
        if kind is None or (reads and own is not None and kind != own):
            continue
        has_own = has_own or kind == own
        for resource_id in _ids(value):
            arn = _arn(cloud, where, f"{kind}/{_shown(where, resource_id)}")
            if kind == "policy" and parameters.get("PolicyType") == "System":
                arn = arn.replace(f":{cloud.account_id}:", ":system:")
            touched[arn] = Resource(arn=arn, context=_tags(store, resource_id))
    if not has_own and (own is not None or not touched):
        arn = _arn(cloud, product, f"{own}/*" if own else "*")
        touched[arn] = Resource(arn=arn, context=request_tags)
    return list(touched.values())


def role(cloud: Cloud, name: str) -> Resource:
    """The ARN of a role, for PassRole and AssumeRole."""
    return Resource(arn=_arn(cloud, "ram", f"role/{name.lower()}"))


def _kind_of(product: str, kinds: Mapping[str, str], name: str) -> tuple[str, str | None]:
    # Those of snapshot policies begin in lower case: diskIds, autoSnapshotPolicyId.
    first = name[:1].upper() + name[1:].partition(".")[0]
    elsewhere = _ELSEWHERE.get(product, {}).get(first)
    if elsewhere is not None:
        return elsewhere
    noun = _OTHER_NAMES.get(first)
    if noun is None:
        for ending in ("Ids", "Id", "Name") if product == "ram" else ("Ids", "Id"):
            if first.endswith(ending):
                noun = first.removesuffix(ending)
                break
    return product, kinds.get(noun or "")


def _type_of(product: str, resource_type: str) -> str:
    """The ARN type of a tagged resource: its resource type in lower case, except for CLBs."""
    named = resource_type.lower()
    return "loadbalancer" if (product, named) == ("slb", "instance") else named


def _ids(value: str) -> Sequence[str]:
    """One id, or several as a JSON array or with commas."""
    if value.lstrip().startswith("["):
        try:
            listed = json.loads(value)
        except (ValueError, RecursionError):
            return (value,)
        return tuple(str(item) for item in listed) or ("*",)
    return tuple(value.split(","))


def _shown(product: str, resource_id: str) -> str:
    return resource_id.lower() if product == "ram" else resource_id


def _arn(cloud: Cloud, product: str, relative: str) -> str:
    region = "" if product in {"ram", "sts"} else cloud.region
    return f"acs:{product}:{region}:{cloud.account_id}:{relative}"


def _tags(store: Store, resource_id: str) -> Context:
    return {f"acs:resourcetag/{key}": value for key, value in store.tags_of(resource_id)}
