"""Rules about the account, the region, and the tags on all resources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from config.facts.ports import HIGHEST_PORT
from config.facts.regions import ZONE_LETTERS, is_region
from config.facts.tags import CONTROLLER_TAGS, OWN_TAGS
from config.members import has_balancer
from config.model import ClusterConfig, Profile
from config.profiles import LOCAL_ENDPOINT
from config.report import Problem, as_yaml
from config.schema_walk import nearest

MAX_TAGS = 18
"""A resource takes 20 tags; this program sets two of them, and a third one on the load balancer of
the API servers and on disks of etcd."""
_RESERVED = "aliyun"
_KEPT = (_RESERVED, "acs:")
"""What keys of tags cannot begin with, and values neither (VPC, CreateVpc, `Tag.N.Value`; CLB,
CreateLoadBalancer, `Tag.N.Value`). ECS takes such values."""
MAX_NAME_LEFT = 28
"""Characters of a cluster's name that a prefix of four leaves."""
MAX_TAG_KEY = 128
MAX_TAG_VALUE = 128
MAX_BALANCER_TAG_KEY = 64
MAX_DESCRIPTION = 512
"""Characters of a security rule's description (ECS, AuthorizeSecurityGroup)."""
MIN_NAME = 2
"""Characters of the name of a security group (CreateSecurityGroup) and a NAT gateway."""

_RESOURCE_GROUP = re.compile(r"rg-[a-z0-9]+")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_INSTANCE_TYPE = re.compile(r"ecs\.[a-z0-9-]+\.[a-z0-9-]+")
_URL = re.compile(r"(https?://)+", re.IGNORECASE)


def endpoint_is_loopback(config: ClusterConfig) -> Iterator[Problem]:
    """`cloud.endpoint` is for the local cloud: a loopback address and a port."""
    endpoint = config.cloud.endpoint
    if endpoint is None:
        if config.profile is Profile.LOCAL:
            yield Problem(
                path="cloud.endpoint",
                value=None,
                rule="The local profile is for the local cloud only. Without an endpoint it "
                "would create resources in a real account.",
                remedy=f"Write endpoint: {LOCAL_ENDPOINT}, or profile: dev for a real account.",
            )
        return
    host, _, port = endpoint.rpartition(":")
    if not _is_loopback(host) or not _PORT.fullmatch(port) or int(port) > HIGHEST_PORT:
        yield Problem(
            path="cloud.endpoint",
            value=endpoint,
            rule="It must be a loopback address and a port, because every product is called "
            "there with the local cloud's public AccessKey.",
            remedy=f"Write {LOCAL_ENDPOINT}, or leave it out to use Alibaba Cloud's own endpoints.",
        )


def region_exists(config: ClusterConfig) -> Iterator[Problem]:
    """The region exists. Otherwise the run fails late, on a host name that does not resolve."""
    if config.region in ZONE_LETTERS:
        return
    if config.cloud.unlisted_region:
        if not is_region(config.region):
            yield Problem(
                path="region",
                value=config.region,
                rule="Not the id of a region: those have small letters, digits and single hyphens, "
                "and begin with two letters and a hyphen.",
                remedy="Write the id that the console shows, for example cn-hangzhou.",
            )
        return
    meant = nearest(config.region, ZONE_LETTERS)
    yield Problem(
        path="region",
        value=config.region,
        rule="This region is not in the list of Alibaba Cloud's regions.",
        remedy=(f"Did you mean {meant}? " if meant else "")
        + "If the region is newer than the list, write cloud.unlistedRegion: true.",
    )


def account_id_is_a_number(config: ClusterConfig) -> Iterator[Problem]:
    """An account id has digits only."""
    account = config.cloud.account_id
    if account is not None and not re.fullmatch("[0-9]+", account):
        yield Problem(
            path="cloud.accountId",
            value=account,
            rule="An account id consists of digits.",
            remedy="Write the number that the console shows as account ID, in quotes.",
        )


def ids_are_ids(config: ClusterConfig) -> Iterator[Problem]:
    """The resource group is an id, and the cloud accepts the cluster's name."""
    group = config.resource_group
    if group is not None and not _RESOURCE_GROUP.fullmatch(group):
        yield Problem(
            path="resourceGroup",
            value=group,
            rule="This must be the resource group's id, which begins with rg-.",
            remedy="Write the id that the console shows next to the group's name, or take it out.",
        )
    if len(config.name) < MIN_NAME:
        yield Problem(
            path="name",
            value=config.name,
            rule="The security group has the cluster's name, which therefore needs at least two "
            "characters.",
            remedy=f"Write {config.name}-cluster.",
        )
    if config.name.startswith(_RESERVED):
        yield Problem(
            path="name",
            value=config.name,
            rule="The name is the value of a tag on everything, and a VPC refuses values that "
            f"begin with {_RESERVED}.",
            remedy=f"Write k8s-{config.name[:MAX_NAME_LEFT].rstrip('-')}.",
        )


