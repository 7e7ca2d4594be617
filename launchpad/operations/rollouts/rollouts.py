"""rollouts: list rollouts from the records on their hosts, read a rollout's progress, and set its intent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from launchpad.errors import LaunchpadError, PartialError, StateError
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.observing import OBSERVE_SECONDS
from launchpad.operations.requests.reaching import hosts_of
from launchpad.plan.observed import host_from_reply
from launchpad.plan.rollout_waves import HostSaid, Judgement, MemberState, Operation, judgement, newest_intent, states
from launchpad.runner.hint import Next
from launchpad.runner.protocol import Intent, Rollout, record_as_json
from launchpad.runner.wire.rollout_bodies import KnownRollout, Rollouts, RolloutsReply, WriteRollout
from launchpad.ssh.fanout import all_or_error, failures, fanout, successes
from launchpad.workspace import Workspace

AGAIN = "type the same command again for the tenants that are left"
STANDS = {"go": "going on", "halt": "halted", "over": "over", "undo": "being undone", "undone": "undone"}
"""The state of a rollout, by its operators' last intent."""
UNFINISHED = frozenset({"", "go", "undo"})


@dataclass(frozen=True, kw_only=True)
class Known:
    """A rollout, as the hosts that answered have it."""

    rollout: Rollout
    who: str
    at: float
    """When the rollout was recorded on its first host, by that host's clock."""
    intent: Intent | None
    """The operators' last intent; None before the first wave started."""

    @property
    def stands(self) -> str:
        return STANDS[self.intent.what] if self.intent else "prepared"

    @property
    def tenants(self) -> int:
        return sum(len(wave.members) for wave in self.rollout.waves)

    def as_json(self) -> dict[str, Any]:
        intent = record_as_json(self.intent) if self.intent else None
        named = {"who": self.who, "at": self.at, "stands": self.stands, "intent": intent}
        return {"rollout": record_as_json(self.rollout)} | named


