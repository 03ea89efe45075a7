"""Rules about names and ids of what exists in the account: key pairs, RAM roles and KMS keys.

A plan cannot look them up. It refuses what cannot be such a name, which the cloud would refuse in
the middle of a run. Sources: ECS, CreateKeyPair, `KeyPairName`; RAM, CreateRole, `RoleName`; ECS,
RunInstances, the KMS key of a system disk is an id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from config.model import ClusterConfig
from config.report import Problem, as_yaml
from config.rules.nodes.disks import disks

_KEY_PAIR: Final = re.compile(r"(?!https?://)[^\W\d_][\w:.-]{1,127}")
_RAM_ROLE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KMS_KEY: Final = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """What a name is of, its form, and how to find it."""

    form: re.Pattern[str]
    rule: str
    remedy: str
    name_in: Callable[[str], str] = str
    """The name in a longer text that names the same thing."""


_KEY_PAIRS: Final = _Kind(
    form=_KEY_PAIR,
    rule="It must be the name of a key pair of ECS, not a key or a file: a letter, then letters, "
    "digits, colons, periods, underscores and hyphens, 2 to 128 characters in all.",
    remedy="Import the public key in the ECS console, and write the key pair's name; or take it "
    "out.",
)
_RAM_ROLES: Final = _Kind(
    form=_RAM_ROLE,
    rule="It must be the name of a RAM role, not its ARN: letters, digits, periods and hyphens, 64 "
    "characters at most.",
    remedy="Write the role's name as the RAM console shows it, or take it out.",
    name_in=lambda text: text.rpartition("role/")[2],
)
_KMS_KEYS: Final = _Kind(
    form=_KMS_KEY,
    rule="It must be the id of a KMS key, not its alias or ARN: letters, digits and hyphens.",
    remedy="Write the key's id as the KMS console shows it, or take it out.",
    name_in=lambda text: text.rpartition("key/")[2],
)


def names_are_names(config: ClusterConfig) -> Iterator[Problem]:
    """Each name or id has the form of its kind."""
    for name, pool in sorted(config.node_pools.items()):
        yield from _problems(f"nodePools.{name}.keyPair", pool.key_pair, _KEY_PAIRS)
        yield from _problems(f"nodePools.{name}.ramRole", pool.ram_role, _RAM_ROLES)
    for path, _, disk in disks(config):
        yield from _problems(f"{path}.kmsKeyId", disk.kms_key_id, _KMS_KEYS)


def _problems(path: str, value: str | None, kind: _Kind) -> Iterator[Problem]:
    if value is None or kind.form.fullmatch(value):
        return
    inside = kind.name_in(value)
    yield Problem(
        path=path,
        value=value,
        rule=kind.rule,
        remedy=f"Write {as_yaml(inside)}."
        if inside != value and kind.form.fullmatch(inside)
        else kind.remedy,
    )


RULES = (names_are_names,)
