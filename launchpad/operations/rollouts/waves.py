"""waves: continue a rollout from its present state, by any operator; the state is read from the hosts.

Hosts work in parallel, each on one tenant at a time. A wave is judged after all its upgrades have ended and its soak
has passed. The next wave starts only after the verdict `pass`, or after a verdict that an operator accepted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from launchpad.errors import LaunchpadError, StateError
from launchpad.events import Event, HeardEvent, MemberEnded, OnEvent, WaveJudged, WaveSoaking, WaveStarted, ignore
from launchpad.operations.rollouts.rollout_tenant import Halted, Wards, forth
from launchpad.operations.rollouts.rollouts import Progress, following, look, prepare, say
from launchpad.operations.tenants.written_version import write_version
from launchpad.plan.rollout_waves import Judgement, MemberState, judgement
from launchpad.runner.hint import Next
from launchpad.runner.protocol import Intent, Member, Rollout, Wave
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

FLAP_SECONDS = 10
"""The interval at which an upgraded tenant that is not healthy when its wave is judged is checked again, for as long as
the rollout's patience, because its host may have just rebooted."""
OPEN = ("waiting", "running")
Change = Callable[[Wards, Member, MemberState], MemberState]


def go_on(workspace: Workspace, rollout: Rollout, *, accept: bool = False, on_event: OnEvent = ignore) -> Progress:
    """Continue the rollout as far as the verdicts allow; return its progress.

    With `accept` the rollout continues past the wave where it halted. StateError when that wave failed and `accept` is
    not given, when the rollout is being undone, or when another operator has changed its intent.
    """
    progress = look(workspace, rollout)
    if not accept and any(progress.judgements[index].verdict == "fail" for index in stuck_at(progress)):
        every = [member.tenant for wave in rollout.waves for member in wave.members]
        progress = patient(workspace, progress, every, again=lambda: look(workspace, rollout))
    intent = _agreed(progress, accept=accept)
    if intent is None:
        return progress
    if progress.intent is None:
        prepare(workspace, rollout)
    say(workspace, rollout, intent)
    return _Waves(workspace, rollout, on_event, intent).run()


def _agreed(progress: Progress, *, accept: bool) -> Intent | None:
    """The next intent of the rollout; None when the rollout has ended."""
    rollout, intent = progress.rollout, progress.intent
    if intent is not None and intent.what in ("undo", "undone"):
        raise StateError(
            f"rollout {rollout.id} was undone, or is being undone",
            code="rollout-undone-being-undone",
            hint=Next("rollout", rollout.app, "--undo"),
        )
    if intent is not None and intent.what == "over" and not progress.having(*OPEN):
        return None
    stuck = stuck_at(progress)
    if accept:
        return following(intent, "go", accepted=stuck)
    for index in stuck[:1]:
        item = progress.judgements[index]
        if item.verdict == "fail":
            raise StateError(
                f"rollout {rollout.id}: ring {item.ring} failed: {item.reason}",
                code="rollout-ring-failed",
                hint="to continue despite the failure: "
                + Next("rollout", rollout.app, "--resume", "--accept")
                + "; to undo the rollout: "
                + Next("rollout", rollout.app, "--undo"),
            )
    return following(intent, "go")


def patient(workspace: Workspace, progress: Progress, names: list[str], *, again: Callable[[], Progress]) -> Progress:
    """The progress once every successfully upgraded tenant is healthy, or after the rollout's patience."""
    end = workspace.clock.monotonic() + max(progress.rollout.patience, FLAP_SECONDS)
    while any(progress.states[name].ailing for name in names) and workspace.clock.monotonic() < end:
        workspace.clock.sleep(FLAP_SECONDS)
        progress = again()
    return progress


def stuck_at(progress: Progress) -> list[int]:
    """The indices of the waves that block the rollout, up to the first wave that has not ended."""
    intent, stuck = progress.intent or Intent(serial=0, what="go"), []
    for index, item in enumerate(progress.judgements):
        if item.verdict == "open":
            break
        if _blocks(intent, index, item):
            stuck.append(index)
    return stuck


