"""Sends what the fuzzing draws to a cloud of its own, and judges every answer."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from localcloud.control_api.control_socket import ControlConnection
from localcloud.daemons import health
from localcloud.products.catalogue import PRODUCTS
from localcloud.settings import ACCOUNT_ID, ROOT_KEY_ID, ROOT_SECRET, Places
from tests.localcloud.attacks.fuzz_requests import (
    GOOD,
    Bytes,
    ControlRequest,
    PlainRequest,
    Remembered,
    Request,
    SignedCall,
)
from tests.localcloud.sdk_api import signed_acs3, signed_v1

ROOT = Path(__file__).resolve().parents[3]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SLOW_SECONDS = 15.0
_MOST_HALF_OPEN = 40
_PROBLEMS_KEPT = 20
_IDS = re.compile(r"[0-9A-F]{8}-[0-9A-F-]{27}")
_BAD_LINES = re.compile(r"Traceback|a bug of the emulator|event loop|\"level\": \"(error|critical)")
_TRUST = GOOD["AssumeRolePolicyDocument"][0]
_ACCOUNT = f"acs:ram::{ACCOUNT_ID}"
_VERSION = {product.name: version for version, product in PRODUCTS.items()}


class ServerProcess:
    """`python -m localcloud serve` with its log in a file."""

    def __init__(self, home: Path, port: int = 0, *options: str) -> None:
        self.home = home
        self.log = home / "serve.log"
        self._file: IO[bytes] = self.log.open("ab")
        self.process = subprocess.Popen(  # noqa: S603  # our own command
            [
                sys.executable,
                "-m",
                "localcloud",
                "serve",
                f"--home={home}",
                f"--port={port}",
                *options,
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=self._file,
        )
        until = time.monotonic() + 60
        answer = None
        while (answer := health(Places(home=home))) is None:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until
            time.sleep(0.02)
        self.port = int(answer["port"])

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.process.kill()
        self.process.wait()
        self._file.close()

    def bad_lines(self) -> list[str]:
        """Lines of the log that report a failure of the emulator itself."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line[:3000] for line in lines if _BAD_LINES.search(line)]


