"""The end of a move: DNS points to the new host, and the old host stops forwarding and is freed."""

from __future__ import annotations

from typing import Any

from launchpad.errors import StateError
from launchpad.events import OnEvent, ignore
from launchpad.operations.dns.address import ip_of
from launchpad.operations.dns.point import leading_elsewhere
from launchpad.operations.dns.provider import Dns
from launchpad.operations.moving.whereabouts import whereabouts
from launchpad.operations.requests.following import Submission, submit
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.operations.requests.outcome import Outcome
from launchpad.runner.hint import Next
from launchpad.workspace import Workspace

POLL_SECONDS = 5.0


def await_names(
    workspace: Workspace, domains: tuple[str, ...], address: str, *, dns: Dns, seconds: float
) -> tuple[str, ...]:
    """Wait at most that many seconds until DNS points every domain to the address; return the domains that still point
    elsewhere."""
    end = workspace.clock.monotonic() + seconds
    while (left := leading_elsewhere(domains, address, dns=dns)) and workspace.clock.monotonic() < end:
        workspace.clock.sleep(POLL_SECONDS)
    return left


def finish_move(
    workspace: Workspace,
    name: str,
    *,
    dns: Dns,
    despite_dns: bool = False,
    identifier: str = "",
    on_event: OnEvent = ignore,
) -> Outcome:
    """Finish the move on the old host, which stops forwarding requests; the old host keeps the data until `retire
    --purge`. StateError while DNS points a domain elsewhere than to the tenant's host, unless `despite_dns`."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    host = fleet.host(tenant.host)
    here = whereabouts(workspace, host, tenant, on_event=on_event)
    source = str((here.record or {}).get("came_from") or "")
    if not here.has_it or source not in fleet.hosts:
        raise StateError(
            f"{name}: no move to {host.name} to finish", code="no-move-to-finish", hint=Next("status", name)
        )
    names = tuple(map(str, tenant.domains))
    if not despite_dns and (left := leading_elsewhere(names, ip_of(host), dns=dns)):
        raise StateError(
            f"DNS does not yet point {', '.join(left)} only to {host.name} ({host.address})",
            code="dns-does-not-point",
            hint="wait until "
            + Next("dns show", name)
            + " shows the new records; to finish without them: --despite-dns",
        )
    there = whereabouts(workspace, fleet.host(source), tenant, on_event=on_event)
    if there.record is None or there.record["retired"]:
        return Outcome(host=source, tenant=name, id="", kind="retire", outcome="unchanged")
    if not there.left_for(str(host.name)):
        raise StateError(
            f"{name} did not leave {source} for {host.name}", code="not-left-for-that-host", hint=Next("status", name)
        )
    operation: dict[str, Any] = {"kind": "retire", "tenant": name, "purge": False}
    submission = Submission(identifier=identifier or new_identifier(workspace.clock.now()), operation=operation)
    return submit(workspace, fleet.host(source), submission, on_event=on_event)
