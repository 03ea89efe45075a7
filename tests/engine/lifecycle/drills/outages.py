"""What else can happen to a cluster on a bad day, on one control plane and one worker.

    python -m tests.engine.lifecycle.drills.outages --write docs/reliability.md

The certificate of the API server has ended; the clock of the control plane is two hours off while a
run replaces the worker; the API server is away for ten minutes while a run does so; etcd's file
system is full.
With `--keep FILE` each result is written down at once, and `--only NAME` chooses the drills.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from planning.nodes.secrets import parse_secrets
from tests.engine.clouds.local_cloud import second_cloud
from tests.engine.clouds.three_zones import use_three_zones
from tests.engine.control_planes.writing_client import stored, writing
from tests.engine.lifecycle.clouds.light_cloud import LightCloud
from tests.engine.lifecycle.drills.clocks import clock_off
from tests.engine.lifecycle.drills.power_cuts import (
    LONGEST,
    MOST_RUNS,
    deploy,
    differences,
    edit,
    gone_afterwards,
    leases,
    wait_until_in_order,
)
from tests.engine.lifecycle.drills.results import (
    DrillResult,
    each,
    keep,
    kept_results,
    result_of,
)
from tests.engine.lifecycle.drills.struck_runs import STRUCK_RUN, begin_up
from tests.engine.lifecycle.interruptions.fault_sweep import mutations, write_table
from tests.engine.lifecycle.official_sdk import client, models
from tests.engine.machines.test_machine_life_cycle import LifeCycle
from tests.patience import end_of_wait

PLANE: Final = "masters-0"
READY_SECONDS: Final = "SPIDERPOOL_ALICLOUD_READY_SECONDS"
READY_WITHIN: Final = 1200
"""What a run has by default: longer than the API server is away."""
ZERO: Final = timedelta()
TWO_HOURS: Final = timedelta(hours=2)
SILENT_FOR: Final = 240.0
"""Seconds. Kubelets renew their leases every 10 and leaders every 2, but a token that is not valid
yet is replaced in up to two minutes, and a pod reads its own token once a minute."""
CLOCK_WRONG_FOR: Final = 150.0
"""Seconds, unless the run ends before."""
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
    """One control plane with a disk for etcd and one worker, deployed; gone at the end."""
    patient = {READY_SECONDS: str(READY_WITHIN)}
    cloud = second_cloud(folder / "home", variables=patient)
    cycle = LifeCycle(cloud=cloud, document=yaml.safe_load(cloud.config_file.read_text()))
    use_three_zones(cycle.document, name="outage", control_planes=1)
    cycle.cluster["nodePools"]["masters"]["etcdDisk"] = {}
    cycle.write()
    with gone_afterwards(cycle):
        LightCloud(cloud=cloud, document=cycle.document).start(machines=True)
        deploy(cycle)
        yield cycle


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a person did in a drill."""

    commands: Sequence[str] = ()
    failures: Sequence[str] = ()
    """The last lines of each run that failed."""


def struck(
    cycle: LifeCycle,
    drill: str,
    point: str,
    strike: Callable[[], Part],
) -> DrillResult:
    """Strike while a client writes, wait until the cluster is in order, and count."""
    run = "".join(c if c.isalnum() else "-" for c in f"{drill} {point}".lower())[:60].strip("-")
    with writing(cycle.kubeconfig(), run=run) as writes:
        until = end_of_wait(60)
        while len(writes.acknowledged) < 5:
            assert time.monotonic() < until, writes.refusals
            time.sleep(0.2)
        began = time.monotonic()
        part = strike()
        ran = time.monotonic() - began
        missing = wait_until_in_order(cycle, within=_IN_ORDER_WITHIN)
        seconds = time.monotonic() - began
        before = len(writes.acknowledged)
        until = end_of_wait(60)
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
        commands=part.commands,
        ran=ran,
        seconds=seconds,
        problems=problems or differences(cycle),
        failures=part.failures,
    )


