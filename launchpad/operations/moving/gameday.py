"""gameday: bring all tenants of a host back from their newest backups on other hosts, as if the host were lost.

Each tenant comes back as a muted clone: without a network, with made-up secrets, beside nothing of the tenant itself.
The clone boots, its probes are judged, and the host where it ran destroys it, even if the operator or the connection
dies. The outcome is recorded on the host that was taken for lost. The tenants keep serving there and are not asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from launchpad.errors import LaunchpadError, StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.tenant import Tenant
from launchpad.operations.backups.backup_keys import as_sent, with_key
from launchpad.operations.backups.backups import Backup, newest_with_key
from launchpad.operations.moving.gameday_plan import KIND, GameDayPlan
from launchpad.operations.requests.again import Wish, come_back, find, reported, submit_once
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.following import Submission
from launchpad.operations.requests.identifiers import part_of
from launchpad.operations.requests.outcome import OperationFailed, Outcome
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.render import rendered
from launchpad.operations.requests.room import when_there_is_room
from launchpad.operations.tenants.deploy import revealing
from launchpad.runner.facts import GameDay, Returned
from launchpad.runner.hint import Next
from launchpad.runner.protocol import record_as_json, release_as_json
from launchpad.runner.wire.rollout_bodies import WriteGameDay
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

LONGEST_PROBLEM = 300

OnReturned = Callable[[Returned], None]
"""Called when a tenant has come back, or has failed to."""
Tell = Callable[[str], None]
"""Takes a sentence about what is waited for."""


@dataclass(frozen=True, kw_only=True)
class GameDayEnded:
    """How a game day ended."""

    host: str
    record: GameDay
    unrecorded: LaunchpadError | None
    """Why the host does not have the record."""

    def as_json(self) -> dict[str, Any]:
        said = record_as_json(self.record)
        told = {"back": len(self.record.tenants) - len(self.record.missing), "of": len(self.record.tenants)}
        return {"host": self.host, **told, "recorded": self.unrecorded is None} | said


def gameday(
    workspace: Workspace,
    what: GameDayPlan,
    *,
    confirm: str,
    parallel: int = 1,
    identifier: str = "",
    on_returned: OnReturned = lambda _: None,
    tell: Tell = lambda _: None,
    on_event: OnEvent = ignore,
) -> GameDayEnded:
    """Carry the plan out: hosts side by side, `parallel` clones at once on each. `confirm` is the plan's digest. A
    tenant that does not come back is in the result, and stops no other tenant. The same command, after its client was
    killed, follows what already runs."""
    if confirm != what.digest:
        message = f"{what.host}: gameday was not confirmed: the plan's digest is now {what.digest}"
        raise StateError(message, code="gameday-plan-changed", hint=Next("gameday", what.host, "--dry-run"))
    playing = _GameDay(
        workspace=workspace,
        fleet=workspace.fleet.load(),
        what=what,
        identifier=identifier,
        on_returned=on_returned,
        tell=tell,
        on_event=on_event,
    )
    return playing.run(parallel)


@dataclass
class _GameDay:
    workspace: Workspace
    fleet: Fleet
    what: GameDayPlan
    identifier: str
    on_returned: OnReturned
    tell: Tell
    on_event: OnEvent
    ended: dict[str, Returned] = field(default_factory=dict)
    operations: list[str] = field(default_factory=list)
    """The ids of the operations whose outcome this run reports."""
    one_at_a_time: Lock = field(default_factory=Lock)

    def run(self, parallel: int) -> GameDayEnded:
        begun = self.workspace.clock.monotonic()
        for tenant, why in self.what.left.items():
            self.end(Returned(tenant=tenant, host="", problem=why))
        waiting = {host: deque[str]() for host in self.what.placed.values()}
        for tenant, host in self.what.placed.items():
            waiting[host].append(tenant)

        def lane(name: str) -> None:
            host, _, _ = name.partition("/")
            while waiting[host]:
                try:
                    tenant = waiting[host].popleft()
                except IndexError:  # another lane was faster
                    return
                self.end(self.attempt(tenant, host))

        lanes = [f"{host}/{number}" for number in range(parallel) for host in waiting]
        for error in fanout(lanes, lane, threads=max(1, self.workspace.settings.parallel)).values():
            if isinstance(error, LaunchpadError):
                raise error
        # An earlier run may have done a part of the work.
        longest = max((self.seconds_on(host) / parallel for host in waiting), default=0.0)
        seconds = max(self.workspace.clock.monotonic() - begun, longest)
        tenants = tuple(self.ended[tenant] for tenant in sorted(self.ended))
        return self.recorded(GameDay(seconds=round(seconds, 1), tenants=tenants))

    def attempt(self, name: str, host: str) -> Returned:
        """Bring one tenant back; an error becomes a part of the result."""
        begun = self.workspace.clock.monotonic()
        there = self.fleet.host(host)
        try:
            return self.bring_back(self.fleet.tenant(name), there)
        except LaunchpadError as error:
            if isinstance(error, OperationFailed) and error.outcome is not None:
                self.operations.append(error.outcome.id)
            why = error.message.removeprefix(f"{name}: ").removeprefix(f"{KIND} failed and was undone: ")
            problem = " ".join(why.split())[:LONGEST_PROBLEM]
            seconds = round(self.workspace.clock.monotonic() - begun, 1)
            return Returned(tenant=name, host=host, seconds=seconds, problem=problem)

    def bring_back(self, tenant: Tenant, there: Host) -> Returned:
        name = str(tenant.name)
        wish = Wish(kind=KIND, tenant=name, words={"gameday": self.what.host}, host=str(there.name))
        own = part_of(self.identifier, name)
        found = find(self.workspace, wish, identifier=own, on_event=self.on_event)
        if found is not None:
            done = come_back(self.workspace, found, on_event=self.on_event)
            return self.returned(done, None)
        placed = tenant.model_copy(update={"host": there.name})
        backup, key = newest_with_key(self.workspace, placed)
        made = rendered(self.workspace, self.fleet, placed)
        operation = {
            "kind": KIND,
            "tenant": name,
            "release": release_as_json(made.release),
            "files": dict(made.files),
            "targets": as_sent([self.fleet.target(backup.target)]),
            "snapshot": backup.id,
        }
        real, reveal = made.release.real_in_rehearsals, revealing(self.workspace, placed)

        def secrets() -> Mapping[str, Mapping[str, Any]]:
            own = {word: item for word, item in reveal().items() if word in real} if real else {}
            return own | with_key(key)

        submission = Submission(identifier=own, operation=operation, secrets=secrets)
        done = when_there_is_room(
            self.workspace,
            lambda: submit_once(self.workspace, there, wish, submission, on_event=self.on_event),
            tell=lambda text: self.tell(f"{name}: {text}"),
        )
        return self.returned(done, backup)

    def returned(self, done: Outcome, backup: Backup | None) -> Returned:
        self.operations.append(done.id)
        back = Returned(tenant=done.tenant, host=done.host, seconds=done.seconds or 0.0)
        if backup is None:
            return back
        return back.but(
            target=backup.target,
            snapshot=backup.id,
            generation=backup.operation,
            version=backup.version,
            at=backup.at,
        )

    def end(self, item: Returned) -> None:
        with self.one_at_a_time:
            self.ended[item.tenant] = item
            self.on_returned(item)

    def recorded(self, record: GameDay) -> GameDayEnded:
        """Write the record on the host that was taken for lost; only then the operations count as reported."""
        unrecorded: LaunchpadError | None = None
        try:
            with hosts_of(self.workspace).reach(self.fleet.host(self.what.host)) as runner:
                ask(runner, WriteGameDay(record=record))
        except LaunchpadError as error:
            unrecorded = error
        if unrecorded is None:
            for identifier in self.operations:
                reported(self.workspace, identifier)
        return GameDayEnded(host=self.what.host, record=record, unrecorded=unrecorded)

    def seconds_on(self, host: str) -> float:
        return sum(item.seconds for item in self.ended.values() if item.host == host)
