"""The lines of `launchpad top`: from rows to styled text that fits the terminal. Pure. Only rows that are seen are
made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from launchpad.cli.browsing import KEY_COMMANDS, Browsing
from launchpad.cli.details import GRADES, FrameLine, details_of, shown_age
from launchpad.cli.screen import BOLD, DIM, YELLOW
from launchpad.plan.overview import OverviewRow, counted

ABOVE, BELOW = 3, 1
"""Lines above the rows: counts, operations, headings; below the details: keys."""
WIDE = 110
"""From so many columns on, more columns are shown."""
REVERSE = "reverse"
KEYS = "  ".join(("/ search", *(f"{item.key} {item.name}" for item in KEY_COMMANDS), "q quit"))


@dataclass(frozen=True)
class Column:
    """A column of the rows; a `width` of 0 takes what is left."""

    name: str
    width: int


def details_room(height: int) -> int:
    """The lines for the chosen row; none on a terminal with few lines."""
    return 0 if height < 16 else 7 if height < 32 else 12


def rows_room(height: int) -> int:
    """The lines for the rows."""
    return max(1, height - ABOVE - BELOW - details_room(height))


def frame(browsing: Browsing, *, width: int, height: int, now: float, problem: str = "") -> list[FrameLine]:
    """Every line of the screen, each as wide as the terminal or narrower. `problem` is why the inventory cannot be
    read."""
    columns, chosen = _columns(browsing.rows, width, now), browsing.chosen
    seen = browsing.shown[browsing.first : browsing.first + rows_room(height)]
    lines = [_counts(browsing, now), _under_way(browsing.rows, problem), _headings(columns)]
    lines += [_row(row, columns, now, chosen=row is chosen) for row in seen]
    if not seen:
        lines.append([("no tenant or host matches the search" if browsing.search else "no hosts", DIM)])
    lines += [[] for _ in range(rows_room(height) - max(1, len(seen)))]
    details = [*details_of(chosen, now, width=width)] if chosen else []
    lines += [details[line] if line < len(details) else [] for line in range(details_room(height))]
    return [_cropped(line, width) for line in [*lines, _prompt(browsing)]]


def _counts(browsing: Browsing, now: float) -> FrameLine:
    rows = browsing.rows
    tenants = sum(bool(row.tenant) for row in rows)
    line: FrameLine = [(f"{_many(len(rows) - tenants, 'host')}, {_many(tenants, 'tenant')}: ", "")]
    told = [(f"{number} {grade}", GRADES[grade]) for grade, number in counted(rows).items() if number]
    for number, part in enumerate(told):
        line += [(", ", ""), part] if number else [part]
    more = f"  {len(browsing.shown)} shown" if browsing.search else ""
    return [*line, (more, ""), (f"  {time.strftime('%H:%M:%S', time.localtime(now))}", DIM)]


def _under_way(rows: Sequence[OverviewRow], problem: str) -> FrameLine:
    if problem:
        return [(f"the inventory cannot be read, the last one counts: {problem}", YELLOW)]
    alerts = sum(len(row.alerts) for row in rows)
    doing = [f"{item.kind} of {row.name} by {item.who}" for row in rows for item in row.operations]
    going = f"under way: {', '.join(doing)}" if doing else "no operation is under way"
    return [(f"{_many(alerts, 'alert') if alerts else 'no alerts'}; {going}", "" if alerts or doing else DIM)]


def _columns(rows: Sequence[OverviewRow], width: int, now: float) -> list[Column]:
    """As narrow as the rows allow, so that the problems have room."""
    found = [
        Column("grade", 8),
        Column("tenant", min(max(6, *(len(row.tenant) for row in rows), 0), width // 4)),
        Column("host", min(max(4, *(len(row.host) for row in rows), 0), width // 6)),
        Column("state", max(5, *(len(row.state) for row in rows), 0)),
        Column("age", 10 if any(row.is_old(now) for row in rows) else 6),
    ]
    if width >= WIDE:
        found[4:4] = [Column("version", 10), Column("checks", 6), Column("alert", 7)]
    return [*found, Column("problem", 0)]


def _headings(columns: Sequence[Column]) -> FrameLine:
    return [("  ".join(_fit(item.name.upper(), item.width) for item in columns), BOLD)]


def _row(row: OverviewRow, columns: Sequence[Column], now: float, *, chosen: bool) -> FrameLine:
    old = row.is_old(now)
    texts = {
        "grade": str(row.grade),
        "tenant": row.tenant,
        "host": row.host,
        "state": row.state,
        "version": row.version,
        "checks": "{}/{}".format(*row.checks) if row.checks[1] else "",
        "alert": _alert(row, now),
        "age": shown_age(row, now),
        "problem": row.problem,
    }
    line: FrameLine = []
    for item in columns:
        style = GRADES[row.grade] if item.name == "grade" else ""
        line.append((_fit(texts[item.name], item.width) + ("  " if item.width else ""), DIM if old else style))
    return [(text, f"{style} {REVERSE}".strip()) for text, style in line] if chosen else line


def _alert(row: OverviewRow, now: float) -> str:
    if row.silenced > now:
        return "silent"
    if not row.alerts:
        return ""
    return "sent" if any(item.told for item in row.alerts) else "not yet"


def _prompt(browsing: Browsing) -> FrameLine:
    if browsing.asked:
        return [(f"{browsing.asked.question} [y/N] ", f"{BOLD} {YELLOW}")]
    if browsing.typing:
        return [("search: ", BOLD), (browsing.search, ""), (" ", REVERSE), ("  Enter keeps, Escape clears", DIM)]
    if browsing.notice:
        return [(browsing.notice, YELLOW)]
    if browsing.search:
        return [(f"search: {browsing.search}", BOLD), (f"  Escape clears  {KEYS}", DIM)]
    return [(KEYS, DIM)]


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _fit(text: str, width: int) -> str:
    """The text in so many characters, its end cut off when it is longer; unchanged for 0."""
    if not width:
        return text
    return text.ljust(width) if len(text) <= width else f"{text[: width - 1]}~"


def _cropped(line: FrameLine, width: int) -> FrameLine:
    """The line without what is beyond the terminal."""
    left, kept = width, FrameLine()
    for text, style in line:
        if left > 0 and text:
            kept.append((text if len(text) <= left else f"{text[: left - 1]}~", style))
        left -= len(text)
    return kept
