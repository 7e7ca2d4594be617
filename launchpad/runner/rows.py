"""Row counts of a tenant's SQLite tables before and after a rehearsal, because an app that answers `ready` rarely
notices data that a migration lost.

The sandbox counts with the tenant's uid, and only on a clone. More rows, new tables and new databases are allowed. What
could not be counted before or after is not compared, but reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from launchpad.runner import slots
from launchpad.runner.context import Context
from launchpad.runner.host import Confined
from launchpad.runner.record import Record

Rows = Mapping[str, Mapping[str, int]]
"""Database (its path from the data's root) → table → rows."""
COUNT_SECONDS = 60
"""Seconds for each count; tables that are not counted by then are not compared."""
GRACE_SECONDS = 60
MOST_TOLD = 20


class Counted(Record):
    """The counted rows, and a sentence about what was not counted (empty when nothing was skipped)."""

    rows: Rows
    passed_over: str


def unit(tenant: str) -> str:
    """The name of the sandbox's unit."""
    return f"launchpad-rows-{tenant}"


def count(context: Context, *, tenant: str, slot: int, folder: str, only: Rows | None = None) -> Counted:
    """The rows of every table below the folder, a clone without running containers; with `only`, of exactly these
    tables. Failed when the sandbox does not end."""
    from launchpad.runner.backups import work  # late: most operations count nothing

    task: dict[str, object] = {"do": "count", "uid": slots.host_uid(slot), "seconds": COUNT_SECONDS}
    if only is not None:
        task["only"] = {path: sorted(found) for path, found in only.items()}
    volumes = work.volumes(context.host, folder)
    asked = Confined(unit=unit(tenant), task=task, writes=volumes, seconds=COUNT_SECONDS + GRACE_SECONDS)
    found = context.host.confined(asked, lambda _: None)
    if found["left"]:
        context.say(f"{found['left']} tables could not be counted and are not compared")
    passed_over = _passed_over(found) if only is None else ""
    if passed_over:
        context.say(passed_over)
    return Counted(found["rows"], passed_over)


def _passed_over(found: Mapping[str, int]) -> str:
    kinds = (("databases", "SQLite databases"), ("tables", "tables"), ("unreadable", "unreadable files or folders"))
    parts = [f"{number} {words}" for key, words in kinds if (number := found.get(key, 0))]
    return f"{' and '.join(parts)} were not counted" if parts else ""


def lost(before: Rows, after: Rows, *, may_shrink: Sequence[str]) -> Iterator[str]:
    """A sentence for each table that has fewer rows than before, or is gone; except tables that may shrink (shell
    patterns). A count of -1 was not possible; under "" it stands for a whole database."""
    for path, counted in sorted(before.items()):
        found = after.get(path, {})
        for table, had in sorted(counted.items()):
            has = found.get(table, found.get(""))
            if -1 in (had, has) or (has or 0) >= had or any(fnmatchcase(table, pattern) for pattern in may_shrink):
                continue
            yield f"{path}: table {table} had {had} rows and {'is gone' if has is None else f'has {has}'}"


def told(lines: Sequence[str]) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - MOST_TOLD
    return [*lines[:MOST_TOLD], *([f"and {more} more"] if more > 0 else [])]


def tables(rows: Rows) -> int:
    """How many tables were counted."""
    return sum(number >= 0 for found in rows.values() for number in found.values())
