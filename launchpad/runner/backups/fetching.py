"""Fetch a backup beside the tenant's data, and keep it as a generation or boot it as a proof."""

from __future__ import annotations

import json

from launchpad.runner import paths, rehearsal, slots
from launchpad.runner.backups import inside, keeping, steps, work
from launchpad.runner.backups.host_target import target_from_json
from launchpad.runner.context import Context
from launchpad.runner.host import Host
from launchpad.runner.protocol import canonical
from launchpad.runner.steps import Rehearse

FETCHED = "backup"
"""The reason (`why`) of a generation that came from a repository."""


def fetch(step: steps.FetchBackup, context: Context) -> None:
    host, tenant, folder = context.host, step.tenant, paths.fetched(step.tenant)
    target = target_from_json(step.target)
    host.end_confined(work.unit(tenant))
    host.remove(folder)
    host.make_data(folder, volumes=step.volumes, disk_mb=step.disk_mb, uid=slots.host_uid(step.slot))
    own = {"source": step.source, "key": keeping.source(host, tenant, step.source)} if step.source else {}
    asked = work.with_repository(host, target, tenant=tenant, slot=step.slot, do="fetch", snapshot=step.snapshot, **own)
    places = {f"{inside.ROOT}/{name}": f"{folder}/{name}" for name in step.volumes}
    found = host.confined(asked.but(writes={**asked.writes, **places}), work.progress(context))
    context.say(f"{found['files']} files restored")


def keep_fetched(step: steps.KeepFetched, context: Context) -> None:
    """The record is written last: a snapshot without a record does not count."""
    host, tenant, identifier = context.host, step.tenant, step.record["id"]
    with work.tenant_lock(tenant, context):  # a plan that sees the snapshot without its record removes it
        host.folder(paths.generations(tenant), mode=0o700)
        if host.has_data(paths.fetched(tenant)):
            host.remove(paths.generation(tenant, identifier))
            host.snapshot(paths.fetched(tenant), paths.generation(tenant, identifier))
        host.write(paths.generation_record(tenant, identifier), canonical(step.record), mode=0o600)
    host.remove(paths.fetched(tenant))
    keeping.drop_source(host, tenant)
    for name in earlier(host, tenant, than=identifier):
        host.remove(paths.generation_record(tenant, name))
        host.remove(paths.generation(tenant, name))


def prove(step: steps.ProveBackup, context: Context) -> None:
    host, clone = context.host, clone_of(step, context)
    with work.tenant_lock(step.tenant, context):
        rehearsal.clear(host, clone)
        rehearsal.on_clone(clone, context, paths.fetched(step.tenant))
    proven = step.backup | {"proven": host.now(), "version": step.version, "operation": context.identifier}
    host.write(keeping.proof(step.tenant), canonical(proven), mode=0o600)


def clone_of(step: steps.ProveBackup, context: Context) -> Rehearse:
    """The rehearsal that proves the backup; it runs on the fetched data instead of a generation."""
    return Rehearse(
        tenant=step.tenant,
        release=step.release,
        generation=f"{context.identifier}-drill",
        before=step.release,
        version=step.version,
        app=step.app,
        disk_mb=step.disk_mb,
    )


def earlier(host: Host, tenant: str, *, than: str) -> list[str]:
    """The generations that were fetched before."""
    names = [name.removesuffix(".json") for name in host.names(paths.generations(tenant)) if name.endswith(".json")]
    records = {name: json.loads(host.read(paths.generation_record(tenant, name)) or b"{}") for name in names}
    return [name for name, record in records.items() if name != than and record.get("why") == FETCHED]
