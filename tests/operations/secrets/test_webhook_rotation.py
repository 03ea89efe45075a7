"""The webhook's certificate is rotated so that what is registered always trusts what is served."""

from __future__ import annotations

import base64
import random
import ssl
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from operations.engine.places import Places
from operations.failure import ExitCode, OperationError
from operations.secrets.command import rotate_webhook
from operations.secrets.pki import WEBHOOK_NAMES, expiry
from operations.secrets.rotation import (
    HANDED_OVER_WITHIN,
    Deployed,
    Step,
    read_deployed,
    serve_the_new,
    step_of,
    trust_both,
    trust_the_new,
)
from planning.nodes.key_pairs import authorities
from planning.nodes.secrets import ClusterSecrets, dump_secrets, parse_secrets
from planning.nodes.user_data import user_data
from planning.spiderpool.chart import webhook_certificates
from tests.clusters import fake_secrets
from tests.planning.documents import api_address, every_node, macs, stack_plan

pytestmark = pytest.mark.unit

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def deployed(secrets: ClusterSecrets, *, ago: timedelta = HANDED_OVER_WITHIN) -> Deployed:
    """A cluster that has these, since a while."""
    return Deployed(
        bundles=(secrets.webhook_ca,) * 10,
        certificate=secrets.webhook.certificate,
        since=NOW - ago,
    )


def steps() -> list[ClusterSecrets]:
    """What is kept before, between and after the three steps."""
    entropy = random.Random(7).randbytes  # noqa: S311 - a test
    both = trust_both(fake_secrets(), now=NOW, entropy=entropy)
    new = serve_the_new(both, deployed(both))
    return [fake_secrets(), both, new, trust_the_new(new, deployed(new), now=NOW)]


def trusts(registered: ClusterSecrets, served: ClusterSecrets) -> bool:
    """Whether a TLS client of the registered bundle accepts what is served, under its real name."""
    client = ssl.create_default_context(cadata=registered.webhook_ca)
    # Python 3.13 and later ask for extensions that kubeadm's CA need not carry.
    client.verify_flags &= ~ssl.VERIFY_X509_STRICT
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(server, served)
    ours, theirs, back, forth = (ssl.MemoryBIO() for _ in range(4))
    near = client.wrap_bio(ours, theirs, server_hostname=WEBHOOK_NAMES[2])
    far = server.wrap_bio(back, forth, server_side=True)
    for _ in range(4):
        for side, reader, writer in ((near, theirs, back), (far, forth, ours)):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError:
                return False
            writer.write(reader.read())
    return near.version() is not None


def load(context: ssl.SSLContext, served: ClusterSecrets) -> None:
    with tempfile.NamedTemporaryFile() as pem:
        pem.write((served.webhook.certificate + served.webhook.key).encode())
        pem.flush()
        context.load_cert_chain(pem.name)


def test_three_steps_lead_to_another_certificate_and_ca() -> None:
    kept = steps()
    settled, both, new = Step.SETTLED, Step.BOTH_TRUSTED, Step.NEW_SERVED
    assert [step_of(s) for s in kept] == [settled, both, new, settled]
    assert kept[0].webhook != kept[-1].webhook
    assert not set(authorities(kept[0].webhook_ca)) & set(authorities(kept[-1].webhook_ca))


@pytest.mark.parametrize("place", range(3))
def test_what_is_registered_trusts_what_is_served_while_a_step_is_under_way(place: int) -> None:
    before, after = steps()[place : place + 2]
    # Registrations and files change at different times: every mixture must do.
    for registered in (before, after):
        for served in (before, after):
            assert trusts(registered, served)


def test_in_one_step_it_would_not() -> None:
    assert not trusts(steps()[0], steps()[-1])
    assert not trusts(steps()[-1], steps()[0])


def test_every_step_can_be_kept_and_read_again() -> None:
    for secrets in steps():
        assert parse_secrets(dump_secrets(secrets)) == secrets
        assert secrets.webhook.key not in repr(secrets)


def test_no_step_touches_a_node() -> None:
    for stack, node in every_node():
        plan = stack_plan(stack)
        documents = {
            user_data(
                plan,
                node,
                secrets=secrets,
                macs=macs(plan, node),
                api_address=api_address(plan),
                public_address=None,
                creation_ends=None,
            )
            for secrets in steps()
        }
        assert len(documents) == 1


