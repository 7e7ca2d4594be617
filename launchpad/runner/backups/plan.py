"""Judge and plan the operations on backups; a refused request changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from secrets import token_urlsafe
from typing import Any

from launchpad.runner import paths
from launchpad.runner.backups import keeping, steps, work
from launchpad.runner.backups.finding import at_target, judged_targets, one_target
from launchpad.runner.backups.host_target import HostTarget
from launchpad.runner.capacity import check_clone
from launchpad.runner.cell import read_release
from launchpad.runner.hint import HERE, Next
from launchpad.runner.host import Failed, Host
from launchpad.runner.journal import Journal
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.steps import Commit

RULES = frozenset({"last", "daily", "weekly", "monthly"})
MOST_KEPT = 10_000
KEY_BYTES = 32
PART = re.compile(r"([1-9][0-9]?)/([1-9][0-9]?)")


def planned_backup(
    host: Host, _journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> Iterator[steps.BackupStep | Commit]:
    """Plan a backup. The first backup creates the repository's key. Refused when there is no data, and when a
    repository of the tenant has another key."""
    tenant = operation["tenant"]
    targets = judged_targets(host, operation["targets"])
    key = judged_key(secrets)
    record = with_data(host, tenant)
    new = "" if key or keeping.has_key(host, tenant) else token_urlsafe(KEY_BYTES)
    keep_or_refuse(host, record, targets, key, new=new)
    slot, names = record["slot"], tuple(target.name for target in targets)
    return iter(
        [
            steps.FreezeData(tenant=tenant),
            steps.CheckDatabases(tenant=tenant, slot=slot, disk_mb=record["disk_mb"]),
            *(steps.SendBackup(tenant=tenant, slot=slot, target=target.as_json()) for target in targets),
            steps.RecordBackup(tenant=tenant, targets=names),
            Commit(),
            steps.DropFrozen(tenant=tenant),
        ]
    )


def planned_verify(
    host: Host, _journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> Iterator[steps.BackupStep | Commit]:
    """Plan to read a part of each target's repository. Refused when the host does not have the key."""
    tenant = operation["tenant"]
    targets = judged_targets(host, operation["targets"])
    part = PART.fullmatch(str(operation["part"]))
    if part is None or int(part[1]) > int(part[2]):
        raise Refused(
            f"verify: not a part: {str(operation['part'])[:20]!r}",
            code="verify-part",
            hint="a part is n/m, such as 1/7",
        )
    record = known(host, tenant)
    keep_or_refuse(host, record, targets, judged_key(secrets))
    slot, names = record["slot"], tuple(target.name for target in targets)
    reads = [steps.VerifyBackup(tenant=tenant, slot=slot, target=item.as_json(), part=part[0]) for item in targets]
    return iter([*reads, steps.JudgeVerify(tenant=tenant, targets=names)])


