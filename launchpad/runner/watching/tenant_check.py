"""How well each tenant is: its app is asked at its own address, its names through Caddy, its keys by its app's action.

A tenant that an operation or a boot has is left alone. An app that stopped to answer is restarted under the tenant's
lock; a provider or a channel that is down never is.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from launchpad.runner import booting, cell, paths, slots
from launchpad.runner.account import Finding
from launchpad.runner.engine import reason
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.hint import Next
from launchpad.runner.host import Busy, Container, Failed
from launchpad.runner.journal import open_subjects
from launchpad.runner.moving.sealed_certificates import valid
from launchpad.runner.moving.tombstone import may_run
from launchpad.runner.protocol import Action, Probe, Release
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.tenant_record import TenantRecord, read_tenant
from launchpad.runner.verbs.observe import served_names
from launchpad.runner.watching.app_answer import CHECK, REFUSED, app_facts
from launchpad.runner.watching.app_memory import has_memory
from launchpad.runner.watching.check import Check
from launchpad.runner.watching.restarting import is_to_restart

if TYPE_CHECKING:
    from launchpad.runner.account import Account
    from launchpad.runner.view import View

NAME = "tenants"
LOOK_SECONDS = 2.5
READY_SECONDS, SOON_SECONDS = 15.0, 5.0
"""So often an app is asked that answered, and one that did not."""
EDGE_SECONDS = 40.0
SERVED_SECONDS = 15.0
LISTEN_SECONDS = 25.0
CHECK_SECONDS, CHECK_SPREAD = 900.0, 0.1
"""So often an app's own check runs, and by which share earlier or later."""
FIRST_CHECK_SECONDS = 60.0
LEAST_CHECK_SECONDS, KNOWN_CHECK_SECONDS = 25.0, 60.0
"""What an app writes about a refused key makes its check run at once, but not more often than this: the second where
the last check found a refusal, which is told already. 25 and not 30, because an app is looked at each 15 seconds."""
ANSWER_SECONDS, EDGE_ANSWER_SECONDS, RUN_SECONDS = 3.0, 8.0, 30.0
STOP_SECONDS = 10
"""An app that does not answer gets so long to end."""
AT_ONCE, WAIT_SECONDS = 8, 5.0
"""So many questions are asked at the same time, and a look waits so long for them."""
LINES = 200
KILLED = 137
CRITICAL_MISSES = 2


@dataclass
class AskedTenant:
    """What is known of one tenant. Times are by the clock of `elapsed`."""

    tenant: str
    ready_at: float
    edge_at: float = 0.0
    check_at: float | None = None
    listen_at: float = 0.0
    heard: float = 0.0
    """Up to when its log was read, by the host's clock."""
    checked: float | None = None
    answered: float = 0.0
    """When the app answered last, by the host's clock."""
    missed: float | None = None
    """Since when it does not."""
    misses: int = 0
    restarts: list[float] = field(default_factory=list)
    edge_misses: dict[str, int] = field(default_factory=dict)
    ready: tuple[Fact, ...] = ()
    edge: dict[str, Fact] = field(default_factory=dict)
    app: tuple[Fact, ...] = ()
    asking: Future[None] | None = None

    @property
    def share(self) -> float:
        """A share of 1 that is the tenant's own: not all tenants are asked at the same time."""
        return zlib.crc32(self.tenant.encode()) / 2**32

    def facts(self) -> list[Fact]:
        return [*self.ready, *self.edge.values(), *self.app]

    def forget(self) -> None:
        """Somebody else has it now, or it is not to run."""
        self.missed, self.misses, self.ready = None, 0, ()
        self.edge.clear()
        self.edge_misses.clear()


