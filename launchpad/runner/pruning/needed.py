"""What is still needed on this host, and what is not; read from the host alone.

Launchpad removes only images that an operation of this host pulled; other images stay. An image is needed while any of
these names it: a release folder of a deployed tenant (so the running release, and every release that a rollback can
restore), Caddy's Compose file, an open operation, or a container. A retired tenant cannot be rolled back, so its images
are removed; its data stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from launchpad.runner import generation_records, paths, rehearsal
from launchpad.runner.host import Failed, Host
from launchpad.runner.journal import IDENTIFIER, Journal, open_journals
from launchpad.runner.plan import keeping, read_record
from launchpad.runner.slots import is_tenant_name

KEPT_OPERATIONS, KEPT_DAYS = 1000, 90
"""The newest journals of a host stay, and those of the last days; older ones are deleted."""
DEAD_SECONDS = 86400
"""Seconds for which the folder of an operation stays whose process died before the operation existed."""
DIGEST = re.compile(rb"@(sha256:[0-9a-f]{64})")
PULLS = ("pull-image", "run-caddy")
"""The steps that pull an image."""


@dataclass(frozen=True)
class Surplus:
    """What a tenant has and nothing needs."""

    generations: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    rests: tuple[str, ...] = ()
    rehearsal: bool = False


def tenants(host: Host) -> list[str]:
    return [name for name in host.names(paths.TENANTS) if is_tenant_name(name)]


def busy_tenants(host: Host) -> set[str]:
    """The tenants with an open operation, including operations that run beside the tenant."""
    return {asked["operation"].get("tenant", "") for journal in open_journals(host) if (asked := journal.asked())}


def needed_digests(host: Host, *, without: Collection[str] = ()) -> set[str]:
    """The digest of every needed image; `without` these release folders, which will be removed."""
    found = {_digest(item.image.encode()) for item in host.containers()}
    files = [f"{paths.CADDY}/compose.yaml"]
    for journal in open_journals(host):
        if (journal.asked() or {}).get("operation", {}).get("kind") == "prune":
            continue  # a prune's own plan names images that nothing needs
        files += [f"{journal.folder}/operation.json", f"{journal.folder}/plan.json"]
    for tenant in tenants(host):
        if not _is_retired(host, tenant):
            folders = {paths.release(tenant, short) for short in host.names(paths.releases(tenant))}
            files += [f"{path}/{name}" for path in folders - {*without} for name in ("release.json", "compose.yaml")]
    for path in files:
        found.update(item.decode() for item in DIGEST.findall(host.read(path) or b""))
    return found


def _is_retired(host: Host, tenant: str) -> bool:
    """Not one whose record is damaged."""
    try:
        return bool((read_record(host, tenant) or {"retired": False})["retired"])
    except Failed:
        return False


def is_needed(host: Host, image: str) -> bool:
    return _digest(image.encode()) in needed_digests(host)


def unneeded_images(host: Host, *, without: Collection[str] = ()) -> dict[str, int]:
    """The images that operations pulled and nothing needs, with their bytes; `without` as above."""
    mine, needed = pulled_digests(host), needed_digests(host, without=without)
    there = {image: (size, _digest(image.encode())) for image, size in host.images().items()}
    return {image: size for image, (size, digest) in sorted(there.items()) if digest in mine and digest not in needed}


def pulled_digests(host: Host) -> set[str]:
    """The digest of every image that an operation of this host pulled, including operations with deleted journals."""
    try:
        found = set(json.loads(host.read(paths.PULLED) or b"[]"))
    except (ValueError, TypeError):
        found = set()
    for identifier in operations(host):
        found |= pulled_by(Journal(host, identifier))
    return found


def pulled_by(journal: Journal) -> set[str]:
    """The digests of the images that this operation began to pull."""
    plan = journal.host.read(f"{journal.folder}/plan.json") or b"[]"
    if not any(name.encode() in plan for name in PULLS):
        return set()
    begun = {item["index"] for item in journal.events() if item["event"] == "step-started" and item["step"] in PULLS}
    try:
        return {_digest(step["image"].encode()) for index, step in enumerate(json.loads(plan)) if index in begun} - {""}
    except (ValueError, KeyError, TypeError):
        return set()  # a damaged plan: an image without a known pull stays


def old_operations(host: Host) -> list[str]:
    """The operations that are over and beyond what is kept, the oldest first, and what is left of those that died
    before they existed."""
    past = sorted(_over(host), reverse=True)[KEPT_OPERATIONS:]
    old = [identifier for at, identifier in reversed(past) if at < host.now() - KEPT_DAYS * 86400]
    return [*old, *_never_begun(host)]


def _never_begun(host: Host) -> Iterator[str]:
    names = {*operations(host), *filter(IDENTIFIER.fullmatch, host.names(paths.OPEN))}
    for journal in (Journal(host, name) for name in sorted(names)):
        if journal.outcome() is None and journal.asked() is None and not journal.events() and _is_old(journal):
            yield journal.identifier


def _is_old(journal: Journal) -> bool:
    return journal.made() < journal.host.now() - DEAD_SECONDS


def _over(host: Host) -> Iterator[tuple[float, str]]:
    for identifier in operations(host):
        outcome = Journal(host, identifier).outcome()
        if outcome is not None:
            yield outcome["at"], identifier


def operations(host: Host) -> list[str]:
    return [name for name in host.names(paths.OPERATIONS) if IDENTIFIER.fullmatch(name)]


def surplus(host: Host, tenant: str) -> Surplus:
    """What the tenant has and nothing needs. The caller makes sure that the tenant has no open operation."""
    record = read_record(host, tenant)
    deployed = record is not None and not record["retired"]
    rests = tuple(path for path in _only_under_way(tenant) if _is_there(host, path))
    return Surplus(
        *(_beyond_policy(host, record) if record is not None and deployed else (_abandoned(host, tenant), ())),
        rests=rests,
        rehearsal=host.has_network(rehearsal.project(tenant)),
    )


def _beyond_policy(host: Host, record: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    tenant = record["tenant"]
    kept = generation_records.kept(host, tenant)
    keep = keeping(record, kept)
    gone = tuple(name for name in host.names(paths.releases(tenant)) if name not in keep.releases)
    return (*keep.drop, *_abandoned(host, tenant)), gone


def _abandoned(host: Host, tenant: str) -> tuple[str, ...]:
    """Snapshots without a record, and those of ended rehearsals."""
    rehearsed = [item.id for item in generation_records.kept(host, tenant) if item.why == "rehearsal"]
    return (*rehearsed, *generation_records.incomplete(host, tenant))


def _only_under_way(tenant: str) -> tuple[str, ...]:
    own = (paths.clone(tenant), paths.rehearsal(tenant), paths.secrets(tenant, rehearsal.SIDE))
    of_backups = (paths.frozen(tenant), paths.frozen_as(tenant), paths.checked(tenant), paths.fetched(tenant))
    return (*own, *of_backups, paths.source(tenant))


def _is_there(host: Host, path: str) -> bool:
    above, _, name = path.rpartition("/")
    return name in host.names(above)


def _digest(image: bytes) -> str:
    found = DIGEST.search(image)
    return found[1].decode() if found else ""
