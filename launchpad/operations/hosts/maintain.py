"""maintain: install updates host by host, reboot where needed, and stop at the first host that is not well afterwards.

The same command typed again continues: an operation that still runs is followed, a host whose maintenance began has a
note (`maintenance_note.py`), and a host without updates is left alone.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from launchpad.errors import LaunchpadError, StateError
from launchpad.events import HeardEvent, MaintenanceProgress, OnEvent, StepStarted, ignore
from launchpad.fleet.model.host import Host
from launchpad.operations.hosts.host_health import await_health, health_of
from launchpad.operations.hosts.maintenance_note import MaintenanceNote, read_note, remove_note, write_note
from launchpad.operations.hosts.maintenance_silence import silent
from launchpad.operations.requests.again import Wish, reported, submit_once
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.following import Submission
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.scope import named_hosts, scope_of
from launchpad.plan.host_upkeep import baseline, opening, shown
from launchpad.runner.hint import Next
from launchpad.runner.wire.host_bodies import Plan
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

PLAN_SECONDS = 300
"""Seconds in which a host reads its package lists."""
HEALTHY_SECONDS = 900.0
NOTICE_SECONDS = 60


class Aside(Protocol):
    """Moves the tenants of a host away before its reboot, and back afterwards."""

    def places(self, host: str) -> Mapping[str, str]:
        """Tenant → the other host where the tenant serves during the reboot."""

    def leave(self, away: Mapping[str, str]) -> None:
        """Move the tenants away; a second call resumes."""

    def come_back(self, host: str, away: Mapping[str, str]) -> Mapping[str, str]:
        """Move the tenants back; return tenant → host for those that are not back. A second call resumes."""


@dataclass(frozen=True, kw_only=True)
class HowToMaintain:
    """What the operator allows; the defaults are launchpad.yaml's."""

    reboot: bool = False
    """Reboot hosts that need a reboot, whatever launchpad.yaml says."""
    outside_window: bool = False
    notices: bool = True
    patience: float = HEALTHY_SECONDS
    """Seconds in which a host and its tenants must be well."""
    aside: Aside | None = None
    """Moves tenants away before a reboot; None: the tenants stay, and their requests wait."""


