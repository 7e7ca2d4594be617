"""The watch: restart services that die, and stop those that die too often. Docker's own restart policy is not used: it
would start containers before their secrets exist, and never give up.

`decide` chooses what to do about a service's deaths; the loop listens to Docker and the kernel, checks, and acts. A
tenant that should run and has no container for a service is started, as after a boot.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from launchpad.runner import boot, booting, cell, paths, watching
from launchpad.runner.account import ILLNESS, RUN_PROVISION, Account, Finding
from launchpad.runner.drift import read_manifest
from launchpad.runner.engine import reason
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.hint import Next
from launchpad.runner.host import Busy, Container, Failed, HalfNetwork
from launchpad.runner.journal import open_subjects
from launchpad.runner.moving.tombstone import may_run
from launchpad.runner.reviving import revive_docker
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.tenant_record import TenantRecord, read_tenant
from launchpad.runner.view import View
from launchpad.runner.waiting import OUT_OF_MEMORY
from launchpad.runner.watching.check import Check

WINDOW_SECONDS = 600.0
MOST_DEATHS = 5
"""So many deaths within the window trip the breaker."""
PERMANENT_EXIT = 78
"""sysexits' EX_CONFIG: the app reports that a restart will not help. The second such exit trips the breaker."""
MOST_PERMANENT = 2
LOOK_SECONDS = 30.0
"""Seconds between checks without an event, because an event can be missed."""
RESERVE_BYTES, RESERVE_SHARE = 64 << 20, 100
"""The reserve of the tenants' storage in bytes, and at most 1/100 of it, for restarts on a full disk: an app with
SQLite cannot start without free space, nor can the release that an undo restores."""
STARTED_SECONDS = 0.5
"""Seconds until the next check after a restart, so that `status` soon shows no outdated problem."""
MOST_PAUSE = 600.0
"""The longest pause in seconds between two tries to start a tenant with missing containers."""
BOOT_SECONDS = 600.0
"""Seconds after which an unfinished boot is a finding."""
HELD_SECONDS = 2.0
"""Seconds until the next check of a tenant that an operation holds."""
BREAKER_LINES = 20
NAME = "apps"
"""The name of this check in the account."""


@dataclass(frozen=True)
class Death:
    """One death of a service's container."""

    at: float
    exit_code: int
    out_of_memory: bool
    disk_full: bool = False
    """Whether the disk was full: then the death is not the app's fault, and the app may run again with free space."""
    operated: bool = False
    """Whether an operation on the tenant was open: then the operation stopped the container, and the app did not
    die."""


@dataclass(frozen=True)
class Restart:
    """Restart the service at this time."""

    at: float


@dataclass(frozen=True)
class Break:
    """Do not restart the service: an operator has to act."""

    reason: str


def decide(deaths: Sequence[Death], now: float) -> Restart | Break:
    """What to do after the last of these deaths: restart after 1, 2, 4, 8 s; stop after the fifth death within ten
    minutes, or the second exit that the app calls permanent. A death on a full disk does not count for that; a death
    during an operation does not count at all."""
    recent = [death for death in deaths if death.at > now - WINDOW_SECONDS]
    own = [death for death in recent if not death.operated]
    counted = [death for death in own if not death.disk_full]
    permanent = sum(death.exit_code == PERMANENT_EXIT for death in counted)
    if permanent >= MOST_PERMANENT:
        return Break(f"exited {permanent} times with status {PERMANENT_EXIT}: its configuration or its data is wrong")
    if len(counted) >= MOST_DEATHS:
        minutes = f"{WINDOW_SECONDS / 60:.0f} minutes"
        return Break(f"died {len(counted)} times within {minutes}, the last time {_how(counted[-1])}")
    last = recent[-1].at if recent else now
    return Restart(last + min(2.0 ** max(len(own) - 1, 0), LOOK_SECONDS))


def _how(death: Death) -> str:
    return "because memory ran out" if death.out_of_memory else f"with exit status {death.exit_code}"


# --- the loop ---------------------------------------------------------------------------------------------------------


@dataclass
class Patient:
    """A service that died: its deaths, and the start time of the container that died last."""

    deaths: list[Death] = field(default_factory=list)
    started_at: str = ""


@dataclass
class Absent:
    """A tenant that should run and has no container for a service, with the number of failed starts."""

    tries: int = 0
    again_at: float = 0.0
    finding: Finding | None = None


@dataclass(frozen=True)
class NotStarted:
    """A dead container that Docker did not restart, and the time of the next try (clock of `elapsed`)."""

    again_at: float
    finding: Finding


