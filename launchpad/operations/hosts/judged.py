"""Whether hosts would take their settings and the tenants' releases: the host's own judge, which is pure, is asked
before any host is.

Tenants of one app, version, tier and variables have the same text but for their own names, so one of each is rendered.
"""

from __future__ import annotations

from collections.abc import Iterator

from launchpad.errors import InventoryError, LaunchpadError
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.reading.parse import HOSTS_FILE
from launchpad.fleet.words.mistakes import Mistake, Place
from launchpad.operations.hosts.host_settings import host_settings
from launchpad.operations.requests.render import rendered_with_all
from launchpad.runner.judge.manifest import judge_release
from launchpad.runner.judge.settings_judge import judge_settings
from launchpad.runner.protocol import Refused
from launchpad.workspace import Workspace


def judged(workspace: Workspace, fleet: Fleet) -> list[Mistake]:
    """What a host would refuse: each release at its tenant's file, the settings of each host at the hosts'. What cannot
    be made yet is told elsewhere."""
    return [*_refused(workspace, fleet), *_refused_settings(workspace, fleet)]


def _refused_settings(workspace: Workspace, fleet: Fleet) -> Iterator[Mistake]:
    for name, host in sorted(fleet.hosts.items()):
        try:
            judge_settings(host_settings(workspace, fleet, host))
        except Refused as refused:
            what = f"{name} would refuse its settings: {refused.message}"
            yield Mistake(Place(HOSTS_FILE), what, hint=refused.hint or f"launchpad host show {name}")
        except LaunchpadError:
            continue  # a digest, an operator or a credential is still to come, which `readiness` says


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
