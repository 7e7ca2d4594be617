"""Run the steps of a rehearsal or a drill for another host, and undo them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from launchpad.runner import generation_records, paths
from launchpad.runner.backups import work
from launchpad.runner.context import Context, check_cancelled
from launchpad.runner.guests import steps
from launchpad.runner.host import Busy, Failed, Host
from launchpad.runner.plan import read_record

AWAIT_SECONDS = 300
"""The operation fails when no data arrives for so many seconds."""
POLL_SECONDS = 1.0
LOCK_SECONDS = 60


def look(step: steps.GuestStep, context: Context) -> dict[str, Any]:
    """Nothing: before the operation the host has nothing of the tenant."""
    del step, context
    return {}


def apply(step: steps.GuestStep, context: Context) -> None:
    """Run the step. Failed says what could not be done and why."""
    match step:
        case steps.AwaitData():
            await_data(step, context)
        case steps.TakeIn():
            context.host.folder(paths.tenant(step.tenant), mode=0o711)
        case steps.SendAway():
            send_away(context.host, step.tenant, context.identifier)
        case _:
            assert_never(step)


def undo(step: steps.GuestStep, before: Mapping[str, Any], context: Context) -> None:
    """Remove everything of the tenant."""
    del before
    send_away(context.host, step.tenant, context.identifier)


def await_data(step: steps.AwaitData, context: Context) -> None:
    """Wait for the data. Failed when nothing arrives for AWAIT_SECONDS."""
    host = context.host
    heard = host.elapsed()
    while generation_records.read(host, step.tenant, step.generation) is None:
        check_cancelled(context)
        try:
            with host.lock(f"receive-{step.tenant}", _owner(host, context.identifier)):
                if host.elapsed() - heard > AWAIT_SECONDS:
                    raise Failed(f"{step.tenant}: no data arrived for {AWAIT_SECONDS} s", code="no-data-arrived")
        except Busy:
            heard = host.elapsed()  # data is arriving
        host.wait(POLL_SECONDS)


def send_away(host: Host, tenant: str, identifier: str) -> None:
    """End a running transfer first; a later transfer is refused, because no operation waits for it."""
    host.end_confined(work.unit(tenant, "receive"))
    with host.lock(f"receive-{tenant}", _owner(host, identifier), seconds=LOCK_SECONDS):
        if read_record(host, tenant) is not None:
            raise Failed(f"{tenant}: was deployed on this host in the meantime", code="deployed-meanwhile")
        host.remove(f"{paths.RUN}/{tenant}")
        host.remove(paths.tenant(tenant))


def _owner(host: Host, identifier: str) -> dict[str, Any]:
    return {"operation": identifier, "who": "rehearsal", "since": host.now(), "kind": "rehearse-here"}
