"""Where a tenant is, as two hosts know it: what a move reads before each of its steps, whoever began it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from launchpad.errors import LockedError
from launchpad.events import OnEvent
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.tenant import Tenant
from launchpad.operations.requests.following import follow
from launchpad.operations.requests.outcome import OperationFailed
from launchpad.operations.requests.reaching import hosts_of
from launchpad.workspace import Workspace

MOST_LOOKS = 5


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """What one host knows of the tenant."""

    host: str
    record: Mapping[str, Any] | None
    tombstone: Mapping[str, Any] | None
    """Why it may not run there; None when it may."""
    known: int
    """The highest epoch that the host has heard of; 0 for none."""
    generations: tuple[Mapping[str, Any], ...]
    """The newest first."""
    volumes: tuple[str, ...]
    forwards: bool
    """Whether its requests are passed on to another host."""
    waits: bool | None
    """Whether its requests would wait there for it to arrive; None where the runner is older and keeps none waiting."""
    clock: float

    @property
    def has_it(self) -> bool:
        """Whether the tenant lives there, running or stopped."""
        return self.record is not None and not self.record["retired"] and self.tombstone is None

    def left_for(self, host: str) -> bool:
        return self.tombstone is not None and self.tombstone["to"] == host

    @property
    def ids(self) -> frozenset[str]:
        """Of its generations."""
        return frozenset(str(item["id"]) for item in self.generations)


def whereabouts(workspace: Workspace, host: Host, tenant: Tenant, *, on_event: OnEvent) -> Whereabouts:
    """Ask the host, once whatever goes on with the tenant there is over: it is followed to its end. LockedError when
    that takes too long; HostError when the host cannot be reached."""
    for _ in range(MOST_LOOKS):
        with hosts_of(workspace).reach(host) as runner:
            said = runner.ask("whereabouts", {"tenant": str(tenant.name), "slot": tenant.slot})
        if not said["operation"]:
            return Whereabouts(
                host=str(host.name),
                record=said["record"],
                tombstone=said["tombstone"],
                known=int(said["known"]),
                generations=tuple(said["generations"]),
                volumes=tuple(said["volumes"]),
                forwards=bool(said["forwards"]),
                waits=said.get("waits"),
                clock=float(said["clock"]),
            )
        with suppress(OperationFailed):
            follow(workspace, host, said["operation"], on_event=on_event)
    raise LockedError(f"{host.name}: one operation on {tenant.name} after another", hint="the same command, later")
