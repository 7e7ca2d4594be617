"""Plan a rollback to an earlier release with its data, or a restore of an earlier generation of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.runner import generation_records, paths
from launchpad.runner import plan as plans
from launchpad.runner.caller import Caller
from launchpad.runner.cell import read_release
from launchpad.runner.deploy_plan import KEPT_BEFORE, check_replaces, check_secrets, neighbours, recorded
from launchpad.runner.generation_records import Generation
from launchpad.runner.hint import Next
from launchpad.runner.host import Failed, Host
from launchpad.runner.journal import Journal
from launchpad.runner.judge.manifest import judge_release
from launchpad.runner.protocol import Refused, Release
from launchpad.runner.standing_plans import deployed

Planned = tuple[list[Any], dict[str, Any]]
"""The plan, and the reply's fields for an empty plan."""


def planned_rollback(host: Host, journal: Journal, operation: Mapping[str, Any], caller: Caller) -> Planned:
    """Plan the way back to an earlier release: its files, its secrets' versions, its site, and its data unless the
    present data stays. The present data is always kept as a generation."""
    tenant = operation["tenant"]
    record = deployed(plans.see(host, tenant), tenant)
    check_replaces(record, operation)
    short = operation["to"] or next(iter(record.get("before", ())), "")
    release = found_release(host, record, short)
    seen = plans.see(host, tenant, release)
    if short == record["release"]:
        return mended(seen, journal, release, site_of(host, release)), {"release": short}
    data = None if operation["keep_data"] else found_data(seen, record, release)
    final = recorded(host, journal, release, record["revision"], caller)
    final["before"] = before(record, short)
    final["rolled_back_from"] = record["version"] if record["version"] != release.version else ""
    change = plans.Replacement(
        release=release,
        site=site_of(host, release),
        record=final,
        generation=journal.identifier,
        why="rollback",
        data=data.id if data else "",
        soak=operation["soak"],
        replace=True,
        proven=True,
    )
    return plans.plan_change(seen, change), {"release": short}


def mended(seen: plans.Seen, journal: Journal, release: Release, site: str | None) -> list[Any]:
    """The steps that complete an earlier, incomplete rollback to this release; none for a stopped tenant."""
    assert seen.record is not None
    change = plans.Replacement(release=release, site=site, record=seen.record, generation=journal.identifier)
    return plans.plan_change(seen, change) if seen.serving else []


def planned_restore(host: Host, journal: Journal, operation: Mapping[str, Any], caller: Caller) -> Planned:
    """Plan to restore a generation's data for the deployed release; a stopped tenant stays stopped."""
    tenant = operation["tenant"]
    record = deployed(plans.see(host, tenant), tenant)
    check_replaces(record, operation)
    release = found_release(host, record, record["release"])
    seen = plans.see(host, tenant, release)
    wanted = next((item for item in seen.generations if item.id == operation["generation"]), None)
    if wanted is None:
        raise Refused(
            f"{tenant}: there is no generation {operation['generation'][:60]}",
            code="no-such-generation",
            kind="state",
            hint=Next("generations", tenant),
        )
    if (wanted.app, wanted.version) != (record["app"], record["version"]):
        raise Refused(
            f"{tenant}: generation {wanted.id} is of {wanted.app} {wanted.version}, "
            f"but version {record['version']} runs",
            code="generation-of-other-version",
            kind="state",
            hint=Next("rollback", tenant, "--to", wanted.release),
        )
    final = dict(record) | {"at": host.now(), "by": caller.operator, "operation": journal.identifier}
    change = plans.Replacement(
        release=release,
        site=site_of(host, release),
        record=final,
        generation=journal.identifier,
        why="restore",
        data=wanted.id,
        replace=True,
        proven=True,
    )
    plan = plans.plan_change(seen, change) if record["running"] else plans.plan_restore_stopped(seen, change)
    return plan, {"release": release.short}


