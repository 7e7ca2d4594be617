"""How much memory this host has for one more clone: what is free now, without what is promised already."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from launchpad.runner import paths
from launchpad.runner.protocol import Refused, Release

if TYPE_CHECKING:
    from launchpad.runner.host import Host
    from launchpad.runner.view import View

CLONING = ("rehearse", "prove-backup")
"""The steps that run a clone."""


def available_mb(host: View | Host) -> int | None:
    """MB that may be taken without pushing anybody out; None where the kernel does not tell."""
    found = re.search(rb"^MemAvailable: +([0-9]+) kB$", host.read("/proc/meminfo") or b"", re.MULTILINE)
    return int(found[1]) // 1024 if found else None


def check_memory(host: Host, release: Release, *, hint: str) -> None:
    """Refused when a clone would not find the memory that it may take: its neighbours would pay for the rehearsal.

    What operations under way may take for their clones counts as taken. Where only that is in the way, the refusal is
    one that goes by."""
    free, wanted = available_mb(host), sum(service.memory_mb for service in release.services)
    if free is None:
        return
    promised = dict(_promised(host))
    if free - sum(promised.values()) >= wanted:
        return
    if free < wanted:
        message = f"{release.tenant}: {free} MB of memory are free, and a rehearsal may take {wanted}"
        raise Refused(message, kind="state", hint=hint)
    taken = ", ".join(promised)
    message = f"{release.tenant}: a rehearsal may take {wanted} MB of memory, and those that are free are for {taken}"
    raise Refused(message, kind="locked", hint="the same command again, later")


def _promised(host: Host) -> Iterator[tuple[str, int]]:
    """Each operation that has a clone before it, or runs one, by its tenant and id, with the MB that it may take."""
    from launchpad.runner.journal import open_journals

    for journal in open_journals(host):
        operation = (journal.asked() or {})["operation"]
        steps = json.loads(host.read(f"{journal.folder}/plan.json") or b"[]")
        over = {item["index"] for item in journal.events() if item["event"] == "step-done"}
        for index, step in enumerate(steps):
            if step["step"] in CLONING and index not in over:
                yield f"{step['tenant']} ({journal.identifier})", _memory_mb(host, operation, step)


def _memory_mb(host: Host, operation: Mapping[str, Any], step: Mapping[str, Any]) -> int:
    release = operation.get("release")
    if release is None:  # a backup is proven with what runs
        release = json.loads(host.read(f"{paths.release(step['tenant'], step['release'])}/release.json") or b"{}")
    return sum(int(service["memory_mb"]) for service in release.get("services", ()))
