"""Who is told of what, and how it reads: a message for each destination, held back while its quiet hours last. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from launchpad.runner.alerting.destination import Destination
from launchpad.runner.alerting.troubles import Notice, NoticeKind
from launchpad.runner.facts import WORSE, Fact, Grade
from launchpad.runner.hint import Next, at
from launchpad.runner.record import Record

RETRY_SECONDS = (30.0, 60.0, 120.0, 300.0, 900.0)
"""After the first, second … try that failed; the last one goes on."""
MOST_AGE = 2 * 86400.0
"""What could not be delivered for so long is given up."""
MINUTE, HOUR, DAY = 60, 3600, 86400
DAY_MINUTES = 24 * 60


class Waiting(Record):
    """A message that has not been delivered."""

    destination: str
    notices: tuple[Notice, ...]
    at: float
    """When it was made."""
    due: float
    """Not to be delivered before."""
    tries: int = 0
    problem: str = ""
    """Why the last try failed."""


def routed(
    waiting: Sequence[Waiting],
    notices: Sequence[Notice],
    destinations: Iterable[Destination],
    now: float,
    minute_of: Callable[[str], int],
) -> tuple[Waiting, ...]:
    """Everything that waits, with the new notices. `minute_of` tells the minute of the day in a time zone."""
    found: list[Waiting] = []
    for destination in destinations:
        if destination.kind == "message":
            own = [item for item in waiting if item.destination == destination.name]
            found += _for(destination, own, notices, now, minute_of(destination.timezone))
    return tuple(found)


def _for(
    destination: Destination, waiting: Sequence[Waiting], notices: Iterable[Notice], now: float, minute: int
) -> Iterator[Waiting]:
    mine = [notice for notice in notices if _concerns(destination, notice)]
    over = {notice.fact.key for notice in mine if notice.kind is NoticeKind.recovered}
    for item in waiting:
        if now - item.at > MOST_AGE:
            continue
        if item.tries:
            yield item
            continue
        # What is over before anybody was told of it is no news in the morning.
        left = tuple(notice for notice in item.notices if notice.fact.key not in over)
        over -= {notice.fact.key for notice in item.notices}
        if left:
            yield item.but(notices=left)
    still = [notice for notice in mine if notice.kind is not NoticeKind.recovered or notice.fact.key in over]
    quiet = _quiet_minutes(destination, minute)
    for due, some in (
        (now, [notice for notice in still if not _may_wait(notice) or not quiet]),
        (now + quiet * 60, [notice for notice in still if _may_wait(notice) and quiet]),
    ):
        if some:
            yield Waiting(destination=destination.name, notices=tuple(some), at=now, due=due)


def failed(item: Waiting, problem: str, now: float) -> Waiting:
    """The message after a try that failed."""
    pause = RETRY_SECONDS[min(item.tries, len(RETRY_SECONDS) - 1)]
    return item.but(tries=item.tries + 1, problem=problem, due=now + pause)


def _concerns(destination: Destination, notice: Notice) -> bool:
    if WORSE.index(notice.fact.grade) < WORSE.index(Grade(destination.grade)):
        return False
    whose = {notice.fact.tenant, *notice.affected} - {""}
    return not destination.tenants or bool(whose & set(destination.tenants))


def _may_wait(notice: Notice) -> bool:
    return notice.fact.grade is not Grade.critical or notice.kind is NoticeKind.recovered


def _quiet_minutes(destination: Destination, minute: int) -> int:
    """For how many minutes its quiet hours last from now; 0 outside of them."""
    if not destination.quiet:
        return 0
    begin, end = (int(text[:2]) * 60 + int(text[3:]) for text in destination.quiet.split("-"))
    if (minute - begin) % DAY_MINUTES < (end - begin) % DAY_MINUTES:
        return (end - minute) % DAY_MINUTES
    return 0


# --- as people read it ------------------------------------------------------------------------------------------------

_VERBS = {
    NoticeKind.problem: "",
    NoticeKind.worse: "is worse now: ",
    NoticeKind.still: "still: ",
}


def title(host: str, notices: Sequence[Notice]) -> str:
    """One line; it is the subject of a mail."""
    if len(notices) == 1:
        (notice,) = notices
        grade = "recovered" if notice.kind is NoticeKind.recovered else notice.fact.grade
        return f"[{grade}] {host}: {_subject(notice.fact)}"
    problems = [notice for notice in notices if notice.kind is not NoticeKind.recovered]
    over = len(notices) - len(problems)
    worst = max((notice.fact.grade for notice in problems), key=WORSE.index, default="recovered")
    parts = [f"{len(problems)} problems" if len(problems) != 1 else "1 problem"] * bool(problems)
    parts += [f"{over} recovered"] * bool(over)
    return f"[{worst}] {host}: {', '.join(parts)}"


def body(host: str, notices: Sequence[Notice], *, stamp: str) -> str:
    """What is wrong, since when, what to type, and where to read on; a paragraph a notice."""
    return "\n\n".join("\n".join(_lines(host, notice)) for notice in notices) + f"\n\n{host}, {stamp}\n"


def _lines(host: str, notice: Notice) -> Iterator[str]:
    fact = notice.fact
    lasted = _lasted(notice.at - notice.since)
    if notice.kind is NoticeKind.recovered:
        yield f"{_subject(fact)}: has recovered"
        yield f"  The problem lasted {lasted}. It was: {fact.message}."
        return
    yield f"{_VERBS[notice.kind]}{_subject(fact)}: {fact.message}"
    yield f"  Seen for {lasted}, on host {host}."
    if notice.affected:
        yield f"  Tenants affected: {', '.join(notice.affected)}."
    if fact.hint:
        yield f"  Type: {at(fact.hint, host)}"
    yield "  Runbook: " + Next("runbook", runbook(fact))


def _lasted(seconds: float) -> str:
    """`less than a minute`, `1 minute`, `90 minutes`, `3 hours`, `2 days`"""
    for unit, length, least in (("day", DAY, 2), ("hour", HOUR, 2), ("minute", MINUTE, 1)):
        if (count := int(seconds // length)) >= least:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def _subject(fact: Fact) -> str:
    whom = f"tenant {fact.tenant}" if fact.tenant else f"host {fact.host}" if fact.host else "host"
    return f"{whom}, {fact.layer}"


def runbook(fact: Fact) -> str:
    """The name of the page about this kind of alert."""
    return f"{'tenant' if fact.tenant else 'host'}-{fact.layer}"