@dataclass(frozen=True, kw_only=True)
class KnownRollouts:
    """Every rollout, newest first, and the hosts that did not answer."""

    rollouts: tuple[Known, ...]
    silent: dict[str, LaunchpadError]
    answered: bool
    """Whether a host answered."""

    def as_json(self) -> dict[str, Any]:
        return {
            "rollouts": [item.as_json() for item in self.rollouts],
            "unreachable": {name: error.as_dict() for name, error in self.silent.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress of a rollout: each tenant's state, each wave's verdict."""

    rollout: Rollout
    intent: Intent | None
    states: Mapping[str, MemberState]
    silent: Mapping[str, LaunchpadError]
    """The hosts of the rollout that did not answer."""
    unwritten: Mapping[str, LaunchpadError] = field(default_factory=dict)
    """Tenants whose version could not be written into the inventory."""

    @property
    def answered(self) -> bool:
        """Whether a host answered."""
        return {state.host for state in self.states.values()} > self.silent.keys()

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        return tuple(judgement(wave, self.states) for wave in self.rollout.waves)

    def having(self, *outcomes: str) -> tuple[MemberState, ...]:
        """The tenants with one of these outcomes."""
        return tuple(item for item in self.states.values() if item.outcome in outcomes)

    def with_states(self, known: Mapping[str, MemberState]) -> Progress:
        """The same progress with some tenants' states replaced."""
        return replace(self, states={**self.states, **known})

    def as_json(self) -> dict[str, Any]:
        return {
            "rollout": record_as_json(self.rollout),
            "intent": record_as_json(self.intent) if self.intent else None,
            "stands": STANDS[self.intent.what] if self.intent else "prepared",
            "waves": [{"ring": item.ring, "verdict": item.verdict, "reason": item.reason} for item in self.judgements],
            "tenants": [item.as_json() for item in self.states.values()],
            "unreachable": {name: error.as_dict() for name, error in self.silent.items()},
            "unwritten": {name: error.as_dict() for name, error in self.unwritten.items()},
        }


def rollouts(workspace: Workspace, app: str = "") -> KnownRollouts:
    """All rollouts on the fleet's hosts, or an app's. A host that does not answer is in the result with its error."""
    fleet = workspace.fleet.load()
    if app:
        fleet.app(app)

    def read(name: str) -> list[Known]:
        with hosts_of(workspace).reach(fleet.host(name)) as runner:
            return [_known(item) for item in ask(runner, Rollouts()).rollouts]

    said = fanout([str(name) for name in fleet.hosts], read, threads=workspace.settings.parallel)
    merged: dict[str, Known] = {}
    for told in successes(said).values():
        for known in told:
            if app in ("", known.rollout.app):
                merged[known.rollout.id] = _newer(merged.get(known.rollout.id), known)
    newest = sorted(merged.values(), key=lambda item: (item.at, item.rollout.id), reverse=True)
    return KnownRollouts(rollouts=tuple(newest), silent=failures(said), answered=bool(successes(said)))


def find(workspace: Workspace, app: str, identifier: str = "") -> Known:
    """The app's newest rollout, or the rollout with that id, from any host. StateError when no host that answered has
    such a rollout."""
    found = rollouts(workspace, app)
    for item in found.rollouts:
        if identifier in ("", item.rollout.id):
            return item
    what = f"rollout {identifier} of {app}" if identifier else f"rollout of {app}"
    if found.silent:
        raise PartialError(
            f"no host that answered has a {what}, and {', '.join(found.silent)} did not answer",
            code="rollout-not-found-yet",
            hint=Next("status", next(iter(found.silent))),
            failures=found.silent,
        )
    raise StateError(
        f"no {what}", code="no-rollout-yet", hint="to start a rollout: " + Next("rollout", app, "--to", "VERSION")
    )


def look(workspace: Workspace, rollout: Rollout) -> Progress:
    """The present progress, read from the hosts: one connection to each host."""
    fleet = workspace.fleet.load()
    members: dict[str, list[str]] = {}
    for wave in rollout.waves:
        for member in wave.members:
            members.setdefault(member.host, []).append(member.tenant)

    def read(name: str) -> HostSaid:
        with hosts_of(workspace).reach(fleet.host(name)) as runner:
            told = ask(runner, Rollouts(id=rollout.id))
            body = {"tenants": members[name], "probes": True}
            seen = host_from_reply(runner.ask("observe", body, seconds=OBSERVE_SECONDS), host=name)
        return HostSaid(seen=seen, operations=operations_of(told), intent=intent_of(told))

    said = fanout(members, read, threads=workspace.settings.parallel)
    return Progress(
        rollout=rollout, intent=newest_intent(said.values()), states=states(rollout, said), silent=failures(said)
    )


def prepare(workspace: Workspace, rollout: Rollout) -> None:
    """Record the rollout on each of its hosts, so that any operator can resume it. Raises the host's error when a host
    rejects the record; nothing was started then."""
    fleet = workspace.fleet.load()

    def put(name: str) -> None:
        with hosts_of(workspace).reach(fleet.host(name)) as runner:
            ask(runner, WriteRollout(id=rollout.id, rollout=rollout))

    all_or_error(fanout(hosts_in(rollout), put, threads=workspace.settings.parallel), noun="hosts", hint=AGAIN)


def say(workspace: Workspace, rollout: Rollout, intent: Intent) -> None:
    """Send the rollout's intent to its hosts; a host that does not answer gets the next intent. StateError when another
    operator has sent a different intent meanwhile; HostError when no host answered."""
    fleet = workspace.fleet.load()

    def tell(name: str) -> None:
        with hosts_of(workspace).reach(fleet.host(name)) as runner:
            ask(runner, WriteRollout(id=rollout.id, intent=intent))

    told = fanout(hosts_in(rollout), tell, threads=workspace.settings.parallel)
    wrong = failures(told)
    for error in wrong.values():
        if isinstance(error, StateError):
            raise error
    if len(wrong) == len(told):
        all_or_error(told, noun="hosts", hint=AGAIN)


def halt(workspace: Workspace, known: Known) -> Known:
    """Halt the rollout: no further upgrade starts, and running upgrades continue to their end. StateError when the
    rollout has ended."""
    intent = known.intent
    if intent is not None and intent.what not in ("go", "halt"):
        raise StateError(f"rollout {known.rollout.id} is {known.stands}", code="rollout-state", hint=Next("rollouts"))
    if intent is not None and intent.what == "halt":
        return known
    halted = following(intent, "halt", reason=f"halted by {workspace.settings.operator}")
    say(workspace, known.rollout, halted)
    return replace(known, intent=halted)


def following(intent: Intent | None, what: Any, *, reason: str = "", accepted: Iterable[int] = ()) -> Intent:
    """The next intent after this one, with the passed and accepted waves of this one."""
    known = intent or Intent(serial=0, what="go")
    every = tuple(sorted({*known.accepted, *accepted}))
    return known.but(serial=known.serial + 1, what=what, accepted=every, reason=reason[:400])


def hosts_in(rollout: Rollout) -> list[str]:
    """Each host of the rollout once, in the order of the waves."""
    return list(dict.fromkeys(member.host for wave in rollout.waves for member in wave.members))


def operations_of(told: RolloutsReply) -> tuple[Operation, ...]:
    """The operations that a host started for a rollout."""
    return tuple(
        Operation(
            id=item.id,
            tenant=item.tenant,
            outcome=item.outcome or "",
            message=item.message,
            at=item.at,
            seconds=item.seconds,
        )
        for item in told.operations
    )


def intent_of(told: RolloutsReply) -> Intent | None:
    """The last intent on a host for the rollout."""
    return next((_known(item).intent for item in told.rollouts), None)


def _known(item: KnownRollout) -> Known:
    intent = item.intent.intent if item.intent else None
    return Known(rollout=item.rollout, who=item.who, at=item.at, intent=intent)


def _newer(one: Known | None, other: Known) -> Known:
    if one is None:
        return other
    intents = [item.intent for item in (one, other) if item.intent is not None]
    first = min((one, other), key=lambda item: item.at)
    return replace(first, intent=max(intents, key=lambda item: item.serial, default=None))
