"""The host's own judgement of a deploy or an upgrade: whether the release may run on this host, and its plan."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from launchpad.runner import importing, paths, upgrade_plan
from launchpad.runner import plan as plans
from launchpad.runner.caller import Caller
from launchpad.runner.cell import environment, place_files, project, put_record, read_release, sealed, sealed_as
from launchpad.runner.descent import check_descent
from launchpad.runner.hint import Next
from launchpad.runner.host import Failed, Host
from launchpad.runner.journal import Journal
from launchpad.runner.judge.manifest import Neighbour, judge_release
from launchpad.runner.judge.resolved_project import judge_compose
from launchpad.runner.judge.site import judge_site
from launchpad.runner.limits import MOST_SECRET_BYTES
from launchpad.runner.moving.tombstone import refuse_earlier
from launchpad.runner.protocol import Refused, Release, digest_of, inventory_from_json, release_from_json
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.steps import Commit

SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
KEPT_BEFORE = 4


def planned_deploy(
    host: Host, journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any], caller: Caller
) -> tuple[list[Any], dict[str, Any]]:
    """Judge the release and plan its deploy. Refused, with nothing changed, when it must not run here. The secrets in
    the request are sealed after the judgement."""
    release = release_from_json(operation["release"])
    files = operation["files"]
    if release.tenant != operation["tenant"]:
        raise Refused(f"deploy: the release belongs to {release.tenant}, not to {operation['tenant']}")
    judge_release(release, files, neighbours=neighbours(host))
    inventory = inventory_from_json(operation["inventory"])
    seen = plans.see(host, release.tenant, release)
    refuse_earlier(seen.record, tenant=release.tenant, epoch=release.epoch)
    check_descent(host, seen.record, release, inventory, after=operation.get("after", ""))
    check_replaces(seen.record, operation)
    check_secrets(host, release, secrets, known=seen.intact)
    upgrade_plan.check_images(host, seen, release)
    upgrade_plan.check_volumes(host, release, files["compose.yaml"])
    change = plans.Replacement(
        release=release,
        site=files.get("site.caddy"),
        record=recorded(host, journal, release, inventory.revision, caller) | {"before": before(seen.record, release)},
        generation=journal.identifier,
        **options(host, seen, release, journal, operation),
    )
    plan = plans.plan_rehearsal(seen, change) if operation["kind"] == "rehearse" else plans.plan_change(seen, change)
    if not plan:
        if seen.record is not None and seen.record["revision"] != inventory.revision:
            put_record(host, release.tenant, dict(seen.record) | {"revision": inventory.revision})
        # The history shows who used --after, also when nothing else changes.
        return [Commit()] if operation.get("after") else [], {"release": release.short}
    if not seen.intact:
        judge_resolved(host, release, files)
    for name in release.secrets:
        if name in secrets:
            seal(host, release, name, secrets[name])
    return plan, {"release": release.short}


def options(
    host: Host, seen: plans.Seen, release: Release, journal: Journal, operation: Mapping[str, Any]
) -> dict[str, Any]:
    """The plan's options beyond those of a deploy."""
    match operation["kind"]:
        case "upgrade":
            return upgrade_plan.options(host, seen, release, operation)
        case "import" | "rehearse":
            return importing.options(host, seen, release, journal.identifier, operation)
    return {}


def judge_resolved(host: Host, release: Release, files: Mapping[str, str]) -> None:
    """Judge the release's text as Compose and Caddy resolve it; a refused release leaves nothing on the host.

    The files are written to their folder first, because Compose resolves paths against it. The manifest is not written:
    a folder without a manifest counts as missing, so a process that dies before the judgement leaves no release."""
    folder = paths.release(release.tenant, release.short)
    fresh_tenant = not host.names(paths.tenant(release.tenant))
    fresh = not host.names(folder)
    try:
        place_files(host, release, files)
        for side in ("a", "b"):
            resolved = host.resolve(folder, project(release.tenant, side), environment(release, side))
            judge_compose(resolved, release, side=side)
        if "site.caddy" in files:
            judge_site(host.adapt(files["site.caddy"]), release)
    except (Refused, Failed):
        if fresh:
            host.remove(paths.tenant(release.tenant) if fresh_tenant else folder)
        raise


def neighbours(host: Host) -> dict[str, Any]:
    """Every tenant of the host with its slot and domains; a retired tenant keeps its slot. Tenants whose site waits
    here for their arrival are included."""
    found = {}
    for name in host.names(paths.TENANTS):
        if not is_tenant_name(name):
            continue
        record = plans.read_record(host, name)
        if record is not None and not record["retired"]:
            found[name] = Neighbour(slot=record["slot"], domains=tuple(record["domains"]))
        elif release := awaited(host, name):
            found[name] = Neighbour(slot=release.slot, domains=release.domains, awaited=True)
        elif record is not None:
            found[name] = Neighbour(slot=record["slot"], domains=())
    return found


