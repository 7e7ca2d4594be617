"""The backups that a repository had when operators last pruned the repository. The record is in the workspace's own
folder, which no host can write, so that backdated new backups can be told apart from recorded backups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from launchpad.errors import StateError
from launchpad.fleet.keeping.workspace_files import replace_file, state_folder
from launchpad.fleet.model.target import Target
from launchpad.workspace import Workspace

FOLDER = "seen"


def recall(workspace: Workspace, target: Target, name: str) -> dict[str, Any] | None:
    """{"newest", "ids"} of the repository of that name; None when the repository was never pruned from this
    workspace."""
    path = _path(workspace, target, name)
    try:
        found = json.loads(path.read_bytes())
        return {"newest": float(found["newest"]), "ids": [str(item) for item in found["ids"]]}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(
            f"{path}: cannot be read",
            code="thinning-record-unreadable",
            hint=f"rm {path}; the next run then records the repository again and deletes nothing",
        ) from error


def remember(workspace: Workspace, target: Target, name: str, seen: dict[str, Any]) -> None:
    """Replace the record."""
    state_folder(workspace.root)
    replace_file(_path(workspace, target, name), json.dumps(seen).encode(), mode=0o600)


def drop(workspace: Workspace, target: Target, name: str) -> None:
    """Remove the record of a deleted repository."""
    _path(workspace, target, name).unlink(missing_ok=True)


def _path(workspace: Workspace, target: Target, name: str) -> Path:
    return workspace.state / FOLDER / str(target.name) / f"{name}.json"
