"""Signatures, garbage, limits: the wire without an SDK."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcloud.settings import ROOT_KEY_ID, ROOT_SECRET
from localcloud.web import protocol
from tests.localcloud.cloud_thread import CloudThread
from tests.localcloud.sdk_api import Api, code_of, refused, signed_v1

pytestmark = pytest.mark.unit
DESCRIBE = {"Action": "DescribeVpcs", "Version": "2016-04-28", "RegionId": "cn-hangzhou"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def v1(  # noqa: PLR0913 - what a signature is made from
    parameters: dict[str, str],
    *,
    key: str = ROOT_KEY_ID,
    secret: str = ROOT_SECRET,
    method: str = "POST",
    at: datetime | None = None,
    nonce: str | None = None,
) -> str:
    return signed_v1(parameters, key=key, secret=secret, method=method, at=at, nonce=nonce)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_v1_signature_is_accepted(cloud: CloudThread, method: str) -> None:
    status, body = cloud.raw(method, "/?" + v1(DESCRIBE, method=method))
    assert (status, json.loads(body)["TotalCount"]) == (200, 0)


def test_query_and_form_are_one(cloud: CloudThread) -> None:
    signed = v1({**DESCRIBE, "VpcName": "ä b+c~*"})
    query, form = signed.split("&", 3)[:3], signed.split("&", 3)[3:]
    status, _ = cloud.raw("POST", "/?" + "&".join(query), "&".join(form).encode(), FORM)
    assert status == 200


def test_a_wrong_secret_does_not_match(cloud: CloudThread) -> None:
    answer = cloud.raw("POST", "/?" + v1(DESCRIBE, secret="other"))  # noqa: S106  # obviously fake
    assert (answer[0], code_of(answer)) == (400, "SignatureDoesNotMatch")


def test_a_wrong_secret_does_not_match_in_headers_either(cloud: CloudThread) -> None:
    with refused("SignatureDoesNotMatch"):
        Api(cloud.config(secret="other")).vpc("DescribeVpcs")  # noqa: S106  # obviously fake


def test_an_unknown_key_answers_not_found(cloud: CloudThread) -> None:
    answer = cloud.raw("POST", "/?" + v1(DESCRIBE, key="nobody"))
    assert code_of(answer) == "InvalidAccessKeyId.NotFound"
    with refused("InvalidAccessKeyId.NotFound"):
        Api(cloud.config(key="nobody")).vpc("DescribeVpcs")


@pytest.mark.parametrize("minutes", [-16, 16])
def test_an_old_or_future_timestamp_is_expired(cloud: CloudThread, minutes: int) -> None:
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    answer = cloud.raw("POST", "/?" + v1(DESCRIBE, at=at))
    assert code_of(answer) == "InvalidTimeStamp.Expired"


def test_a_nonce_is_used_once(cloud: CloudThread) -> None:
    signed = v1(DESCRIBE, nonce="n")
    assert cloud.raw("POST", "/?" + signed)[0] == 200
    assert code_of(cloud.raw("POST", "/?" + signed)) == "SignatureNonceUsed"


def test_a_changed_parameter_breaks_the_signature(cloud: CloudThread) -> None:
    answer = cloud.raw("POST", "/?" + v1(DESCRIBE) + "&VpcName=x")
    assert code_of(answer) == "SignatureDoesNotMatch"


def test_an_unsigned_request_lacks_its_key(cloud: CloudThread) -> None:
    answer = cloud.raw("POST", "/?Action=DescribeVpcs&Version=2016-04-28")
    assert code_of(answer) == "MissingParameter"


def test_an_unknown_action_is_a_plain_400_that_does_not_say_not_found(cloud: CloudThread) -> None:
    status, body = cloud.raw("POST", "/?" + v1({**DESCRIBE, "Action": "DescribeNothing"}))
    assert status == 400
    assert json.loads(body)["Code"] == "LocalCloud.UnknownAction"
    assert b"NotFound" not in body


def test_a_version_that_no_product_has_is_refused(cloud: CloudThread) -> None:
    answer = cloud.raw("POST", "/?" + v1({**DESCRIBE, "Version": "1999-01-01"}))
    assert code_of(answer) == "InvalidVersion"


def test_a_strict_cloud_refuses_a_parameter_it_does_not_know(cloud: CloudThread) -> None:
    answer = cloud.raw("POST", "/?" + v1({**DESCRIBE, "Surprise.1": "x"}))
    assert code_of(answer) == "LocalCloud.UnknownParameter"
    assert b"Surprise.1" in answer[1]


def test_a_lenient_cloud_notes_a_parameter_it_does_not_know(
    start_cloud: Callable[..., CloudThread],
) -> None:
    cloud = start_cloud(strict=False)
    status, _ = cloud.raw("POST", "/?" + v1({**DESCRIBE, "Surprise": "x"}))
    assert status == 200
    assert cloud.inside.calls.after(0)[-1].unknown == ("Surprise",)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_not_supported(cloud: CloudThread, method: str) -> None:
    answer = cloud.raw(method, "/?" + v1(DESCRIBE))
    assert (answer[0], code_of(answer)) == (405, "UnsupportedHTTPMethod")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\xff\xfe\x00garbage", FORM),
        (b"{broken", {"Content-Type": "application/json"}),
        (b"[1, 2]", {"Content-Type": "application/json"}),
        (b"[" * 100_000, {"Content-Type": "application/json"}),
        (b"<xml/>", {"Content-Type": "text/xml"}),
        (b"&".join(b"a%d=1" % n for n in range(6000)), FORM),
    ],
    ids=["no UTF-8", "broken JSON", "a list", "deep JSON", "XML", "6,000 parameters"],
)
def test_a_garbage_body_gets_an_api_error(
    cloud: CloudThread, body: bytes, headers: dict[str, str]
) -> None:
    status, answer = cloud.raw("POST", "/", body, headers)
    assert 400 <= status < 500
    assert code_of((status, answer)) != "LocalCloud.Bug"


def test_a_huge_body_is_refused(cloud: CloudThread) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
        status, answer = cloud.raw("POST", "/", b"a" * (5 * 1024 * 1024), FORM)
        assert (status, code_of((status, answer))) == (413, "RequestEntityTooLarge")
    assert cloud.raw("POST", "/?" + v1(DESCRIBE))[0] == 200


def test_a_huge_url_is_refused(cloud: CloudThread) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
        answer = cloud.raw("GET", "/?" + "a" * 600_000)
        assert (answer[0], code_of(answer)) == (414, "RequestURITooLong")
    assert cloud.raw("POST", "/?" + v1(DESCRIBE))[0] == 200


@pytest.mark.parametrize(
    "noise",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", os.urandom(2000), b""],
    ids=["plain HTTP", "half a hello", "random", "nothing"],
)
def test_what_is_no_tls_is_closed_and_forgotten(cloud: CloudThread, noise: bytes) -> None:
    with socket.create_connection(("127.0.0.1", cloud.port), timeout=5) as plain:
        plain.sendall(noise)
        plain.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while plain.recv(4096):
                pass
    assert cloud.raw("POST", "/?" + v1(DESCRIBE))[0] == 200


@pytest.mark.parametrize(
    "noise", [b"\r\n\r\n\r\n", b"NONSENSE\r\n\r\n", b"GET\x00 / HTTP/9.9\r\n\r\n"]
)
def test_what_is_no_http_gets_an_api_error(cloud: CloudThread, noise: bytes) -> None:
    context = ssl.create_default_context(cafile=str(cloud.ca))
    with (
        socket.create_connection(("127.0.0.1", cloud.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
    ):
        tls.sendall(noise + b"NONSENSE AGAIN\r\n\r\n")
        received = b""
        while chunk := tls.recv(65536):
            received += chunk
    assert received.startswith(b"HTTP/1.1 400 ")
    assert code_of((400, received.partition(b"\r\n\r\n")[2])) == "InvalidRequest"


def tls_to(cloud: CloudThread) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(cloud.ca))
    plain = socket.create_connection(("127.0.0.1", cloud.port), timeout=10)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def all_of(link: ssl.SSLSocket) -> bytes:
    received = b""
    while chunk := link.recv(65536):
        received += chunk
    return received


@pytest.mark.parametrize(
    "half",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n012",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
)
def test_half_a_request_is_not_waited_for_longer_than_allowed(
    cloud: CloudThread, monkeypatch: pytest.MonkeyPatch, half: bytes
) -> None:
    monkeypatch.setattr(protocol, "RECEIVE_SECONDS", 0.3)
    with tls_to(cloud) as link:
        link.sendall(half)
        answer = all_of(link)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert code_of((408, answer.partition(b"\r\n\r\n")[2])) == "RequestTimeout"


def test_a_request_in_drops_gets_no_more_time(
    cloud: CloudThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "RECEIVE_SECONDS", 0.4)
    with tls_to(cloud) as link, contextlib.suppress(OSError):
        for byte in b"POST / HTTP/1.1\r\n" + b"x" * 100:
            link.sendall(bytes([byte]))
            time.sleep(0.05)
        pytest.fail("the cloud takes a request in drops")


@pytest.mark.parametrize("sent", [b"", v1(DESCRIBE).encode()], ids=["nothing", "half a request"])
def test_a_connection_that_says_nothing_is_closed(
    cloud: CloudThread, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(protocol, "RECEIVE_SECONDS", 0.3)
    monkeypatch.setattr(protocol, "IDLE_SECONDS", 0.3)
    head = b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with tls_to(cloud) as link:
        if sent:
            link.sendall(head + b"Content-Length: %d\r\n\r\n%b" % (len(sent), sent))
        assert all_of(link).startswith(b"HTTP/1.1 200 " if sent else b"")


def test_hundreds_of_silent_connections_do_not_stop_the_others(cloud: CloudThread) -> None:
    with contextlib.ExitStack() as links:
        for number in range(300):
            link = socket.create_connection(("127.0.0.1", cloud.port), timeout=10)
            links.enter_context(link)
            link.sendall(b"\x16\x03\x01"[: number % 4])
        assert cloud.raw("POST", "/?" + v1(DESCRIBE))[0] == 200


def test_requests_in_one_packet_are_answered_in_order(cloud: CloudThread) -> None:
    """Each with an answer of its own, until there are more than a client may have open."""
    with tls_to(cloud) as link:
        link.sendall(
            b"GET / HTTP/1.1\r\n\r\n" * 20 + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
        )
        assert all_of(link).count(b"HTTP/1.1 400 ") == 21


def test_halves_of_characters_are_an_error_of_the_request(cloud: CloudThread) -> None:
    half = {"Tag": '[{"Key":"\\ud800","Value":"x"}]', "Action": "CreateRole", "RoleName": "r"}
    text = v1({**half, "AssumeRolePolicyDocument": "{}", "Version": "2015-05-01"})
    assert code_of(cloud.raw("POST", "/?" + text)) == "InvalidParameter"
    json_body = b'{"AccessKeyId":"\\ud800","Action":"x"}'
    answer = cloud.raw("POST", "/", json_body, {"Content-Type": "application/json"})
    assert code_of(answer) == "InvalidParameter"


def test_what_nobody_signed_does_not_fill_the_log(cloud: CloudThread) -> None:
    junk = "&".join(f"{'n' * 500}{n}={'v' * 200}" for n in range(4000)).encode()
    assert cloud.raw("POST", "/", junk, FORM)[0] == 400
    kept = cloud.inside.calls.after(0)[-1].parameters
    assert sum(len(n) + len(v) for n, v in kept.items()) < 20_000
    assert kept["…"].endswith(" more")


@pytest.mark.parametrize("token", ["x" * 65, "é"])
def test_a_client_token_is_64_ascii_characters(cloud: CloudThread, token: str) -> None:
    create = {"Action": "CreateVpc", "Version": "2016-04-28", "RegionId": "cn-hangzhou"}
    answer = cloud.raw("POST", "/?" + v1({**create, "ClientToken": token}))
    assert code_of(answer) == "InvalidClientToken.ValueNotSupported"
    assert cloud.raw("POST", "/?" + v1({**create, "ClientToken": "x" * 64}))[0] == 200


def test_a_position_in_a_list_is_a_plain_number(cloud: CloudThread) -> None:
    answer = cloud.raw("POST", "/?" + v1({**DESCRIBE, "Tag.².Key": "x"}))
    assert code_of(answer) == "InvalidParameter"


def test_a_nesting_that_is_too_deep_is_refused(cloud: CloudThread) -> None:
    answer = cloud.raw("POST", "/?" + v1({**DESCRIBE, ".".join("A" * 30): "x"}))
    assert code_of(answer) == "InvalidParameter"


names = st.one_of(
    st.sampled_from(
        ["Action", "Version", "RegionId", "VpcId", "Tag.1.Key", "Tag.x.Key", "NetworkInterface.1"]
    ),
    st.text(max_size=30),
    st.from_regex(r"[A-Z][a-z]{1,8}(\.[0-9]{1,4}(\.[A-Z][a-z]{1,6})?)?", fullmatch=True),
)
values = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["", "true", "-1", "1e9", "[]", "[[[", '{"a":', "10.0.0.0/16", "\x00", "💥"]),
)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_signed_request_makes_the_cloud_fail(cloud: CloudThread, data: st.DataObject) -> None:
    actions = [(p.version, a) for p in cloud.products.values() for a in sorted(p.actions)]
    version, action = data.draw(st.sampled_from(actions))
    parameters = data.draw(st.dictionaries(names, values, max_size=8))
    fields = {
        name: data.draw(values)
        for name in data.draw(
            st.sets(st.sampled_from(cloud.parameters(version, action)), max_size=6)
        )
    }
    sent = {**parameters, **fields, "Action": action, "Version": version}
    for reserved in ("Format", "Signature", "SecurityToken", "Timestamp", "AccessKeyId"):
        sent.pop(reserved, None)
    status, body = cloud.raw("POST", "/", v1(sent).encode(), FORM)
    document = json.loads(body)
    assert document["RequestId"]
    if status != 200:
        assert 400 <= status < 500, document
        assert document["Code"] != "LocalCloud.Bug"


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    query=st.binary(max_size=200),
    body=st.binary(max_size=400),
    kind=st.sampled_from(
        ["application/json", "application/x-www-form-urlencoded", "", "multipart/form-data"]
    ),
)
def test_no_unsigned_request_makes_the_cloud_fail(
    cloud: CloudThread, query: bytes, body: bytes, kind: str
) -> None:
    status, answer = cloud.raw("POST", "/?" + quote(query), body, {"Content-Type": kind})
    assert 400 <= status < 500
    assert json.loads(answer)["Code"] != "LocalCloud.Bug"
