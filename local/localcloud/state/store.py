"""Entities in memory, written through to SQLite.

One process owns a store. Everything runs on one thread, so an action sees its own writes and
those of no other action. `transaction()` makes an action atomic: on success all its changes are
committed to disk (WAL, synchronous=FULL) before the caller continues; on an exception none of them
is kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TypeVar, cast

from pydantic import TypeAdapter

SCHEMA_VERSION: Final = 1
_REMEMBERED: Final = 256


class Entity(Protocol):
    """An entity of the store: a frozen dataclass with an id, and indexes over its kind."""

    INDEXES: ClassVar[Mapping[str, Callable[[Any], Iterable[str]]]]

    @property
    def id(self) -> str:
        """Unique within the kind."""
        ...


E = TypeVar("E", bound=Entity)
_Change = tuple[type[Any], str, Any, Any]


class StateError(Exception):
    """The state on disk cannot be used; the message has the reason and the remedy."""


class _Table:
    def __init__(self, kind: type[Any]) -> None:
        self.rows: dict[str, Any] = {}
        self.indexes: dict[str, dict[str, dict[str, None]]] = {name: {} for name in kind.INDEXES}
        self._keys = kind.INDEXES

    def put(self, entity_id: str, entity: Entity | None) -> Entity | None:
        """Replace (or with None remove) a row; returns the row that was there."""
        before = self.rows.get(entity_id)
        for name, keys in self._keys.items():
            index = self.indexes[name]
            if before is not None:
                for key in keys(before):
                    ids = index.get(key)
                    if ids is not None:
                        ids.pop(entity_id, None)
                        if not ids:
                            del index[key]
            if entity is not None:
                for key in keys(entity):
                    index.setdefault(key, {})[entity_id] = None
        if entity is None:
            self.rows.pop(entity_id, None)
        else:
            self.rows[entity_id] = entity
        return before


_CODECS: Final[dict[type[Any], TypeAdapter[Any]]] = {}


def _codec(kind: type[Any]) -> TypeAdapter[Any]:
    """Return what reads and writes entities of a kind. Each is made once in a process.

    Making those of all kinds takes most of a cloud's start.
    """
    if kind not in _CODECS:
        _CODECS[kind] = TypeAdapter(kind)
    return _CODECS[kind]


class Store:
    """All entities of one cloud. See the module's docstring for its guarantees."""

    def __init__(self, path: Path, kinds: Iterable[type[Any]]) -> None:
        self._kinds = {kind.__name__: kind for kind in kinds}
        self._codecs = {kind: _codec(kind) for kind in self._kinds.values()}
        self._tables = {kind: _Table(kind) for kind in self._kinds.values()}
        self._open: list[_Change] | None = None
        self._recent: deque[tuple[_Change, ...]] = deque(maxlen=_REMEMBERED)
        self.version = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(path.with_suffix(".lock"))
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            path.chmod(0o600)
            self._prepare(path)
            self._load()
        except sqlite3.DatabaseError as error:
            os.close(self._lock)
            raise StateError(
                f"{path} is not a usable state file ({error}). Move it away to start empty."
            ) from error

    def close(self) -> None:
        """Close the database and release its lock."""
        self._db.close()
        os.close(self._lock)

    def _prepare(self, path: Path) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA busy_timeout=2000")
        (schema,) = self._db.execute("PRAGMA user_version").fetchone()
        if schema not in {0, SCHEMA_VERSION}:
            raise StateError(
                f"{path} has schema {schema}; this program writes {SCHEMA_VERSION}. "
                "Use the version that wrote it, or move the file away to start empty."
            )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS entities (kind TEXT NOT NULL, id TEXT NOT NULL, "
            "body BLOB NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID"
        )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
        )
        self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def _load(self) -> None:
        for name, entity_id, body in self._db.execute("SELECT kind, id, body FROM entities"):
            kind = self._kinds.get(name)
            if kind is None:
                raise StateError(
                    f"The state has a {name}, a kind that this program does not have. Use the "
                    "version that wrote it, or move the file away to start empty."
                )
            self._tables[kind].put(entity_id, self._codecs[kind].validate_json(body))

    def fact(self, name: str, default: object) -> Any:  # noqa: ANN401  # any JSON value
        """A setting of the state; the first caller's default is stored and never changes."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        if row is None:
            self._db.execute(
                "INSERT INTO facts (name, value) VALUES (?, ?)", (name, json.dumps(default))
            )
            return default
        return json.loads(row[0])

    def find(self, kind: type[E], entity_id: str | None) -> E | None:
        """The entity with this id, or None."""
        return cast("E | None", self._tables[kind].rows.get(entity_id or ""))

    def all(self, kind: type[E]) -> Iterable[E]:
        """All entities of a kind, oldest first within a process."""
        return cast("Iterable[E]", self._tables[kind].rows.values())

    def count(self, kind: type[E]) -> int:
        """The number of entities of a kind."""
        return len(self._tables[kind].rows)

    def where(self, kind: type[E], index: str, key: str) -> list[E]:
        """The entities that `index` lists under `key`."""
        table = self._tables[kind]
        return [cast("E", table.rows[i]) for i in table.indexes[index].get(key, ())]

    def any(self, kind: type[Any], index: str, key: str) -> bool:
        """Whether `index` lists anything under `key`."""
        return key in self._tables[kind].indexes[index]

    def keys(self, kind: type[Any], index: str) -> list[str]:
        """The keys under which `index` lists anything."""
        return list(self._tables[kind].indexes[index])

    def size(self, kind: type[Any], index: str, key: str) -> int:
        """How many entities `index` lists under `key`."""
        return len(self._tables[kind].indexes[index].get(key, ()))

    def put(self, entity: E) -> E:
        """Add or replace an entity, within a transaction."""
        self._change(type(entity), entity.id, entity)
        return entity

    def change(self, entity: E, **fields: object) -> E:
        """Replace an entity by a copy with other field values."""
        return self.put(cast("E", dataclasses.replace(cast("Any", entity), **fields)))

    def remove(self, entity: Entity) -> None:
        """Remove an entity, within a transaction."""
        self._change(type(entity), entity.id, None)

    def _change(self, kind: type[Any], entity_id: str, after: Entity | None) -> None:
        if self._open is None:
            raise RuntimeError("a change of state outside a transaction")
        before = self._tables[kind].put(entity_id, after)
        self._open.append((kind, entity_id, before, after))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes of the block to disk, or none."""
        if self._open is not None:
            raise RuntimeError("transactions do not nest")
        self._open = []
        try:
            yield
            self._commit(self._open)
        except BaseException:
            self._undo(self._open)
            raise
        else:
            if self._open:
                self._recent.append(tuple(self._open))
                self.version += 1
        finally:
            self._open = None

    def _commit(self, changes: list[_Change]) -> None:
        last = {(kind, entity_id): after for kind, entity_id, _, after in changes}
        if not last:
            return
        gone = [(kind.__name__, i) for (kind, i), after in last.items() if after is None]
        kept = [
            (kind.__name__, i, self._codecs[kind].dump_json(after))
            for (kind, i), after in last.items()
            if after is not None
        ]
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany("DELETE FROM entities WHERE kind = ? AND id = ?", gone)
            self._db.executemany(
                "INSERT INTO entities (kind, id, body) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                kept,
            )
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def _undo(self, changes: Iterable[_Change]) -> None:
        for kind, entity_id, before, _ in reversed(list(changes)):
            self._tables[kind].put(entity_id, before)

    @contextlib.contextmanager
    def as_before(self, transactions: int) -> Iterator[None]:
        """Show the state as it was some transactions ago: a stale replica. For reads only."""
        undone = max(0, min(transactions, len(self._recent)))
        hidden = list(self._recent)[len(self._recent) - undone :]
        for done in reversed(hidden):
            self._undo(done)
        try:
            yield
        finally:
            for done in hidden:
                for kind, entity_id, _, after in done:
                    self._tables[kind].put(entity_id, after)

    def tags_of(self, entity_id: str) -> tuple[tuple[str, str], ...]:
        """The tags of the entity with this id; empty if there is none."""
        for table in self._tables.values():
            tags = getattr(table.rows.get(entity_id), "tags", None)
            if tags:
                return cast("tuple[tuple[str, str], ...]", tags)
        return ()

    def census(self) -> dict[str, list[str]]:
        """The ids of all entities, by kind."""
        return {
            kind.__name__: list(table.rows) for kind, table in self._tables.items() if table.rows
        }

    def clear(self) -> None:
        """Remove everything."""
        for table in self._tables.values():
            for entity in list(table.rows.values()):
                self.remove(entity)


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StateError(
            f"Another process uses the state in {path}. Stop it first "
            "(`python -m localcloud stop`), or choose another --home."
        ) from error
    return descriptor
