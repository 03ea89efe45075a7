"""The administrator's kubeconfig, known before the cluster because the secrets have its CA."""

from __future__ import annotations

from base64 import b64encode

from config.facts.ports import API_SERVER
from planning.document import yaml_text
from planning.model import ClusterPlan
from planning.nodes.endpoint import endpoint_name, private_address
from planning.nodes.secrets import ClusterSecrets


def kubeconfig(plan: ClusterPlan, *, secrets: ClusterSecrets, server_address: str) -> str:
    """YAML text for `kubectl`; a secret, because the administrator's key is in it.

    Args:
        plan: names the cluster, the context and the user.
        secrets: the CA and the admin client certificate (O=kubeadm:cluster-admins, which kubeadm
            binds to cluster-admin at init and which can be unbound, unlike system:masters).
        server_address: an IP address or host name of the API server, without a port.
    """
    user = f"{plan.name}-admin"
    return yaml_text(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": plan.name,
                    "cluster": {
                        "server": f"https://{server_address}:{API_SERVER}",
                        "certificate-authority-data": _encoded(secrets.ca.certificate),
                        **_server_name(plan, server_address),
                    },
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": _encoded(secrets.admin.certificate),
                        "client-key-data": _encoded(secrets.admin.key),
                    },
                }
            ],
            "contexts": [{"name": plan.name, "context": {"cluster": plan.name, "user": user}}],
            "current-context": plan.name,
        }
    )


def _server_name(plan: ClusterPlan, server_address: str) -> dict[str, str]:
    """The name to check the server's certificate for, if it may lack the server's address.

    A certificate is created with the cluster and with each control plane that joins. All have the
    endpoint's name, their own machine's address, and the EIP if there is one. Older certificates
    lack the address of a load balancer that was added later.
    """
    own = {private_address(node) for node in plan.control_planes}
    if plan.public_endpoint or server_address in own:
        return {}
    return {"tls-server-name": endpoint_name(plan)}


def _encoded(pem: str) -> str:
    return b64encode(pem.encode()).decode()
