"""The wanted and the present state of a scope: the hosts are asked in parallel, with one exec each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from launchpad.errors import LaunchpadError, StateError
from launchpad.fleet.model.fleet import Fleet, kit_recipients, readers
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.model.version_order import names
from launchpad.fleet.sealing.age import digest_of_recipients
from launchpad.operations.requests.known_releases import KnownReleases, known_releases
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.scope import Scope
from launchpad.plan.observed import HostSeen, TenantSeen, host_from_reply
from launchpad.plan.outside import with_outside
from launchpad.plan.wanted import Wanted
from launchpad.runner.hint import Next
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Runner, Workspace

OBSERVE_SECONDS = 60
Unsettled = Callable[[Host, Runner], tuple[str, ...]]
"""Asks a host what a provision would change: the titles of the steps."""


def observe(
    workspace: Workspace, scope: Scope, *, probes: bool, unsettled: Unsettled | None = None
) -> dict[str, HostSeen | LaunchpadError]:
    """Each host's answer or error. A host is asked only for the selected tenants, unless the whole host is selected.
    Without `probes` no health probe runs. For each whole host `unsettled` is called too. What one of the hosts sees of
    another one from outside is among the other one's facts."""
    hosts = {str(host.name): host for host in scope.hosts}

    def ask(name: str) -> HostSeen:
        host = hosts[name]
        with hosts_of(workspace).reach(host) as runner:
            body = {"tenants": _meant(scope, host), "probes": probes}
            seen = host_from_reply(runner.ask("observe", body, seconds=OBSERVE_SECONDS), host=name)
            if unsettled is None or name not in scope.whole_hosts:
                return seen
            return replace(seen, unsettled=unsettled(host, runner))

    return with_outside(fanout(hosts, ask, threads=workspace.settings.parallel))


def what_runs(workspace: Workspace, fleet: Fleet, tenant: Tenant) -> TenantSeen:
    """The tenant's state on its host, by one exec; StateError when the tenant is not on the host, or has another app
    there; HostError when the host does not answer."""
    return seen_on(workspace, fleet, tenant)[1]


def seen_on(workspace: Workspace, fleet: Fleet, tenant: Tenant, *, probes: bool = False) -> tuple[HostSeen, TenantSeen]:
    """The tenant's state and the host's state; with `probes` the tenant's health probes run."""
    name, host = str(tenant.name), fleet.host(tenant.host)
    with hosts_of(workspace).reach(host) as runner:
        body = {"tenants": [name], "probes": probes}
        said = host_from_reply(runner.ask("observe", body, seconds=OBSERVE_SECONDS), host=str(host.name))
    has = said.tenants.get(name)
    if has is None:
        raise StateError(f"{name} is not on {host.name} yet", code="tenant-not-on-host-yet", hint=Next("deploy", name))
    if has.retired:
        raise StateError(
            f"{name} was retired on {host.name}; its data is kept", code="tenant-retired", hint=Next("deploy", name)
        )
    if has.app != tenant.app:
        raise StateError(
            f"{name} has app {has.app} on {host.name}, but app {tenant.app} in the inventory",
            code="app-differs",
            hint=Next("plan"),
        )
    return said, has


def wanted(
    workspace: Workspace,
    fleet: Fleet,
    tenants: Iterable[Tenant],
    *,
    on: Mapping[str, HostSeen | LaunchpadError] | None = None,
) -> list[Wanted]:
    """The tenants as the inventory describes them; a tenant that cannot be rendered has its problem instead of a
    release.

    With `on`, the hosts' answers, only tenants that are on their hosts are rendered. The others' releases are empty,
    because there is nothing to compare.
    """
    with known_releases(workspace, fleet) as known:
        return [
            _wanted(workspace, fleet, tenant, known=known if on is None or _is_on(on, tenant) else None)
            for tenant in tenants
        ]


def knows(workspace: Workspace, has: TenantSeen) -> bool:
    """Whether this inventory descends from the inventory of the tenant's running release."""
    return not has.revision or workspace.includes(has.revision, has.tenant)


def _meant(scope: Scope, host: Host) -> list[str] | None:
    if host.name in scope.whole_hosts:
        return None
    return [str(tenant.name) for tenant in scope.tenants if tenant.host == host.name]


def _is_on(seen: Mapping[str, HostSeen | LaunchpadError], tenant: Tenant) -> bool:
    said = seen.get(str(tenant.host))
    return isinstance(said, HostSeen) and str(tenant.name) in said.tenants


def _wanted(workspace: Workspace, fleet: Fleet, tenant: Tenant, *, known: KnownReleases | None) -> Wanted:
    """The tenant as wanted; without `known` its release is left out."""
    release, domains, problem = "", tuple(map(str, tenant.domains)), None
    app = fleet.app(tenant.app)
    secrets: dict[str, int] = {}
    try:
        if known is not None:
            versions = {str(name): version for name, version in workspace.secrets.versions(tenant.name).items()}
            release = known.release(tenant, versions)
            domains, secrets = domains if app.web else (), versions
    except LaunchpadError as error:
        problem = error
    return Wanted(
        tenant=str(tenant.name),
        host=str(tenant.host),
        app=str(tenant.app),
        version=str(tenant.version),
        running=tenant.running,
        release=release,
        domains=domains,
        secrets=secrets,
        versions=names(app),
        follows=tuple(map(str, app.version(tenant.version).follows)),
        problem=problem,
        wrapped_for=digest_of_recipients(kit_recipients(fleet.defaults)) if _can_be_wrapped(fleet, tenant) else "",
        backup_every=float(backup.every.seconds) if (backup := fleet.tiers[tenant.tier].backup) else None,
    )


def _can_be_wrapped(fleet: Fleet, tenant: Tenant) -> bool:
    """Whether the tenant has backups, and somebody can read their key; `check` reports that nobody can."""
    return bool(fleet.backup_targets(tenant) and readers(fleet.defaults))
