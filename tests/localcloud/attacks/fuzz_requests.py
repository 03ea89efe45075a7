"""What the fuzzing sends: hypothesis strategies for plain data, resolved only when they are sent.

A signed call is drawn from the registered actions and what their request types declare. Ids are
drawn as `Remembered`: a value that an earlier answer of the cloud had under that name. So calls hit
existing entities, and sequences of valid calls come up among garbage.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from hypothesis import strategies as st

from localcloud.products.catalogue import PRODUCTS
from localcloud.published.parameters import mandatory
from localcloud.wire.parameters import wire_name


@dataclass(frozen=True)
class Remembered:
    """A value that an earlier answer had under `name`; the `position`-th from the end."""

    name: str
    position: int
    as_list: bool = False


Value = str | Remembered


@dataclass(frozen=True)
class SignedCall:
    """A call of an action with any parameters, properly signed."""

    product: str
    version: str
    action: str
    parameters: dict[str, Value]
    acs3: bool
    method: str
    sender: int


@dataclass(frozen=True)
class PlainRequest:
    """Valid HTTP without a signature."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Bytes:
    """Bytes as they are, over TLS or not; `ends` closes our side afterwards."""

    data: bytes
    tls: bool
    ends: bool


@dataclass(frozen=True)
class ControlRequest:
    """A request on the control socket."""

    method: str
    target: str
    body: bytes


Request = SignedCall | PlainRequest | Bytes | ControlRequest

