"""A rehearsal: the new release on a clone of the tenant's data, with made-up secrets and no network out.

The clone is a whole cell: its services reach one another by their own addresses and names, and a secret that the data
depends on (`rehearse: real` in the app's file) has its real value. Its Compose file is the release's judged and
resolved one, changed only where it would affect the live tenant or the internet. Its containers carry another tenant
label, so that nothing else mistakes them for the tenant's. A rehearsal begins and ends by removing the clone, and so
does its undo.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from os import urandom
from typing import Any

from launchpad.runner import cell, generation_records, paths, slots
from launchpad.runner.context import Context
from launchpad.runner.generation_records import Generation
from launchpad.runner.host import Failed, Host
from launchpad.runner.protocol import Refused, Release
from launchpad.runner.rows import Counted, count, lost, tables, told, unit
from launchpad.runner.steps import Rehearse
from launchpad.runner.waiting import await_deciding

SIDE: slots.Clone = "clone"
"""The side label of the clone's containers, which never serve."""
STOP_SECONDS = 10
VERIFY = "verify"
"""The action by which an app checks its data: exit status 0 means sound."""
MARK = "LAUNCHPAD_REHEARSAL"
"""Set to `1` in the clone's environment, so that an app's wrapper keeps channels and schedules off."""
PREFIX = "rehearsal-"
"""The beginning of every made-up secret, so that it can be recognised anywhere."""


def project(tenant: str) -> str:
    """The name of the clone's Compose project and network."""
    return f"lp-{tenant}-{SIDE}"


def stand_in(tenant: str) -> str:
    """The tenant label of the clone's containers; not a valid tenant's name, because of its underscore."""
    return f"{tenant}_{SIDE}"


def rehearse(step: Rehearse, context: Context) -> None:
    """Start the release on a clone of the data, and wait until it is ready for its steady seconds. Failed, with its
    last log lines, when it is not."""
    clear(context.host, step)
    if not step.data:
        generation_records.take(context.host, _generation(step, context))
        generation_records.allow(context.host, step.tenant, disk_mb=step.disk_mb)
    on_clone(step, context, paths.generation(step.tenant, step.data or step.generation), rows=True)


def on_clone(step: Rehearse, context: Context, source: str, *, rows: bool = False) -> None:
    """The same on a clone of any data; after a success the clone is removed. With `rows`, no table of its databases may
    lose rows."""
    host, release = context.host, cell.read_release(context.host, step.tenant, step.release)
    host.clone(source, paths.clone(step.tenant), disk_mb=release.disk_mb)
    uid = slots.host_uid(release.slot)
    host.make_data(paths.clone(step.tenant), volumes=release.volumes, disk_mb=release.disk_mb, uid=uid)
    _make_secrets(host, release, uid)
    before = count(context, tenant=step.tenant, slot=release.slot, folder=paths.clone(step.tenant)) if rows else None
    _start(host, release)
    _prove(step, context, release)
    _verify(host, release)
    if before is not None and tables(before.rows):
        _compare(step, context, release, before)
    elif rows:
        context.say("no SQLite table was found, so no rows were compared")
    clear(host, step)
    context.say(f"{release.app} {release.version} was ready on a clone of the data for {release.steady_seconds} s")


def clear(host: Host, step: Rehearse) -> None:
    """Remove everything of a rehearsal; the live tenant is not affected."""
    host.end_confined(unit(step.tenant))
    host.down(project(step.tenant), STOP_SECONDS)
    host.remove_network(project(step.tenant))
    for path in (paths.rehearsal(step.tenant), paths.secrets(step.tenant, SIDE), paths.clone(step.tenant)):
        host.remove(path)
    generation_records.drop(host, step.tenant, step.generation)
    with suppress(Failed):
        generation_records.allow(host, step.tenant, disk_mb=step.disk_mb)


def _generation(step: Rehearse, context: Context) -> Generation:
    return Generation(
        id=step.generation,
        tenant=step.tenant,
        release=step.before,
        version=step.version,
        app=step.app,
        at=context.host.now(),
        why=generation_records.REHEARSAL,
        operation=context.identifier,
        disk_mb=step.disk_mb,
    )


