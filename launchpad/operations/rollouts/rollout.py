"""rollout: upgrade all of an app's tenants ring by ring; each ring is judged before the next ring starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.errors import LaunchpadError, StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.app import App
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.model.version_order import is_older, may_follow, names, next_on_the_way, passed
from launchpad.operations.requests.confirmation import Confirmation, plan_digest
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.operations.requests.observing import knows, observe
from launchpad.operations.requests.render import rendered
from launchpad.operations.requests.scope import Scope
from launchpad.operations.rollouts.rollouts import UNFINISHED, KnownRollouts, Progress, rollouts
from launchpad.operations.rollouts.waves import go_on
from launchpad.plan.fleet_plan import unknown
from launchpad.plan.observed import HostSeen, TenantSeen
from launchpad.plan.rollout_waves import Candidate, spread
from launchpad.runner.hint import Next
from launchpad.runner.protocol import Rollout, record_as_json
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class RolloutRequest:
    """What is asked for."""

    version: str = ""
    """The version; empty: the app's newest."""
    rehearse: bool = True
    """Whether each tenant's upgrade is rehearsed on a clone of its data."""
    identifier: str = ""
    """The rollout's id; empty: a new id."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A tenant of the app that the rollout skips, and why; `hint` is empty when the operator need not act."""

    tenant: str
    host: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class RolloutPlan:
    """A planned rollout: the waves, and the skipped tenants."""

    rollout: Rollout
    left_out: tuple[LeftOut, ...]
    breaks: tuple[tuple[str, str], ...]
    """What each version breaks, for every version that a tenant of the rollout passes."""
    notes: tuple[tuple[str, str], ...]
    short: tuple[tuple[str, str], ...] = ()
    """Hosts that now have too little memory for a clone of one of these tenants, each with its drill host. An empty
    drill host means that an upgrade on this host is rejected unless memory is free by then."""
    silent: Mapping[str, LaunchpadError] = field(default_factory=dict)
    """Hosts of the app's tenants that did not answer."""

    @property
    def answered(self) -> bool:
        """Whether a host answered."""
        homes = {member.host for wave in self.rollout.waves for member in wave.members}
        return not self.silent.keys() >= homes | {item.host for item in self.left_out}

    @property
    def tenant(self) -> str:
        """The app, by which errors name the rollout."""
        return self.rollout.app

    @property
    def empty(self) -> bool:
        return not self.rollout.waves

    @property
    def digest(self) -> str:
        """12 hex digits for a confirmation. The rollout's id is not part of the digest."""
        return plan_digest(self.as_json() | {"rollout": record_as_json(self.rollout.but(id=""))})

    def as_json(self) -> dict[str, Any]:
        return {
            "rollout": record_as_json(self.rollout),
            "left_out": [dataclasses.asdict(item) for item in self.left_out],
            "breaks": dict(self.breaks),
            "notes": dict(self.notes),
            "short": dict(self.short),
        }


def plan_rollout(workspace: Workspace, name: str, wanted: RolloutRequest) -> RolloutPlan:
    """Plan the rollout; every host of the app's tenants is asked. InventoryError for a version that the app does not
    list; StateError while another rollout of the app has not ended. With the id of an earlier rollout, the plan is that
    rollout's; StateError when the earlier rollout has another version or other options."""
    fleet = workspace.fleet.load()
    app = fleet.app(name)
    version = str(app.version(wanted.version or app.versions[-1].version).version)
    tenants = [tenant for _, tenant in sorted(fleet.tenants.items()) if tenant.app == app.name]
    others = rollouts(workspace, name)
    _refuse_another(others, name, wanted.identifier)
    seen = {**observe(workspace, _scope(fleet, tenants), probes=True), **others.silent}
    settings = fleet.defaults.rollout
    homes = sorted({str(tenant.host) for tenant in tenants})
    told = [_candidate(workspace, fleet, tenant, version, seen[str(tenant.host)]) for tenant in tenants]
    candidates = [item for item in told if isinstance(item, Candidate)]
    identifier = wanted.identifier or new_identifier(workspace.clock.now())
    rollout = _recorded(others, wanted, version) or Rollout(
        id=identifier,
        app=str(app.name),
        version=version,
        waves=spread(candidates, settings, seed=f"{name} {version}"),
        tenant_soak=settings.tenant_soak.seconds,
        rehearse=wanted.rehearse,
        timeout=settings.timeout.seconds,
        patience=settings.patience.seconds,
        revision=workspace.revision().revision,
    )
    way = _passed(app, {item.version for item in candidates}, version)
    return RolloutPlan(
        rollout=rollout,
        left_out=tuple(item for item in told if isinstance(item, LeftOut)),
        breaks=tuple((str(item.version), str(item.breaks)) for item in way if item.breaks),
        notes=tuple((str(item.version), str(item.notes)) for item in way if item.notes),
        short=_short(fleet, candidates, seen) if wanted.rehearse else (),
        silent={host: said for host in homes if isinstance(said := seen[host], LaunchpadError)},
    )


def begun_before(workspace: Workspace, name: str, wanted: RolloutRequest) -> str:
    """The id of this operator's unfinished rollout to that version; empty when there is none."""
    app = workspace.fleet.load().app(name)
    version = str(app.version(wanted.version or app.versions[-1].version).version)
    for known in rollouts(workspace, name).rollouts:
        going = known.intent is None or known.intent.what == "go"
        mine = known.who == workspace.settings.operator and wanted.identifier in ("", known.rollout.id)
        if going and mine and (known.rollout.version, known.rollout.rehearse) == (version, wanted.rehearse):
            return known.rollout.id
    return ""