GOOD: dict[str, list[str]] = {
    "AccessKeyStatus": ["Active"],
    "AddressIPVersion": ["ipv4"],
    "AddressType": ["internet", "intranet"],
    "AllocationMode": ["10.0.0.0/28"],
    "AssumeRolePolicyDocument": [
        json.dumps(
            {
                "Version": "1",
                "Statement": [
                    {
                        "Action": "sts:AssumeRole",
                        "Effect": "Allow",
                        "Principal": {"Service": ["ecs.aliyuncs.com"]},
                    }
                ],
            }
        )
    ],
    "BackendServerPort": ["80", "30080"],
    "BackendServers": ['[{"ServerId":"i-x","Port":"80","Weight":"100"}]', "[]"],
    "Bandwidth": ["5", "-1"],
    "ListenerProtocol": ["TCP", "UDP", "tcp", "http"],
    "Protocol": ["TCP", "UDP"],
    "ServerType": ["Ecs", "Eni", "Ip"],
    "ServerGroupType": ["Instance", "Ip"],
    "ChargeType": ["PostPaid", "PrePaid"],
    "CidrBlock": [f"10.{n}.0.0/{p}" for n in (0, 1, 2, 3) for p in (16, 20, 24)] + ["10.0.0.0/8"],
    "DestinationCidrBlock": ["0.0.0.0/0", "172.16.0.0/16"],
    "DirectionName": ["ingress"],
    "ImageId": ["ubuntu_24_04_x64_20G_alibase_20260916.vhd"],
    "InstanceChargeType": ["PostPaid"],
    "InstanceId": [],
    "InstanceType": ["ecs.g7.large", "ecs.g7.xlarge", "EcsInstance", "Nat", "NetworkInterface"],
    "InternetChargeType": ["PayByTraffic", "PayByLcu"],
    "IpProtocol": ["tcp", "udp", "all", "icmp"],
    "Ipv6CidrBlock": ["0", "1", "255"],
    "ListenerPort": ["80", "443"],
    "NatType": ["Enhanced"],
    "NetworkType": ["internet", "intranet"],
    "NextHopType": ["NetworkInterface", "Instance"],
    "PolicyDocument": [
        '{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    ],
    "PolicyName": ["fuzz-policy", "fuzz-policy-2"],
    "PolicyType": ["Custom", "System"],
    "PortRange": ["80/80", "1/65535", "-1/-1"],
    "PublicKeyBody": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7fakefakefakefakefakefakefakefake me"],
    "ResourceType": ["vpc", "VSWITCH", "eni", "instance", "role", "EIP", "NATGATEWAY", "user"],
    "RoleName": ["fuzz-role", "fuzz-role-2"],
    "Scheduler": ["rr", "wrr"],
    "SourceCidrIp": ["0.0.0.0/0", "10.0.0.0/8", "::/0"],
    "SystemDiskCategory": ["cloud_essd"],
    "UserName": ["fuzz-user"],
    "ZoneId": ["cn-hangzhou-h", "cn-hangzhou-i"],
    "RegionId": ["cn-hangzhou"],
}
_ODD = [
    "",
    " ",
    "0",
    "-1",
    "1e9",
    "NaN",
    "Infinity",
    "²",
    "٣",
    "null",
    "true",
    "[]",
    "{}",
    "[[[",
    '{"a":',
    '["\\ud800"]',
    '[{"Key":"\\udfff","Value":"x"}]',
    '{"Key":{"Key":{"Key":1}}}',
    "[" * 50,
    "[1e999]",
    "\x00",
    "💥",
    "a\u202eb",
    "../../etc/passwd",
    "' OR 1=1 --",
    "10.0.0.0/99",
    "10.0.0.1",
    "::1",
    "fe80::1/64",
    "999999999999999999",
    "9" * 400,
    "é" * 300,
    "x" * 3000,
    "eyJ=",
    "MTAw",
    "LTU=",
]
_INTEGERS = ["1", "2", "3", "10", "50", "0", "-1", "49", "51", "101", "65536", "9" * 18, "x", ""]

_texts = st.text(max_size=24)
_odd = st.sampled_from(_ODD)
_positions = st.integers(0, 40)


def _kinds(hint: object) -> tuple[str, object]:
    """What a field is: int, bool, text, object, or a list of such."""
    origin = typing.get_origin(hint)
    if origin in {types.UnionType, typing.Union}:
        (inner,) = (a for a in typing.get_args(hint) if a is not type(None))
        return _kinds(inner)
    if origin is tuple:
        return "list", typing.get_args(hint)[0]
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return "object", hint
    return {int: "int", bool: "bool", float: "int"}.get(cast("type", hint), "text"), hint


@functools.cache
def leaves(request: Hashable, depth: int = 0) -> tuple[tuple[str, str, bool], ...]:
    """Flat parameter names of a request type: name, kind, mandatory."""
    kind_of = cast("type[Any]", request)
    hints = typing.get_type_hints(kind_of)
    parameters: list[tuple[str, str, bool]] = []
    for field in dataclasses.fields(kind_of):
        name, (kind, inner) = wire_name(field), _kinds(hints[field.name])
        must = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        paths = [name]
        if kind == "list":
            paths = [f"{name}.1", f"{name}.2"]
            kind, inner = _kinds(inner)
            parameters.append((name, "json", False))
        if kind in {"object", "list"}:
            if depth < 3 and kind == "object":
                for path in paths:
                    parameters += [
                        (f"{path}.{below}", what, must and need)
                        for below, what, need in leaves(inner, depth + 1)
                    ]
            continue
        parameters += [(path, kind, must and n == 0) for n, path in enumerate(paths)]
    return tuple(parameters)


def _good(name: str, kind: str) -> st.SearchStrategy[Value]:
    last = [part for part in name.split(".") if not part.isdigit()][-1]
    if kind == "int":
        return st.sampled_from(GOOD.get(last, _INTEGERS[:6]))
    if kind == "bool":
        return st.sampled_from(["true", "false"])
    remembered = st.builds(Remembered, st.just(last), _positions, st.just(last.endswith("Ids")))
    good = GOOD.get(last)
    return st.one_of(st.sampled_from(good), remembered) if good else remembered


@st.composite
def _mixed(draw: st.DrawFn, good: st.SearchStrategy[Value], bad: st.SearchStrategy[Value]) -> Value:
    """Mostly good. (`one_of` would count a strategy that is named twice once.)"""
    return draw(good if draw(st.integers(0, 9)) else bad)


@functools.cache
def _value(name: str, kind: str) -> st.SearchStrategy[Value]:
    bad: st.SearchStrategy[Value] = st.one_of(_odd, _texts)
    if kind == "int":
        bad = st.one_of(st.sampled_from(_INTEGERS), st.integers().map(str), _odd)
    return _mixed(_good(name, kind), bad)


_junk_names = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["Tag.x.Key", "Tag..Key", "A.B.C.D.E.F.G.H.I.J", ".", "Tag.1", "Tag.²", "Tag.0"]
    ),
    st.from_regex(r"[A-Z][a-z]{1,6}(\.[0-9]{1,4}(\.[A-Z][a-z]{1,6})?)?", fullmatch=True),
)
_common = st.fixed_dictionaries(
    {},
    optional={
        "PageNumber": st.sampled_from(["1", "0", "-1", "999999999999", "2"]),
        "PageSize": st.sampled_from(["1", "10", "50", "100", "0", "101", "99999"]),
        "MaxResults": st.sampled_from(["1", "10", "500", "0", "501"]),
        "NextToken": st.one_of(
            st.builds(Remembered, st.just("NextToken"), _positions), st.sampled_from(_ODD)
        ),
        "ClientToken": st.sampled_from(["t1", "t2", "é", "x" * 200]),
        "DryRun": st.sampled_from(["true", "false", "maybe"]),
        "RegionId": st.sampled_from(["cn-hangzhou"] * 5 + ["mars"]),
    },
)
ACTIONS = [(p.name, version, a) for version, p in PRODUCTS.items() for a in sorted(p.actions)]


