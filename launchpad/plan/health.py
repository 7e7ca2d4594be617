"""How well a tenant, a host and the fleet are: the worst grade, in which layers, and what to type next. Pure.

The facts are those of the host's watch. What only the inventory's side knows is added: a tenant that is absent, that
stands still, that runs twice; a host that does not answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from launchpad.errors import LaunchpadError
from launchpad.plan.observed import FindingSeen, HostSeen
from launchpad.plan.outside import FRESH_SECONDS as OUTSIDE_SECONDS
from launchpad.plan.outside import seen_of
from launchpad.plan.standing import STATES, STILL, Standing
from launchpad.runner.facts import WORSE, Fact, Grade, Layer, fact_of, lateness, worst
from launchpad.runner.hint import Next

FRESH_SECONDS = 300.0
"""An older fact says nothing any more."""
LONG_FRESH: Mapping[Layer, float] = {
    Layer.provider: 2700.0, Layer.channel: 2700.0, Layer.targets: 2700.0, Layer.updates: 7200.0
}  # fmt: skip
"""Layers that the watch asks about more rarely."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """One tenant, or one host itself."""

    host: str
    tenant: str
    """Empty for the host itself."""
    facts: tuple[Fact, ...]
    """The worst first."""
    clock: float
    """The host's, when it was asked: a fact's age is the time since `at`. 0 where the host did not answer."""

    @property
    def name(self) -> str:
        return self.tenant or self.host

    @property
    def grade(self) -> Grade:
        return worst(fact.grade for fact in self.facts)

    @property
    def wrong(self) -> tuple[Fact, ...]:
        """The facts that are not ok, the worst first."""
        return tuple(fact for fact in self.facts if fact.grade is not Grade.ok)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Where something is not ok, the worst first."""
        return tuple(dict.fromkeys(fact.layer for fact in self.wrong))

    def as_json(self) -> dict[str, Any]:
        facts = [
            fact.plain() | {"age_seconds": max(0.0, self.clock - fact.at) if fact.at else None} for fact in self.facts
        ]
        return {"host": self.host, "tenant": self.tenant, "grade": self.grade, "layers": self.layers, "facts": facts}


def healths(
    tenants: Sequence[Standing],
    hosts: Mapping[str, HostSeen | LaunchpadError],
    losses: Mapping[str, Fact] = MappingProxyType({}),
) -> tuple[Health, ...]:
    """Each host, then each tenant, by name; `losses`: what is proven of the loss of hosts."""
    return (
        *(
            host_health(name, said, tuple(seen_of(name, hosts)), loss=losses.get(name))
            for name, said in sorted(hosts.items())
        ),
        *(tenant_health(item, hosts.get(item.host)) for item in sorted(tenants, key=lambda item: item.tenant)),
    )


def host_health(
    name: str, said: HostSeen | LaunchpadError, seen: Sequence[Fact] = (), *, loss: Fact | None = None
) -> Health:
    """The host itself, without its tenants; `seen` is what other hosts see of a host that does not answer."""
    if isinstance(said, LaunchpadError):
        message = said.message.removeprefix(f"{name}: ")
        silent = Fact(layer=Layer.watch, grade=Grade.unknown, message=message, hint=said.hint, subject="unreachable")
        own = (fact for fact in seen if not fact.tenant)
        return Health(host=name, tenant="", facts=_judged((silent, *own), 0.0), clock=0.0)
    known = {f"{fact.message}: {fact.hint}" for fact in said.health}
    problems = (
        Fact(layer=Layer.settings, grade=Grade.warning, message=text, subject="problem", at=said.clock)
        for text in said.problems
        if text not in known
    )
    proven = () if loss is None else (loss,)
    facts = (*said.health, *_more(said.findings, said.health, tenant="", at=said.clock), *problems, *proven)
    return Health(host=name, tenant="", facts=_judged(facts, said.clock), clock=said.clock)


