"""A control socket with a few instances behind it, and user-data that makes them a cluster."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localcloud.machines.tools import missing_tools
from tests.patience import end_of_wait

REPOSITORY = Path(__file__).resolve().parents[3]
TOKEN = "abcdef.0123456789abcdef"  # noqa: S105  (obviously fake)
VERSION = "v1.36.3"
REGION = "cn-hangzhou"


class FakeCloud:
    """The control socket: /health, /machines, /console and /credentials."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.instances: dict[str, dict[str, Any]] = {}
        self.addresses: list[dict[str, Any]] = []
        self.load_balancers: list[dict[str, Any]] = []
        self.translations: list[dict[str, Any]] = []
        self.public_ipv6_addresses: list[dict[str, Any]] = []
        self.disks: list[dict[str, Any]] = []
        self.snapshots: list[dict[str, Any]] = []
        self.consoles: dict[str, str] = {}
        self.port = 1
        self._revision = 1
        self._changed = threading.Condition()
        folder = home / "cloud" / "run"
        folder.mkdir(parents=True)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                if path == "/health":
                    self._say(200, {"status": "ok", "pid": 1, "port": outer.port, "region": REGION})
                elif path == "/machines":
                    asked = dict(pair.split("=") for pair in query.split("&"))
                    self._say(200, outer.wait(int(asked["after"]), float(asked["wait"])))
                elif path.endswith("/credentials"):
                    self._say(200, {"Code": "Success", "AccessKeyId": "STS.fake"})
                else:
                    self._say(404, {})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                instance = self.path.split("/")[2]
                outer.consoles[instance] = outer.consoles.get(instance, "") + body["text"]
                self._say(200, {})

            def _say(self, status: int, document: dict[str, Any]) -> None:
                data = json.dumps(document).encode()
                # The waiting client may have disconnected.
                with contextlib.suppress(BrokenPipeError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)

        # The path may be too long for a socket's name; a relative one is not.
        before = Path.cwd()
        os.chdir(folder)
        try:
            self._server = ThreadingUnixStreamServer("control.sock", Handler)
        finally:
            os.chdir(before)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def wait(self, after: int, seconds: float) -> dict[str, Any]:
        with self._changed:
            self._changed.wait_for(lambda: self._revision > after, timeout=seconds)
            return {
                "revision": self._revision,
                "instances": list(self.instances.values()),
                "addresses": self.addresses,
                "load_balancers": self.load_balancers,
                "translations": self.translations,
                "public_ipv6_addresses": self.public_ipv6_addresses,
                "disks": self.disks,
                "snapshots": self.snapshots,
            }

    def change(self, *instances: dict[str, Any], gone: tuple[str, ...] = ()) -> None:
        with self._changed:
            for instance in instances:
                self.instances[instance["id"]] = instance
            for name in gone:
                self.instances.pop(name, None)
            self._revision += 1
            self._changed.notify_all()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Supervisor:
    """`python -m localcloud.machines` as a child process, with a toolchain that is built."""

    def __init__(
        self, home: Path, tools: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        if missing := missing_tools(tools):
            raise AssertionError(
                f"{tools} does not have {', '.join(missing)}: run `python -m toolchain ensure`"
            )
        self._command = [sys.executable, "-m", "localcloud.machines", "--home", str(home)]
        self._command += ["--tools", str(tools)]
        self._environment = {**os.environ, **(environment or {})}
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  (our own module)
            self._command, cwd=REPOSITORY, env=self._environment
        )

    def kill_and_start_again(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def free_loopback_address() -> str:
    """Return a 127.77.x.y address that nothing listens on at port 6443."""
    while True:
        tail = os.urandom(2)
        address = f"127.77.{tail[0]}.{max(1, min(tail[1], 254))}"
        with socket.socket() as probe:
            try:
                probe.bind((address, 6443))
            except OSError:
                continue
        return address


def interface(eni: str, mac: str, address: str, network: str, *, primary: bool) -> dict[str, Any]:
    """Return an ENI as the control socket names it, in 172.31.192.0/20 or 192.168.0.0/24."""
    prefix = int(network.partition("/")[2])
    gateway = {"172.31.192.0/20": "172.31.207.253", "192.168.0.0/24": "192.168.0.253"}[network]
    return {
        "id": eni,
        "mac": mac,
        "primary": primary,
        "address": address,
        "prefix_length": prefix,
        "network": network,
        "gateway": gateway,
        "secondary_addresses": [],
        "ipv6_addresses": [],
        "vswitch_id": f"vsw-{network.partition('.')[0]}",
        "vpc_id": "vpc-test",
        "security_group_ids": ["sg-test"],
        # Members of the group reach each other, as in a basic group.
        "ingress": [
            {
                "protocol": "all",
                "port_from": -1,
                "port_to": -1,
                "source": "sg-test",
                "policy": "accept",
                "priority": 1,
            }
        ],
        # A basic group lets everything out.
        "egress": [
            {
                "protocol": "all",
                "port_from": -1,
                "port_to": -1,
                "destination": everywhere,
                "policy": "accept",
                "priority": 101,
            }
            for everywhere in ("0.0.0.0/0", "::/0")
        ],
    }


def instance(name: str, interfaces: list[dict[str, Any]], user_data: str) -> dict[str, Any]:
    """Return a running instance as the control socket names it, `user_data` as text."""
    return {
        "id": f"i-{name}",
        "name": name,
        "hostname": f"host-{name}",
        "region": REGION,
        "zone": f"{REGION}-h",
        "status": "Running",
        "boot": 1,
        "user_data": base64.b64encode(user_data.encode()).decode(),
        "image": "ubuntu_24_04_x64_20G_alibase_20260916.vhd",
        "instance_type": "ecs.g7.large",
        "ram_role": None,
        "http_tokens": "required",
        "tags": {},
        "interfaces": interfaces,
        "ingress": [
            {
                "protocol": "tcp",
                "port_from": 6443,
                "port_to": 6443,
                "source": "127.0.0.0/8",
                "policy": "accept",
                "priority": 1,
            }
        ],
    }


class Pki:
    """CAs and an admin certificate for one test run."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        for name, common_name in (
            ("ca", "kubernetes"),
            ("front-proxy-ca", "front-proxy-ca"),
            ("etcd/ca", "etcd-ca"),
        ):
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = _certificate(common_name, key.public_key(), None, key)
            if name == "ca":
                self._key, self._certificate = key, certificate
            self.files[f"{name}.key"] = _key_pem(key)
            self.files[f"{name}.crt"] = certificate.public_bytes(serialization.Encoding.PEM)
        account = ec.generate_private_key(ec.SECP256R1())
        self.files["sa.key"] = _key_pem(account)
        self.files["sa.pub"] = account.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def pin(self) -> str:
        der = self._certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return f"sha256:{hashlib.sha256(der).hexdigest()}"

    def serving(self, name: str) -> tuple[bytes, bytes]:
        """Return a server certificate for a DNS name, and its key; both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(
            name, key.public_key(), self._certificate, self._key, server_name=name
        )
        return certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key)

    def kubeconfig(self, server: str) -> str:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(
            "admin",
            key.public_key(),
            self._certificate,
            self._key,
            organization="kubeadm:cluster-admins",
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "it",
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                "clusters": [
                    {
                        "name": "it",
                        "cluster": {
                            "server": server,
                            "certificate-authority-data": _b64(self.files["ca.crt"]),
                        },
                    }
                ],
                "users": [
                    {
                        "name": "it",
                        "user": {
                            "client-certificate-data": _b64(pem),
                            "client-key-data": _b64(_key_pem(key)),
                        },
                    }
                ],
            }
        )


