"""Run a backup's steps, and undo them. No step changes the running tenant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, assert_never

from launchpad.runner import generation_records, paths, rehearsal, slots
from launchpad.runner.backups import fetching, keeping, steps, work
from launchpad.runner.backups.host_target import target_from_json
from launchpad.runner.context import Context
from launchpad.runner.hint import Next
from launchpad.runner.host import Confined, Failed, Host
from launchpad.runner.journal import open_journals, subject
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import canonical

CHECK_SECONDS = 2 * 3600


def look(step: steps.BackupStep, context: Context) -> dict[str, Any]:
    """What undo needs: only the wrapped key, because no other step changes what existed before."""
    if not isinstance(step, steps.KeepWrap):
        return {}
    recipients = (context.host.read(keeping.wrapped_for(step.tenant)) or b"").decode()
    return {"wrap": keeping.wrap(context.host, step.tenant), "recipients": recipients}


def apply(step: steps.BackupStep, context: Context) -> None:
    """Run the step. Failed says what could not be done and why."""
    host = context.host
    match step:
        case steps.FreezeData():
            freeze(step, context)
        case steps.CheckDatabases():
            check_databases(step, context)
        case steps.SendBackup():
            send(step, context)
        case steps.RecordBackup():
            judge(host, step, context.identifier, enough=1)
        case steps.DropFrozen():
            thaw(host, step.tenant)
        case steps.VerifyBackup():
            verify(step, context)
        case steps.JudgeVerify():
            judge(host, step, context.identifier, enough=len(step.targets))
        case steps.FetchBackup():
            fetching.fetch(step, context)
        case steps.KeepFetched():
            fetching.keep_fetched(step, context)
        case steps.ProveBackup():
            fetching.prove(step, context)
        case steps.DropFetched():
            host.remove(paths.fetched(step.tenant))
        case steps.ThinBackups():
            thin(step, context)
        case steps.KeepWrap():
            keeping.keep_wrap(host, step.tenant, wrapped=step.wrap, recipients=step.recipients)
            for name in keeping.targets_of(host, step.tenant):
                keeping.record(host, step.tenant, name, wrapped=False)
        case steps.LayWrap():
            lay_wrap(step, context)
        case _:
            assert_never(step)


def undo(step: steps.BackupStep, before: Mapping[str, Any], context: Context) -> None:
    """Stop the sandbox if it still runs, and remove what only the backup needed."""
    host = context.host
    match step:
        case steps.FreezeData():
            thaw(host, step.tenant)
        case steps.CheckDatabases():
            host.end_confined(work.unit(step.tenant))
            host.remove(paths.checked(step.tenant))
        case steps.SendBackup() | steps.VerifyBackup() | steps.ThinBackups() | steps.LayWrap():
            host.end_confined(work.unit(step.tenant))
        case steps.FetchBackup():
            host.end_confined(work.unit(step.tenant))
            host.remove(paths.fetched(step.tenant))
            keeping.drop_source(host, step.tenant)
        case steps.KeepWrap() if before["wrap"]:
            keeping.keep_wrap(host, step.tenant, wrapped=before["wrap"], recipients=before["recipients"])
        case steps.ProveBackup():
            with work.tenant_lock(step.tenant, context):
                rehearsal.clear(host, fetching.clone_of(step, context))
        case steps.KeepFetched():
            host.remove(paths.generation_record(step.tenant, step.record["id"]))
            host.remove(paths.generation(step.tenant, step.record["id"]))
        case _:
            pass


def freeze(step: steps.FreezeData, context: Context) -> None:
    host = context.host
    host.end_confined(work.unit(step.tenant))
    host.remove(paths.frozen(step.tenant))  # of a backup that died
    host.folder(paths.backup(step.tenant), mode=0o700)
    with work.tenant_lock(step.tenant, context):
        _refuse_half_done(host, step.tenant)
        host.write(paths.frozen_as(step.tenant), canonical(_runs(host, step.tenant)), mode=0o600)
        host.snapshot(paths.data(step.tenant), paths.frozen(step.tenant))
        allow(host, step.tenant)


def _refuse_half_done(host: Host, tenant: str) -> None:
    """Failed while an operation whose process died is open: its undo may still change the data."""
    for journal in open_journals(host):
        asked = journal.asked()
        if asked is not None and subject(asked["operation"]) == f"tenant-{tenant}":
            what = f"{asked['operation']['kind']} {journal.identifier}"
            raise Failed(
                f"{tenant}: {what} has not ended, so the data may be incomplete; back up again after it has ended",
                code="backup-before-end",
            )


def _runs(host: Host, tenant: str) -> dict[str, Any]:
    """The release that the data belongs to; recorded now, because another release may start during the backup."""
    record = read_record(host, tenant) or {}
    return {name: record[name] for name in ("app", "version", "release") if record.get(name)}


def thaw(host: Host, tenant: str) -> None:
    host.remove(paths.frozen(tenant))
    host.remove(paths.frozen_as(tenant))
    with suppress(Failed):
        allow(host, tenant)


def allow(host: Host, tenant: str) -> None:
    """Raise the quota: data that the frozen copy still holds must not count against the tenant's own disk."""
    record = read_record(host, tenant)
    if record is not None:
        generation_records.allow(host, tenant, disk_mb=record["disk_mb"])


