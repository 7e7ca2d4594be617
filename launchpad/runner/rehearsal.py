"""A rehearsal: the new release on a clone of the tenant's own data, with made-up secrets and no way out.

Here is what the clone is, pure: Compose's own, judged reading of the release, changed in just the places that would
touch the live tenant or the world. `Rehearse` (apply.py) carries it out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from launchpad.runner import paths, slots
from launchpad.runner.protocol import Refused, Release

SIDE = "clone"
"""What the clone's containers have for a side: none that ever serves."""
MARK = "LAUNCHPAD_REHEARSAL"
"""In the clone's environment, `1`: an app's own wrapper leaves channels and schedules off by it."""
PREFIX = "rehearsal-"
"""Every made-up secret begins so, so that it is known for what it is wherever it turns up."""


def project(tenant: str) -> str:
    """The clone's Compose project, and its network."""
    return f"lp-{tenant}-{SIDE}"


def cloned(resolved: Mapping[str, Any], release: Release) -> dict[str, Any]:
    """The clone's Compose file, of what Compose made of the release (either side, judged): another project, network
    and addresses; the clone's data for the tenant's; made-up secrets for the real ones. Refused if anything of the
    tenant's is left in it."""
    clone = copy.deepcopy(dict(resolved))
    clone["name"] = project(release.tenant)
    clone["networks"]["default"]["name"] = project(release.tenant)
    for index, service in enumerate(release.services):
        cell = clone["services"][service.name]
        cell["labels"] = {**cell["labels"], "launchpad.side": SIDE}
        cell["networks"] = {"default": {"ipv4_address": str(slots.clone_address(release.slot, index))}}
        cell["environment"] = {**(cell.get("environment") or {}), MARK: "1"}
        cell["volumes"] = [
            {**mount, "source": _source(mount["source"], release)} for mount in cell.get("volumes") or ()
        ]
    return clone


def made_up(release: Release, random: Callable[[int], str]) -> dict[str, str]:
    """A value for each of the release's secrets, of at least 32 characters; `random(n)` gives n hexadecimal digits."""
    return {name: PREFIX + random(32) for name in release.secrets}


def _source(source: str, release: Release) -> str:
    """What the clone mounts instead; files of the release are the same, read-only."""
    data, secrets = paths.data(release.tenant), paths.secrets(release.tenant, release.short)
    if source == secrets:
        return paths.secrets(release.tenant, SIDE)
    if source.startswith(f"{data}/"):
        return paths.clone(release.tenant) + source.removeprefix(data)
    if source.startswith(f"{paths.release(release.tenant, release.short)}/"):
        return source
    raise Refused(f"{release.tenant}: cannot be rehearsed: {source!r} is nothing of a release's")
