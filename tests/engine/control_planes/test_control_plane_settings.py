"""The real API server with the settings of the user-data: what it answers, keeps and logs."""

from __future__ import annotations

import base64
import json
import shlex
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from planning.nodes import machine
from planning.nodes.control_plane import (
    ANONYMOUS_PATHS,
    AUDIT_LOG,
    ENCRYPTION_FILE,
    FOLDER,
)
from tests.engine.clouds.local_cloud import SecondCloud
from tests.engine.control_planes.kept_token import secrets_of, status_of
from tests.engine.control_planes.test_a_stranger_is_refused import on_the_machine
from tests.localcloud.machines.fake_cloud import until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

WORD = "a-word-that-nobody-else-writes"
ENCODED = base64.b64encode(WORD.encode()).decode()
UNIT = "/etc/spiderpool-alicloud/node.sh"


def ask(cloud: SecondCloud, command: str) -> str:
    """Standard output of a command on the only control plane, which must succeed."""
    done = on_the_machine(cloud, "master", command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_etcd(cloud: SecondCloud, name: str) -> bytes:
    """A Secret of the default namespace as etcd has it."""
    key = base64.b64encode(f"/registry/secrets/default/{name}".encode()).decode()
    scripts = ". /etc/spiderpool-alicloud/node.env; . /etc/spiderpool-alicloud/common.sh"
    question = shlex.quote(json.dumps({"key": key}))
    (entry,) = json.loads(ask(cloud, f"{scripts}; etcd 127.0.0.1 kv/range {question}"))["kvs"]
    return base64.b64decode(entry["value"])


@contextmanager
def secret(cloud: SecondCloud, name: str) -> Iterator[str]:
    literal = f"--from-literal=word={WORD}"
    cloud.run("kubectl", "create", "secret", "generic", name, literal, check=True)
    try:
        yield name
    finally:
        cloud.run("kubectl", "delete", "secret", name, check=True)


def word_of(cloud: SecondCloud, name: str) -> str:
    return base64.b64decode(cloud.kubectl("get", "secret", name)["data"]["word"]).decode()


def test_a_secret_in_etcd_is_not_plain(served: SecondCloud) -> None:
    with secret(served, "kept") as name:
        stored = in_etcd(served, name)
        assert stored.startswith(b"k8s:enc:secretbox:v1:key1:")
        assert WORD.encode() not in stored
        assert word_of(served, name) == WORD
    files = ask(served, f"stat -c '%a %U %n' {FOLDER} {FOLDER}/*").splitlines()
    assert f"600 root {ENCRYPTION_FILE}" in files
    assert all(line.startswith("600 root ") for line in files if line.endswith(".yaml"))


def test_the_audit_log_names_the_reader_of_a_secret_and_not_its_content(
    served: SecondCloud,
) -> None:
    with secret(served, "watched") as name:
        assert word_of(served, name) == WORD
    lines = ask(served, f"grep watched {AUDIT_LOG}").splitlines()
    events = [json.loads(line) for line in lines]
    reads = [event for event in events if event["verb"] == "get"]
    assert {event["user"]["username"] for event in reads} == {"guide-admin"}
    assert {event["level"] for event in events} == {"Metadata"}
    everything = ask(served, f"cat {AUDIT_LOG}")
    assert WORD not in everything
    assert ENCODED not in everything
    assert {"requestObject", "responseObject"}.isdisjoint(set().union(*events))


@pytest.mark.parametrize("path", ANONYMOUS_PATHS)
def test_an_anonymous_client_may_read_the_health_endpoints(served: SecondCloud, path: str) -> None:
    assert status_of(served, path) == 200


@pytest.mark.parametrize(
    "path",
    [
        "/version",
        "/apis",
        "/metrics",
        "/livez/ping",
        "/api/v1/nodes",
        "/api/v1/namespaces/kube-public/configmaps/cluster-info",
    ],
)
def test_and_nothing_else(served: SecondCloud, path: str) -> None:
    assert status_of(served, path) == 401


def handshake(cloud: SecondCloud, *, ciphers: str, newest: ssl.TLSVersion) -> str:
    """The name of the cipher that the API server agrees to, with a client that takes old ones."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=secrets_of(cloud).ca.certificate)
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
    url = urlsplit(cloud.outputs()["apiEndpoint"])
    connection = HTTPSConnection(str(url.hostname), url.port, context=context, timeout=20)
    try:
        connection.connect()
        agreed = connection.sock.cipher()
    finally:
        connection.close()
    return "" if agreed is None else str(agreed[0])


def test_old_tls_and_weak_ciphers_are_refused(served: SecondCloud) -> None:
    newest = ssl.TLSVersion.TLSv1_2
    good = "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert handshake(served, ciphers=good, newest=newest) == good
    with pytest.raises(ssl.SSLError):
        handshake(served, ciphers="ALL", newest=ssl.TLSVersion.TLSv1_1)
    # Go's own list has this one.
    with pytest.raises(ssl.SSLError):
        handshake(served, ciphers="ECDHE-ECDSA-AES128-SHA", newest=newest)


def test_no_client_gets_a_profile(served: SecondCloud) -> None:
    profile = served.run("kubectl", "get", "--raw", "/debug/pprof/")
    assert (profile.status, "NotFound" in profile.err) == (1, True)


def test_a_pod_that_takes_the_host_is_refused_unless_its_namespace_allows_it(
    served: SecondCloud,
) -> None:
    container = {"name": "app", "image": "registry.k8s.io/pause:3.10"}
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "host-"},
        "spec": {"hostNetwork": True, "containers": [container]},
    }
    text = json.dumps(pod)
    create = ("kubectl", "create", "--dry-run=server", "-f", "-")
    refused = served.run(*create, stdin=text)
    assert 'violates PodSecurity "baseline:latest"' in refused.err
    served.run(*create, "--namespace=kube-system", stdin=text, check=True)


def deploy(cloud: SecondCloud, keys: str) -> None:
    """Deploy the keys that the stack's secrets name, and see that the control plane has them."""
    assert " ".join(secrets_of(cloud).encryption_keys) == keys
    done = cloud.pulumi("up", "--yes", "--skip-preview")
    assert done.status == 0, cloud.explain(done)

    def has_them() -> bool:
        return notes(cloud).get(machine.ENCRYPTION_KEYS) == keys

    until(f"the API server has the keys {keys}", 120, has_them)


def notes(cloud: SecondCloud) -> dict[str, str]:
    return dict(cloud.kubectl("get", "node", "master")["metadata"]["annotations"])


def rotate(cloud: SecondCloud) -> str:
    file = ("--file", str(cloud.places.secrets))
    done = cloud.module("operations", "secrets", "rotate-encryption", "--stack", "local", *file)
    return done.out + done.err


def test_another_key_is_taken_step_by_step_with_data(served: SecondCloud) -> None:
    until("the unit has reported", 60, lambda: machine.ENCRYPTION_KEYS in notes(served))
    with secret(served, "rotated") as name:
        assert rotate(served).startswith("Step 1 of 3")
        deploy(served, "key1 key2")
        assert rotate(served).startswith("Step 2 of 3")
        deploy(served, "key2 key1")
        assert in_etcd(served, name).startswith(b"k8s:enc:secretbox:v1:key1:")
        assert rotate(served).startswith("Step 3 of 3")
        assert in_etcd(served, name).startswith(b"k8s:enc:secretbox:v1:key2:")
        deploy(served, "key2")
        assert word_of(served, name) == WORD
    # Every Secret of the cluster is still readable.
    served.kubectl("get", "secrets", "--all-namespaces")
    text = ask(served, f"cat {ENCRYPTION_FILE}")
    assert "key1" not in text