BOOTSTRAP = """\
#!/bin/bash
set -euo pipefail
rm -f /etc/netplan/50-cloud-init.yaml
netplan apply
modprobe overlay
modprobe br_netfilter
sysctl --system
swapoff -a
apt-get update
apt-get install -y kubelet=1.36.3-* kubeadm=1.36.3-* kubectl=1.36.3-* containerd.io
systemctl enable kubelet containerd
systemctl restart containerd
base=http://100.100.100.200/latest
token=$(curl -sSf -X PUT -H 'X-aliyun-ecs-metadata-token-ttl-seconds: 300' $base/api/token)
ask() { curl -sSf -H "X-aliyun-ecs-metadata-token: $token" "$base/meta-data/$1"; }
provider_id="$(ask region-id).$(ask instance-id)"
cd /etc/spiderpool-alicloud
sed "s/@PROVIDER_ID@/$provider_id/" kubeadm.yaml.in > kubeadm.yaml
kubeadm ACTION --config kubeadm.yaml
echo bootstrap finished
"""


def control_plane_user_data(
    name: str,
    pki: Pki,
    interfaces: list[dict[str, Any]],
    public: str,
    *,
    provider_id: bool = True,
) -> str:
    """Return user-data as the program writes it for a control plane called `name`.

    Without `provider_id` its kubelet does not report its instance.
    """
    address = interfaces[0]["address"]
    kubeadm: list[dict[str, Any]] = [
        {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "InitConfiguration",
            "bootstrapTokens": [{"token": TOKEN, "ttl": "24h0m0s"}],
            "localAPIEndpoint": {"advertiseAddress": address, "bindPort": 6443},
            "nodeRegistration": _registration(
                name, [{"name": "node-labels", "value": "pool=cp"}], provider_id=provider_id
            ),
        },
        {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "kubernetesVersion": VERSION,
            "clusterName": "fake",
            "encryptionAlgorithm": "ECDSA-P256",
            "controlPlaneEndpoint": f"{address}:6443",
            "networking": {"podSubnet": "10.244.0.0/16", "serviceSubnet": "10.96.0.0/16"},
            "apiServer": {"certSANs": [public, address]},
        },
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "maxPods": 17,
        },
    ]
    files = [
        _file(f"/etc/kubernetes/pki/{path}", content, "0600" if path.endswith("key") else "0644")
        for path, content in sorted(pki.files.items())
    ]
    return _cloud_config(files, kubeadm, interfaces, "init")