def api_away(cycle: LifeCycle, seconds: float) -> DrillResult:
    """The API server is away for a time, from the first change that a run makes to the worker."""

    def strike() -> Part:
        with _replacing_the_worker(cycle) as child:
            cycle.on(PLANE, _variables("kube-apiserver", 6443, STOP))
            threading.Event().wait(seconds)
            cycle.on(PLANE, _variables("kube-apiserver", 6443, START))
            return _up_until_it_ends_well(cycle, child)

    return struck(cycle, "API server away", f"{seconds:.0f} s of a run", strike)


def clock_wrong(cycle: LifeCycle, off: timedelta) -> DrillResult:
    """The control plane's clock is wrong while a run replaces the worker, and right afterwards."""
    point = (
        f"control plane {abs(off) // timedelta(hours=1)} h {'ahead' if off > ZERO else 'behind'}"
    )

    def strike() -> Part:
        with clock_off(_folder(cycle, PLANE), off), _replacing_the_worker(cycle) as child:
            _wait(child, CLOCK_WRONG_FOR)
        part = _up_until_it_ends_well(cycle, child)
        if silent(cycle, within=SILENT_FOR):
            # Their pods have tokens that are not valid yet.
            words = ("--all-namespaces", "--field-selector", f"spec.nodeName={PLANE}")
            cycle.cloud.run("kubectl", "delete", "pods", *words, "--wait=false", check=True)
            part = replace(part, commands=[*part.commands, "kubectl delete pods"])
        return part

    return struck(cycle, "Clock off", point, strike)


def silent(cycle: LifeCycle, *, within: float) -> list[str]:
    """Kubelets and leaders that renew no lease within so many seconds."""
    before, until = leases(cycle), end_of_wait(within)
    while True:
        now = leases(cycle)
        names = sorted(name for name in before if now.get(name) == before[name])
        if not names or time.monotonic() > until:
            return names
        time.sleep(2)


