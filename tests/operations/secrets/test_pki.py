"""A cluster's certificates, as kubeadm, kubelets and the API server will check them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store
from hypothesis import given
from hypothesis import strategies as st

from operations.secrets.pki import expiry, make_secrets
from planning.nodes.secrets import TOKEN_PATTERN, ClusterSecrets, dump_secrets, parse_secrets

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def new_secrets(seed: int = 1) -> ClusterSecrets:
    return make_secrets("guide", now=NOW, entropy=random.Random(seed).randbytes)  # noqa: S311 - a test


def certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def common_name(of: x509.Certificate) -> str:
    (attribute,) = of.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(attribute.value)


def test_the_same_entropy_and_time_give_the_same_bytes() -> None:
    assert new_secrets() == new_secrets()
    assert new_secrets(1).ca.key != new_secrets(2).ca.key


def test_every_key_is_of_its_own() -> None:
    secrets = new_secrets()
    keys = {
        secrets.ca.key,
        secrets.front_proxy_ca.key,
        secrets.etcd_ca.key,
        secrets.service_account_key,
        secrets.admin.key,
        secrets.webhook.key,
    }
    assert len(keys) == 6


@pytest.mark.parametrize(
    ("attribute", "name"),
    [("ca", "kubernetes"), ("front_proxy_ca", "front-proxy-ca"), ("etcd_ca", "etcd-ca")],
)
def test_a_ca_is_called_as_kubeadm_calls_it_and_may_sign(attribute: str, name: str) -> None:
    issued = certificate(getattr(new_secrets(), attribute).certificate)
    assert common_name(issued) == name
    assert issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = issued.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert usage.digital_signature


def test_all_keys_are_p256() -> None:
    for pem in (
        new_secrets().ca.certificate,
        new_secrets().admin.certificate,
        new_secrets().webhook.certificate,
    ):
        public = certificate(pem).public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        assert public.curve.name == "secp256r1"


def test_the_administrator_is_in_the_group_that_can_be_unbound() -> None:
    issued = certificate(new_secrets().admin.certificate)
    (group,) = issued.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert (common_name(issued), group.value) == ("guide-admin", "kubeadm:cluster-admins")
    usage = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize(
    "name",
    [
        "spiderpool-controller",
        "spiderpool-controller.kube-system",
        "spiderpool-controller.kube-system.svc",
        "spiderpool-controller.kube-system.svc.cluster.local",
    ],
)
def test_the_webhook_is_verified_under_every_name_it_is_called_by(name: str) -> None:
    secrets = new_secrets()
    names = certificate(secrets.webhook.certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert name in names.value.get_values_for_type(x509.DNSName)


def test_a_verifier_accepts_the_webhook_by_its_ca() -> None:
    secrets = new_secrets()
    verifier = (
        PolicyBuilder()
        .store(Store([certificate(secrets.webhook_ca)]))
        .time(NOW)
        .build_server_verifier(x509.DNSName("spiderpool-controller.kube-system.svc"))
    )
    assert verifier.verify(certificate(secrets.webhook.certificate), [])


def test_certificates_begin_before_now_and_last_ten_years() -> None:
    issued = certificate(new_secrets().ca.certificate)
    assert issued.not_valid_before_utc == NOW - timedelta(days=1)
    assert issued.not_valid_after_utc == NOW + timedelta(days=3650)
    assert expiry(new_secrets()) == issued.not_valid_after_utc


@given(st.integers(0, 2**32))
def test_every_token_is_one_that_kubeadm_takes(seed: int) -> None:
    assert TOKEN_PATTERN.fullmatch(new_secrets(seed).bootstrap_token)


def test_new_secrets_can_be_read_back() -> None:
    assert parse_secrets(dump_secrets(new_secrets())) == new_secrets()
