"""etcd and kube-apiserver on loopback ports of their own, with what they keep in one folder."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import os
import signal
import ssl
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.loopback_ports import free_port
from tests.patience import end_of_wait

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[4]
_START_SECONDS = 90.0


def find_binary(name: str) -> Path | None:
    """Return the built binary of the local toolchain, ``None`` when it is not there."""
    path = Path(os.environ.get("SPIDERPOOL_ALICLOUD_BIN") or ROOT / ".local" / "bin") / name
    return path if path.exists() else None


@dataclass(frozen=True, kw_only=True)
class Issued:
    certificate: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A certificate authority that lives as long as a test run."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-authority")])
        builder = _builder(name, name, key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True).add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        return cls(key=key, certificate=builder.sign(key, hashes.SHA256()))

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, common_name: str, organization: str = "test") -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )
        names = x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        )
        usage = x509.ExtendedKeyUsage(
            [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        )
        public = self.key.public_key()
        certificate = (
            _builder(subject, self.certificate.subject, key)
            .add_extension(names, critical=False)
            .add_extension(usage, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        return Issued(
            certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(),
            key=key_pem(key),
        )


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
    )


@dataclass(kw_only=True)
class RealCluster:
    """A running control plane: ``kubeconfig`` is the text of an administrator's."""

    folder: Path
    port: int = field(default_factory=free_port)
    etcd_port: int = field(default_factory=free_port)
    authority: Authority = field(default_factory=Authority.new)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    api_server_arguments: Sequence[str] = ("--disable-admission-plugins=ServiceAccount",)

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> str:
        admin = self._admin
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "clusters": [
                    {
                        "name": "test",
                        "cluster": {
                            "server": self.server,
                            "certificate-authority-data": _b64(self.authority.pem),
                        },
                    }
                ],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
                "users": [
                    {
                        "name": "admin",
                        "user": {
                            "client-certificate-data": _b64(admin.certificate),
                            "client-key-data": _b64(admin.key),
                        },
                    }
                ],
            }
        )

    def start(self) -> None:
        self._admin = self.authority.issue("test-admin", "system:masters")
        serving = self.authority.issue("kube-apiserver")
        signer = ec.generate_private_key(ec.SECP256R1())
        public = signer.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        for name, text in {
            "ca.crt": self.authority.pem,
            "server.crt": serving.certificate,
            "server.key": serving.key,
            "sa.key": key_pem(signer),
            "sa.pub": public.decode(),
            "kubeconfig": self.kubeconfig,
        }.items():
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
        self.start_etcd()
        self.start_api_server()

    def start_etcd(self) -> None:
        url, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{free_port()}"
        self._run(
            "etcd",
            [
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls={url}",
                f"--advertise-client-urls={url}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
        )

    def start_api_server(self) -> None:
        self._run(
            "kube-apiserver",
            [
                f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
                "--bind-address=127.0.0.1",
                f"--secure-port={self.port}",
                f"--client-ca-file={self.folder / 'ca.crt'}",
                f"--tls-cert-file={self.folder / 'server.crt'}",
                f"--tls-private-key-file={self.folder / 'server.key'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={self.folder / 'sa.pub'}",
                f"--service-account-signing-key-file={self.folder / 'sa.key'}",
                "--service-cluster-ip-range=10.233.0.0/18",
                "--authorization-mode=Node,RBAC",
                "--endpoint-reconciler-type=none",
                *self.api_server_arguments,
            ],
        )
        self._await_ready()

    def start_controller_manager(self) -> None:
        self._run(
            "kube-controller-manager",
            [
                f"--kubeconfig={self.folder / 'kubeconfig'}",
                "--bind-address=127.0.0.1",
                f"--secure-port={free_port()}",
                "--leader-elect=false",
                f"--service-account-private-key-file={self.folder / 'sa.key'}",
                f"--root-ca-file={self.folder / 'ca.crt'}",
            ],
        )

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)  # the API server takes a minute over SIGTERM
        process.wait()

    def stop(self) -> None:
        for name in tuple(self.processes):
            self.kill(name)

    def kubectl(self, *arguments: str, standard_input: str | None = None) -> str:
        """Run kubectl as the administrator; return what it prints."""
        binary = find_binary("kubectl") or Path("/usr/bin/kubectl")
        done = subprocess.run(  # noqa: S603 - no shell
            [binary, "--kubeconfig", self.folder / "kubeconfig", *arguments],
            input=standard_input,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(done.stderr)
        return done.stdout

    def _run(self, name: str, arguments: Sequence[str]) -> None:
        binary = find_binary(name)
        assert binary is not None
        log = (self.folder / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(  # noqa: S603 - no shell
            [binary, *arguments], stdout=log, stderr=log, start_new_session=True
        )

    def _await_ready(self) -> None:
        context = ssl.create_default_context(cadata=self.authority.pem)
        end = end_of_wait(_START_SECONDS)
        with httpx.Client(verify=context, trust_env=False) as client:
            while time.monotonic() < end and self.processes["kube-apiserver"].poll() is None:
                try:
                    if client.get(f"{self.server}/readyz").status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.2)
        log = (self.folder / "kube-apiserver.log").read_text(encoding="utf-8")
        raise AssertionError(log[-3000:])


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
