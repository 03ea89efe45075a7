"""Server and CA certificates of CLB."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, cast

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from localcloud.products.vpc.entities import DEFAULT_RESOURCE_GROUP
from localcloud.requests import tags
from localcloud.requests.actions import Answer, Call, action, moment
from localcloud.requests.tags import TagParameter
from localcloud.wire.errors import ApiError
from localcloud.wire.parameters import wire

from .entities import DomainExtension, LoadBalancer, SlbCertificate
from .tagging import TAG_CODES

SERVER: Final = "server"
CA: Final = "ca"


def find(
    call: Call, certificate_id: str, kind: str, *, code: str = "", status: int = 404
) -> SlbCertificate:
    """The certificate of this kind with this id, or the API's error.

    `code` and `status` are those of an action that has its own.
    """
    certificate = call.store.find(SlbCertificate, certificate_id)
    if certificate is None or certificate.kind != kind:
        name = "ServerCertificateId" if kind == SERVER else "CACertificateId"
        raise ApiError(
            code or f"{name}.NotFound",
            f"The specified {name} {certificate_id[:80]!r} does not exist.",
            status,
        )
    return certificate


def _parsed(text: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError:
        raise ApiError(
            "InvalidParameter", "The certificate is not valid: it must be PEM."
        ) from None


def _check_key(certificate: x509.Certificate, text: str) -> None:
    try:
        key = serialization.load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError):
        raise ApiError(
            "InvalidParameter", "The PrivateKey is not valid: it must be PEM, without a password."
        ) from None
    ours = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    theirs = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if ours != theirs:
        raise ApiError("InvalidParameter", "The certificate and the private key do not match.")


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(extension.value.get_values_for_type(x509.DNSName))


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return cast("str", names[0].value) if names else ""


def _keep(  # noqa: PLR0913  # the parts of an upload of either kind
    call: Call,
    kind: str,
    certificate: x509.Certificate,
    *,
    name: str,
    resource_group_id: str,
    tag_parameters: tuple[TagParameter, ...],
) -> SlbCertificate:
    digest = hashlib.sha1(certificate.public_bytes(Encoding.DER), usedforsecurity=False).hexdigest()
    pairs = (digest[i : i + 2] for i in range(0, len(digest), 2))
    certificate_id = f"{call.cloud.account_id}_{call.new_id('cert')}"
    return call.store.put(
        SlbCertificate(
            id=certificate_id,
            kind=kind,
            name=name or certificate_id,
            common_name=_common_name(certificate),
            alternative_names=_names(certificate),
            fingerprint=":".join(pairs),
            expires=certificate.not_valid_after_utc.timestamp(),
            resource_group_id=resource_group_id or DEFAULT_RESOURCE_GROUP,
            created=call.now,
            tags=tags.requested(tag_parameters, TAG_CODES),
        )
    )


def _shown(call: Call, certificate: SlbCertificate) -> dict[str, object]:
    prefix = "ServerCertificate" if certificate.kind == SERVER else "CACertificate"
    shown: dict[str, object] = {
        f"{prefix}Id": certificate.id,
        f"{prefix}Name": certificate.name,
        "CommonName": certificate.common_name,
        "Fingerprint": certificate.fingerprint,
        "CreateTime": moment(certificate.created),
        "CreateTimeStamp": int(certificate.created * 1000),
        "ExpireTime": moment(certificate.expires),
        "ExpireTimeStamp": int(certificate.expires * 1000),
        "ResourceGroupId": certificate.resource_group_id,
    }
    if certificate.kind == SERVER:
        shown |= {
            "RegionId": call.cloud.region,
            "SubjectAlternativeNames": {
                "SubjectAlternativeName": list(certificate.alternative_names)
            },
            "IsAliCloudCertificate": 0,
            "AliCloudCertificateId": "",
            "AliCloudCertificateName": "",
        }
    return shown


@dataclass(frozen=True, kw_only=True)
class UploadServerCertificate:
    """Parameters of UploadServerCertificate. Certificates of other products are not supported."""

    server_certificate: str
    private_key: str
    region_id: str | None = None
    server_certificate_name: str = ""
    resource_group_id: str = ""
    tag: tuple[TagParameter, ...] = ()


@action(writes=True)
def upload_server_certificate(call: Call, request: UploadServerCertificate) -> Answer:
    """Store a server certificate. Its private key is checked and then discarded."""
    certificate = _parsed(request.server_certificate)
    _check_key(certificate, request.private_key)
    kept = _keep(
        call,
        SERVER,
        certificate,
        name=request.server_certificate_name,
        resource_group_id=request.resource_group_id,
        tag_parameters=request.tag,
    )
    return _shown(call, kept)


@dataclass(frozen=True, kw_only=True)
class UploadCACertificate:
    """Parameters of UploadCACertificate."""

    ca_certificate: str = wire("CACertificate")
    region_id: str | None = None
    ca_certificate_name: str = wire("CACertificateName", default="")
    resource_group_id: str = ""
    tag: tuple[TagParameter, ...] = ()


@action(writes=True)
def upload_ca_certificate(call: Call, request: UploadCACertificate) -> Answer:
    """Store a CA certificate, which verifies clients that present a certificate."""
    kept = _keep(
        call,
        CA,
        _parsed(request.ca_certificate),
        name=request.ca_certificate_name,
        resource_group_id=request.resource_group_id,
        tag_parameters=request.tag,
    )
    return _shown(call, kept)


@dataclass(frozen=True, kw_only=True)
class DescribeServerCertificates:
    """Parameters of DescribeServerCertificates."""

    region_id: str | None = None
    server_certificate_id: str | None = None
    resource_group_id: str | None = None
    tag: tuple[TagParameter, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DescribeCACertificates:
    """Parameters of DescribeCACertificates."""

    region_id: str | None = None
    ca_certificate_id: str | None = wire("CACertificateId", default=None)
    resource_group_id: str | None = None
    tag: tuple[TagParameter, ...] = ()


def _listed(
    call: Call,
    kind: str,
    certificate_id: str | None,
    group: str | None,
    tag: tuple[TagParameter, ...],
) -> list[dict[str, object]]:
    return [
        {**_shown(call, c), "RegionId": call.cloud.region, "Tags": tags.ecs(c.tags)}
        for c in call.store.all(SlbCertificate)
        if c.kind == kind
        and (not certificate_id or c.id == certificate_id)
        and (not group or c.resource_group_id == group)
        and tags.match(c.tags, tag)
    ]


@action()
def describe_server_certificates(call: Call, request: DescribeServerCertificates) -> Answer:
    """List server certificates by filter."""
    group = request.resource_group_id
    rows = _listed(call, SERVER, request.server_certificate_id, group, request.tag)
    return {"ServerCertificates": {"ServerCertificate": rows}}


@action()
def describe_ca_certificates(call: Call, request: DescribeCACertificates) -> Answer:
    """List CA certificates by filter."""
    rows = _listed(call, CA, request.ca_certificate_id, request.resource_group_id, request.tag)
    return {"CACertificates": {"CACertificate": rows}}


@dataclass(frozen=True, kw_only=True)
class SetServerCertificateName:
    """Parameters of SetServerCertificateName."""

    server_certificate_id: str
    server_certificate_name: str
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class SetCACertificateName:
    """Parameters of SetCACertificateName."""

    ca_certificate_id: str = wire("CACertificateId")
    ca_certificate_name: str = wire("CACertificateName")
    region_id: str | None = None


@action(writes=True)
def set_server_certificate_name(call: Call, request: SetServerCertificateName) -> Answer:
    """Rename a server certificate."""
    certificate = find(call, request.server_certificate_id, SERVER)
    call.store.change(certificate, name=request.server_certificate_name)
    return {}


@action(writes=True)
def set_ca_certificate_name(call: Call, request: SetCACertificateName) -> Answer:
    """Rename a CA certificate."""
    certificate = find(call, request.ca_certificate_id, CA)
    call.store.change(certificate, name=request.ca_certificate_name)
    return {}


def _used(call: Call, certificate_id: str) -> bool:
    names = ("ServerCertificateId", "CACertificateId")
    by_listener = any(
        certificate_id in {x.setting(name) for name in names}
        for b in call.store.all(LoadBalancer)
        for x in b.listeners
    )
    return by_listener or any(
        e.certificate_id == certificate_id for e in call.store.all(DomainExtension)
    )


def _delete(call: Call, certificate: SlbCertificate) -> Answer:
    if _used(call, certificate.id):
        raise ApiError(
            "CertificateAndPrivateKeyIsRefered",
            f"{certificate.id} is used by a listener or domain.",
        )
    call.store.remove(certificate)
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteServerCertificate:
    """Parameters of DeleteServerCertificate."""

    server_certificate_id: str
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeleteCACertificate:
    """Parameters of DeleteCACertificate."""

    ca_certificate_id: str = wire("CACertificateId")
    region_id: str | None = None


@action(writes=True)
def delete_server_certificate(call: Call, request: DeleteServerCertificate) -> Answer:
    """Delete a server certificate that is not in use."""
    return _delete(call, find(call, request.server_certificate_id, SERVER))


@action(writes=True)
def delete_ca_certificate(call: Call, request: DeleteCACertificate) -> Answer:
    """Delete a CA certificate that is not in use."""
    return _delete(call, find(call, request.ca_certificate_id, CA))