def published_mandatory(
    product: str, action: str, declared: tuple[tuple[str, str, bool], ...]
) -> Iterator[tuple[str, str, bool]]:
    """The leaves of what the vendor declares mandatory; a structure by its first element."""
    for name in mandatory(product, action):
        leaf = [one for one in declared if one[0] == name and one[1] != "json"]
        parts = [one for one in declared if one[0].startswith(f"{name}.1")]
        needed = [one for one in parts if one[2]]
        yield from leaf or needed or parts or [(name, "text", True)]


@st.composite
def signed_calls(draw: st.DrawFn) -> SignedCall:
    """A call with a valid signature and any content."""
    product, version, action = draw(st.sampled_from(ACTIONS))
    parameters: dict[str, Value] = {}
    declared = leaves(cast("Hashable", PRODUCTS[version].actions[action].request))
    must = [leaf for leaf in declared if leaf[2]]
    rest = [leaf for leaf in declared if not leaf[2]]
    complete = draw(st.integers(0, 5))
    chosen = list(must) if complete else []
    if complete:
        chosen += published_mandatory(product, action, declared)
    if rest:
        chosen += draw(st.lists(st.sampled_from(rest), max_size=4))
    for name, kind, _ in chosen:
        parameters[name] = draw(_value(name, kind))
    if draw(st.integers(0, 9)):  # Nearly every action needs it and checks it first.
        parameters["RegionId"] = GOOD["RegionId"][0]
    extra = draw(st.integers(0, 9))
    if extra < 2:
        parameters.update(draw(_common))
    elif extra == 3:
        parameters.update(draw(st.dictionaries(_junk_names, _odd, max_size=3)))
    elif extra == 4 and not draw(st.integers(0, 3)):
        action = draw(st.sampled_from([action.lower(), "", "Nope", "__init__", "é", action + "s"]))
    return SignedCall(
        product=product,
        version=version,
        action=action,
        parameters=parameters,
        acs3=draw(st.booleans()),
        method=draw(st.sampled_from(["POST", "POST", "POST", "GET"])),
        sender=draw(st.sampled_from([0] * 15 + [1, 2, 3])),
    )


_types = st.sampled_from(
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "",
        "multipart/form-data; boundary=x",
        "text/xml",
        "application/json; charset=utf-16",
        "é",
        "application/x-www-form-urlencoded" * 20,
    ]
)
_bodies = st.one_of(
    st.binary(max_size=300),
    st.sampled_from(
        [
            b"",
            b"{",
            b"[1]",
            b"null",
            b'{"Version":"2016-04-28","AccessKeyId":"localcloud","Signature":"\\ud800"}',
            b'{"AccessKeyId":"\\ud800","Signature":"x","SignatureNonce":"1","Timestamp":"x"}',
            b'{"\\ud800":"x","AccessKeyId":"\\udfff"}',
            b"[" * 10_000,
            b'{"a":' * 10_000,
            b'{"a":' + b"9" * 6000 + b"}",
            b'{"a":1e999,"b":NaN}',
            b"Action=DescribeVpcs&Action=DeleteVpc&Version=2016-04-28&Version=x",
            b"&".join(b"a%d=1" % n for n in range(5001)),
            b"a" * 200_000,
            b"%ff%fe=%zz",
            b"\xff\xfe\x00",
        ]
    ),
)
_authorizations = st.sampled_from(
    [
        "ACS3-HMAC-SHA256 Credential=localcloud,SignedHeaders=,Signature=00",
        "ACS3-HMAC-SHA256 Credential=localcloud,SignedHeaders=host;x-acs-date,Signature=zz",
        "ACS3-HMAC-SHA256 " + "x" * 2000,
        "Basic eDp5",
        "Bearer é",
        "",
    ]
)


