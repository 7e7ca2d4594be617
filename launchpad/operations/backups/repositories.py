"""Repositories as this machine reaches them: by operators' credentials, and the key that lies beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from launchpad.errors import ServiceError, StateError
from launchpad.fleet.model.target import Target
from launchpad.operations.backups.backup_keys import as_sent, opened, revealed
from launchpad.operations.backups.local_restic import LOCKED, WRONG_KEY, Progress, Work, run_here
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class WorkOptions:
    """What does the work here, and who is told how it goes on."""

    work: Work = run_here
    progress: Progress = lambda _text: None


HERE = WorkOptions()
"""By restic on this machine; nobody is told."""


def task(workspace: Workspace, target: Target, name: str, *, deletes: bool = False) -> dict[str, Any]:
    """What the program is told of the repository of that name: by what operators delete with, or, where only reading
    and adding is meant, by what hosts have when there is nothing else. StateError when a credential is missing."""
    url, credentials = str(target.prune_url or target.url), {}
    try:
        for own, (_, value) in revealed(workspace, target, target.prune_credentials).items():
            credentials[str(own).removeprefix("PRUNE_")] = value.reveal()
    except StateError:
        if deletes:
            raise
    if not credentials and not deletes:
        url = str(target.url)
        given = revealed(workspace, target, target.credentials)
        credentials = {str(own): value.reveal() for own, (_, value) in given.items()}
    (sent,) = as_sent([target])
    return {"tenant": name, "repository": sent | {"url": url, "password": "", "credentials": credentials}}


def with_key(workspace: Workspace, target: Target, told: Mapping[str, Any], how: WorkOptions) -> dict[str, Any]:
    """The same with the key that lies, wrapped, beside the repository, and opens it; StateError when there is none."""
    name = told["tenant"]
    wraps = ask(target, {**told, "do": "wraps"}, how)["wraps"]
    if not wraps:
        message = f"{target.name}: there is no backup of {name}"
        raise StateError(message, hint=f"launchpad target show {target.name}")
    ways = [with_password(told, key.reveal()) for key in opened(workspace, name, wraps)]
    for way in ways[:-1]:
        if how.work({**way, "do": "snapshots"}, how.progress).get("code") != WRONG_KEY:
            return way
    return ways[-1]


def with_password(told: Mapping[str, Any], password: str) -> dict[str, Any]:
    """The same, with what the repository is opened with."""
    return {**told, "repository": {**told["repository"], "password": password}}


def ask(target: Target, told: Mapping[str, Any], how: WorkOptions) -> dict[str, Any]:
    """The result of the work at the target; ServiceError when it could not be done."""
    answer = how.work(told, how.progress)
    if "failed" not in answer:
        return dict(answer["result"])
    hint = f"launchpad target show {target.name}"
    if answer.get("code") == LOCKED:
        hint = (
            "what holds it may go on: try again after it. What was killed on a host leaves its lock for half an hour, "
            "or until the next launchpad backup there"
        )
    raise ServiceError(f"{target.name}: {answer['failed']}", hint=hint)
