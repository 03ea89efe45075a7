"""What else can happen to a cluster on a bad day, on one control plane and one worker.

    python -m tests.engine.lifecycle.drills.outages --api-away 600 --write docs/reliability.md

The certificate of the API server has ended; the API server is away while a run replaces the worker;
etcd's file system is full. The cluster's CAs were made by a clock that is two hours ahead, because
no namespace of Linux has a clock of its own: `CLONE_NEWTIME` moves the monotonic clocks only
(time_namespaces(7)). Machines whose clocks are two hours behind see the same dates.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from operations.secrets.pki import make_secrets
from planning.nodes.secrets import dump_secrets, parse_secrets
from tests.engine.clouds.local_cloud import second_cloud
from tests.engine.clouds.three_zones import use_three_zones
from tests.engine.control_planes.writing_client import stored, writing
from tests.engine.lifecycle.clouds.light_cloud import LightCloud
from tests.engine.lifecycle.drills.power_cuts import (
    begin_up,
    deploy,
    differences,
    edit,
    gone_afterwards,
    wait_until_in_order,
)
from tests.engine.lifecycle.drills.results import DrillResult, each, result_of
from tests.engine.lifecycle.interruptions.fault_sweep import write_table
from tests.engine.machines.test_machine_life_cycle import LifeCycle

PLANE: Final = "masters-0"
AHEAD: Final = timedelta(hours=2)
_IN_ORDER_WITHIN: Final = 300.0
_MANIFESTS: Final = "/etc/kubernetes/manifests"
_LIMIT: Final = "/var/lib/etcd"

STOP: Final = f"""
mv {_MANIFESTS}/$POD.yaml /root/$POD.yaml
for _ in $(seq 120); do
  curl -sk --max-time 2 -o /dev/null "https://127.0.0.1:$PORT/" || [ $? -ne 7 ] || exit 0
  sleep 1
done
exit 1
"""
"""Curl's exit status 7: nothing listens."""
START: Final = f"mv /root/$POD.yaml {_MANIFESTS}/$POD.yaml"


def _variables(pod: str, port: int, script: str) -> str:
    return f"POD={pod} PORT={port}\n{script}"


@contextmanager
def bed(folder: Path) -> Iterator[LifeCycle]:
    """One control plane with a disk for etcd and one worker; secrets by a clock that is ahead."""
    cloud = second_cloud(folder / "home")
    cycle = LifeCycle(cloud=cloud, document=yaml.safe_load(cloud.config_file.read_text()))
    use_three_zones(cycle.document, name="outage", control_planes=1)
    cycle.cluster["nodePools"]["masters"]["etcdDisk"] = {}
    cycle.write()
    _make_secrets_ahead(cycle)
    with gone_afterwards(cycle):
        LightCloud(cloud=cloud, document=cycle.document).start(machines=True)
        deploy(cycle)
        yield cycle


def _make_secrets_ahead(cycle: LifeCycle) -> None:
    secrets = make_secrets("outage", now=datetime.now(UTC) + AHEAD, entropy=os.urandom)
    path = cycle.cloud.places.secrets
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(dump_secrets(secrets))


def struck(
    cycle: LifeCycle,
    drill: str,
    point: str,
    strike: Callable[[], list[str]],
) -> DrillResult:
    """Strike while a client writes, wait until the cluster is in order, and count.

    `strike` returns the commands that a person has to give.
    """
    run = drill.replace(" ", "-").lower()
    with writing(cycle.kubeconfig(), run=run) as writes:
        until = time.monotonic() + 60
        while len(writes.acknowledged) < 5:
            assert time.monotonic() < until, writes.refusals
            time.sleep(0.2)
        began = time.monotonic()
        commands = strike()
        missing = wait_until_in_order(cycle, within=_IN_ORDER_WITHIN)
        seconds = time.monotonic() - began
        before = len(writes.acknowledged)
        until = time.monotonic() + 60
        while missing is None and len(writes.acknowledged) < before + 5:
            if time.monotonic() > until:
                missing = f"no write is acknowledged: {writes.refusals[-3:]}"
            time.sleep(0.2)
    problems = [] if missing is None else [missing]
    return result_of(
        drill,
        point,
        writes,
        kept=None if problems else stored(cycle.kubeconfig(), run=run),
        met=True,
        commands=commands,
        seconds=seconds,
        problems=problems or differences(cycle),
    )


