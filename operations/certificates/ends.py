"""Certificates as data: where each one is, when it ends, and what renews it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from planning.nodes.secrets import ClusterSecrets

WARNED_BEFORE: Final = timedelta(days=30)
"""How long before its end a certificate counts as a problem."""
KUBEADM_LIFETIME: Final = timedelta(days=365)
"""Lifetime of the certificates that kubeadm creates from the CAs (`CertificateValidityPeriod` of
the cluster's configuration: 8760h;
https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/)."""

_RENEWED_TOGETHER: Final = "a new stack: everything in the cluster trusts it"
WEBHOOK: Final = "operations secrets rotate-webhook"
CONTROL_PLANE: Final = "operations certificates --renew, or an upgrade of Kubernetes"
KUBELET: Final = "the kubelet itself, before its end"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """One certificate, without anything secret."""

    name: str
    where: str
    """Where it was read: the stack's secrets, an address, an object of the cluster."""
    end: datetime
    """A time that is aware of its zone."""
    renewed_by: str
    """The command or the component that renews it."""

    def is_near_its_end(self, now: datetime) -> bool:
        """Whether it has ended, or ends within `WARNED_BEFORE`."""
        return self.end - now < WARNED_BEFORE

    def warning(self, now: datetime) -> str:
        """Return a sentence with its end and the remedy."""
        days = (self.end - now).days
        when = f"ended on {self.end:%Y-%m-%d}"
        if self.end > now:
            when = f"ends in {days} days ({self.end:%Y-%m-%d})"
        return f"{self.name} ({self.where}) {when}; renewed by: {self.renewed_by}"

    def as_document(self, now: datetime) -> dict[str, object]:
        """Return the certificate as JSON-ready data."""
        return {
            "name": self.name,
            "where": self.where,
            "end": self.end.isoformat(),
            "daysLeft": (self.end - now).days,
            "renewedBy": self.renewed_by,
        }


def certificates_in(pem: str, *, name: str, where: str, renewed_by: str) -> Iterator[Certificate]:
    """Yield every certificate of a bundle; raises ValueError for a text without one."""
    for certificate in x509.load_pem_x509_certificates(pem.encode()):
        yield Certificate(
            name=name, where=where, end=certificate.not_valid_after_utc, renewed_by=renewed_by
        )


def stored_certificates(secrets: ClusterSecrets) -> tuple[Certificate, ...]:
    """Return the certificates in the stack's secrets."""
    pems: list[tuple[str, str, str]] = [
        ("cluster CA", secrets.ca.certificate, _RENEWED_TOGETHER),
        ("etcd CA", secrets.etcd_ca.certificate, _RENEWED_TOGETHER),
        ("front proxy CA", secrets.front_proxy_ca.certificate, _RENEWED_TOGETHER),
        ("administrator", secrets.admin.certificate, _RENEWED_TOGETHER),
        ("webhook CA", secrets.webhook_ca, WEBHOOK),
        ("webhook", secrets.webhook.certificate, WEBHOOK),
    ]
    if secrets.webhook_next is not None:
        pems.append(("next webhook", secrets.webhook_next.certificate, WEBHOOK))
    return tuple(
        certificate
        for name, pem, renewed_by in pems
        for certificate in certificates_in(
            pem, name=name, where="secrets of the stack", renewed_by=renewed_by
        )
    )


def first_to_end(certificates: Iterable[Certificate]) -> list[Certificate]:
    """Sort by their end, then by name."""
    return sorted(certificates, key=lambda c: (c.end, c.name, c.where))


def warnings(certificates: Sequence[Certificate], now: datetime) -> list[str]:
    """Return a sentence for each that is near its end, the first to end first."""
    return [c.warning(now) for c in first_to_end(certificates) if c.is_near_its_end(now)]
