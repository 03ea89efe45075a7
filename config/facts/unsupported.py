"""Keys and values that users expect and this program does not have, with reason and alternative.

Each limit is a refusal's text and a row of docs/configuration.md. A key is listed below the object
that would hold it, with the other names that people give it; spelling and case do not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]

_ANY = "*"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What is not supported below one object of the stack file."""

    holder: tuple[str, ...]
    """The object's path; `*` is any name."""
    names: tuple[str, ...]
    """Keys, the usual one first; or values of the key that `holder` names."""
    reason: str
    """Why not, as full sentences."""
    instead: str
    """The alternative, in the imperative."""
    value: bool = False
    """`names` are values of the key `holder`, not keys below it."""


_POOL = ("nodePools", _ANY)
_KUBERNETES = ("kubernetes",)
_SERVICE = ("services", _ANY)

LIMITS: tuple[Limit, ...] = (
    Limit(
        holder=_KUBERNETES,
        names=("apiServer", "apiServerExtraArgs", "extraArgs", "oidc", "admission", "audit"),
        reason="Flags of the API server are not configurable: they would have to change on running "
        "control planes one by one, and a wrong one stops the cluster. OpenID Connect, audit "
        "logs and admission plugins are such flags.",
        instead="Take it out. Logins work with client certificates and service accounts; for "
        "OpenID Connect put a proxy such as kube-oidc-proxy before the API server, or build the "
        "cluster yourself and write mode: existing.",
    ),
    Limit(
        holder=_KUBERNETES,
        names=("controllerManager", "scheduler", "etcd", "kubeadm", "clusterConfiguration"),
        reason="The control plane's components run with kubeadm's settings.",
        instead="Take it out, or build the cluster yourself and write mode: existing.",
    ),
    Limit(
        holder=_KUBERNETES,
        names=("kubeProxy", "proxyMode", "ipvs"),
        reason="kube-proxy runs in mode iptables with masqueradeAll, which pods of the VPC need: "
        "their addresses lie outside every pod range that another mode could tell apart.",
        instead="Take it out.",
    ),
    Limit(
        holder=_KUBERNETES,
        names=("registryMirrors", "imageRepository", "registries", "containerd", "packages"),
        reason="Packages and images come from one of two sets of sources, whose keys and paths "
        "this program knows.",
        instead="Write mirrors: global or mirrors: china. spiderpool.imageRegistry, "
        "cloudController.image and sampleApps.registry take registries of your own.",
    ),
    Limit(
        holder=("kubernetes", "mirrors"),
        names=("://", "."),
        value=True,
        reason="Packages and images come from one of two sets of sources, whose keys and paths "
        "this program knows; a mirror of your own is not one of them.",
        instead="Write global or china. spiderpool.imageRegistry, cloudController.image and "
        "sampleApps.registry take registries of your own.",
    ),
    Limit(
        holder=("kubernetes", "serviceCidr"),
        names=(",",),
        value=True,
        reason="Services of the cluster have IPv4 addresses only; pods have IPv6 addresses with "
        "network.ipv6.enabled.",
        instead="Write the IPv4 range alone.",
    ),
    Limit(
        holder=("kubernetes", "podCidr"),
        names=(",",),
        value=True,
        reason="podCidr only tells service traffic apart; no pod takes an address of it.",
        instead="Write one IPv4 range.",
    ),
    Limit(
        holder=_POOL,
        names=("userData", "extraUserData", "cloudInit", "bootCommands", "preBootstrap"),
        reason="User-data is the boot program, and a machine reads it once, so a change would "
        "reach new machines only.",
        instead="Take it out. Use a DaemonSet for what runs on every node, or image: with a "
        "custom image that holds it.",
    ),
    Limit(
        holder=_POOL,
        names=("dataDisks", "dataDisk", "disks", "volumes", "extraDisks"),
        reason="A node has only its system disk, and a control plane also one for etcd "
        "(etcdDisk), so that a replacement loses no data.",
        instead="Take it out. Write a larger disk.size, or use volumes of Alibaba Cloud's CSI "
        "driver for data.",
    ),
    Limit(
        holder=_POOL,
        names=(
            "securityGroupIds",
            "securityGroupId",
            "securityGroups",
            "securityGroup",
            "extraSecurityGroups",
        ),
        reason="Every ENI is in the one security group that this program creates and checks.",
        instead="Take it out, and write further rules as network.ingress.",
    ),
    Limit(
        holder=("network",),
        names=(
            "securityGroups",
            "extraSecurityGroups",
            "extraSecurityGroup",
            "securityGroupId",
            "securityGroupIds",
        ),
        reason="The cluster has one security group of its own, whose rules are planned with the "
        "cluster.",
        instead="Take it out, and write further rules as network.ingress.",
    ),
    Limit(
        holder=("network",),
        names=("securityGroupType", "enterpriseSecurityGroup"),
        reason="The type of the cluster's security group is a key of network.securityGroup.",
        instead="Take it out, and write network.securityGroup: {type: enterprise}, or normal.",
    ),
    Limit(
        holder=_POOL,
        names=("deploymentSet", "deploymentSetId", "placementGroup", "dedicatedHost", "hpcCluster"),
        reason="Instances are placed by zone only: a deployment set has at most 20 instances in "
        "a zone, and an instance leaves one only when it is stopped.",
        instead="Take it out, and spread the pool over several zones.",
    ),
    Limit(
        holder=_POOL,
        names=("autoscaling", "autoScaling", "minSize", "maxSize", "minCount", "maxCount"),
        reason="Addresses are planned for nodes by name, so their number is written down.",
        instead="Take it out, and write count.",
    ),
    Limit(
        holder=_POOL,
        names=("password", "user", "sshKey", "publicKey"),
        reason="Machines take an SSH key pair that exists in the account, and no password.",
        instead="Take it out, and write keyPair: with the key pair's name.",
    ),
    Limit(
        holder=("network", "nat"),
        names=("eipIds", "eips", "eipCount", "extraEips", "snatIps"),
        reason="The NAT gateway has one EIP, whose address is the same for all nodes.",
        instead="Take it out, and write eipId for an EIP of your own. Several EIPs: adopt a NAT "
        "gateway that has them, by id and eipAddress.",
    ),
    Limit(
        holder=("network",),
        names=("peering", "vpn", "cen", "routes", "routeTable", "acl", "flowLog", "dns"),
        reason="This program creates only the cluster's own VPC, vSwitches, NAT gateway and "
        "security group.",
        instead="Take it out, and make it in a stack of its own on the VPC that this one exports.",
    ),
    Limit(
        holder=_SERVICE,
        names=("loadBalancerSourceRanges", "sourceRanges", "allowedCidrs", "whitelist"),
        reason="The cloud controller ignores source ranges for a CLB, and for an NLB it needs "
        "rights over security groups that this program does not give it (v2.14.0).",
        instead="Take it out. For a CLB make an access control list, and write the annotations "
        "acl-id, acl-status: on and acl-type: white; for an NLB write the annotation "
        "security-group-ids (all with the prefix "
        "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-).",
    ),
    Limit(
        holder=("services", _ANY, "loadBalancer"),
        names=("alb", "gwlb"),
        value=True,
        reason="An ALB is made by Alibaba Cloud's ALB Ingress controller, which this program does "
        "not install; the cloud controller makes CLBs and NLBs.",
        instead="Write clb, which has http and https listeners too, or nlb for layer 4.",
    ),
    Limit(
        holder=(),
        names=("pullSecrets", "imagePullSecrets", "imagePullSecret"),
        reason="The charts and manifests of this program take no pull secrets.",
        instead="Take it out, and write a registry that nodes may read without a login as "
        "spiderpool.imageRegistry, cloudController.image and sampleApps.registry.",
    ),
    Limit(
        holder=("spiderpool", "values", "global"),
        names=("imagePullSecrets", "pullSecrets"),
        reason="The chart of Spiderpool 1.2.2 has no value for pull secrets.",
        instead="Take it out, and write a registry that nodes may read without a login as "
        "spiderpool.imageRegistry.",
    ),
    Limit(
        holder=(),
        names=("addons", "helm", "charts", "manifests", "monitoring"),
        reason="This program installs Spiderpool and the cloud controller; install everything "
        "else yourself.",
        instead="Take it out, and install it with the kubeconfig that the stack exports.",
    ),
)


