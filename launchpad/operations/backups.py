"""backups: which backups a tenant has, where, and whether what lies there can still be read."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from launchpad.errors import StateError
from launchpad.events import OnEvent, ignore
from launchpad.operations.backup_keys import (
    LOOK_SECONDS,
    NewKey,
    as_sent,
    credentials,
    missing_key,
    targets_of,
    with_key,
)
from launchpad.operations.following import Submission, submit
from launchpad.operations.identifiers import new_identifier
from launchpad.operations.outcome import Outcome
from launchpad.operations.reaching import hosts_of
from launchpad.workspace import Workspace

PARTS = 7
"""A repository is read in so many parts, one a day: every byte within a week."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """One backup in one target's repository."""

    target: str
    id: str
    at: float
    """When the data was frozen, in seconds since 1970."""
    size: int | None
    files: int | None
    operation: str


@dataclass(frozen=True, kw_only=True)
class Backups:
    """What the repositories of a tenant say, and what its host remembers of each target."""

    tenant: str
    backups: tuple[Backup, ...]
    """The newest first."""
    problems: Mapping[str, str]
    """Target → why its repository says nothing."""
    states: Mapping[str, Mapping[str, Any]]

    def as_json(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant,
            "backups": [vars(item) for item in self.backups],
            "problems": dict(self.problems),
            "targets": dict(self.states),
        }


def backups(workspace: Workspace, name: str, *, key: NewKey | None = None) -> Backups:
    """Ask every target's repository, through the tenant's host, which has the key unless it is given."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    targets = targets_of(fleet, tenant)
    body = {
        "tenant": str(tenant.name),
        "targets": as_sent(targets),
        "secrets": with_key(credentials(workspace, targets), key),
    }
    with hosts_of(workspace).reach(fleet.host(tenant.host)) as runner:
        said = runner.ask("backups", body, seconds=LOOK_SECONDS * len(targets))
    found = [_backup(target, item) for target, items in said["snapshots"].items() for item in items]
    ordered = tuple(sorted(found, key=lambda item: item.at, reverse=True))
    return Backups(tenant=str(tenant.name), backups=ordered, problems=said["problems"], states=said["targets"])


def verify(workspace: Workspace, name: str, *, part: str = "", on_event: OnEvent = ignore) -> Outcome:
    """Check the structure of every repository of the tenant and read a part of its data: today's of seven unless one
    is named. OperationFailed when one is damaged or does not answer."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    targets = targets_of(fleet, tenant)
    submission = Submission(
        identifier=new_identifier(workspace.clock.now()),
        operation={
            "kind": "verify",
            "tenant": str(tenant.name),
            "targets": as_sent(targets),
            "part": part or todays_part(workspace.clock.now()),
        },
        secrets=lambda: credentials(workspace, targets),
    )
    return submit(workspace, fleet.host(tenant.host), submission, on_event=on_event)


def fetch(workspace: Workspace, name: str, *, at: str = "", on_event: OnEvent = ignore) -> Outcome:
    """Bring a backup back to the tenant's host as a generation, whose id is the outcome's; its live data stays as it
    is. `at` is a backup's id (the first 8 digits do) or a time: the newest one until then, or of all when empty.
    StateError when there is none."""
    return _bring(workspace, name, at=at, kind="fetch", on_event=on_event)


def drill(workspace: Workspace, name: str, *, at: str = "", on_event: OnEvent = ignore) -> Outcome:
    """Prove a backup: fetch it, boot it on a clone that reaches nothing, wait until it is ready and stays so, and
    destroy it. `at` as for `fetch`. OperationFailed when it does not come up."""
    return _bring(workspace, name, at=at, kind="drill", on_event=on_event)


def _bring(workspace: Workspace, name: str, *, at: str, kind: str, on_event: OnEvent) -> Outcome:
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    host = fleet.host(tenant.host)
    with hosts_of(workspace).reach(host) as runner:
        key = missing_key(workspace, runner, tenant, targets_of(fleet, tenant))
    if key is not None and key.new:
        raise StateError(f"{name}: no target has a backup of it", hint=f"launchpad backup {name}")
    chosen = _chosen(backups(workspace, name, key=key), at)
    target = fleet.target(chosen.target)
    operation = {"kind": kind, "tenant": str(tenant.name), "targets": as_sent([target]), "snapshot": chosen.id}
    submission = Submission(
        identifier=new_identifier(workspace.clock.now()),
        operation=operation | ({"wrap": key.wrap} if key else {}),
        secrets=lambda: with_key(credentials(workspace, [target]), key),
    )
    return submit(workspace, host, submission, on_event=on_event)


def _chosen(found: Backups, at: str) -> Backup:
    if re.fullmatch(r"[0-9a-f]{8,64}", at):
        fitting = [item for item in found.backups if item.id.startswith(at)]
    else:
        until = moment(at) if at else float("inf")
        fitting = [item for item in found.backups if item.at <= until]
    if not fitting:
        problems = "".join(f"; {target} says: {problem}" for target, problem in found.problems.items())
        hint = f"launchpad backups list {found.tenant}"
        raise StateError(f"{found.tenant}: there is no backup {at or 'yet'}{problems}", hint=hint)
    return fitting[0]


def moment(text: str) -> float:
    """A time such as 2026-11-22T14:00 (this machine's zone unless it says one), in seconds since 1970."""
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise StateError(f"{text!r} is neither a backup's id nor a time", hint="such as 2026-11-22T14:00") from error


def todays_part(now: float) -> str:
    """`1/7` on a Monday, `7/7` on a Sunday, UTC."""
    return f"{datetime.datetime.fromtimestamp(now, datetime.UTC).isoweekday()}/{PARTS}"


def _backup(target: str, item: Mapping[str, Any]) -> Backup:
    tags = [str(tag) for tag in item["tags"]]
    operation = next((tag.partition("=")[2] for tag in tags if tag.startswith("generation=")), "")
    at = datetime.datetime.fromisoformat(item["time"]).timestamp()
    return Backup(target=target, id=item["id"], at=at, size=item["bytes"], files=item["files"], operation=operation)
