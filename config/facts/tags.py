"""Tags on what this program and the cloud controller create."""

from __future__ import annotations

from typing import Final

OWN_TAGS: Final = "spiderpool-alicloud/"
"""Prefix of every tag key of this program. A stack file cannot set such a tag."""
TAG_CLUSTER: Final = f"{OWN_TAGS}cluster"
TAG_PROFILE: Final = f"{OWN_TAGS}profile"
TAG_ETCD_CA: Final = f"{OWN_TAGS}etcd-ca"
"""On a disk of etcd, and on a snapshot that a command has taken of it: which cluster's data it has.
An earlier cluster of the same name has the same other tags."""
CONTROLLER_TAGS: Final = (
    "ack.aliyun.com",
    "kubernetes.do.not.delete",
    "kubernetes.reused.by.user",
)
"""Keys by which the cloud controller finds its own load balancers (`pkg/controller/helper` of
github.com/kubernetes/cloud-provider-alibaba-cloud). A stack file cannot set such a tag."""
TAG_CONTROLLER: Final = CONTROLLER_TAGS[0]
"""The cloud controller writes its `clusterID`, the cluster's name, into this tag of everything that
it creates (ACK documentation, release notes of the Cloud Controller Manager). It never lets a
Service reuse a load balancer with this tag (`isLoadBalancerReusable` and `isNLBReusable` in
github.com/kubernetes/cloud-provider-alibaba-cloud)."""
