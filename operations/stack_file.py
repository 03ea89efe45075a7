"""Reads a stack file as plain data: no Pulumi, no decryption, nothing written."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from config.load import load
from config.model import ClusterConfig
from operations.failure import ExitCode, OperationError
from operations.places import PROJECT, ROOT
from planning.model import ClusterPlan
from planning.read import plan_from

_KEYS = ("cluster", "secrets", "secretsFile", "kubeconfig", "accessKey")
_TOP = ("config", "encryptionsalt", "encryptedkey", "secretsprovider", "environment")


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """What one stack file says. `cluster` is the configuration, not yet checked."""

    path: Path
    cluster: Mapping[str, object]
    encryption_salt: str | None
    secrets_file: str | None
    has_secrets: bool

    def configuration(self) -> ClusterConfig:
        """Check it; raises `config.report.ConfigError` with every problem."""
        return load(self.cluster)

    def plan(self) -> ClusterPlan:
        """Plan it; raises `config.report.ConfigError` with every problem, addresses too."""
        return plan_from(self.cluster)


def path_of_stack(stack: str) -> Path:
    """Return where Pulumi keeps the file of a stack."""
    return ROOT / "stacks" / f"Pulumi.{stack}.yaml"


def read_stack_file(path: Path) -> StackFile:
    """Read one.

    Raises:
        OperationError: It is not there, not YAML, or not shaped like a stack file.
    """
    document = _mapping(_parse(path), path, "the file")
    _known(document, _TOP, path, prefix="")
    config = _mapping(document.get("config", {}), path, "config")
    own = {k.partition(":")[2]: v for k, v in config.items() if k.startswith(f"{PROJECT}:")}
    _known(own, _KEYS, path, prefix=f"{PROJECT}:")
    if "cluster" not in own:
        raise _refused(
            f"{path} has no {PROJECT}:cluster under config; start from stacks/Pulumi.dev.yaml."
        )
    secrets_file = own.get("secretsFile")
    salt = document.get("encryptionsalt")
    return StackFile(
        path=path,
        cluster=_mapping(own["cluster"], path, f"{PROJECT}:cluster"),
        encryption_salt=None if salt is None else str(salt),
        secrets_file=None if secrets_file is None else str(secrets_file),
        has_secrets="secrets" in own,
    )


def _parse(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise _refused(f"{path} does not exist; {_available()}") from missing
    except OSError as unreadable:
        raise _refused(
            f"{path} cannot be read ({unreadable.strerror}); give the path of a stack file."
        ) from unreadable
    except UnicodeDecodeError as binary:
        raise _refused(f"{path} is not text in UTF-8; give the path of a stack file.") from binary
    except yaml.MarkedYAMLError as broken:
        mark = broken.problem_mark
        where = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        raise _refused(
            f"{path} is not YAML{where}: {broken.problem}; mend the line and try again."
        ) from broken
    except yaml.YAMLError as broken:
        raise _refused(f"{path} is not YAML; write it as the files in stacks/ are.") from broken


def _available() -> str:
    found = sorted(p.name for p in (ROOT / "stacks").glob("Pulumi.*.yaml"))
    return f"stacks/ has {', '.join(found)}." if found else "stacks/ is empty."


def _mapping(value: object, path: Path, what: str) -> Mapping[str, object]:
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return value
    raise _refused(f"{path}: {what} must be a map of names to values; see stacks/Pulumi.dev.yaml.")


def _known(given: Mapping[str, object], known: tuple[str, ...], path: Path, prefix: str) -> None:
    unknown = sorted(set(given) - set(known))
    if not unknown:
        return
    told = []
    for key in unknown:
        near = difflib.get_close_matches(key, known, n=1)
        told.append(f"{prefix}{key}" + (f" (did you mean {prefix}{near[0]}?)" if near else ""))
    raise _refused(
        f"{path}: unknown key {', '.join(told)}; known are "
        f"{', '.join(prefix + name for name in known)}."
    )


def _refused(message: str) -> OperationError:
    return OperationError(message, code=ExitCode.REFUSED)
