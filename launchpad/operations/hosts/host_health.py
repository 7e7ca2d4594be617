"""The health of one host and its tenants, as `launchpad health` reports it, and the wait for it after a change."""

from __future__ import annotations

from launchpad.errors import LaunchpadError
from launchpad.operations.requests.observing import observe, wanted
from launchpad.operations.requests.scope import scope_of
from launchpad.plan.health import Health, healths
from launchpad.plan.host_upkeep import Baseline, unwell
from launchpad.plan.standing import standings
from launchpad.workspace import Workspace

LOOK_SECONDS = 3.0
STEADY_LOOKS = 2
"""All must be well so often in a row: right after an operation the watch still counts the host as busy."""


def health_of(workspace: Workspace, name: str) -> tuple[Health, ...]:
    """The host's health and its tenants', from the host's watch; no probe runs. A tenant that moved away is none of
    them."""
    fleet = workspace.fleet.load()
    scope = scope_of(fleet, [name])
    seen = observe(workspace, scope, probes=False)
    want = wanted(workspace, fleet, scope.tenants, on={})
    found = standings(want, seen, inventory=fleet.known, unreadable={}, whole=False)
    elsewhere = {str(tenant.name) for tenant in fleet.tenants.values() if tenant.host != name}
    return tuple(item for item in healths(found, seen) if item.host == name and item.tenant not in elsewhere)


def await_health(workspace: Workspace, name: str, before: Baseline, *, since: float, seconds: float) -> list[str]:
    """Wait until the host and its tenants are as well as before, by checks that ran after `since` (by the host's
    clock; 0: from now on); return what is wrong after so many seconds, else an empty list."""
    clock = workspace.clock
    end, well = clock.monotonic() + seconds, 0
    while True:
        wrong: list[str]
        try:
            after = health_of(workspace, name)
            since = since or max((item.clock for item in after), default=0.0)
            worse, unseen = unwell(before, after, since=since)
            wrong = worse or unseen
        except LaunchpadError as error:
            wrong = [error.message]
        well = 0 if wrong else well + 1
        if well == STEADY_LOOKS or clock.monotonic() >= end:
            return wrong
        clock.sleep(LOOK_SECONDS)