def limit_of_key(path: Path) -> Limit | None:
    """The limit about an unknown key at this path; None when there is none."""
    if not path:
        return None
    holder, name = _plain(path[:-1]), _folded(str(path[-1]))
    for limit in LIMITS:
        if limit.value or not _matches(limit.holder, holder):
            continue
        if name in map(_folded, limit.names):
            return limit
    return None


def limit_of_value(path: Path, value: str) -> Limit | None:
    """The limit about a refused value; None when there is none."""
    for limit in LIMITS:
        if limit.value and _matches(limit.holder, _plain(path)):
            inside = any(not name.isalnum() and name in value for name in limit.names)
            if inside or value.lower() in limit.names:
                return limit
    return None


def rows() -> Iterator[tuple[str, str, str]]:
    """Rows of docs/configuration.md: the key or value, the reason, the alternative."""
    for limit in LIMITS:
        holder = ".".join("<name>" if step == _ANY else step for step in limit.holder)
        if limit.value:
            words = [f"`{name}`" for name in limit.names if name.isalnum()]
            shown = f"`{holder}`: {', '.join(words) or 'more than one'}"
            if holder == "kubernetes.mirrors":
                shown = f"`{holder}`: a URL"
        else:
            first, *others = limit.names
            shown = f"`{holder}.{first}`" if holder else f"`{first}`"
            shown += "".join(f", `{name}`" for name in others)
        yield shown, limit.reason, limit.instead


def _plain(path: Sequence[str | int]) -> tuple[str, ...]:
    """A node's own entry has the limits of its pool."""
    steps = tuple(str(step) for step in path)
    node = steps[:1] == ("nodePools",) and steps[2:3] == ("nodes",) and len(steps) == 4  # noqa: PLR2004 - nodePools.<pool>.nodes.<node>
    return steps[:2] if node else steps


def _matches(pattern: Sequence[str], steps: Sequence[str]) -> bool:
    return len(pattern) == len(steps) and all(
        expected in {_ANY, step} for expected, step in zip(pattern, steps, strict=True)
    )


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
