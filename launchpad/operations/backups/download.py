"""download: a backup's files on this machine, past all hosts: from a target that is reached over the network."""

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
from launchpad.operations.backups.repositories import HERE, WorkOptions, ask, task, with_key
from launchpad.workspace import Workspace

ARCHIVE = ".tar"


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    """A backup that lies here now."""

    backup: Backup
    to: Path
    bytes: int

    def as_json(self) -> dict[str, Any]:
        return {"to": str(self.to), "bytes": self.bytes, "backup": vars(self.backup)}


def download(
    workspace: Workspace, name: str, *, to: Path, at: str = "", file: str = "", how: WorkOptions = HERE
) -> Downloaded:
    """Write a backup's files into the new folder `to`, a folder a volume; as an archive when its name ends with .tar;
    with `file`, VOLUME/PATH, that one alone as the new file `to`.
    It is there whole or not at all, and for this user alone. `at` as for `fetch`. StateError when `to` is there
    already, and when only a folder on a host has backups."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    judge_at(at)
    if os.path.lexists(to):
        raise StateError(f"{to} is there already", hint="name another one")
    if file and not {"", ".", ".."}.isdisjoint(file.split("/")):
        raise Malformed(f"--file: {quoted(file)} is not VOLUME/PATH", expected="such as state/notes.md")
    workspace_files.refuse_no_folder(to)
    keep_out(to)
    remote = [target for target in targets_of(fleet, tenant) if target.kind != "local"]
    if not remote:
        raise StateError(
            f"{name}: its backups lie in a folder on {tenant.host} alone, which only that host reads",
            hint=f"launchpad backups fetch {name}",
        )
    ways: dict[str, dict[str, Any]] = {}
    found, problems, errors = [], {}, []
    for target in remote:
        try:
            ways[str(target.name)] = told = with_key(workspace, target, task(workspace, target, str(tenant.name)), how)
            items = ask(target, told | {"do": "snapshots"}, how)["snapshots"]
        except LaunchpadError as error:
            problems[str(target.name)] = error.message.removeprefix(f"{target.name}: ")
            errors.append(error)
        else:
            found += [backup_from(str(target.name), item) for item in items]
    if len(errors) == len(remote):  # nobody knows whether there is a backup
        raise errors[0]
    found.sort(key=lambda item: item.at, reverse=True)
    wanted = chosen(Backups(tenant=str(tenant.name), backups=tuple(found), problems=problems, states={}), at)
    order = {"do": "download", "snapshot": wanted.id, "archive": to.suffix == ARCHIVE and not file, "path": file}
    with _whole(to) as partial:
        done = ask(fleet.target(wanted.target), ways[wanted.target] | order | {"to": str(partial)}, how)
    return Downloaded(backup=wanted, to=to, bytes=int(done["bytes"]))


@contextmanager
def _whole(to: Path) -> Iterator[Path]:
    """Where to write what is `to` when the block ends well; nothing is left of it otherwise, nor written over."""
    room = to.absolute().parent / f".{to.name}.{os.getpid()}.partial"
    with workspace_files.told(to.absolute()):
        room.mkdir(mode=0o700)
    try:
        yield room / to.name
        with suppress(OSError):  # a folder, or a disk without hard links
            os.link(room / to.name, to)
            return
        if os.path.lexists(to):
            raise StateError(f"{to} is there by now", hint="name another one")
        with workspace_files.told(to.absolute()):
            (room / to.name).rename(to)
    finally:
        shutil.rmtree(room, ignore_errors=True)
