"""SQLite files are found by what is in them and judged as their app would find them."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from launchpad.runner.backups.sqlite_files import check, count

NOTHING = {"damaged": [], "unchecked": [], "foreign": [], "unreadable": [], "more": {}}


def database(path: Path, *, rows: int = 2000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
    connection.execute("CREATE INDEX by_text ON notes (text)")
    connection.executemany("INSERT INTO notes (text) VALUES (?)", [(f"note {n}",) for n in range(rows)])
    connection.commit()
    connection.close()
    return path


def test_sound_databases_are_found_under_any_name(tmp_path: Path) -> None:
    database(tmp_path / "state/sessions")
    database(tmp_path / "state/deep/er/memory.sqlite")
    (tmp_path / "state/notes.db").write_text("not a database")
    assert check(str(tmp_path)).as_json() == {"checked": 2, **NOTHING}


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("PG_VERSION", "PostgreSQL"),
        ("ibdata1", "MySQL or MariaDB"),
        ("appendonlydir/1", "Redis"),
        ("WiredTiger", "MongoDB"),
    ],
)
def test_a_database_of_another_program_is_named_as_not_checked(tmp_path: Path, file: str, kind: str) -> None:
    database(tmp_path / "state/own.db")
    for place in (f"store/data/{file}", f"store/data/base/1/{file}"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("17")
    found = check(str(tmp_path))
    assert (found.checked, found.foreign) == (1, [{"path": "store/data", "kind": kind}])


def test_a_damaged_page_is_told_with_its_file(tmp_path: Path) -> None:
    path = database(tmp_path / "state/sessions.db")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    found = check(str(tmp_path))
    assert [item["path"] for item in found.damaged] == ["state/sessions.db"]
    assert found.damaged[0]["said"]


def test_a_database_that_was_cut_is_damaged(tmp_path: Path) -> None:
    path = database(tmp_path / "cut.db")
    os.truncate(path, path.stat().st_size // 2)
    assert [item["path"] for item in check(str(tmp_path)).damaged] == ["cut.db"]


def test_what_lies_in_the_write_ahead_log_counts(tmp_path: Path) -> None:
    """A snapshot is taken while the app writes: the file alone, without its log, would be another state."""
    live = tmp_path / "live/app.db"
    database(live, rows=10)
    writer = sqlite3.connect(live)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.executemany("INSERT INTO notes (text) VALUES (?)", [(f"late {n}",) for n in range(3000)])
    writer.commit()
    shutil.copytree(live.parent, tmp_path / "copy")
    writer.close()
    assert check(str(tmp_path / "copy")).as_json() == {"checked": 1, **NOTHING}
    with sqlite3.connect(tmp_path / "copy/app.db") as copy:
        assert copy.execute("SELECT count(*) FROM notes").fetchone() == (3010,)


def test_no_link_is_followed(tmp_path: Path) -> None:
    """Of two tenants, neither learns what the other's files are."""
    other = database(tmp_path / "other/secret.db")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "file").symlink_to(other)
    (mine / "folder").symlink_to(other.parent)
    os.mkfifo(mine / "pipe")
    assert check(str(mine)).checked == 0


def test_what_cannot_be_read_is_told_and_not_taken_for_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk's fault, or another uid's file: root reads all in a test, so the kernel's answer is put in its place."""
    database(tmp_path / "state/good.db")
    for name in ("faulty.db", *(f"{number}.db" for number in range(25))):
        database(tmp_path / f"state/bad/{name}", rows=1)
    read = os.pread

    def pread(file: int, size: int, at: int) -> bytes:
        if "/bad/" in str(Path(f"/proc/self/fd/{file}").readlink()):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(file, size, at)

    monkeypatch.setattr(os, "pread", pread)
    found = check(str(tmp_path)).as_json()
    assert (found["checked"], found["more"]) == (1, {"unreadable": 6})
    assert found["unreadable"][0] == {"path": "state/bad/0.db", "said": "Input/output error"}
    counted = count(str(tmp_path), seconds=30)
    assert (list(counted["rows"]), counted["unreadable"]) == (["state/good.db"], 26)
    again = count(str(tmp_path), seconds=30, only={"state/bad/faulty.db": ["notes"], "state/gone.db": ["notes"]})
    assert again["rows"] == {"state/bad/faulty.db": {"": -1}}, "what cannot be read is not gone"


def test_a_database_that_wants_an_extension_is_not_called_damaged(tmp_path: Path) -> None:
    path = database(tmp_path / "vectors.db", rows=3)
    connection = sqlite3.connect(path)
    connection.create_collation("own", lambda one, two: (one > two) - (one < two))
    connection.execute("CREATE TABLE words (word TEXT COLLATE own)")
    connection.execute("CREATE INDEX words_by_word ON words (word)")
    connection.commit()
    connection.close()
    found = check(str(tmp_path))
    assert found.damaged == []
    assert (found.checked, [item["path"] for item in found.unchecked]) in ((1, []), (0, ["vectors.db"]))
