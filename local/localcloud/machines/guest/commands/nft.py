"""nft: keeps the machine's rules until it reboots. They are not applied to packets.

It reads the statements that a node's files use, and refuses what nft or the kernel would refuse: a
table that is not there, a hook that the family does not have, a device that does not exist. A file
is applied as a whole or not at all. Statements that only the real nft knows are refused, too, so
that no rule is reported as loaded by mistake.
"""

from __future__ import annotations

import json
import re
import socket
import sys
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localcloud.machines.guest.lines import complain, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_RULES: Final = Path("/run/machine/nft.json")
"""The tables of this boot: `family name` → chain → lines of nft's own notation."""
_HOOKS: Final = {
    "inet": {"prerouting", "input", "forward", "output", "postrouting", "ingress"},
    "ip": {"prerouting", "input", "forward", "output", "postrouting"},
    "ip6": {"prerouting", "input", "forward", "output", "postrouting"},
    "netdev": {"ingress", "egress"},
}
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./\\-]*")
_WORD: Final = re.compile(r'[ \t]*(\n|;|\{|\}|,|!=|==|"[^"\n]*"|[^\s;{},!="]+)')
_BASE: Final = re.compile(
    r"type filter hook (?P<hook>\w+)(?: device (?P<device>\S+))? priority (?P<priority>\S+)"
)
_RULE: Final = re.compile(
    r"(?P<matches>(?:(?:ip|ip6) (?:daddr|saddr) (?:!= )?(?:\{ [^}]+ \}|\S+) )*)"
    r"(?P<verdict>accept|drop|reject)"
)
_MATCH: Final = re.compile(r"(ip6?) (?:daddr|saddr) (?:!= )?(\{ [^}]+ \}|\S+) ")

Tables = dict[str, dict[str, list[str]]]


class NftError(Exception):
    """nft's message about a statement."""


@dataclass(frozen=True)
class _Statement:
    """The words before a `;`, a line break or a `{`, and the content of the braces."""

    words: tuple[str, ...]
    block: tuple[_Statement, ...] | None = None

    @property
    def text(self) -> str:
        return " ".join(self.words)


def nft(words: Sequence[str]) -> int:
    """Do -f FILE (- for the standard input), list tables|ruleset|table, flush ruleset."""
    try:
        answer = _answer(list(words))
    except NftError as error:
        complain(str(error))
        return 1
    except OSError as error:
        complain(f"internal:0:0-0: Error: Could not open file {error.filename}: {error.strerror}")
        return 1
    if answer:
        say(answer)
    return 0


def _answer(words: list[str]) -> str:
    tables = loaded()
    match words:
        case ["-f", name]:
            text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
            _save(applied(tables, text, _devices()))
            return ""
        case ["flush", "ruleset"]:
            _save({})
            return ""
        case ["list", "tables"]:
            return "\n".join(f"table {table}" for table in tables)
        case ["list", "ruleset"]:
            return "\n".join(_listed(table, chains) for table, chains in tables.items())
        case ["list", "table", family, name] if f"{family} {name}" in tables:
            return _listed(f"{family} {name}", tables[f"{family} {name}"])
        case ["list", "table", _, _]:
            raise NftError("Error: No such file or directory")
    raise NftError(f"Error: syntax error: {' '.join(words)}")


def loaded() -> Tables:
    """The tables since boot."""
    tables: Tables = json.loads(_RULES.read_text("utf-8")) if _RULES.exists() else {}
    return tables


def applied(tables: Tables, text: str, devices: frozenset[str]) -> Tables:
    """The tables after a file's statements, which leave `tables` as it is.

    Raises:
        NftError: for the first statement that nft or the kernel refuses; nothing is applied then.
    """
    new = {name: {chain: list(lines) for chain, lines in t.items()} for name, t in tables.items()}
    for statement in _parsed(text):
        _apply(new, statement, devices)
    return new


def _apply(tables: Tables, statement: _Statement, devices: frozenset[str]) -> None:
    match statement.words:
        case ("flush", "ruleset"):
            tables.clear()
        case ("delete", "table", family, name):
            if tables.pop(f"{family} {name}", None) is None:
                raise NftError(
                    "Error: Could not process rule: No such file or directory\n" + statement.text
                )
        case ("table", family, name) | ("add", "table", family, name):
            if family not in _HOOKS or not _NAME.fullmatch(name):
                raise NftError(f"Error: syntax error: {statement.text}")
            table = tables.setdefault(f"{family} {name}", {})
            for chain in statement.block or ():
                _add_chain(family, table, chain, devices)
        case _:
            raise NftError(f"Error: syntax error, unexpected {statement.words[0]}")