def api_away(cycle: LifeCycle, seconds: float) -> DrillResult:
    """The API server is away for a time while a run replaces the worker."""

    def strike() -> list[str]:
        edit(cycle, "roll")
        child = begin_up(cycle)
        time.sleep(5)
        cycle.on(PLANE, _variables("kube-apiserver", 6443, STOP))
        threading.Event().wait(seconds)
        cycle.on(PLANE, _variables("kube-apiserver", 6443, START))
        if child.wait(timeout=900) == 0:
            return []
        done = cycle.up()
        assert done.status == 0, done.transcript
        return ["pulumi up"]

    return struck(cycle, "API server away", f"{seconds:.0f} s of a run", strike)


def certificate_ended(cycle: LifeCycle) -> DrillResult:
    """The certificate of the API server ended an hour ago, and the API server starts with it."""

    def strike() -> list[str]:
        text = cycle.on(PLANE, "cat /etc/kubernetes/pki/apiserver.crt")
        ended = _dated(cycle, text, not_after=datetime.now(UTC) - timedelta(hours=1))
        packed = base64.b64encode(ended.encode()).decode()
        write = f"echo {packed} | base64 -d > /etc/kubernetes/pki/apiserver.crt"
        stop, start = (_variables("kube-apiserver", 6443, part) for part in (STOP, START))
        cycle.on(PLANE, f"({stop})\n{write}\n{start}")
        return []

    return struck(cycle, "Certificate ended", "API server of the only control plane", strike)


def _dated(cycle: LifeCycle, text: str, *, not_after: datetime) -> str:
    """The same certificate with another end, signed by the cluster's CA."""
    secrets = parse_secrets(cycle.cloud.places.secrets.read_text())
    authority = x509.load_pem_x509_certificate(secrets.ca.certificate.encode())
    key = load_pem_private_key(secrets.ca.key.encode(), password=None)
    assert isinstance(key, EllipticCurvePrivateKey)
    old = x509.load_pem_x509_certificate(text.encode())
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(authority.subject)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_after - timedelta(days=365))
        .not_valid_after(not_after)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


FILL: Final = f"""
({{stop}})
size=$(du -sm {_LIMIT} | cut -f1)
mkdir -p /root/etcd
cp -a {_LIMIT}/. /root/etcd/
mount -t tmpfs -o size=$((size + 8))m,mode=700 full {_LIMIT}
cp -a /root/etcd/. {_LIMIT}/
cat /dev/zero > {_LIMIT}/filler || true
{{start}}
"""
"""etcd on a file system with a few MB more than its data, which a file fills to the last byte."""
GROW: Final = f"mount -o remount,size=2g {_LIMIT}"


def disk_full(cycle: LifeCycle) -> DrillResult:
    """The file system of etcd is full, and becomes larger a minute later.

    The file system is a tmpfs. On a real machine it is that of the disk, and `etcdDisk.size` and
    `resize2fs` make it larger.
    """

    def strike() -> list[str]:
        stop, start = (_variables("etcd", 2379, part) for part in (STOP, START))
        cycle.on(PLANE, FILL.format(stop=stop, start=start))
        _write_until_refused(cycle)
        cycle.on(PLANE, GROW)
        return ["pulumi up", "resize2fs /dev/disk/by-id/virtio-…"]

    return struck(cycle, "etcd's disk full", "the only member", strike)


def _write_until_refused(cycle: LifeCycle) -> None:
    """Write large objects until the cluster takes no more."""
    text = "x" * 900_000
    for number in range(200):
        path = cycle.cloud.places.home / "large.json"
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": f"large-{number}"},
                    "data": {"text": text},
                }
            )
        )
        create = ("create", "-f", str(path), "--request-timeout=10s")
        if cycle.cloud.run("kubectl", *create).status != 0:
            return
    raise AssertionError("180 MB fit on a full disk")


def main() -> int:
    """Print the results as JSON; 1 when something was lost or is not in order."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--api-away", type=float, default=600.0, help="seconds")
    parser.add_argument("--write", type=Path, help="put the table into this page")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="outages-") as folder, bed(Path(folder)) as cycle:
        results = [
            certificate_ended(cycle),
            api_away(cycle, arguments.api_away),
            disk_full(cycle),
        ]
    sys.stdout.write(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    if arguments.write:
        write_table(arguments.write, "outages", each(results))
    return int(any(result.lost or result.problems for result in results))


if __name__ == "__main__":
    raise SystemExit(main())
