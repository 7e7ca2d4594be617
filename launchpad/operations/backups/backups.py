"""backups: list a tenant's backups at every target, show one, and verify that their data is readable."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.errors import StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.fleet import remote_targets
from launchpad.fleet.model.target import Target
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.words.malformed import Malformed, quoted
from launchpad.fleet.words.secret import Secret
from launchpad.operations.backups.backup_keys import (
    LOOK_SECONDS,
    as_sent,
    missing_key,
    targets_of,
    with_key,
)
from launchpad.operations.requests.again import Wish, submit_once
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.following import Submission
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.runner.protocol import record_as_json
from launchpad.runner.wire.backup_bodies import ProvenBackup, ReadBackups, StoredBackup, TargetState
from launchpad.workspace import Workspace

IDENTIFIER = re.compile(r"[0-9a-f]{8,64}")
PARTS = 7
"""The number of parts in which a repository is verified, one a day: every byte within a week."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """One backup in one target's repository."""

    target: str
    id: str
    at: float
    """When the generation was taken, in seconds since 1970."""
    size: int | None
    files: int | None
    operation: str
    """The id of the operation that made the backup, the same at every target."""
    app: str = ""
    version: str = ""
    release: str = ""
    added: int | None = None
    """The bytes that were added to the repository, as stored."""
    new_files: int | None = None


