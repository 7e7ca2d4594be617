"""Whether the SQLite files below a folder are sound, as SQLite says. Runs in the sandbox, on a writable clone."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

HEADER = b"SQLite format 3\x00"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_MOST_TOLD = 20


@dataclass
class Found:
    """What was found; paths from the folder."""

    checked: int = 0
    damaged: list[dict[str, str]] = field(default_factory=list)
    unchecked: list[dict[str, str]] = field(default_factory=list)
    """SQLite cannot judge them: an extension that they want is not here, or they cannot be opened."""

    def as_json(self) -> dict[str, Any]:
        return {
            "checked": self.checked,
            "damaged": self.damaged[:_MOST_TOLD],
            "unchecked": self.unchecked[:_MOST_TOLD],
        }


def check(root: str) -> Found:
    """Ask every SQLite file below the folder; no link is followed. What a crash left in a write-ahead log is taken in
    first, as the app itself would at its next start, which is why the folder has to be writable."""
    found = Found()
    for path in databases(root):
        found.checked += 1
        problem, damaged = _problem(path)
        if problem:
            told = {"path": os.path.relpath(path, root), "said": problem}
            (found.damaged if damaged else found.unchecked).append(told)
    return found


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
