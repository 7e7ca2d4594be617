"""Move the tenants of a host to other hosts before its reboot, and back afterwards.

Each part is a move of one tenant, so the same command resumes what was interrupted. DNS points a tenant's names to the
host where the tenant is; a tenant whose records are set by hand stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from launchpad.errors import LaunchpadError, StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tenant import Tenant
from launchpad.operations.dns.address import ip_of
from launchpad.operations.dns.point import point
from launchpad.operations.dns.provider import Dns
from launchpad.operations.dns.resolver import Resolver
from launchpad.operations.moving.finish_move import await_names, finish_move
from launchpad.operations.moving.gameday_plan import need_of, rooms_of
from launchpad.operations.moving.move import move, plan_move
from launchpad.operations.moving.whereabouts import whereabouts
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.requests.observing import observe
from launchpad.operations.requests.scope import scope_of
from launchpad.plan.observed import HostSeen
from launchpad.plan.placement import PlacementNeed, place
from launchpad.runner.hint import Next
from launchpad.workspace import Workspace

NAMES_SECONDS = 900.0
RESOLVERS_SECONDS = 60.0
"""How much longer than this machine's resolver another resolver may return a tenant's old address."""


@dataclass(frozen=True, kw_only=True)
class AsidePlan:
    """Where the tenants of a host serve while it reboots."""

    host: str
    moving: Mapping[str, str]
    """Tenant → host."""
    staying: Mapping[str, str]
    """Tenant → why it stays."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class MovesAside:
    """Moves tenants away from a host, and back to it."""

    workspace: Workspace
    dns: Dns
    tell: Callable[[str], None] = lambda _: None
    on_event: OnEvent = ignore

    def plan(self, name: str) -> AsidePlan:
        """Place the host's tenants on the other hosts, as if all of them ran there at the same time. Asks the hosts and
        changes nothing."""
        fleet = self.workspace.fleet.load()
        rooms, _ = rooms_of(self.workspace, fleet, [host for host in sorted(fleet.hosts) if host != name])
        here = observe(self.workspace, scope_of(fleet, [name]), probes=False)[name]
        if isinstance(here, LaunchpadError):
            raise here
        needs, staying = list[PlacementNeed](), dict[str, str]()
        for tenant in fleet.tenants_of(name):
            if why := self._stays(here, tenant):
                staying[str(tenant.name)] = why
            else:
                needs.append(need_of(self.workspace, fleet, tenant, moves=True))
        made = place(needs, rooms)
        moving = dict(made.placed)
        for tenant_name, to in made.placed.items():
            try:
                self.workspace.fleet.judge_tenant_host(fleet.tenant(tenant_name).name, fleet.host(to).name)
            except LaunchpadError as error:
                staying[tenant_name] = error.message
                del moving[tenant_name]
        return AsidePlan(host=name, moving=moving, staying=dict(sorted({**made.left, **staying}.items())))

    def places(self, host: str) -> Mapping[str, str]:
        """Tenant → the other host where the tenant serves during the reboot."""
        return self.plan(host).moving

    def leave(self, away: Mapping[str, str]) -> None:
        """Move the tenants away, and wait until DNS points to where they are. A tenant whose move fails while the
        tenant still serves stays. StateError when DNS does not follow: then nothing may reboot."""
        moved = [name for name, to in away.items() if self._move(name, to)]
        if left := self._names_elsewhere(moved):
            raise StateError(
                f"DNS does not point {', '.join(name for names in left.values() for name in names)} to the host where "
                f"the tenants are now",
                code="dns-does-not-point-host",
                hint=Next("dns show", next(iter(left))) + "; when DNS is repaired, the same command continues",
            )
        self._finish(moved)  # a host that forwards requests cannot hold them for a tenant that returns

    def come_back(self, host: str, away: Mapping[str, str]) -> Mapping[str, str]:
        """Move the tenants back; return tenant → host for those that are not back."""
        back = [name for name in away if self._move(name, host)]
        self._names_elsewhere(back)
        self._finish(back)
        fleet = self.workspace.fleet.load()
        return {name: str(fleet.tenant(name).host) for name in away if str(fleet.tenant(name).host) != host}

    def _finish(self, tenants: Iterable[str]) -> None:
        """Have the hosts that the tenants left stop forwarding their requests."""
        for name in tenants:
            try:
                finish_move(self.workspace, name, dns=self.dns, on_event=self.on_event)
            except LaunchpadError as error:
                self.tell(f"{error.message}; then: " + Next("move", name, "--finish"))

    def _stays(self, here: HostSeen, tenant: Tenant) -> str:
        """Why the tenant does not move; empty when it may."""
        seen = here.tenants.get(str(tenant.name))
        if seen is None or not seen.running:
            return "is stopped"
        if tenant.domains and isinstance(self.dns, Resolver):
            return "its DNS records are set by hand"
        return ""

    def _move(self, name: str, to: str) -> bool:
        """Move the tenant, or resume its move; False when the tenant serves where it was."""
        fleet = self.workspace.fleet.load()
        tenant = fleet.tenant(name)
        try:
            what = plan_move(self.workspace, name, to=to)
        except StateError:
            return False  # no move brought it here: it never left
        try:
            sure = Confirmation(digest=what.digest)
            done = move(self.workspace, what, confirm=sure, tell=self.tell, on_event=self.on_event)
        except LaunchpadError as error:
            if not self._serves(fleet, tenant, what.source):
                raise
            self.tell(f"{name} stays on {what.source}: {error.message}")
            return False
        for problem in done.problems:
            self.tell(problem)
        point(self.workspace, name, dns=self.dns)
        return True

    def _serves(self, fleet: Fleet, tenant: Tenant, host: str) -> bool:
        return whereabouts(self.workspace, fleet.host(host), tenant, on_event=self.on_event).has_it

    def _names_elsewhere(self, tenants: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Wait until DNS points the tenants' names to their hosts; return tenant → the names that DNS still points
        elsewhere."""
        fleet, left, waits = self.workspace.fleet.load(), dict[str, tuple[str, ...]](), False
        clock = self.workspace.clock
        end = clock.monotonic() + NAMES_SECONDS
        for name in tenants:
            tenant = fleet.tenant(name)
            domains, waits = tuple(map(str, tenant.domains)), waits or bool(tenant.domains)
            address = ip_of(fleet.host(tenant.host))
            seconds = end - clock.monotonic()
            if late := await_names(self.workspace, domains, address, dns=self.dns, seconds=seconds):
                left[name] = late
        if waits:
            clock.sleep(RESOLVERS_SECONDS)
        return left
