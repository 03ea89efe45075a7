"""The secrets of one cluster, which `operations secrets init` creates once and a stack keeps.

They are plain data and never printed: `repr` shows no value, and no error repeats the input. They
are created elsewhere, because planning has no randomness. The stored form is one JSON document with
camelCase keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

TOKEN_PATTERN: Final = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
"""A bootstrap token in kubeadm's form: id, dot, secret."""

_VERSION: Final = 1
_PAIRS: Final = {
    "ca": "ca",
    "frontProxyCa": "front_proxy_ca",
    "etcdCa": "etcd_ca",
    "admin": "admin",
    "webhook": "webhook",
}
_TEXTS: Final = {
    "serviceAccountKey": "service_account_key",
    "serviceAccountPublicKey": "service_account_public_key",
    "bootstrapToken": "bootstrap_token",
    "webhookCa": "webhook_ca",
}
_NEXT: Final = "webhookNext"
_ENCRYPTION: Final = "encryptionKeys"
PLAIN: Final = "identity"
"""In place of a key's name: Secrets without encryption (Kubernetes' name for that provider)."""
_KEY_NAME: Final = re.compile(rf"key[1-9]\d{{0,5}}|{PLAIN}")
_REMEDY: Final = (
    "make new ones with `python -m operations secrets init`, or restore the stack's own"
)


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: str = field(repr=False)
    key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ClusterSecrets:
    """PKI, bootstrap token and webhook certificate (ECDSA P-256)."""

    ca: KeyPair
    front_proxy_ca: KeyPair
    etcd_ca: KeyPair
    service_account_key: str = field(repr=False)
    """PEM private key; its public key is derived once and stored with it."""
    service_account_public_key: str = field(repr=False)
    admin: KeyPair
    """Client certificate, O=kubeadm:cluster-admins."""
    bootstrap_token: str = field(repr=False)
    """`[a-z0-9]{6}.[a-z0-9]{16}`."""
    webhook_ca: str = field(repr=False)
    """PEM certificates of the CAs that verify the webhook's certificate: one CA, or during a
    rotation the old one and the new one."""
    webhook: KeyPair
    """The certificate that the webhook serves."""
    webhook_next: KeyPair | None = None
    """The certificate that it will serve once the API server trusts both CAs."""

    encryption_keys: tuple[str, ...] = (PLAIN,)
    """Names of the keys of Secrets in etcd, `PLAIN` or `key` and a number. The first one encrypts,
    every one decrypts. A name is not secret: a control plane derives the key from it and from the
    CA's key. Secrets of an earlier release have none, and their cluster's etcd is `PLAIN`."""


class SecretsError(ValueError):
    """A secrets document that cannot be used. The message never has the text that was read."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"the cluster's secrets cannot be used:\n{lines}\n{_REMEDY}")


def dump_secrets(secrets: ClusterSecrets) -> str:
    """Write the secrets as one JSON document, the same bytes for the same secrets."""
    document: dict[str, object] = {"version": _VERSION}
    for key, attribute in _PAIRS.items():
        pair: KeyPair = getattr(secrets, attribute)
        document[key] = {"certificate": pair.certificate, "key": pair.key}
    for key, attribute in _TEXTS.items():
        document[key] = getattr(secrets, attribute)
    if secrets.webhook_next is not None:
        upcoming = secrets.webhook_next
        document[_NEXT] = {"certificate": upcoming.certificate, "key": upcoming.key}
    document[_ENCRYPTION] = " ".join(secrets.encryption_keys)
    return json.dumps(document, indent=1) + "\n"


def parse_secrets(text: str) -> ClusterSecrets:
    """Read the document that `dump_secrets` wrote, and check that its parts belong together.

    Raises:
        SecretsError: with every problem: invalid JSON or PEM, a missing or unknown key, a private
            key of another certificate, a certificate of another CA, a malformed token.
    """
    document = _json_object(text)
    problems = _shape_problems(document)
    if problems:
        raise SecretsError(tuple(problems))
    pairs = {
        attribute: KeyPair(
            certificate=_text(document, key, "certificate"), key=_text(document, key, "key")
        )
        for key, attribute in _PAIRS.items()
    }
    texts = {attribute: _text(document, key) for key, attribute in _TEXTS.items()}
    upcoming = None
    if _NEXT in document:
        upcoming = KeyPair(
            certificate=_text(document, _NEXT, "certificate"), key=_text(document, _NEXT, "key")
        )
    names = tuple(_text(document, _ENCRYPTION).split()) or (PLAIN,)
    secrets = ClusterSecrets(**pairs, **texts, webhook_next=upcoming, encryption_keys=names)  # type: ignore[arg-type]  # keys are its fields
    problems = _content_problems(secrets)
    if problems:
        raise SecretsError(tuple(problems))
    return secrets


def _json_object(text: str) -> Mapping[str, object]:
    """Parse without letting the parser's own error, which quotes its input, escape."""
    where = ""
    try:
        document: object = json.loads(text)
    except json.JSONDecodeError as error:
        where = f" (line {error.lineno}, column {error.colno})"
        document = None
    if not isinstance(document, dict):
        raise SecretsError((f"the document is not a JSON object{where}",))
    return document


def _text(document: Mapping[str, object], *path: str) -> str:
    value: object = document
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _shape_problems(document: Mapping[str, object]) -> list[str]:
    if document.get("version") != _VERSION:
        return [f"`version` is not {_VERSION}: another release of this project wrote it"]
    problems = []
    for key in _PAIRS:
        problems += [
            f"`{key}.{part}` is missing or not a text"
            for part in ("certificate", "key")
            if not _text(document, key, part)
        ]
    problems += [f"`{key}` is missing or not a text" for key in _TEXTS if not _text(document, key)]
    if _NEXT in document:
        problems += [
            f"`{_NEXT}.{part}` is missing or not a text"
            for part in ("certificate", "key")
            if not _text(document, _NEXT, part)
        ]
    if _ENCRYPTION in document and not _text(document, _ENCRYPTION):
        problems.append(f"`{_ENCRYPTION}` is not a text")
    unknown = sorted(set(document) - {"version", *_PAIRS, *_TEXTS, _NEXT, _ENCRYPTION})
    if unknown:
        # A key's name could itself be pasted secret text: say how many, not which.
        problems.append(f"{len(unknown)} unknown key(s)")
    return problems


def _content_problems(secrets: ClusterSecrets) -> list[str]:
    # Its library takes time, and a stack of somebody else's cluster has no secrets.
    from planning.nodes.key_pairs import key_problems  # noqa: PLC0415

    pairs: dict[str, KeyPair] = {key: getattr(secrets, name) for key, name in _PAIRS.items()}
    if secrets.webhook_next is not None:
        pairs[_NEXT] = secrets.webhook_next
    problems = key_problems(
        {key: (pair.certificate, pair.key) for key, pair in pairs.items()},
        webhooks=("webhook", _NEXT),
        webhook_ca=secrets.webhook_ca,
        service_account=(secrets.service_account_public_key, secrets.service_account_key),
    )
    if not TOKEN_PATTERN.fullmatch(secrets.bootstrap_token):
        problems.append("`bootstrapToken` is not six and sixteen of [a-z0-9] with a dot between")
    names = secrets.encryption_keys
    if len(set(names)) < len(names) or not all(map(_KEY_NAME.fullmatch, names)):
        problems.append(
            f"`{_ENCRYPTION}` is not a list of different names, each `{PLAIN}` or `key` and a "
            "number"
        )
    return problems
