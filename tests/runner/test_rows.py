"""What counts as lost rows, and how SQLite's tables are counted."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from launchpad.runner.backups import sqlite_files
from launchpad.runner.rows import MOST_TOLD, lost, tables, told

BEFORE = {"state/a.db": {"sessions": 12, "cache": 5, "empty": 0}, "state/b.db": {"": -1}}


def said(after: dict[str, dict[str, int]], *may_shrink: str) -> list[str]:
    return list(lost(BEFORE, after, may_shrink=may_shrink))


def test_more_rows_new_tables_and_new_databases_are_fine() -> None:
    grown = {"state/a.db": {"sessions": 13, "cache": 5, "empty": 0, "new": 1}, "state/c.db": {"new": 1}}
    assert said(grown) == []


def test_fewer_rows_and_tables_that_are_gone_are_not() -> None:
    assert said({"state/a.db": {"sessions": 11}}) == [
        "state/a.db: table cache had 5 rows and is gone",
        "state/a.db: table sessions had 12 rows and has 11",
    ]
    assert len(said({})) == 2, "a database that is gone"


def test_what_the_app_says_may_shrink_does_not_count() -> None:
    assert said({"state/a.db": {"sessions": 12}}, "c*") == []
    assert len(said({"state/a.db": {}}, "c*")) == 1


def test_what_could_not_be_counted_is_not_compared() -> None:
    assert said({"state/a.db": {"sessions": -1, "cache": 5}}) == []
    assert said({"state/a.db": {"": -1}}) == []
    assert tables(BEFORE) == 3


def test_a_long_list_is_cut() -> None:
    assert told(["x"] * (MOST_TOLD + 2)) == [*["x"] * MOST_TOLD, "and 2 more"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    connection = sqlite3.connect(tmp_path / "state/app.sqlite")
    connection.execute('CREATE TABLE "odd ""name" (n)')
    connection.executemany('INSERT INTO "odd ""name" VALUES (?)', [(number,) for number in range(3)])
    connection.execute("CREATE TABLE counted (n INTEGER PRIMARY KEY AUTOINCREMENT)")
    connection.execute("CREATE VIRTUAL TABLE found USING fts5(text)")
    connection.execute("INSERT INTO found VALUES ('a text')")
    connection.commit()
    connection.close()
    (tmp_path / "state/torn.db").write_bytes(sqlite_files.HEADER + b"noise" * 100)
    (tmp_path / "state/note.txt").write_text("no database")
    return tmp_path


def test_ordinary_tables_are_counted(root: Path) -> None:
    found = sqlite_files.count(str(root), seconds=30)
    assert found == {
        "rows": {"state/app.sqlite": {'odd "name': 3, "counted": 0}, "state/torn.db": {"": -1}},
        "left": 1,
        "databases": 0,
        "tables": 0,
        "unreadable": 0,
    }


def test_beyond_the_most_it_is_told_how_many_are_not_counted_and_none_of_them_counts_as_gone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "MOST_DATABASES", 2)
    monkeypatch.setattr(sqlite_files, "MOST_TABLES", 1)
    with sqlite3.connect(root / "state/later.sqlite") as later:
        later.execute("CREATE TABLE later AS SELECT 1 AS n")
    before = sqlite_files.count(str(root), seconds=30)
    assert list(before["rows"]) == ["state/app.sqlite", "state/later.sqlite"]
    assert (before["databases"], before["tables"]) == (1, 1)
    with sqlite3.connect(root / "state/a-new-one.sqlite") as new:  # pushes the last one out
        new.execute("CREATE TABLE new (n)")
    with sqlite3.connect(root / "state/app.sqlite") as app:  # made anew, as a migration does: it is the last one then
        app.executescript('CREATE TABLE copy AS SELECT * FROM "odd ""name"; DROP TABLE "odd ""name"')
        app.execute('ALTER TABLE copy RENAME TO "odd ""name"')
    only = {path: list(found) for path, found in before["rows"].items()}
    after = sqlite_files.count(str(root), seconds=30, only=only)
    assert after["rows"] == before["rows"] and not list(lost(before["rows"], after["rows"], may_shrink=()))
    (root / "state/later.sqlite").unlink()
    gone = sqlite_files.count(str(root), seconds=30, only=only)
    assert list(lost(before["rows"], gone["rows"], may_shrink=())) == [
        "state/later.sqlite: table later had 1 rows and is gone"
    ]


def test_what_is_not_counted_in_time_is_left(root: Path) -> None:
    found = sqlite_files.count(str(root), seconds=-1)
    assert found["rows"]["state/app.sqlite"]["counted"] == -1
    assert found["left"] == 3
