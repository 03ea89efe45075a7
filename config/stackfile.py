"""A whole stack file (`stacks/Pulumi.<stack>.yaml`), read without Pulumi.

A document without `config` is read as a bare `cluster` object, to keep examples and tests short.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import yaml

from config.report import ConfigError, Problem
from config.schema_walk import nearest

NAMESPACE = "spiderpool-alicloud"
"""The namespace of every configuration key, whatever the project is called."""
CLUSTER_KEY = f"{NAMESPACE}:cluster"

OWN_KEYS = ("accessKey", "cluster", "kubeconfig", "secrets", "secretsFile")
"""The keys that this program reads. Other namespaces belong to Pulumi and its providers."""

SECRET_KEYS = ("accessKey", "kubeconfig", "secrets")

_FILE_KEYS = ("config", "encryptionsalt", "encryptedkey", "secretsprovider", "environment")


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """The parts of a stack file that this program reads."""

    cluster: Mapping[str, object]
    own: Mapping[str, object] = field(default_factory=dict, repr=False)
    """Every key of this program without its namespace, as written in the file."""
    encryption_salt: str | None = None


def read_file(path: Path) -> StackFile:
    """Read a stack file. Raises `ConfigError`, also when there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = f"{error.strerror or 'It cannot be read'}."
        raise _error(str(path), reason, "Name a stack file that can be read.") from None
    except UnicodeDecodeError:
        raise _error(str(path), "It is not UTF-8 text.", "Name a stack file.") from None
    return read_text(text, name=str(path))


def read_text(text: str, *, name: str = "stack file") -> StackFile:
    """Read a stack file's text. Raises `ConfigError`."""
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader that is stricter
    except yaml.YAMLError as error:
        raise _error(name, *_yaml_problem(error)) from None
    except RecursionError:
        raise _error(name, "Its objects are nested too deeply.", "Nest them less.") from None
    except ValueError as error:  # PyYAML converts dates and numbers without a check
        rule = f"It has a date or a number that does not exist: {error}."
        raise _error(name, rule, "Correct it, or put it in quotes if it is text.") from None
    if not isinstance(document, Mapping):
        raise _error(name, "Not an object: keys with values.", "Start from stacks/Pulumi.dev.yaml.")
    if "config" not in document:
        return StackFile(cluster=document)
    config = document["config"]
    if not isinstance(config, Mapping):
        raise _error("config", "It must be an object.", "Start from stacks/Pulumi.dev.yaml.")
    problems = [*_key_problems(document, config), *_secrets_file_problem(config)]
    cluster = config.get(CLUSTER_KEY)
    if not isinstance(cluster, Mapping):
        problems.append(
            Problem(
                path=f"config.{CLUSTER_KEY}",
                value=None,
                rule="This key describes the cluster. It is missing, or not an object.",
                remedy="Start from stacks/Pulumi.dev.yaml, or from docs/examples.",
            )
        )
    if problems or not isinstance(cluster, Mapping):
        raise ConfigError(problems)
    salt = document.get("encryptionsalt")
    return StackFile(
        cluster=cluster,
        own={
            str(key).partition(":")[2]: value
            for key, value in config.items()
            if str(key).startswith(f"{NAMESPACE}:")
        },
        encryption_salt=None if salt is None else str(salt),
    )


def _key_problems(
    document: Mapping[str, object], config: Mapping[str, object]
) -> Iterator[Problem]:
    for key in document:
        if key not in _FILE_KEYS:
            meant = nearest(str(key), _FILE_KEYS)
            yield Problem(
                path=str(key),
                value=None,
                rule=f"Pulumi has no key {key} in a stack file.",
                remedy=f"Did you mean {meant}? Otherwise take it out."
                if meant
                else f"Put it under config.{CLUSTER_KEY}.",
            )
    for key, value in config.items():
        namespace, _, name = str(key).partition(":")
        if namespace != NAMESPACE:
            continue
        if name not in OWN_KEYS:
            meant = nearest(name, OWN_KEYS)
            yield Problem(
                path=f"config.{key}",
                value=None,
                rule=f"Unknown key {name}.",
                remedy=(
                    f"Did you mean {NAMESPACE}:{meant}? Otherwise take it out. "
                    if meant
                    else "Take it out. "
                )
                + f"Known: {', '.join(OWN_KEYS)}.",
            )
        elif name in SECRET_KEYS and not _encrypted(value):
            yield Problem(
                path=f"config.{key}",
                value=None,
                rule="It is a secret, and this file has it in plain text.",
                remedy="Replace it where it was in use, then set it by "
                f"`pulumi config set --secret {key}`.",
            )


def _secrets_file_problem(config: Mapping[str, object]) -> Iterator[Problem]:
    """A plaintext secrets file is only for the local cloud, whose cluster is on one machine."""
    cluster = config.get(CLUSTER_KEY)
    profile = cluster.get("profile") if isinstance(cluster, Mapping) else None
    if f"{NAMESPACE}:secretsFile" in config and profile not in (None, "local"):
        yield Problem(
            path=f"config.{NAMESPACE}:secretsFile",
            value=None,
            rule=f"It is for the local profile only: the secrets of a {profile} cluster would be "
            "in plain text in a file.",
            remedy="Take it out and run `python -m operations secrets init --stack STACK`, which "
            "keeps them encrypted in the stack file.",
        )


def _encrypted(value: object) -> bool:
    if isinstance(value, Mapping):
        return set(value) == {"secure"} or all(_encrypted(v) for v in value.values())
    return False


def _error(path: str, rule: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(path=path, value=None, rule=rule, remedy=remedy)])


_MERGE: Final = "tag:yaml.org,2002:merge"


class _DuplicateKeyError(yaml.MarkedYAMLError):
    """A key that one object has twice."""


class _Loader(yaml.SafeLoader):
    """Refuses a repeated key, because its first value would be lost silently.

    It also refuses an alias inside its own anchor, because PyYAML turns it into an infinite object.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            alias: yaml.AliasEvent = self.peek_event()  # type: ignore[no-untyped-call]
            outer = self.anchors.get(alias.anchor)
            # PyYAML sets the end of a collection once all of its content is composed.
            if isinstance(outer, yaml.CollectionNode) and outer.end_mark is None:
                raise yaml.MarkedYAMLError(
                    problem=f"*{alias.anchor} is inside of what it repeats",
                    problem_mark=cast("yaml.Mark | None", alias.start_mark),
                )
        return super().compose_node(parent, index)

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 - as inherited
    ) -> dict[Hashable, object]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue  # `<<: *anchor`, which has no value of its own; the loader resolves it.
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise _DuplicateKeyError(
                        problem=f"the key {key} is there twice", problem_mark=key_node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _yaml_problem(error: yaml.YAMLError) -> tuple[str, str]:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be read"
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else "somewhere"
    if isinstance(error, _DuplicateKeyError):
        return f"In {where}, {problem}; one of the two would be lost.", "Keep one of them."
    return f"Not valid YAML: {problem} ({where}).", "Correct that line."
