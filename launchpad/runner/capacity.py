"""Whether this host has memory and CPUs for one more clone, besides what is reserved for other clones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from launchpad.runner import paths
from launchpad.runner.hint import Next
from launchpad.runner.protocol import Refused, Release
from launchpad.runner.record import Record

if TYPE_CHECKING:
    from launchpad.runner.host import Host
    from launchpad.runner.view import View

CLONES = ("rehearse", "prove-backup")
"""The steps that run a clone."""
CPUS_ONLINE = "/sys/devices/system/cpu/online"
LATER = "run the same command again later"
ROUNDING = 1e-6
"""A part of a CPU: the sum of CPU shares is not exact."""


SHORT_SHARE, URGENT_SHARE = 10, 33
"""Tenants' data is short of room when less than one part in so many is free."""
SHORT_OF_IMAGES, URGENT_OF_IMAGES = 2 << 30, 512 << 20
"""Bytes: less is too little for the next version of an app."""


class Shortage(Record):
    """Room on a disk of the host that runs out."""

    what: str
    message: str
    free: int
    """Bytes."""
    is_urgent: bool
    hint: str = Next("prune")


def shortages(host: View) -> Iterator[Shortage]:
    """What is short of room: tenants' data, images."""
    total, free = host.disk()
    if total and free < total // SHORT_SHARE:
        message = f"only {free >> 20} of {total >> 20} MiB are free for tenants' data"
        yield Shortage("data", message, free, free < total // URGENT_SHARE)
    if (room := host.room(paths.DOCKER)) < SHORT_OF_IMAGES:
        yield Shortage("images", f"only {room >> 20} MiB are free for images", room, room < URGENT_OF_IMAGES)


def available_mb(host: View | Host) -> int | None:
    """MiB of memory that are available without swapping; None when the kernel does not report it."""
    found = re.search(rb"^MemAvailable: +([0-9]+) kB$", host.read("/proc/meminfo") or b"", re.MULTILINE)
    return int(found[1]) // 1024 if found else None


def cpus(host: View | Host) -> int | None:
    """How many CPUs the host has; None when the kernel does not report it. The kernel's list looks like `0-3,6`."""
    said = (host.read(CPUS_ONLINE) or b"").decode(errors="replace").strip()
    ranges = [re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part) for part in said.split(",")]
    return sum(int(found[2] or found[1]) - int(found[1]) + 1 if found else 0 for found in ranges) or None


def check_clone(host: Host, release: Release, *, hint: str) -> None:
    """Refused when the host lacks the memory or the CPUs for a clone of the release: the other tenants would become
    slow.

    The clones of running operations count as used. When only they are in the way, the refusal has the kind `locked`
    (retry later). A single clone may have a higher CPU limit than the host has CPUs: a host with one CPU rehearses
    too."""
    check_memory(host, release, hint=hint)
    there, wanted = cpus(host), sum(service.cpus for service in release.services)
    others = {name: sum(float(item["cpus"]) for item in services) for name, services in _clones(host)}
    taken = sum(others.values())
    if there is not None and taken and taken + wanted > there + ROUNDING:
        message = f"{release.tenant}: a rehearsal needs {wanted:g} of {there} CPUs, but {taken:g} are reserved for "
        raise Refused(message + ", ".join(others), code="cpus-reserved", kind="locked", hint=LATER)


def check_memory(host: Host, release: Release, *, hint: str, what: str = "a rehearsal") -> None:
    """The same check for memory alone; `what` names the user of the memory."""
    free, wanted = available_mb(host), sum(service.memory_mb for service in release.services)
    if free is None:
        return
    promised = {name: sum(int(item["memory_mb"]) for item in services) for name, services in _clones(host)}
    if free - sum(promised.values()) >= wanted:
        return
    if free < wanted:
        message = f"{release.tenant}: {what} needs {wanted} MiB of memory, but only {free} MiB are free"
        raise Refused(message, code="memory-short", kind="state", hint=hint)
    taken = ", ".join(promised)
    message = f"{release.tenant}: {what} needs {wanted} MiB of memory, but the free memory is reserved for {taken}"
    raise Refused(message, code="memory-reserved", kind="locked", hint=LATER)


def _clones(host: Host) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Each open operation with a clone, by tenant and id, with the clone's services."""
    from launchpad.runner.journal import open_journals

    for journal in open_journals(host):
        operation = (journal.asked() or {})["operation"]
        if journal.damage():
            continue  # no process runs the operation
        steps = json.loads(host.read(f"{journal.folder}/plan.json") or b"[]")
        over = {item["index"] for item in journal.events() if item["event"] == "step-done"}
        for index, step in enumerate(steps):
            if step["step"] in CLONES and index not in over:
                yield f"{step['tenant']} ({journal.identifier})", _services(host, operation, step)


def _services(host: Host, operation: Mapping[str, Any], step: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    release = operation.get("release")
    if release is None:  # a backup is proven with the running release
        release = json.loads(host.read(f"{paths.release(step['tenant'], step['release'])}/release.json") or b"{}")
    return tuple(release.get("services", ()))
