"""Restart what dies, and stop what dies too often: a tenant's containers have no restart policy of Docker's, because
Docker knows neither of secrets that must come first nor of an end.

`decide` says what is to be done about a service's deaths; the loop listens to Docker and the kernel, looks, and carries
it out. A tenant that should run and has no container for a service is started anew, as a boot does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from launchpad.runner import boot, booting, cell, paths, watching
from launchpad.runner.account import RUN_PROVISION, Account, Finding
from launchpad.runner.drift import read_manifest
from launchpad.runner.engine import reason
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.host import Busy, Container, Failed
from launchpad.runner.journal import open_subjects
from launchpad.runner.moving.tombstone import may_run
from launchpad.runner.plan import read_record
from launchpad.runner.reviving import revive_docker
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.view import View
from launchpad.runner.watching.check import Check

WINDOW_SECONDS = 600.0
MOST_DEATHS = 5
"""So many within the window trip the breaker."""
PERMANENT_EXIT = 78
"""sysexits' EX_CONFIG: the app itself says that starting again will not help. It is believed the second time."""
MOST_PERMANENT = 2
LOOK_SECONDS = 30.0
"""So often it looks without having heard anything: an event can be missed."""
RESERVE_BYTES, RESERVE_SHARE = 64 << 20, 100
"""How much of the tenants' storage is kept for the dead, at most, and at most one part in so many: nothing that keeps
its state in SQLite starts without a byte of room, the release that an undo goes back to no more than any other."""
STARTED_SECONDS = 0.5
"""So soon it looks again after it started something: what is over is not told any longer."""
MOST_PAUSE = 600.0
"""Seconds between two tries to start a tenant whose containers are missing."""
BOOT_SECONDS = 600.0
"""So long a boot may take before somebody is told."""
HELD_SECONDS = 2.0
"""An operation that holds a tenant is waited for by looking again."""
BREAKER_LINES = 20
NAME = "apps"
"""In the account."""


@dataclass(frozen=True)
class Death:
    """One end of a service's container."""

    at: float
    exit_code: int
    out_of_memory: bool
    disk_full: bool = False
    """Whether there was no room just then: it says nothing of the app, which may run again once there is."""
    operated: bool = False
    """Whether an operation on the tenant was open just then: that stops what it replaces, and no app died of itself."""


@dataclass(frozen=True)
class Restart:
    """Start it again, once it is that time."""

    at: float


@dataclass(frozen=True)
class Break:
    """Leave it: a person has to look."""

    reason: str


def decide(deaths: Sequence[Death], now: float) -> Restart | Break:
    """What to do after the last of these deaths: again after 1, 2, 4, 8 s, and not at all after the fifth within ten
    minutes, or the second that the app calls permanent; one on a full disk does not count for that, and one in an
    operation counts for nothing."""
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
    """A service that died: its deaths, and the start that the last one ended."""

    deaths: list[Death] = field(default_factory=list)
    started_at: str = ""


@dataclass
class Absent:
    """A tenant that should run and has no container for a service: how often it was started in vain."""

    tries: int = 0
    again_at: float = 0.0
    finding: Finding | None = None


@dataclass(frozen=True)
class NotStarted:
    """A dead container that Docker refused to start again: when it is tried next, by the clock of `elapsed`."""

    again_at: float
    finding: Finding


def watch(host: View, checks: Sequence[type[Check]] = watching.CHECKS) -> int:
    """Watch until the process is ended. Docker may come and go."""
    booting.begin_with(host)
    account = Account(host, (NAME, *(check.name for check in checks)))
    watching.begin([check(host, account) for check in checks], account)
    account.see(NAME, [], {})  # from now on the host is watched
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
    """Look at once, because containers may have died while nobody listened; then after each death, and when due."""
    while True:
        pause = watcher.look()
        account.see(NAME, watcher.findings(), {}, watcher.health)
        heard(pause, watcher.processes)


