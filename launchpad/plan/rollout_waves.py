"""Plan and judge a rollout: the waves, each tenant's state, and each wave's verdict. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from launchpad.errors import LaunchpadError
from launchpad.fleet.model.rings import Ring
from launchpad.fleet.model.rings import RolloutDefaults as Settings
from launchpad.plan.observed import HostSeen, TenantSeen
from launchpad.runner.hint import Next
from launchpad.runner.protocol import Intent, Member, Rollout, Wave, digest_of

Outcome = Literal["waiting", "running", "changed", "failed", "unknown", "left", "undone"]
"""A tenant's state in a rollout: not begun; its upgrade runs; runs the new version and is healthy; was tried and is as
before, or is unhealthy; its host does not answer, or another operation holds it; no longer part of the rollout; was
rolled back."""

Verdict = Literal["open", "pass", "fail", "inconclusive"]
FORTH, BACK = "u", "r"
"""The letters in the ids of a rollout's operations: upgrade, rollback."""
WENT_WELL = frozenset({"done", "incomplete", "unchanged"})
ATTEMPTS = "0123456789abcdefghijklmnopqrstuvwxyz"
"""An attempt's number as one character of an id; the last character stands for all later attempts."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A tenant that a rollout may change. `ring` comes from its file; `well`: its probes pass now."""

    tenant: str
    host: str
    version: str
    ring: str = ""
    well: bool = True


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation of a rollout. `outcome` is empty while it runs; `at` and `seconds` by the host's clock."""

    id: str
    tenant: str
    outcome: str
    message: str
    at: float
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class HostSaid:
    """A host's answer about a rollout."""

    seen: HostSeen
    operations: tuple[Operation, ...]
    intent: Intent | None


@dataclass(frozen=True, kw_only=True)
class MemberState:
    """The state of a rollout's tenant."""

    tenant: str
    host: str
    ring: str
    outcome: Outcome
    version: str = ""
    """The running version; empty when unknown."""
    message: str = ""
    hint: str = ""
    seconds: float | None = None
    """The duration of its upgrade or rollback in seconds."""
    steady: float | None = None
    """Seconds for which it has been healthy since."""
    operation: str = ""
    """The id of its newest operation for this rollout."""
    proves: bool = True
    ailing: bool = False
    """Whether the upgrade succeeded but the tenant is unhealthy now."""
    silent: bool = False
    """Whether the state is unknown because the host does not answer."""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A wave's verdict, with the reason in words."""

    ring: str
    verdict: Verdict
    reason: str


def spread(candidates: Iterable[Candidate], settings: Settings, *, seed: str) -> tuple[Wave, ...]:
    """The waves, with each tenant in one: in the ring that its file names, the others randomly by the seed, evenly over
    the hosts. A tenant that is unhealthy now proves nothing, and comes last unless its file names a ring. A ring
    without tenants makes no wave."""
    known = sorted(candidates, key=lambda item: item.tenant)
    named = {item.tenant for item in known if item.ring in settings.names}
    rest = _shuffled([item for item in known if item.tenant not in named], seed)
    made, taken = [], 0
    for ring in settings.rings:
        if ring.ring.name:
            members = _shuffled([item for item in known if item.ring == ring.ring.name], seed)
        else:
            most = len(rest) if ring.ring.share is None else max(0, _share(ring.ring.share, len(known)) - taken)
            members, rest = rest[:most], rest[most:]
        taken += len(members)
        if members:
            made.append(_wave(ring, settings, members))
    return tuple(made)


