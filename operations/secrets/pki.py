"""Makes a cluster's keys and certificates.

Randomness and the time are parameters, so that the same entropy gives the same bytes (signatures
are deterministic ECDSA, RFC 6979) and tests need no clock.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from planning.nodes.secrets import ClusterSecrets, KeyPair

Entropy = Callable[[int], bytes]
"""Returns that many random bytes: `os.urandom`, or a seeded stream in tests."""

LIFETIME: Final = timedelta(days=3650)
"""Ten years: a new CA would replace every node, so it is never renewed automatically."""

BACKDATE: Final = timedelta(days=1)
"""Certificates start in the past, for nodes whose clock lags at first boot, and for persons whose
clock is ahead. kubeadm's start when their CA does (`NewSignedCert`, cmd/kubeadm/app/util/pkiutil).
"""

WEBHOOK_SERVICE: Final = "spiderpool-controller"
WEBHOOK_NAMES: Final = tuple(
    f"{WEBHOOK_SERVICE}{suffix}"
    for suffix in ("", ".kube-system", ".kube-system.svc", ".kube-system.svc.cluster.local")
)
"""Host names of Spiderpool's webhook (upstream: tools/cert/generateCert.sh)."""

_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_TOKEN_ALPHABET: Final = string.digits + string.ascii_lowercase


@dataclass(frozen=True, kw_only=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pair(self) -> KeyPair:
        return _pair(self.certificate, self.key)


def make_secrets(cluster: str, *, now: datetime, entropy: Entropy) -> ClusterSecrets:
    """Make all secrets of the cluster called `cluster`.

    Args:
        cluster: the cluster's name; the admin certificate's common name is `<cluster>-admin`.
        now: an aware time; certificates are valid from a day before it, for ten years.
        entropy: where keys, serial numbers and the token come from; `os.urandom` outside tests.
    """
    issue = _Issuer(now=now, entropy=entropy)
    ca = issue.authority("kubernetes")
    front_proxy_ca = issue.authority("front-proxy-ca")
    etcd_ca = issue.authority("etcd-ca")
    service_account = issue.key()
    admin = issue.leaf(
        f"{cluster}-admin",
        signed_by=ca,
        usage=ExtendedKeyUsageOID.CLIENT_AUTH,
        organization="kubeadm:cluster-admins",
    )
    webhook_ca, webhook = _webhook(issue)
    public = service_account.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    return ClusterSecrets(
        ca=ca.pair,
        front_proxy_ca=front_proxy_ca.pair,
        etcd_ca=etcd_ca.pair,
        service_account_key=_key_pem(service_account),
        service_account_public_key=public.decode(),
        admin=admin,
        bootstrap_token=f"{_letters(6, entropy)}.{_letters(16, entropy)}",
        webhook_ca=webhook_ca,
        webhook=webhook,
        encryption_keys=("key1",),
    )


def expiry(secrets: ClusterSecrets) -> datetime:
    """The earliest expiry of all certificates."""
    bundles = (
        secrets.ca.certificate,
        secrets.front_proxy_ca.certificate,
        secrets.etcd_ca.certificate,
        secrets.admin.certificate,
        secrets.webhook_ca,
        secrets.webhook.certificate,
    )
    return min(
        certificate.not_valid_after_utc
        for pem in bundles
        for certificate in x509.load_pem_x509_certificates(pem.encode())
    )


def make_webhook(*, now: datetime, entropy: Entropy) -> tuple[str, KeyPair]:
    """Create a new CA and a pair that it signs for the webhook; the CA's key is not kept."""
    return _webhook(_Issuer(now=now, entropy=entropy))


def _webhook(issue: _Issuer) -> tuple[str, KeyPair]:
    ca = issue.authority("spiderpool-ca")
    leaf = issue.leaf(
        WEBHOOK_SERVICE,
        signed_by=ca,
        usage=ExtendedKeyUsageOID.SERVER_AUTH,
        dns_names=WEBHOOK_NAMES,
    )
    return ca.pair.certificate, leaf


@dataclass(frozen=True, kw_only=True)
class _Issuer:
    now: datetime
    entropy: Entropy

    def key(self) -> ec.EllipticCurvePrivateKey:
        # 48 bytes for a 32-byte order: the bias of the remainder is below 2^-128.
        secret = int.from_bytes(self.entropy(48)) % (_P256_ORDER - 1) + 1
        return ec.derive_private_key(secret, ec.SECP256R1())

    def authority(self, common_name: str) -> _Authority:
        key = self.key()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = self._builder(name, name, key.public_key(), is_ca=True)
        return _Authority(certificate=_sign(builder, key), key=key)

    def leaf(
        self,
        common_name: str,
        *,
        signed_by: _Authority,
        usage: x509.ObjectIdentifier,
        organization: str | None = None,
        dns_names: tuple[str, ...] = (),
    ) -> KeyPair:
        key = self.key()
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        if organization is not None:
            attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        builder = self._builder(
            x509.Name(attributes), signed_by.certificate.subject, key.public_key(), is_ca=False
        )
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signed_by.key.public_key()),
            critical=False,
        )
        if dns_names:
            names = x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names])
            builder = builder.add_extension(names, critical=False)
        return _pair(_sign(builder, signed_by.key), key)

    def _builder(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        *,
        is_ca: bool,
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(int.from_bytes(self.entropy(19)) + 1)
            .not_valid_before(self.now - BACKDATE)
            .not_valid_after(self.now + LIFETIME)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=is_ca,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=is_ca,
                    crl_sign=is_ca,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )


def _sign(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    return KeyPair(certificate=certificate.public_bytes(Encoding.PEM).decode(), key=_key_pem(key))


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ).decode()


def _letters(count: int, entropy: Entropy) -> str:
    """Draw letters without bias: bytes from the last whole multiple of 36 on are skipped."""
    limit = 256 - 256 % len(_TOKEN_ALPHABET)
    letters: list[str] = []
    while len(letters) < count:
        letters += [_TOKEN_ALPHABET[b % 36] for b in entropy(count) if b < limit]
    return "".join(letters[:count])