def tenant_health(standing: Standing, said: HostSeen | LaunchpadError | None) -> Health:
    """The tenant on its host, as `said` by the host; None for a tenant that is on no host."""
    clock = said.clock if isinstance(said, HostSeen) else 0.0
    known = (
        *_with_backups(standing, clock),
        *_more(standing.findings, standing.health, tenant=standing.tenant, at=clock),
    )
    wrong = {fact.layer for fact in known if fact.grade is Grade.critical}
    # Without Docker nothing of a tenant can be compared, which is the host's trouble and is told there.
    blind = isinstance(said, HostSeen) and not said.docker
    own = (fact for fact in _standing(standing) if not (blind and fact.subject == "drift"))
    facts = (*known, *(fact for fact in own if fact.layer not in wrong))
    return Health(host=standing.host, tenant=standing.tenant, facts=_judged(facts, clock), clock=clock)


def _with_backups(standing: Standing, clock: float) -> Iterator[Fact]:
    """The watch's facts, with the age of its newest backup judged by what its tier expects."""
    every, age = standing.backup_every, standing.backup_age_seconds
    judged = every is not None and standing.state not in STILL and clock > 0
    yield from (fact for fact in standing.health if not (judged and fact.subject == "backup"))
    if not judged or every is None:
        return
    late = (standing.age_seconds or 0.0) if age is None else age
    grade = lateness(late, every)
    yield Fact(
        layer=Layer.data,
        grade=grade,
        message="has no backup" if age is None else f"was backed up {late / 3600:.0f} h ago",
        hint="" if grade is Grade.ok else Next("backup", standing.tenant),
        tenant=standing.tenant,
        subject="backup",
        at=clock,
        value=late,
        unit="s",
        limit=every,
    )


def _judged(facts: Iterable[Fact], clock: float) -> tuple[Fact, ...]:
    """The worst first; a fact that is too old to be believed is unknown."""
    fresh = [fact.but(grade=Grade.unknown) if _is_old(fact, clock) else fact for fact in facts]
    return tuple(sorted(fresh, key=lambda fact: (-WORSE.index(fact.grade), list(Layer).index(fact.layer))))


def _is_old(fact: Fact, clock: float) -> bool:
    most = OUTSIDE_SECONDS if fact.host else LONG_FRESH.get(fact.layer, FRESH_SECONDS)
    return bool(clock and fact.at) and clock - fact.at > most


def _more(findings: Iterable[FindingSeen], facts: Iterable[Fact], *, tenant: str, at: float) -> Iterator[Fact]:
    """What was found at the moment of asking, and what the watch's facts do not tell."""
    told = {fact.subject for fact in facts if fact.grade is not Grade.ok}
    critical = {fact.layer for fact in facts if fact.grade is Grade.critical}
    for item in findings:
        fact = fact_of(item, tenant=tenant, at=at)
        if item.subject not in told and (item.since or fact.layer not in critical):
            yield fact


def _standing(item: Standing) -> Iterator[Fact]:
    """What the inventory's side knows of the tenant."""
    deploys = Next("deploy", item.tenant)
    told = {
        "absent": (Layer.process, Grade.critical, deploys),
        "broken": (Layer.process, Grade.critical, Next("logs", item.tenant)),
        "unhealthy": (Layer.ready, Grade.critical, Next("logs", item.tenant)),
        "starting": (Layer.process, Grade.warning, ""),
        "doubled": (Layer.data, Grade.critical, ""),
        "unreachable": (Layer.process, Grade.unknown, ""),
    }
    plain = Fact(layer=Layer.process, grade=Grade.ok, message="", tenant=item.tenant, subject=item.state)
    if item.state in told:
        layer, grade, hint = told[item.state]
        message = "; ".join(item.remarks) or STATES[item.state]
        yield plain.but(layer=layer, grade=grade, message=message, hint=hint)
    elif item.wanted_running and item.state in STILL:
        hint = Next("start", item.tenant) if item.state == "stopped" else ""
        message = f"{item.state}, and the inventory says that it runs"
        yield plain.but(grade=Grade.critical, message=message, hint=hint)
    if item.readable and not item.wanted_version and item.state not in STILL and item.state not in told:
        hint = Next("retire", item.tenant, "--host", item.host)
        message = f"runs on {item.host}: {'; '.join(item.remarks) or 'not in the inventory'}"
        yield plain.but(grade=Grade.warning, message=message, hint=hint, subject="stranger")
    if not item.readable:
        message = "; ".join(item.remarks)
        yield plain.but(grade=Grade.unknown, message=message, hint=Next("check"), subject="inventory")
    for drift in item.drift:
        yield plain.but(grade=Grade.warning, message=f"changed by hand: {drift}", hint=deploys, subject="drift")
