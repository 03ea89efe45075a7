"""Paths of the local stack: all in one ignored folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROJECT = "spiderpool-alicloud"
"""Pulumi's project name and the namespace of its configuration keys."""

LOCAL_STACK = "local"
"""The stack on the local cloud."""

ROOT = Path(__file__).resolve().parents[2]
"""The checkout, with Pulumi.yaml and the stack files."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Paths of one local cloud.

    `home` holds its state; `tools` the built binaries, which several local clouds share.
    Both are absolute.
    """

    home: Path
    tools: Path

    @property
    def bin(self) -> Path:
        """Links to pulumi, its plugins, kubectl and the rest."""
        return self.tools / "bin"

    @property
    def cloud(self) -> Path:
        """The emulated cloud's own folder."""
        return self.home / "cloud"

    @property
    def machines(self) -> Path:
        """The booted machines' disks and logs."""
        return self.home / "machines"

    @property
    def ca(self) -> Path:
        """The private CA that signed the emulated cloud's certificate."""
        return self.cloud / "tls" / "ca.pem"

    @property
    def trust_bundle(self) -> Path:
        """Public CAs and the private one."""
        return self.home / "trust.pem"

    @property
    def pulumi_home(self) -> Path:
        """`PULUMI_HOME`: plugin cache and workspace settings."""
        return self.home / "pulumi" / "home"

    @property
    def backend(self) -> Path:
        """Directory of Pulumi's file backend."""
        return self.home / "pulumi" / "state"

    @property
    def backend_url(self) -> str:
        """The URL of the backend for Pulumi.

        `metadata=skip`: by default Pulumi's store also writes a file of attributes for each file.
        Nothing reads it, and unlike the file itself it is not written atomically. A run killed at
        that moment leaves it empty, and then no run can load the stack
        (`failed to load checkpoint: EOF`). Source: `setAttrs` in gocloud.dev/blob/fileblob, seen
        with Pulumi 3.259.0.
        """
        return f"file://{self.backend}?metadata=skip"

    @property
    def secrets(self) -> Path:
        """The local stack's secrets, mode 0600."""
        return self.home / "secrets.yaml"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the local cluster."""
        return self.home / "kubeconfig"

    @property
    def env(self) -> Path:
        """A file to `source`, so that pulumi and kubectl work in a shell."""
        return self.home / "env"

    @classmethod
    def of(cls, home: Path, *, tools: Path | None = None) -> Places:
        """Resolve against the current directory; the tools default to the checkout's own."""
        return cls(home=home.resolve(), tools=(tools or ROOT / ".local").resolve())
