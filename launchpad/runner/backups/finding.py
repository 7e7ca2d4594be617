"""Find the backup that a request names at a target, and judge whether it may be fetched; changes nothing."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.backups import credentials, steps, work
from launchpad.runner.backups.host_target import HostTarget, targets_from_json
from launchpad.runner.hint import Next
from launchpad.runner.host import Host
from launchpad.runner.protocol import Refused
from launchpad.runner.slots import is_tenant_name

SPARE = 512 << 20
"""Bytes that stay free on the host when a backup is fetched."""
SNAPSHOT = re.compile(r"[0-9a-f]{8,64}")


def judged_targets(host: Host, value: object) -> list[HostTarget]:
    """The targets that a request names; Refused unless each equals a target in the host's settings."""
    targets = targets_from_json(value)
    for target in targets:
        credentials.judge(host, target)
    return targets


def one_target(host: Host, operation: Mapping[str, Any]) -> HostTarget:
    """The only target of the request. Refused unless the request names one target, and one backup there."""
    targets = judged_targets(host, operation["targets"])
    if len(targets) != 1 or SNAPSHOT.fullmatch(str(operation["snapshot"])) is None:
        raise Refused(
            "expected one target and a backup's id",
            code="one-target-and-backup",
            hint=Next("backups list", operation["tenant"]),
        )
    return targets[0]


def at_target(
    host: Host, record: Mapping[str, Any], target: HostTarget, operation: Mapping[str, Any], **own: Any
) -> tuple[steps.FetchBackup, dict[str, Any]]:
    """The step that fetches the requested backup from the target, and what the backup holds: {"release", "version",
    "app", "generation", "at"}. `own`: the `source` and the `key`, when the host does not have the key."""
    tenant, snapshot, source = record["tenant"], str(operation["snapshot"]), own.get("source", "")
    asked = work.look(host, target, tenant=tenant, slot=record["slot"], do="snapshots", **own)
    fitting = [item for item in host.confined(asked, lambda _: None)["snapshots"] if item["id"].startswith(snapshot)]
    if len(fitting) != 1:
        number = "more than one backup" if fitting else "no backup"
        message = f"{tenant}: {target.name} has {number} {snapshot}{f' of {source}' if source else ''}"
        raise Refused(message, code="not-one-backup", kind="state", hint=Next("backups list", source or tenant))
    if int(fitting[0]["bytes"] or 0) + SPARE > host.room(paths.ROOT):
        message = f"{tenant}: backup {snapshot} is larger than the free space on this host"
        raise Refused(message, code="backup-larger-than-free-space", kind="state", hint=Next("status"))
    told = [str(tag).partition("=")[::2] for tag in fitting[0]["tags"]]
    about = dict(told)
    fetching = steps.FetchBackup(
        tenant=tenant,
        slot=record["slot"],
        target=target.as_json(),
        snapshot=fitting[0]["id"],
        volumes=tuple(value for name, value in told if name == "volume" and is_tenant_name(value)),
        disk_mb=record["disk_mb"],
        source=source,
    )
    of = {name: str(about.get(name, "")) for name in ("release", "version", "app", "generation")}
    return fetching, of | {"at": moment(fitting[0]["time"])}


def moment(text: str) -> float:
    """restic's time with nanoseconds, in seconds since 1970."""
    return datetime.datetime.fromisoformat(text).timestamp()
