"""Access to repositories from this machine: with operators' credentials, and the key that is stored beside a
repository."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from launchpad.errors import ServiceError, StateError
from launchpad.fleet.model.target import Target
from launchpad.operations.backups.backup_keys import as_sent, opened, revealed
from launchpad.operations.backups.local_restic import LOCKED, WRONG_KEY, Progress, Work, run_here
from launchpad.operations.requests.asking import understood
from launchpad.runner.hint import Next
from launchpad.runner.wire.backup_bodies import ReadAtTarget, StoredBackup
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class WorkOptions:
    """How work on repositories is run here, and where its progress goes."""

    work: Work = run_here
    progress: Progress = lambda _text: None


HERE = WorkOptions()
"""Run restic on this machine and report no progress."""


def task(workspace: Workspace, target: Target, name: str, *, deletes: bool = False) -> dict[str, Any]:
    """The request for the repository of that name: with the operators' PRUNE_ credentials, or, for work that only reads
    and adds, with the hosts' credentials when there are no others. StateError when a credential is missing."""
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
    """The same request with the repository's key, which is stored wrapped beside the repository; StateError without a
    key."""
    name = told["tenant"]
    wraps = understood(ReadAtTarget, ask(target, {**told, "do": "wraps"}, how), host=str(target.name)).wraps
    if not wraps:
        message = f"{target.name}: there is no backup of {name}"
        raise StateError(message, code="no-backup-at-target", hint=Next("target show", target.name))
    ways = [with_password(told, key.reveal()) for key in opened(workspace, name, wraps)]
    for way in ways[:-1]:
        if how.work({**way, "do": "snapshots"}, how.progress).get("code") != WRONG_KEY:
            return way
    return ways[-1]


def stored_at(target: Target, told: Mapping[str, Any], how: WorkOptions) -> tuple[StoredBackup, ...]:
    """The backups in the repository, the oldest first."""
    return understood(ReadAtTarget, ask(target, {**told, "do": "snapshots"}, how), host=str(target.name)).snapshots


def with_password(told: Mapping[str, Any], password: str) -> dict[str, Any]:
    """The same request with the repository's password."""
    return {**told, "repository": {**told["repository"], "password": password}}


def ask(target: Target, told: Mapping[str, Any], how: WorkOptions) -> dict[str, Any]:
    """Run the work at the target and return its result; ServiceError when the work failed."""
    answer = how.work(told, how.progress)
    if "failed" not in answer:
        return dict(answer["result"])
    hint = Next("target show", target.name)
    if answer.get("code") == LOCKED:
        hint = (
            "another command may be using the repository: try again later. The lock of a killed backup expires "
            + "after half an hour, or with the host's next "
            + Next("backup")
        )
    raise ServiceError(f"{target.name}: {answer['failed']}", code="repository-failed", hint=hint)
