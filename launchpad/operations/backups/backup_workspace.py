"""backup --this-workspace: back up the workspace, encrypted as a whole, to every target over the network.

The backup needs no key of its own: the archive is encrypted with age for the operators and the recovery identity. The
repository has a public password, and a name that no tenant can have.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from launchpad.errors import LaunchpadError, StateError
from launchpad.fleet.keeping.git import Git
from launchpad.fleet.keeping.revision import TEMPLATES
from launchpad.fleet.keeping.workspace_files import STATE
from launchpad.fleet.model.fleet import Fleet, kit_recipients
from launchpad.fleet.model.recovery import RECORD
from launchpad.fleet.model.target import Target
from launchpad.fleet.model.tier import Keep
from launchpad.fleet.reading.inventory_files import SETTINGS_FILE, Snapshot
from launchpad.fleet.sealing.age import seal_bytes
from launchpad.operations.backups.forget import Forgotten, Odd, thin
from launchpad.operations.backups.repositories import HERE, WorkOptions, ask, stored_at, task, with_password
from launchpad.operations.backups.thinning_record import recall
from launchpad.runner.hint import Next
from launchpad.runner.protocol import PUBLIC
from launchpad.workspace import Workspace

NAME = "_launchpad-workspace"
FILE = "workspace.tar.gz.age"
HISTORY = "history.bundle"
FOLDER = "workspace"
OWN = ("known_hosts", "revisions", "seen")
"""The files of the checkout's own state to back up: hosts' keys, deployed revisions, and recorded repositories."""
MOST_BYTES = 256 << 20


@dataclass(frozen=True, kw_only=True)
class SavedWorkspace:
    """The workspace's backup at one target."""

    target: str
    bytes: int
    """Sealed."""


def back_up_workspace(
    workspace: Workspace, *, environment: Mapping[str, str], how: WorkOptions = HERE
) -> dict[str, SavedWorkspace | LaunchpadError]:
    """Back the workspace up to every target except folders on hosts. A failure at one target does not stop the others.
    StateError without such a target or without an emergency kit."""
    fleet = workspace.fleet.load()
    targets = remote(workspace)
    if fleet.defaults.recovery is None:
        raise StateError(
            "there is no emergency kit, so nobody without a workspace could open this backup",
            code="no-kit",
            hint=Next("kit make", "FILE"),
        )
    text = seal_bytes(packed(workspace.root, environment, fleet), kit_recipients(fleet.defaults))
    found: dict[str, SavedWorkspace | LaunchpadError] = {}
    for target in targets:
        how.progress(f"{target.name}: {len(text) >> 10} KiB")
        try:
            told = with_password(task(workspace, target, NAME), PUBLIC)
            ask(target, told | {"do": "put", "text": text, "file": FILE}, how)
        except LaunchpadError as error:
            found[str(target.name)] = error
        else:
            found[str(target.name)] = SavedWorkspace(target=str(target.name), bytes=len(text))
    return found


def forget_workspace(
    workspace: Workspace, *, odd: Odd = "", how: WorkOptions = HERE
) -> dict[str, Forgotten | LaunchpadError]:
    """Prune the workspace's backups at every target by the default `keep` rule."""
    found: dict[str, Forgotten | LaunchpadError] = {}
    for target in remote(workspace):
        try:
            told = with_password(task(workspace, target, NAME, deletes=True), PUBLIC)
            known = bool((recall(workspace, target, NAME) or {}).get("ids"))
            if not stored_at(target, told | {"known": known}, how):
                continue
            done = thin(workspace, target, told, keep=Keep(), odd=odd, how=how)
        except LaunchpadError as error:
            found[str(target.name)] = error
        else:
            found[str(target.name)] = done
    return found


def remote(workspace: Workspace) -> list[Target]:
    """The targets that are reached over the network; StateError when there is none."""
    targets = [target for _, target in sorted(workspace.fleet.load().targets.items()) if target.kind != "local"]
    if not targets:
        raise StateError(
            "there is no target over the network",
            code="no-target-over-network",
            hint="write a target into inventory/targets.yaml",
        )
    return targets


def packed(root: Path, environment: Mapping[str, str], fleet: Fleet) -> bytes:
    """Pack the workspace as a tar.gz: the folder `workspace`, and with Git a `history.bundle` of every commit."""
    git, out = Git(root, environment), io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in {**dict(_files(root)), **dict(_named(root, fleet))}.items():
            _add(tar, f"{FOLDER}/{name}", content)
        if git.tracks(SETTINGS_FILE):
            _add(tar, HISTORY, git.bundle())
    if out.tell() > MOST_BYTES:
        raise StateError(
            f"{root}: the workspace and its Git history have {out.tell() >> 20} MiB, more than the limit of "
            f"{MOST_BYTES >> 20} MiB",
            code="workspace-too-large",
            hint="keep the workspace in a Git repository of its own, without large files",
        )
    return out.getvalue()


def as_json(found: Mapping[str, SavedWorkspace | LaunchpadError]) -> dict[str, Any]:
    """Target → its backup, or its error."""
    return {
        target: said.as_dict() if isinstance(said, LaunchpadError) else asdict(said) for target, said in found.items()
    }


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    """Settings, inventory, sealed secrets, templates, and the checkout's own state; links are not followed."""
    yield from sorted(Snapshot.take(root).files.items())
    folder = root / TEMPLATES
    for path in sorted(folder.rglob("*")) if folder.is_dir() and not folder.is_symlink() else ():
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(root).as_posix(), path.read_bytes()
    if (tested := root / RECORD).is_file():
        yield RECORD, tested.read_bytes()
    for name in OWN:
        top = root / STATE / name
        for path in (top, *sorted(top.rglob("*"))):
            if path.is_file():
                yield path.relative_to(root).as_posix(), path.read_bytes()


def _named(root: Path, fleet: Fleet) -> Iterator[tuple[str, bytes]]:
    """The certificate authorities' files that the inventory names for Caddy. StateError when a file is missing."""
    for caddy in (fleet.defaults.caddy, *(host.caddy for host in fleet.hosts.values())):
        if caddy.acme_ca_root is None:
            continue
        try:
            yield str(caddy.acme_ca_root), (root / str(caddy.acme_ca_root)).read_bytes()
        except OSError as error:
            raise StateError(
                f"caddy.acme_ca_root: cannot read {caddy.acme_ca_root}: {error.strerror}",
                code="acme-root-unreadable",
                hint=f"ls -l {root}",
            ) from error


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size, about.mode = len(content), 0o600
    tar.addfile(about, io.BytesIO(content))
