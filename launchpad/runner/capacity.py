"""Whether this host has memory and CPUs for one more clone, without what is promised to others already."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from launchpad.runner import paths
from launchpad.runner.protocol import Refused, Release

if TYPE_CHECKING:
    from launchpad.runner.host import Host
    from launchpad.runner.view import View

CLONES = ("rehearse", "prove-backup")
"""The steps that run a clone."""
CPUS_ONLINE = "/sys/devices/system/cpu/online"
LATER = "run the same command again later"
ROUNDING = 1e-6
"""Of a CPU: shares in hundredths do not add up exactly."""


def available_mb(host: View | Host) -> int | None:
    """MB that may be taken without pushing anybody out; None where the kernel does not tell."""
    found = re.search(rb"^MemAvailable: +([0-9]+) kB$", host.read("/proc/meminfo") or b"", re.MULTILINE)
    return int(found[1]) // 1024 if found else None


def cpus(host: View | Host) -> int | None:
    """How many CPUs the host has; None where the kernel does not tell. Its list is like `0-3,6`."""
    said = (host.read(CPUS_ONLINE) or b"").decode(errors="replace").strip()
    ranges = [re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part) for part in said.split(",")]
    return sum(int(found[2] or found[1]) - int(found[1]) + 1 if found else 0 for found in ranges) or None


def check_clone(host: Host, release: Release, *, hint: str) -> None:
    """Refused when a clone of the release would not find the memory and the CPUs that it may take: its neighbours would
    pay for the rehearsal.

    What operations under way may take for their clones counts as taken. Where only that is in the way, the refusal is
    one that goes by. A clone that is alone may want more CPUs than there are: that is a limit, and a host of one CPU
    rehearses too."""
    check_memory(host, release, hint=hint)
    there, wanted = cpus(host), sum(service.cpus for service in release.services)
    others = {name: sum(float(item["cpus"]) for item in services) for name, services in _clones(host)}
    taken = sum(others.values())
    if there is not None and taken and taken + wanted > there + ROUNDING:
        message = f"{release.tenant}: a rehearsal needs {wanted:g} of {there} CPUs, but {taken:g} are reserved for "
        raise Refused(message + ", ".join(others), kind="locked", hint=LATER)


def check_memory(host: Host, release: Release, *, hint: str, what: str = "a rehearsal") -> None:
    """The same of its memory alone; `what` would take it."""
    free, wanted = available_mb(host), sum(service.memory_mb for service in release.services)
    if free is None:
        return
    promised = {name: sum(int(item["memory_mb"]) for item in services) for name, services in _clones(host)}
    if free - sum(promised.values()) >= wanted:
        return
    if free < wanted:
        message = f"{release.tenant}: {what} needs {wanted} MB of memory, but only {free} MB are free"
        raise Refused(message, kind="state", hint=hint)
    taken = ", ".join(promised)
    message = f"{release.tenant}: {what} needs {wanted} MB of memory, but the free memory is reserved for {taken}"
    raise Refused(message, kind="locked", hint=LATER)


def _clones(host: Host) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Each operation that has a clone before it, or runs one, by its tenant and id, with the clone's services."""
    from launchpad.runner.journal import open_journals

    for journal in open_journals(host):
        operation = (journal.asked() or {})["operation"]
        if journal.damage():
            continue  # nobody carries it out
        steps = json.loads(host.read(f"{journal.folder}/plan.json") or b"[]")
        over = {item["index"] for item in journal.events() if item["event"] == "step-done"}
        for index, step in enumerate(steps):
            if step["step"] in CLONES and index not in over:
                yield f"{step['tenant']} ({journal.identifier})", _services(host, operation, step)


def _services(host: Host, operation: Mapping[str, Any], step: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    release = operation.get("release")
    if release is None:  # a backup is proven with what runs
        release = json.loads(host.read(f"{paths.release(step['tenant'], step['release'])}/release.json") or b"{}")
    return tuple(release.get("services", ()))
