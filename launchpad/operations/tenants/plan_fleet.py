"""plan: the differences between the inventory and tenants, hosts or the whole fleet; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from launchpad.errors import LaunchpadError
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.host import Host
from launchpad.operations.hosts.host_settings import host_settings
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.observing import knows, observe, wanted
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.render import rendered
from launchpad.operations.requests.scope import scope_of
from launchpad.plan.diffs import MANIFEST, diffs
from launchpad.plan.fleet_plan import FleetPlan, Note, PlannedOperation, Seen, plan_changes, without
from launchpad.plan.observed import HostSeen
from launchpad.runner.hint import Next
from launchpad.runner.protocol import release_as_json
from launchpad.runner.wire.host_bodies import Plan
from launchpad.runner.wire.tenant_bodies import ReadRelease, ReleaseReply
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Runner, Workspace


def plan_fleet(workspace: Workspace, names: Sequence[str] = (), *, show: bool = False) -> FleetPlan:
    """The plan for the named tenants and hosts, or for all. A host that does not answer is in the plan with its error.
    With `show` the files of the running releases are fetched, and the plan has their diffs."""
    fleet = workspace.fleet.load()
    scope = scope_of(fleet, names)
    seen = observe(workspace, scope, probes=False, unsettled=partial(_unsettled, workspace, fleet))
    made = plan_changes(wanted(workspace, fleet, scope.tenants), seen, inventory=fleet.known)
    if not names:
        made = replace(made, notes=(*made.notes, *_unreadable(fleet, seen)))
    if show:
        made = replace(made, diffs=_diffs(workspace, fleet, made))
    return without(made, seen, {change.tenant for change in made.changes if not _knows(workspace, seen, change)})


def _diffs(workspace: Workspace, fleet: Fleet, made: FleetPlan) -> dict[str, dict[str, str]]:
    """The diffs of each tenant whose release would change; one connection to each host."""
    queues: dict[str, list[str]] = {}
    for change in made.changes:
        if change.kind == "deploy" and change.replaces not in (None, change.release):
            queues.setdefault(change.host, []).append(change.tenant)

    def read(host: str) -> dict[str, dict[str, str]]:
        with hosts_of(workspace).reach(fleet.host(host)) as runner:
            return {name: of(name, ask(runner, ReadRelease(tenant=name))) for name in queues[host]}

    def of(name: str, runs: ReleaseReply) -> dict[str, str]:
        if runs.release is None or runs.files is None:
            return {MANIFEST: "the running release's files are damaged: the deploy writes all of them again"}
        want = rendered(workspace, fleet, fleet.tenant(name))
        return diffs((release_as_json(runs.release), runs.files), (release_as_json(want.release), want.files))

    found: dict[str, dict[str, str]] = {}
    for host, said in fanout(queues, read, threads=workspace.settings.parallel).items():
        silent = {MANIFEST: f"{host} cannot send the running files: {said}"} if isinstance(said, LaunchpadError) else {}
        found |= dict.fromkeys(queues[host], silent) if isinstance(said, LaunchpadError) else said
    return found


def _unreadable(fleet: Fleet, seen: Seen) -> Iterator[Note]:
    """The tenants whose own files have mistakes, for the hosts that have them."""
    for name, item in sorted(fleet.unreadable.items()):
        homes = [host for host, said in seen.items() if isinstance(said, HostSeen) and name in said.tenants]
        where = ", ".join(homes) or "inventory"
        yield Note(host=where, tenant=name, text=str(item.mistakes[0]), hint=Next("check"))


def _knows(workspace: Workspace, seen: Seen, change: PlannedOperation) -> bool:
    said = seen[change.host]
    has = said.tenants.get(change.tenant) if isinstance(said, HostSeen) else None
    return has is None or knows(workspace, has)


def _unsettled(workspace: Workspace, fleet: Fleet, host: Host, runner: Runner) -> tuple[str, ...]:
    """The changes that a provision would make on the host; empty when the inventory lacks a value for a provision,
    which `provision` itself reports."""
    try:
        settings = host_settings(workspace, fleet, host)
        steps = ask(runner, Plan(operation={"kind": "provision", "settings": settings})).steps
    except LaunchpadError:
        return ()
    return tuple(step.title for step in steps)
