"""Requests a second of the emulated cloud on one core, and how it grows with ENIs.

    python benchmarks/emulator.py [--enis 10000] [--seconds 3]

A cloud of its own in a temporary folder; signed V1 requests over TLS, one connection for each of
four clients in one other process, so the server has a core of its own where there are two.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import multiprocessing
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode

ROOT = Path(__file__).resolve().parents[1]
KEY, SECRET = "localcloud", "localcloud-secret-not-real"
VERSIONS = {"Vpc": "2016-04-28", "Ecs": "2014-05-26"}
CLIENTS = 4


def signed(product: str, action: str, parameters: dict[str, str]) -> str:
    """A signed form body."""

    def enc(text: str) -> str:
        return quote(text, safe="~")

    given = {
        **parameters,
        "Action": action,
        "Version": VERSIONS[product],
        "AccessKeyId": KEY,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    canonical = "&".join(f"{enc(k)}={enc(v)}" for k, v in sorted(given.items()))
    text = f"POST&%2F&{enc(canonical)}"
    digest = hmac.new(f"{SECRET}&".encode(), text.encode(), hashlib.sha1).digest()
    return urlencode({**given, "Signature": base64.b64encode(digest).decode()})


class Client:
    """A keep-alive connection."""

    def __init__(self, port: int, ca: str) -> None:
        context = ssl.create_default_context(cafile=ca)
        self._http = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)

    def call(self, product: str, action: str, **parameters: str) -> dict[str, object]:
        """An answer, which must be a success."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self._http.request("POST", "/", signed(product, action, parameters), headers)
        response = self._http.getresponse()
        body = response.read()
        assert response.status == http.client.OK, body
        answer: dict[str, object] = json.loads(body)
        return answer


def hammer(  # noqa: PLR0913, PLR0917  # a process's arguments
    port: int, ca: str, product: str, action: str, parameters: dict[str, str], seconds: float
) -> int:
    """The number of answers that several connections get in some seconds."""
    counts = [0] * CLIENTS
    until = time.perf_counter() + seconds

    def work(number: int) -> None:
        client = Client(port, ca)
        while time.perf_counter() < until:
            client.call(product, action, **parameters)
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--enis", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), options.enis, options.seconds)


def run(home: Path, enis: int, seconds: float) -> None:
    """Serve, fill, measure."""
    server = subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-m", "localcloud", "serve", f"--home={home}", "--port=0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().rpartition(":")[2])
        ca = str(home / "cloud" / "tls" / "ca.pem")
        client = Client(port, ca)
        vpc = str(client.call("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8")["VpcId"])
        zone = "cn-hangzhou-h"
        vswitch = str(
            client.call("Vpc", "CreateVSwitch", VpcId=vpc, CidrBlock="10.0.0.0/16", ZoneId=zone)[
                "VSwitchId"
            ]
        )
        group = str(client.call("Ecs", "CreateSecurityGroup", VpcId=vpc)["SecurityGroupId"])
        one = {"VSwitchId": vswitch, "SecurityGroupIds.1": group}
        eni = str(client.call("Ecs", "CreateNetworkInterface", **one)["NetworkInterfaceId"])
        reads: list[tuple[str, str, dict[str, str]]] = [
            ("Vpc", "DescribeVpcAttribute", {"VpcId": vpc}),
            ("Ecs", "DescribeNetworkInterfaces", {"NetworkInterfaceId.1": eni}),
        ]
        size = 0
        for goal in (1, enis // 10, enis):
            began = time.perf_counter()
            made = 0
            while size < goal - 1:
                client.call(
                    "Ecs", "CreateNetworkInterface", SecondaryPrivateIpAddressCount="3", **one
                )
                size, made = size + 1, made + 1
            if made:
                rate = made / (time.perf_counter() - began)
                print(f"{size + 1:>7} ENIs: {rate:7.0f} creations/s (one connection)")
            for product, action, parameters in reads:
                before, started = cpu_seconds(server.pid), time.perf_counter()
                with multiprocessing.Pool(1) as pool:
                    answers = pool.apply(hammer, (port, ca, product, action, parameters, seconds))
                spent = cpu_seconds(server.pid) - before
                wall = time.perf_counter() - started
                print(
                    f"{size + 1:>7} ENIs: {answers / wall:7.0f} {action}/s, "
                    f"{answers / spent:7.0f} for each second of the server's CPU"
                )
        server.kill()
        server.wait()
        began = time.perf_counter()
        again = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-m", "localcloud", "serve", f"--home={home}", "--port=0"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert again.stdout is not None
        again.stdout.readline()
        print(f"{size + 1:>7} ENIs: back after kill -9 in {time.perf_counter() - began:.1f} s")
        again.kill()
        again.wait()
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