def _add_chain(
    family: str, table: dict[str, list[str]], chain: _Statement, devices: frozenset[str]
) -> None:
    if len(chain.words) != 2 or chain.words[0] != "chain" or not _NAME.fullmatch(chain.words[1]):  # noqa: PLR2004
        raise NftError(f"Error: syntax error: {chain.text}")
    lines = table.setdefault(chain.words[1], [])
    for line in chain.block or ():
        if line.words[0] == "type":
            _check_base(family, line.text, devices)
        elif line.text not in {"policy accept", "policy drop"}:
            _check_rule(family, line.text)
        lines.append(line.text)


def _check_base(family: str, text: str, devices: frozenset[str]) -> None:
    base = _BASE.fullmatch(text)
    if base is None:
        raise NftError(f"Error: syntax error: {text}")
    bound = base["hook"] in {"ingress", "egress"}
    if base["hook"] not in _HOOKS[family]:
        raise NftError(f"Error: unknown chain hook: {base['hook']} in family {family}")
    if bound is not bool(base["device"]):
        raise NftError(f"Error: Could not process rule: Invalid argument\n{text}")
    if bound and base["device"].strip('"') not in devices:
        raise NftError(f"Error: Could not process rule: No such file or directory\n{text}")


def _check_rule(family: str, text: str) -> None:
    rule = _RULE.fullmatch(text)
    if rule is None:
        raise NftError(f"Error: syntax error: {text}")
    if family == "netdev" and rule["verdict"] == "reject":
        raise NftError(f"Error: Could not process rule: Operation not supported\n{text}")
    for protocol, operand in _MATCH.findall(rule["matches"]):
        for address in operand.strip("{} ").split(", "):
            version = _version(address)
            if version != (4 if protocol == "ip" else 6):
                raise NftError(f"Error: Could not resolve hostname: {address}")


def _version(address: str) -> int:
    """4 or 6; 0 for any other text."""
    try:
        return ip_address(address).version
    except ValueError:
        return 0


def _parsed(text: str) -> tuple[_Statement, ...]:
    lines = "".join(line.partition("#")[0] + "\n" for line in text.splitlines())
    parts = _WORD.findall(lines)
    statements, rest = _block(iter(parts))
    if rest:
        raise NftError("Error: syntax error, unexpected '}'")
    return statements


def _block(parts: Iterator[str]) -> tuple[tuple[_Statement, ...], bool]:
    """Return the statements up to the end or a `}`, and whether there was a `}`."""
    statements: list[_Statement] = []
    words: list[str] = []
    for part in parts:
        if part == "{" and words and words[0] in {"ip", "ip6"}:
            words.append("{ " + ", ".join(_set(parts)) + " }")
        elif part == "{":
            block, closed = _block(parts)
            if not closed:
                raise NftError("Error: syntax error, unexpected end of file")
            statements.append(_Statement(tuple(words), block))
            words = []
        elif part in {";", "\n", "}"}:
            if words:
                statements.append(_Statement(tuple(words)))
                words = []
            if part == "}":
                return tuple(statements), True
        else:
            words.append(part)
    return tuple(statements), False


def _set(parts: Iterator[str]) -> Iterator[str]:
    for part in parts:
        if part == "}":
            return
        if part not in {",", "\n"}:
            yield part


def _listed(table: str, chains: dict[str, list[str]]) -> str:
    lines = [f"table {table} {{"]
    for name, statements in chains.items():
        lines += [f"\tchain {name} {{", *(f"\t\t{line}" for line in statements), "\t}", ""]
    return "\n".join([*lines[:-1], "}"] if chains else [*lines, "}"])


def _devices() -> frozenset[str]:
    return frozenset(name for _, name in socket.if_nameindex())


def _save(tables: Tables) -> None:
    _RULES.parent.mkdir(parents=True, exist_ok=True)
    new = _RULES.with_suffix(".new")
    new.write_text(json.dumps(tables, indent=1), encoding="utf-8")
    new.replace(_RULES)
