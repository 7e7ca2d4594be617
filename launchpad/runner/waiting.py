"""What an operation waits for: open requests, probes that pass, a release that serves for a while."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import IPv4Address
from typing import Protocol

from launchpad.runner import slots
from launchpad.runner.cell import project, read_release, side_of, start, with_last_lines
from launchpad.runner.context import Context, check_cancelled
from launchpad.runner.host import Container, Failed, Host
from launchpad.runner.protocol import Probe, Release
from launchpad.runner.steps import AwaitIdle, AwaitProbes, Drain, Soak, StopSide

POLL_SECONDS = 0.25
SOAK_POLL_SECONDS = 1.0
PROBE_SECONDS = 5.0
QUIET = "quiet"
"""The action by which an app reports work that a stop should wait for: exit status 0 for no work, 1 for work. Any other
result is no reason to wait."""
QUIET_SECONDS, HELD_QUIET_SECONDS = 3.0, 1.0
"""Seconds for this action; and seconds while requests wait."""
QUIET_POLL_SECONDS = 1.0
OUT_OF_MEMORY = "was killed: out of memory"
"""In messages about a service that the kernel killed; `diagnose` finds these words in an operation's message."""
FLAP_SECONDS = 10.0
"""Seconds for which a probe may fail during a soak: one missed answer on a busy host must not undo the operation."""


class OfSide(Protocol):
    """A step on one side of a tenant."""

    @property
    def slot(self) -> int: ...
    @property
    def side(self) -> slots.Side: ...


def addresses(step: OfSide) -> list[IPv4Address]:
    """Every address of the side, used or unused."""
    return [slots.address(step.slot, index, step.side) for index in range(slots.MOST_SERVICES)]


def await_idle(step: AwaitIdle, context: Context) -> None:
    """Wait until the app reports no work and the requests of that moment have ended, or the time is over. Later
    requests are not waited for, because a busy tenant would never be idle."""
    host, begun, said, working = context.host, context.host.elapsed(), False, True
    first: frozenset[str] | None = None
    while is_well(host, step):
        check_cancelled(context)
        working = working and is_at_work(host, step)
        left = under_way(step, context)
        if not working:
            first = left if first is None else first & left
            if not first:
                return
        awaited = what_is_left(0 if working else len(first or ()))
        if host.elapsed() - begun >= step.seconds:
            context.visits.give_up(first or ())
            context.say(f"{awaited} still running after {step.seconds} s; the operation continues")
            return
        if not said:
            context.say(f"waiting for {awaited}, at most {step.seconds} s; new requests are still accepted")
            said = True
        host.wait(QUIET_POLL_SECONDS if working else POLL_SECONDS)


def drain(step: Drain, context: Context) -> None:
    """Wait until the side has no open requests, or the time is over and no try is left."""
    host = context.host
    idle = AwaitIdle(
        **{key: getattr(step, key) for key in ("tenant", "slot", "release", "side", "quiet")}, seconds=step.idle_seconds
    )
    again = step.again
    while True:
        left = drained(step, context)
        again = 0 if context.visits.given_up else again
        if not left and not (again and is_at_work(host, step, seconds=HELD_QUIET_SECONDS)):
            return
        if not again:
            context.say(f"{what_is_left(left)} still running after {step.seconds} s: their connections will be cut")
            return
        again -= 1  # a long request started at the last moment: other requests must not wait for it
        context.say(f"{what_is_left(left)} started at the last moment: new requests are accepted until they end")
        host.open_traffic(addresses(step))
        try:
            await_idle(idle, context)
        finally:
            host.close_traffic(addresses(step))
        context.say("new requests are held again")


def drained(step: Drain, context: Context) -> int:
    """Wait until no request is open or the time is over; returns the number of open requests."""
    end = context.host.elapsed() + step.seconds
    while (left := under_way(step, context)) and context.host.elapsed() < end:
        check_cancelled(context)
        context.host.wait(POLL_SECONDS)
    return len(left)


def under_way(step: AwaitIdle | Drain, context: Context) -> frozenset[str]:
    host = context.host
    return context.visits.under_way(host.connections(addresses(step)), host.elapsed(), quiet=step.quiet)


def is_well(host: Host, step: AwaitIdle) -> bool:
    """Whether the side's deciding probes pass: an unhealthy side will not finish its requests."""
    try:
        return not deciding(host, read_release(host, step.tenant, step.release), step.side)[0]
    except Failed:
        return False


def is_at_work(host: Host, step: AwaitIdle | Drain, *, seconds: float = QUIET_SECONDS) -> bool:
    """Whether the app itself reports work that a stop should wait for."""
    try:
        release = read_release(host, step.tenant, step.release)
        action = next((action for action in release.actions if action.name == QUIET), None)
        if action is None:
            return False
        mine = side_of(host, step.tenant, step.side)
        container = next((item.name for item in mine if item.service == action.service), "")
        return host.execute(container, action.argv, seconds=min(action.timeout_seconds, seconds)).code == 1
    except Failed:
        return False


def what_is_left(connections: int) -> str:
    """What is still running, for people: requests, or work inside the app."""
    if not connections:
        return "work inside the app"
    return f"{connections} request{'' if connections == 1 else 's'}"


