"""A host's conditions for an upgrade: a running release, space and memory, and a baseline of the probes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.capacity import check_clone
from launchpad.runner.generation_records import LEAST_ROOM, MEGABYTE, REHEARSAL
from launchpad.runner.hint import Next
from launchpad.runner.host import Host
from launchpad.runner.judge.volumes import judge_volumes
from launchpad.runner.plan import Seen, runs
from launchpad.runner.protocol import MOST_REHEARSED_AGE, Refused, Release
from launchpad.runner.standing_plans import deployed
from launchpad.runner.waiting import ask, name_of, ready_probes

ROOM_FOR_IMAGES = 2 << 30
"""Bytes to assume for an image whose size the registry does not report."""
UNPACKED = 4
"""During a pull an image takes so many times its size in the registry: its layers are compressed there, and both forms
exist for a moment."""
ROOM_SHARE = 20
"""At least 1/20 of the tenant's disk must be free."""
SHORT = (
    "name another host as this one's drill_host in inventory/hosts.yaml, or add --rehearse-on HOST or --no-rehearsal"
)


def options(host: Host, seen: Seen, release: Release, operation: Mapping[str, Any]) -> dict[str, Any]:
    """The plan's options beyond those of a deploy. Refused, with nothing changed, when the upgrade cannot work."""
    record = deployed(seen, release.tenant)
    if not record["running"]:
        raise Refused(
            f"{release.tenant} is stopped; start it first: an upgrade needs a running release",
            code="stopped",
            kind="state",
            hint=Next("start", release.tenant),
        )
    check_room(host, seen, release)
    if operation["rehearse"]:
        check_clone(host, release, hint=SHORT)
    without = failing_already(host, seen, release)
    kept = {"soak": operation["soak"], "rehearse": operation["rehearse"], "without": without}
    kept["proven"] = "rehearsed" in operation
    kept["drop"] = tuple(item.id for item in seen.generations if item.why == REHEARSAL)
    if "rehearsed" in operation:
        check_rehearsed(host, seen, operation)
    return kept | {"may_shrink": tuple(map(str, operation.get("may_shrink", ())))}


def check_rehearsed(host: Host, seen: Seen, operation: Mapping[str, Any]) -> None:
    """Refused unless the rehearsal on another host used recent data of the release that runs here now."""
    said, tenant = operation["rehearsed"], operation["tenant"]
    if set(said) != {"host", "generation"} or operation["rehearse"]:
        raise Refused("upgrade: rehearsed: expected the host and the generation, and no other rehearsal")
    found = next((item for item in seen.generations if item.id == said["generation"]), None)
    release = (seen.record or {}).get("release")
    if found is None or found.why != REHEARSAL or found.release != release:
        message = f"{tenant}: the rehearsal on the other host did not use the data of the running release {release}"
        raise Refused(message, code="rehearsal-of-other-data", kind="state", hint=Next("upgrade", tenant))
    if host.now() - found.at > MOST_REHEARSED_AGE:
        message = f"{tenant}: the rehearsal used data that is {round((host.now() - found.at) / 3600)} hours old"
        raise Refused(message, code="rehearsal-too-old", kind="state", hint=Next("upgrade", tenant))


def check_room(host: Host, seen: Seen, release: Release) -> None:
    """Refused when a disk could become full during the upgrade, even if the new version rewrites all its data."""
    rewritten = host.usage(paths.data(release.tenant)) if seen.data else 0
    least = LEAST_ROOM + max(release.disk_mb * MEGABYTE // ROOM_SHARE, min(rewritten, release.disk_mb * MEGABYTE))
    if (free := host.room(paths.ROOT)) < least:
        message = f"{free // MEGABYTE} MiB are free for tenants' data, but an upgrade needs {least // MEGABYTE} MiB"
        raise Refused(f"{release.tenant}: {message}", code="no-room-for-upgrade", kind="state", hint=Next("prune"))


def check_images(host: Host, seen: Seen, release: Release) -> None:
    """Refused when an image to be pulled is built for another architecture, or would fill the disk. An unreported size
    counts as large. The pull itself shows whether the image exists."""
    missing = sorted({service.image for service in release.services} - seen.images)
    if not missing:
        return
    said = {image: host.announced(image) for image in missing}
    for image, item in said.items():
        if item is not None and not item.fits:
            name, made_for = image.partition("@")[0].rpartition("/")[2], ", ".join(item.architectures)
            raise Refused(
                f"{release.tenant}: image {name} is built for {made_for}, not for this host's CPU",
                code="image-for-other-cpu",
                kind="state",
                hint="pin an image for this CPU: " + Next("app pin", f"{release.app}:{release.version}", "--update"),
            )
    sizes = [None if item is None else item.size for item in said.values()]
    known = [size for size in sizes if size is not None]
    wanted = LEAST_ROOM + UNPACKED * sum(known) if len(known) == len(sizes) else ROOM_FOR_IMAGES
    if (free := host.room(paths.DOCKER)) < wanted:
        message = f"{free // MEGABYTE} MiB are free for images, but {release.app} {release.version} needs"
        raise Refused(
            f"{release.tenant}: {message} {wanted // MEGABYTE} MiB",
            code="no-room-for-images",
            kind="state",
            hint=Next("prune"),
        )


def check_volumes(host: Host, release: Release, compose: str) -> None:
    """Refused when an image on the host declares a volume where the release mounts nothing."""
    judge_volumes(compose, release, {item.image: host.declared_volumes(item.image) for item in release.services})


def failing_already(host: Host, seen: Seen, release: Release) -> tuple[str, ...]:
    """The ready probes of the running release that fail now: they are ignored for the new release. Empty when the
    release does not run."""
    old = seen.started
    if old is None or not runs(seen, old, seen.side):
        return ()
    failing = {name_of(probe) for probe in ready_probes(old) if ask(host, old, seen.side, probe)}
    return tuple(name for probe in ready_probes(release) if (name := name_of(probe)) in failing)