def descriptions_fit(config: ClusterConfig) -> Iterator[Problem]:
    """Descriptions of security rules are accepted by the cloud."""
    for name, rule in sorted(config.network.ingress.items()):
        text = rule.description
        path = f"network.ingress.{name}.description"
        if _URL.match(text):
            yield Problem(
                path=path,
                value=text,
                rule="Alibaba Cloud refuses descriptions that begin with http:// or https://.",
                remedy=f"Write {rest}." if (rest := _URL.sub("", text)) else "Take it out.",
            )
        if len(text) > MAX_DESCRIPTION:
            yield Problem(
                path=path,
                value=f"{len(text)} characters",
                rule=f"A description has {MAX_DESCRIPTION} characters at most.",
                remedy="Shorten it.",
            )


def tags_fit(config: ClusterConfig) -> Iterator[Problem]:
    """Limits of the tag service (ECS documentation, "Tag limits"), and stricter ones of CLB."""
    balancer = has_balancer(config)
    etcd_disk = any(pool.etcd_disk is not None for pool in config.node_pools.values())
    own, most = ("three", MAX_TAGS - 1) if balancer or etcd_disk else ("two", MAX_TAGS)
    if len(config.tags) > most:
        yield Problem(
            path="tags",
            value=f"{len(config.tags)} tags",
            rule=f"A resource takes 20 tags and this program sets {own} of them, so {most} are "
            "left.",
            remedy=f"Keep {most} at most.",
        )
    for key, value in sorted(config.tags.items()):
        fault = _tag_fault(key, value) or (_balancer_tag_fault(key) if balancer else None)
        if fault is not None:
            rule, remedy = fault
            yield Problem(path=f"tags.{key}", value=value, rule=rule, remedy=remedy)


def _tag_fault(key: str, value: str) -> tuple[str, str] | None:
    """The rule that a tag breaks, and the remedy."""
    rule = _tag_key_rule(key)
    if rule is not None:
        other = _URL.sub("", key)
        accepted = other != key and _tag_key_rule(other) is None
        return rule, f"Call it {other}." if accepted else "Write another key, for example team."
    rule = _tag_value_rule(value)
    if rule is None:
        return None
    if len(value) > MAX_TAG_VALUE:
        return rule, "Write a shorter value."
    other = value
    while _tag_value_rule(other) is not None:
        other = _URL.sub("", other)
        for kept in _KEPT:
            other = other[len(kept) :].lstrip("-") if other.lower().startswith(kept) else other
    return rule, f"Write {key}: {as_yaml(other)}."


def _balancer_tag_fault(key: str) -> tuple[str, str] | None:
    """What a CLB refuses in addition (CLB, TagResources, `Tag.N.Key`)."""
    if len(key) <= MAX_BALANCER_TAG_KEY:
        return None
    rule = (
        "The load balancer of the API servers has these tags too, and a CLB takes keys of "
        f"{MAX_BALANCER_TAG_KEY} characters at most."
    )
    return rule, "Write a shorter key."


def _tag_key_rule(key: str) -> str | None:
    if not key or len(key) > MAX_TAG_KEY:
        return f"A tag's key has 1 to {MAX_TAG_KEY} characters."
    if key.lower().startswith(_KEPT):
        return "Alibaba Cloud keeps keys that begin with aliyun or acs: for itself."
    if _URL.search(key):
        return "Alibaba Cloud refuses http:// and https:// in tags."
    if key.startswith(OWN_TAGS):
        return f"Keys that begin with {OWN_TAGS} are set by this program."
    if key in CONTROLLER_TAGS:
        return "The cloud controller finds its own load balancers by this key."
    return None


def _tag_value_rule(value: str) -> str | None:
    if len(value) > MAX_TAG_VALUE:
        return f"A tag's value has at most {MAX_TAG_VALUE} characters."
    if value.lower().startswith(_KEPT):
        return "Alibaba Cloud keeps values that begin with aliyun or acs: for itself."
    if _URL.search(value):
        return "Alibaba Cloud refuses http:// and https:// in tags."
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def instance_types_are_types(config: ClusterConfig) -> Iterator[Problem]:
    """Each key of `instanceTypes` is an instance type. Limits under another key have no effect."""
    for name in sorted(config.instance_types):
        if not _INSTANCE_TYPE.fullmatch(name):
            yield Problem(
                path=f"instanceTypes.{name}",
                value=None,
                rule="Names of instance types begin with ecs. and have a family and a size.",
                remedy="Write the whole name, for example ecs.g7.large.",
            )


RULES = (
    endpoint_is_loopback,
    region_exists,
    account_id_is_a_number,
    ids_are_ids,
    descriptions_fit,
    tags_fit,
    instance_types_are_types,
)
