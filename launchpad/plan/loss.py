"""Whether the loss of a host is proven: by its last game day, and by how long ago that was. Pure."""

from __future__ import annotations

from launchpad.fleet.model.fleet import Fleet, remote_targets
from launchpad.plan.fleet_plan import Seen
from launchpad.plan.observed import HostSeen
from launchpad.runner.facts import Fact, GameDay, Grade, Layer
from launchpad.runner.hint import Next

DAY, HOUR, MINUTE = 86_400.0, 3600.0, 60.0


def losses(fleet: Fleet, seen: Seen) -> dict[str, Fact]:
    """Host → what is proven of its loss. Only for hosts that answered and have tenants that could come back elsewhere,
    in a fleet of two hosts or more."""
    if len(fleet.hosts) < 2:
        return {}
    every = float(fleet.defaults.gameday_every.seconds)
    return {
        host: loss_fact(host, said, every=every)
        for host, said in seen.items()
        if isinstance(said, HostSeen)
        and (said.gameday or any(remote_targets(fleet, tenant) for tenant in fleet.tenants_of(host)))
    }


def loss_fact(host: str, said: HostSeen, *, every: float) -> Fact:
    """The fact; a warning when nothing is proven, when a tenant did not come back, and when the proof is older than
    `every` seconds."""
    fact = Fact(layer=Layer.loss, grade=Grade.ok, message="", subject="gameday", at=said.clock)
    hint: str = Next("gameday", host)
    if said.gameday is None:
        return fact.but(grade=Grade.warning, message="never proven", hint=hint)
    last, age = said.gameday, max(0.0, said.clock - said.gameday.at)
    message = f"{came_back(last)}, {'tried' if last.missing else 'proven'} {ago(age)}"
    if last.missing:
        some = ", ".join(last.missing[:3]) + (f" and {len(last.missing) - 3} more" if last.missing[3:] else "")
        message += f"; not back: {some}"
    is_well = not last.missing and age <= every
    grade, hint = (Grade.ok, "") if is_well else (Grade.warning, hint)
    return fact.but(grade=grade, message=message, hint=hint, value=age, unit="s", limit=every)


def came_back(last: GameDay) -> str:
    """`12 of 12 back in 14 min`"""
    number = len(last.tenants)
    return f"{number - len(last.missing)} of {number} back in {minutes(last.seconds)}"


def minutes(seconds: float) -> str:
    """`14 min`; `40 s` below a minute and a half."""
    return f"{seconds:.0f} s" if seconds < 1.5 * MINUTE else f"{seconds / MINUTE:.0f} min"


def ago(seconds: float) -> str:
    """`3 days ago`, `5 hours ago`."""
    for length, noun in ((DAY, "day"), (HOUR, "hour")):
        if number := int(seconds // length):
            return f"{number} {noun}{'' if number == 1 else 's'} ago"
    return "within the last hour"
