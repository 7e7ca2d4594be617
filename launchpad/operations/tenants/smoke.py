"""smoke: test tenants and hosts from this machine, as visitors reach them; case by case, for CI."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from launchpad.errors import LaunchpadError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.app import Web
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.tenant import Tenant
from launchpad.operations.dns.address import ip_of
from launchpad.operations.hosts.trust import offered_key
from launchpad.operations.requests.again import reported
from launchpad.operations.requests.observing import observe, wanted
from launchpad.operations.requests.outcome import OperationFailed
from launchpad.operations.requests.render import rendered
from launchpad.operations.requests.scope import Scope, scope_of
from launchpad.operations.tenants.ports import CLOSED, wrongly_open
from launchpad.operations.tenants.restart import restart
from launchpad.operations.tenants.visitor import (
    FAILED,
    SKIPPED,
    Case,
    Entrance,
    Trust,
    Visitor,
    Wrong,
    case,
    chain,
    connect,
    promised_headers,
)
from launchpad.plan.standing import Standing, standings
from launchpad.runner.hint import Next
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

SERVING = ("healthy", "warning")
"""The states of a tenant whose deciding probes pass."""
HTTP, HTTPS = 80, 443
SITE = "site.caddy"


class LeadsTo(Protocol):
    """Resolves a name to addresses, as visitors' resolvers do."""

    def leads_to(self, name: str) -> frozenset[str]:
        """The addresses of a name; none without a DNS record."""


@dataclass(frozen=True, kw_only=True)
class SmokeOptions:
    """The options of a smoke test."""

    outside_only: bool = False
    """Skip the cases that need SSH."""
    restart: bool = False
    """Restart each tenant, and test it again after the restart."""
    requests: int = 20
    """The number of requests in the latency case."""
    slowest_ms: float = 1000.0
    """The limit in milliseconds for 95 % of these requests."""
    authority: Path | None = None
    """A PEM file of the authority that signed the certificates; the system's own authorities when None."""
    at: str = ""
    """Send every request to this address instead of the hosts' addresses, and skip DNS."""
    port: int = HTTPS


@dataclass(frozen=True, kw_only=True)
class Smoked:
    """Every case, hosts before tenants."""

    cases: tuple[Case, ...]
    seconds: float

    @property
    def good(self) -> bool:
        """Whether no case failed."""
        return not self.count(FAILED)

    def count(self, verdict: str) -> int:
        return sum(item.verdict == verdict for item in self.cases)

    def as_json(self) -> dict[str, Any]:
        cases = [item.as_json() for item in self.cases]
        return {"good": self.good, "seconds": round(self.seconds, 3), "cases": cases}


@dataclass(frozen=True, kw_only=True)
class _Run:
    """The shared state of one run."""

    workspace: Workspace
    fleet: Fleet
    options: SmokeOptions
    dns: LeadsTo
    trust: Trust
    on_event: OnEvent
    standing: Mapping[str, Standing] = field(default_factory=dict)
    """Tenant → its state on its host; empty when no host was asked."""


def smoke(
    workspace: Workspace, names: Sequence[str], *, options: SmokeOptions, dns: LeadsTo, on_event: OnEvent = ignore
) -> Smoked:
    """Test the named tenants and hosts, each host with all its tenants; without names the whole fleet. For a domain,
    test only that domain of its tenant, and ask no host.

    InventoryError for an unknown name, and for an unreadable certificate authority. A problem of a deployment is a
    failed case, not an error.
    """
    begun = time.monotonic()
    fleet = workspace.fleet.load()
    scope, single = meant(fleet, names)
    run = _Run(
        workspace=workspace,
        fleet=fleet,
        options=options,
        dns=dns,
        trust=Trust.of(options.authority),
        on_event=on_event,
        standing={} if options.outside_only or not scope.hosts else _standing(workspace, fleet, scope),
    )
    jobs: dict[str, Callable[[str], Iterator[Case]]] = {
        f"host {host.name}": partial(_of_host, run, host) for host in scope.hosts if host.name in scope.whole_hosts
    }
    jobs |= {f"tenant {tenant.name}": partial(_of_tenant, run, tenant) for tenant in scope.tenants}
    for name, domains in single.items():
        jobs.setdefault(f"tenant {name}", partial(_of_domains, run, fleet.tenant(name), domains))
    found = fanout(jobs, lambda subject: list(jobs[subject](subject)), threads=workspace.settings.parallel)
    cases: list[Case] = []
    for subject, said in found.items():
        if isinstance(said, LaunchpadError):
            cases.append(Case(subject=subject, kind="inventory", verdict=FAILED, message=said.message, hint=said.hint))
        else:
            cases += said
    return Smoked(cases=tuple(cases), seconds=time.monotonic() - begun)