def rollout(workspace: Workspace, what: RolloutPlan, *, confirm: Confirmation, on_event: OnEvent = ignore) -> Progress:
    """Carry the rollout out, as far as the verdicts allow. The rollout is recorded on each of its hosts before the
    first upgrade starts. StateError unless the plan is the confirmed one; other errors as of `waves.go_on`."""
    confirm.of(what, command="rollout")
    if what.empty:
        raise StateError(
            f"{what.rollout.app}: nothing to roll out", code="nothing-to-roll-out", hint=Next("versions", what.tenant)
        )
    return go_on(workspace, what.rollout, on_event=on_event)


def _refuse_another(found: KnownRollouts, name: str, identifier: str) -> None:
    for known in found.rollouts:
        what = known.intent.what if known.intent else ""
        if what in UNFINISHED and known.rollout.id != identifier:
            verb = "--undo" if what == "undo" else "--resume"
            raise StateError(
                f"rollout {known.rollout.id} of {name} to {known.rollout.version} by {known.who} has not ended",
                code="rollout-not-ended",
                hint=Next("rollout", name, verb) + ", or " + Next("rollout", name, "--halt"),
            )


def _recorded(found: KnownRollouts, wanted: RolloutRequest, version: str) -> Rollout | None:
    """The rollout that has the wanted id already."""
    earlier = next((known.rollout for known in found.rollouts if known.rollout.id == wanted.identifier), None)
    if earlier is None or (earlier.version, earlier.rehearse) == (version, wanted.rehearse):
        return earlier
    raise StateError(
        f"rollout {earlier.id} exists already, and differs from this request: version {earlier.version} → {version}, "
        f"rehearse {earlier.rehearse} → {wanted.rehearse}",
        code="rollout-asked-other-options",
        hint="to resume the earlier rollout: "
        + Next("rollout", earlier.app, "--resume", "--id", earlier.id)
        + "; for another rollout use another id",
    )


def _scope(fleet: Fleet, tenants: list[Tenant]) -> Scope:
    asked = {tenant.host for tenant in tenants}
    hosts = tuple(fleet.hosts[name] for name in sorted(fleet.hosts) if name in asked)
    return Scope(hosts=hosts, tenants=tuple(tenants), whole_hosts=frozenset())


def _candidate(
    workspace: Workspace, fleet: Fleet, tenant: Tenant, version: str, said: HostSeen | LaunchpadError
) -> Candidate | LeftOut:
    """The tenant as a candidate of the rollout, or the reason to skip the tenant."""
    name, host = str(tenant.name), str(tenant.host)
    if not tenant.running:
        return LeftOut(tenant=name, host=host, reason="must not run: its file has running: false")
    if isinstance(said, LaunchpadError):
        return LeftOut(tenant=name, host=host, reason=said.message.removeprefix(f"{host}: "), hint=said.hint)
    has = said.tenants.get(name)
    if has is None or has.retired or has.app != tenant.app:
        return LeftOut(tenant=name, host=host, reason="is not on its host", hint=Next("deploy", name))
    for reason, hint in _reasons(workspace, fleet, tenant, version, has):
        return LeftOut(tenant=name, host=host, reason=reason, hint=hint)
    return Candidate(
        tenant=name, host=host, version=has.version, ring=str(tenant.ring or ""), well=has.ready and not has.breaker
    )


def _reasons(
    workspace: Workspace, fleet: Fleet, tenant: Tenant, version: str, has: TenantSeen
) -> Iterator[tuple[str, str]]:
    """Yield the reasons to skip a deployed tenant, each with a hint."""
    app, name = fleet.app(tenant.app), str(tenant.name)
    if has.version == version:
        yield f"already runs {version}", ""
    elif is_older(version, has.version, names(app)):
        yield f"runs {has.version}, which is newer", ""
    elif not may_follow(app, version, has.version):
        first = next_on_the_way(app, has.version, version)
        hint = Next("rollout", app.name, "--to", first) if first else Next("versions", app.name)
        yield f"{version} cannot follow {has.version} in one step", hint
    if not knows(workspace, has):
        yield unknown(has), Next("plan", name)
    if not has.running:
        yield "is stopped", Next("start", name)
    if has.generations is None:
        yield "the host's runner is too old for upgrades", Next("provision", tenant.host)
    try:
        rendered(workspace, fleet, tenant.model_copy(update={"version": type(tenant.version)(version)}))
    except LaunchpadError as error:
        yield f"cannot be rendered: {error.message}", error.hint


def _short(
    fleet: Fleet, candidates: list[Candidate], seen: Mapping[str, HostSeen | LaunchpadError]
) -> tuple[tuple[str, str], ...]:
    wanted: dict[str, int] = {}
    for item in candidates:
        memory = fleet.tiers[fleet.tenant(item.tenant).tier].memory.mb
        wanted[item.host] = max(memory, wanted.get(item.host, 0))
    free = {name: said.memory_free_mb for name, said in seen.items() if isinstance(said, HostSeen)}
    lacking = [name for name, memory in wanted.items() if (has := free.get(name)) is not None and has < memory]
    return tuple((name, str(fleet.host(name).drill_host or "")) for name in sorted(lacking))


def _passed(app: App, before: set[str], version: str) -> list[Any]:
    """Every version that a tenant of the rollout passes, oldest first."""
    found = {str(item.version) for start in before for item in passed(app, start, version)}
    return [item for item in app.versions if item.version in found]