def _share(percent: int, of: int) -> int:
    """A percentage of a number; at least 1."""
    return -(-percent * of // 100)


def _shuffled(candidates: Sequence[Candidate], seed: str) -> list[Candidate]:
    """Each host's tenants in an order by the seed, merged in proportion."""
    chance = {item.tenant: digest_of(f"{seed} {item.tenant}".encode()) for item in candidates}
    place: dict[str, float] = {}
    for group in {(item.host, item.well) for item in candidates}:
        mine = sorted((item for item in candidates if (item.host, item.well) == group), key=lambda i: chance[i.tenant])
        place |= {item.tenant: (index + 0.5) / len(mine) for index, item in enumerate(mine)}
    return sorted(candidates, key=lambda item: (not item.well, place[item.tenant], chance[item.tenant]))


def _wave(ring: Ring, settings: Settings, members: Iterable[Candidate]) -> Wave:
    return Wave(
        ring=str(ring.ring),
        soak=(ring.soak or settings.soak).seconds,
        budget=settings.budget if ring.budget is None else ring.budget,
        members=tuple(
            Member(tenant=item.tenant, host=item.host, version=item.version, proves=item.well) for item in members
        ),
    )


# --- the ids of its operations ----------------------------------------------------------------------------------------


def operation_id(rollout: str, tenant: str, way: str, attempt: int = 1) -> str:
    """The id of a tenant's operation in a rollout: always the same, so that a continued rollout finds it."""
    return f"{rollout}-{way}{ATTEMPTS[min(attempt, len(ATTEMPTS) - 1)]}-{digest_of(tenant.encode())[7:19]}"


def attempt_of(rollout: str, operation: str) -> int:
    """The number of the attempt; the first is 1."""
    return ATTEMPTS.index(operation.removeprefix(f"{rollout}-")[1])


def way_of(rollout: str, operation: str) -> str:
    """FORTH or BACK for an operation of the rollout; empty for another operation."""
    return operation.removeprefix(f"{rollout}-")[:1] if operation.startswith(f"{rollout}-") else ""


# --- states -----------------------------------------------------------------------------------------------------------


def states(rollout: Rollout, said: Mapping[str, HostSaid | LaunchpadError]) -> dict[str, MemberState]:
    """The state of every tenant of the rollout from its host's answer, in the order of the waves."""
    found = {}
    for wave in rollout.waves:
        for member in wave.members:
            answer = said[member.host]
            if isinstance(answer, LaunchpadError):
                message = answer.message.removeprefix(f"{member.host}: ")
                found[member.tenant] = _state(wave, member, "unknown", message=message, hint=answer.hint, silent=True)
            else:
                found[member.tenant] = _standing(rollout, wave, member, answer)
    return found


def _standing(rollout: Rollout, wave: Wave, member: Member, said: HostSaid) -> MemberState:
    has = said.seen.tenants.get(member.tenant)
    mine = [item for item in said.operations if item.tenant == member.tenant]
    last = mine[-1] if mine else None
    if last is not None and not last.outcome:
        return _state(wave, member, "running", version=has.version if has else "", operation=last.id)
    if has is None or has.retired:
        return _state(wave, member, "left", message="is no longer on its host", hint=_history(member))
    forth = next((item for item in reversed(mine) if way_of(rollout.id, item.id) == FORTH), None)
    more: dict[str, Any] = {"version": has.version}
    if last is not None:
        more |= {"operation": last.id, "seconds": last.seconds}
    if last is not None and way_of(rollout.id, last.id) == BACK and last.outcome in WENT_WELL:
        return _state(wave, member, "undone", **more)
    if forth is None:
        return _not_begun(rollout, wave, member, has)
    if forth.outcome not in WENT_WELL:
        return _state(wave, member, "failed", message=forth.message or forth.outcome, hint=_steps(member), **more)
    if has.version != rollout.version:
        return _state(wave, member, "failed", message=f"runs {has.version} again", hint=_history(member), **more)
    if wrong := _ails(has) if member.proves else "":
        return _state(
            wave, member, "failed", message=f"was upgraded, but {wrong}", hint=_logs(member), ailing=True, **more
        )
    back = "" if last is forth or last is None else f"could not be rolled back: {last.message}"
    steady = max(0.0, said.seen.clock - forth.at - (forth.seconds or 0.0))
    return _state(wave, member, "changed", message=back, steady=steady, **more)


def _not_begun(rollout: Rollout, wave: Wave, member: Member, has: TenantSeen) -> MemberState:
    if has.version == rollout.version:
        return _state(wave, member, "left", version=has.version, message=f"runs {has.version} already")
    if not has.running:
        hint = Next("start", member.tenant)
        return _state(wave, member, "left", version=has.version, message="is stopped", hint=hint)
    return _state(wave, member, "waiting", version=has.version)


def _state(wave: Wave, member: Member, outcome: Outcome, **more: Any) -> MemberState:
    return MemberState(
        tenant=member.tenant, host=member.host, ring=wave.ring, outcome=outcome, proves=member.proves, **more
    )


def _ails(has: TenantSeen) -> str:
    """The tenant's present problem by its deciding probes; empty while an operation runs."""
    if has.operation:
        return ""
    if has.breaker:
        return has.breaker
    wrong = next((probe for probe in has.probes if probe.decides and not probe.ok), None)
    return f"{wrong.kind} {wrong.detail or 'fails'} now" if wrong else ""


def _steps(member: Member) -> str:
    return Next("history", member.tenant, "--steps")


def _history(member: Member) -> str:
    return Next("history", member.tenant)


def _logs(member: Member) -> str:
    return Next("logs", member.tenant)


# --- verdicts ---------------------------------------------------------------------------------------------------------


def judgement(wave: Wave, known: Mapping[str, MemberState]) -> Judgement:
    """The wave's verdict. fail: more tenants failed than the budget allows. open: something is left to do.
    inconclusive: with the unknown tenants, the budget could be exceeded. Otherwise pass."""
    mine = [known[member.tenant] for member in wave.members]
    failed = [item for item in mine if item.outcome == "failed"]
    unknown = [item for item in mine if item.outcome == "unknown"]
    silent = [item for item in unknown if item.silent]
    held = [item for item in unknown if not item.silent]
    blind = [item for item in mine if item.outcome == "changed" and not item.proves]
    count, allowed = len(mine), f"{wave.budget} may" if wave.budget else "none may"
    verdict: Verdict = "pass"
    if len(failed) > wave.budget:
        verdict = "fail"
    elif any(item.outcome in ("waiting", "running") for item in mine):
        verdict = "open"
    elif len(failed) + len(unknown) + len(blind) > wave.budget:
        verdict = "inconclusive"
    told = [
        *([f"{len(failed)} of {count} failed"] if failed else ()),
        *([f"{len(silent)} of {count} on hosts that do not answer"] if silent else ()),
        *([f"{len(held)} of {count} held by another operation"] if held else ()),
        *([f"{len(blind)} of {count} were unhealthy before the rollout too"] if blind else ()),
    ]
    reason = f"{', '.join(told)}; {allowed} fail" if told else ""
    return Judgement(ring=wave.ring, verdict=verdict, reason=reason)


def newest_intent(said: Iterable[HostSaid | LaunchpadError]) -> Intent | None:
    """The newest intent of all hosts; None without one."""
    intents = [item.intent for item in said if isinstance(item, HostSaid) and item.intent is not None]
    return max(intents, key=lambda item: item.serial, default=None)


def to_take_back(rollout: Rollout, known: Mapping[str, MemberState]) -> Iterator[tuple[Wave, list[MemberState]]]:
    """The tenants that an undo has to roll back, last wave first: those that run the rollout's version because of it,
    or still may."""
    for wave in reversed(rollout.waves):
        mine = [known[member.tenant] for member in wave.members]
        found = [
            item
            for item in mine
            if item.outcome in ("changed", "running")
            or (item.outcome == "failed" and item.operation and item.version == rollout.version)
        ]
        if found:
            yield wave, found