class FuzzClient:
    """Keeps one TLS connection, remembers ids of answers, counts."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._places = Places(home=server.home)
        self._context = ssl.create_default_context(cafile=str(self._places.tls / "ca.pem"))
        self._http: http.client.HTTPSConnection | None = None
        self._remembered: dict[str, deque[str]] = {}
        self._half_open: deque[socket.socket] = deque()
        self._senders: list[tuple[str, str, str]] = [(ROOT_KEY_ID, ROOT_SECRET, "")]
        self.counts: Counter[str] = Counter()
        self.answered: set[tuple[str, str]] = set()
        self.called: set[tuple[str, str, str]] = set()
        self.slowest = 0.0
        self.sent = 0
        self.problems: dict[tuple[str, str], str] = {}

    # Sending

    def send(self, request: Request) -> None:
        """Send one request; append each violation by the cloud to `problems`."""
        self.sent += 1
        began = time.monotonic()
        try:
            match request:
                case SignedCall():
                    self._signed(request)
                case PlainRequest():
                    self._plain(request)
                case Bytes():
                    self._bytes(request)
                case ControlRequest():
                    self._control(request)
            spent = time.monotonic() - began
            self.slowest = max(self.slowest, spent)
            assert spent < SLOW_SECONDS, f"{spent:.1f} s"
        except (AssertionError, OSError, ValueError, http.client.HTTPException) as error:
            what = f"{type(error).__name__} {_IDS.sub('…', str(error))}"[:600]
            which = getattr(request, "action", "")
            if len(self.problems) < _PROBLEMS_KEPT:
                self.problems.setdefault((what, which), f"{what}\n  after {repr(request)[:600]}")

    def call(self, product: str, action: str, **parameters: str) -> dict[str, Any]:
        """A call of the account's that must succeed."""
        return self._call_by(ROOT_KEY_ID, ROOT_SECRET, product, action, parameters)

    def _call_by(
        self, key: str, secret: str, product: str, action: str, parameters: Mapping[str, str]
    ) -> dict[str, Any]:
        request = {
            "RegionId": "cn-hangzhou",
            **parameters,
            "Action": action,
            "Version": _VERSION[product],
        }
        body = signed_v1(request, key=key, secret=secret).encode()
        status, document = self._exchange("POST", "/", body, FORM)
        assert status == 200, document
        self._remember(document)
        return document

    def world(self) -> None:
        """Create resources that calls can hit, and two more senders with fewer rights."""
        vpc = self.call("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8")["VpcId"]
        vswitch = self.call(
            "Vpc", "CreateVSwitch", VpcId=vpc, CidrBlock="10.0.0.0/16", ZoneId="cn-hangzhou-h"
        )["VSwitchId"]
        group = self.call("Ecs", "CreateSecurityGroup", VpcId=vpc)["SecurityGroupId"]
        where = {"VSwitchId": vswitch, "SecurityGroupId": group}
        for _ in range(3):
            self.call("Ecs", "CreateNetworkInterface", **where)
        image = self.call("Ecs", "DescribeImages")["Images"]["Image"][0]["ImageId"]
        self.call(
            "Ecs", "RunInstances", ImageId=image, InstanceType="ecs.g7.large", Amount="2", **where
        )
        self.call("Vpc", "AllocateEipAddress")
        self.call("Vpc", "CreateNatGateway", VpcId=vpc, VSwitchId=vswitch, NatType="Enhanced")
        clb = self.call("Slb", "CreateLoadBalancer", VSwitchId=vswitch, AddressType="intranet")
        balancer = {"LoadBalancerId": clb["LoadBalancerId"]}
        self.call("Slb", "CreateVServerGroup", VServerGroupName="fuzz", **balancer)
        listener = {"ListenerPort": "80", "BackendServerPort": "80", "Bandwidth": "-1"}
        self.call("Slb", "CreateLoadBalancerTCPListener", **listener, **balancer)
        self.call("Vpc", "CreateIpv6Gateway", VpcId=self._dual_stack())
        self.call("Ecs", "CreateKeyPair", KeyPairName="fuzz")
        role = {"RoleName": "fuzz-role", "AssumeRolePolicyDocument": _TRUST}
        self.call("Ram", "CreateRole", **role)
        second = self.call(
            "Vpc", "CreateVSwitch", VpcId=vpc, CidrBlock="10.9.0.0/24", ZoneId="cn-hangzhou-i"
        )["VSwitchId"]
        zones = {
            "ZoneMappings.1.VSwitchId": vswitch,
            "ZoneMappings.1.ZoneId": "cn-hangzhou-h",
            "ZoneMappings.2.VSwitchId": second,
            "ZoneMappings.2.ZoneId": "cn-hangzhou-i",
        }
        nlb = {"AddressType": "Intranet", "VpcId": vpc, **zones}
        self.call("Nlb", "CreateLoadBalancer", **nlb)
        self.call("Nlb", "CreateServerGroup", ServerGroupName="fuzz", VpcId=vpc)
        key = self._user("fuzz-reader", "*:Describe*")
        other = self._user("fuzz-writer", "ecs:*")
        self._senders = [(ROOT_KEY_ID, ROOT_SECRET, ""), key, other, self._session()]

    def _dual_stack(self) -> str:
        answer = self.call("Vpc", "CreateVpc", CidrBlock="192.168.0.0/16", EnableIpv6="true")
        vpc = str(answer["VpcId"])
        where = {"CidrBlock": "192.168.1.0/24", "ZoneId": "cn-hangzhou-h"}
        self.call("Vpc", "CreateVSwitch", VpcId=vpc, Ipv6CidrBlock="1", **where)
        return vpc

    def _session(self) -> tuple[str, str, str]:
        """A role's temporary credentials."""
        trust = _TRUST.replace('"Service": ["ecs.aliyuncs.com"]', f'"RAM": ["{_ACCOUNT}:root"]')
        role = {"RoleName": "fuzz-session", "AssumeRolePolicyDocument": trust}
        self.call("Ram", "CreateRole", **role)
        what = {"PolicyType": "System", "PolicyName": "ReadOnlyAccess", "RoleName": "fuzz-session"}
        self.call("Ram", "AttachPolicyToRole", **what)
        which = {"RoleArn": f"{_ACCOUNT}:role/fuzz-session", "RoleSessionName": "fuzz"}
        # The account itself may assume no role.
        key, secret, _ = self._user("fuzz-assuming", "sts:AssumeRole")
        session = self._call_by(key, secret, "Sts", "AssumeRole", which)["Credentials"]
        return session["AccessKeyId"], session["AccessKeySecret"], session["SecurityToken"]

    def _user(self, name: str, action: str) -> tuple[str, str, str]:
        with contextlib.suppress(AssertionError):
            self.call("Ram", "CreateUser", UserName=name)
        document = {
            "Version": "1",
            "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}],
        }
        self.call("Ram", "CreatePolicy", PolicyName=name, PolicyDocument=json.dumps(document))
        what = {"PolicyType": "Custom", "PolicyName": name, "UserName": name}
        self.call("Ram", "AttachPolicyToUser", **what)
        key = self.call("Ram", "CreateAccessKey", UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["AccessKeySecret"], ""

    def reset(self) -> None:
        """Delete everything, and build a new world."""
        self._control(ControlRequest("POST", "/reset", b""))
        self._remembered.clear()
        self.world()

    # The kinds of requests

    def _signed(self, request: SignedCall) -> None:
        parameters = {n: self._resolved(v) for n, v in request.parameters.items()}
        for reserved in (
            "Action",
            "Version",
            "Signature",
            "Timestamp",
            "AccessKeyId",
            "SecurityToken",
        ):
            parameters.pop(reserved, None)
        key, secret, token = self._senders[request.sender % len(self._senders)]
        if request.acs3:
            target, headers, body = signed_acs3(
                parameters,
                action=request.action,
                version=request.version,
                key=key,
                secret=secret,
                method=request.method,
                token=token or None,
            )
        else:
            if token:
                parameters["SecurityToken"] = token
            fields = {**parameters, "Action": request.action, "Version": request.version}
            text = signed_v1(fields, key=key, secret=secret, method=request.method)
            target, headers, body = "/", FORM, text.encode()
            if request.method == "GET":
                target, headers, body = "/?" + text, {}, b""
        self.called.add((request.product, request.version, request.action))
        status, document = self._exchange(request.method, target, body, headers)
        if status == 200:
            self.answered.add((request.product, request.action))
            self._remember(document)
            self.counts["signed, done"] += 1
        else:
            code = str(document["Code"])
            assert code not in {"SignatureDoesNotMatch", "IncompleteSignature"}, code
            self.counts["signed, refused"] += 1

    def _plain(self, request: PlainRequest) -> None:
        headers = {n: v.encode().decode("latin-1") for n, v in request.headers.items()}
        target = quote(request.target, safe="/?=&%:*.+\"'<>{}|\\^`[]#@!$(),;~")
        status, _ = self._exchange(request.method, target, request.body, headers)
        assert 400 <= status < 500, status
        self.counts["unsigned, refused"] += 1

    def _exchange(
        self, method: str, target: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """One request on the kept connection; a fresh one if the cloud closed it before."""
        for last in (False, True):
            fresh = self._http is None
            if self._http is None:
                self._http = http.client.HTTPSConnection(
                    "127.0.0.1", self._server.port, context=self._context, timeout=2 * SLOW_SECONDS
                )
            try:
                self._http.request(method, target, body or None, headers)
                response = self._http.getresponse()
                text = response.read()
                break
            except (http.client.HTTPException, OSError):
                self._http.close()
                self._http = None
                # An idle connection may be closed; a new one answers.
                assert not fresh, "no answer on a fresh connection"
                assert not last, "no answer twice"
        if response.will_close:
            self._http = None
        assert response.status < 500, (response.status, text)
        if method == "HEAD":
            return response.status, {}
        document = json.loads(text)
        assert document["RequestId"]
        if response.status != 200:
            assert document["Code"]
            assert document["Message"]
        return response.status, document

    def _bytes(self, request: Bytes) -> None:
        plain = socket.create_connection(("127.0.0.1", self._server.port), timeout=SLOW_SECONDS)
        link: socket.socket = plain
        answer = b""
        with contextlib.suppress(OSError):
            if request.tls:
                link = self._context.wrap_socket(plain, server_hostname="127.0.0.1")
            link.sendall(request.data)
            if request.ends:
                if not request.tls:
                    link.shutdown(socket.SHUT_WR)
                link.settimeout(0.05)
                while chunk := link.recv(65536):
                    answer += chunk
        if answer.startswith(b"HTTP/1.1 ") and not answer.startswith(b"HTTP/1.1 100"):
            assert answer[9:10] == b"4", answer[:300]
        self.counts["bytes" + (" over TLS" if request.tls else "")] += 1
        if request.ends:
            link.close()
            return
        # Half-open connections that nobody closes; the cloud must keep serving others.
        self._half_open.append(link)
        while len(self._half_open) > _MOST_HALF_OPEN:
            self._half_open.popleft().close()

    def _control(self, request: ControlRequest) -> None:
        connection = ControlConnection(self._places.control_socket, 10)
        try:
            connection.request(request.method, request.target, request.body or None)
            response = connection.getresponse()
            text = response.read()
            assert response.status < 500, text
            json.loads(text)
        finally:
            connection.close()
        self.counts["control socket"] += 1

    # Values of earlier answers

    def _remember(self, value: object, name: str = "") -> None:
        if isinstance(value, dict):
            for key, child in value.items():
                self._remember(child, key)
        elif isinstance(value, list):
            for child in value[:50]:
                self._remember(child, name)
        elif isinstance(value, str) and value and len(value) < 200:
            values = self._remembered.setdefault(name, deque(maxlen=60))
            if value not in values:
                values.append(value)

    def _resolved(self, value: str | Remembered) -> str:
        if isinstance(value, str):
            return value
        name = value.name
        values = (
            self._remembered.get(name)
            or self._remembered.get(name.removesuffix("s"))
            or self._remembered.get(name.removeprefix("Source").removeprefix("Dest"))
            or self._remembered.get("Id")
            or self._remembered.get("VpcId")
            or deque(["x"])
        )
        chosen = values[-1 - value.position % len(values)]
        return json.dumps([chosen]) if value.as_list else chosen

    def close(self) -> None:
        """Close every connection."""
        for link in self._half_open:
            link.close()
        if self._http is not None:
            self._http.close()
