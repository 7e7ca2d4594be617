"""Which of the facts somebody is told of, and when: once for each cause, and once more when it is over. Pure.

A trouble is a fact that is not ok, followed from look to look. It is told after it was seen for long enough, counted
over all its times, so that what flaps is told once; it is over after it was well for long enough. What another trouble
explains is not told: a host's Docker explains its tenants' processes, a tenant's process explains its probes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from launchpad.runner.facts import WORSE, Fact, Grade, Layer
from launchpad.runner.record import Record

HOLD_SECONDS: Mapping[Grade, float] = {Grade.critical: 30.0, Grade.warning: 300.0}
"""So long something is seen before it is told: what the watch repairs at once wakes nobody."""
CONSEQUENCE_SECONDS = 15.0
"""So much longer for what could have a cause: the cause may be seen a little later than what follows from it."""
OVER_SECONDS = 180.0
"""So long it is well before it is called over."""
AFTERMATH_SECONDS = 180.0
"""So long after its end a cause still explains its consequences: twenty tenants need time to start again."""
SLOWER_SECONDS = 60.0
"""So long after its end a look still speaks for the others at the same thing: their checks look less often."""
REMIND_SECONDS = 86400.0
"""What is critical and still stands is told again after so long."""
LONGEST_STEP = 60.0
"""Between two looks at most so much counts: a host that slept saw nothing."""

_OF_TENANTS = frozenset({Layer.process, Layer.ready, Layer.edge, Layer.provider, Layer.channel})
EXPLAINS: Mapping[Layer, frozenset[Layer]] = {
    # of the host → of each tenant, and of the host itself
    Layer.docker: _OF_TENANTS | {Layer.caddy},
    Layer.disk: frozenset({Layer.process, Layer.ready, Layer.data, Layer.docker, Layer.caddy}),
    Layer.inodes: frozenset({Layer.process, Layer.ready, Layer.data, Layer.docker, Layer.caddy}),
    Layer.memory: frozenset({Layer.process, Layer.ready}),
    Layer.firewall: frozenset({Layer.edge, Layer.provider, Layer.channel}),
    Layer.caddy: frozenset({Layer.edge}),
    Layer.resolver: frozenset({Layer.provider, Layer.channel}),
    Layer.clock: frozenset({Layer.provider, Layer.channel}),
    # of a tenant → of the same tenant
    Layer.process: frozenset({Layer.ready, Layer.edge, Layer.provider, Layer.channel}),
    Layer.ready: frozenset({Layer.edge, Layer.provider, Layer.channel}),
    Layer.provider: frozenset({Layer.channel}),
}
"""What a layer that is critical explains. A tenant's layer explains nothing of another tenant."""
ONE_CAUSE = frozenset({Layer.process, Layer.ready, *EXPLAINS, Layer.caddy}) - {Layer.provider}
"""Layers whose facts are several looks at one thing: the first that is seen is told for all of them."""


class NoticeKind(StrEnum):
    problem = "problem"
    worse = "worse"
    """It was told as a warning and is critical."""
    still = "still"
    """It is told again because it still stands."""
    recovered = "recovered"


class Trouble(Record):
    """Something that is not ok, from the first time that it was seen until it is over."""

    fact: Fact
    """As it was seen last while it was not ok."""
    since: float
    """When it was seen first."""
    seen: float
    """When it was looked at last, well or not."""
    held: float = 0.0
    """For how many seconds it was seen, in all, with this grade."""
    well: float = 0.0
    """Since when it is well; 0 while it is not."""
    told: float = 0.0
    """When it was told last; 0 for never."""
    told_grade: Grade = Grade.ok
    """The worst grade that was told."""


class Notice(Record):
    """One thing to tell."""

    kind: NoticeKind
    fact: Fact
    since: float
    at: float
    affected: tuple[str, ...] = ()
    """The tenants of which something is not told because this explains it."""


class Decision(Record):
    troubles: tuple[Trouble, ...]
    """To be given to the next look."""
    notices: tuple[Notice, ...]


