"""Whether the SQLite files below a folder are sound, as SQLite says. Runs in the sandbox, on a writable clone."""

from __future__ import annotations

import itertools
import os
import re
import sqlite3
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

HEADER = b"SQLite format 3\x00"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
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
"""By a file or folder that each of these keeps at the top of its data. Nothing here can judge them."""
_VIRTUAL = re.compile(r"\s*CREATE\s+VIRTUAL\b", re.IGNORECASE)


@dataclass
class FoundDatabases:
    """What was found; paths from the folder."""

    checked: int = 0
    """SQLite files that were judged, either way."""
    damaged: list[dict[str, str]] = field(default_factory=list)
    unchecked: list[dict[str, str]] = field(default_factory=list)
    """SQLite cannot judge them: an extension that they want is not here, or they cannot be opened."""
    foreign: list[dict[str, str]] = field(default_factory=list)
    """{"path", "kind"} of each folder that is another program's database."""

    def as_json(self) -> dict[str, Any]:
        return {
            "checked": self.checked,
            "damaged": self.damaged[:_MOST_TOLD],
            "unchecked": self.unchecked[:_MOST_TOLD],
            "foreign": self.foreign[:_MOST_TOLD],
        }


def check(root: str) -> FoundDatabases:
    """Ask every SQLite file below the folder; no link is followed. What a crash left in a write-ahead log is taken in
    first, as the app itself would at its next start, which is why the folder has to be writable."""
    found = FoundDatabases()
    for path in databases(root):
        problem, damaged = _problem(path)
        found.checked += damaged or not problem
        if problem:
            told = {"path": os.path.relpath(path, root), "said": problem}
            (found.damaged if damaged else found.unchecked).append(told)
    found.foreign = list(foreign(root))
    return found


def foreign(root: str) -> Iterator[dict[str, str]]:
    """Each folder that looks like another program's database; what lies below it is its own."""
    for folder, folders, names in os.walk(root, followlinks=False):
        folders.sort()
        kind = next((FOREIGN[name] for name in (*names, *folders) if name in FOREIGN), "")
        if kind:
            yield {"path": os.path.relpath(folder, root), "kind": kind}
            folders.clear()


def count(root: str, *, seconds: float) -> dict[str, Any]:
    """{"rows": {path: {table: rows}}, "left": number}: of every ordinary table below the folder; -1 and left, where the
    seconds are over, or SQLite cannot read it. Virtual tables, and the ones that those keep their own things in, are
    nobody's rows."""
    end, rows, left = time.monotonic() + seconds, {}, 0
    for path in itertools.islice(databases(root), MOST_DATABASES):
        rows[os.path.relpath(path, root)] = found = _rows(path, end)
        left += sum(number < 0 for number in found.values())
    return {"rows": rows, "left": left}


def _rows(path: str, end: float) -> dict[str, int]:
    try:
        connection = sqlite3.connect(path, timeout=5)
    except sqlite3.Error:
        return {"": -1}
    connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        listed = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchmany(MOST_TABLES)
        virtual = [name for name, sql in listed if _VIRTUAL.match(sql or "")]
        names = [str(name) for name, _ in listed if not str(name).startswith("sqlite_") and name not in virtual]
        own = [name for name in names if not any(name.startswith(f"{of}_") for of in virtual)]
        return {name: -1 if time.monotonic() > end else _count(connection, name) for name in own}
    except sqlite3.Error:
        return {"": -1}
    finally:
        connection.close()


def _count(connection: sqlite3.Connection, table: str) -> int:
    quoted = table.replace('"', '""')
    try:
        return int(connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0])  # noqa: S608 (quoted)
    except sqlite3.Error:
        return -1


def databases(root: str) -> Iterator[str]:
    """Every plain file that begins as SQLite's do, whatever its name."""
    for folder, folders, names in os.walk(root, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118 (a tenant's names may be no text)
            if _is_database(path):
                yield path


def _is_database(path: str) -> bool:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(file).st_mode) and os.pread(file, len(HEADER), 0) == HEADER
    except OSError:
        return False
    finally:
        os.close(file)


def _problem(path: str) -> tuple[str, bool]:
    """What is wrong with it ("" when nothing is), and whether that is damage."""
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
