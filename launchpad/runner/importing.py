"""A host's conditions for an import: the received data, and space and memory to try it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.runner.capacity import check_clone
from launchpad.runner.hint import Next
from launchpad.runner.host import Host
from launchpad.runner.plan import Seen
from launchpad.runner.protocol import Refused, Release
from launchpad.runner.upgrade_plan import check_room

RECEIVED = "received"
"""The reason of a generation with received data."""


def options(host: Host, seen: Seen, release: Release, identifier: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """The plan's options beyond those of a deploy. Refused, with nothing changed, when the import cannot work.

    The newest received generation stays, so that the tenant can go back to it. The present data is kept too, unless the
    tenant has none."""
    tenant, wanted = release.tenant, operation["generation"]
    found = next((item for item in seen.generations if item.id == wanted), None)
    if found is None:
        hint = Next("import", tenant, "--from", "ARCHIVE")
        raise Refused(
            f"{tenant}: there is no generation {wanted[:60]}", code="nothing-imported", kind="state", hint=hint
        )
    if found.app != release.app:
        raise Refused(
            f"{tenant}: generation {wanted} holds data of {found.app}, not of {release.app}",
            code="generation-of-other-app",
            kind="state",
        )
    if release.strategy != "swap" and seen.serving:
        hint = Next("stop", tenant) + ", then import again"
        raise Refused(
            f"{tenant}: {release.app} can run twice at once, so its data cannot be replaced while it runs",
            code="runs-beside",
            hint=hint,
        )
    check_room(host, seen, release)
    rehearse = operation["kind"] == "rehearse" or operation["rehearse"]
    if rehearse:
        check_clone(host, release, hint="free memory on the host, or add --no-rehearsal")
    earlier = tuple(item.id for item in seen.generations if item.why == RECEIVED and item.id != wanted)
    return {
        "why": "import",
        "data": wanted,
        "replace": True,
        "rehearse": rehearse,
        "soak": operation.get("soak", 0),
        "may_shrink": tuple(map(str, operation.get("may_shrink", ()))),
        "drop": earlier if seen.data else (*earlier, identifier),
    }
