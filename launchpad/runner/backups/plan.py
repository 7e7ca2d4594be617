"""What backing a tenant up, or verifying its backups, takes: judged here, and refused before anything changes."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.backups import keeping, work
from launchpad.runner.backups.steps import (
    BackupStep,
    CheckDatabases,
    DropFetched,
    DropFrozen,
    FetchBackup,
    FreezeData,
    JudgeVerify,
    KeepFetched,
    KeepWrap,
    LayWrap,
    ProveBackup,
    RecordBackup,
    SendBackup,
    ThinBackups,
    VerifyBackup,
)
from launchpad.runner.backups.target import CREDENTIALS, Target, judge_credentials, targets_from_json
from launchpad.runner.capacity import check_clone
from launchpad.runner.cell import read_release
from launchpad.runner.host import Host
from launchpad.runner.journal import Journal
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.steps import Commit

SPARE = 512 << 20
"""Bytes that stay free on the host when a backup comes back."""
SNAPSHOT = re.compile(r"[0-9a-f]{8,64}")
RULES = frozenset({"last", "daily", "weekly", "monthly"})
MOST_KEPT = 10_000
PART = re.compile(r"([1-9][0-9]?)/([1-9][0-9]?)")


def planned_backup(
    host: Host, _journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> Iterator[BackupStep | Commit]:
    """Judge the request, seal what came with it, and plan. Refused when there is nothing to back up, or no key."""
    tenant = operation["tenant"]
    targets = targets_from_json(operation["targets"])
    given = judged_secrets(targets, secrets)
    record = with_data(host, tenant)
    keep(host, tenant, targets, given, operation)
    slot, names = record["slot"], tuple(target.name for target in targets)
    return iter(
        [
            FreezeData(tenant=tenant),
            CheckDatabases(tenant=tenant, slot=slot, disk_mb=record["disk_mb"]),
            *(SendBackup(tenant=tenant, slot=slot, target=target.as_json()) for target in targets),
            RecordBackup(tenant=tenant, targets=names),
            Commit(),
            DropFrozen(tenant=tenant),
        ]
    )


def planned_verify(
    host: Host, _journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> Iterator[BackupStep | Commit]:
    """Read a part of each target's repository. Refused when the host has no key to it."""
    tenant = operation["tenant"]
    targets = targets_from_json(operation["targets"])
    part = PART.fullmatch(str(operation["part"]))
    if part is None or int(part[1]) > int(part[2]):
        raise Refused(f"verify: not a part: {str(operation['part'])[:20]!r}", hint="a part is n/m, such as 1/7")
    given = judged_secrets(targets, secrets)
    record = known(host, tenant)
    keep(host, tenant, targets, given, operation)
    slot, names = record["slot"], tuple(target.name for target in targets)
    steps = [VerifyBackup(tenant=tenant, slot=slot, target=item.as_json(), part=part[0]) for item in targets]
    return iter([*steps, JudgeVerify(tenant=tenant, targets=names)])


