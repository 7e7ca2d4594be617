"""forget: thin a tenant's backups out, from the operator's machine and with credentials that no host has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from launchpad.errors import LaunchpadError, ServiceError, StateError
from launchpad.fleet.target import Target
from launchpad.fleet.tier import Keep
from launchpad.operations.backup_keys import as_sent, opened, revealed, targets_of
from launchpad.workspace import Workspace

Work = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Does what the sandbox's program is told, and gives its answer: {"result"} or {"failed", "code"}."""
FORGET_SECONDS = 6 * 3600


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What was deleted at one target."""

    target: str
    removed: tuple[str, ...]
    """The backups' ids."""
    left: int


def here(task: Mapping[str, Any]) -> dict[str, Any]:
    """Run the sandbox's own program on this machine, with a folder of its own; it needs restic. Secrets go in by
    standard input alone."""
    words = [sys.executable, "-m", "launchpad.runner", "inside"]
    with tempfile.TemporaryDirectory(prefix="launchpad-") as folder:
        try:
            done = subprocess.run(
                words,
                input=json.dumps({**task, "uid": os.getuid()}).encode() + b"\n",
                capture_output=True,
                env={**os.environ, "TMPDIR": folder},
                timeout=FORGET_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ServiceError(f"restic did not end within {FORGET_SECONDS // 3600} h") from error
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        raise ServiceError("what drives restic here broke off", hint="restic version")
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def forget(workspace: Workspace, name: str, *, work: Work = here) -> dict[str, Forgotten | LaunchpadError]:
    """Delete what the tier's `keep` does not keep, at each remote target; what went wrong at one stops no other.

    A folder on the host is left alone: what is there only the host itself could delete."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    targets = [target for target in targets_of(fleet, tenant) if target.kind != "local"]
    backup = fleet.tiers[tenant.tier].backup
    assert backup is not None
    found: dict[str, Forgotten | LaunchpadError] = {}
    for target in targets:
        try:
            found[str(target.name)] = _at(workspace, target, str(tenant.name), keep=backup.keep, work=work)
        except LaunchpadError as error:
            found[str(target.name)] = error
    return found


def _at(workspace: Workspace, target: Target, tenant: str, *, keep: Keep, work: Work) -> Forgotten:
    own = revealed(workspace, target, target.prune_credentials)
    credentials = {str(name).removeprefix("PRUNE_"): value.reveal() for name, (_, value) in own.items()}
    (sent,) = as_sent([target])
    repository = sent | {"url": str(target.prune_url or target.url), "password": "", "credentials": credentials}
    task = {"tenant": tenant, "repository": repository, "now": workspace.clock.now(), "keep": keep.model_dump()}
    wraps = _asked(target, work, task | {"do": "wraps"})["wraps"]
    if not wraps:
        raise StateError(f"{target.name}: there is no backup of {tenant}", hint=f"launchpad backup {tenant}")
    key = opened(workspace, tenant, wraps).reveal()
    done = _asked(target, work, task | {"do": "forget", "repository": repository | {"password": key}})
    return Forgotten(target=str(target.name), removed=tuple(done["removed"]), left=int(done["left"]))


def _asked(target: Target, work: Work, task: Mapping[str, Any]) -> dict[str, Any]:
    answer = work(task)
    if "failed" in answer:
        raise ServiceError(f"{target.name}: {answer['failed']}", hint=f"launchpad target show {target.name}")
    result: dict[str, Any] = answer["result"]
    return result


def as_json(found: Mapping[str, Forgotten | LaunchpadError]) -> dict[str, Any]:
    """Target → what was deleted there, or the error."""
    return {
        target: said.as_dict() if isinstance(said, LaunchpadError) else asdict(said) | {"removed": list(said.removed)}
        for target, said in found.items()
    }