def decide(
    troubles: Sequence[Trouble], facts: Iterable[Fact], now: float, *, silent: frozenset[str] = frozenset()
) -> Decision:
    """What is to be told now. `silent` are the tenants (empty text: the host and all of its tenants) that are under an
    operation or that somebody silenced: nothing of theirs is told, and what they are under counts for nothing."""
    found = {fact.key: fact for fact in facts}
    before = {trouble.fact.key: trouble for trouble in troubles}
    after = [
        now_is
        for key in dict.fromkeys([*before, *found])
        if (now_is := _followed(before.get(key), found.get(key), now, silent)) is not None
    ]
    notices: list[Notice] = []
    kept = []
    for trouble in after:
        kind = None if _is_silent(trouble, silent) else _due(trouble, after, now)
        if kind is NoticeKind.recovered:
            notices.append(Notice(kind=kind, fact=trouble.fact, since=trouble.since, at=now))
            continue
        if kind is not None:
            affected = _affected(trouble, after, now)
            notices.append(Notice(kind=kind, fact=trouble.fact, since=trouble.since, at=now, affected=affected))
            trouble = trouble.but(told=now, told_grade=trouble.fact.grade)
        if not (trouble.well and not trouble.told and now - trouble.well >= OVER_SECONDS):
            kept.append(trouble)
    return Decision(troubles=tuple(kept), notices=tuple(notices))


def _followed(before: Trouble | None, fact: Fact | None, now: float, silent: frozenset[str]) -> Trouble | None:
    """The trouble as this look leaves it; None when there is none. A fact that nobody can look at changes nothing."""
    grade = fact.grade if fact else Grade.ok
    if grade is Grade.unknown:
        return before.but(seen=now) if before else None
    if fact is None or grade is Grade.ok:
        return before.but(seen=now, well=before.well or now) if before else None
    if before is None:
        return Trouble(fact=fact, since=now, seen=now)
    step = min(max(0.0, now - before.seen), LONGEST_STEP)
    counts = not before.well and not _is_silent(before, silent)
    same = WORSE.index(grade) <= WORSE.index(before.fact.grade)
    held = (before.held if same else 0.0) + (step if counts and same else 0.0)
    return before.but(fact=fact, seen=now, held=held, well=0.0)


def _is_silent(trouble: Trouble, silent: frozenset[str]) -> bool:
    return "" in silent or trouble.fact.tenant in silent


def _due(trouble: Trouble, all_of_them: Sequence[Trouble], now: float) -> NoticeKind | None:
    """What is to be told of the trouble now, if anything."""
    if trouble.well:
        return NoticeKind.recovered if trouble.told and now - trouble.well >= OVER_SECONDS else None
    if trouble.held < _hold(trouble.fact) or _is_explained(trouble, all_of_them, now):
        return None
    if not trouble.told:
        return NoticeKind.problem
    if WORSE.index(trouble.fact.grade) > WORSE.index(trouble.told_grade):
        return NoticeKind.worse
    if trouble.fact.grade is Grade.critical and now - trouble.told >= REMIND_SECONDS:
        return NoticeKind.still
    return None


def _hold(fact: Fact) -> float:
    """For how many seconds the fact has to be seen before it is told."""
    may_follow = any(fact.layer in layers for layers in EXPLAINS.values())
    return HOLD_SECONDS[fact.grade] + (CONSEQUENCE_SECONDS if may_follow else 0.0)


def _is_explained(trouble: Trouble, all_of_them: Iterable[Trouble], now: float) -> bool:
    return any(_explains(other, trouble, now) for other in all_of_them)


def _explains(cause: Trouble, trouble: Trouble, now: float) -> bool:
    """Whether the one is why the other stands: a worse or equal trouble below it, which stands or has just ended."""
    if (cause.fact.tenant, cause.fact.layer) == (trouble.fact.tenant, trouble.fact.layer):
        as_bad = WORSE.index(cause.fact.grade) >= WORSE.index(trouble.fact.grade)
        stands = not cause.well or now - cause.well < SLOWER_SECONDS
        return cause.fact.layer in ONE_CAUSE and as_bad and stands and _rank(cause) < _rank(trouble)
    if cause.fact.grade is not Grade.critical:
        return False
    if trouble.fact.layer not in EXPLAINS.get(cause.fact.layer, ()):
        return False
    if cause.fact.tenant not in ("", trouble.fact.tenant):
        return False
    return not cause.well or now - cause.well < AFTERMATH_SECONDS


def _rank(trouble: Trouble) -> tuple[bool, float, str]:
    """The lowest of several looks at one thing is the one that is told: what was told, then the first."""
    return not trouble.told, trouble.since, trouble.fact.subject


def _affected(trouble: Trouble, all_of_them: Iterable[Trouble], now: float) -> tuple[str, ...]:
    if trouble.fact.tenant:
        return ()
    return tuple(sorted({other.fact.tenant for other in all_of_them if _explains(trouble, other, now)} - {""}))