def _blocks(intent: Intent, index: int, item: Judgement) -> bool:
    if index in intent.accepted or item.verdict == "pass":
        return False
    return not (item.verdict == "inconclusive" and index in intent.passed)


@dataclass
class _Waves:
    workspace: Workspace
    rollout: Rollout
    on_event: OnEvent
    intent: Intent
    ended: dict[str, MemberState] = field(default_factory=dict)
    """The ended states that this operator saw, by tenant: a rejection by a host is in no journal."""
    unwritten: dict[str, LaunchpadError] = field(default_factory=dict)

    def run(self) -> Progress:
        wards = Wards(self.workspace, self.rollout, self.on_event, serial=self.intent.serial)
        progress = self.look()
        for index, wave in enumerate(self.rollout.waves):
            stop = Stop(wave, progress.states, unlimited=index in self.intent.accepted)
            while not stop() and (todo := self.todo(wave, progress)):
                tell(wards, WaveStarted(ring=wave.ring, tenants=len(todo), hosts=len({item.host for item in todo})))
                self.ended |= carried(wards, todo, progress.states, change=forth, stop=stop)
                progress = self.look()
            if stop.halted is not None:
                return progress
            verdict, progress = self.judged(wards, wave, progress)
            tell(wards, self.told(index, verdict))
            if _blocks(self.intent, index, verdict):
                return self.say(progress, "halt", reason=f"ring {wave.ring}: {verdict.verdict}: {verdict.reason}")
            if verdict.verdict == "pass" and index not in self.intent.passed:
                progress = self.say(progress, "go", passed=index)
        return self.say(progress, "over")

    def told(self, index: int, verdict: Judgement) -> WaveJudged:
        passed_over = verdict.verdict != "pass" and not _blocks(self.intent, index, verdict)
        reason = f"{verdict.reason}; the rollout continues all the same" if passed_over else verdict.reason
        return WaveJudged(ring=verdict.ring, verdict=verdict.verdict, reason=reason)

    def todo(self, wave: Wave, progress: Progress) -> list[Member]:
        """The members that are left to do and that this operator has not tried."""
        open_ones = (member for member in wave.members if progress.states[member.tenant].outcome in OPEN)
        return [member for member in open_ones if member.tenant not in self.ended]

    def judged(self, wards: Wards, wave: Wave, progress: Progress) -> tuple[Judgement, Progress]:
        """The wave's verdict, after its soak. A failure ends the wait at once."""
        verdict = judgement(wave, progress.states)
        steady = [progress.states[member.tenant].steady for member in wave.members]
        left = max((wave.soak - seconds for seconds in steady if seconds is not None), default=0.0)
        if left > 0 and verdict.verdict in ("pass", "inconclusive"):
            tell(wards, WaveSoaking(ring=wave.ring, seconds=round(left, 1)))
            self.workspace.clock.sleep(left)
            progress = self.look()
            verdict = judgement(wave, progress.states)
        if verdict.verdict == "fail":
            progress = patient(self.workspace, progress, [member.tenant for member in wave.members], again=self.look)
            verdict = judgement(wave, progress.states)
        return verdict, progress

    def look(self) -> Progress:
        """The progress from the hosts, with this operator's own knowledge; write the running versions into the
        inventory."""
        progress = merged(look(self.workspace, self.rollout), self.ended)
        self.unwritten |= write_down(self.workspace, progress)
        return replace(progress, unwritten=dict(self.unwritten))

    def say(self, progress: Progress, what: str, *, reason: str = "", passed: int | None = None) -> Progress:
        self.intent = following(self.intent, what, reason=reason)
        if passed is not None:
            self.intent = self.intent.but(passed=(*self.intent.passed, passed))
        say(self.workspace, self.rollout, self.intent)
        return replace(progress, intent=self.intent)


