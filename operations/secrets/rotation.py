"""Replaces the certificate of Spiderpool's webhook and keeps it trusted at every moment.

The API server trusts the webhook by the `caBundle` of its registrations, and a kubelet hands a new
certificate to the controller some time after its Secret changed, in no fixed order. So there
are three steps, each deployed before the next: trust both CAs, serve with the new certificate,
trust the new CA only. The registrations always contain the CA of the certificate that is served.

The controller reads its certificate again when the files change (controller-runtime's certwatcher),
so no pod restarts.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from operations.failure import ExitCode, OperationError
from operations.secrets.pki import Entropy, make_webhook
from planning.nodes.key_pairs import authorities, signed
from planning.nodes.secrets import ClusterSecrets

HANDED_OVER_WITHIN: Final = timedelta(minutes=3)
"""From a changed Secret to the files of a pod: a kubelet syncs its pods every 60 to 90 s."""


class Step(Enum):
    """The state of a rotation, from the stored secrets. The value is the next step."""

    SETTLED = "trust both"
    BOTH_TRUSTED = "serve the new certificate"
    NEW_SERVED = "trust the new CA only"


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """The webhook's certificate and CAs in the cluster."""

    bundles: tuple[str, ...]
    """`caBundle` of each of the controller's webhooks, PEM."""
    certificate: str
    """`tls.crt` of the controller's Secret, PEM."""
    since: datetime
    """When that Secret changed last."""


def step_of(secrets: ClusterSecrets) -> Step:
    """Return the state of the rotation of these secrets."""
    if secrets.webhook_next is not None:
        return Step.BOTH_TRUSTED
    return Step.NEW_SERVED if len(authorities(secrets.webhook_ca)) > 1 else Step.SETTLED


def trust_both(secrets: ClusterSecrets, *, now: datetime, entropy: Entropy) -> ClusterSecrets:
    """Make the next CA and certificate; both CAs are trusted, the old certificate is served."""
    ca, pair = make_webhook(now=now, entropy=entropy)
    return replace(secrets, webhook_ca=f"{secrets.webhook_ca.rstrip()}\n{ca}", webhook_next=pair)


def serve_the_new(secrets: ClusterSecrets, deployed: Deployed) -> ClusterSecrets:
    """Serve the next certificate.

    Raises:
        OperationError: a webhook is registered without one of the CAs.
    """
    trusted = set(authorities(secrets.webhook_ca))
    for bundle in deployed.bundles:
        if not trusted <= set(authorities(bundle)):
            raise refused(
                "the cluster does not trust both CAs yet, so the new certificate would be refused",
                "deploy the last step with `pulumi up`, then run this again",
            )
    if secrets.webhook_next is None:
        raise ValueError("the secrets have no next certificate")
    return replace(secrets, webhook=secrets.webhook_next, webhook_next=None)


def trust_the_new(secrets: ClusterSecrets, deployed: Deployed, *, now: datetime) -> ClusterSecrets:
    """Trust only the CA of the certificate that is served.

    Raises:
        OperationError: the cluster serves another certificate, or has not served this one for long
            enough.
    """
    served = x509.load_pem_x509_certificate(secrets.webhook.certificate.encode())
    if x509.load_pem_x509_certificate(deployed.certificate.encode()) != served:
        raise refused(
            "the cluster still has the old certificate, which the new CA did not sign",
            "deploy the last step with `pulumi up`, then run this again",
        )
    left = HANDED_OVER_WITHIN - (now - deployed.since)
    if left > timedelta():
        raise refused(
            f"the new certificate was handed to the cluster {(now - deployed.since).seconds} s "
            "ago, and a kubelet may still be about to give it to the controller",
            f"wait {left.seconds + 1} s, then run this again",
        )
    own = next(ca for ca in authorities(secrets.webhook_ca) if signed(served, ca))
    return replace(secrets, webhook_ca=own.public_bytes(Encoding.PEM).decode())


def read_deployed(documents: Mapping[str, Any]) -> Deployed:
    """Read what `kubectl get -o json` printed: a list of the two registrations and the Secret.

    Raises:
        OperationError: something of it is missing.
    """
    bundles: list[str] = []
    for item in documents.get("items", ()):
        bundles += [
            _decoded(webhook.get("clientConfig", {}).get("caBundle"))
            for webhook in item.get("webhooks", ())
        ]
    secret = next((i for i in documents.get("items", ()) if i.get("kind") == "Secret"), None)
    if secret is None or not bundles or not all(bundles):
        raise refused(
            "the cluster has no Spiderpool webhook with a certificate of this stack",
            "deploy the stack with `pulumi up` first",
        )
    metadata = secret["metadata"]
    changed = [entry["time"] for entry in metadata.get("managedFields", ()) if entry.get("time")]
    since = max([*changed, metadata["creationTimestamp"]])
    return Deployed(
        bundles=tuple(bundles),
        certificate=_decoded(secret.get("data", {}).get("tls.crt")),
        since=datetime.fromisoformat(since).astimezone(UTC),
    )


def _decoded(text: object) -> str:
    try:
        return base64.b64decode(str(text or ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def refused(what: str, remedy: str) -> OperationError:
    """The refusal of a step, with the reason and the remedy; nothing has changed."""
    return OperationError(f"Nothing was changed: {what}; {remedy}.", code=ExitCode.REFUSED)
