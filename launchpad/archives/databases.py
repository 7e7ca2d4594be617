"""Check SQLite databases before they become the only copy."""

from __future__ import annotations

import sqlite3
from pathlib import Path

HEADER = b"SQLite format 3\x00"
BESIDE = ("-wal", "-journal")
"""The suffixes of files that belong to a database: the write-ahead log, and the journal of a crashed transaction."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def problem(path: Path) -> str:
    """SQLite's problem with the file (SQLite may write to the file); empty when the file is sound, or needs a missing
    extension."""
    try:
        connection = sqlite3.connect(path, timeout=5)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            rows = connection.execute("PRAGMA integrity_check(5)").fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        damaged = (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGED
        return str(error) if damaged else ""
    said = "; ".join(str(row[0]) for row in rows)
    return "" if said == "ok" else said[:200]