def watch(host: View, checks: Sequence[type[Check]] = watching.CHECKS) -> int:
    """Watch until the process is ended, also while Docker is down."""
    booting.begin_with(host)
    account = Account(host, (NAME, *(check.name for check in checks)))
    watching.begin([check(host, account) for check in checks], account)
    account.see(NAME, [], {})  # from here on the watch counts as running
    watcher = Watcher(host, account)
    while True:
        try:
            with host.deaths() as heard:
                _attend(watcher, account, heard)
        except Failed as failed:
            _say(failed.message)
            account.see(NAME, watcher.findings(), {}, [_no_docker(failed)])
            _revive_docker(host)
            host.wait(LOOK_SECONDS / 10)


def _revive_docker(host: View) -> None:
    try:
        revive_docker(host, who="watch")
    except Failed as failed:
        _say(failed.message)


def _attend(watcher: Watcher, account: Account, heard: Callable[[float, Iterable[int]], bool]) -> None:
    """Check at once, because containers may have died before; then after each death, and when due."""
    while True:
        pause = watcher.look()
        account.see(NAME, watcher.findings(), {}, watcher.health)
        heard(pause, watcher.processes)


class Watcher:
    """The deaths of services, and the checks. A restart of the watch forgets the deaths, but not the breakers."""

    def __init__(self, host: View, account: Account | None = None) -> None:
        self._host = host
        self._account = account or Account(host, ())
        self._began = host.elapsed()
        self._patients: dict[tuple[str, str], Patient] = {}
        self._was_full = self._full = False
        """Whether the disk was full at the last check, and is at this one: space may have become free after a death."""
        self.processes: list[int] = []
        """The pids of the containers that ran at the last check."""
        self._networks: frozenset[str] = frozenset()
        self._ill: list[Finding] = []
        self._absent: dict[str, Absent] = {}
        self._not_started: dict[str, NotStarted] = {}
        """By the container's name."""
        self._starting: list[boot.Starting] = []
        self.health: list[Fact] = []
        """Facts about Docker and each running tenant's processes, from the last check."""

    def findings(self) -> list[Finding]:
        """The problems that the watch cannot repair."""
        found = [*self._ill, *(item.finding for item in self._absent.values() if item.finding)]
        found += [item.finding for item in self._not_started.values()]
        if booting.is_going_on(self._host) and self._host.elapsed() - self._began > BOOT_SECONDS:
            minutes = f"{BOOT_SECONDS / 60:.0f} minutes"
            found.append(
                Finding(booting.BOOT, f"the boot has not started every tenant within {minutes}", RUN_PROVISION)
            )
        return found

    def look(self) -> float:
        """Handle every dead container whose tenant should run; returns the seconds until the next check."""
        try:
            self._was_full, self._full = self._full, self._disk_is_full()
            self._keep_reserve()
        except Failed as failed:
            _say(f"cannot reserve space for a full disk: {failed.message}")
        containers = [item for item in self._host.containers() if is_tenant_name(item.tenant)]
        self._networks = self._host.network_names()
        self.processes = [item.process for item in containers if item.process]
        self._ill = [_illness(item) for item in containers if item.ill]
        self.health = [Fact(Layer.docker, Grade.ok, "Docker answers", subject="engine"), *self._processes(containers)]
        dead = [item for item in containers if item.state in ("created", "exited", "dead")]
        names = {item.name for item in dead}
        self._not_started = {name: item for name, item in self._not_started.items() if name in names}
        waits = [self._try(item.tenant, partial(self._see_to, item)) for item in dead]
        for name in filter(is_tenant_name, self._host.names(paths.TENANTS)):
            mine = [item for item in containers if item.tenant == name]
            waits.append(self._try(name, partial(self._see_to_absent, name, mine)))
        self._starting = [item for item in self._starting if not self._let_in(item)]
        if self._starting:
            waits.append(boot.PROBE_SECONDS)
        return max(0.05, min([LOOK_SECONDS, *waits]))

    def _processes(self, containers: Sequence[Container]) -> Iterator[Fact]:
        """Whether each tenant's containers run, except for a tenant that an operation holds."""
        for name in filter(is_tenant_name, self._host.names(paths.TENANTS)):
            with suppress(Failed, ValueError, KeyError, TypeError):  # a damaged record, which other checks report
                record = read_tenant(self._host, name)
                if record is None or not (record.is_to_run and may_run(self._host, record)):
                    continue
                if self._host.lock_owner(f"tenant-{name}") is not None or self._has_open_operation(name):
                    continue
                mine = [item for item in containers if item.tenant == name and item.side == record.side]
                yield self._process(name, mine)

    def _process(self, tenant: str, mine: Sequence[Container]) -> Fact:
        down = [item for item in mine if item.state in ("created", "exited", "dead")]
        message, hint = "; ".join(f"{item.service} {_ended(item)}" for item in down), Next("logs", tenant)
        if breaker := self._host.read(_breaker(tenant)):
            message, hint = str(json.loads(breaker)["reason"]), Next("start", tenant)
        elif not mine:
            message = "the tenant has no containers"
        if message:
            # A service that died once runs again in a second.
            once = bool(down) and not breaker and all(self._died_once(item) for item in down)
            grade = Grade.warning if once else Grade.critical
            return Fact(Layer.process, grade, message, hint, tenant=tenant, subject="process")
        said = "1 container runs" if len(mine) == 1 else f"{len(mine)} containers run"
        return Fact(Layer.process, Grade.ok, said, tenant=tenant, subject="process", value=float(len(mine)))

    def _died_once(self, item: Container) -> bool:
        patient = self._patients.get((item.tenant, item.service))
        return item.name not in self._not_started and (patient is None or len(patient.deaths) <= 1)

    def _try(self, tenant: str, see_to: Callable[[], float]) -> float:
        """Handle one tenant; a failure, such as a damaged record, is logged and does not delay the others."""
        try:
            return see_to()
        except Exception as error:
            _say(f"{tenant}: {reason(error)}")
            return HELD_SECONDS

    def _let_in(self, item: boot.Starting) -> bool:
        """Whether there is nothing left to wait for; an operation that is open is waited for."""
        try:
            return boot.let_in(self._host, item, who="watch")
        except Busy:
            return False

    def _see_to_absent(self, name: str, mine: Sequence[Container]) -> float:
        """Start the tenant when a service that should run has no container; returns the seconds to wait."""
        if not self._lacks_containers(name, mine):
            self._absent.pop(name, None)
            return LOOK_SECONDS
        absent, now = self._absent.setdefault(name, Absent()), self._host.elapsed()
        if absent.again_at > now:
            return absent.again_at - now
        absent.tries += 1
        absent.again_at = now + min(LOOK_SECONDS * 2.0 ** (absent.tries - 1), MOST_PAUSE)
        try:
            begun = boot.start(self._host, name, who="watch")
        except Busy:
            del self._absent[name]
            return HELD_SECONDS
        except Exception as error:
            hint = error.hint if isinstance(error, HalfNetwork) else Next("deploy", name)
            absent.finding = Finding(NAME, f"cannot be started: {reason(error)}", hint, tenant=name)
            raise
        del self._absent[name]
        if begun:
            self._starting.append(begun)
            self._account.note(
                NAME, "containers or the network were missing; the watch created and started them", tenant=name
            )
        return LOOK_SECONDS

    def _lacks_containers(self, name: str, mine: Sequence[Container]) -> bool:
        """Whether the tenant should run and lacks its network or a service's container on the serving side. False with
        an open operation or a tripped breaker."""
        record = read_tenant(self._host, name)
        if record is None or not self._may_run(record):
            return False
        wanted = read_manifest(self._host, name, record.started)
        have = {item.service for item in mine if item.side == record.side}
        whole = wanted and have.issuperset(wanted.services) and cell.network(name) in self._networks
        return not whole and not self._has_open_operation(name)

    def _see_to(self, item: Container) -> float:
        """Restart the dead container, trip the breaker, or wait; returns the seconds to wait."""
        if not self._is_meant_to_run(item):
            self._not_started.pop(item.name, None)
            return LOOK_SECONDS
        patient = self._patients.setdefault((item.tenant, item.service), Patient())
        now = self._host.elapsed()
        if patient.started_at != item.started_at:
            patient.started_at = item.started_at
            self._not_started.pop(item.name, None)
            recent = [death for death in patient.deaths if death.at > now - WINDOW_SECONDS]
            full, operated = self._was_full or self._full, self._has_open_operation(item.tenant)
            death = Death(now, item.exit_code, item.oom_killed, disk_full=full, operated=operated)
            patient.deaths = [*recent, death]
        decision = decide(patient.deaths, now)
        if isinstance(decision, Restart) and decision.at > now:
            return decision.at - now
        if (refused := self._not_started.get(item.name)) and refused.again_at > now:
            return refused.again_at - now
        try:
            with self._host.lock(
                f"tenant-{item.tenant}", {"who": "watch", "kind": "restart", "since": self._host.now()}
            ):
                # The lock's earlier holder may have changed what should run.
                if self._is_meant_to_run(item) and not self._has_open_operation(item.tenant):
                    self._carry_out(item, patient, decision)
        except Busy:
            return HELD_SECONDS
        return STARTED_SECONDS

    def _carry_out(self, item: Container, patient: Patient, decision: Restart | Break) -> None:
        if isinstance(decision, Restart):
            if self._full:
                self._host.remove(paths.RESERVE)
            _say(f"{item.tenant}: {item.service} died {_how(patient.deaths[-1])}; restarting it")
            self._start_again(item)
            self._account.restarted(item.tenant)
            done = f"{item.service} died {_how(patient.deaths[-1])}; the watch restarted it"
            self._account.note(NAME, done, tenant=item.tenant)
            return
        _say(f"{item.tenant}: {item.service} {decision.reason}; the watch no longer restarts it")
        self._host.write(_breaker(item.tenant), json.dumps(self._report(item, patient, decision)).encode(), mode=0o600)
        del self._patients[item.tenant, item.service]
        self._account.note(
            NAME, f"{item.service} {decision.reason}; the watch no longer restarts it", tenant=item.tenant
        )

    def _start_again(self, item: Container) -> None:
        """Restart the dead container; Docker's refusal is a finding until the container starts."""
        try:
            self._host.start_container(item.name)
        except Failed as failed:
            again_at = self._host.elapsed() + LOOK_SECONDS
            message = f"{item.service} cannot be restarted: {failed.message}"
            finding = Finding(NAME, message, Next("logs", item.tenant), tenant=item.tenant)
            self._not_started[item.name] = NotStarted(again_at, finding)
            raise
        self._not_started.pop(item.name, None)

    def _disk_is_full(self) -> bool:
        """Whether less than twice the reserve is free."""
        reserve, free = self._reserve()
        return free < 2 * reserve

    def _reserve(self) -> tuple[int, int]:
        """The size of the reserve and the free bytes."""
        total, free = self._host.disk()
        return min(RESERVE_BYTES, total // RESERVE_SHARE), free

    def _keep_reserve(self) -> None:
        """Create the reserve when there is enough space, but not directly after it was used up."""
        reserve, free = self._reserve()
        if free > 4 * reserve and paths.RESERVE.rpartition("/")[2] not in self._host.names(paths.ROOT):
            self._host.set_aside(paths.RESERVE, reserve)

    def _report(self, item: Container, patient: Patient, decision: Break) -> dict[str, Any]:
        """What `status` shows about a tripped breaker."""
        return {
            "at": self._host.now(),
            "service": item.service,
            "reason": f"{item.service} {decision.reason}",
            "exit_code": item.exit_code,
            "out_of_memory": item.oom_killed,
            "deaths": len(patient.deaths),
            "lines": self._host.log_lines(f"lp-{item.tenant}-{item.side}", BREAKER_LINES),
        }

    def _is_meant_to_run(self, item: Container) -> bool:
        """Whether this container should run by the tenant's record, and no breaker is tripped."""
        record = read_tenant(self._host, item.tenant)
        if record is None or not self._may_run(record):
            return False
        return bool(item.side == record.side and item.release == record.started)

    def _may_run(self, record: TenantRecord) -> bool:
        if booting.is_going_on(self._host) and record.tenant not in booting.seen_to(self._host):
            return False  # the boot starts the tenant after it has filled the secrets
        if not record.is_to_run or not may_run(self._host, record):
            return False
        return self._host.read(_breaker(record.tenant)) is None

    def _has_open_operation(self, tenant: str) -> bool:
        """Whether an operation on the tenant runs or was left open by a dead runner: the operation, or its undo, starts
        and stops containers."""
        return f"tenant-{tenant}" in open_subjects(self._host)


def _ended(item: Container) -> str:
    return OUT_OF_MEMORY if item.oom_killed else f"does not run (exit status {item.exit_code})"


def _no_docker(failed: Failed) -> Fact:
    return Fact(Layer.docker, Grade.critical, failed.message, RUN_PROVISION, subject="engine")


def _illness(item: Container) -> Finding:
    message = f"{item.service} is unhealthy according to its image's health check"
    return Finding(ILLNESS, message, Next("logs", item.tenant), tenant=item.tenant)


def _breaker(tenant: str) -> str:
    return f"{paths.tenant(tenant)}/breaker.json"


def _say(line: str) -> None:
    """A line in the unit's journal."""
    print(line, file=sys.stderr, flush=True)
