"""The progress of a boot. Files in /run are gone at the next boot; files on disk stay."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from launchpad.runner import paths

if TYPE_CHECKING:
    from launchpad.runner.host import Host

BOOTS = f"{paths.STATE}/boots"
"""Exists when Launchpad's boot unit starts the tenants of this host."""
SEEN_TO = f"{paths.RUN}/booted.json"
"""The tenants that this boot has handled: the unit may run again, and must not restart a tenant that failed."""
BOOT = "boot"
"""The subject of findings about the boot."""
OVER = f"{paths.RUN}/boot-is-over"


def is_going_on(host: Host) -> bool:
    """Whether the host has booted, and its boot unit has not yet handled every tenant."""
    return host.read(OVER) is None and host.read(BOOTS) is not None


def seen_to(host: Host) -> list[str]:
    """The tenants that need not be waited for any more; none where the file is damaged."""
    try:
        return [str(name) for name in json.loads(host.read(SEEN_TO) or b"[]")]
    except (ValueError, TypeError):
        return []


def see_to(host: Host, names: Iterable[str]) -> list[str]:
    """Record these tenants as handled; returns all handled tenants."""
    found = sorted({*seen_to(host), *names})
    host.write(SEEN_TO, json.dumps(found).encode(), mode=0o600)
    return found


def finish(host: Host) -> None:
    """Record that the boot has handled every tenant; from now on the watch starts tenants."""
    host.write(OVER, b"", mode=0o600)
    if host.read(BOOTS) is None:
        host.write(BOOTS, b"", mode=0o600)


def begin_with(host: Host) -> None:
    """On a host that was provisioned since its last boot, no boot is under way: the next boot is the first."""
    if host.read(BOOTS) is None:
        finish(host)
