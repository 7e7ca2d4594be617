"""What hosts see of one another from outside, among the facts of the host and the tenants that were looked at. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from launchpad.errors import LaunchpadError
from launchpad.plan.observed import FindingSeen, HostSeen, TenantSeen
from launchpad.runner.facts import Fact, Grade

Seen = Mapping[str, HostSeen | LaunchpadError]
FRESH_SECONDS = 900.0
"""Each name is asked every 5 minutes; an older fact says nothing any more."""


def with_outside(seen: Seen) -> dict[str, HostSeen | LaunchpadError]:
    """The hosts with what others of them see: only of tenants that run there, and of their present names."""
    return {
        name: said if isinstance(said, LaunchpadError) else _completed(said, tuple(seen_of(name, seen)))
        for name, said in seen.items()
    }


def seen_of(host: str, seen: Seen) -> Iterator[Fact]:
    """What the other hosts see of this host and its tenants, with times by this host's clock; by none where it does
    not answer."""
    own = seen.get(host)
    here = own.clock if isinstance(own, HostSeen) else None
    for said in (said for said in seen.values() if isinstance(said, HostSeen)):
        for fact in said.outside:
            if fact.host == host and fact.grade is not Grade.unknown and said.clock - fact.at <= FRESH_SECONDS:
                yield _with_times(fact, None if here is None else here - said.clock)


def _with_times(fact: Fact, shift: float | None) -> Fact:
    return fact.but(at=0.0, since=0.0) if shift is None else fact.but(at=fact.at + shift, since=fact.since + shift)


def _completed(said: HostSeen, facts: tuple[Fact, ...]) -> HostSeen:
    if not facts:
        return said
    own = tuple(fact for fact in facts if not fact.tenant)
    found = tuple(
        FindingSeen(subject=fact.subject, message=fact.message, hint=fact.hint, since=fact.since)
        for fact in own
        if fact.grade is Grade.critical
    )
    tenants = {
        name: dataclasses.replace(has, health=(*has.health, *(fact for fact in facts if _is_of(fact, has))))
        for name, has in said.tenants.items()
    }
    health, findings = (*said.health, *own), (*said.findings, *found)
    return dataclasses.replace(said, health=health, findings=findings, tenants=tenants)


def _is_of(fact: Fact, has: TenantSeen) -> bool:
    stands = has.running and not has.retired and not has.gone
    return fact.tenant == has.tenant and stands and fact.subject.partition(" ")[2] in has.domains
