"""Check the SQLite files below a folder with SQLite itself. Runs in the sandbox, on a writable clone."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HEADER = b"SQLite format 3\x00"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)
"""Nothing is there, or a link or a socket."""
_MOST_TOLD = 20
MOST_DATABASES, MOST_TABLES = 200, 1000
FOREIGN = {
    "PG_VERSION": "PostgreSQL",
    "ibdata1": "MySQL or MariaDB",
    "WiredTiger": "MongoDB",
    "dump.rdb": "Redis",
    "appendonlydir": "Redis",
    "data.mdb": "LMDB",
    "CURRENT": "LevelDB or RocksDB",
}
"""Databases that Launchpad cannot check, by a file or folder that each keeps at the top of its data."""
_VIRTUAL = re.compile(r"\s*CREATE\s+VIRTUAL\b", re.IGNORECASE)


@dataclass
class FoundDatabases:
    """The result of a check; paths are relative to the folder."""

    checked: int = 0
    """The number of SQLite files that were checked, sound or damaged."""
    damaged: list[dict[str, str]] = field(default_factory=list)
    unchecked: list[dict[str, str]] = field(default_factory=list)
    """Files that SQLite could not check: an extension is missing, or the file cannot be opened."""
    foreign: list[dict[str, str]] = field(default_factory=list)
    """{"path", "kind"} of each folder with another program's database."""
    unreadable: list[dict[str, str]] = field(default_factory=list)
    """{"path", "said"} of each file and folder that the tenant's uid cannot read: a database may be there."""

    def as_json(self) -> dict[str, Any]:
        """The first of each kind, and under "more" how many there are beside those."""
        kinds = {name: getattr(self, name) for name in ("damaged", "unchecked", "foreign", "unreadable")}
        more = {name: len(items) - _MOST_TOLD for name, items in kinds.items() if len(items) > _MOST_TOLD}
        return {"checked": self.checked, "more": more} | {name: items[:_MOST_TOLD] for name, items in kinds.items()}


def check(root: str) -> FoundDatabases:
    """Check every SQLite file below the folder without following links. SQLite first applies a write-ahead log that a
    crash left, as at the app's next start: therefore the folder has to be writable."""
    found = FoundDatabases()

    def keep(path: str, error: OSError) -> None:
        found.unreadable.append({"path": os.path.relpath(path, root), "said": error.strerror or str(error)})

    for path in databases(root, keep):
        problem, damaged = _problem(path)
        found.checked += damaged or not problem
        if problem:
            told = {"path": os.path.relpath(path, root), "said": problem}
            (found.damaged if damaged else found.unchecked).append(told)
    found.foreign = list(foreign(root))
    return found


def foreign(root: str) -> Iterator[dict[str, str]]:
    """Each folder that looks like another program's database; folders below it are not searched."""
    for folder, folders, names in os.walk(root, followlinks=False):
        folders.sort()
        kind = next((FOREIGN[name] for name in (*names, *folders) if name in FOREIGN), "")
        if kind:
            yield {"path": os.path.relpath(folder, root), "kind": kind}
            folders.clear()


Tables = Mapping[str, Sequence[str]]
"""The tables of each database, by its path from the folder."""


def count(root: str, *, seconds: float, only: Tables | None = None) -> dict[str, Any]:
    """{"rows": {path: {table: rows}}, "left", "databases", "tables", "unreadable": numbers} for every ordinary table
    below the folder, or for `only` these. A table that SQLite cannot read, or not within the seconds, has -1 rows and
    is counted in `left`. `databases` and `tables` are the numbers beyond the limits, `unreadable` the number of files
    and folders that cannot be read. Virtual tables and their shadow tables are skipped."""
    end = time.monotonic() + seconds
    found: dict[str, Any] = {"rows": {}, "left": 0, "databases": 0, "tables": 0, "unreadable": 0}
    unreadable: list[str] = []
    places: Iterable[tuple[str, Sequence[str] | None]]
    if only is None:
        places = ((path, None) for path in databases(root, lambda path, _: unreadable.append(path)))
    else:
        places = ((os.path.join(root, path), tables) for path, tables in only.items())  # noqa: PTH118
    for path, tables in places:
        if len(found["rows"]) >= MOST_DATABASES:
            found["databases"] += 1
            continue
        try:
            if not _is_database(path):
                continue
            rows, beyond = _rows(path, end, tables)
        except OSError:
            rows, beyond = {"": -1}, 0
        found["rows"][os.path.relpath(path, root)] = rows
        found["left"] += sum(number < 0 for number in rows.values())
        found["tables"] += beyond
    return found | {"unreadable": len(unreadable)}


def _rows(path: str, end: float, wanted: Sequence[str] | None) -> tuple[dict[str, int], int]:
    """The rows of each table, or of each of the wanted ones that is there; and how many tables were not counted."""
    try:
        connection = sqlite3.connect(path, timeout=5)
    except sqlite3.Error:
        return {"": -1}, 0
    connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        listed = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall()
        virtual = [name for name, sql in listed if _VIRTUAL.match(sql or "")]
        names = [str(name) for name, _ in listed if not str(name).startswith("sqlite_") and name not in virtual]
        own = [name for name in names if not any(name.startswith(f"{of}_") for of in virtual)]
        chosen = own[:MOST_TABLES] if wanted is None else sorted({*own} & {*wanted})
        rows = {name: -1 if time.monotonic() > end else _count(connection, name) for name in chosen}
        return rows, len(own) - len(chosen) if wanted is None else 0
    except sqlite3.Error:
        return {"": -1}, 0
    finally:
        connection.close()


def _count(connection: sqlite3.Connection, table: str) -> int:
    quoted = table.replace('"', '""')
    try:
        return int(connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0])  # noqa: S608 (quoted)
    except sqlite3.Error:
        return -1


def databases(root: str, unreadable: Callable[[str, OSError], None]) -> Iterator[str]:
    """Every plain file that begins like a SQLite database; paths that cannot be read go to `unreadable`."""
    for folder, folders, names in os.walk(
        root, followlinks=False, onerror=lambda error: unreadable(error.filename, error)
    ):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118 (a tenant's names may be no text)
            try:
                if _is_database(path):
                    yield path
            except OSError as error:
                unreadable(path, error)


def _is_database(path: str) -> bool:
    """Whether the file begins like a SQLite database. OSError when it cannot be read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NO_FILE:
            return False
        raise
    try:
        return stat.S_ISREG(os.fstat(file).st_mode) and os.pread(file, len(HEADER), 0) == HEADER
    finally:
        os.close(file)


def _problem(path: str) -> tuple[str, bool]:
    """The problem of the file ("" for none), and whether the problem is damage."""
    try:
        connection = sqlite3.connect(path, timeout=5)
    except sqlite3.Error as error:
        return str(error), False
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        rows = connection.execute("PRAGMA integrity_check(5)").fetchall()
    except sqlite3.Error as error:
        return str(error), (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGED
    finally:
        connection.close()
    said = "; ".join(str(row[0]) for row in rows)
    return ("", False) if said == "ok" else (said[:300], True)