def meant(fleet: Fleet, names: Sequence[str]) -> tuple[Scope, dict[str, tuple[str, ...]]]:
    """The named tenants and hosts, and the named domains by their tenants."""
    owners = {str(domain): str(tenant.name) for tenant in fleet.tenants.values() for domain in tenant.domains}
    single: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys(names):
        if name in owners:
            single[owners[name]] = (*single.get(owners[name], ()), name)
    rest = [name for name in names if name not in owners]
    scope = scope_of(fleet, rest) if rest or not names else Scope(hosts=(), tenants=(), whole_hosts=frozenset())
    return scope, single


def _standing(workspace: Workspace, fleet: Fleet, scope: Scope) -> dict[str, Standing]:
    seen = observe(workspace, scope, probes=True)
    want = wanted(workspace, fleet, scope.tenants, on=seen)
    known = {item.tenant: item.host for item in want}
    found = standings(want, seen, inventory=fleet.known, whole=False)
    return {item.tenant: item for item in found if known.get(item.tenant) == item.host}


def _of_host(run: _Run, host: Host, subject: str) -> Iterator[Case]:
    """Test a host's ports and its SSH key, without a login."""
    address = run.options.at or ip_of(host)

    def opens(port: int) -> str:
        connect(address, port, hint="open the port in your provider's firewall").close()
        return f"{address} accepts connections"

    for port in (host.port, HTTP, run.options.port):
        yield case(subject, f"port {port}", partial(opens, port))
    yield case(subject, "other ports", lambda: _nothing_else(run, address, {host.port, HTTP, run.options.port}))
    yield case(subject, "SSH host key", lambda: _host_key(run.workspace, host))


def _nothing_else(run: _Run, address: str, meant: set[int]) -> str:
    apps = {app.web.port: f"{app.name}, past Caddy" for app in run.fleet.apps.values() if app.web}
    ports = {port: what for port, what in (apps | CLOSED).items() if port not in meant}
    found = wrongly_open(address, ports)
    if found:
        named = ", ".join(f"{port} ({ports[port]})" for port in found)
        raise Wrong(f"{address} accepts connections to port {named}", hint=Next("status"))
    return f"{len(ports)} ports that must be closed are closed"


def _host_key(workspace: Workspace, host: Host) -> str:
    offer = offered_key(workspace, str(host.name))
    if not offer.known:
        raise Wrong(
            f"the host offers {offer.key.fingerprint}, which is not the known key",
            hint="compare it with your provider's console, then: " + Next("trust", host.name),
        )
    return f"{offer.key.fingerprint} is the known key"


def _of_tenant(run: _Run, tenant: Tenant, subject: str) -> Iterator[Case]:
    if not tenant.running:
        message = f"stopped: inventory/tenants/{tenant.name}.yaml has running: false"
        yield Case(subject=subject, kind="ready", verdict=SKIPPED, message=message)
        return
    visitors = _visitors(run, tenant, tuple(map(str, tenant.domains)))
    cases = [item for visitor in visitors for item in _from_outside(run, subject, visitor)]
    cases.append(_ready(run, subject, tenant))
    yield from cases
    if run.options.restart:
        yield _restarted(run, subject, tenant, visitors, before=cases)


def _of_domains(run: _Run, tenant: Tenant, domains: Sequence[str], subject: str) -> Iterator[Case]:
    for visitor in _visitors(run, tenant, domains):
        yield from _from_outside(run, subject, visitor)


