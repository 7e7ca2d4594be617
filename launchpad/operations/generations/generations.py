"""generations: the generations and earlier releases of a tenant on its host."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from launchpad.errors import StateError
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.runner.wire.tenant_bodies import Generations
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class KeptGeneration:
    """A tenant's data at one instant, read-only on its host. Texts are empty for an incomplete generation."""

    id: str
    at: float
    """When it was taken, in seconds since 1970 by the host's clock."""
    why: str
    """upgrade, rollback, restore: the data before that operation; soak: the data of a failed soak; manual; rehearsal;
    backup."""
    version: str
    release: str
    """The version that ran on the data."""
    operation: str
    incomplete: bool = False
    """Whether taking the generation was interrupted; the host takes it again or removes it."""


@dataclass(frozen=True, kw_only=True)
class KeptRelease:
    """A running or earlier release. A rollback can return to the release while the host keeps the release and a
    generation of its data."""

    release: str
    version: str
    kept: bool
    running: bool
    generation: str
    """The id of the newest kept generation of its data; empty when there is none."""


@dataclass(frozen=True, kw_only=True)
class Past:
    """What the host keeps: generations, newest first; releases, the running one first."""

    tenant: str
    host: str
    generations: tuple[KeptGeneration, ...]
    releases: tuple[KeptRelease, ...]

    @property
    def running(self) -> KeptRelease:
        """The running release; StateError when there is none."""
        for item in self.releases:
            if item.running:
                return item
        raise StateError(
            f"{self.tenant} is not deployed on {self.host}", code="not-deployed", hint=Next("status", self.tenant)
        )

    def generation(self, identifier: str) -> KeptGeneration:
        """The complete generation of that id; StateError when there is none."""
        for item in self.generations:
            if item.id == identifier and not item.incomplete:
                return item
        raise StateError(
            f"{self.tenant} has no generation {identifier}",
            code="no-such-generation-of-tenant",
            hint=Next("generations", self.tenant),
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant,
            "host": self.host,
            "generations": [dataclasses.asdict(item) for item in self.generations],
            "releases": [dataclasses.asdict(item) for item in self.releases],
        }


def generations(workspace: Workspace, name: str) -> Past:
    """What the tenant's host keeps of the tenant; StateError when the tenant is not on the host, HostError when the
    host does not answer."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    host = fleet.host(tenant.host)
    with hosts_of(workspace).reach(host) as runner:
        said = ask(runner, Generations(tenant=str(tenant.name)))
    complete = (
        KeptGeneration(
            id=item.id,
            at=item.at,
            why=item.why,
            version=item.version,
            release=item.release,
            operation=item.operation,
        )
        for item in said.generations
    )
    incomplete = (
        KeptGeneration(id=name, at=0.0, why="", version="", release="", operation="", incomplete=True)
        for name in said.incomplete
    )
    return Past(
        tenant=str(tenant.name),
        host=str(host.name),
        generations=(*complete, *incomplete),
        releases=tuple(KeptRelease(**item.plain()) for item in said.releases),
    )