@st.composite
def plain_requests(draw: st.DrawFn) -> PlainRequest:
    """Whole HTTP requests that carry no valid signature."""
    headers = {"Content-Type": draw(_types)}
    if draw(st.booleans()):
        headers["Authorization"] = draw(_authorizations)
    if not draw(st.integers(0, 3)):
        date = draw(st.sampled_from(["x", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "²"]))
        headers |= {"x-acs-date": date, "x-acs-signature-nonce": "n", "x-acs-content-sha256": "é"}
    query = draw(
        st.one_of(
            st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=255), max_size=80),
            st.sampled_from(["Action=DescribeVpcs&Version=2016-04-28", "a=%", "&&&", "x" * 40_000]),
        )
    )
    return PlainRequest(
        method=draw(
            st.sampled_from(["POST", "GET", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE"])
        ),
        target=draw(st.sampled_from(["/", "/x/../y", "//", "*", "/%00", "http://other/"]))
        + "?"
        + query,
        headers=headers,
        body=draw(_bodies),
    )


_HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
raw_bytes = st.builds(
    Bytes,
    st.one_of(
        st.binary(max_size=400),
        st.sampled_from(
            [
                b"",
                b"GET / HTTP/1.1\r\n\r\n",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 80,
                b"\x80\x2e\x01\x00\x02",
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                _HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n0\r\n\r\n",
                _HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
                _HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
                _HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\nx",
                _HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
                _HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                _HEAD + b"Content-Length: -1\r\n\r\n",
                _HEAD + b"Content-Length: 99999999999999999999\r\n\r\n",
                _HEAD + b"Content-Length: 10\r\nContent-Length: 11\r\n\r\n0123456789",
                _HEAD + b"Content-Length: 10\r\n\r\n012",
                _HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
                _HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nxx",
                _HEAD + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
                _HEAD + b"".join(b"h%d: v\r\n" % n for n in range(6000)) + b"\r\n",
                _HEAD + b"Bad Header\r\n\r\n",
                _HEAD + b": empty\r\n\r\n",
                b"CONNECT other:443 HTTP/1.1\r\n\r\n",
                b"GET /" + b"a" * 600_000 + b" HTTP/1.1\r\n\r\n",
                b"GET / HTTP/9.9\r\n\r\n",
                b"GET / HTTP/1.0\r\n\r\n",
                b"get / http/1.1\r\n\r\n",
                (_HEAD + b"Content-Length: 0\r\n\r\n") * 100,
            ]
        ),
    ),
    tls=st.booleans(),
    ends=st.booleans(),
)
control_requests = st.builds(
    ControlRequest,
    method=st.sampled_from(["GET", "POST", "DELETE", "PUT"]),
    target=st.sampled_from(
        [
            "/machines?after=inf",
            "/machines?after=nan&wait=nan",
            "/machines?after=1e400",
            "/machines/i-x/console",
            "/machines/%00/credentials",
            "/calls?after=inf",
            "/calls?after=99999999999",
            "/faults",
            "/health",
            "/resources?x=%ff",
            "/",
            "/%C3%A9",
        ]
    ),
    body=st.sampled_from(
        [
            b"",
            b"[",
            b"[[]]",
            b'{"text":"\\ud800"}',
            b'{"text":1}',
            b'[{"seconds":1e999,"kind":"timeout","action":"None"}]',
            b'[{"seconds":NaN,"kind":"timeout","action":"None"}]',
            b'[{"rate":NaN,"action":"None"}]',
            b'[{"status":99999}]',
            b'[{"action":"[","kind":"drop"}]',
            b'[{"transactions":-5,"kind":"stale","action":"None"}]',
            b"\xff\xfe",
        ]
    ),
)
_SHARES: list[st.SearchStrategy[Any]] = [
    *[signed_calls()] * 85,
    *[plain_requests()] * 8,
    *[raw_bytes] * 5,
    *[control_requests] * 2,
]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Any of them; most are signed calls, since these get furthest."""
    request: Request = draw(_SHARES[draw(st.integers(0, len(_SHARES) - 1))])
    return request
