"""kit open: write the kit's keys and restore the workspace on any machine, from the kit alone."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyrage  # type: ignore[import-untyped]

from launchpad.errors import LaunchpadError, ServiceError, StateError
from launchpad.fleet.keeping.unstaged import ignore
from launchpad.fleet.keeping.workspace_files import private_folder, refuse_no_folder, replace_file, told
from launchpad.fleet.sealing.age import identities_in
from launchpad.fleet.sealing.keys import Keys
from launchpad.operations.backups.backup_keys import as_sent
from launchpad.operations.backups.backup_workspace import FILE, FOLDER, HISTORY, NAME
from launchpad.operations.backups.kit_page import Contents, TargetAccess
from launchpad.operations.backups.repositories import HERE, WorkOptions, ask, stored_at
from launchpad.runner.hint import Next
from launchpad.runner.protocol import PUBLIC


@dataclass(frozen=True, kw_only=True)
class FoundWorkspace:
    """The newest backup of the workspace that the kit's identity opens."""

    target: str
    at: str
    """The backup's time, from the repository."""
    content: bytes
    """A tar.gz, see `backup_workspace.packed`."""


def put_keys(contents: Contents, keys: Keys) -> None:
    """Write the kit's keys into the files of this operator's keys. StateError when the files have other keys."""
    wanted = {
        keys.identity: f"{contents.identity.reveal()}\n",
        keys.ssh: contents.ssh_key.reveal(),
        keys.signing: contents.signing_key.reveal(),
    }
    for path, text in wanted.items():
        if os.path.lexists(path) and path.read_text(encoding="utf-8", errors="replace") != text:
            raise StateError(
                f"{path} has another key and is not replaced",
                code="kit-key-differs",
                hint="LAUNCHPAD_CONFIG=~/kit-keys "
                + Next("kit open", "FILE", "FOLDER")
                + "; keep LAUNCHPAD_CONFIG set afterwards",
            )
    for path, text in wanted.items():
        private_folder(path.parent)
        ignore(path)
        replace_file(path, text.encode(), mode=0o600)


def saved_workspace(contents: Contents, *, how: WorkOptions = HERE) -> FoundWorkspace:
    """The workspace's backup from the first target over the network that has one. ServiceError, with each target's
    problem, when none has one."""
    said: list[LaunchpadError] = []
    for place in contents.places:
        if place.target.kind == "local":
            continue
        try:
            return workspace_at(place, contents, how=how)
        except LaunchpadError as error:
            said.append(error)
    if not said:
        raise StateError(
            "the kit names no target over the network, so the workspace cannot be restored",
            code="kit-without-network-target",
            hint="clone the workspace from Git: the kit's keys are in place and open its secrets",
        )
    ours = (error.hint for error in said if error.hint and not isinstance(error, ServiceError))
    hint = next(ours, "to try again, type the same command")
    why = "; ".join(error.message for error in said)
    raise ServiceError(
        f"no target could restore the workspace: {why}", code="no-target-could-restore-workspace", hint=hint
    )


def workspace_at(place: TargetAccess, contents: Contents, *, how: WorkOptions = HERE) -> FoundWorkspace:
    """The newest backup of the workspace at the target that the identity opens; errors as of `ask`, ServiceError when
    there is none."""
    (sent,) = as_sent([place.target])
    repository = sent | {"password": PUBLIC, "credentials": dict(place.credentials)}
    order = {"tenant": NAME, "repository": repository}
    keys = identities_in(contents.identity.reveal())
    found = stored_at(place.target, order, how)
    for item in reversed(found):
        text = ask(place.target, order | {"do": "read", "snapshot": item.id, "file": FILE}, how)["text"]
        try:
            content = pyrage.decrypt(text.encode(), keys)
        except pyrage.DecryptError:
            continue  # sent before the kit was made, or added by an intruder
        return FoundWorkspace(target=str(place.target.name), at=item.time, content=content)
    have = f"none of {len(found)} backups of the workspace opens with this kit" if found else "no workspace"
    raise ServiceError(
        f"{place.target.name}: {have}", code="no-workspace-backup", hint=Next("backup", "--this-workspace")
    )


def free(folder: Path) -> Path:
    """The folder's absolute path, which must not exist and must be writable; otherwise StateError or InventoryError."""
    folder = folder.absolute()
    if os.path.lexists(folder):
        raise StateError(f"{folder} exists already", code="kit-folder-exists", hint="name a new folder")
    refuse_no_folder(folder)
    return folder


def unpack(saved: FoundWorkspace, folder: Path) -> None:
    """Unpack the workspace with its Git history into the new folder, completely or not at all. StateError when the
    folder exists or cannot be written."""
    folder = free(folder)
    with told(folder), tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as room:
        whole = Path(room) / FOLDER
        with tarfile.open(fileobj=io.BytesIO(saved.content), mode="r:gz") as tar:
            files = {item.name: tar.extractfile(item) for item in tar if item.isreg()}
            if (history := files.pop(HISTORY, None)) is not None:
                bundle = Path(room) / HISTORY
                bundle.write_bytes(history.read())
                _clone(bundle, whole)
            for name, stream in files.items():
                path = Path(room, *_parts(name))
                path.parent.mkdir(parents=True, exist_ok=True)
                assert stream is not None
                path.write_bytes(stream.read())
        whole.rename(folder)


def _parts(name: str) -> list[str]:
    """The path's parts below the workspace's folder; StateError for a path outside of it."""
    parts = name.split("/")
    if parts[0] != FOLDER or not {"", ".", "..", ".git"}.isdisjoint(parts[1:]) or len(parts) < 2:
        raise StateError(
            f"the workspace's backup has a file {name[:100]!r}, which is not one of a workspace",
            code="workspace-backup-has-other-file",
        )
    return parts


def _clone(bundle: Path, to: Path) -> None:
    if shutil.which("git") is None:
        raise StateError("git is not on this machine", code="git-not-on-this-machine", hint="apt install git")
    for words in (["clone", "-q", str(bundle), str(to)], ["-C", str(to), "remote", "remove", "origin"]):
        done = subprocess.run(["git", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StateError(
                f"git {words[0]}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}", code="git-command-failed"
            )