def test_the_expiry_is_the_first_of_all_certificates() -> None:
    assert expiry(steps()[1]) == expiry(steps()[0])
    assert expiry(replace(steps()[0], webhook_ca=steps()[1].webhook_ca)) == expiry(steps()[0])


def test_the_release_registers_the_whole_bundle() -> None:
    both = steps()[1]
    certificates = webhook_certificates(both)
    assert base64.b64decode(certificates["tlsCa"]).decode() == both.webhook_ca
    assert base64.b64decode(certificates["tlsCert"]).decode() == fake_secrets().webhook.certificate


def test_a_new_certificate_is_not_served_before_both_cas_are_trusted() -> None:
    with pytest.raises(OperationError, match="does not trust both CAs yet") as refused:
        serve_the_new(steps()[1], deployed(steps()[0]))
    assert refused.value.code is ExitCode.REFUSED


def test_one_registration_that_lags_behind_is_enough_to_refuse() -> None:
    cluster = deployed(steps()[1])
    lagging = replace(cluster, bundles=(*cluster.bundles, steps()[0].webhook_ca))
    with pytest.raises(OperationError, match="does not trust both CAs yet"):
        serve_the_new(steps()[1], lagging)


def test_the_old_ca_stays_until_the_new_certificate_is_deployed() -> None:
    with pytest.raises(OperationError, match="still has the old certificate"):
        trust_the_new(steps()[2], deployed(steps()[1]), now=NOW)


def test_the_old_ca_stays_until_kubelets_had_their_time() -> None:
    cluster = deployed(steps()[2], ago=timedelta(seconds=50))
    with pytest.raises(OperationError, match=r"50 s ago.*wait 131 s"):
        trust_the_new(steps()[2], cluster, now=NOW)


def listed(secrets: ClusterSecrets, since: str) -> dict[str, Any]:
    certificates = webhook_certificates(secrets)
    webhooks = [{"clientConfig": {"caBundle": certificates["tlsCa"]}}] * 5
    fields = [{"time": "2026-05-01T00:00:00Z"}, {"time": since}]
    metadata = {"creationTimestamp": "2026-04-01T00:00:00Z", "managedFields": fields}
    return {
        "items": [
            {"kind": "MutatingWebhookConfiguration", "webhooks": webhooks},
            {"kind": "ValidatingWebhookConfiguration", "webhooks": webhooks},
            {"kind": "Secret", "metadata": metadata, "data": {"tls.crt": certificates["tlsCert"]}},
        ]
    }


def test_the_cluster_is_read_as_kubectl_prints_it() -> None:
    secrets = steps()[1]
    deployed = read_deployed(listed(secrets, "2026-05-31T23:59:00Z"))
    assert deployed == Deployed(
        bundles=(secrets.webhook_ca,) * 10,
        certificate=secrets.webhook.certificate,
        since=NOW - timedelta(minutes=1),
    )


def test_a_cluster_without_the_webhooks_is_one_sentence() -> None:
    with pytest.raises(OperationError, match="no Spiderpool webhook"):
        read_deployed({"items": []})


def test_the_command_takes_the_first_step_without_a_cluster(tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    file.write_text(dump_secrets(fake_secrets()), encoding="utf-8")
    sentence = rotate_webhook("local", Places.of(tmp_path), file=file)
    assert sentence.startswith("Step 1 of 3")
    assert "pulumi up --stack local" in sentence
    assert step_of(parse_secrets(file.read_text(encoding="utf-8"))) is Step.BOTH_TRUSTED
    assert "PRIVATE KEY" not in sentence


def test_the_command_takes_no_further_step_without_a_cluster(tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    kept = dump_secrets(steps()[1])
    file.write_text(kept, encoding="utf-8")
    with pytest.raises(OperationError) as refused:
        rotate_webhook("local", Places.of(tmp_path), file=file)
    assert refused.value.code in {ExitCode.REFUSED, ExitCode.UNPREPARED}
    assert file.read_text(encoding="utf-8") == kept
