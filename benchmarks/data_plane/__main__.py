"""Measures the network of pods on a running lab: `make lab`, then this.

    python -m benchmarks.data_plane [--home .local/lab] [--seconds 4] [--rounds 5]

Writes `results.json` with every round, and prints the table of docs/data-plane.md. Each path is
measured once a round; ratios are formed within a round.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.data_plane import guest
from benchmarks.data_plane.records import RAW, table
from benchmarks.results import ROOT, machine

CLIENT, SERVER = "worker", "second"
APPS: Final = {"eth0": "test-app-1", "eth1": "test-app-2"}
"""NIC → the app whose pods have an address of it."""
PROGRAM: Final = "/run/data-plane.py"
SERVICE: Final = "data-plane-benchmark"
_CHUNK: Final = 2400
_POD: Final = """
runtime=unix:///run/containerd/containerd.sock
container=$(crictl --timeout 5m --runtime-endpoint $runtime ps --quiet --name "^$1$" 2>/dev/null)
crictl --timeout 5m --runtime-endpoint $runtime inspect --output go-template \
  --template '{{.info.pid}}' "$container" 2>/dev/null
"""


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A lab's stack that is up."""

    home: Path
    nodes: Mapping[str, Any]

    def run(self, node: str, *command: str) -> str:
        """A command as root of a machine."""
        program = (sys.executable, "-m", "localcloud.machines.session", "--home", str(self.home))
        return _run(*program, self.nodes[node]["instanceId"], "--", *command)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """A command of the cluster's administrator."""
        kubectl = str(ROOT / ".local" / "bin" / "kubectl")
        kubeconfig = f"--kubeconfig={self.home / 'kubeconfig'}"
        return _run(kubectl, kubeconfig, *arguments, stdin=stdin)

    def copy_program(self, node: str) -> None:
        """Write `guest.py` to a machine, in parts that fit into a line of its terminal."""
        text = base64.b64encode(Path(guest.__file__).read_bytes()).decode()
        self.run(node, "rm", "-f", f"{PROGRAM}.text")
        for start in range(0, len(text), _CHUNK):
            write = f'printf %s "$1" >> {PROGRAM}.text'
            self.run(node, "bash", "-c", write, "write", text[start : start + _CHUNK])
        self.run(node, "bash", "-c", f"base64 -d < {PROGRAM}.text > {PROGRAM}")

    def network_of(self, node: str, app: str) -> tuple[str, ...]:
        """The words that run a command in the network of an app's pod."""
        pid = self.run(node, "bash", "-c", _POD, "pod", app).split()[-1]
        return ("nsenter", "--net", f"--target={pid}")

    def pod_address(self, node: str, app: str) -> str:
        """The IPv4 address of an app's pod on a node."""
        pods = json.loads(self.kubectl("get", "pods", "--selector", f"app={app}", "-o", "json"))
        [pod] = [p for p in pods["items"] if p["spec"]["nodeName"] == node]
        return str(pod["status"]["podIP"])

    @contextmanager
    def serving(self, *addresses: tuple[Sequence[str], str]) -> Iterator[None]:
        """Servers on the second worker, each in a network and at an address of it."""
        script = 'setsid "$@" > /dev/null 2>&1 & echo $!'
        pids = []
        try:
            for network, address in addresses:
                command = (*network, "python3", PROGRAM, "serve", address)
                pids.append(self.run(SERVER, "bash", "-c", script, "serve", *command).split()[-1])
            yield
        finally:
            for pid in pids:
                self.run(SERVER, "kill", "-s", "TERM", f"-{pid}")

    @contextmanager
    def service(self, backend: str) -> Iterator[str]:
        """A ClusterIP in front of one address."""
        port = {"name": "tcp", "port": guest.PORT, "protocol": "TCP"}
        endpoints = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": SERVICE,
                "labels": {"kubernetes.io/service-name": SERVICE},
            },
            "addressType": "IPv4",
            "ports": [port],
            "endpoints": [{"addresses": [backend], "conditions": {"ready": True}}],
        }
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": SERVICE},
            "spec": {"ports": [port]},
        }
        objects = {"apiVersion": "v1", "kind": "List", "items": [service, endpoints]}
        self.kubectl("apply", "--filename", "-", stdin=json.dumps(objects))
        try:
            where = ("get", "service", SERVICE, "-o", "jsonpath={.spec.clusterIP}")
            yield self.kubectl(*where).strip()
        finally:
            self.kubectl("delete", "service", SERVICE)


