"""Certificates of TCPSSL listeners, by id: the certificates themselves are another product's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud import paging
from localcloud.actions import Answer, Call, action
from localcloud.wire.errors import ApiError

from . import jobs, listeners
from .entities import NlbListener

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


def _changed(call: Call, held: NlbListener, name: str, ids: tuple[str, ...]) -> Answer:
    status = held.life.at(call.now)
    call.store.change(
        held,
        additional_certificate_ids=ids,
        life=call.passing(("Configuring", 1.0), to=status),
    )
    return {"JobId": jobs.begin(call, name)}


@action(writes=True)
def associate(call: Call, request: AssociateAdditionalCertificatesWithListener) -> Answer:
    """Add certificates for further domain names."""
    held = listeners.ready(call, request.listener_id)
    if held.protocol != "TCPSSL":
        raise ApiError(
            "OperationDenied.Protocol",
            f"The operation is not allowed because {held.id} is a {held.protocol} listener.",
        )
    if len(request.additional_certificate_ids) > _MOST_AT_ONCE:
        raise ApiError(
            "IllegalParamSize.AdditionalCertificateIds",
            f"At most {_MOST_AT_ONCE} certificates at a time.",
        )
    known = {*held.certificate_ids, *held.additional_certificate_ids}
    for given in request.additional_certificate_ids:
        if given in known:
            raise ApiError(
                "ResourceAlreadyAssociated.Certificate",
                f"The specified resource of {given[:60]} is already associated.",
            )
    ids = (*held.additional_certificate_ids, *request.additional_certificate_ids)
    return _changed(call, held, "AssociateAdditionalCertificatesWithListener", ids)


@action(writes=True)
def disassociate(call: Call, request: DisassociateAdditionalCertificatesWithListener) -> Answer:
    """Take additional certificates away."""
    held = listeners.ready(call, request.listener_id)
    for given in request.additional_certificate_ids:
        if given not in held.additional_certificate_ids:
            raise ApiError(
                "ResourceNotAssociated.Certificate",
                f"The specified resource {given[:60]!r} is not associated with {held.id}.",
            )
    gone = request.additional_certificate_ids
    ids = tuple(i for i in held.additional_certificate_ids if i not in gone)
    return _changed(call, held, "DisassociateAdditionalCertificatesWithListener", ids)


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
    """The certificates of a listener, the default one first."""
    held = listeners.find(call, request.listener_id)
    rows = [("Server", i, True) for i in held.certificate_ids]
    rows += [("Server", i, False) for i in held.additional_certificate_ids]
    rows += [("Ca", i, True) for i in held.ca_certificate_ids]
    wanted = (request.cert_type or "Server").lower()
    found = [
        {
            "CertificateId": certificate_id,
            "CertificateType": kind,
            "IsDefault": default,
            "Status": "Associated",
        }
        for kind, certificate_id, default in rows
        if kind.lower() == wanted
        and (not request.certificate_ids or certificate_id in request.certificate_ids)
    ]
    page = paging.listed("Certificates", found, request.next_token, request.max_results)
    return {**page, "CertificateIds": [row["CertificateId"] for row in found]}
