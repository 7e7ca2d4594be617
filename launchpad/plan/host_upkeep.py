"""Decide when a host may be maintained, and whether it is as well afterwards as it was before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from launchpad.fleet.model.maintenance import Window, zone
from launchpad.plan.health import Health
from launchpad.runner.facts import Fact, Grade, Layer

NOT_JUDGED = frozenset({Layer.provider, Layer.channel, Layer.targets, Layer.updates, Layer.load, Layer.reboot})
"""Layers that say nothing about a maintenance: other companies' services, and what the maintenance itself is about."""
AWAITED = frozenset(
    {Layer.process, Layer.ready, Layer.edge, Layer.docker, Layer.caddy, Layer.firewall, Layer.settings, Layer.resolver}
)
"""Layers that the watch must have checked again, if they were well before."""
BAD = (Grade.critical, Grade.unknown)
Part = tuple[str, str]
"""A tenant (empty for the host itself) and one of its layers."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What was well and what was not when the maintenance of a host began."""

    well: frozenset[Part] = frozenset()
    bad: frozenset[Part] = frozenset()


def opening(window: Window, timezone: str, now: float) -> tuple[float, float]:
    """When the window opens and closes: the present opening, or the next one. In seconds since 1970."""
    here = zone(timezone)
    begin, lasts = window.minutes
    today = datetime.fromtimestamp(now, here).date()
    for after in range(-1, 8):
        day = today + timedelta(days=after)
        opens = datetime(day.year, day.month, day.day, begin // 60, begin % 60, tzinfo=here).timestamp()
        if day.weekday() in window.days and now < opens + lasts * 60:
            return opens, opens + lasts * 60
    raise AssertionError("a window opens at least once a week")


def waves(hosts: Sequence[str], canaries: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The hosts in waves: the canaries first (without any, the first host), then a tenth of the others, then the
    rest."""
    first = tuple(name for name in hosts if name in canaries) or tuple(hosts[:1])
    others = [name for name in hosts if name not in first]
    tenth = -(-len(others) // 10)
    return tuple(wave for wave in (first, tuple(others[:tenth]), tuple(others[tenth:])) if wave)


def shown(at: float) -> str:
    """A moment as programs read it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def baseline(before: Iterable[Health]) -> Baseline:
    """What the health account says before anything changes."""
    facts = [(item.tenant, fact) for item in before for fact in item.facts]
    bad = {(tenant, str(fact.layer)) for tenant, fact in facts if fact.grade in BAD}
    every = {(tenant, str(fact.layer)) for tenant, fact in facts}
    return Baseline(well=frozenset(every - bad), bad=frozenset(bad))


def unwell(begun: Baseline, after: Sequence[Health], *, since: float) -> tuple[list[str], list[str]]:
    """What is worse than when the maintenance began, and what the watch has not checked again since then; both empty
    when the host and its tenants are as well as before. A tenant that is no longer in the account is not missed."""
    worse = [
        f"{item.name} {fact.layer}: {fact.message}"
        for item in after
        for fact in item.facts
        if fact.grade in BAD and fact.layer not in NOT_JUDGED and (item.tenant, str(fact.layer)) not in begun.bad
    ]
    known = {item.tenant: item for item in after}
    unseen = [
        f"{known[tenant].name} {layer}: not checked yet"
        for tenant, layer in sorted(begun.well)
        if layer in AWAITED and tenant in known and not any(_fresh(known[tenant].facts, layer, since))
    ]
    return worse, unseen


def _fresh(facts: Iterable[Fact], layer: str, since: float) -> Iterator[bool]:
    return (True for fact in facts if fact.layer == layer and fact.at >= since)
