"""Stack files: their paths, and the parts that the commands read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.adapted import notices
from config.load import effective_document, load
from config.model import ClusterConfig
from config.stackfile import StackFile, read_file
from operations.engine.places import ROOT
from planning.model import ClusterPlan
from planning.read import plan_from


def path_of_stack(stack: str) -> Path:
    """Return the path of a stack's file."""
    return ROOT / "stacks" / f"Pulumi.{stack}.yaml"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One stack's file, read but not decrypted. Its methods raise `config.report.ConfigError`."""

    path: Path
    file: StackFile

    @classmethod
    def read(cls, path: Path) -> Stack:
        """Read the file; raises `ConfigError` when it is not a stack file."""
        return cls(path=path, file=read_file(path))

    @property
    def secrets_file(self) -> str | None:
        """`spiderpool-alicloud:secretsFile`, relative to the checkout."""
        named = self.file.own.get("secretsFile")
        return None if named is None else str(named)

    @property
    def has_secrets(self) -> bool:
        """Whether the file contains encrypted secrets."""
        return "secrets" in self.file.own

    def configuration(self) -> ClusterConfig:
        """Return the configuration with its profile's defaults."""
        return load(self.file.cluster)

    def notices(self) -> Iterator[str]:
        """Yield the defaults that follow from the stack's region and instance types."""
        yield from notices(self.file.cluster, effective_document(self.file.cluster))

    def plan(self) -> ClusterPlan:
        """Return the plan."""
        return plan_from(self.file.cluster)
