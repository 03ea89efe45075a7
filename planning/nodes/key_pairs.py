"""Checks that the certificates and private keys of a cluster's secrets belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)


def key_problems(
    pairs: Mapping[str, tuple[str, str]],
    *,
    webhooks: Sequence[str],
    webhook_ca: str,
    service_account: tuple[str, str],
) -> list[str]:
    """Every certificate or key that cannot be used; no sentence contains the text that was read.

    Args:
        pairs: certificate and private key by their name in the document, with `ca` and `admin`.
        webhooks: the names of those that a CA of `webhook_ca` signed.
        webhook_ca: certificates of CAs.
        service_account: public and private key.
    """
    problems: list[str] = []
    certificates = {
        name: _certificate(certificate, f"{name}.certificate", problems)
        for name, (certificate, _) in pairs.items()
    }
    for name, (_, key) in pairs.items():
        certificate = certificates[name]
        public = _public_half(key, f"{name}.key", problems)
        if certificate and public and _der(certificate.public_key()) != public:
            problems.append(f"`{name}.key` is not the key of `{name}.certificate`")
    _check_issuer("admin", certificates["admin"], "ca", certificates["ca"], problems)
    try:
        webhook_cas = authorities(webhook_ca)
    except ValueError:
        problems.append("`webhookCa` is not a PEM certificate")
    else:
        for name in webhooks:
            signer = next(
                (ca for ca in webhook_cas if signed(certificates.get(name), ca)), webhook_cas[0]
            )
            _check_issuer(name, certificates.get(name), "webhookCa", signer, problems)
    public_key, private_key = service_account
    own = _public_half(private_key, "serviceAccountKey", problems)
    if own and own != _public_key(public_key):
        problems.append("`serviceAccountPublicKey` is not the public half of `serviceAccountKey`")
    return problems


def _certificate(pem: str, name: str, problems: list[str]) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        problems.append(f"`{name}` is not a PEM certificate")
        return None


def _public_half(pem: str, name: str, problems: list[str]) -> bytes | None:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        problems.append(f"`{name}` is not a PEM private key without a password")
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        problems.append(f"`{name}` is not an ECDSA key")
        return None
    return _der(key.public_key())


def _public_key(pem: str) -> bytes | None:
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        return None
    return _der(key)


def _der(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _check_issuer(
    name: str,
    certificate: x509.Certificate | None,
    ca_name: str,
    ca: x509.Certificate | None,
    problems: list[str],
) -> None:
    if certificate is not None and ca is not None and not signed(certificate, ca):
        problems.append(f"`{name}.certificate` was not signed by `{ca_name}`")


def authorities(bundle: str) -> list[x509.Certificate]:
    """The CAs of a PEM bundle, in its order, at least one. Raises ValueError if it is not PEM."""
    return x509.load_pem_x509_certificates(bundle.encode())


def signed(certificate: x509.Certificate | None, ca: x509.Certificate) -> bool:
    """Whether the CA signed the certificate itself."""
    if certificate is None:
        return False
    try:
        certificate.verify_directly_issued_by(ca)
    except Exception:  # noqa: BLE001  # the library raises InvalidSignature, TypeError, ValueError
        return False
    return True