class Watcher:
    """What was seen to die, and the look at it all. A restart of the watcher forgets the deaths, not the breakers."""

    def __init__(self, host: View, account: Account | None = None) -> None:
        self._host = host
        self._account = account or Account(host, ())
        self._began = host.elapsed()
        self._patients: dict[tuple[str, str], Patient] = {}
        self._was_full = self._full = False
        """Whether the disk was at the last look, and is at this one: room may have come between a death and a look."""
        self.processes: list[int] = []
        """Those of the containers that ran at the last look."""
        self._networks: frozenset[str] = frozenset()
        self._ill: list[Finding] = []
        self._absent: dict[str, Absent] = {}
        self._not_started: dict[str, NotStarted] = {}
        """By the container's name."""
        self._starting: list[boot.Starting] = []
        self.health: list[Fact] = []
        """Docker, and the processes of each tenant that is to run, as of the last look."""

    def findings(self) -> list[Finding]:
        """What is not well and what the watch cannot mend."""
        found = [*self._ill, *(item.finding for item in self._absent.values() if item.finding)]
        found += [item.finding for item in self._not_started.values()]
        if booting.is_going_on(self._host) and self._host.elapsed() - self._began > BOOT_SECONDS:
            minutes = f"{BOOT_SECONDS / 60:.0f} minutes"
            found.append(
                Finding(booting.BOOT, f"the boot has not started every tenant within {minutes}", RUN_PROVISION)
            )
        return found

    def look(self) -> float:
        """See to every dead container whose tenant is to run; how many seconds until there is something to do again."""
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
        """Whether each tenant's containers run, but for a tenant that somebody else has."""
        for name in filter(is_tenant_name, self._host.names(paths.TENANTS)):
            with suppress(Failed, ValueError, KeyError, TypeError):  # a damaged record, which others find
                record = read_record(self._host, name)
                if record is None or record["retired"] or not (record["running"] and may_run(self._host, record)):
                    continue
                if self._host.lock_owner(f"tenant-{name}") is not None or self._has_open_operation(name):
                    continue
                mine = [item for item in containers if item.tenant == name and item.side == record["side"]]
                yield self._process(name, mine)

    def _process(self, tenant: str, mine: Sequence[Container]) -> Fact:
        down = [item for item in mine if item.state in ("created", "exited", "dead")]
        message, hint = "; ".join(f"{item.service} {_ended(item)}" for item in down), f"launchpad logs {tenant}"
        if breaker := self._host.read(_breaker(tenant)):
            message, hint = str(json.loads(breaker)["reason"]), f"launchpad start {tenant}"
        elif not mine:
            message = "none of its containers is there"
        if message:
            # One that died once, by itself, runs again in a second.
            once = bool(down) and not breaker and all(self._died_once(item) for item in down)
            grade = Grade.warning if once else Grade.critical
            return Fact(Layer.process, grade, message, hint, tenant=tenant, subject="process")
        said = f"{len(mine)} container{'' if len(mine) == 1 else 's'} run"
        return Fact(Layer.process, Grade.ok, said, tenant=tenant, subject="process", value=float(len(mine)))

    def _died_once(self, item: Container) -> bool:
        patient = self._patients.get((item.tenant, item.service))
        return item.name not in self._not_started and (patient is None or len(patient.deaths) <= 1)

    def _try(self, tenant: str, see_to: Callable[[], float]) -> float:
        """One tenant that cannot be seen to, a damaged record even, never keeps the others waiting."""
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
        """Start the tenant anew when a service that is to run has no container; for how many seconds to wait."""
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
            absent.finding = Finding(
                NAME, f"cannot be started: {reason(error)}", f"launchpad deploy {name}", tenant=name
            )
            raise
        del self._absent[name]
        if begun:
            self._starting.append(begun)
            self._account.note(
                NAME, "containers or the network were missing; the watch created and started them", tenant=name
            )
        return LOOK_SECONDS

    def _lacks_containers(self, name: str, mine: Sequence[Container]) -> bool:
        """Whether the tenant is to run and has no network, or a service of its has no container at all on the side
        that serves; one with an open operation, or held by a breaker, is left alone."""
        record = read_record(self._host, name)
        if record is None or not self._may_run(record):
            return False
        wanted = read_manifest(self._host, name, record["started"])
        have = {item.service for item in mine if item.side == record["side"]}
        whole = wanted and have.issuperset(wanted.services) and cell.network(name) in self._networks
        return not whole and not self._has_open_operation(name)

    def _see_to(self, item: Container) -> float:
        """Restart the dead container, or break, or wait; for how many seconds."""
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
                # Whoever held the lock may have changed what should run.
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
        """Start the dead container; what Docker says against it is a finding until it starts."""
        try:
            self._host.start_container(item.name)
        except Failed as failed:
            again_at = self._host.elapsed() + LOOK_SECONDS
            message = f"{item.service} cannot be restarted: {failed.message}"
            finding = Finding(NAME, message, f"launchpad logs {item.tenant}", tenant=item.tenant)
            self._not_started[item.name] = NotStarted(again_at, finding)
            raise
        self._not_started.pop(item.name, None)

    def _disk_is_full(self) -> bool:
        """Whether there is less than the reserve twice over."""
        reserve, free = self._reserve()
        return free < 2 * reserve

    def _reserve(self) -> tuple[int, int]:
        """How many bytes are to be kept, and how many are free."""
        total, free = self._host.disk()
        return min(RESERVE_BYTES, total // RESERVE_SHARE), free

    def _keep_reserve(self) -> None:
        """Keep it once there is plenty of room: what is given up for the dead is not taken from them at once."""
        reserve, free = self._reserve()
        if free > 4 * reserve and paths.RESERVE.rpartition("/")[2] not in self._host.names(paths.ROOT):
            self._host.set_aside(paths.RESERVE, reserve)

    def _report(self, item: Container, patient: Patient, decision: Break) -> dict[str, Any]:
        """What status shows of a breaker that tripped."""
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
        """Whether the tenant's record wants just this container to run, and no breaker keeps it down."""
        record = read_record(self._host, item.tenant)
        if record is None or not self._may_run(record):
            return False
        return bool(item.side == record["side"] and item.release == record["started"])

    def _may_run(self, record: Mapping[str, Any]) -> bool:
        if booting.is_going_on(self._host) and record["tenant"] not in booting.seen_to(self._host):
            return False  # the boot's, until it has put the secrets in place
        if not record["running"] or record["retired"] or not may_run(self._host, record):
            return False
        return self._host.read(_breaker(record["tenant"])) is None

    def _has_open_operation(self, tenant: str) -> bool:
        """Whether an operation on the tenant goes on, or was left by a runner that died: it, or what settles it,
        starts and stops containers."""
        return f"tenant-{tenant}" in open_subjects(self._host)


def _ended(item: Container) -> str:
    return "was killed for want of memory" if item.oom_killed else f"does not run (exit status {item.exit_code})"


def _no_docker(failed: Failed) -> Fact:
    return Fact(Layer.docker, Grade.critical, failed.message, RUN_PROVISION, subject="engine")


def _illness(item: Container) -> Finding:
    message = f"{item.service} is unhealthy according to its image's health check"
    return Finding("illness", message, f"launchpad logs {item.tenant}", tenant=item.tenant)


def _breaker(tenant: str) -> str:
    return f"{paths.tenant(tenant)}/breaker.json"


def _say(line: str) -> None:
    """A line in the unit's journal."""
    print(line, file=sys.stderr, flush=True)
