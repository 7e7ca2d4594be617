"""runner upgrade: bring this installation's runner to many hosts in waves, and return to the runner before it.

A host keeps the files of its previous runner. Where the new runner does not answer, the host returns by itself; a host
that is worse afterwards is returned by this command. Later waves do not begin.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from launchpad import __version__
from launchpad.errors import LaunchpadError, StateError
from launchpad.events import HeardEvent, MaintenanceProgress, OnEvent, StepStarted, ignore
from launchpad.fleet.model.host import Host
from launchpad.operations.hosts.host_health import await_health, health_of
from launchpad.operations.hosts.install_runner import Installed, is_newer, is_ours, look_at, return_to_previous
from launchpad.operations.hosts.provision import HowToProvision, provision
from launchpad.operations.requests.again import reported
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.scope import named_hosts
from launchpad.plan.host_upkeep import Baseline, baseline, waves
from launchpad.runner.hint import Next
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

HEALTHY_SECONDS = 300.0
CANARY = "canary"
"""The label of hosts that are upgraded first."""


@dataclass(frozen=True, kw_only=True)
class HostRunner:
    """The runner of one host beside this installation's."""

    host: str
    version: str
    state: Literal["current", "behind", "newer"]
    previous: bool
    """Whether the host can return to an earlier runner."""
    wave: int = 0
    """The wave in which an upgrade takes the host, from 1; 0 for none."""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class RunnerChange:
    """What became of a host."""

    host: str
    outcome: Literal["upgraded", "unchanged", "returned", "left"]
    version: str = ""
    message: str = ""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


Changes = dict[str, RunnerChange | LaunchpadError]


def runners(workspace: Workspace, names: Sequence[str] = ()) -> dict[str, HostRunner | LaunchpadError]:
    """The runners of the named hosts, or of all, and the wave of each."""
    hosts = named_hosts(workspace.fleet.load(), names)
    looked = _look(workspace, hosts)
    wave_of = {name: number for number, wave in enumerate(_waves(hosts, looked), start=1) for name in wave}
    found: dict[str, HostRunner | LaunchpadError] = {}
    for name, now in looked.items():
        if isinstance(now, LaunchpadError):
            found[name] = now
            continue
        state: Literal["current", "behind", "newer"] = "current" if is_ours(now) else "behind"
        state = "newer" if is_newer(now.version, __version__) else state
        found[name] = HostRunner(
            host=name, version=now.version, state=state, previous=bool(now.previous), wave=wave_of.get(name, 0)
        )
    return found


def upgrade_runners(
    workspace: Workspace, names: Sequence[str] = (), *, patience: float = HEALTHY_SECONDS, on_event: OnEvent = ignore
) -> Changes:
    """Upgrade the named hosts, or all, wave by wave. A host without an answer at the start is an error and stops
    nobody. After a host that failed, or is worse than before, no further wave begins, and the hosts left are `left`."""
    hosts = named_hosts(workspace.fleet.load(), names)
    looked = _look(workspace, hosts)
    found: Changes = {name: now for name, now in looked.items() if isinstance(now, LaunchpadError)}
    why = ""
    for number, wave in enumerate(_waves(hosts, looked), start=1):
        if why:
            found |= {name: RunnerChange(host=name, outcome="left", message=why) for name in wave}
            continue
        on_event(_progress("", f"wave {number}: {', '.join(wave)}"))
        changed = fanout(
            wave, lambda name: _upgrade(workspace, hosts[name], patience, on_event), threads=workspace.settings.parallel
        )
        found |= changed
        bad = [name for name, item in changed.items() if isinstance(item, LaunchpadError)]
        why = f"{', '.join(bad)} failed" if bad else ""
    return {name: found[name] for name in hosts if name in found}


def undo_runners(workspace: Workspace, names: Sequence[str] = (), *, on_event: OnEvent = ignore) -> Changes:
    """Return the named hosts, or all, from this installation's runner to the runner before it. Other hosts do not
    change, so the same command again is safe."""
    hosts = named_hosts(workspace.fleet.load(), names)

    def undo(name: str) -> RunnerChange:
        with hosts_of(workspace).reach(hosts[name]) as runner:
            now = look_at(runner)
        if not is_ours(now):
            return RunnerChange(host=name, outcome="unchanged", version=now.version)
        return _return(workspace, hosts[name], on_event)

    return fanout(hosts, undo, threads=workspace.settings.parallel)


