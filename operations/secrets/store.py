"""Makes a cluster's secrets once, and stores them where the program reads them.

The local stack has them in a file that only its user can read; every other stack in its own
configuration, encrypted by Pulumi. They pass through standard input and open files only, never
through arguments, variables or output.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from operations.engine.places import PROJECT
from operations.engine.running import Runner
from operations.failure import ExitCode, OperationError
from operations.secrets.pki import Entropy, expiry, make_secrets
from operations.writing import write_file
from planning.nodes.secrets import ClusterSecrets, SecretsError, dump_secrets, parse_secrets

KEY: Final = f"{PROJECT}:secrets"
"""The stack's configuration key that holds them."""

_DEADLINE: Final = 120.0
_PRIVATE: Final = 0o600


class SecretStore(Protocol):
    """The place of one stack's secrets. `name` is for messages."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    def holds_any(self) -> bool:
        """Whether something is stored already, usable or not."""

    def read(self) -> str:
        """Return the stored text."""

    def write(self, text: str) -> None:
        """Replace the stored text by this one."""


@dataclass(frozen=True, kw_only=True)
class NewSecrets:
    """Where new secrets are and when they expire. Neither is secret."""

    where: str
    expires: datetime


def init_secrets(
    cluster: str,
    store: SecretStore,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    entropy: Entropy = os.urandom,
) -> NewSecrets:
    """Create all secrets of a cluster and store them.

    Args:
        cluster: the name in the stack's `spiderpool-alicloud:cluster`.
        store: where they are stored.
        clock: the time of day, aware of its zone.
        entropy: the source of random bytes for the keys.

    Raises:
        OperationError: the store already has secrets, or cannot store them.
    """
    if store.holds_any():
        raise OperationError(
            f"{store.name} already has secrets. New ones would have another CA: the cluster would "
            "trust none of its nodes and kubeconfigs, and its workers could not join again. Keep "
            "them. `secrets rotate-webhook` renews the webhook's certificate; for "
            "another CA create another stack.",
            code=ExitCode.REFUSED,
        )
    secrets = make_secrets(cluster, now=clock(), entropy=entropy)
    store.write(dump_secrets(secrets))
    return NewSecrets(where=store.name, expires=expiry(secrets))


def read_secrets(store: SecretStore) -> ClusterSecrets:
    """Return the stored secrets.

    Raises:
        OperationError: the store is empty, or its text cannot be used.
    """
    try:
        return parse_secrets(store.read())
    except SecretsError as error:
        raise OperationError(f"{store.name}: {error}", code=ExitCode.REFUSED) from None


@dataclass(frozen=True)
class FileStore:
    """A file that only its user can read; for the local stack."""

    path: Path

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    def holds_any(self) -> bool:
        """Whether the file exists."""
        return self.path.exists()

    def read(self) -> str:
        """Return the file's text.

        Raises:
            OperationError: the file does not exist, or cannot be read.
        """
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise OperationError(
                f"{self.path} does not exist. Create it with `python -m operations secrets init`.",
                code=ExitCode.REFUSED,
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise OperationError(
                f"{self.path} cannot be read ({type(error).__name__}). Correct its permissions.",
                code=ExitCode.REFUSED,
            ) from None

    def write(self, text: str) -> None:
        """Write a temporary file and rename it: a crash leaves the old file or the new one."""
        temporary = self.path.with_name(f".{self.path.name}.new")
        try:
            write_file(temporary, text, mode=_PRIVATE)
            temporary.replace(self.path)
        except OSError as error:
            raise OperationError(
                f"{self.path} cannot be written ({error.strerror}). Correct the permissions of its "
                "folder.",
                code=ExitCode.UNPREPARED,
            ) from None


@dataclass(frozen=True, kw_only=True)
class StackConfigStore:
    """The stack's own configuration, encrypted by its secrets provider."""

    stack: str
    runner: Runner
    """Its environment opens the stack: backend, passphrase or cloud key."""
    kept: bool
    """The stack file has the key already (`StackFile.has_secrets`)."""

    @property
    def name(self) -> str:
        """The stack's name in messages."""
        return f"stack {self.stack}"

    def holds_any(self) -> bool:
        """Whether the stack file has the key."""
        return self.kept

    def read(self) -> str:
        """Return the decrypted value.

        Raises:
            OperationError: Pulumi cannot find or decrypt it.
        """
        return self._pulumi("get", KEY, stdin=None)

    def write(self, text: str) -> None:
        """Hand the text to Pulumi, which encrypts it into the stack file.

        Raises:
            OperationError: Pulumi cannot store it, for example because the backend does not know
                the stack or the passphrase is wrong.
        """
        self._pulumi("set", "--secret", KEY, stdin=text)

    def _pulumi(self, *arguments: str, stdin: str | None) -> str:
        argv = ("pulumi", "config", *arguments, "--stack", self.stack, "--non-interactive")
        done = self.runner.run(argv, deadline=_DEADLINE, quiet=True, stdin=stdin)
        if done.status != 0:
            reason = done.err.strip().removeprefix("error: ")
            raise OperationError(
                f"Pulumi could not {arguments[0]} the secrets of stack {self.stack}: {reason}. Log "
                "in to its backend, create the stack with `pulumi stack init` if it is new, set "
                "PULUMI_CONFIG_PASSPHRASE or the key's credentials, and try again.",
                code=ExitCode.REFUSED,
            )
        return done.out