def planned_snapshot(host: Host, journal: Journal, operation: Mapping[str, Any]) -> Planned:
    """Plan a generation of the present data: kept until an operator drops it; for a rehearsal on another host, until
    the rehearsal ends; for a transfer, until there are newer ones."""
    seen, wanted = plans.see(host, operation["tenant"]), operation.get("rehearsal", "")
    record = deployed(seen, operation["tenant"])
    if wanted not in ("", "take", "drop"):
        raise Refused(f"snapshot: rehearsal: expected take or drop, not {wanted[:20]!r}")
    if not seen.data:
        raise Refused(f"{operation['tenant']}: has no data", code="nothing-to-snapshot", kind="state")
    if host.read(paths.generation_record(operation["tenant"], journal.identifier)) is not None:
        message = f"{operation['tenant']}: there is a generation {journal.identifier} already"
        raise Refused(message, code="generation-id-taken", kind="state", hint="leave out the id for a new one")
    if wanted:
        plan = plans.plan_rehearsed(seen, journal.identifier, take=wanted == "take")
    elif operation.get("copy"):
        plan = plans.plan_copy(seen, journal.identifier)
    else:
        plan = plans.plan_snapshot(record, journal.identifier)
    return plan, {"release": record["release"]}


def planned_drop(host: Host, operation: Mapping[str, Any]) -> Planned:
    """Plan to remove generations; already removed ones are no error. Refused for the generation that a rollback to the
    previous release needs."""
    tenant, wanted = operation["tenant"], operation["generations"]
    seen = plans.see(host, tenant)
    record = deployed(seen, tenant)
    if not wanted or not all(isinstance(item, str) for item in wanted):
        raise Refused("drop: generations: expected ids", code="generation-ids", hint=Next("generations", tenant))
    there = tuple(item.id for item in seen.generations if item.id in wanted)
    before = next(iter(record.get("before", ())), "")
    needed = generation_records.left(seen.generations, before) if before else None
    if needed is not None and needed.id in wanted:
        raise Refused(
            f"{tenant}: a rollback to {before} needs generation {needed.id}",
            code="rollback-needs-generation",
            kind="state",
            hint=Next("rollback", tenant, "--list"),
        )
    return plans.plan_drop(record, there) if there else [], {"release": record["release"]}


def found_release(host: Host, record: Mapping[str, Any], short: str) -> Release:
    """A release on the host that is complete and may run now. Refused otherwise, with the releases on the host: for
    example when another tenant now has one of its domains, or a secret is missing."""
    tenant = record["tenant"]
    if not short or short not in host.names(paths.releases(tenant)):
        raise Refused(
            f"{tenant}: {f'release {short[:60]} is not on the host' if short else 'no release ran before this one'}; "
            f"{there_is(host, record)}",
            code="no-such-release",
            kind="state",
            hint=Next("rollback", tenant, "--list"),
        )
    try:
        release = read_release(host, tenant, short)
    except Failed as failed:
        raise Refused(
            failed.message, code="release-cannot-return", kind="state", hint=Next("rollback", tenant, "--list")
        ) from failed
    if not plans.is_intact(host, release):
        raise Refused(
            f"{tenant}: the files of release {short} were changed on the host",
            code="earlier-release-changed",
            kind="state",
        )
    folder = paths.release(tenant, short)
    files = {path: (host.read(f"{folder}/{path}") or b"").decode() for path in release.files}
    judge_release(release, files, neighbours=neighbours(host))
    check_secrets(host, release, {}, known=True)
    return release


def found_data(seen: plans.Seen, record: Mapping[str, Any], release: Release) -> Generation:
    """The generation with the data as the release left it. Refused when there is none: a version must not get data that
    it cannot read."""
    found = generation_records.left(seen.generations, release.short)
    if found is None:
        same = release.version == record["version"]
        raise Refused(
            f"{release.tenant}: no generation holds the data as release {release.short} ({release.version}) left it",
            code="no-generation-of-release",
            kind="state",
            hint=Next("rollback", release.tenant, "--keep-data" if same else "--list"),
        )
    return found


def there_is(host: Host, record: Mapping[str, Any]) -> str:
    """The releases that a rollback could restore, in words."""
    shorts = [name for name in host.names(paths.releases(record["tenant"])) if name != record["release"]]
    return f"earlier releases: {', '.join(shorts)}" if shorts else "the host has no other release"


def site_of(host: Host, release: Release) -> str | None:
    data = host.read(f"{paths.release(release.tenant, release.short)}/site.caddy")
    return None if data is None else data.decode()


def before(record: Mapping[str, Any], short: str) -> list[str]:
    """The releases that ran before the restored one: a second rollback goes further back, not forward."""
    earlier = list(record.get("before", ()))
    rest = earlier[earlier.index(short) + 1 :] if short in earlier else [item for item in earlier if item != short]
    return rest[:KEPT_BEFORE]