def _visitors(run: _Run, tenant: Tenant, domains: Sequence[str]) -> list[Visitor]:
    web = run.fleet.app(tenant.app).web
    return [Visitor(_entrance(run, tenant, name, web), trust=run.trust) for name in domains if web]


def _entrance(run: _Run, tenant: Tenant, name: str, web: Web) -> Entrance:
    host = run.fleet.host(tenant.host)
    return Entrance(
        tenant=str(tenant.name),
        name=name,
        host=str(host.name),
        address=run.options.at or ip_of(host),
        port=run.options.port,
        page=str(web.page),
        websocket=str(web.websocket or ""),
        keeps=str(web.keeps or ""),
    )


def _from_outside(run: _Run, subject: str, visitor: Visitor) -> Iterator[Case]:
    """Run the cases in order: after a failure the dependent cases are skipped."""
    options, entrance = run.options, visitor.entrance
    name = entrance.name
    links = [] if options.at else [("DNS", lambda: visitor.leads_here(run.dns.leads_to(name)))]
    release = partial(rendered, run.workspace, run.fleet, run.fleet.tenant(entrance.tenant))
    links += [
        (f"port {entrance.port}", visitor.is_let_in),
        ("certificate", visitor.certificate),
        ("HTTP", visitor.page),
        ("headers", lambda: visitor.headers(promised_headers(release().files.get(SITE, "")))),
    ]
    if entrance.websocket:
        links.append(("WebSocket", visitor.websocket))
    links.append(("latency", lambda: visitor.latency(options.requests, options.slowest_ms)))
    if options.at:
        message = f"skipped: requests go to {options.at}"
        yield Case(subject=subject, kind="DNS", name=name, verdict=SKIPPED, message=message)
    yield from chain(subject, name, links)


def _ready(run: _Run, subject: str, tenant: Tenant) -> Case:
    if run.options.outside_only:
        message = "skipped: no host is contacted (--outside-only)"
        return Case(subject=subject, kind="ready", verdict=SKIPPED, message=message)
    return case(subject, "ready", lambda: _is_ready(run.standing[str(tenant.name)], tenant))


def _is_ready(found: Standing, tenant: Tenant) -> str:
    deciding = [probe for probe in found.probes if probe["kind"] in ("process", "ready")]
    if found.state not in SERVING:
        why = "; ".join(found.remarks) or f"not on {tenant.host} yet"
        hint = "to test without SSH: --outside-only" if found.state == "unreachable" else Next("status", tenant.name)
        raise Wrong(f"{found.state}: {why}", hint=hint)
    warning = f"; {'; '.join(found.remarks)}" if found.remarks else ""
    return f"{found.state}: {len(deciding)} of {len(deciding)} deciding probes pass{warning}"


def _restarted(run: _Run, subject: str, tenant: Tenant, visitors: Sequence[Visitor], *, before: Sequence[Case]) -> Case:
    """Restart the tenant and test it again. A tenant with a failed case is not restarted."""
    failed = next((item for item in before if item.verdict == FAILED), None)
    if run.options.outside_only or failed:
        why = f"{failed.title} failed" if failed else "no host was asked (--outside-only)"
        return Case(subject=subject, kind="restart", verdict=SKIPPED, message=f"skipped: {why}")
    return case(subject, "restart", lambda: _survives(run, tenant, visitors))


def _survives(run: _Run, tenant: Tenant, visitors: Sequence[Visitor]) -> str:
    kept = {visitor: visitor.what_is_kept() for visitor in visitors}
    begun = time.monotonic()
    try:
        outcome = restart(run.workspace, str(tenant.name), on_event=run.on_event)
    except OperationFailed as error:
        reported(run.workspace, error.outcome.id if error.outcome else "")
        raise
    reported(run.workspace, outcome.id)
    seconds = time.monotonic() - begun
    for visitor, before in kept.items():
        visitor.is_back(before)
    with_data = ", with its data" if any(before is not None for before in kept.values()) else ""
    return f"back after {seconds:.1f} s{with_data}"
