"""The maintenance of a host that began and has not ended: a file in .launchpad/maintaining, so that the command typed
again continues. A lost file costs customers a second notice, and nothing else."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from launchpad.fleet.keeping.workspace_files import remove_file, replace_file, state_folder
from launchpad.plan.host_upkeep import Baseline

FOLDER = "maintaining"


@dataclass(frozen=True, kw_only=True)
class MaintenanceNote:
    """One host's maintenance."""

    id: str
    """The same in all notices to customers."""
    at: float
    """When the maintenance began, by this machine's clock."""
    before: Baseline
    told: tuple[str, ...] = ()
    """The tenants whose customers got the first notice."""
    away: Mapping[str, str] = field(default_factory=dict)
    """Tenant → the host to which the maintenance moves the tenant before the reboot."""


def read_note(root: Path, host: str) -> MaintenanceNote | None:
    """The host's note; None without one, and for an unreadable one."""
    try:
        return _from_json(json.loads(_path(root, host).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_note(root: Path, host: str, note: MaintenanceNote) -> None:
    """Write the note to disk; StateError when that fails."""
    state_folder(root)
    parts = {name: sorted(map(list, part)) for name, part in vars(note.before).items()}
    value = dataclasses.asdict(replace(note, away={})) | {"before": parts, "away": dict(note.away)}
    replace_file(_path(root, host), json.dumps(value).encode() + b"\n", mode=0o600)


def remove_note(root: Path, host: str) -> None:
    """The host's maintenance has ended."""
    remove_file(_path(root, host))


def _path(root: Path, host: str) -> Path:
    return state_folder(root) / FOLDER / f"{host}.json"


def _from_json(value: Mapping[str, Any]) -> MaintenanceNote:
    parts = {name: frozenset((str(tenant), str(layer)) for tenant, layer in value["before"][name]) for name in _PARTS}
    told = tuple(str(name) for name in value["told"])
    away = {str(name): str(host) for name, host in value.get("away", {}).items()}
    return MaintenanceNote(id=str(value["id"]), at=float(value["at"]), before=Baseline(**parts), told=told, away=away)


_PARTS = ("well", "bad")
