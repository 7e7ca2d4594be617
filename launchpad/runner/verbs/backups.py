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
from launchpad.runner.protocol import Refused
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import only, reply


def backups(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"key": whether the host has the repository's key, "wrap": the wrapped key, "targets": {name: its recorded
    state}, "proven": the backup that was booted last, "snapshots": {name: [backup, oldest first]}, "there":
    [targets that have a repository], "wraps": [wrapped key], "problems": {name: text}}.

    body {"tenant", "targets": the targets to read, "secrets": the repository's key if the host does not have it,
    "wraps": whether to read the wrapped keys instead of the backups, "source": the tenant whose backups or wrapped keys
    to read, if it is another one; then the secrets must have its key. For a tenant that is not on this host, `source`
    names the tenant itself, and the unused uid reads}."""
    given = only(body, tenant=str, targets=list, secrets=dict, wraps=bool, source=str)
    tenant = given["tenant"] or ""
    if not is_tenant_name(tenant):
        raise Refused(f"not a tenant's name: {tenant[:60]!r}")
    source = given["source"] or ""
    if source and not is_tenant_name(source):
        raise Refused(f"not a tenant's name: {source[:60]!r}")
    absent = source == tenant and read_record(host, tenant) is None
    record = {"tenant": tenant, "slot": NOBODYS} if absent else known(host, tenant)
    targets = judged_targets(host, given["targets"]) if given["targets"] else []
    key = judged_key(given["secrets"] or {})
    answer: dict[str, Any] = {
        "key": keeping.has_key(host, tenant),
        "wrap": keeping.wrap(host, tenant),
        "targets": {name: keeping.state(host, tenant, name) for name in keeping.targets_of(host, tenant)},
        "proven": json.loads(host.read(keeping.proof(tenant)) or b"null"),
        "snapshots": {},
        "there": [],
        "wraps": [],
        "problems": {},
    }
    do = "wraps" if given["wraps"] else "snapshots"
    for target in targets:
        try:
            found = _ask(host, target, record | {"source": source}, key, do=do)
        except Failed as failed:
            answer["problems"][target.name] = failed.message
            continue
        answer["wraps"] += found.get("wraps", [])
        if not given["wraps"]:
            answer["snapshots"][target.name] = found["snapshots"]
            answer["there"] += [target.name] if found["there"] else []
    yield reply(answer)


def _ask(host: Host, target: HostTarget, record: Mapping[str, Any], key: str, *, do: str) -> dict[str, Any]:
    if not key and do == "snapshots" and (record["source"] or not keeping.has_key(host, record["tenant"])):
        raise Failed("the key of its backups is not on this host", code="backup-key-missing")
    whose = {"tenant": record["tenant"], "slot": record["slot"], "source": record["source"]}
    known = not record["source"] and "sent" in keeping.state(host, record["tenant"], target.name)
    asked = work.look(host, target, **whose, do=do, known=known, key=key)
    return host.confined(asked, lambda _text: None)