def planned_fetch(
    host: Host, journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> Iterator[BackupStep | Commit]:
    """Bring a backup back as a generation, with `source` another tenant's. The repository is asked what there is;
    Refused when it has not this one, and for another's unless it is of the very version that runs."""
    record = known(host, operation["tenant"])
    fetching, about = found(host, record, operation, secrets)
    if fetching.source and (about["app"], about["version"]) != (record["app"], record["version"]):
        raise Refused(
            f"backup {fetching.snapshot[:8]} of {fetching.source} is of {about['app']} {about['version']}, and "
            f"{fetching.tenant} is {record['app']} {record['version']}",
            kind="state",
            hint=f"launchpad backups list {fetching.source}",
        )
    if fetching.source:
        given = judged_secrets(targets_from_json(operation["targets"]), secrets)
        own = sources_secrets(record, fetching.target["name"], given, fetching.source)
        keeping.keep_source(host, fetching.tenant, fetching.source, own)
    generation = {"id": journal.identifier, "tenant": fetching.tenant, "operation": journal.identifier, "why": "backup"}
    generation |= {name: about[name] for name in ("release", "version", "app", "at")} | {"disk_mb": fetching.disk_mb}
    return iter([fetching, KeepFetched(tenant=fetching.tenant, record=generation), Commit()])


def planned_drill(
    host: Host, _journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> Iterator[BackupStep | Commit]:
    """Prove a backup: fetch it, boot it on a clone, and destroy it. Refused unless it is of the version that runs, and
    there is memory for a clone."""
    record = known(host, operation["tenant"])
    fetching, about = found(host, record, operation, secrets)
    tenant, version = fetching.tenant, record["version"]
    if (about["app"], about["version"]) != (record["app"], version):
        raise Refused(
            f"{tenant}: backup {fetching.snapshot[:8]} is of {about['app']} {about['version']}, and {version} runs",
            kind="state",
            hint=f"launchpad backup {tenant}; launchpad drill {tenant}",
        )
    check_clone(host, read_release(host, tenant, record["release"]), hint="try again when less runs there")
    proving = ProveBackup(
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
    return iter([fetching, proving, Commit(), DropFetched(tenant=tenant)])


def planned_forget(
    host: Host, _journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> Iterator[BackupStep | Commit]:
    """Thin out what lies in folders of this host. Refused for any other target: what a host has of those can only add,
    or should. The newest stays, by the policy, and the one that was proven last."""
    tenant = operation["tenant"]
    targets = targets_from_json(operation["targets"])
    judged_secrets(targets, secrets)
    record = known(host, tenant)
    if elsewhere := [target.name for target in targets if target.remote]:
        raise Refused(f"forget: {elsewhere[0]} is no folder of this host", hint="launchpad backups forget TENANT")
    keep_ = operation["keep"]
    if not (isinstance(keep_, dict) and set(keep_) <= RULES and all(is_count(item) for item in keep_.values())):
        raise Refused(f"forget: keep: expected counts for some of {', '.join(sorted(RULES))}")
    if not keep_.get("last"):
        raise Refused("forget: the newest backup would not be kept for certain", hint="last: 1 or more")
    if not keeping.has_key(host, tenant):
        raise Refused(f"{tenant}: its backups have no key on this host yet", kind="state", hint="launchpad backup")
    spare = str((json.loads(host.read(keeping.proof(tenant)) or b"{}")).get("generation", ""))
    slot = record["slot"]
    steps = [ThinBackups(tenant=tenant, slot=slot, target=item.as_json(), keep=keep_, spare=spare) for item in targets]
    return iter([*steps, Commit()])


def planned_rewrap(
    host: Host, _journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> Iterator[BackupStep | Commit]:
    """Have the key wrapped for others. The key itself stays, so Refused when it is not here."""
    tenant, wrap, recipients = operation["tenant"], str(operation["wrap"]), str(operation["recipients"])
    targets = targets_from_json(operation["targets"])
    given = judged_secrets(targets, secrets)
    record = known(host, tenant)
    keeping.judge_wrap(tenant, wrap, recipients)
    if given.pop(keeping.KEY, None):
        raise Refused("rewrap: the key itself is not replaced")
    keep(host, tenant, targets, given, operation)
    laying = [LayWrap(tenant=tenant, slot=record["slot"], target=target.as_json()) for target in targets]
    return iter([KeepWrap(tenant=tenant, wrap=wrap, recipients=recipients), *laying, Commit()])


def is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MOST_KEPT


def found(
    host: Host, record: Mapping[str, Any], operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> tuple[FetchBackup, dict[str, Any]]:
    """How to fetch the backup that is asked for, and what it is of: {"release", "version", "app", "generation",
    "at"}."""
    tenant, snapshot = record["tenant"], str(operation["snapshot"])
    source = str(operation.get("source", ""))
    targets = targets_from_json(operation["targets"])
    given = judged_secrets(targets, secrets)
    if len(targets) != 1 or SNAPSHOT.fullmatch(snapshot) is None:
        raise Refused("one target and a backup's id are wanted", hint=f"launchpad backups list {tenant}")
    own: dict[str, Any] = {}
    if source:
        own = {"source": source, "credentials": sources_secrets(record, targets[0].name, given, source)}
    else:
        keep(host, tenant, targets, given, operation)
    asked = work.look(host, targets[0], tenant=tenant, slot=record["slot"], do="snapshots", **own)
    fitting = [item for item in host.confined(asked, lambda _: None)["snapshots"] if item["id"].startswith(snapshot)]
    if len(fitting) != 1:
        number = "more than one backup" if fitting else "no backup"
        message = f"{tenant}: {targets[0].name} has {number} {snapshot}{f' of {source}' if source else ''}"
        raise Refused(message, kind="state", hint=f"launchpad backups list {source or tenant}")
    if int(fitting[0]["bytes"] or 0) + SPARE > host.room(paths.ROOT):
        message = f"{tenant}: backup {snapshot} is larger than what is free here"
        raise Refused(message, kind="state", hint="launchpad status")
    told = [str(tag).partition("=")[::2] for tag in fitting[0]["tags"]]
    about = dict(told)
    fetching = FetchBackup(
        tenant=tenant,
        slot=record["slot"],
        target=targets[0].as_json(),
        snapshot=fitting[0]["id"],
        volumes=tuple(value for name, value in told if name == "volume" and is_tenant_name(value)),
        disk_mb=record["disk_mb"],
        source=source,
    )
    of = {name: str(about.get(name, "")) for name in ("release", "version", "app", "generation")}
    return fetching, of | {"at": moment(fitting[0]["time"])}


def sources_secrets(
    record: Mapping[str, Any], target: str, given: Mapping[str, Mapping[str, str]], source: str
) -> dict[str, str]:
    """What the other tenant's backup is read with. Refused without its key."""
    key = given.get(keeping.KEY, {}).get("", "")
    if not is_tenant_name(source) or source == record["tenant"] or not key:
        raise Refused("another tenant's name and the key of its backups are wanted")
    return {**given.get(target, {}), keeping.KEY: key}


def moment(text: str) -> float:
    """restic's time, which has nanoseconds, in seconds since 1970."""
    return datetime.datetime.fromisoformat(text).timestamp()


def keep(
    host: Host, tenant: str, targets: list[Target], given: dict[str, dict[str, str]], operation: Mapping[str, Any]
) -> None:
    """Seal what came with the request. Refused when there is no key, neither here nor with it."""
    key = given.pop(keeping.KEY, {}).get("", "")
    if not key and not keeping.has_key(host, tenant):
        hint = f"launchpad backup {tenant}"
        raise Refused(f"{tenant}: its backups have no key on this host yet", kind="state", hint=hint)
    if key:
        wrapped, recipients = str(operation.get("wrap") or ""), str(operation.get("recipients") or "")
        keeping.keep_key(host, tenant, key=key, wrapped=wrapped, recipients=recipients)
    keeping.drop_source(host, tenant)  # of a fetch that died before it began
    for target in targets:
        keeping.keep_credentials(host, tenant, target, given.get(target.name, {}))


def known(host: Host, tenant: str) -> dict[str, Any]:
    """The tenant's record; Refused when there is none."""
    record = read_record(host, tenant)
    if record is None:
        raise Refused(f"{tenant} is not on this host", kind="state", hint="launchpad status")
    return record


def with_data(host: Host, tenant: str) -> dict[str, Any]:
    """The record of a tenant that has data here; Refused otherwise."""
    record = known(host, tenant)
    if not host.has_data(paths.data(tenant)):
        raise Refused(f"{tenant} has no data on this host", kind="state", hint=f"launchpad deploy {tenant}")
    return record


def judged_secrets(targets: list[Target], secrets: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """{target: {credential: value}}, and {REPOSITORY_KEY: {"": value}} when it came. Refused for anything else."""
    found: dict[str, dict[str, str]] = {}
    kinds = {target.name: target.kind for target in targets}
    for name, item in secrets.items():
        fits = isinstance(item, dict) and isinstance(item.get("value"), str) and set(item) == {"version", "value"}
        target, _, credential = name.rpartition(".")
        if name == keeping.KEY:
            target, credential = keeping.KEY, ""
        elif target not in kinds or credential not in CREDENTIALS[kinds[target]]:
            raise Refused(f"secret {name[:64]!r} is no credential of a target here")
        if not fits or not 0 < len(item["value"]) <= keeping.MOST_WRAP:
            raise Refused(f"secret {name[:64]!r} is not {{version, value}}")
        found.setdefault(target, {})[credential] = item["value"]
    for target_ in targets:
        judge_credentials(target_, found.get(target_.name, {}))
    return found


PLANNERS = {
    "backup": planned_backup,
    "verify": planned_verify,
    "fetch": planned_fetch,
    "drill": planned_drill,
    "forget": planned_forget,
    "rewrap": planned_rewrap,
}
"""By the kind of operation."""
