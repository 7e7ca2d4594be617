"""Whether another host's tenant may be rehearsed here: judged before its data arrives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner import plan as plans
from launchpad.runner.backups import keeping
from launchpad.runner.backups.plan import judged_key
from launchpad.runner.capacity import check_clone
from launchpad.runner.deploy_plan import check_secrets, neighbours, seal
from launchpad.runner.guests.steps import AwaitData, GuestStep, SendAway
from launchpad.runner.hint import HERE, Next
from launchpad.runner.host import Host
from launchpad.runner.journal import IDENTIFIER, Journal, open_journals
from launchpad.runner.judge.manifest import judge_release
from launchpad.runner.protocol import Refused, Release, release_from_json
from launchpad.runner.steps import Commit, PlaceRelease, PullImage, Rehearse, TenantStep
from launchpad.runner.upgrade_plan import check_images, check_volumes

KIND = "rehearse-here"
SPARE_MB = 512
ELSEWHERE = "--rehearse-on another host, or --no-rehearsal"
UNDOING = frozenset({"undo-started", "committed"})


def planned_guest(
    host: Host, operation: Mapping[str, Any], secrets: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Refused when the release must not run here, the host has something of the tenant, or space or memory is missing.
    The request has only the secrets that the data depends on; the clone gets made-up values for the others."""
    release, without = release_from_json(operation["release"]), operation["without"]
    if IDENTIFIER.fullmatch(operation["generation"]) is None or not all(isinstance(item, str) for item in without):
        raise Refused(f"{KIND}: not a generation's id, or not the names of probes")
    seen = judged_guest(host, release, operation, secrets, hint=ELSEWHERE)
    return plan_guest(seen, release, operation), {}


def judged_guest(
    host: Host, release: Release, operation: Mapping[str, Any], secrets: Mapping[str, Any], *, hint: str
) -> plans.Seen:
    """What the host has of the tenant and of the release's images. Refused as above; `hint` names the command for
    another host."""
    tenant, files = release.tenant, dict(operation["files"])
    if tenant != operation["tenant"]:
        raise Refused(f"{operation['kind']}: the release belongs to {tenant}, not to {operation['tenant']}")
    judge_release(release, files, neighbours=neighbours(host))
    seen = plans.see(host, tenant, release)
    if seen.record is not None or seen.generations or seen.site is not None:
        message = f"{tenant} has data or a site on this host, and a rehearsal would remove both"
        raise Refused(
            message,
            code="host-has-data-or-site",
            kind="state",
            hint=Next("retire", tenant, "--host", HERE, "--purge") + ", or " + hint,
        )
    check_images(host, seen, release)
    check_volumes(host, release, files["compose.yaml"])
    room = host.room(paths.ROOT) >> 20
    if release.disk_mb + SPARE_MB > room:
        message = f"{tenant}: a copy of its data can take {release.disk_mb} MiB, but only {room} MiB are free"
        raise Refused(message, code="no-room-for-copy", kind="state", hint=hint)
    check_clone(host, release, hint=hint)
    real = release.real_in_rehearsals
    if missing := set(real) - set(secrets):
        raise Refused(f"{tenant}: secret {min(missing)}, which its data depends on, is missing in the request")
    check_secrets(host, release.but(secrets={name: release.secrets[name] for name in real}), secrets, known=False)
    return seen


def keep_secrets(host: Host, operation: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
    """Seal what the request brought, until the clone is removed: the secrets that the data depends on, and the key of
    the backups. Only when the operation is on disk: another host's secrets that nobody knows of would stay for good."""
    release = release_from_json(operation["release"])
    for name in release.real_in_rehearsals:
        seal(host, release, name, secrets[name])
    if keeping.KEY in secrets:
        key = judged_key({keeping.KEY: secrets[keeping.KEY]})
        keeping.keep_source(host, release.tenant, release.tenant, key)


def plan_guest(seen: plans.Seen, release: Release, operation: Mapping[str, Any]) -> list[TenantStep | GuestStep]:
    """Pure."""
    tenant = release.tenant
    missing = sorted({service.image for service in release.services} - seen.images)
    return [
        AwaitData(tenant=tenant, generation=operation["generation"]),
        PlaceRelease(tenant=tenant, release=release.short),
        *(PullImage(image=image) for image in missing),
        Rehearse(
            tenant=tenant,
            release=release.short,
            generation=f"{operation['generation']}-none",
            before=release.short,
            version=release.version,
            app=release.app,
            disk_mb=release.disk_mb,
            without=tuple(operation["without"]),
            data=operation["generation"],
            may_shrink=tuple(map(str, operation.get("may_shrink", ()))),
        ),
        SendAway(tenant=tenant),
        Commit(),
    ]


def refuse_unawaited(host: Host, identifier: str, *, tenant: str, generation: str) -> None:
    """Refused unless that operation waits for this generation: unexpected data would never be removed."""
    for journal in open_journals(host):
        if journal.identifier == identifier and _waits(journal, tenant, generation):
            return
    raise Refused(
        f"{tenant}: the rehearsal on this host has ended",
        code="rehearsal-ended",
        kind="state",
        hint="run the same command again",
    )


def _waits(journal: Journal, tenant: str, generation: str) -> bool:
    operation = (journal.asked() or {}).get("operation", {})
    wanted = {"kind": KIND, "tenant": tenant, "generation": generation}
    over = any(item["event"] in UNDOING for item in journal.events())
    return not over and wanted == {key: operation.get(key) for key in wanted}
