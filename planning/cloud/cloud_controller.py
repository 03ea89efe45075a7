"""The manifest of the Alibaba Cloud Controller Manager.

docs/decisions/cloud-controller-manifest.md has the reasons.

Upstream's manifests select a label that kubeadm no longer sets and grant more than v2.14 uses.
Routes are off from the first start: pods have VPC addresses, and a route controller would mark
every node unreachable forever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from config.facts.nics import PRIMARY_NIC
from planning.model import ClusterPlan
from planning.names import CONTROL_PLANE

NAME: Final = "cloud-controller-manager"
NAMESPACE: Final = "kube-system"
SECRET_NAME: Final = "cloud-config"  # noqa: S105  # a Secret's name
"""The Secret with the text of `cloud_config`, under the key `SECRET_KEY`."""
SECRET_KEY: Final = "cloud-config.conf"  # noqa: S105  # a key in a Secret
ACCESS_KEY_SECRET_NAME: Final = "cloud-controller-access-key"  # noqa: S105  # a Secret's name
"""Exists only with `credentials: access-key`. Its values are plain text, without base64."""
ACCESS_KEY_ID: Final = "access-key-id"
ACCESS_KEY_SECRET: Final = "access-key-secret"  # noqa: S105  # a key in a Secret
POLICY_LIMIT: Final = 6144
"""Characters that a custom RAM policy may have (RAM, CreatePolicy)."""

_LOST_NODE_SECONDS: Final = 60
"""How long a pod stays on a node that does not answer; Kubernetes' own default is 300."""
_USER: Final = 1200
"""Upstream's own manifest runs as this user."""

Object = dict[str, object]


def manifests(plan: ClusterPlan) -> Mapping[str, Object]:
    """Objects by name: identity, rights, Deployment. The Secret comes from `cloud_config`."""
    return {
        "service-account": {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": _labels()},
        },
        "cluster-role": {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": f"system:{NAME}", "labels": _labels()},
            "rules": _cluster_rules(plan),
        },
        "cluster-role-binding": {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"system:{NAME}", "labels": _labels()},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": f"system:{NAME}",
            },
            "subjects": [_subject()],
        },
        "role": {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": _labels()},
            # Leader election, lease kube-system/ccm; `create` cannot be bound to a name.
            "rules": [
                _rule("coordination.k8s.io", "leases", "create"),
                _rule("coordination.k8s.io", "leases", "get", "update", "patch", names=("ccm",)),
            ],
        },
        "role-binding": {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": _labels()},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": NAME,
            },
            "subjects": [_subject()],
        },
        "deployment": _deployment(plan),
    }


def image(plan: ClusterPlan) -> str:
    """The image in the region's own registry, unless the stack names another."""
    controller = plan.cloud_controller
    if controller.image is not None:
        return controller.image
    registry = f"registry-{plan.region}.ack.aliyuncs.com"
    return f"{registry}/acs/{NAME}:{controller.version}"


def cloud_config(plan: ClusterPlan, *, vpc_id: str, vswitch_ids: Mapping[str, str]) -> str:
    """The controller's configuration file, JSON; it holds no credentials.

    VPC and vSwitches are set so that it asks the metadata service for credentials only. Load
    balancers are placed in the vSwitches of the nodes' first NICs.

    Args:
        plan: the cluster.
        vpc_id: `vpc-…`.
        vswitch_ids: vSwitch key of the plan → `vsw-…`.

    Raises:
        KeyError: a vSwitch that a node's first NIC is in has no id.
    """
    keys = sorted({node.interfaces[PRIMARY_NIC].vswitch for node in plan.nodes.values()})
    zones = {key: plan.network.vswitches[key].zone for key in keys}
    settings: Object = {
        # Load balancers are tagged with it; upstream's default is the same for all clusters.
        "clusterID": plan.name,
        "region": plan.region,
        "vpcid": vpc_id,
        "zoneid": zones[keys[0]],
        "vswitchid": ",".join(f"{zones[key]}:{vswitch_ids[key]}" for key in keys),
    }
    if plan.resource_group is not None:
        settings["resourceGroupID"] = plan.resource_group
    if plan.cloud_controller.backend_type == "eni":
        settings["serviceBackendType"] = "eni"
    gates = _feature_gates(plan)
    if gates:
        settings["featureGates"] = ",".join(
            f"{name}={str(on).lower()}" for name, on in gates.items()
        )
    return json.dumps({"Global": settings}, indent=1)


