"""User-data as cloud-init reads it; nothing is written here.

Rules: cloud-init's `cc_write_files`, `cc_runcmd` and `cc_bootcmd`.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import shlex
import zlib
from dataclasses import dataclass
from typing import Any, Final

import yaml

USED_KEYS: Final = frozenset({"bootcmd", "runcmd", "write_files"})


class UserDataError(Exception):
    """User-data that cloud-init would refuse; the text is that of its log."""


@dataclass(frozen=True, kw_only=True)
class WrittenFile:
    """One entry of `write_files`, decoded. `mode` is the file's permission bits."""

    path: str
    content: bytes
    mode: int
    owner: str
    append: bool


@dataclass(frozen=True, kw_only=True)
class CloudConfig:
    """What a machine takes from its user-data. Scripts are /bin/sh text, as cloud-init makes."""

    files: tuple[WrittenFile, ...] = ()
    boot_script: str | None = None
    run_script: str | None = None
    ignored_keys: tuple[str, ...] = ()


def decode(user_data: str) -> bytes:
    """Undo the API's base64 and a gzip around the text, as the datasource does."""
    try:
        raw = base64.b64decode("".join(user_data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise UserDataError("The user-data is not base64; the API takes nothing else.") from None
    return _gunzip(raw, "user-data") if raw[:2] == b"\x1f\x8b" else raw


def parse(raw: bytes) -> CloudConfig:
    """Read `#cloud-config` or a script. Raises UserDataError with every problem."""
    if not raw.strip():
        return CloudConfig()
    first = raw.split(b"\n", 1)[0].strip()
    if first.startswith(b"#!"):
        return CloudConfig(run_script=raw.decode("utf-8", "surrogateescape"))
    if first != b"#cloud-config":
        shown = first[:40].decode("utf-8", "replace")
        raise UserDataError(
            f"Unhandled non-multipart (text/x-not-multipart) userdata: it starts with {shown!r}; "
            "the first line must be #cloud-config or a #! of a script"
        )
    try:
        document = yaml.safe_load(raw)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        place = f" in line {where.line + 1}, column {where.column + 1}" if where else ""
        raise UserDataError(
            f"Failed loading yaml blob. Invalid format{place}: {getattr(error, 'problem', '')}"
        ) from None
    if document is None:
        return CloudConfig()
    if not isinstance(document, dict):
        raise UserDataError(
            f"Failed loading yaml blob. Yaml load allows mappings only, got "
            f"{type(document).__name__} instead"
        )
    problems: list[str] = []
    config = CloudConfig(
        files=_files(document.get("write_files"), problems),
        boot_script=_script(document.get("bootcmd"), "bootcmd", problems),
        run_script=_script(document.get("runcmd"), "runcmd", problems),
        ignored_keys=tuple(sorted(str(key) for key in document.keys() - USED_KEYS)),
    )
    if problems:
        raise UserDataError("Invalid cloud-config: " + "; ".join(problems))
    return config


def _files(entries: Any, problems: list[str]) -> tuple[WrittenFile, ...]:  # noqa: ANN401
    if entries is None:
        return ()
    if not isinstance(entries, list):
        problems.append("write_files is not a list")
        return ()
    files = []
    for place, entry in enumerate(entries):
        where = f"write_files.{place}"
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            problems.append(f"{where} has no path")
            continue
        try:
            files.append(_file(entry))
        except UserDataError as error:
            problems.append(f"{where} ({entry['path']}): {error}")
    return tuple(files)


def _file(entry: dict[str, Any]) -> WrittenFile:
    path = entry["path"]
    if not path.startswith("/"):
        raise UserDataError("path is not absolute")
    permissions = entry.get("permissions", "0644")
    try:
        mode = int(str(permissions), 8)
    except ValueError:
        raise UserDataError(f"permissions {permissions!r} are not octal digits in quotes") from None
    content = entry.get("content") or ""
    data = content if isinstance(content, bytes) else str(content).encode()
    return WrittenFile(
        path=path,
        content=_content(data, str(entry.get("encoding") or "text/plain").lower()),
        mode=mode,
        owner=str(entry.get("owner") or "root:root"),
        append=bool(entry.get("append")),
    )


def _content(data: bytes, encoding: str) -> bytes:
    steps = [step.strip() for step in encoding.split("+")]
    match steps:
        case ["text/plain"]:
            return data
        case ["b64" | "base64"]:
            return _unbase64(data)
        case ["gz" | "gzip"]:
            return _gunzip(data, "content")
        case ["gz" | "gzip", "b64" | "base64"]:
            return _gunzip(_unbase64(data), "content")
    raise UserDataError(f"encoding {encoding!r} is unknown; b64 and gz+b64 are known")


def _unbase64(data: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserDataError(f"content is not base64 ({error})") from None


def _gunzip(data: bytes, what: str) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise UserDataError(f"{what} is not gzip ({error})") from None


def _script(commands: Any, key: str, problems: list[str]) -> str | None:  # noqa: ANN401
    """Return the script cloud-init's `shellify` makes: a list is quoted, a text is not changed."""
    if commands is None:
        return None
    if not isinstance(commands, list):
        problems.append(f"{key} is not a list")
        return None
    lines = ["#!/bin/sh"]
    for place, command in enumerate(commands):
        if command is None:
            continue
        if isinstance(command, str):
            lines.append(command)
        elif isinstance(command, list):
            lines.append(" ".join(shlex.quote(str(word)) for word in command))
        else:
            problems.append(
                f"{key}.{place} is a {type(command).__name__}, neither a text nor a list; a colon "
                "followed by a space makes a mapping in YAML: quote the command"
            )
    return "\n".join(lines) + "\n"