@dataclass(frozen=True, kw_only=True)
class MaintenancePlan:
    """What a host's maintenance would do now."""

    host: str
    updates: str = ""
    """The step that installs the updates, for people; empty without updates."""
    reboot: bool = False
    """Whether a reboot is pending already. Only the installed updates tell whether they need one."""
    begun: float | None = None
    """When an earlier maintenance began that has not ended; None without one."""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class Maintained:
    """How a host's maintenance ended."""

    host: str
    outcome: Literal["done", "unchanged", "left"]
    """`left`: nothing was begun."""
    message: str = ""
    updates: bool = False
    rebooted: bool = False
    reboot_pending: bool = False
    seconds: float = 0.0
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Tenant → the host where the tenant is now, for those that were moved away and are not back."""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def plan_maintain(workspace: Workspace, names: Sequence[str] = ()) -> dict[str, MaintenancePlan | LaunchpadError]:
    """The plans of the named hosts, or of all; the hosts read their package lists and change nothing."""
    hosts = named_hosts(workspace.fleet.load(), names)
    return fanout(hosts, lambda name: _planned(workspace, hosts[name]), threads=workspace.settings.parallel)


def maintain(
    workspace: Workspace, names: Sequence[str] = (), *, how: HowToMaintain | None = None, on_event: OnEvent = ignore
) -> dict[str, Maintained | LaunchpadError]:
    """Maintain the named hosts, or all, one after another; the first error is the last host that was touched, and the
    hosts after it are `left`. StateError when the window is closed at the start."""
    run = _Maintenance(workspace, how or HowToMaintain(), on_event)
    if why := run.closed():
        raise StateError(why, code="outside-of-window", hint="to maintain the hosts now: the same command with --now")
    found: dict[str, Maintained | LaunchpadError] = {}
    why = ""
    for name, host in named_hosts(workspace.fleet.load(), names).items():
        if why := why or run.closed():
            found[name] = Maintained(host=name, outcome="left", message=why)
            continue
        try:
            found[name] = run.maintain(host)
        except LaunchpadError as error:
            found[name], why = error, f"{name} failed"
    return found


def _planned(workspace: Workspace, host: Host) -> MaintenancePlan:
    note = read_note(workspace.root, str(host.name))
    updates, reboot = (_steps(workspace, host, kind) for kind in ("update", "reboot"))
    return MaintenancePlan(
        host=str(host.name),
        updates=updates[0] if updates else "",
        reboot=bool(reboot),
        begun=note.at if note else None,
    )


def _steps(workspace: Workspace, host: Host, kind: str) -> list[str]:
    """The titles of the steps that the host would take."""
    with hosts_of(workspace).reach(host) as runner:
        said = ask(runner, Plan(operation={"kind": kind}), seconds=PLAN_SECONDS)
    return [step.title for step in said.steps]


@dataclass
class _Maintenance:
    """One run of the command."""

    workspace: Workspace
    how: HowToMaintain
    on_event: OnEvent

    def __post_init__(self) -> None:
        self.settings = self.workspace.fleet.load().defaults.maintenance
        self.since = 0.0

    def closed(self) -> str:
        """Why no maintenance may begin now; empty when one may."""
        window, now = self.settings.window, self.workspace.clock.now()
        if window is None or self.how.outside_window:
            return ""
        opens, _closes = opening(window, self.settings.timezone, now)
        return f"the window {window} ({self.settings.timezone}) is closed until {shown(opens)}" if now < opens else ""

    @property
    def reboots(self) -> bool:
        """Whether a host may reboot now."""
        return self.how.reboot or (self.settings.reboot and not self.how.outside_window)

    def maintain(self, host: Host) -> Maintained:
        name, clock = str(host.name), self.workspace.clock
        begun, note = clock.monotonic(), read_note(self.workspace.root, name)
        if note is None:
            todo = _planned(self.workspace, host)
            if not todo.updates and not (todo.reboot and self.reboots):
                return Maintained(host=name, outcome="unchanged", reboot_pending=todo.reboot)
            before = baseline(health_of(self.workspace, name))
            note = MaintenanceNote(id=new_identifier(clock.now()), at=clock.now(), before=before)
            write_note(self.workspace.root, name, note)
        else:
            self.tell(host, "continuing the maintenance that began earlier")
        note = self.tell_customers(host, note)
        if note.away and self.how.aside is None:
            hint = Next("maintain", name, "--move")
            text = f"{name}: an earlier maintenance moved tenants away: {', '.join(note.away)}"
            raise StateError(text, code="tenants-were-moved-away", hint=hint)
        with silent(self.workspace, name):
            updated = self.submit(host, "update")
            pending = bool(_steps(self.workspace, host, "reboot"))
            if pending and self.reboots:
                note = self.move_away(name, note)
            rebooted = self.submit(host, "reboot") if pending and self.reboots else False
            self.tell(host, "waiting until the host and its tenants are well")
            self.await_well(host, note)
            elsewhere = self.how.aside.come_back(name, note.away) if self.how.aside and note.away else {}
        self.notify(host, note, "after", reboot=rebooted)
        remove_note(self.workspace.root, name)
        return Maintained(
            host=name,
            outcome="done",
            updates=updated,
            rebooted=rebooted,
            reboot_pending=pending and not rebooted,
            seconds=clock.monotonic() - begun,
            elsewhere=elsewhere,
        )

    def move_away(self, name: str, note: MaintenanceNote) -> MaintenanceNote:
        """Move tenants away before the reboot; the note has them first, so that the same command finds them again."""
        if self.how.aside is None:
            return note
        if not note.away:
            note = replace(note, away=self.how.aside.places(name))
            write_note(self.workspace.root, name, note)
        self.how.aside.leave(note.away)
        return note

    def submit(self, host: Host, kind: str) -> bool:
        """Run an operation of the host, or follow the earlier one that still runs; return whether it changed
        anything."""

        def hear(heard: HeardEvent) -> None:
            self.on_event(heard)
            if isinstance(heard.event, StepStarted):
                self.since = heard.event.at  # the last step has the watch check everything again

        wish = Wish(kind=kind, tenant="", host=str(host.name))
        outcome: Outcome = submit_once(self.workspace, host, wish, Submission(operation={"kind": kind}), on_event=hear)
        reported(self.workspace, outcome.id)
        return outcome.outcome != "unchanged"

    def await_well(self, host: Host, note: MaintenanceNote) -> None:
        """StateError when the host or a tenant is still worse than before after the patience."""
        since, self.since = self.since, 0.0
        if wrong := await_health(self.workspace, str(host.name), note.before, since=since, seconds=self.how.patience):
            raise StateError(
                f"{host.name} is less healthy after the maintenance than before: {'; '.join(wrong)}",
                code="less-healthy-after-maintenance",
                hint=Next("diagnose", host.name) + "; when the cause is repaired, the same command continues",
            )

    def tell_customers(self, host: Host, note: MaintenanceNote) -> MaintenanceNote:
        """The first notice, once for each tenant, also when this command is killed meanwhile."""
        return self.notify(host, note, "before", reboot=self.reboots)

    def notify(self, host: Host, note: MaintenanceNote, event: str, *, reboot: bool) -> MaintenanceNote:
        """Start the notice program for each tenant of the host. StateError when a first notice fails: then nothing is
        begun."""
        if not self.settings.notice or not self.how.notices:
            return note
        window, opens, closes = self.settings.window, None, None
        if window is not None:
            opens, closes = map(shown, opening(window, self.settings.timezone, self.workspace.clock.now()))
        for tenant in scope_of(self.workspace.fleet.load(), [str(host.name)]).tenants:
            name = str(tenant.name)
            if tenant.host != host.name or (event == "before" and name in note.told):
                continue
            body = {
                "event": event,
                "id": note.id,
                "tenant": name,
                "domains": list(map(str, tenant.domains)),
                "host": str(host.name),
                "window": {"opens": opens, "closes": closes},
                "reboot": reboot,
            }
            if problem := self.started(body):
                message = f"{host.name}: the notice for {name} failed: {problem}"
                if event == "before":
                    hint = "repair maintenance: notice: in launchpad.yaml, or --no-notice"
                    raise StateError(message, code="notice-failed", hint=hint)
                self.tell(host, message)
            elif event == "before":
                note = replace(note, told=(*note.told, name))
                write_note(self.workspace.root, str(host.name), note)
        return note

    def started(self, body: dict[str, Any]) -> str:
        """Why the notice program failed; empty when it did not."""
        try:
            done = subprocess.run(
                self.settings.notice,
                input=json.dumps(body).encode() + b"\n",
                cwd=self.workspace.root,
                capture_output=True,
                timeout=NOTICE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return (said[-1] if said else f"exit code {done.returncode}") if done.returncode else ""

    def tell(self, host: Host, text: str) -> None:
        event = MaintenanceProgress(text=text)
        self.on_event(HeardEvent(host=str(host.name), operation=f"maintain-{host.name}", tenant="", event=event))
