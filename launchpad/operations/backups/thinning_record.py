"""What operators saw in a repository when they thinned it out last. The record lies in this workspace's own folder,
where no host reaches, so that backups which somebody dates back are told from those that were there."""

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
    """{"newest", "ids"} of the repository of that name; None when it was never thinned out from here."""
    path = _path(workspace, target, name)
    try:
        found = json.loads(path.read_bytes())
        return {"newest": float(found["newest"]), "ids": [str(item) for item in found["ids"]]}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path}: cannot be read", hint=f"rm {path}, and the next run looks anew") from error


def remember(workspace: Workspace, target: Target, name: str, seen: dict[str, Any]) -> None:
    """Put this in the place of what was seen before."""
    state_folder(workspace.root)
    replace_file(_path(workspace, target, name), json.dumps(seen).encode(), mode=0o600)


def drop(workspace: Workspace, target: Target, name: str) -> None:
    """For a repository that is no more."""
    _path(workspace, target, name).unlink(missing_ok=True)


def _path(workspace: Workspace, target: Target, name: str) -> Path:
    return workspace.state / FOLDER / str(target.name) / f"{name}.json"
