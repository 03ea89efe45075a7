"""Certificates of TCPSSL listeners, by id. The certificates belong to another product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products.nlb import jobs
from localcloud.products.nlb.entities import NlbListener
from localcloud.products.nlb.listener import listeners
from localcloud.requests import paging
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError

_MOST_AT_ONCE: Final = 15


@dataclass(frozen=True, kw_only=True)
class AssociateAdditionalCertificatesWithListener:
    """Parameters of AssociateAdditionalCertificatesWithListener."""

    listener_id: str
    additional_certificate_ids: tuple[str, ...]
    region_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DisassociateAdditionalCertificatesWithListener:
    """Parameters of DisassociateAdditionalCertificatesWithListener."""

    listener_id: str
    additional_certificate_ids: tuple[str, ...]
    region_id: str | None = None


def _changed(call: Call, listener: NlbListener, name: str, ids: tuple[str, ...]) -> Answer:
    status = listener.life.at(call.now)
    call.store.change(
        listener,
        additional_certificate_ids=ids,
        life=call.passing(("Configuring", 1.0), to=status),
    )
    return {"JobId": jobs.begin(call, name)}


@action(writes=True)
def associate(call: Call, request: AssociateAdditionalCertificatesWithListener) -> Answer:
    """Add certificates for additional domain names."""
    listener = listeners.ready(call, request.listener_id)
    if listener.protocol != "TCPSSL":
        raise ApiError(
            "OperationDenied.Protocol",
            f"The operation is not allowed because {listener.id} is a {listener.protocol} "
            "listener.",
        )
    if len(request.additional_certificate_ids) > _MOST_AT_ONCE:
        raise ApiError(
            "IllegalParamSize.certificateIds",
            f"At most {_MOST_AT_ONCE} certificates at a time.",
        )
    present = {*listener.certificate_ids, *listener.additional_certificate_ids}
    for added in request.additional_certificate_ids:
        if added in present:
            raise ApiError(
                "ResourceAlreadyAssociated.Certificate",
                f"The specified resource of {added[:60]} is already associated.",
            )
    ids = (*listener.additional_certificate_ids, *request.additional_certificate_ids)
    return _changed(call, listener, "AssociateAdditionalCertificatesWithListener", ids)


@action(writes=True)
def disassociate(call: Call, request: DisassociateAdditionalCertificatesWithListener) -> Answer:
    """Remove additional certificates."""
    listener = listeners.ready(call, request.listener_id)
    for removed in request.additional_certificate_ids:
        if removed not in listener.additional_certificate_ids:
            raise ApiError(
                "ResourceNotAssociated.Certificate",
                f"The specified resource {removed[:60]!r} is not associated with {listener.id}.",
            )
    gone = request.additional_certificate_ids
    ids = tuple(i for i in listener.additional_certificate_ids if i not in gone)
    return _changed(call, listener, "DisassociateAdditionalCertificatesWithListener", ids)


@dataclass(frozen=True, kw_only=True)
class ListListenerCertificates:
    """Parameters of ListListenerCertificates."""

    listener_id: str
    region_id: str | None = None
    cert_type: str | None = None
    certificate_ids: tuple[str, ...] = ()
    next_token: str | None = None
    max_results: int | None = None


@action()
def list_listener_certificates(call: Call, request: ListListenerCertificates) -> Answer:
    """List the certificates of a listener, the default one first."""
    listener = listeners.find(call, request.listener_id)
    rows = [("Server", i, True) for i in listener.certificate_ids]
    rows += [("Server", i, False) for i in listener.additional_certificate_ids]
    rows += [("Ca", i, True) for i in listener.ca_certificate_ids]
    kind_filter = (request.cert_type or "Server").lower()
    certificates = [
        {
            "CertificateId": certificate_id,
            "CertificateType": kind,
            "IsDefault": default,
            "Status": "Associated",
        }
        for kind, certificate_id, default in rows
        if kind.lower() == kind_filter
        and (not request.certificate_ids or certificate_id in request.certificate_ids)
    ]
    page = paging.token_answer(
        "Certificates", certificates, request.next_token, request.max_results, most=50
    )
    return {**page, "CertificateIds": [row["CertificateId"] for row in certificates]}