def _look(workspace: Workspace, hosts: Mapping[str, Host]) -> dict[str, Installed | LaunchpadError]:
    def look(name: str) -> Installed:
        with hosts_of(workspace).reach(hosts[name]) as runner:
            return look_at(runner)

    return fanout(hosts, look, threads=workspace.settings.parallel)


def _waves(hosts: Mapping[str, Host], looked: Mapping[str, Installed | LaunchpadError]) -> tuple[tuple[str, ...], ...]:
    """The hosts that answer and have no newer runner. One with this installation's runner is among them: an earlier
    command may have died before the host was judged."""
    meant = [
        name
        for name, now in looked.items()
        if not isinstance(now, LaunchpadError) and not is_newer(now.version, __version__)
    ]
    return waves(meant, [name for name in meant if CANARY in hosts[name].labels])


def _upgrade(workspace: Workspace, host: Host, patience: float, on_event: OnEvent) -> RunnerChange:
    name = str(host.name)
    before = baseline(health_of(workspace, name))
    with hosts_of(workspace).reach(host) as runner:
        had = look_at(runner)
    try:
        since, changed = _provisioned(workspace, name, on_event)
        with hosts_of(workspace).reach(host) as runner:
            has = look_at(runner)
        if not is_ours(has):
            message = f"{name}: the host keeps runner {has.version}: it accepts no signature of this operator"
            raise StateError(
                message,
                code="signature-not-accepted",
                hint=Next("doctor") + "; the signing key must be under signing_keys:",
            )
        if is_ours(had) and not changed:
            return RunnerChange(host=name, outcome="unchanged", version=had.version)
        _judge(workspace, name, before, since=since, patience=patience)
    except LaunchpadError as error:
        _take_back(workspace, host, error, on_event)
        raise
    return RunnerChange(host=name, outcome="upgraded", version=__version__)


def _provisioned(workspace: Workspace, name: str, on_event: OnEvent, *, update: bool = True) -> tuple[float, bool]:
    """Provision the host; when its watch was asked to look again, and whether anything changed."""
    since = 0.0

    def hear(heard: HeardEvent) -> None:
        nonlocal since
        on_event(heard)
        if isinstance(heard.event, StepStarted):
            since = heard.event.at

    outcome = provision(workspace, name, how=HowToProvision(bare=False, update_runner=update), on_event=hear)
    reported(workspace, outcome.id)
    return since, outcome.outcome != "unchanged"


def _judge(workspace: Workspace, name: str, before: Baseline, *, since: float, patience: float) -> None:
    if wrong := await_health(workspace, name, before, since=since, seconds=patience):
        raise StateError(
            f"{name} is less healthy with the new runner than before: {'; '.join(wrong)}",
            code="less-healthy-after-runner",
            hint=Next("diagnose", name),
        )


def _take_back(workspace: Workspace, host: Host, error: LaunchpadError, on_event: OnEvent) -> None:
    """Return a host that is worse to its earlier runner, and say in the error what became of it."""
    try:
        with hosts_of(workspace).reach(host) as runner:
            now = look_at(runner)
        if is_ours(now) and now.previous:
            returned = _return(workspace, host, on_event)
            error.text += f"; {host.name} is back on runner {returned.version}"
    except LaunchpadError as second:
        error.text += f"; the return to the earlier runner failed: {second.message}"


def _return(workspace: Workspace, host: Host, on_event: OnEvent) -> RunnerChange:
    """Return to the earlier runner, and have that runner bring back its own files and its watch."""
    name = str(host.name)
    with hosts_of(workspace).reach(host) as runner:
        now = look_at(runner)
    on_event(_progress(name, "returning to the earlier runner"))
    return_to_previous(workspace, host, now)
    with hosts_of(workspace).reach(host) as runner:
        version = look_at(runner).version
    message = ""
    try:
        _provisioned(workspace, name, on_event, update=False)
    except LaunchpadError as error:  # the earlier runner may not know these settings or this protocol
        message = f"its files and settings stay as they are until `launchpad provision {name}`: {error.message}"
    return RunnerChange(host=name, outcome="returned", version=version, message=message)


def _progress(host: str, text: str) -> HeardEvent:
    return HeardEvent(host=host, operation=f"runner-{host}", tenant="", event=MaintenanceProgress(text=text))
