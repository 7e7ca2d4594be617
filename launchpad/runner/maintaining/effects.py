"""Run a maintenance's steps. A reboot holds the locks of all tenants until the machine goes down: neither the watch nor
an operation starts a tenant that was stopped for the reboot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, assert_never

from launchpad.runner import boot, plan
from launchpad.runner import effects as tenant_effects
from launchpad.runner.context import Context
from launchpad.runner.host import Failed, Host
from launchpad.runner.maintaining import steps
from launchpad.runner.steps import AwaitIdle, Drain, HoldTraffic, StopSide
from launchpad.runner.system import ProvisionHost, provisioned
from launchpad.runner.visits import Visits

WHO = "maintenance"
LOCK_SECONDS = 60
"""Seconds to wait for the watch or an operation that holds a tenant."""
DOWN_SECONDS = 300
"""Seconds until the machine must have gone down."""


def look(step: steps.MaintenanceStep, context: Context) -> dict[str, Any]:
    """Nothing needs to be known for an undo."""
    del step, context
    return {}


def apply(step: steps.MaintenanceStep, context: Context) -> None:
    """Run the step. Failed says what could not be done and why."""
    host = provisioned(context)
    match step:
        case steps.InstallUpdates():
            host.system.install_updates(context.say)
        case steps.Reboot():
            if host.boot_id() == step.boot:
                reboot(step, context, host)
        case _:
            assert_never(step)


def undo(step: steps.MaintenanceStep, before: Mapping[str, Any], context: Context) -> None:
    """Start the tenants again that were stopped for a reboot that did not happen; a boot starts them by itself."""
    del before
    if isinstance(step, steps.Reboot) and context.host.boot_id() == step.boot:
        start_again(step, context.host)


def reboot(step: steps.Reboot, context: Context, host: ProvisionHost) -> None:
    with ExitStack() as held:
        for name in step.tenants:
            owner = {"operation": context.identifier, "who": WHO, "since": host.now(), "kind": "reboot"}
            held.enter_context(host.lock(f"tenant-{name}", owner, seconds=LOCK_SECONDS))
        doors = {name: list(_door(host, name)) for name in step.tenants}
        # Every tenant still serves while the others finish; only then all of them close.
        for kind in (AwaitIdle, HoldTraffic, Drain, StopSide):
            for name, door in doors.items():
                own = context.but(visits=Visits(), emit=_named(context, name))
                for item in door:
                    if isinstance(item, kind):
                        tenant_effects.apply(item, own)
        host.system.reboot()
        host.wait(DOWN_SECONDS)
    if host.boot_id() == step.boot:
        raise Failed(f"the host still runs {DOWN_SECONDS} s after it was told to reboot", code="reboot-did-not-happen")


def _door(host: Host, tenant: str) -> Iterator[AwaitIdle | HoldTraffic | Drain | StopSide]:
    """The steps that close the tenant's traffic and stop the tenant. The traffic does not open again for requests that
    started at the last moment: the host goes down."""
    seen = plan.see(host, tenant)
    if seen.record is None or not seen.serving:
        return
    slot, seconds = int(seen.record["slot"]), int(seen.record["stop_seconds"])
    for item in plan.close_door(seen, tenant, slot, stop_seconds=seconds):
        if isinstance(item, Drain):
            yield item.but(again=0)
        elif isinstance(item, AwaitIdle | HoldTraffic):
            yield item
    yield StopSide(tenant=tenant, side=seen.side, seconds=seconds)


def _named(context: Context, tenant: str) -> Any:
    """The operation's events with the tenant's name before each text."""

    def emit(event: str, **fields: Any) -> None:
        text = {"text": f"{tenant}: {fields['text']}"} if "text" in fields else {}
        context.emit(event, **(fields | text))

    return emit


def start_again(step: steps.Reboot, host: Host) -> None:
    """Start the tenants as their records say, and open their traffic when they are ready."""
    begun = (boot.start(host, name, who=WHO) for name in step.tenants)
    starting = [item for item in begun if item is not None]
    while starting:
        starting = [item for item in starting if not boot.let_in(host, item, who=WHO)]
        if starting:
            host.wait(boot.POLL_SECONDS)
