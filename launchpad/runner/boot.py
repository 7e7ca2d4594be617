"""After a boot: fill secrets, start the tenants, open their traffic, finish or undo open operations.

A broken tenant delays no other tenant: a failed start is logged and left to the watch. An open operation of one tenant
delays no other tenant either: it may watch a release for an hour. A tenant that an operation holds is tried again after
the operation has ended, because the operation may have left the tenant stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from launchpad.runner import booting, cell, engine, paths, reviving, slots
from launchpad.runner.host import Busy, Failed, HalfNetwork, Host
from launchpad.runner.journal import open_journals, subject
from launchpad.runner.moving import tombstone
from launchpad.runner.protocol import Release
from launchpad.runner.tenant_record import read_tenant

AT_ONCE = 3
STAGGER_SECONDS = 15.0
"""When AT_ONCE tenants are starting, the next one waits for one of them, but at most so long."""
POLL_SECONDS = 0.25
PROBE_SECONDS = 1.0
STOP_SECONDS = 10
"""For what was started in this boot, when Docker has to be restarted."""

DONE, TRY_AGAIN = 0, 1
"""Exit status."""


@dataclass(frozen=True)
class Starting:
    """A tenant that was started and is not yet ready."""

    release: Release
    side: slots.Side
    since: float


def boot(host: Host) -> int:
    """DONE when a start of every tenant that should run was tried; TRY_AGAIN while Docker is down, a tenant is locked
    or an operation is open."""
    try:
        host.close_traffic(())  # the gate has to exist before any container runs
        engine.settle_all(host, only="host")  # an interrupted provision may be the one that installs Docker
        reviving.revive_docker(host, who="boot")
        host.containers()  # Failed until Docker answers
        held = _held(host)
        everybody = [name for name in host.names(paths.TENANTS) if slots.is_tenant_name(name)]
        busy = _start_all(host, [name for name in everybody if name not in held])
        left = engine.settle_all(host)
        busy = _start_all(host, [name for name in everybody if name in held or name in busy])
    except HalfNetwork as half:
        _say(half.message)
        return _without_record(host)
    except Failed as failed:
        _say(failed.message)
        return TRY_AGAIN
    for name in left:
        _say(f"operation {name} cannot be finished or undone yet")
    if busy:
        return TRY_AGAIN
    booting.finish(host)
    return TRY_AGAIN if left else DONE


def _without_record(host: Host) -> int:
    """Have Docker make its networks anew, with nothing running: beside a container that runs it makes none of its own,
    and Caddy needs one."""
    from launchpad.runner.provision.effects import CADDY_PROJECT, COMPOSE  # late: hardly any boot needs it

    try:
        for project in sorted({cell.project(item.tenant, item.side) for item in host.containers()}):
            host.stop(project, STOP_SECONDS)
        host.stop(CADDY_PROJECT, STOP_SECONDS)
        reviving.forget_networks(host, who="boot")
        if host.read(COMPOSE) is not None:
            host.up(paths.CADDY, CADDY_PROJECT, {})
    except (Busy, Failed) as error:
        _say(engine.reason(error))
    return TRY_AGAIN


def _held(host: Host) -> set[str]:
    """The tenants with an open operation: finishing or undoing the operation starts the tenant."""
    operations = ((journal.asked() or {}).get("operation", {}) for journal in open_journals(host))
    return {operation["tenant"] for operation in operations if "tenant" in operation}


def _start_all(host: Host, names: Sequence[str]) -> list[str]:
    """Start those of these tenants that should run and were not handled in this boot; returns the locked ones."""
    started = booting.seen_to(host)
    waiting = [name for name in names if name not in started]
    starting: list[Starting] = []
    busy: list[str] = []
    last = 0.0
    while waiting or starting:
        if waiting and (len(starting) < AT_ONCE or host.elapsed() - last >= STAGGER_SECONDS):
            name, last = waiting.pop(0), host.elapsed()
            try:
                if begun := start(host, name, who="boot"):
                    starting.append(begun)
                    continue
            except Busy:
                busy.append(name)
                continue
            except HalfNetwork as half:
                if not reviving.was_forgotten(host):
                    raise
                _say(f"{name}: {half.message}")
            except Exception as error:  # whatever is wrong with one, the others are started
                _say(f"{name}: {engine.reason(error)}")
            started = booting.see_to(host, [name])
            continue
        through = []
        for item in starting:
            try:
                if let_in(host, item, who="boot"):
                    through.append(item)
            except Busy:
                busy.append(item.release.tenant)
        starting = [item for item in starting if item not in through and item.release.tenant not in busy]
        if through:
            started = booting.see_to(host, [item.release.tenant for item in through])
        else:
            host.wait(POLL_SECONDS)
    return busy


def start(host: Host, name: str, *, who: str) -> Starting | None:
    """Start the tenant as its record says; None when it should not run. Busy when an operation holds the tenant or is
    open: its undo may be pending with a newer release's data, or its plan was made while the tenant was down."""
    with host.lock(f"tenant-{name}", {"who": who, "kind": who, "since": host.now()}):
        _refuse_while_open(host, f"tenant-{name}")
        record = read_tenant(host, name)
        if record is None or not record.is_to_run or not tombstone.may_run(host, record):
            return None
        side = record.side
        cell.start(host, tenant=name, short=record.started, side=side)
        return Starting(cell.read_release(host, name, record.release), side, host.elapsed())


def _refuse_while_open(host: Host, name: str) -> None:
    for journal in open_journals(host):
        asked = journal.asked()
        if asked is not None and subject(asked["operation"]) == name:
            if damage := journal.damage():
                raise Failed(
                    f"{asked['operation']['kind']} {journal.identifier} has not ended, and {damage}",
                    code="earlier-operation-open-at-boot",
                )
            raise Busy(name, {"operation": journal.identifier})


def let_in(host: Host, item: Starting, *, who: str) -> bool:
    """Open the tenant's gate when it is ready or its start time is over; True when nothing is left to wait for. A late
    tenant gets traffic too: it passed its probes at the deploy, and nobody may be there to open the gate. Busy when an
    operation holds the tenant or is open: its plan was made with a closed gate, and it opens or closes the gate."""
    late = host.elapsed() - item.since >= item.release.start_seconds
    if not late and not _is_ready(host, item):
        return False
    tenant, slot = item.release.tenant, item.release.slot
    try:
        with host.lock(f"tenant-{tenant}", {"who": who, "kind": who, "since": host.now()}):
            _refuse_while_open(host, f"tenant-{tenant}")
            if late:
                _say(f"{tenant}: not ready after {item.release.start_seconds} s; its traffic is opened anyway")
            record = read_tenant(host, tenant)
            if record and record.running and record.side == item.side:
                host.open_traffic([slots.address(slot, index, item.side) for index in range(slots.MOST_SERVICES)])
    except Failed as failed:
        _say(f"{tenant}: {failed.message}")
    return True


def _is_ready(host: Host, item: Starting) -> bool:
    """Whether the ready probes pass, or a container has ended: then the watch takes over."""
    try:
        mine = cell.side_of(host, item.release.tenant, item.side)
    except Failed:
        return False
    if any(container.state in ("exited", "dead") for container in mine):
        return True
    services = [service.name for service in item.release.services]
    return all(
        host.get(
            slots.address(item.release.slot, services.index(probe.service), item.side),
            probe.port,
            probe.path,
            seconds=PROBE_SECONDS,
        )
        == probe.expect
        for probe in item.release.probes
        if probe.kind == "ready"
    )


def _say(line: str) -> None:
    """Print a line to the unit's journal."""
    print(line, file=sys.stderr, flush=True)