def await_probes(step: AwaitProbes, context: Context) -> None:
    """Wait until the deciding probes have passed for the steady seconds; Failed when they do not within the start
    seconds."""
    release = read_release(context.host, step.tenant, step.release)
    for name in step.without:
        context.say(f"{name} failed before this operation too: its result is ignored")
    if wrong := await_deciding(context, release, step.side, without=step.without, steady=step.steady):
        raise _failed(context.host, release, step.side, wrong)


def await_deciding(
    context: Context,
    release: Release,
    side: slots.Side | slots.Clone,
    *,
    without: Collection[str] = (),
    steady: bool = True,
) -> str:
    """Wait until the deciding probes have passed for the steady seconds with unchanged container start times (not
    `steady`: until they pass). Returns "", or the problem when they do not pass within the start seconds or never
    will."""
    host, begun, held_since = context.host, context.host.elapsed(), 0.0
    starts: Starts = ()
    while True:
        check_cancelled(context)
        now = host.elapsed()
        wrong, running = deciding(host, release, side, without)
        if not wrong and not steady:
            return ""
        if wrong or running != starts or not held_since:
            held_since, starts = (0.0 if wrong else now), running
        elif now - held_since >= release.steady_seconds:
            return ""
        late = not held_since and now - begun >= release.start_seconds
        if late or wrong.startswith("!"):
            return wrong.lstrip("!")
        host.wait(POLL_SECONDS)


def soak(step: Soak, context: Context) -> None:
    """Watch the release serve for so many seconds. Failed as soon as a container has ended or restarted, or a deciding
    probe has failed for longer than FLAP_SECONDS."""
    host, release = context.host, read_release(context.host, step.tenant, step.release)
    end, well = host.elapsed() + step.seconds, host.elapsed()
    starts: Starts = ()
    while True:
        check_cancelled(context)
        wrong, running = deciding(host, release, step.side, step.without)
        starts = starts or running
        if running not in ((), starts):
            wrong = "!a container restarted"
        if not wrong:
            well = host.elapsed()
        if wrong.startswith("!") or host.elapsed() - well > FLAP_SECONDS:
            raise _failed(host, release, step.side, f"{wrong.lstrip('!')} while the release was watched")
        if host.elapsed() >= end and not wrong:
            return
        host.wait(SOAK_POLL_SECONDS)


Starts = tuple[tuple[str, str], ...]
"""Each service with its start time."""


def deciding(
    host: Host, release: Release, side: slots.Side | slots.Clone, without: Collection[str] = ()
) -> tuple[str, Starts]:
    """The problem by the deciding probes ("" when they pass; "!" first when waiting will not help), and each service's
    start time. The probes named in `without` are skipped."""
    try:
        mine = side_of(host, release.tenant, side)
    except Failed as failed:
        return failed.message, ()  # Docker itself restarts, and its containers keep running meanwhile
    starts = tuple(sorted((item.service, item.started_at) for item in mine))
    wrong = _process(release, mine)
    for probe in () if wrong else ready_probes(release):
        if name_of(probe) not in without and (wrong := ask(host, release, side, probe)):
            break
    return wrong, starts


def _process(release: Release, mine: list[Container]) -> str:
    """The problem of the containers themselves, in the form of `deciding`."""
    for item in mine:
        if item.state in ("exited", "dead"):
            why = OUT_OF_MEMORY if item.oom_killed else f"exited with status {item.exit_code}"
            return f"!{item.service} {why}"
    missing = {item.name for item in release.services} - {item.service for item in mine if item.state == "running"}
    return f"{', '.join(sorted(missing))} not running" if missing else ""


def ready_probes(release: Release) -> Iterator[Probe]:
    """The probes that decide, beside the containers' own state."""
    return (probe for probe in release.probes if probe.kind == "ready")


def name_of(probe: Probe) -> str:
    """A ready probe's name, for people and to compare two releases."""
    return f"{probe.service}:{probe.port}{probe.path}"


def ask(host: Host, release: Release, side: slots.Side | slots.Clone, probe: Probe) -> str:
    """The problem by this ready probe; "" when it passes."""
    index = [item.name for item in release.services].index(probe.service)
    status = host.get(slots.address(release.slot, index, side), probe.port, probe.path, seconds=PROBE_SECONDS)
    if status == probe.expect:
        return ""
    answer = f"answered {status}" if status else "did not answer"
    return f"{probe.service} {answer} on {probe.path} (expected {probe.expect})"


def _failed(host: Host, release: Release, side: slots.Side, wrong: str) -> Failed:
    failed = Failed(f"{release.app} {release.version}: {wrong}", code="probes-failed")
    return with_last_lines(host, project(release.tenant, side), failed, service=wrong.partition(" ")[0])


def bring_back(step: StopSide, short: str, context: Context) -> None:
    """Start the side again as it was, and wait until it is ready for traffic. A slow or unhealthy side is reported, and
    does not stop the rest of the undo."""
    host = context.host
    start(host, tenant=step.tenant, short=short, side=step.side)
    release = read_release(host, step.tenant, short)
    end = host.elapsed() + release.start_seconds
    while (wrong := deciding(host, release, step.side)[0]) and not wrong.startswith("!") and host.elapsed() < end:
        host.wait(POLL_SECONDS)
    if wrong:
        wrong = wrong.lstrip("!")
        service = wrong.partition(" ")[0]
        told = with_last_lines(
            host, project(step.tenant, step.side), Failed(wrong, code="container-does-not-start"), service=service
        )
        context.say(f"the old release runs again but is not healthy: {told.message}")
