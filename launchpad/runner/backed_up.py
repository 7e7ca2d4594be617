"""When a tenant was backed up last, and when a backup of it was last proven: read from what the host keeps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from launchpad.runner import paths
from launchpad.runner.host import Failed

if TYPE_CHECKING:
    from launchpad.runner.host import Host


def backed_up_at(host: Host, tenant: str) -> float | None:
    """When the data was frozen of which a target has the newest backup; None when none has any."""
    folder = f"{paths.backup(tenant)}/targets"
    states = [_json(host, f"{folder}/{file}") or {} for file in host.names(folder) if file.endswith(".json")]
    return max((state["sent"]["at"] for state in states if state.get("sent")), default=None)


def proven_at(host: Host, tenant: str) -> float | None:
    """When a backup of it was last booted and found sound; None when none was."""
    found = _json(host, f"{paths.backup(tenant)}/proven.json")
    return found["proven"] if found else None


def _json(host: Host, path: str) -> dict[str, Any] | None:
    data = host.read(path)
    try:
        return None if data is None else dict(json.loads(data))
    except (ValueError, TypeError) as error:
        raise Failed(f"{path} cannot be read: {error}", code="backup-record-unreadable") from error