def _run(*command: str, stdin: str | None = None) -> str:
    done = subprocess.run(  # noqa: S603 - our own programs
        command, capture_output=True, text=True, input=stdin, check=False, cwd=ROOT
    )
    if done.returncode:
        raise SystemExit(f"{command[:4]} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def _lab(home: Path) -> Lab:
    report = ("-m", "operations", "report", "--stack", "local", "--home", str(home), "--json")
    return Lab(home=home, nodes=json.loads(_run(sys.executable, *report))["nodes"])


def between_workers(lab: Lab, seconds: float, rounds: int) -> Mapping[str, list[Any]]:
    """From the first worker to the second: nodes and pods by each NIC, and a ClusterIP."""
    here: dict[str, tuple[tuple[str, ...], str]] = {}
    there: dict[str, tuple[tuple[str, ...], str]] = {}
    for nic, app in APPS.items():
        for node, ends in ((CLIENT, here), (SERVER, there)):
            ends[f"node {nic}"] = ((), lab.nodes[node]["interfaces"][nic]["primary"])
            ends[f"pod {nic}"] = (lab.network_of(node, app), lab.pod_address(node, app))
    results: dict[str, list[Any]] = {}
    with lab.serving(*there.values()), lab.service(there["pod eth0"][1]) as cluster_ip:
        targets = {path: address for path, (_, address) in there.items()}
        targets["ClusterIP eth0"] = cluster_ip
        here["ClusterIP eth0"] = here["pod eth0"]
        for _ in range(rounds):
            for path, target in targets.items():
                network, own = here[path]
                command = (*network, "python3", PROGRAM, "measure", own, target, str(seconds))
                answer = json.loads(lab.run(CLIENT, *command).splitlines()[-1])
                results.setdefault(path, []).append(answer)
    return results


def one_kernel(lab: Lab, seconds: float, rounds: int) -> Mapping[str, list[Any]]:
    """All paths between network namespaces of one machine, with the kernel of a worker."""
    command = ("python3", PROGRAM, "namespaces", str(seconds), str(rounds))
    document: Mapping[str, list[Any]] = json.loads(lab.run(CLIENT, *command).splitlines()[-1])
    return document


def main() -> None:
    """Measure, record and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_plane")
    parser.add_argument("--home", type=Path, default=Path(".local/lab"))
    parser.add_argument("--seconds", type=float, default=4.0, help="for each path and round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    begun, load = dt.datetime.now(dt.UTC), os.getloadavg()
    lab = _lab(arguments.home.resolve())
    for node in (CLIENT, SERVER):
        lab.copy_program(node)
    measured = {
        "one kernel": one_kernel(lab, arguments.seconds, arguments.rounds),
        "two workers": between_workers(lab, arguments.seconds, arguments.rounds),
    }
    document = {
        "date": f"{begun:%Y-%m-%d %H:%M} UTC",
        "machine": machine(),
        "load": {"before": load, "after": os.getloadavg()},
        "kernel": lab.run(CLIENT, "uname", "-rv").strip(),
        "seconds": arguments.seconds,
        "rounds": measured,
    }
    RAW.write_text(f"{json.dumps(document, indent=1)}\n", encoding="utf-8")
    sys.stdout.write("\n".join([*table(measured), ""]))


if __name__ == "__main__":
    main()
