"""Where a tenant is, as its two hosts know: a move reads this before each of its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from launchpad.errors import LockedError
from launchpad.events import OnEvent
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.tenant import Tenant
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.following import follow
from launchpad.operations.requests.outcome import OperationFailed
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.wire.move_bodies import AskWhereabouts, Generation
from launchpad.workspace import Workspace

MOST_LOOKS = 5


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """One host's knowledge of the tenant."""

    host: str
    record: Mapping[str, Any] | None
    tombstone: Mapping[str, Any] | None
    """The record that forbids the host to run the tenant; None when the host may run it."""
    known: int
    """The highest epoch that the host knows; 0 for none."""
    generations: tuple[Generation, ...]
    """The tenant's generations, newest first."""
    volumes: tuple[str, ...]
    forwards: bool
    """Whether the host forwards the tenant's requests to another host."""
    waits: bool | None
    """Whether requests wait on the host for the tenant's arrival; None with an older runner, which cannot hold
    requests."""
    clock: float

    @property
    def has_it(self) -> bool:
        """Whether the tenant is deployed on the host, running or stopped."""
        return self.record is not None and not self.record["retired"] and self.tombstone is None

    def left_for(self, host: str) -> bool:
        return self.tombstone is not None and self.tombstone["to"] == host

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the generations."""
        return frozenset(item.id for item in self.generations)


def whereabouts(workspace: Workspace, host: Host, tenant: Tenant, *, on_event: OnEvent) -> Whereabouts:
    """Ask the host, after following a running operation on the tenant to its end. LockedError when that takes too long;
    HostError when the host is unreachable."""

    def follow_to_end(operation: str) -> None:
        with suppress(OperationFailed):
            follow(workspace, host, operation, on_event=on_event)

    for _ in range(MOST_LOOKS):
        found = look(workspace, host, tenant.name, tenant.slot, epoch=tenant.epoch, when_busy=follow_to_end)
        if found is not None:
            return found
    raise LockedError(
        f"{host.name}: operations on {tenant.name} keep starting",
        code="operations-keep-starting",
        hint="try the same command later",
    )


def look(
    workspace: Workspace,
    host: Host,
    name: str,
    slot: int,
    *,
    epoch: int = 0,
    when_busy: Callable[[str], None] | None = None,
) -> Whereabouts | None:
    """Ask the host once; None while an operation on the tenant runs there, after `when_busy` with the operation's
    id."""
    with hosts_of(workspace).reach(host) as runner:
        said = ask(runner, AskWhereabouts(tenant=str(name), slot=slot, epoch=epoch))
    if said.operation:
        if when_busy:
            when_busy(said.operation)
        return None
    return Whereabouts(
        host=str(host.name),
        record=said.record,
        tombstone=said.tombstone,
        known=said.known,
        generations=said.generations,
        volumes=said.volumes,
        forwards=said.forwards,
        waits=said.waits,
        clock=said.clock,
    )
