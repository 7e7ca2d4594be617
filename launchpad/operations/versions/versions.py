"""versions: an app's versions, what each version breaks and can follow, and the tenants that use it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class VersionOf:
    """One version of an app, as the inventory has it."""

    version: str
    pinned: bool
    """Whether the version can be deployed: every image has a digest."""
    follows: tuple[str, ...]
    """The versions that can be upgraded to it in one step; empty: any older version."""
    notes: str
    breaks: str
    tenants: tuple[str, ...]
    """The tenants whose files have this version; `launchpad status` shows the running versions."""

    def as_json(self) -> dict[str, Any]:
        plain = dataclasses.asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


def versions(workspace: Workspace, name: str) -> tuple[VersionOf, ...]:
    """The app's versions, the oldest first; InventoryError for an unknown app. No host is asked."""
    fleet = workspace.fleet.load()
    app = fleet.app(name)
    users = [tenant for _, tenant in sorted(fleet.tenants.items()) if tenant.app == app.name]
    return tuple(
        VersionOf(
            version=str(item.version),
            pinned=app.pinned(item.version),
            follows=tuple(map(str, item.follows)),
            notes=str(item.notes or ""),
            breaks=str(item.breaks or ""),
            tenants=tuple(str(tenant.name) for tenant in users if tenant.version == item.version),
        )
        for item in app.versions
    )
