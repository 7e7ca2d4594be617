"""Whether hosts would take the tenants' releases: the host's own judge, which is pure, asked before any host is.

Tenants of one app, version, tier and variables have the same text but for their own names, so one of each is rendered.
"""

from __future__ import annotations

from collections.abc import Iterator

from launchpad.errors import InventoryError
from launchpad.fleet.fleet import Fleet
from launchpad.fleet.mistakes import Mistake, Place
from launchpad.fleet.tenant import Tenant
from launchpad.operations.render import rendered_with_all
from launchpad.runner.judge import judge_release
from launchpad.runner.protocol import Refused
from launchpad.workspace import Workspace


def judged(workspace: Workspace, fleet: Fleet) -> list[Mistake]:
    """What a host would refuse, each at the tenant's file. What cannot be rendered yet is told elsewhere."""
    return list(_refused(workspace, fleet))


def _refused(workspace: Workspace, fleet: Fleet) -> Iterator[Mistake]:
    seen = set()
    for name, tenant in sorted(fleet.tenants.items()):
        kind = _kind(tenant)
        if kind in seen:
            continue
        seen.add(kind)
        try:
            made = rendered_with_all(workspace, fleet, tenant)
        except InventoryError:
            continue  # a digest is still to come, which `readiness` says
        try:
            judge_release(made.release, made.files, neighbours={})
        except Refused as refused:
            what = f"{tenant.host} would refuse {name}: {refused.message}"
            hint = refused.hint or f"launchpad render {name}"
            yield Mistake(Place(f"inventory/tenants/{name}.yaml"), what, hint=hint)


def _kind(tenant: Tenant) -> tuple[object, ...]:
    variables = tuple(sorted((str(key), repr(value)) for key, value in tenant.variables.items()))
    return tenant.app, tenant.version, tenant.tier, variables
