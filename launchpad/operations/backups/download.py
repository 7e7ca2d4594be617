"""download: write a backup's files to this machine, directly from a target over the network, without a host."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launchpad.errors import LaunchpadError, StateError
from launchpad.fleet.keeping import workspace_files
from launchpad.fleet.keeping.unstaged import keep_out
from launchpad.fleet.words.malformed import Malformed, quoted
from launchpad.operations.backups.backup_keys import targets_of
from launchpad.operations.backups.backups import Backup, Backups, backup_from, chosen, judge_at
from launchpad.operations.backups.repositories import HERE, WorkOptions, ask, stored_at, task, with_key
from launchpad.runner.hint import Next
from launchpad.workspace import Workspace

ARCHIVE = ".tar"


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    """A backup that was downloaded."""

    backup: Backup
    to: Path
    bytes: int

    def as_json(self) -> dict[str, Any]:
        return {"to": str(self.to), "bytes": self.bytes, "backup": vars(self.backup)}


def download(
    workspace: Workspace, name: str, *, to: Path, at: str = "", file: str = "", how: WorkOptions = HERE
) -> Downloaded:
    """Write a backup's files into the new folder `to`, one folder for each volume; as an archive when the name ends
    with .tar; with `file` (VOLUME/PATH) only that file, as the new file `to`. The result is complete or absent, and
    only this user can read it. `at` as for `fetch`. StateError when `to` exists, and when only a folder on a host has
    backups."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    judge_at(at)
    if os.path.lexists(to):
        raise StateError(f"{to} exists already", code="download-exists", hint="name another file or folder")
    if file and not {"", ".", ".."}.isdisjoint(file.split("/")):
        raise Malformed(f"--file: {quoted(file)} is not VOLUME/PATH", expected="such as state/notes.md")
    workspace_files.refuse_no_folder(to)
    keep_out(to)
    remote = [target for target in targets_of(fleet, tenant) if target.kind != "local"]
    if not remote:
        raise StateError(
            f"{name}: the only backups are in a folder on {tenant.host}, which only {tenant.host} can read",
            code="backups-only-in-folder-of-host",
            hint=Next("backups fetch", name),
        )
    ways: dict[str, dict[str, Any]] = {}
    found, problems, errors = [], {}, []
    for target in remote:
        try:
            ways[str(target.name)] = told = with_key(workspace, target, task(workspace, target, str(tenant.name)), how)
            items = stored_at(target, told, how)
        except LaunchpadError as error:
            problems[str(target.name)] = error.message.removeprefix(f"{target.name}: ")
            errors.append(error)
        else:
            found += [backup_from(str(target.name), item) for item in items]
    if len(errors) == len(remote):  # no target could be read, so a backup may exist
        raise errors[0]
    found.sort(key=lambda item: item.at, reverse=True)
    wanted = chosen(Backups(tenant=str(tenant.name), backups=tuple(found), problems=problems, states={}), at)
    order = {"do": "download", "snapshot": wanted.id, "archive": to.suffix == ARCHIVE and not file, "path": file}
    with _whole(to) as partial:
        done = ask(fleet.target(wanted.target), ways[wanted.target] | order | {"to": str(partial)}, how)
    return Downloaded(backup=wanted, to=to, bytes=int(done["bytes"]))


@contextmanager
def _whole(to: Path) -> Iterator[Path]:
    """Give a temporary path that becomes `to` when the block succeeds; after a failure nothing is left, and an existing
    `to` is never overwritten."""
    room = to.absolute().parent / f".{to.name}.{os.getpid()}.partial"
    with workspace_files.told(to.absolute()):
        room.mkdir(mode=0o700)
    try:
        yield room / to.name
        with suppress(OSError):  # for a folder, or on a disk without hard links
            os.link(room / to.name, to)
            return
        if os.path.lexists(to):
            raise StateError(f"{to} exists already", code="download-exists", hint="name another file or folder")
        with workspace_files.told(to.absolute()):
            (room / to.name).rename(to)
    finally:
        shutil.rmtree(room, ignore_errors=True)