def check_databases(step: steps.CheckDatabases, context: Context) -> None:
    """Checks a writable clone, because SQLite applies a write-ahead log first; the clone costs no space."""
    host, folder = context.host, paths.checked(step.tenant)
    host.remove(folder)
    host.clone(paths.frozen(step.tenant), folder, disk_mb=step.disk_mb)
    most = max(step.disk_mb << 20, host.usage(paths.data(step.tenant)))  # its tier may have become smaller
    task = {"do": "check", "uid": slots.host_uid(step.slot), "most": most}
    asked = Confined(unit=work.unit(step.tenant), task=task, writes=work.volumes(host, folder), seconds=CHECK_SECONDS)
    found = host.confined(asked, work.progress(context))
    host.remove(folder)
    for item in found["unchecked"]:
        context.say(f"{item['path']} cannot be checked here: {item['said']}")
    for item in found.get("unreadable", ()):
        context.say(f"{item['path']} cannot be read, so no database there was checked: {item['said']}")
    if found["damaged"]:
        lines = [f"{item['path']}: {item['said']}" for item in found["damaged"]]
        raise Failed(
            f"{found['damaged'][0]['path']} is a damaged database; nothing was sent",
            code="damaged-database",
            lines=lines,
        )
    for item in found.get("foreign", ()):
        told = f"{item['path']} is a {item['kind']} database, which Launchpad cannot check"
        context.say(f"{told}; " + Next("drill") + " proves the backup by starting the app")
    for kind, number in found.get("more", {}).items():
        context.say(f"{number} more are {kind}")
    number = found["checked"]
    one = "1 SQLite database is sound" if number == 1 else f"{number} SQLite databases are sound"
    context.say(one if number else "no SQLite database was found, so none was checked")


def send(step: steps.SendBackup, context: Context) -> None:
    host, tenant = context.host, step.tenant
    target = target_from_json(step.target)
    known = keeping.state(host, tenant, target.name)
    begun, since = host.now(), host.elapsed()
    keeping.record(host, tenant, target.name, sending=True)
    try:
        asked = work.with_repository(
            host,
            target,
            tenant=tenant,
            slot=step.slot,
            do="send",
            cut=bool(known.get("sending")),
            tags=tags(host, tenant, context.identifier),
            wrap="" if known.get("wrapped") else keeping.wrap(host, tenant),
            known="sent" in known,
        )
        reads = work.volumes(host, paths.frozen(tenant))
        sent = host.confined(asked.but(reads=reads), work.progress(context))
    except Failed as failed:
        context.say(f"{target.name}: the backup was not stored: {failed.message}")
        told = {"operation": context.identifier, "at": host.now(), "message": failed.message}
        keeping.record(host, tenant, target.name, failed=told, sending=False)
        return
    if sent["unreadable"]:
        message = f"this backup lacks files that the tenant's own user cannot read: {sent['unreadable']}"
        context.say(f"{target.name}: {message}")
        failed_so = {"operation": context.identifier, "at": host.now(), "message": message}
        keeping.record(host, tenant, target.name, failed=failed_so, wrapped=True, sending=False)
        return
    told = {"operation": context.identifier, "at": begun, "seconds": round(host.elapsed() - since, 3)} | sent
    keeping.record(host, tenant, target.name, sent=told, failed=None, wrapped=True, sending=False)