def _wait(child: subprocess.Popen[bytes], seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        child.wait(timeout=seconds)


def _folder(cycle: LifeCycle, node: str) -> Path:
    return cycle.cloud.places.home / "machines" / cycle.instances()[node]


@contextmanager
def _replacing_the_worker(cycle: LifeCycle) -> Iterator[subprocess.Popen[bytes]]:
    """A run that replaces the worker, after its first call that changes something."""
    edit(cycle, "roll")
    light = LightCloud(cloud=cycle.cloud, document=cycle.document)
    before = light.last_call()
    child = begin_up(cycle)
    while child.poll() is None and not mutations(light.calls(after=before)):
        time.sleep(0.5)
    yield child


def _up_until_it_ends_well(cycle: LifeCycle, child: subprocess.Popen[bytes]) -> Part:
    status = child.wait(timeout=LONGEST)
    transcript = (cycle.cloud.places.home / STRUCK_RUN).read_text(errors="replace")
    commands: list[str] = []
    failures: list[str] = []
    while status != 0 and len(commands) < MOST_RUNS:
        failures.append(transcript[-4000:])
        done = cycle.up()
        status, transcript = done.status, done.transcript
        commands.append("pulumi up")
    return Part(commands=commands, failures=failures)


def certificate_ended(cycle: LifeCycle) -> DrillResult:
    """The certificate of the API server ended an hour ago, and the API server starts with it."""

    def strike() -> Part:
        text = cycle.on(PLANE, "cat /etc/kubernetes/pki/apiserver.crt")
        ended = _dated(cycle, text, not_after=datetime.now(UTC) - timedelta(hours=1))
        packed = base64.b64encode(ended.encode()).decode()
        write = f"echo {packed} | base64 -d > /etc/kubernetes/pki/apiserver.crt"
        stop, start = (_variables("kube-apiserver", 6443, part) for part in (STOP, START))
        cycle.on(PLANE, f"({stop})\n{write}\n{start}")
        return Part()

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


MOVE: Final = f"""
({{stop_api}})
({{stop}})
mkdir -p /root/etcd
cp -a {_LIMIT}/. /root/etcd/
mount -t tmpfs -o size=2g,mode=700 full {_LIMIT}
cp -a /root/etcd/. {_LIMIT}/
{{start}}
{{start_api}}
"""
"""etcd's data onto a file system that can be made small. The API server is stopped meanwhile: the
simulated kubelet would wait for its answers before it starts etcd again."""
FILL: Final = f"""
used=$(du -sm {_LIMIT} | cut -f1)
mount -o remount,size=$((used + 8))m {_LIMIT}
cat /dev/zero > {_LIMIT}/filler || true
"""
"""The file system of the running etcd is full to the last byte."""
LARGER: Final = 40
"""GiB; twice the default."""
GROW: Final = f"mount -o remount,size=2g {_LIMIT}"


def disk_full(cycle: LifeCycle) -> DrillResult:
    """The file system of a running etcd becomes full, and larger once the cluster takes no more.

    The file system is a tmpfs. So the node's own unit makes that of the disk larger, which is not
    mounted, and then a remount makes the tmpfs larger.
    """
    stop, start = (_variables("etcd", 2379, part) for part in (STOP, START))
    stop_api, start_api = (_variables("kube-apiserver", 6443, part) for part in (STOP, START))
    cycle.on(PLANE, MOVE.format(stop=stop, start=start, stop_api=stop_api, start_api=start_api))
    missing = wait_until_in_order(cycle, within=_IN_ORDER_WITHIN)
    assert missing is None, missing

    def strike() -> Part:
        cycle.on(PLANE, FILL)
        _write_until_refused(cycle)
        cycle.cluster["nodePools"]["masters"]["etcdDisk"] = {"size": LARGER}
        cycle.write()
        child = begin_up(cycle)
        _until_the_disk_is_larger(cycle)
        cycle.on(PLANE, GROW)
        part = _up_until_it_ends_well(cycle, child)
        return replace(part, commands=["pulumi up", *part.commands])

    return struck(cycle, "etcd's disk full", "the only member", strike)


def _until_the_disk_is_larger(cycle: LifeCycle) -> None:
    """Wait until the run has made the disk larger, and the machine the file system there."""
    blocks = LARGER * 2**30 // 4096
    read = "dumpe2fs -h /dev/disk/by-id/virtio-* 2>/dev/null | grep '^Block count:'"
    until = time.monotonic() + 300
    while int(cycle.on(PLANE, read).split()[-1]) != blocks:
        transcript = (cycle.cloud.places.home / STRUCK_RUN).read_text(errors="replace")
        assert time.monotonic() < until, f"{_size_of_disk(cycle)} GiB\n{transcript[-4000:]}"
        time.sleep(1)


def _size_of_disk(cycle: LifeCycle) -> int:
    """GiB of the control plane's disk for etcd in the cloud."""
    request = models("ecs").DescribeDisksRequest(region_id="cn-hangzhou", page_size=100)
    listed = client("ecs", cycle.cloud).describe_disks(request).body.disks.disk
    (size,) = (disk.size for disk in listed if disk.disk_name == f"outage-{PLANE}-etcd")
    return int(size)


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


DRILLS: Final[Mapping[str, Callable[[LifeCycle], DrillResult]]] = {
    "certificate": certificate_ended,
    "clock-behind": lambda cycle: clock_wrong(cycle, -TWO_HOURS),
    "clock-ahead": lambda cycle: clock_wrong(cycle, TWO_HOURS),
    "api-away": lambda cycle: api_away(cycle, 600),
    "disk-full": disk_full,
}
"""The last one leaves etcd on a file system that does not outlive its machine."""


def main() -> int:
    """Print the results as JSON; 1 when something was lost or is not in order."""
    os.umask(0o022)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", action="append", choices=DRILLS, help="all without it")
    parser.add_argument("--keep", type=Path, help="write each result here, too")
    parser.add_argument("--write", type=Path, help="put the table into this page")
    arguments = parser.parse_args()
    results: list[DrillResult] = []
    with tempfile.TemporaryDirectory(prefix="outages-") as folder, bed(Path(folder)) as cycle:
        for name in arguments.only or DRILLS:
            results.append(DRILLS[name](cycle))
            if arguments.keep:
                keep(arguments.keep, [results[-1]])
    sys.stdout.write(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    if arguments.write:
        everything = kept_results(arguments.keep) or results
        write_table(arguments.write, "outages", each(everything))
    return int(any(result.lost or result.problems for result in results))


if __name__ == "__main__":
    raise SystemExit(main())