def config_checksum(plan: ClusterPlan) -> str:
    """A digest of the configuration that is known before any resource is.

    The Deployment carries it, so that a changed setting restarts the controller. Ids of the VPC
    and its vSwitches are left out, because they are unknown in a preview. When they change,
    everything in them is replaced anyway.
    """
    keys = {key: key for key in plan.network.vswitches}
    return sha256(cloud_config(plan, vpc_id="", vswitch_ids=keys).encode()).hexdigest()


def ram_trust_policy() -> Object:
    """Who may take the controller's role: ECS, for the instances that it is attached to."""
    return {
        "Version": "1",
        "Statement": [
            {
                "Action": "sts:AssumeRole",
                "Effect": "Allow",
                "Principal": {"Service": ["ecs.aliyuncs.com"]},
            }
        ],
    }


def ram_policy() -> Object:
    """What the controller may do: the calls of v2.14's controllers node, service and nlb.

    It leaves out routes, ENI attributes (`--skip-disable-source-dest-check`) and changes of
    security groups, which only an NLB's `loadBalancerSourceRanges` needs. The list of calls from
    the controller's source and a recorded run is `tests/planning/cloud/controller_calls.json`.
    """
    return {
        "Version": "1",
        "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": "*"}
            for actions in (_READ_ACTIONS, _CLB_ACTIONS, _NLB_ACTIONS)
        ]
        + [
            {
                # An account's first NLB needs this service-linked role.
                "Effect": "Allow",
                "Action": "ram:CreateServiceLinkedRole",
                "Resource": "*",
                "Condition": {"StringEquals": {"ram:ServiceName": "nlb.aliyuncs.com"}},
            }
        ],
    }


_READ_ACTIONS: Final = [
    "ecs:DescribeInstances",
    "ecs:DescribeNetworkInterfaces",
    # For an NLB in a security group it looks for the group that it would have created itself.
    "ecs:DescribeSecurityGroups",
    "vpc:DescribeEipAddresses",
    "vpc:DescribeVSwitches",
    "vpc:DescribeVpcAttribute",
]
_CLB_ACTIONS: Final = [
    f"slb:{action}"
    for action in (
        "AddVServerGroupBackendServers",
        "CreateDomainExtension",
        "CreateLoadBalancer",
        "CreateLoadBalancerHTTPListener",
        "CreateLoadBalancerHTTPSListener",
        "CreateLoadBalancerTCPListener",
        "CreateLoadBalancerUDPListener",
        "CreateVServerGroup",
        "DeleteDomainExtension",
        "DeleteLoadBalancer",
        "DeleteLoadBalancerListener",
        "DeleteVServerGroup",
        "DescribeDomainExtensions",
        "DescribeLoadBalancerAttribute",
        "DescribeLoadBalancerListeners",
        "DescribeLoadBalancers",
        "DescribeServerCertificates",
        "DescribeVServerGroupAttribute",
        "DescribeVServerGroups",
        "ListTagResources",
        "ModifyLoadBalancerInstanceChargeType",
        "ModifyLoadBalancerInstanceSpec",
        "ModifyLoadBalancerInternetSpec",
        "RemoveVServerGroupBackendServers",
        "SetDomainExtensionAttribute",
        "SetLoadBalancerDeleteProtection",
        "SetLoadBalancerHTTPListenerAttribute",
        "SetLoadBalancerHTTPSListenerAttribute",
        "SetLoadBalancerModificationProtection",
        "SetLoadBalancerName",
        "SetLoadBalancerTCPListenerAttribute",
        "SetLoadBalancerUDPListenerAttribute",
        "SetVServerGroupAttribute",
        "StartLoadBalancerListener",
        "TagResources",
        "UntagResources",
    )
]
_NLB_ACTIONS: Final = [
    f"nlb:{action}"
    for action in (
        "AddServersToServerGroup",
        "AssociateAdditionalCertificatesWithListener",
        "AttachCommonBandwidthPackageToLoadBalancer",
        "CreateListener",
        "CreateLoadBalancer",
        "CreateServerGroup",
        "DeleteListener",
        "DeleteLoadBalancer",
        "DeleteServerGroup",
        "DetachCommonBandwidthPackageFromLoadBalancer",
        "DisableLoadBalancerIpv6Internet",
        "DisassociateAdditionalCertificatesWithListener",
        "EnableLoadBalancerIpv6Internet",
        "GetJobStatus",
        "GetLoadBalancerAttribute",
        "ListAsynJobs",
        "ListListenerCertificates",
        "ListListeners",
        "ListLoadBalancers",
        "ListServerGroupServers",
        "ListServerGroups",
        "ListTagResources",
        "LoadBalancerJoinSecurityGroup",
        "LoadBalancerLeaveSecurityGroup",
        "RemoveServersFromServerGroup",
        "StartListener",
        "TagResources",
        "UntagResources",
        "UpdateListenerAttribute",
        "UpdateLoadBalancerAddressTypeConfig",
        "UpdateLoadBalancerAttribute",
        "UpdateLoadBalancerProtection",
        "UpdateLoadBalancerZones",
        "UpdateServerGroupAttribute",
        "UpdateServerGroupServersAttribute",
    )
]


