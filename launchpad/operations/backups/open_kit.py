"""kit open: on a machine that never saw the fleet, the kit's keys and the workspace, from the kit alone."""

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
from launchpad.operations.backups.repositories import HERE, WorkOptions, ask
from launchpad.runner.protocol import PUBLIC


@dataclass(frozen=True, kw_only=True)
class FoundWorkspace:
    """The newest workspace at a place that the kit's identity opens."""

    target: str
    at: str
    """When it was sent, as the repository says."""
    content: bytes
    """A tar.gz, see `backup_workspace.packed`."""


def put_keys(contents: Contents, keys: Keys) -> None:
    """Write the kit's keys where this operator's own would lie. StateError when there are others."""
    wanted = {
        keys.identity: f"{contents.identity.reveal()}\n",
        keys.ssh: contents.ssh_key.reveal(),
        keys.signing: contents.signing_key.reveal(),
    }
    for path, text in wanted.items():
        if os.path.lexists(path) and path.read_text(encoding="utf-8", errors="replace") != text:
            raise StateError(
                f"{path} is another key, and is not replaced",
                hint="LAUNCHPAD_CONFIG=~/kit-keys launchpad kit open FILE FOLDER; keep it set afterwards",
            )
    for path, text in wanted.items():
        private_folder(path.parent)
        ignore(path)
        replace_file(path, text.encode(), mode=0o600)


def saved_workspace(contents: Contents, *, how: WorkOptions = HERE) -> FoundWorkspace:
    """From the first place over the network that has one. ServiceError when none has, with what each said."""
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
            "the kit names no target over the network, so no workspace can come back",
            hint="clone the workspace from Git: the kit's keys are in place, and open it",
        )
    ours = (error.hint for error in said if error.hint and not isinstance(error, ServiceError))
    hint = next(ours, "the same command tries again")
    why = "; ".join(error.message for error in said)
    raise ServiceError(f"no target gives the workspace back: {why}", hint=hint)


def workspace_at(place: TargetAccess, contents: Contents, *, how: WorkOptions = HERE) -> FoundWorkspace:
    """The newest workspace there that the identity opens; errors as of `ask`, ServiceError when there is none."""
    (sent,) = as_sent([place.target])
    repository = sent | {"password": PUBLIC, "credentials": dict(place.credentials)}
    order = {"tenant": NAME, "repository": repository}
    keys = identities_in(contents.identity.reveal())
    found = ask(place.target, order | {"do": "snapshots"}, how)["snapshots"]
    for item in reversed(found):
        text = ask(place.target, order | {"do": "read", "snapshot": item["id"], "file": FILE}, how)["text"]
        try:
            content = pyrage.decrypt(text.encode(), keys)
        except pyrage.DecryptError:
            continue  # sent before the kit was made, or laid there by somebody
        return FoundWorkspace(target=str(place.target.name), at=item["time"], content=content)
    have = f"none of {len(found)} backups of the workspace opens with this kit" if found else "no workspace"
    raise ServiceError(f"{place.target.name}: {have}", hint="launchpad backup --this-workspace sends it")


def free(folder: Path) -> Path:
    """The folder, in full, where nothing is yet and something can be; StateError, or InventoryError, else."""
    folder = folder.absolute()
    if os.path.lexists(folder):
        raise StateError(f"{folder} is there already", hint="name a folder that is not there")
    refuse_no_folder(folder)
    return folder


def unpack(saved: FoundWorkspace, folder: Path) -> None:
    """Make the folder of it, with its Git history; whole or not at all. StateError when there is something,
    and when it cannot be written."""
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
    """The path's parts below the workspace's folder; StateError for one that leads elsewhere."""
    parts = name.split("/")
    if parts[0] != FOLDER or not {"", ".", "..", ".git"}.isdisjoint(parts[1:]) or len(parts) < 2:
        raise StateError(f"the workspace's backup has a file {name[:100]!r}, which is not one of a workspace")
    return parts


def _clone(bundle: Path, to: Path) -> None:
    if shutil.which("git") is None:
        raise StateError("git is not on this machine", hint="apt install git")
    for words in (["clone", "-q", str(bundle), str(to)], ["-C", str(to), "remote", "remove", "origin"]):
        done = subprocess.run(["git", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StateError(f"git {words[0]}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
