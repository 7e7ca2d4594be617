"""What `launchpad top` says of the chosen row, in lines that fit the terminal. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from launchpad.cli.screen import BOLD, DIM, GREEN, RED, YELLOW, Styled
from launchpad.cli.wording import age, short_moment
from launchpad.plan.overview import OverviewRow
from launchpad.runner.facts import Grade

GRADES = {Grade.critical: f"{BOLD} {RED}", Grade.unknown: f"{BOLD} {YELLOW}", Grade.warning: YELLOW, Grade.ok: GREEN}
"""The style of each grade."""

FrameLine = list[Styled]


def details_of(row: OverviewRow, now: float, *, width: int) -> Iterator[FrameLine]:
    """Every line about the row; no word is cut."""
    for part in _parts(row, now):
        yield from _wrapped(part, width)


def shown_age(row: OverviewRow, now: float) -> str:
    """`12 s`; `4 min old` when nobody can trust the row any more; `never` for a host that never answered."""
    if row.at == 0:
        return "never"
    return f"{age(row.age(now))}{' old' if row.is_old(now) else ''}"


def _parts(row: OverviewRow, now: float) -> Iterator[tuple[Styled, str]]:
    """What is known of the chosen row, each part with its heading: the problems with the command to type, and what is
    well."""
    yield ("", ""), ""
    yield (f"{row.tenant} on {row.host}: " if row.tenant else f"host {row.host}: ", BOLD), _summary(row, now)
    for item in row.operations:
        begun = f", since {short_moment(item.at, now=now)}" if item.at else ""
        yield ("under way  ", YELLOW), f"{item.kind} by {item.who}{begun}"
        yield ("  next:    ", DIM), f"launchpad attach {item.id}"
    for fact in row.health.wrong:
        since = f", since {short_moment(fact.since, now=now)}" if fact.since else ""
        yield (f"{fact.grade:<11}", GRADES[fact.grade]), f"{fact.layer}: {fact.message}{since}"
        if fact.hint:
            yield ("  next:    ", DIM), fact.hint
    well = dict.fromkeys(fact.layer for fact in row.health.facts if fact.grade is Grade.ok)
    if well:
        yield ("ok         ", GREEN), ", ".join(well)


def _wrapped(part: tuple[Styled, str], width: int) -> Iterator[FrameLine]:
    """The part on as many lines as it needs; no word is broken."""
    (head, style), text = part
    indent = min(len(head), 11)
    first = textwrap.wrap(
        text, max(20, width - indent), initial_indent=" " * (len(head) - indent), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    yield [(head, style), (first[0][len(head) - indent :] if first else "", "")]
    yield from ([(" " * indent + line, "")] for line in first[1:])


def _summary(row: OverviewRow, now: float) -> str:
    parts = [row.state] if row.tenant else []
    if row.version:
        parts.append(f"version {row.version}")
    if row.checks[1]:
        parts.append("{} of {} checks pass".format(*row.checks))
    if row.standing:
        parts.append(f"backup {_ago(row.standing.backup_age_seconds) or 'none'}")
    if sent := [item.told for item in row.alerts if item.told]:
        parts.append(f"alert sent {_ago(now - max(sent))}")
    elif row.alerts:
        parts.append("alert not sent yet")
    if row.silenced > now:
        parts.append(f"silenced for {age(row.silenced - now)} more")
    parts.append(f"last look {_ago(row.age(now))}" if row.at else "never answered")
    return ", ".join(parts)


def _ago(seconds: float | None) -> str:
    return f"{age(max(0.0, seconds))} ago" if seconds is not None else ""