@dataclass(frozen=True, kw_only=True)
class Backups:
    """The backups in a tenant's repositories, and what the tenant's host recorded of each target."""

    tenant: str
    backups: tuple[Backup, ...]
    """The newest first."""
    problems: Mapping[str, str]
    """Target → why its repository could not be read."""
    states: Mapping[str, TargetState]
    proven: ProvenBackup | None = None
    """The last proven backup."""

    def as_json(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant,
            "backups": [vars(item) for item in self.backups],
            "problems": dict(self.problems),
            "targets": {name: record_as_json(item) for name, item in self.states.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One backup: one instant of the data, with its copy at each target."""

    tenant: str
    copies: tuple[Backup, ...]
    """One copy for each target that has the backup."""
    absent: tuple[str, ...]
    """Targets of the tier that do not have the backup."""
    unknown: Mapping[str, str]
    """Targets that could not be read, and why."""
    proven: float | None
    """When the backup was proven, in seconds since 1970; None when it was not proven, or another backup was proven
    since."""

    def as_json(self) -> dict[str, Any]:
        copies = [vars(item) for item in self.copies]
        told = {"absent": list(self.absent), "unknown": dict(self.unknown), "proven": self.proven}
        return {"tenant": self.tenant, "copies": copies} | told


def show(workspace: Workspace, name: str, identifier: str) -> Shown:
    """Show one backup. `identifier` is its id at a target (the first 8 digits suffice) or its operation's id.
    StateError when there is no such backup."""
    found = backups(workspace, name)
    fitting = [item for item in found.backups if identifier == item.operation or item.id.startswith(identifier)]
    if len({item.operation or item.id for item in fitting}) != 1:
        what = f"more than one backup {identifier}" if fitting else f"no backup {identifier}{_problems(found)}"
        raise StateError(f"{name}: {what}", code="not-one-backup-of-tenant", hint=Next("backups list", name))
    whole = fitting[0].operation
    copies = tuple(item for item in found.backups if item in fitting or (whole and item.operation == whole))
    fleet = workspace.fleet.load()
    rest = [str(item.name) for item in targets_of(fleet, fleet.tenant(name))]
    has = {item.target for item in copies} | set(found.problems)
    proof = found.proven
    mine = proof and (proof.snapshot in {item.id for item in copies} or (whole and proof.generation == whole))
    return Shown(
        tenant=found.tenant,
        copies=copies,
        absent=tuple(item for item in rest if item not in has),
        unknown=found.problems,
        proven=proof.proven if proof and mine else None,
    )


def backups(workspace: Workspace, name: str) -> Backups:
    """Read every target's repository, through the tenant's host, which has the key."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    return asked(workspace, tenant, targets_of(fleet, tenant))


def asked(
    workspace: Workspace, tenant: Tenant, targets: Sequence[Target], *, key: Secret | None = None, source: str = ""
) -> Backups:
    """Read the tenant's own backups through its host, or with `source` another tenant's backups."""
    fleet = workspace.fleet.load()
    asked = ReadBackups(tenant=str(tenant.name), targets=tuple(as_sent(targets)), secrets=with_key(key), source=source)
    with hosts_of(workspace).reach(fleet.host(tenant.host)) as runner:
        said = ask(runner, asked, seconds=LOOK_SECONDS * len(targets))
    found = [backup_from(target, item) for target, items in said.snapshots.items() for item in items]
    ordered = tuple(sorted(found, key=lambda item: item.at, reverse=True))
    return Backups(
        tenant=source or str(tenant.name),
        backups=ordered,
        problems=said.problems,
        states=said.targets,
        proven=said.proven,
    )


def newest_of_absent(workspace: Workspace, tenant: Tenant) -> Backup | None:
    """The newest backup at a target over the network, read through the host where the tenant will run; None when the
    tier has only folders on hosts. StateError when there is no backup."""
    fleet = workspace.fleet.load()
    targets_of(fleet, tenant)
    return newest_with_key(workspace, tenant)[0] if remote_targets(fleet, tenant) else None


def newest_with_key(workspace: Workspace, tenant: Tenant) -> tuple[Backup, Secret]:
    """The newest backup at a target over the network, and its key, read through the host where the tenant will run.
    StateError when there is no backup."""
    name, fleet = str(tenant.name), workspace.fleet.load()
    remote = remote_targets(fleet, tenant)
    with hosts_of(workspace).reach(fleet.host(tenant.host)) as runner:
        key = missing_key(workspace, runner, tenant, remote, source=name)
    if key is None:
        raise StateError(
            f"{name}: no target has a backup of {name}", code="no-target-has-backup", hint=Next("target show", "TARGET")
        )
    return chosen(asked(workspace, tenant, remote, key=key, source=name), ""), key


def verify(
    workspace: Workspace, name: str, *, part: str = "", identifier: str = "", on_event: OnEvent = ignore
) -> Outcome:
    """Verify the structure of every repository of the tenant and read a part of the data: today's of seven parts unless
    a part is named. OperationFailed when a repository is damaged or does not answer."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    targets = targets_of(fleet, tenant)
    submission = Submission(
        identifier=identifier,
        operation={
            "kind": "verify",
            "tenant": str(tenant.name),
            "targets": as_sent(targets),
            "part": part or todays_part(workspace.clock.now()),
        },
    )
    wish = Wish(kind="verify", tenant=str(tenant.name), words={"part": part})
    return submit_once(workspace, fleet.host(tenant.host), wish, submission, on_event=on_event)


def judge_at(at: str) -> None:
    """Raise Malformed unless the text is a backup's id, a time, or empty."""
    if at and not IDENTIFIER.fullmatch(at):
        moment(at)


def chosen(found: Backups, at: str) -> Backup:
    """The backup with that id, or the newest before that time, or the newest of all; StateError when there is none."""
    if IDENTIFIER.fullmatch(at):
        fitting = [item for item in found.backups if item.id.startswith(at)]
    else:
        until = moment(at) if at else float("inf")
        fitting = [item for item in found.backups if item.at <= until]
    if not fitting:
        hint = Next("backups list", found.tenant)
        raise StateError(f"{found.tenant}: no backup {at or 'yet'}{_problems(found)}", code="no-backup", hint=hint)
    return fitting[0]


def _problems(found: Backups) -> str:
    return "".join(f"; {target}: {problem}" for target, problem in found.problems.items())


def moment(text: str) -> float:
    """Parse a time such as 2026-11-22T14:00 (in this machine's zone unless the text has a zone) to seconds since 1970.
    Raise Malformed for any other text."""
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        what = f"{quoted(text)} is neither a backup's id nor a time"
        raise Malformed(what, expected="an id such as 1f2e3d4c, or a time such as 2026-11-22T14:00") from error


def todays_part(now: float) -> str:
    """The part to verify today: The part to verify today: `1/7` on a Monday, `7/7` on a Sunday, UTC."""
    return f"{datetime.datetime.fromtimestamp(now, datetime.UTC).isoweekday()}/{PARTS}"


def backup_from(target: str, item: StoredBackup) -> Backup:
    """A backup from a repository's record."""
    tags = dict(tag.partition("=")[::2] for tag in item.tags)
    return Backup(
        target=target,
        id=item.id,
        at=datetime.datetime.fromisoformat(item.time).timestamp(),
        size=item.bytes,
        files=item.files,
        operation=tags.get("generation", ""),
        app=tags.get("app", ""),
        version=tags.get("version", ""),
        release=tags.get("release", ""),
        added=item.added,
        new_files=item.new_files,
    )
