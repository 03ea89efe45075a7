"""TLS bootstrap: exchanges a bootstrap token for the node's own certificate.

Rules: kubelet's `pkg/kubelet/certificate/bootstrap`; signer kube-apiserver-client-kubelet.
"""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Final

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from localcloud.machines.guest.kubelet.client import Access, ApiError, Client
from localcloud.polling import first_answer

if TYPE_CHECKING:
    from pathlib import Path

_REQUESTS: Final = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
_PATIENCE_SECONDS: Final = 60.0


def join(node: str, bootstrap: Path, kubeconfig: Path, folder: Path) -> None:
    """Ask for a certificate with the bootstrap kubeconfig; write it and a kubeconfig with it.

    Raises ApiError if the server refuses or does not sign within a minute.
    """
    access = Access.read(bootstrap)
    client = Client(access)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    pem = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    signing = client.request(
        "POST",
        _REQUESTS,
        {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"generateName": "node-csr-"},
            "spec": {
                "request": base64.b64encode(pem).decode(),
                "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
                "usages": ["digital signature", "client auth"],
            },
        },
    )
    certificate = _wait(client, signing["metadata"]["name"])
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    stamped = folder / f"kubelet-client-{time.strftime('%Y-%m-%d-%H-%M-%S')}.pem"
    stamped.touch(mode=0o600)
    stamped.write_bytes(certificate + secret)
    current = folder / "kubelet-client-current.pem"
    current.unlink(missing_ok=True)
    current.symlink_to(stamped)
    _write_kubeconfig(kubeconfig, access, current)


def _wait(client: Client, name: str) -> bytes:
    def certificate() -> bytes | None:
        status = client.get(f"{_REQUESTS}/{name}").get("status") or {}
        for condition in status.get("conditions") or ():
            if condition["type"] in {"Denied", "Failed"}:
                raise ApiError(0, f"certificate request {name}: {condition.get('message')}")
        signed = status.get("certificate")
        return base64.b64decode(signed) if signed else None

    issued = first_answer(certificate, within=_PATIENCE_SECONDS, every=0.2)
    if issued is None:
        raise ApiError(0, f"certificate request {name} was not signed within a minute")
    return issued


def _write_kubeconfig(path: Path, access: Access, pem: Path) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "default-cluster",
                "cluster": {
                    "server": access.server,
                    "certificate-authority-data": base64.b64encode(access.ca).decode(),
                },
            }
        ],
        "users": [
            {
                "name": "default-auth",
                "user": {"client-certificate": str(pem), "client-key": str(pem)},
            }
        ],
        "contexts": [
            {
                "name": "default-context",
                "context": {"cluster": "default-cluster", "user": "default-auth"},
            }
        ],
        "current-context": "default-context",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