def _make_secrets(host: Host, release: Release, uid: int) -> None:
    folder = paths.secrets(release.tenant, SIDE)
    host.folder(f"{paths.RUN}/{release.tenant}", mode=0o711)
    host.folder(folder, mode=0o500, uid=uid)
    for name, value in made_up(release, lambda digits: urandom(digits // 2).hex()).items():
        real = name in release.real_in_rehearsals
        host.write(
            f"{folder}/{name}", cell.unsealed(host, release, name) if real else value.encode(), mode=0o400, uid=uid
        )


def _start(host: Host, release: Release) -> None:
    """Start the clone's containers in a separate network without a way out. The resolved Compose project is judged here
    again, because the release's files may have changed."""
    from launchpad.runner.judge.resolved_project import (
        judge_compose,  # late: most operations rehearse nothing
    )

    tenant, slot = release.tenant, release.slot
    folder = paths.release(tenant, release.short)
    resolved = host.resolve(folder, project(tenant), cell.environment(release, SIDE))
    try:
        judge_compose(resolved, release, side=SIDE)
        clone = cloned(resolved, release)
    except Refused as refused:
        raise Failed(refused.message, code=refused.code) from refused
    subnet = slots.clone_subnet(slot)
    host.make_network(project(tenant), bridge=slots.clone_bridge(slot), subnet=subnet, gateway=subnet[1], internal=True)
    host.write(f"{paths.rehearsal(tenant)}/compose.yaml", json.dumps(clone).encode(), mode=0o600)
    cell.up(host, paths.rehearsal(tenant), project(tenant), {})


def _prove(step: Rehearse, context: Context, release: Release) -> None:
    """Wait until the deciding probes have passed on the clone for the steady seconds, with unchanged containers."""
    clone = release.but(tenant=stand_in(step.tenant))
    if wrong := await_deciding(context, clone, SIDE, without=step.without):
        failed = Failed(f"in the rehearsal, {release.app} {release.version}: {wrong}", code="rehearsal-failed")
        raise cell.with_last_lines(context.host, project(step.tenant), failed, service=wrong.partition(" ")[0])


def _verify(host: Host, release: Release) -> None:
    """Run the app's own check of its data inside the clone, if the app has the action."""
    check = next((action for action in release.actions if action.name == VERIFY), None)
    if check is None:
        return
    clone = cell.side_of(host, stand_in(release.tenant), SIDE)
    container = next((item.name for item in clone if item.service == check.service), "")
    said = host.execute(container, check.argv, seconds=check.timeout_seconds)
    if said.code:
        lines = [*said.out.splitlines(), *said.err.splitlines()][-20:]
        raise Failed(
            f"in the rehearsal, {release.app} {release.version}: the action {VERIFY} failed with status {said.code}",
            code="rehearsal-action-failed",
            lines=lines,
        )


def _compare(step: Rehearse, context: Context, release: Release, before: Counted) -> None:
    """Failed when a table has fewer rows than before. The clone is stopped first, so that everything is on disk."""
    context.host.stop(project(step.tenant), STOP_SECONDS)
    folder = paths.clone(step.tenant)
    after = count(context, tenant=step.tenant, slot=release.slot, folder=folder, only=before.rows)
    gone = list(lost(before.rows, after.rows, may_shrink=step.may_shrink))
    if gone:
        more = f", and {len(gone) - 1} more tables" if gone[1:] else ""
        message = f"in the rehearsal, {release.app} {release.version} lost data: {gone[0]}{more}"
        raise Failed(message, code="rehearsal-lost-data", lines=told(gone))
    number, rest = tables(before.rows), f"; {before.passed_over}" if before.passed_over else ""
    context.say(f"no rows were lost in {number} table{'' if number == 1 else 's'}{rest}")


def cloned(resolved: Mapping[str, Any], release: Release) -> dict[str, Any]:
    """The clone's Compose file, made from the judged and resolved project: with another network, the clone's data and
    the clone's secrets. Refused if anything of the tenant's is left in it."""
    clone = copy.deepcopy(dict(resolved))
    clone["networks"]["default"]["name"] = project(release.tenant)
    for service in release.services:
        own = clone["services"][service.name]
        own["labels"] = {**own["labels"], "launchpad.tenant": stand_in(release.tenant)}
        own["environment"] = {**(own.get("environment") or {}), MARK: "1"}
        own["volumes"] = [{**mount, "source": _source(mount["source"], release)} for mount in own.get("volumes") or ()]
    return clone


def made_up(release: Release, random: Callable[[int], str]) -> dict[str, str]:
    """A value for each of the release's secrets, of at least 32 characters; `random(n)` gives n hexadecimal digits."""
    return {name: PREFIX + random(32) for name in release.secrets}


def _source(source: str, release: Release) -> str:
    """The clone's source for a mount; files of the release stay the same, read-only."""
    data, secrets = paths.data(release.tenant), paths.secrets(release.tenant, release.short)
    if source == secrets:
        return paths.secrets(release.tenant, SIDE)
    if source.startswith(f"{data}/"):
        return paths.clone(release.tenant) + source.removeprefix(data)
    if source.startswith(f"{paths.release(release.tenant, release.short)}/"):
        return source
    raise Refused(
        f"{release.tenant}: cannot be rehearsed: the mount {source!r} is not part of a release", code="rehearsal-mount"
    )
