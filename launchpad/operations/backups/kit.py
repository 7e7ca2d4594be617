"""kit: make the emergency kit, which restores the fleet after the loss of operators, their machines, hosts or
Launchpad."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from launchpad.errors import LaunchpadError, StateError
from launchpad.fleet.keeping.unstaged import refuse_in_git
from launchpad.fleet.keeping.workspace_files import refuse_no_folder, remove_file, replace_file
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.recovery import Recovery
from launchpad.fleet.model.target import Target
from launchpad.fleet.sealing.age import lock, new_identity
from launchpad.fleet.sealing.keys import new_ssh_key
from launchpad.fleet.words.secret import Secret
from launchpad.operations.backups.kit_page import Contents, Seal, TargetAccess, page
from launchpad.operations.backups.reseal import reseal
from launchpad.workspace import Workspace

SHORTEST = 12
"""The least number of characters of a passphrase."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A kit that was made."""

    recovery: Recovery
    failures: dict[str, LaunchpadError]
    """Owner → why this operator could not seal the owner's secrets for the kit."""


def kit(workspace: Workspace, file: Path, *, passphrase: Secret, seal: Seal = lock) -> Made:
    """Make the recovery keys, write them with instructions into the file (mode 0600), encrypted with the passphrase,
    and write the public halves into launchpad.yaml; then seal every secret for the recovery keys too. The private keys
    are stored nowhere else. StateError when there is a kit, when the file exists, or when the passphrase is short."""
    fleet = makeable(workspace, file)
    if len(passphrase.reveal()) < SHORTEST:
        raise StateError(
            f"the passphrase has fewer than {SHORTEST} characters",
            code="passphrase-too-short",
            hint="five random words are good",
        )
    identity, recipient = new_identity()
    ssh_key, ssh_public = new_ssh_key("launchpad recovery")
    signing_key, signing_public = new_ssh_key("launchpad recovery signing")
    contents = Contents(
        recipient=recipient,
        identity=Secret(identity.strip().splitlines()[-1]),
        ssh_key=ssh_key,
        signing_key=signing_key,
        places=tuple(_place(workspace, target) for _, target in sorted(fleet.targets.items())),
    )
    replace_file(file, page(contents, passphrase, now=workspace.clock.now(), seal=seal).encode(), mode=0o600)
    recovery = Recovery(recipient=recipient, ssh_key=ssh_public, signing_key=signing_public)
    try:
        workspace.fleet.set_recovery(recovery)
    except BaseException:
        remove_file(file)
        raise
    return Made(recovery=recovery, failures=reseal(workspace).failures)


def makeable(workspace: Workspace, file: Path) -> Fleet:
    """Check that a kit can be made and written to the file, before the passphrase is asked for; return the fleet.
    StateError as of `kit`."""
    fleet = workspace.fleet.load()
    if fleet.defaults.recovery is not None:
        raise StateError(
            f"there is an emergency kit already: recovery in launchpad.yaml is {fleet.defaults.recovery.recipient}",
            code="kit-exists",
            hint="if the kit is lost: remove recovery: from launchpad.yaml, and make another kit",
        )
    if file.exists() or file.is_symlink():
        raise StateError(f"{file} exists already", code="kit-file-exists", hint="name another file")
    refuse_no_folder(file)  # a stick that is not mounted
    refuse_in_git(file, workspace.root)
    return fleet


def _place(workspace: Workspace, target: Target) -> TargetAccess:
    given = workspace.target_secrets.reveal(target.name) if target.credentials else {}
    known = {str(name): value.reveal() for name, (_, value) in given.items() if name in target.credentials}
    return TargetAccess(target=target, credentials=known)
