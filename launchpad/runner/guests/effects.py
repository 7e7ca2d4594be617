"""Carry the steps of a rehearsal for another host out, and undo them."""

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
"""So long nothing may come before it is given up; while something comes it is waited for."""
POLL_SECONDS = 1.0
LOCK_SECONDS = 60


def look(step: steps.GuestStep, context: Context) -> dict[str, Any]:
    """Nothing: of the tenant there is nothing here before."""
    del step, context
    return {}


def apply(step: steps.GuestStep, context: Context) -> None:
    """Make it so. Failed says what could not be done and why."""
    match step:
        case steps.AwaitData():
            await_data(step, context)
        case steps.SendAway():
            send_away(context.host, step.tenant, context.identifier)
        case _:
            assert_never(step)


def undo(step: steps.GuestStep, before: Mapping[str, Any], context: Context) -> None:
    """Nothing of the tenant is here."""
    del before
    send_away(context.host, step.tenant, context.identifier)


def await_data(step: steps.AwaitData, context: Context) -> None:
    """Failed when nothing comes for a while."""
    host = context.host
    heard = host.elapsed()
    while generation_records.read(host, step.tenant, step.generation) is None:
        check_cancelled(context)
        try:
            with host.lock(f"receive-{step.tenant}", _owner(host, context.identifier)):
                if host.elapsed() - heard > AWAIT_SECONDS:
                    raise Failed(f"{step.tenant}: no data arrived for {AWAIT_SECONDS} s")
        except Busy:
            heard = host.elapsed()  # it is coming
        host.wait(POLL_SECONDS)


def send_away(host: Host, tenant: str, identifier: str) -> None:
    """Whatever is coming is ended first, and finds nobody who waits for it afterwards."""
    host.end_confined(work.unit(tenant, "receive"))
    with host.lock(f"receive-{tenant}", _owner(host, identifier), seconds=LOCK_SECONDS):
        if read_record(host, tenant) is not None:
            raise Failed(f"{tenant}: was deployed on this host in the meantime")
        host.remove(f"{paths.RUN}/{tenant}")
        host.remove(paths.tenant(tenant))


def _owner(host: Host, identifier: str) -> dict[str, Any]:
    return {"operation": identifier, "who": "rehearsal", "since": host.now(), "kind": "rehearse-here"}
