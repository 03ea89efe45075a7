"""Reads the cluster by kubectl, and connects to its load balancers."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from operations.engine.cluster_access import check_answer
from operations.engine.running import Finished, Runner
from operations.verification.cluster_objects import KINDS, Cluster, Object, Pod, read_cluster

_READ_WITHIN = 60.0
_EXECUTE_WITHIN = 60.0
_CONNECT_WITHIN = 10.0
_LASTS = 3.0
"""Seconds after which a connection on which nothing happens counts as one with a server."""
_BAD = 500


@dataclass(frozen=True, kw_only=True)
class Kubectl:
    """Runs kubectl in an environment that has KUBECONFIG."""

    runner: Runner

    def read_all(self, outputs: Mapping[str, Any], *, local: bool) -> Cluster:
        """Read everything that checks look at, at one moment. `local`: it is on a local cloud.

        Raises:
            OperationError: The API server does not answer, or has no Spiderpool.
        """
        done = self._run("get", KINDS, "--all-namespaces", "-o", "json", deadline=_READ_WITHIN)
        check_answer(done, "kubectl could not read the cluster")
        items = [*json.loads(done.out)["items"], *self._kube_proxy()]
        return read_cluster(items, outputs, local=local)

    def _kube_proxy(self) -> Sequence[Object]:
        """kube-proxy's ConfigMap, by its name: a list of all would be long."""
        where = ("configmap", "kube-proxy", "--namespace", "kube-system")
        done = self._run("get", *where, "--ignore-not-found", "-o", "json", deadline=_READ_WITHIN)
        check_answer(done, "kubectl could not read kube-proxy's settings")
        return [json.loads(done.out)] if done.out.strip() else []

    def execute(self, pod: Pod, *argv: str) -> Finished:
        """Run a command in a pod."""
        return self._run(
            "exec",
            "--namespace",
            pod.namespace,
            pod.name,
            "--",
            *argv,
            deadline=_EXECUTE_WITHIN,
        )

    def logs(self, pod: Pod) -> str:
        """What a pod has written in the last five minutes."""
        return self._run(
            "logs",
            "--namespace",
            pod.namespace,
            pod.name,
            "--since",
            "5m",
            deadline=_EXECUTE_WITHIN,
        ).out

    def connect(self, host: str, port: int) -> str | None:
        """Connect by TCP from this machine, and stay for a moment; return why it failed, or None.

        A load balancer may take a connection and end it when it finds no backend. A server may send
        first or stay silent.
        """
        try:
            connection = socket.create_connection((host, port), timeout=_CONNECT_WITHIN)
        except OSError as error:
            return str(error)
        with connection:
            connection.settimeout(_LASTS)
            try:
                ended = not connection.recv(1)
            except TimeoutError:
                return None
            except OSError as error:
                return str(error)
        return "the connection was closed at once" if ended else None

    def get(self, host: str, port: int, path: str) -> str | None:
        """Send an HTTP request from this machine; return why it failed, or None."""
        connection = http.client.HTTPConnection(host, port, timeout=_CONNECT_WITHIN)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__
        finally:
            connection.close()
        return f"HTTP {answer.status}" if answer.status >= _BAD else None

    def _run(self, *arguments: str, deadline: float) -> Finished:
        return self.runner.run(["kubectl", *arguments], deadline=deadline, quiet=True)
