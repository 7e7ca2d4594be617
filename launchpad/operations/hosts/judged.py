"""Check whether hosts would accept their settings and the tenants' releases: the host's own judge, which is pure, runs
on this machine.

Tenants with the same app, version, tier and variables have the same text except for their names, so only one of them is
rendered.
"""

from __future__ import annotations

from collections.abc import Iterator

from launchpad.errors import InventoryError, LaunchpadError
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.reading.parse import HOSTS_FILE
from launchpad.fleet.words.mistakes import InventoryMistakes, Mistake, Place
from launchpad.operations.hosts.host_settings import host_settings
from launchpad.operations.requests.render import rendered_with_all
from launchpad.runner.hint import Next
from launchpad.runner.judge.manifest import judge_release
from launchpad.runner.judge.settings_judge import judge_settings
from launchpad.runner.protocol import Refused
from launchpad.workspace import Workspace


def every_mistake(workspace: Workspace) -> Fleet:
    """The fleet, when there is no mistake; InventoryMistakes with every mistake of the inventory, of sealed files and
    of what hosts would refuse."""
    tenants, targets, alerts = workspace.secrets, workspace.target_secrets, workspace.alert_secrets
    stores = (tenants, targets, alerts, workspace.dns_secrets, workspace.log_secrets)
    mistakes = [mistake for store in stores for mistake in store.mistakes()]
    try:
        fleet = workspace.fleet.check()
    except InventoryMistakes as error:
        raise InventoryMistakes([*mistakes, *error.mistakes]) from error
    mistakes += judged(workspace, fleet)
    if mistakes:
        raise InventoryMistakes(mistakes)
    return fleet


def judged(workspace: Workspace, fleet: Fleet) -> list[Mistake]:
    """Everything that a host would reject: each release at its tenant's file, each host's settings at the hosts' file.
    What cannot be rendered yet is reported by `readiness`."""
    return [*_refused(workspace, fleet), *_refused_settings(workspace, fleet)]


def _refused_settings(workspace: Workspace, fleet: Fleet) -> Iterator[Mistake]:
    for name, host in sorted(fleet.hosts.items()):
        try:
            judge_settings(host_settings(workspace, fleet, host))
        except Refused as refused:
            what = f"host {name} would reject its settings: {refused.message}"
            yield Mistake(Place(HOSTS_FILE), what, hint=refused.hint or Next("host show", name))
        except LaunchpadError:
            continue  # a digest, an operator or a credential is missing, which `readiness` reports


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
            continue  # a digest is missing, which `readiness` reports
        try:
            judge_release(made.release, made.files, neighbours={})
        except Refused as refused:
            what = f"host {tenant.host} would reject {name}: {refused.message}"
            hint = refused.hint or Next("render", name)
            yield Mistake(Place(f"inventory/tenants/{name}.yaml"), what, hint=hint)


def _kind(tenant: Tenant) -> tuple[object, ...]:
    variables = tuple(sorted((str(key), repr(value)) for key, value in tenant.variables.items()))
    return tenant.app, tenant.version, tenant.tier, variables
