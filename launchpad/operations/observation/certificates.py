"""certificates: the TLS certificates of tenants' domains, as the hosts' watches see them; and a retry of missing
ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.errors import LaunchpadError
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.observing import observe
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.scope import scope_of
from launchpad.plan.observed import HostSeen
from launchpad.runner.wire.tenant_bodies import Obtain
from launchpad.workspace import Workspace

SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """The certificate of one domain."""

    tenant: str
    name: str
    until: float | None
    """The end of its validity in seconds since 1970; None without a certificate."""
    since: float
    """Since when the certificate is missing or not renewed; 0 without a problem."""
    why: str
    """Caddy's last message about the problem."""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class CertificateReport:
    """The certificates by tenant and domain, and the hosts that did not answer."""

    found: tuple[Certificate, ...]
    unreachable: dict[str, LaunchpadError]
    answered: bool = True
    """Whether a host answered."""


def certificates(workspace: Workspace, names: Sequence[str] = ()) -> CertificateReport:
    """The certificates of the named tenants and hosts, or of all. A domain that the watch has not seen yet is
    absent."""
    fleet = workspace.fleet.load()
    scope = scope_of(fleet, names)
    seen = observe(workspace, scope, probes=False)
    found = []
    for tenant in scope.tenants:
        said = seen[str(tenant.host)]
        has = said.tenants.get(str(tenant.name)) if isinstance(said, HostSeen) else None
        for domain in has.domains if has else ():
            assert has is not None
            own = has.certificates.get(domain)
            found.append(
                Certificate(
                    tenant=str(tenant.name),
                    name=domain,
                    until=own.until if own else None,
                    since=own.since if own else 0.0,
                    why=own.why if own else "",
                )
            )
    unreachable = {host: said for host, said in seen.items() if isinstance(said, LaunchpadError)}
    return CertificateReport(found=tuple(found), unreachable=unreachable, answered=len(unreachable) < len(seen))


def retry(workspace: Workspace, name: str) -> CertificateReport:
    """Have the tenant's host request the missing certificates now; return the result. StepFailed when Caddy rejects the
    request."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    with hosts_of(workspace).reach(fleet.host(tenant.host)) as runner:
        said = ask(runner, Obtain(tenant=name), seconds=SECONDS)
    found = tuple(
        Certificate(tenant=name, name=domain, until=own.until, since=0.0, why=own.why)
        for domain, own in said.names.items()
    )
    return CertificateReport(found=found, unreachable={})
