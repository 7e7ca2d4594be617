"""backups: what the host knows about a tenant's backups, and what the repositories contain. Reads only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.backups import keeping, work
from launchpad.runner.backups.finding import judged_targets
from launchpad.runner.backups.host_target import HostTarget
from launchpad.runner.backups.keeping import NOBODYS
from launchpad.runner.backups.plan import judged_key, known
from launchpad.runner.caller import Caller
from launchpad.runner.host import Failed, Host
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused, reply_from_json
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import reply
from launchpad.runner.wire.backup_bodies import (
    BackupsReply,
    ProvenBackup,
    ReadAtTarget,
    ReadBackups,
    StoredBackup,
    TargetState,
)
from launchpad.runner.wire.body import body_from_json


def backups(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """BackupsReply; body ReadBackups."""
    given = body_from_json(ReadBackups, body)
    tenant, source = given.tenant, given.source
    if not is_tenant_name(tenant):
        raise Refused(f"not a tenant's name: {tenant[:60]!r}")
    if source and not is_tenant_name(source):
        raise Refused(f"not a tenant's name: {source[:60]!r}")
    absent = source == tenant and read_record(host, tenant) is None
    record = {"tenant": tenant, "slot": NOBODYS} if absent else known(host, tenant)
    targets = judged_targets(host, list(given.targets)) if given.targets else []
    key = judged_key(given.secrets)
    snapshots: dict[str, tuple[StoredBackup, ...]] = {}
    problems: dict[str, str] = {}
    there: list[str] = []
    wraps: list[str] = []
    do = "wraps" if given.wraps else "snapshots"
    for target in targets:
        try:
            found = _ask(host, target, record | {"source": source}, key, do=do)
        except Failed as failed:
            problems[target.name] = failed.message
            continue
        wraps += found.wraps
        if not given.wraps:
            snapshots[target.name] = found.snapshots
            there += [target.name] if found.there else []
    states = {name: keeping.state(host, tenant, name) for name in keeping.targets_of(host, tenant)}
    proven = host.read(keeping.proof(tenant))
    yield reply(
        BackupsReply(
            key=keeping.has_key(host, tenant),
            wrap=keeping.wrap(host, tenant),
            targets={name: reply_from_json(TargetState, state, name) for name, state in states.items()},
            proven=reply_from_json(ProvenBackup, json.loads(proven), "proven") if proven else None,
            snapshots=snapshots,
            there=tuple(there),
            wraps=tuple(wraps),
            problems=problems,
        )
    )


def _ask(host: Host, target: HostTarget, record: Mapping[str, Any], key: str, *, do: str) -> ReadAtTarget:
    if not key and do == "snapshots" and (record["source"] or not keeping.has_key(host, record["tenant"])):
        raise Failed("the key of its backups is not on this host", code="backup-key-missing")
    whose = {"tenant": record["tenant"], "slot": record["slot"], "source": record["source"]}
    known = not record["source"] and "sent" in keeping.state(host, record["tenant"], target.name)
    asked = work.look(host, target, **whose, do=do, known=known, key=key)
    return reply_from_json(ReadAtTarget, host.confined(asked, lambda _text: None), "the repository")