def planned_fetch(
    host: Host, journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> Iterator[steps.BackupStep | Commit]:
    """Plan to fetch a backup as a generation; with `source`, another tenant's backup. Refused when the repository does
    not have the backup. Another tenant's backup must be of the version that runs."""
    record = known(host, operation["tenant"])
    fetching, about = found(host, record, operation, secrets)
    if fetching.source and (about["app"], about["version"]) != (record["app"], record["version"]):
        raise Refused(
            f"backup {fetching.snapshot[:8]} of {fetching.source} holds {about['app']} {about['version']}, but "
            f"{fetching.tenant} runs {record['app']} {record['version']}",
            code="backup-of-other-app",
            kind="state",
            hint=Next("backups list", fetching.source),
        )
    if fetching.source:
        keeping.keep_source(host, fetching.tenant, fetching.source, judged_key(secrets))
    generation = {"id": journal.identifier, "tenant": fetching.tenant, "operation": journal.identifier, "why": "backup"}
    generation |= {name: about[name] for name in ("release", "version", "app", "at")} | {"disk_mb": fetching.disk_mb}
    return iter([fetching, steps.KeepFetched(tenant=fetching.tenant, record=generation), Commit()])


def planned_drill(
    host: Host, _journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> Iterator[steps.BackupStep | Commit]:
    """Plan to prove a backup: fetch it, boot it on a clone, remove it. Refused unless the backup is of the running
    version and the host has memory for a clone."""
    record = known(host, operation["tenant"])
    fetching, about = found(host, record, operation, secrets)
    tenant, version = fetching.tenant, record["version"]
    if (about["app"], about["version"]) != (record["app"], version):
        raise Refused(
            f"{tenant}: backup {fetching.snapshot[:8]} holds {about['app']} {about['version']}, "
            f"but version {version} runs",
            code="backup-of-other-version",
            kind="state",
            hint=Next("backup", tenant) + "; " + Next("drill", tenant),
        )
    check_clone(host, read_release(host, tenant, record["release"]), hint="free memory on the host, then try again")
    proving = steps.ProveBackup(
        tenant=tenant,
        release=record["release"],
        version=version,
        app=record["app"],
        disk_mb=record["disk_mb"],
        backup={
            "target": fetching.target["name"],
            "snapshot": fetching.snapshot,
            "at": about["at"],
            "generation": about["generation"],
        },
    )
    return iter([fetching, proving, Commit(), steps.DropFetched(tenant=tenant)])


def planned_forget(
    host: Host, _journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> Iterator[steps.BackupStep | Commit]:
    """Plan to prune the backups in folders of this host. Refused for any other target, because a host's credentials
    should only add there. The newest backup and the one that was proven last always stay."""
    tenant = operation["tenant"]
    targets, record = judged_targets(host, operation["targets"]), known(host, tenant)
    judged_key(secrets)
    if elsewhere := [target.name for target in targets if target.remote]:
        raise Refused(
            f"forget: target {elsewhere[0]} is not a folder of this host",
            code="forget-target-elsewhere",
            hint=Next("backups forget", "TENANT"),
        )
    keep_ = operation["keep"]
    if not (isinstance(keep_, dict) and set(keep_) <= RULES and all(is_count(item) for item in keep_.values())):
        raise Refused(f"forget: keep: expected counts for some of {', '.join(sorted(RULES))}")
    if not keep_.get("last"):
        raise Refused(
            "forget: these rules could delete the newest backup", code="forget-newest", hint="last: 1 or more"
        )
    if not keeping.has_key(host, tenant):
        raise Refused(
            f"{tenant}: its backups have no key on this host yet",
            code="no-backup-key",
            kind="state",
            hint=Next("backup"),
        )
    spare = str((json.loads(host.read(keeping.proof(tenant)) or b"{}")).get("generation", ""))
    slot = record["slot"]
    thinned = [
        steps.ThinBackups(tenant=tenant, slot=slot, target=item.as_json(), keep=keep_, spare=spare) for item in targets
    ]
    return iter([*thinned, Commit()])


def planned_rewrap(
    host: Host, _journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> Iterator[steps.BackupStep | Commit]:
    """Plan to wrap the key for the recipients of the host's settings. Refused when the request names other recipients,
    or the host does not have the key."""
    tenant, recipients = operation["tenant"], str(operation["recipients"])
    targets = judged_targets(host, operation["targets"])
    record = known(host, tenant)
    keep_or_refuse(host, record, targets, judged_key(secrets))
    if recipients != keeping.digest_of_recipients(keeping.recipients(host)):
        message = "the settings of this host name other recipients than launchpad.yaml"
        raise Refused(message, code="recipients-differ", kind="state", hint=Next("provision", HERE))
    wrap = keeping.wrapped(host, tenant)
    laying = [steps.LayWrap(tenant=tenant, slot=record["slot"], target=target.as_json()) for target in targets]
    return iter([steps.KeepWrap(tenant=tenant, wrap=wrap, recipients=recipients), *laying, Commit()])


def is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MOST_KEPT


def found(
    host: Host, record: Mapping[str, Any], operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> tuple[steps.FetchBackup, dict[str, Any]]:
    """The step that fetches the requested backup, and what the backup holds: {"release", "version", "app",
    "generation", "at"}."""
    tenant, source, key = record["tenant"], str(operation.get("source", "")), judged_key(secrets)
    target = one_target(host, operation)
    if not source:
        keep_or_refuse(host, record, [target], key)
    elif not is_tenant_name(source) or source == tenant or not key:
        raise Refused("expected another tenant's name and the key of its backups")
    return at_target(host, record, target, operation, **({"source": source, "key": key} if source else {}))


def keep_or_refuse(
    host: Host, record: Mapping[str, Any], targets: list[HostTarget], key: str, *, new: str = ""
) -> None:
    """Keep the key of the request, or the new key. Refused when neither the host nor the request has a key."""
    keeping.drop_source(host, record["tenant"])  # left by a fetch that died before it began
    if key or new:
        keep(host, record, targets, key or new, new=bool(new))
    elif not keeping.has_key(host, record["tenant"]):
        tenant = record["tenant"]
        hint = Next("backup", tenant)
        raise Refused(
            f"{tenant}: its backups have no key on this host yet", code="no-backup-key", kind="state", hint=hint
        )


def keep(host: Host, record: Mapping[str, Any], targets: list[HostTarget], key: str, *, new: bool) -> None:
    """Store the tenant's key. Refused unless it opens an existing repository of the tenant. A new key is refused when
    any repository exists: backups with the old key could not be read."""
    tenant, opened = record["tenant"], []
    for target in targets:
        asked = work.look(host, target, tenant=tenant, slot=record["slot"], do="snapshots", key=key)
        try:
            there = bool(host.confined(asked, lambda _: None)["there"])
        except Failed as failed:
            if not new:
                continue
            message = f"{tenant}: {target.name} has backups with another key, or cannot be read: {failed.message}"
            raise Refused(
                message, code="backups-unreadable", kind="state", hint=Next("target show", target.name)
            ) from failed
        if there:
            opened.append(target.name)
    if not new and not opened:
        raise Refused(
            f"{tenant}: the key in the request opens none of its repositories",
            code="backup-key-opens-nothing",
            kind="state",
        )
    keeping.keep_key(host, tenant, key)


def known(host: Host, tenant: str) -> dict[str, Any]:
    """The tenant's record; Refused when there is none."""
    record = read_record(host, tenant)
    if record is None:
        raise Refused(f"{tenant} is not on this host", code="no-such-tenant-on-host", kind="state", hint=Next("status"))
    return record


def with_data(host: Host, tenant: str) -> dict[str, Any]:
    """The record of a tenant that has data on this host; Refused otherwise."""
    record = known(host, tenant)
    if not host.has_data(paths.data(tenant)):
        raise Refused(f"{tenant} has no data on this host", code="no-data", kind="state", hint=Next("deploy", tenant))
    return record


def judged_key(secrets: Mapping[str, Any]) -> str:
    """The key of an existing repository, if the request has one. Refused for any other secret."""
    for name, item in secrets.items():
        fits = isinstance(item, dict) and isinstance(item.get("value"), str) and set(item) == {"version", "value"}
        if name != keeping.KEY or not fits or not 0 < len(item["value"]) <= keeping.MOST_KEY:
            raise Refused(f"secret {name[:64]!r} is not the key of a repository")
    return str(secrets[keeping.KEY]["value"]) if secrets else ""


PLANNERS = {
    "backup": planned_backup,
    "verify": planned_verify,
    "fetch": planned_fetch,
    "drill": planned_drill,
    "forget": planned_forget,
    "rewrap": planned_rewrap,
}
"""By the kind of operation."""