def tags(host: Host, tenant: str, generation: str) -> list[str]:
    """The restic tags that say what a backup holds."""
    frozen = json.loads(host.read(paths.frozen_as(tenant)) or b"{}")
    told = {"generation": generation, **frozen}
    volumes = host.names(paths.frozen(tenant))
    return [*(f"{name}={value}" for name, value in told.items()), *(f"volume={name}" for name in volumes)]


def verify(step: steps.VerifyBackup, context: Context) -> None:
    host, tenant = context.host, step.tenant
    target = target_from_json(step.target)
    told = {"operation": context.identifier, "at": host.now(), "part": step.part}
    try:
        asked = work.with_repository(host, target, tenant=tenant, slot=step.slot, do="verify", part=step.part)
        host.confined(asked, work.progress(context))
    except Failed as failed:
        context.say(f"{target.name}: {failed.message}")
        keeping.record(host, tenant, target.name, damaged=told | {"message": failed.message})
        return
    parts = keeping.state(host, tenant, target.name).get("parts", {})
    keeping.record(host, tenant, target.name, parts=parts | {step.part: told["at"]}, verified=told, damaged=None)


def thin(step: steps.ThinBackups, context: Context) -> None:
    """Runs in the sandbox with the tenant's uid and key, because nobody else can read the folder."""
    host, tenant, target = context.host, step.tenant, target_from_json(step.target)
    more: dict[str, Any] = {"keep": step.keep, "now": host.now(), "spare": step.spare}
    asked = work.with_repository(host, target, tenant=tenant, slot=step.slot, do="forget", **more)
    done = host.confined(asked, work.progress(context))
    told = {"operation": context.identifier, "at": host.now(), "removed": done["removed"], "left": done["left"]}
    keeping.record(host, tenant, target.name, thinned=told)
    context.say(f"{len(done['removed'])} backups deleted, {done['left']} kept")


def lay_wrap(step: steps.LayWrap, context: Context) -> None:
    host, tenant, target = context.host, step.tenant, target_from_json(step.target)
    asked = work.with_repository(
        host, target, tenant=tenant, slot=step.slot, do="wrap", wrap=keeping.wrap(host, tenant)
    )
    try:
        host.confined(asked, work.progress(context))
    except Failed as failed:
        context.say(f"{target.name}: the wrapped key was not stored; the next backup stores it: {failed.message}")
    else:
        keeping.record(host, tenant, target.name, wrapped=True)


def judge(host: Host, step: steps.RecordBackup | steps.JudgeVerify, identifier: str, *, enough: int) -> None:
    """Failed unless this operation succeeded at `enough` targets."""
    good, bad = ("sent", "failed") if isinstance(step, steps.RecordBackup) else ("verified", "damaged")
    states = {name: keeping.state(host, step.tenant, name) for name in step.targets}
    done = [name for name, item in states.items() if (item.get(good) or {}).get("operation") == identifier]
    if len(done) >= enough:
        return
    lines = [f"{name}: {item[bad]['message']}" for name, item in states.items() if item.get(bad)]
    raise Failed("; ".join(lines) or f"{step.tenant}: no target could be reached", code="targets-failed", lines=lines)