class TenantCheck(Check):
    name, every = NAME, LOOK_SECONDS

    def __init__(self, host: View, account: Account) -> None:
        super().__init__(host, account)
        self._cases: dict[str, AskedTenant] = {}
        self._known: tuple[float, frozenset[str]] = float("-inf"), frozenset()
        """The names that Caddy serves, and when it was asked."""
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=NAME)

    def look(self) -> Iterable[Finding]:
        now = self.host.elapsed()
        names = [name for name in self.host.names(paths.TENANTS) if is_tenant_name(name)]
        for name in names:
            if name not in self._cases:
                case = AskedTenant(name, ready_at=now)
                case.ready_at += case.share * SOON_SECONDS
                self._cases[name] = case
        self._cases = {name: self._cases[name] for name in names}
        due = [case for case in self._cases.values() if case.ready_at <= now and not _is_asked(case)]
        for case in due:
            case.ready_at = now + READY_SECONDS - LOOK_SECONDS
            case.asking = self._pool.submit(self._see, case)
        wait([case.asking for case in due if case.asking], timeout=WAIT_SECONDS)
        self.health = [fact for case in self._cases.values() for fact in case.facts()]
        return [
            Finding(fact.subject, fact.message, fact.hint, tenant=fact.tenant)
            for fact in self.health
            if fact.grade is Grade.critical and fact.layer is not Layer.ready  # which `status` asks for itself
        ]

    def _see(self, case: AskedTenant) -> None:
        try:
            record = self._record(case.tenant)
            if record is None:
                case.forget()
                case.app = ()
                return
            if self._is_held(case.tenant):
                case.forget()
                return
            release = cell.read_release(self.host, case.tenant, record.started)
            self._ask_ready(case, release, record)
            if case.ready and case.ready[0].grade is Grade.ok:
                self._ask_edge(case, release, record)
                self._ask_app(case, release, record)
        except Exception as error:  # a damaged record, which others find, above all; it never ends the watch
            case.forget()
            print(f"{case.tenant}: {reason(error)}", file=sys.stderr, flush=True)

    # --- who is asked at all

    def _record(self, tenant: str) -> TenantRecord | None:
        """The tenant's record; None for a tenant that is not to run, or that nobody has started yet."""
        record = read_tenant(self.host, tenant)
        if record is None or not record.is_to_run or not may_run(self.host, record):
            return None
        if booting.is_going_on(self.host) and tenant not in booting.seen_to(self.host):
            return None
        return record if self.host.read(f"{paths.tenant(tenant)}/breaker.json") is None else None

    def _is_held(self, tenant: str) -> bool:
        """Whether an operation is at work on the tenant, or was left by a runner that died."""
        subject = f"tenant-{tenant}"
        return self.host.lock_owner(subject) is not None or subject in open_subjects(self.host)

    # --- ready

    def _ask_ready(self, case: AskedTenant, release: Release, record: TenantRecord) -> None:
        begun = self.host.elapsed()
        failing = self._failing(release, record, ("ready",))
        if not failing:
            seconds = round(self.host.elapsed() - begun, 3)
            case.missed, case.misses, case.answered = None, 0, self.host.now()
            ready = Fact(Layer.ready, Grade.ok, "answers", tenant=case.tenant, subject="ready", value=seconds, unit="s")
            case.ready = tuple(fact.but(at=case.answered) for fact in (ready, *self._others(case, release, record)))
            return
        case.ready_at = self.host.elapsed() + SOON_SECONDS - LOOK_SECONDS
        mine = [item for item in self.host.containers(case.tenant) if item.side == record.side]
        if not _all_run(mine, release):
            case.forget()  # that a process died is seen, and mended, by whoever watches the containers
            return
        case.edge.clear()
        starts = min(self.host.now() - _started(item) for item in mine)
        plain = Fact(
            Layer.ready,
            Grade.warning,
            "",
            Next("logs", case.tenant),
            tenant=case.tenant,
            subject="ready",
            at=self.host.now(),
        )
        if 0 <= starts < release.start_seconds and case.answered < self.host.now() - starts:
            case.missed, case.misses = None, 0
            case.ready = (plain.but(message=f"starts; {failing[0]}", hint=""),)
            return
        now = self.host.elapsed()
        case.missed = begun if case.missed is None else case.missed
        case.misses += 1
        grade = Grade.critical if case.misses >= CRITICAL_MISSES else Grade.warning
        case.ready = (plain.but(grade=grade, message="; ".join(failing)),)
        if is_to_restart(misses=case.misses, seconds=now - case.missed, restarts=case.restarts, now=now):
            self._restart(case, release, record, failing)

    def _failing(self, release: Release, record: TenantRecord, kinds: Sequence[str]) -> list[str]:
        """What each probe of these kinds says that does not hold."""
        found = []
        for probe in release.probes:
            if probe.kind in kinds:
                status = self._answer(probe, release, record)
                if status != probe.expect:
                    found.append(_said(probe, status))
        return found

    def _answer(self, probe: Probe, release: Release, record: TenantRecord) -> int:
        index = [service.name for service in release.services].index(probe.service)
        where = slots.address(record.slot, index, record.side)
        return self.host.get(where, probe.port, probe.path, seconds=ANSWER_SECONDS)

    def _others(self, case: AskedTenant, release: Release, record: TenantRecord) -> Iterable[Fact]:
        """The probes that warn: nobody restarts anything for them."""
        for probe in release.probes:
            if probe.kind in ("provider", "channel"):
                status = self._answer(probe, release, record)
                good = status == probe.expect
                yield Fact(
                    Layer(probe.kind),
                    Grade.ok if good else Grade.warning,
                    "answers" if good else _said(probe, status),
                    "" if good else Next("logs", case.tenant),
                    tenant=case.tenant,
                    subject=f"{probe.service}{probe.path}",
                )

    # --- restarting

    def _restart(self, case: AskedTenant, release: Release, record: TenantRecord, failing: Sequence[str]) -> None:
        """Stop and start its containers, unless somebody else has the tenant or changed it meanwhile."""
        tenant, now = case.tenant, self.host.elapsed()
        seconds = now - (case.missed or now)
        owner = {"who": "watch", "kind": "restart", "since": self.host.now()}
        project = cell.project(tenant, record.side)
        try:
            with self.host.lock(f"tenant-{tenant}", owner):
                if self._record(tenant) != record or f"tenant-{tenant}" in open_subjects(self.host):
                    return
                if self.host.read(paths.CUT_OFF) is not None or not self._failing(release, record, ("ready",)):
                    return
                case.restarts.append(now)
                self.host.stop(project, min(release.stop_seconds, STOP_SECONDS))
                self.host.start(project)
        except Busy:
            return
        except Failed as failed:
            case.ready = tuple(
                fact.but(message=f"{fact.message}; it cannot be restarted: {failed.message}") for fact in case.ready
            )
            return
        case.missed, case.misses = None, 0
        self.account.note(NAME, f"{failing[0]} for {seconds:.0f} s; the watch restarted it", tenant=tenant)

    # --- edge

    def _ask_edge(self, case: AskedTenant, release: Release, record: TenantRecord) -> None:
        if case.edge_at > self.host.elapsed() or not release.web:
            return
        names = [name for name in record.domains if valid(self.host, name) is not None]
        try:
            served = self._served(names)
        except Failed:
            return  # Caddy does not answer, which others find
        found = [self._edge(case, release, name, name in served).but(at=self.host.now()) for name in names]
        fails = any(fact.grade is not Grade.ok for fact in found)
        if fails and not self.host.caddy_answers():
            case.edge_misses.clear()
            return  # it has stopped since it was asked
        case.edge_at = self.host.elapsed() + EDGE_SECONDS - READY_SECONDS / 2
        case.edge = {fact.subject: fact for fact in found}
        if fails:
            case.edge_at, case.ready_at = 0.0, self.host.elapsed() + SOON_SECONDS - LOOK_SECONDS

    def _served(self, names: Iterable[str]) -> frozenset[str]:
        """The names that Caddy serves, as of a few seconds ago where all of these are among them: Caddy writes down
        all that it runs for each answer. Failed when Caddy does not answer."""
        at, served = self._known
        if self.host.elapsed() - at > SERVED_SECONDS or not served.issuperset(names):
            self._known = self.host.elapsed(), (served := frozenset(served_names(self.host.running_sites())))
        return served

    def _edge(self, case: AskedTenant, release: Release, name: str, is_served: bool) -> Fact:
        probe = next((item for item in release.probes if _is_of_web(item, release)), None)
        begun = self.host.elapsed()
        said = self.host.ask_site(name, probe.path if probe else "/", seconds=EDGE_ANSWER_SECONDS)
        good = said.status == probe.expect if probe else 0 < said.status < 500
        if is_served and good:
            case.edge_misses.pop(name, None)
            seconds = round(self.host.elapsed() - begun, 3)
            message = f"{name} answers through Caddy"
            return Fact(Layer.edge, Grade.ok, message, tenant=case.tenant, subject=name, value=seconds, unit="s")
        case.edge_misses[name] = case.edge_misses.get(name, 0) + 1
        grade = Grade.critical if case.edge_misses[name] >= CRITICAL_MISSES else Grade.warning
        if not is_served:
            message, hint = f"Caddy does not serve {name}", Next("deploy", case.tenant)
        else:
            what = f"answers {said.status} through Caddy" if said.status else f"does not answer: {said.problem}"
            message, hint = f"{name} {what}", Next("logs", case.tenant, "--edge")
        return Fact(Layer.edge, grade, message, hint, tenant=case.tenant, subject=name)

    # --- provider and channel

    def _ask_app(self, case: AskedTenant, release: Release, record: TenantRecord) -> None:
        """Run the app's own check when its time has come, or when the app wrote that a key was refused."""
        action = next((item for item in release.actions if item.name == CHECK), None)
        if action is None:
            case.app = ()
            return
        now = self.host.elapsed()
        container = f"{cell.project(case.tenant, record.side)}-{action.service}-1"
        if case.check_at is None:
            case.check_at = now + case.share * FIRST_CHECK_SECONDS
            case.heard = self.host.now()
        if case.check_at > now and not self._was_refused(case, container, now):
            return
        spread = 1 + CHECK_SPREAD * (2 * case.share - 1)
        case.checked, case.check_at = now, now + CHECK_SECONDS * spread
        case.app = self._run_check(case, action, container)

    def _was_refused(self, case: AskedTenant, container: str, now: float) -> bool:
        """Whether the app wrote since the last look that somebody refused its key."""
        known = any(fact.grade is not Grade.ok for fact in case.app)
        least = KNOWN_CHECK_SECONDS if known else LEAST_CHECK_SECONDS
        if case.listen_at > now or (case.checked is not None and now - case.checked < least):
            return False
        case.listen_at = now + LISTEN_SECONDS
        since, case.heard = case.heard, self.host.now()
        lines = self.host.log(container, since=since, tail=LINES, follow=False)
        return any(REFUSED.search(line.text) for line in lines)

    def _run_check(self, case: AskedTenant, action: Action, container: str) -> tuple[Fact, ...]:
        at = self.host.now()
        try:
            if not has_memory(self.host, container):
                return (_too_little_memory(case.tenant, at),)
            said = self.host.execute(container, action.argv, seconds=min(action.timeout_seconds, RUN_SECONDS))
        except Failed as failed:
            if self._is_held(case.tenant):
                return case.app  # an operation stopped it
            message = f"its check of keys failed: {failed.message}"
            return (Fact(Layer.provider, Grade.unknown, message, tenant=case.tenant, subject=CHECK, at=at),)
        if said.code == KILLED and not said.out:
            return (_too_little_memory(case.tenant, at),)
        return tuple(fact.but(at=at) for fact in app_facts(said.code, said.out, tenant=case.tenant))


def _too_little_memory(tenant: str, at: float) -> Fact:
    """No problem of the app's: a small app has no keys to check, and must not pay for the question with its memory."""
    message = "not checked: too little memory is free for its own check of keys and bots"
    hint = f"a tier with more memory for {tenant}"
    return Fact(Layer.provider, Grade.ok, message, hint, tenant=tenant, subject=CHECK, at=at)


def _is_asked(case: AskedTenant) -> bool:
    return case.asking is not None and not case.asking.done()


def _said(probe: Probe, status: int) -> str:
    where = f"{probe.service}:{probe.port}{probe.path}"
    return f"{where} answers {status}" if status else f"{where} does not answer"


def _is_of_web(probe: Probe, release: Release) -> bool:
    return probe.kind == "ready" and f"{probe.service}:{probe.port}" == release.web


def _all_run(mine: Sequence[Container], release: Release) -> bool:
    running = {item.service for item in mine if item.state in ("running", "paused")}
    return running >= {service.name for service in release.services}


def _started(item: Container) -> float:
    """When the container was started, by the host's clock; long ago where Docker does not say."""
    try:
        return datetime.fromisoformat(item.started_at).timestamp()
    except ValueError:
        return 0.0
