"""Hosts and tenants as they might be seen, in short."""

from __future__ import annotations

from typing import Any

from launchpad.plan.observed import HostSeen, ProbeSeen, TenantSeen
from launchpad.plan.wanted import Wanted

VERSIONS = ("1.0.0", "1.1.0", "2.0.0")


def want(tenant: str = "alice", **changes: Any) -> Wanted:
    usual: dict[str, Any] = {"host": "web-1", "app": "echo", "version": "1.1.0", "release": "b" * 12}
    return Wanted(tenant=tenant, versions=VERSIONS, **usual | changes)


def has(tenant: str = "alice", **changes: Any) -> TenantSeen:
    """One that is just what `want` wants."""
    usual: dict[str, Any] = {
        "app": "echo",
        "version": "1.1.0",
        "release": "b" * 12,
        "domains": (),
        "secrets": {},
        "running": True,
        "retired": False,
        "at": 1000.0,
        "by": "alice",
        "services": {"web": "running"},
        "probes": (probe("process"), probe("ready")),
        "drift": (),
        "traffic_open": True,
        "breaker": "",
        "operation": "",
    }
    return TenantSeen(tenant=tenant, **usual | changes)


def probe(kind: str, ok: bool = True, detail: str = "") -> ProbeSeen:
    return ProbeSeen(kind=kind, service="web", ok=ok, detail=detail)


def host(*tenants: TenantSeen, name: str = "web-1") -> dict[str, HostSeen]:
    return {
        name: HostSeen(
            host=name,
            runner="0.1.0",
            boot_id="b",
            clock=1060.0,
            settings_digest="",
            docker="26.1",
            caddy="2.11",
            reverts=(),
            problems=(),
            disk_total=0,
            disk_free=0,
            tenants={tenant.tenant: tenant for tenant in tenants},
        )
    }
