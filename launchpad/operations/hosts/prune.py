"""prune: let hosts remove what is no longer used. Each host decides this from its own state."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.errors import LaunchpadError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.host import Host
from launchpad.operations.requests.again import Wish, submit_once
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.following import Submission
from launchpad.operations.requests.identifiers import part_of
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.wire.host_bodies import Plan
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

OPERATION = {"kind": "prune"}
COMMIT = "commit"
IMAGES = "/var/lib/docker"


@dataclass(frozen=True, kw_only=True)
class PrunePlan:
    """What a host would remove."""

    host: str
    steps: tuple[str, ...]
    """The steps' titles; empty when there is nothing to remove."""
    free_for_images: int
    """Bytes."""
    free_for_data: int

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"steps": list(self.steps)}


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """The result of a prune: the outcome, and the bytes freed on the host."""

    outcome: Outcome
    steps: tuple[str, ...]
    images: int
    data: int

    def as_json(self) -> dict[str, Any]:
        freed = {"freed_for_images": self.images, "freed_for_data": self.data}
        return self.outcome.as_json() | {"removed": list(self.steps)} | freed


def plan_prune(workspace: Workspace, names: Sequence[str] = ()) -> dict[str, PrunePlan | LaunchpadError]:
    """The plans of the named hosts, or of all; nothing is changed. InventoryError for an unknown name."""
    hosts = _hosts(workspace, names)
    return fanout(hosts, lambda name: _planned(workspace, hosts[name]), threads=workspace.settings.parallel)


def prune(
    workspace: Workspace, names: Sequence[str] = (), *, identifier: str = "", on_event: OnEvent = ignore
) -> dict[str, Pruned | LaunchpadError]:
    """Prune the named hosts, or all, in parallel; each host's id follows from `identifier`. A prune that this checkout
    started earlier and that is still running is followed. Errors of a host as of `following.submit`."""
    hosts = _hosts(workspace, names)

    def work(name: str) -> Pruned:
        return _prune(workspace, hosts[name], part_of(identifier, name), on_event)

    return fanout(hosts, work, threads=workspace.settings.parallel)


def _hosts(workspace: Workspace, names: Sequence[str]) -> dict[str, Host]:
    fleet = workspace.fleet.load()
    return {name: fleet.host(name) for name in (names or sorted(map(str, fleet.hosts)))}


def _prune(workspace: Workspace, host: Host, identifier: str, on_event: OnEvent) -> Pruned:
    before = _planned(workspace, host)
    wish = Wish(kind="prune", tenant="", host=str(host.name))
    submission = Submission(identifier=identifier, operation=OPERATION)
    outcome = submit_once(workspace, host, wish, submission, on_event=on_event)
    if outcome.outcome == "unchanged":
        return Pruned(outcome=outcome, steps=(), images=0, data=0)
    after = _planned(workspace, host)
    return Pruned(
        outcome=outcome,
        steps=tuple(step for step in before.steps if step not in after.steps),
        images=max(0, after.free_for_images - before.free_for_images),
        data=max(0, after.free_for_data - before.free_for_data),
    )


def _planned(workspace: Workspace, host: Host) -> PrunePlan:
    with hosts_of(workspace).reach(host) as runner:
        said = ask(runner, Plan(operation=OPERATION))
    free = dict(said.free)
    images = free.pop(IMAGES)
    return PrunePlan(
        host=str(host.name),
        steps=tuple(step.title for step in said.steps if step.step != COMMIT),
        free_for_images=images,
        free_for_data=next(iter(free.values())),
    )