def _cluster_rules(plan: ClusterPlan) -> list[Object]:
    """What v2.14 really uses with the controllers node, service and nlb."""
    rules = [
        _rule("", "nodes", "get", "list", "watch", "patch", "update", "delete"),
        _rule("", "nodes/status", "patch", "update"),
        _rule("", "services", "get", "list", "watch", "patch", "update"),
        _rule("", "services/status", "patch", "update"),
        _rule("", "pods", "get", "list", "watch"),
        # Readiness gates service.readiness.alibabacloud.com/<service>.
        _rule("", "pods/status", "patch"),
        _rule("", "events", "create", "patch", "update"),
        _rule("discovery.k8s.io", "endpointslices", "get", "list", "watch"),
    ]
    gates = _feature_gates(plan)
    if gates:
        # It makes an API-extensions client to ask for the server's version.
        rules.append(_rule("apiextensions.k8s.io", "customresourcedefinitions", "get"))
    if gates.get("EndpointSlice") is False:
        rules.append(_rule("", "endpoints", "get", "list", "watch"))
    return rules


def _rule(group: str, resource: str, *verbs: str, names: tuple[str, ...] = ()) -> Object:
    rule: Object = {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
    if names:
        rule["resourceNames"] = list(names)
    return rule


def _feature_gates(plan: ClusterPlan) -> dict[str, bool]:
    """Gates for the configuration file: the controller does not start with them as a flag."""
    gates = dict(plan.cloud_controller.feature_gates)
    if plan.network.ipv6.enabled:
        gates.setdefault("IPv6DualStack", True)
    return dict(sorted(gates.items()))


def _deployment(plan: ClusterPlan) -> Object:
    planes = len(plan.control_planes)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": _labels()},
        "spec": {
            # One on each control plane and never two on one node, as `maxPods` assumes.
            "replicas": max(planes, 1),
            "selector": {"matchLabels": _labels()},
            # The pod uses host ports, so the old pod must end before the new one starts.
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
            },
            "template": {
                "metadata": {
                    "labels": _labels(),
                    "annotations": {"checksum/cloud-config": config_checksum(plan)},
                },
                "spec": _pod(plan, on_control_planes=planes > 0),
            },
        },
    }


def _pod(plan: ClusterPlan, *, on_control_planes: bool) -> Object:
    return {
        "serviceAccountName": NAME,
        "priorityClassName": "system-cluster-critical",
        "hostNetwork": True,
        # CoreDNS waits for the taint that this controller takes away.
        "dnsPolicy": "Default",
        # The RAM role is attached to control planes; elsewhere there are no credentials.
        "nodeSelector": {CONTROL_PLANE: ""} if on_control_planes else {"kubernetes.io/os": "linux"},
        "tolerations": _tolerations(plan),
        "affinity": {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "labelSelector": {"matchLabels": _labels()},
                        "topologyKey": "kubernetes.io/hostname",
                    }
                ]
            }
        },
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(plan)],
        "volumes": [
            {
                "name": "cloud-config",
                "secret": {"secretName": SECRET_NAME, "defaultMode": 0o440},
            }
        ],
    }


