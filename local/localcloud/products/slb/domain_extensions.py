"""Additional domains of HTTPS listeners, each with its own certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localcloud.products.lookup import Lookup
from localcloud.requests.actions import Answer, Call, action
from localcloud.wire.errors import ApiError

from . import certificates, load_balancers
from .entities import DomainExtension, SlbCertificate

_find: Final = Lookup(
    DomainExtension, "DomainExtensionId", "InvalidParameter.DomainExtensionId", 400
)


def _certificate(call: Call, certificate_id: str) -> SlbCertificate:
    code = "InvalidParameter.ServerCertificateId"
    return certificates.find(call, certificate_id, certificates.SERVER, code=code, status=400)


@dataclass(frozen=True, kw_only=True)
class CreateDomainExtension:
    """Parameters of CreateDomainExtension."""

    load_balancer_id: str
    listener_port: int
    domain: str
    server_certificate_id: str
    region_id: str | None = None


@action(writes=True)
def create_domain_extension(call: Call, request: CreateDomainExtension) -> Answer:
    """Add a domain to an HTTPS listener."""
    balancer = load_balancers.find(call, request.load_balancer_id)
    port = request.listener_port
    if not any(x.port == port and x.protocol == "https" for x in balancer.listeners):
        raise ApiError(
            "ListenerNotFound", f"{balancer.id} has no HTTPS listener on port {port}.", 404
        )
    certificate = _certificate(call, request.server_certificate_id)
    for other in call.store.where(DomainExtension, "load_balancer", balancer.id):
        if other.port == port and other.domain == request.domain:
            raise ApiError(
                "InvalidParameter.Domain", f"The specified Domain {request.domain[:80]!r} exists."
            )
    extension = call.store.put(
        DomainExtension(
            id=call.new_id("de"),
            load_balancer_id=balancer.id,
            port=port,
            domain=request.domain,
            certificate_id=certificate.id,
        )
    )
    return {"DomainExtensionId": extension.id, "ListenerPort": port}


def _shown(extension: DomainExtension) -> dict[str, object]:
    return {
        "DomainExtensionId": extension.id,
        "Domain": extension.domain,
        "ServerCertificateId": extension.certificate_id,
    }


@dataclass(frozen=True, kw_only=True)
class DescribeDomainExtensions:
    """Parameters of DescribeDomainExtensions."""

    load_balancer_id: str
    listener_port: int
    domain_extension_id: str | None = None
    region_id: str | None = None


@action()
def describe_domain_extensions(call: Call, request: DescribeDomainExtensions) -> Answer:
    """List the additional domains of a listener."""
    balancer = load_balancers.find(call, request.load_balancer_id)
    rows = [
        _shown(e)
        for e in call.store.where(DomainExtension, "load_balancer", balancer.id)
        if e.port == request.listener_port
        and (not request.domain_extension_id or e.id == request.domain_extension_id)
    ]
    return {"DomainExtensions": {"DomainExtension": rows}}


@dataclass(frozen=True, kw_only=True)
class DescribeDomainExtensionAttribute:
    """Parameters of DescribeDomainExtensionAttribute."""

    domain_extension_id: str
    region_id: str | None = None


@action()
def describe_domain_extension_attribute(
    call: Call, request: DescribeDomainExtensionAttribute
) -> Answer:
    """Describe one additional domain."""
    extension = _find(call, request.domain_extension_id)
    return {
        **_shown(extension),
        "LoadBalancerId": extension.load_balancer_id,
        "ListenerPort": extension.port,
    }


@dataclass(frozen=True, kw_only=True)
class SetDomainExtensionAttribute:
    """Parameters of SetDomainExtensionAttribute."""

    domain_extension_id: str
    server_certificate_id: str
    region_id: str | None = None


@action(writes=True)
def set_domain_extension_attribute(call: Call, request: SetDomainExtensionAttribute) -> Answer:
    """Replace the certificate of an additional domain."""
    extension = _find(call, request.domain_extension_id)
    certificate = _certificate(call, request.server_certificate_id)
    call.store.change(extension, certificate_id=certificate.id)
    return {}


@dataclass(frozen=True, kw_only=True)
class DeleteDomainExtension:
    """Parameters of DeleteDomainExtension."""

    domain_extension_id: str
    region_id: str | None = None


@action(writes=True)
def delete_domain_extension(call: Call, request: DeleteDomainExtension) -> Answer:
    """Delete an additional domain."""
    call.store.remove(_find(call, request.domain_extension_id))
    return {}
