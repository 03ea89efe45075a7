"""Ports that the cluster's own programs listen on.

The defaults of Kubernetes, which this program leaves as they are:
https://kubernetes.io/docs/reference/networking/ports-and-protocols/. The scripts in
`planning/nodes` have the same numbers; a test compares them.
"""

from __future__ import annotations

from typing import Final

SSH: Final = 22
API_SERVER: Final = 6443
ETCD_CLIENT: Final = 2379
KUBELET: Final = 10250
KUBELET_HEALTH: Final = 10248
"""The kubelet's health check on loopback; `healthzPort` of KubeletConfiguration."""
NODE_PORTS: Final = (30000, 32767)
"""The first and the last port of Services of type NodePort and LoadBalancer."""
HIGHEST_PORT: Final = 65535