def _tolerations(plan: ClusterPlan) -> list[Object]:
    """Tolerations for a cluster that is not complete yet, and for the nodes' own taints.

    The controller removes the taint `uninitialized`, so it must run before the CNI, on nodes that
    are `not-ready`. A kubelet that reports its node as not ready still runs its pods. On a lost
    node the condition Ready is Unknown, and the node controller adds the taint `unreachable`. A pod
    that tolerates everything is never evicted from a lost node, and its replacement is scheduled
    there again. So the controller tolerates `unreachable` for one minute, and not for scheduling.

    The loss of a control plane with a standby controller has no effect. If the leader is lost,
    another controller takes the lease (`kube-system/ccm`) once it has expired. The evicted pod's
    replacement waits for a control plane without a controller. A cluster without control planes of
    ours has one replica on any node, and its replacement starts on another node.

    Source: kubernetes.io, Taints and Tolerations, "Taint based Evictions" and "Taint Nodes by
    Condition".
    """
    lasting: list[tuple[str, str]] = [
        (CONTROL_PLANE, "NoSchedule"),
        ("node-role.kubernetes.io/master", "NoSchedule"),
        ("node.cloudprovider.kubernetes.io/uninitialized", "NoSchedule"),
        ("node.kubernetes.io/network-unavailable", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/not-ready", "NoSchedule"),
    ]
    own = sorted(
        {
            (taint.key, taint.effect)
            for node in plan.control_planes or plan.nodes.values()
            for taint in node.taints
        }
        - set(lasting)
    )
    tolerations: list[Object] = [
        {"key": key, "operator": "Exists", "effect": effect} for key, effect in lasting + own
    ]
    lost: Object = {
        "key": "node.kubernetes.io/unreachable",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": _LOST_NODE_SECONDS,
    }
    return [*tolerations, lost]


def _container(plan: ClusterPlan) -> Object:
    container: Object = {
        "name": NAME,
        "image": image(plan),
        "imagePullPolicy": "IfNotPresent",
        "command": ["/cloud-controller-manager"],
        "args": [
            "--cloud-provider=alibabacloud",
            f"--cloud-config=/etc/kubernetes/config/{SECRET_KEY}",
            "--controllers=node,service,nlb",
            "--configure-cloud-routes=false",
            # Pods have addresses of their node's ENI: nothing needs to be spoofed.
            "--skip-disable-source-dest-check=true",
            # The VPC's own API addresses: reachable without a NAT gateway.
            "--network=vpc",
            "--metrics-bind-addr=0",
            "--pprof-bind-addr=0",
            "--health-probe-bind-addr=127.0.0.1:10258",
            "--v=2",
        ],
        "livenessProbe": {
            "httpGet": {"host": "127.0.0.1", "port": 10258, "path": "/healthz", "scheme": "HTTP"},
            "initialDelaySeconds": 15,
            "periodSeconds": 10,
            "timeoutSeconds": 15,
            "failureThreshold": 8,
        },
        "resources": {
            "requests": {"cpu": "100m", "memory": "200Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "cloud-config", "mountPath": "/etc/kubernetes/config", "readOnly": True}
        ],
    }
    if plan.cloud_controller.credentials == "access-key":
        container["env"] = [
            {
                "name": variable,
                "valueFrom": {"secretKeyRef": {"name": ACCESS_KEY_SECRET_NAME, "key": key}},
            }
            for variable, key in (
                ("ACCESS_KEY_ID", ACCESS_KEY_ID),
                ("ACCESS_KEY_SECRET", ACCESS_KEY_SECRET),
            )
        ]
    return container


def _labels() -> dict[str, str]:
    return {"app.kubernetes.io/name": NAME}


def _subject() -> Object:
    return {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}