def awaited(host: Host, tenant: str) -> Release | None:
    """The release of a tenant that has not yet arrived and whose site already exists here; None without one."""
    site = host.read(paths.site(tenant))
    for short in host.names(paths.releases(tenant)) if site is not None else ():
        try:
            release = read_release(host, tenant, short)
        except Failed:
            continue
        if release.files.get("site.caddy") == digest_of(site or b""):
            return release
    return None


def check_replaces(record: Mapping[str, Any] | None, operation: Mapping[str, Any]) -> None:
    """Refuse a plan that was made when another release ran (compare and swap)."""
    if "replaces" not in operation:
        return
    runs = None if record is None or record["retired"] else record["release"]
    if operation["replaces"] != runs:
        raise Refused(
            f"{operation['tenant']}: the plan replaces {operation['replaces'] or 'nothing'}, "
            f"but {runs or 'nothing'} runs now",
            code="plan-is-stale",
            kind="state",
            hint=Next("plan"),
        )


def check_secrets(host: Host, release: Release, secrets: Mapping[str, Any], *, known: bool) -> None:
    """Refused unless the request has every secret of the release, with the vault's values where the vault has them. For
    a release that is already `known` here, the vault is enough. So a thief with an operator's SSH key and no secret
    cannot read a secret with a release of his own."""
    for name, value in secrets.items():
        fits = isinstance(value, dict) and set(value) == {"version", "value"} and isinstance(value["value"], str)
        if SECRET_NAME.fullmatch(name) is None or name not in release.secrets or not fits:
            raise Refused(f"secret {name[:64]!r} is not a secret of the release, or is not {{version, value}}")
        if value["version"] != release.secrets[name] or len(value["value"].encode()) > MOST_SECRET_BYTES:
            raise Refused(
                f"secret {name}: not the version that the release names, or larger than {MOST_SECRET_BYTES} bytes"
            )
    kept = set(host.names(paths.vault(release.tenant)))
    for name, version in release.secrets.items():
        here = f"{name}@{version}.cred" in kept
        if name not in secrets and not (known and here):
            why = "is not on the host" if known else "is missing in the request, and the release is new to this host"
            hint = Next("deploy", release.tenant)
            raise Refused(
                f"{release.tenant}: secret {name} version {version} {why}",
                code="secret-value-missing",
                kind="state",
                hint=hint,
            )
        if name in secrets and here and not _same(host, release, name, secrets[name]["value"]):
            raise Refused(
                f"{release.tenant}: secret {name} version {version} has a different value on the host",
                code="secret-version-differs",
                kind="state",
                hint=Next("secret set", release.tenant, name) + " (creates a new version)",
            )


def _same(host: Host, release: Release, name: str, value: str) -> bool:
    import hmac

    version = release.secrets[name]
    kept = host.unseal(sealed(release.tenant, name, version), sealed_as(release.tenant, name, version))
    return hmac.compare_digest(kept, value.encode())


def seal(host: Host, release: Release, name: str, value: Mapping[str, Any]) -> None:
    version = release.secrets[name]
    path = sealed(release.tenant, name, version)
    if host.read(path) is None:
        host.folder(paths.vault(release.tenant), mode=0o700)
        host.seal(path, sealed_as(release.tenant, name, version), value["value"].encode())


def recorded(host: Host, journal: Journal, release: Release, revision: str, caller: Caller) -> dict[str, Any]:
    """The tenant's new record; the plan adds release, started and side."""
    return {
        "tenant": release.tenant,
        "slot": release.slot,
        "app": release.app,
        "version": release.version,
        "domains": list(release.domains),
        "digest": release.digest,
        "running": True,
        "retired": False,
        "revision": revision,
        "at": host.now(),
        "by": caller.operator,
        "operation": journal.identifier,
        "secrets": dict(release.secrets),
        "stop_seconds": release.stop_seconds,
        "disk_mb": release.disk_mb,
        "rolled_back_from": "",
    } | placed(plans.read_record(host, release.tenant), release)


def placed(record: Mapping[str, Any] | None, release: Release) -> dict[str, Any]:
    """The part of a new record about the tenant's last move, with at least the release's epoch."""
    kept = place_of(record)
    return kept | ({"epoch": max(release.epoch, kept.get("epoch", 0))} if release.epoch else {})


def place_of(record: Mapping[str, Any] | None) -> dict[str, Any]:
    """The part of a record about the tenant's last move; every deploy keeps it."""
    return {key: record[key] for key in ("epoch", "came_from") if record is not None and key in record}


def before(record: Mapping[str, Any] | None, release: Release) -> list[str]:
    """The releases that ran before this one, newest first."""
    if record is None:
        return []
    earlier = [record["release"], *record.get("before", [])]
    return [short for short in dict.fromkeys(earlier) if short != release.short][:KEPT_BEFORE]
