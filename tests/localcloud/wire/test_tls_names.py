"""The local cloud's certificate: the names in it, and when it is replaced."""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from localcloud import certificates
from localcloud.settings import OPENAPI_ADDRESS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit


def handshake(folder: Path, name: str) -> None:
    """Shake hands in memory, as a client that checks the server's name."""
    client = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem", folder / "server.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ends[0].cipher() is not None


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", OPENAPI_ADDRESS])
def test_whoever_checks_names_may_call_the_cloud_at_each_of_its_addresses(
    tmp_path: Path, name: str
) -> None:
    certificates.ensure(tmp_path)
    handshake(tmp_path, name)


def test_no_other_address_is_named(tmp_path: Path) -> None:
    certificates.ensure(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, "100.100.100.200")


def test_a_certificate_that_is_good_is_kept(tmp_path: Path) -> None:
    certificates.ensure(tmp_path)
    before = (tmp_path / "server.pem").read_bytes()
    certificates.ensure(tmp_path)
    assert (tmp_path / "server.pem").read_bytes() == before


def test_a_certificate_of_an_older_cloud_is_replaced(tmp_path: Path) -> None:
    older = tuple(
        name
        for name in certificates._NAMES  # what an older version had
        if name != x509.IPAddress(ip_address(OPENAPI_ADDRESS))
    )
    certificates.ensure(tmp_path, older)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, OPENAPI_ADDRESS)
    certificates.ensure(tmp_path)
    handshake(tmp_path, OPENAPI_ADDRESS)
