"""Whether a backup of another host's tenant may be proven here: a clone boots the backup, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.runner.backups import keeping
from launchpad.runner.backups.finding import at_target, one_target
from launchpad.runner.backups.plan import judged_key
from launchpad.runner.backups.steps import BackupStep, ProveBackup
from launchpad.runner.guests.plan import judged_guest
from launchpad.runner.guests.steps import GuestStep, SendAway, TakeIn
from launchpad.runner.hint import Next
from launchpad.runner.host import Host
from launchpad.runner.protocol import Refused, release_from_json
from launchpad.runner.steps import Commit, PlaceRelease, PullImage, TenantStep

ELSEWHERE = Next("gameday", "HOST") + " --to another host"


def planned_drill_here(
    host: Host, operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> list[TenantStep | BackupStep | GuestStep]:
    """Refused when the release must not run here, the host has something of the tenant, space or memory is missing, or
    the backup is of another version. The request has the key of the backups and the secrets that the data depends
    on."""
    release = release_from_json(operation["release"])
    tenant, record = release.tenant, {"tenant": release.tenant, "slot": release.slot, "disk_mb": release.disk_mb}
    key = judged_key({name: item for name, item in secrets.items() if name == keeping.KEY})
    real = {name: item for name, item in secrets.items() if name != keeping.KEY}
    seen = judged_guest(host, release, operation, real, hint=ELSEWHERE)
    if not key:
        raise Refused(f"{tenant}: the key of its backups is missing in the request")
    fetching, about = at_target(host, record, one_target(host, operation), operation, source=tenant, key=key)
    if (about["app"], about["version"]) != (release.app, release.version):
        raise Refused(
            f"{tenant}: backup {fetching.snapshot[:8]} holds {about['app']} {about['version']}, but the inventory has "
            f"version {release.version}",
            code="backup-of-version-not-in-inventory",
            kind="state",
            hint=Next("backup", tenant),
        )
    proving = ProveBackup(
        tenant=tenant,
        release=release.short,
        version=release.version,
        app=release.app,
        disk_mb=release.disk_mb,
        backup={
            "target": fetching.target["name"],
            "snapshot": fetching.snapshot,
            "at": about["at"],
            "generation": about["generation"],
        },
    )
    missing = sorted({service.image for service in release.services} - seen.images)
    return [
        TakeIn(tenant=tenant),
        fetching,
        PlaceRelease(tenant=tenant, release=release.short),
        *(PullImage(image=image) for image in missing),
        proving,
        SendAway(tenant=tenant),
        Commit(),
    ]