def discovery(endpoint: str, pin: str, token: str = TOKEN) -> dict[str, Any]:
    """Return how a worker finds its cluster."""
    return {
        "bootstrapToken": {
            "apiServerEndpoint": endpoint,
            "token": token,
            "caCertHashes": [pin],
        }
    }


def worker_user_data(
    name: str,
    discovered_by: dict[str, Any],
    interfaces: list[dict[str, Any]],
    patience: str = "5m",
    *,
    provider_id: bool = True,
) -> str:
    """Return user-data as the program writes it for worker `name`; it looks `patience` long.

    Without `provider_id` its kubelet does not report its instance.
    """
    kubeadm = [
        {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "JoinConfiguration",
            "discovery": discovered_by,
            "timeouts": {"discovery": patience, "tlsBootstrap": patience},
            "nodeRegistration": _registration(
                name,
                [
                    {"name": "node-labels", "value": "pool=w"},
                    {"name": "register-with-taints", "value": "dedicated=it:NoSchedule"},
                ],
                provider_id=provider_id,
            ),
        }
    ]
    return _cloud_config([], kubeadm, interfaces, "join")


def _registration(name: str, more: list[dict[str, str]], *, provider_id: bool) -> dict[str, Any]:
    provider = [{"name": "provider-id", "value": "@PROVIDER_ID@"}] if provider_id else []
    return {
        "name": name,
        "criSocket": "unix:///run/containerd/containerd.sock",
        "kubeletExtraArgs": [
            {"name": "cloud-provider", "value": "external"},
            *provider,
            {"name": "node-ip", "value": "0.0.0.0"},  # noqa: S104
            *more,
        ],
    }


def _cloud_config(
    files: list[dict[str, Any]],
    kubeadm: list[dict[str, Any]],
    interfaces: list[dict[str, Any]],
    action: str,
) -> str:
    home = "/etc/spiderpool-alicloud"
    ethernets = {
        f"eth{place}": {
            "match": {"macaddress": nic["mac"]},
            "set-name": f"eth{place}",
            "dhcp4": False,
            "addresses": [f"{nic['address']}/{nic['prefix_length']}"],
            "routes": [
                *([{"to": "default", "via": nic["gateway"]}] if place == 0 else []),
                {"to": nic["network"], "scope": "link", "table": 101 + place},
                {"to": "default", "via": nic["gateway"], "table": 101 + place},
            ],
            "routing-policy": [
                {"from": f"{nic['address']}/32", "table": 101 + place, "priority": 2000}
            ],
        }
        for place, nic in enumerate(interfaces)
    }
    plan = {"network": {"version": 2, "renderer": "networkd", "ethernets": ethernets}}
    files = [
        *files,
        _file("/etc/netplan/60-spiderpool.yaml", yaml.safe_dump(plan).encode(), "0600"),
        _file("/etc/sysctl.d/90-it.conf", b"net.ipv4.ip_forward = 1\n", "0644"),
        _file(f"{home}/kubeadm.yaml.in", yaml.safe_dump_all(kubeadm).encode(), "0600"),
        _file(f"{home}/bootstrap.sh", BOOTSTRAP.replace("ACTION", action).encode(), "0700"),
    ]
    document = {"write_files": files, "runcmd": [[f"{home}/bootstrap.sh"]]}
    return "#cloud-config\n" + yaml.safe_dump(document)


def _file(path: str, content: bytes, mode: str) -> dict[str, Any]:
    return {"path": path, "content": _b64(content), "encoding": "b64", "permissions": mode}


def until(what: str, seconds: float, work: Any) -> Any:  # noqa: ANN401  (whatever work returns)
    """Call `work` until it returns something true; its last exception is in the message."""
    end, last = end_of_wait(seconds), None
    while time.monotonic() < end:
        try:
            if outcome := work():
                return outcome
        except Exception as error:  # noqa: BLE001  (any failure means: not yet)
            last = error
        time.sleep(0.3)
    raise AssertionError(f"{what}: not in time ({last!r})")


def _certificate(
    common_name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
    **more: str,
) -> x509.Certificate:
    """Return a CA without an issuer; with one, a client's (organization) or a server's."""
    organization, server_name = more.get("organization"), more.get("server_name")
    names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        names.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(issuer.subject if issuer else x509.Name(names))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=True,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=issuer is None,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if issuer:
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server_name else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if server_name:
        names_of_server = x509.SubjectAlternativeName([x509.DNSName(server_name)])
        builder = builder.add_extension(names_of_server, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
