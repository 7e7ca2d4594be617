"""Plans for a tenant that stays as it was deployed: stop, start, restart, retire. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.runner import slots
from launchpad.runner.hint import Next
from launchpad.runner.plan import Seen, close_door, runs, start_and_watch
from launchpad.runner.protocol import Refused
from launchpad.runner.steps import (
    ClearSecrets,
    Commit,
    DropSite,
    OpenTraffic,
    Purge,
    Record,
    RemoveNetwork,
    RemoveSide,
    StopSide,
    TenantStep,
)


def plan_stop(seen: Seen, tenant: str) -> list[TenantStep]:
    """Stop the tenant and keep it stopped, also over a reboot."""
    record = deployed(seen, tenant)
    running = any(item.state == "running" for item in seen.containers)
    if not record["running"] and not running:
        return []
    return [*_halt(seen), Record(tenant=tenant, record=dict(record) | {"running": False}), Commit()]


def plan_start(seen: Seen, tenant: str) -> list[TenantStep]:
    """Start the tenant as it was deployed."""
    record = deployed(seen, tenant)
    wanted = {slots.address(record["slot"], index, seen.side) for index in range(slots.MOST_SERVICES)}
    if record["running"] and seen.started and runs(seen, seen.started, seen.side) and wanted <= seen.open:
        return []
    return _run(seen)


def plan_restart(seen: Seen, tenant: str) -> list[TenantStep]:
    """Stop and start the tenant; requests wait at Caddy meanwhile."""
    deployed(seen, tenant)
    return [*_halt(seen), *_run(seen)]


def plan_retire(seen: Seen, tenant: str, *, purge: bool) -> list[TenantStep]:
    """Remove the tenant from the host. Its data, secrets and record stay until a purge; its domains are free at
    once."""
    record = seen.record
    if record is None:  # left by an interrupted import or move
        site: list[TenantStep] = [DropSite(tenant=tenant)] if seen.site is not None else []
        if purge and (site or seen.data or seen.generations or seen.folders):
            return [Commit(), *site, Purge(tenant=tenant)]
        if site:
            return [Commit(), *site]
        raise Refused(
            f"{tenant}: this host has nothing of the tenant",
            code="nothing-of-tenant",
            kind="state",
            hint=Next("status"),
        )
    final = dict(record) | {"running": False, "retired": True, "domains": []}
    before = [] if record["retired"] else [*_halt(seen), Record(tenant=tenant, record=final)]
    behind: list[TenantStep] = []
    if seen.site is not None:
        behind.append(DropSite(tenant=tenant))
    for side in sorted({item.side for item in seen.containers}):
        behind.append(RemoveSide(tenant=tenant, side="b" if side == "b" else "a", seconds=record["stop_seconds"]))
    if seen.network:
        behind.append(RemoveNetwork(tenant=tenant))
    if seen.secrets:
        behind.append(ClearSecrets(tenant=tenant))
    if purge:
        behind.append(Purge(tenant=tenant))
    return [*before, Commit(), *behind] if before or behind else []


def deployed(seen: Seen, tenant: str) -> Mapping[str, Any]:
    """The record of a deployed tenant; Refused otherwise."""
    if seen.record is None or seen.record["retired"]:
        raise Refused(
            f"{tenant} is not deployed on this host", code="nothing-deployed", kind="state", hint=Next("deploy", tenant)
        )
    return seen.record


def _halt(seen: Seen) -> list[TenantStep]:
    assert seen.record is not None
    tenant, slot, seconds = (seen.record[key] for key in ("tenant", "slot", "stop_seconds"))
    door = close_door(seen, tenant, slot, stop_seconds=seconds)
    return [*door, StopSide(tenant=tenant, side=seen.side, seconds=seconds)]


def _run(seen: Seen) -> list[TenantStep]:
    """Start the deployed release, and open its traffic as soon as it is ready."""
    record = seen.record
    assert record is not None
    tenant = record["tenant"]
    if seen.started is None:
        message = f"{tenant}: the files of release {record['started']} were changed on the host"
        raise Refused(message, code="release-files-changed", kind="state", hint=Next("deploy", tenant))
    start, watch = start_and_watch(seen.started, seen.side, record["release"])
    recorded = Record(tenant=tenant, record=dict(record) | {"running": True})
    return [*start, recorded, *watch, Commit(), OpenTraffic(tenant=tenant, slot=record["slot"], side=seen.side)]