class Stop:
    """Whether a wave starts no further upgrade: its failure budget is spent, or an operator halted the rollout. Threads
    share it."""

    def __init__(self, wave: Wave, known: Mapping[str, MemberState], *, unlimited: bool = False) -> None:
        self._guard = threading.Lock()
        self._left = float("inf") if unlimited else wave.budget
        self._failed = sum(known[member.tenant].outcome == "failed" for member in wave.members)
        self.halted: Intent | None = None

    def __call__(self) -> bool:
        with self._guard:
            return self.halted is not None or self._failed > self._left

    def note(self, state: MemberState) -> None:
        with self._guard:
            self._failed += state.outcome == "failed"

    def halt(self, intent: Intent) -> None:
        with self._guard:
            self.halted = intent


def carried(
    wards: Wards, members: list[Member], known: Mapping[str, MemberState], *, change: Change, stop: Stop
) -> dict[str, MemberState]:
    """The state of each member that was tried; hosts in parallel, each with one tenant at a time. A host that falls
    silent gets no further request."""
    queues: dict[str, list[Member]] = {}
    for member in members:
        queues.setdefault(member.host, []).append(member)

    def work(host: str) -> dict[str, MemberState]:
        ended: dict[str, MemberState] = {}
        for member in queues[host]:
            if stop():
                break
            try:
                state = change(wards, member, known[member.tenant])
            except Halted as halted:
                stop.halt(halted.intent)
                break
            stop.note(state)
            ended[member.tenant] = state
            _tell_end(wards, state)
            if state.silent:
                break
        return ended

    results = fanout(queues, work, threads=wards.workspace.settings.parallel)
    found: dict[str, MemberState] = {}
    for result in results.values():
        if isinstance(result, LaunchpadError):
            raise result
        found |= result
    return found


def _tell_end(wards: Wards, state: MemberState) -> None:
    seconds = state.seconds or 0.0
    ended = MemberEnded(ring=state.ring, outcome=state.outcome, message=state.message, seconds=seconds)
    tell(wards, ended, state=state)


UNTOLD = {"waiting": ("failed", "left", "unknown"), "running": ("unknown",)}
"""A tenant's outcome on its host → the outcomes of this operator that count instead."""


def merged(progress: Progress, ended: Mapping[str, MemberState]) -> Progress:
    """Merge the outcomes that only this operator saw and that are in no journal: a rejection, or an unreachable
    host."""
    told = {
        tenant: state
        for tenant, state in ended.items()
        if state.outcome in UNTOLD.get(progress.states[tenant].outcome, ())
    }
    return progress.with_states(told)


def write_down(workspace: Workspace, progress: Progress) -> dict[str, LaunchpadError]:
    """Write the versions of upgraded tenants into the inventory, where it still has the earlier versions; return the
    failures by tenant. Needed for upgrades that ended while no operator followed them."""
    fleet = workspace.fleet.load()
    before: dict[str, str] = {}
    for wave in progress.rollout.waves:
        before |= {member.tenant: member.version for member in wave.members}
    unwritten: dict[str, LaunchpadError] = {}
    for state in progress.having("changed", "undone"):
        tenant = next((item for name, item in fleet.tenants.items() if name == state.tenant), None)
        stale = before[state.tenant] if state.outcome == "changed" else progress.rollout.version
        if tenant is None or tenant.host != state.host or tenant.version != stale or state.version == stale:
            continue
        try:
            write_version(workspace, tenant, state.version)
        except LaunchpadError as error:
            unwritten[state.tenant] = error
    return unwritten


def tell(wards: Wards, event: Event, *, state: MemberState | None = None) -> None:
    """Report an event of the rollout, or of one of its tenants."""
    host, tenant = (state.host, state.tenant) if state else ("", "")
    wards.on_event(HeardEvent(host=host, operation=wards.rollout.id, tenant=tenant, event=event))
