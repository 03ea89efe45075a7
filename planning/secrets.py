"""The secrets of one cluster: what `operations secrets init` makes once and a stack keeps.

Plain data, never printed: `repr` shows no value. Made outside (planning knows no randomness).
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: str = field(repr=False)
    key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ClusterSecrets:
    """PKI, bootstrap token and webhook certificate (ECDSA P-256; decision D4, D6)."""

    ca: KeyPair
    front_proxy_ca: KeyPair
    etcd_ca: KeyPair
    service_account_key: str = field(repr=False)
    """PEM private key; the public half is derived from it once and kept beside it."""
    service_account_public_key: str = field(repr=False)
    admin: KeyPair
    """Client certificate, O=kubeadm:cluster-admins."""
    bootstrap_token: str = field(repr=False)
    """`[a-z0-9]{6}.[a-z0-9]{16}`."""
    webhook_ca: str = field(repr=False)
    """PEM certificate of the CA that signed the webhook's certificate."""
    webhook: KeyPair
