"""How far a boot has come. What is in /run is gone at the next boot; what is on disk stays."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from launchpad.runner import paths

if TYPE_CHECKING:
    from launchpad.runner.host import Host

BOOTS = f"{paths.STATE}/boots"
"""There once the host is one that Launchpad's boot unit starts the tenants of."""
SEEN_TO = f"{paths.RUN}/booted.json"
"""The tenants that this boot is through with: the unit may run again, and must not start what was given up since."""
BOOT = "boot"
"""The subject of what is found about it."""
OVER = f"{paths.RUN}/boot-is-over"


def is_going_on(host: Host) -> bool:
    """Whether the host was booted, and its boot unit has not yet seen to every tenant."""
    return host.read(OVER) is None and host.read(BOOTS) is not None


def seen_to(host: Host) -> list[str]:
    """The tenants that need not be waited for any more; none where the file is damaged."""
    try:
        return [str(name) for name in json.loads(host.read(SEEN_TO) or b"[]")]
    except (ValueError, TypeError):
        return []


def see_to(host: Host, names: Iterable[str]) -> list[str]:
    """Count these among the tenants that were seen to; all of those."""
    found = sorted({*seen_to(host), *names})
    host.write(SEEN_TO, json.dumps(found).encode(), mode=0o600)
    return found


def finish(host: Host) -> None:
    """The boot has seen to every tenant; from now on it is the watch's to start them."""
    host.write(OVER, b"", mode=0o600)
    if host.read(BOOTS) is None:
        host.write(BOOTS, b"", mode=0o600)


def begin_with(host: Host) -> None:
    """On a host that was provisioned since its last boot there is nothing to wait for: only the next boot is one."""
    if host.read(BOOTS) is None:
        finish(host)
