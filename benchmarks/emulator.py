"""Requests a second of the emulated cloud on one core, and how it grows with ENIs.

    python benchmarks/emulator.py [--sizes 100,1000,10000] [--seconds 3]

A cloud of its own in a temporary folder; signed V1 requests over TLS. Reads a second come from one
connection for each of four clients in one other process, and are counted for each second of
the server's CPU: that is one core, however busy the machine is. Growth is shown as milliseconds of
the server's CPU for a call, at each size.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
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

    fields = {
        "RegionId": "cn-hangzhou",
        **parameters,
        "Action": action,
        "Version": VERSIONS[product],
        "AccessKeyId": KEY,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    canonical = "&".join(f"{enc(k)}={enc(v)}" for k, v in sorted(fields.items()))
    text = f"POST&%2F&{enc(canonical)}"
    digest = hmac.new(f"{SECRET}&".encode(), text.encode(), hashlib.sha1).digest()
    return urlencode({**fields, "Signature": base64.b64encode(digest).decode()})


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


@dataclasses.dataclass(frozen=True)
class Read:
    """A call whose cost is measured: its name in the table, and how often it is made."""

    name: str
    product: str
    action: str
    parameters: dict[str, str]
    times: int = 100


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="100,1000,10000", help="numbers of ENIs, rising")
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), sizes, options.seconds)


def serve(home: Path) -> tuple[subprocess.Popen[str], int, float]:
    """A server that answers, its port, and how long it took to start."""
    began = time.perf_counter()
    server = subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-m", "localcloud", "serve", f"--home={home}", "--port=0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    port = int(server.stdout.readline().rpartition(":")[2])
    return server, port, time.perf_counter() - began


def memory(pid: int) -> float:
    """Resident memory of a process, MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def reads_of(place: dict[str, str], eni: dict[str, str], size: int) -> list[Read]:
    """What is measured at each size. The last page is the dearest of all pages."""
    name, vswitch = "DescribeNetworkInterfaces", {"VSwitchId": place["VSwitchId"]}
    last = {"PageNumber": str(max(1, size // 50)), "PageSize": "50"}
    return [
        Read("one by id", "Ecs", name, {"NetworkInterfaceId.1": eni["id"]}, 300),
        Read("one by address", "Ecs", name, {"PrivateIpAddress.1": eni["address"]}, 300),
        Read("by tag, 1 match", "Ecs", name, {"Tag.1.Key": "n", "Tag.1.Value": "7"}),
        Read("by name, 1 match", "Ecs", name, {"NetworkInterfaceName": "eni-7"}),
        Read("page of 50, first", "Ecs", name, {**vswitch, "PageNumber": "1", "PageSize": "50"}),
        Read("page of 50, last", "Ecs", name, {**vswitch, **last}),
        Read("the vSwitch", "Vpc", "DescribeVSwitchAttributes", vswitch, 300),
    ]


def run(home: Path, sizes: list[int], seconds: float) -> None:
    """Serve, fill, measure."""
    server, port, _ = serve(home)
    try:
        ca = str(home / "cloud" / "tls" / "ca.pem")
        client = Client(port, ca)
        vpc = str(client.call("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8")["VpcId"])
        where = {"VpcId": vpc, "CidrBlock": "10.0.0.0/16", "ZoneId": "cn-hangzhou-h"}
        vswitch = str(client.call("Vpc", "CreateVSwitch", **where)["VSwitchId"])
        group = str(client.call("Ecs", "CreateSecurityGroup", VpcId=vpc)["SecurityGroupId"])
        place = {"VSwitchId": vswitch, "SecurityGroupIds.1": group}
        print(f"{'empty':>7}: {memory(server.pid):.0f} MiB")
        size, eni = 0, {"id": "", "address": ""}
        for goal in sizes:
            began, cpu = time.perf_counter(), cpu_seconds(server.pid)
            created = goal - size
            while size < goal:
                size += 1
                answer = client.call(
                    "Ecs",
                    "CreateNetworkInterface",
                    SecondaryPrivateIpAddressCount="3",
                    NetworkInterfaceName=f"eni-{size}",
                    ClientToken=uuid.uuid4().hex,
                    **{"Tag.1.Key": "n", "Tag.1.Value": str(size)},
                    **place,
                )
                eni = {
                    "id": str(answer["NetworkInterfaceId"]),
                    "address": str(answer["PrivateIpAddress"]),
                }
            spent = 1000 * (cpu_seconds(server.pid) - cpu) / created
            rate = created / (time.perf_counter() - began)
            print(
                f"{size:>7} ENIs: {rate:.0f} creations/s on one connection, {spent:.2f} ms of CPU "
                f"each; {memory(server.pid):.0f} MiB"
            )
            for read in reads_of(place, eni, size):
                cpu = cpu_seconds(server.pid)
                for _ in range(read.times):
                    client.call(read.product, read.action, **read.parameters)
                spent = 1000 * (cpu_seconds(server.pid) - cpu) / read.times
                print(f"{size:>7} ENIs: {spent:7.2f} ms of CPU  {read.name}")
        for read in (
            Read("", "Vpc", "DescribeVpcAttribute", {"VpcId": vpc}),
            Read("", "Ecs", "DescribeNetworkInterfaces", {"NetworkInterfaceId.1": eni["id"]}),
        ):
            cpu, began = cpu_seconds(server.pid), time.perf_counter()
            with multiprocessing.Pool(1) as pool:
                work = (port, ca, read.product, read.action, read.parameters, seconds)
                answers = pool.apply(hammer, work)
            spent, wall = cpu_seconds(server.pid) - cpu, time.perf_counter() - began
            print(
                f"{size:>7} ENIs: {answers / spent:.0f} {read.action} for each second of one core "
                f"({answers / wall:.0f}/s seen by four clients)"
            )
        server.kill()
        server.wait()
        server, _, took = serve(home)
        print(f"{size:>7} ENIs: back after kill -9 in {took:.1f} s")
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
