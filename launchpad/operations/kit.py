"""kit: what restores every backup when all else is gone: operators, their machines, the hosts, Launchpad itself."""

from __future__ import annotations

from pathlib import Path

from launchpad.errors import StateError
from launchpad.fleet.files import remove_file, replace_file
from launchpad.fleet.fleet import Fleet
from launchpad.fleet.references import Recipient
from launchpad.fleet.sealing import new_identity
from launchpad.fleet.target import Target
from launchpad.workspace import Workspace

PAGE = """\
LAUNCHPAD EMERGENCY KIT

Whoever has this page can read every backup of this fleet that was begun since it was made. Print it or put it on two
sticks, lock it away in two places, and remove this file.

The recovery identity ({recipient}):

{identity}

To restore a tenant's data without Launchpad you need any Linux machine with `age` and `restic` 0.17 or newer, and
credentials of one of the places below. They are sealed for this identity too, in inventory/secrets/targets/ of the
workspace: `age -d -i identity.txt` opens each value.

1. Save the line that begins with AGE-SECRET-KEY as identity.txt.
2. The tenant's key lies beside its backups, in a small repository with the public password `launchpad`:
     export RESTIC_PASSWORD=launchpad
     restic -r REPOSITORY.key dump latest key.age | age -d -i identity.txt > key
3. The backups:
     unset RESTIC_PASSWORD
     restic -r REPOSITORY --password-file key snapshots
     restic -r REPOSITORY --password-file key restore latest:/srv/generation --target ./data
   ./data then has one folder for each volume of the app, with the files as they were.

REPOSITORY is, for a tenant called TENANT:
{places}
"""


def kit(workspace: Workspace, file: Path) -> Recipient:
    """Make the recovery identity, write it and how to use it to the file (0600), and its public half into
    launchpad.yaml. It is kept nowhere else. StateError when there is one already, or the file is there."""
    fleet = workspace.fleet.load()
    if fleet.defaults.recovery is not None:
        raise StateError(
            f"there is an emergency kit already: recovery in launchpad.yaml is {fleet.defaults.recovery}",
            hint="when it is lost: take recovery: out of launchpad.yaml, and make another one",
        )
    if file.exists() or file.is_symlink():
        raise StateError(f"{file} is there already", hint="name another file")
    content, recipient = new_identity()
    page = PAGE.format(recipient=recipient, identity=content.strip().splitlines()[-1], places=places(fleet))
    replace_file(file, page.encode(), mode=0o600)
    try:
        workspace.fleet.set_recovery(recipient)
    except BaseException:
        remove_file(file)
        raise
    return recipient


def places(fleet: Fleet) -> str:
    """Where repositories lie, as restic is told of them."""
    found = [f"  {target.name}: {_location(target)}" for _, target in sorted(fleet.targets.items())]
    return "\n".join(found) or "  (no targets yet: see inventory/targets.yaml)"


def _location(target: Target) -> str:
    match target.kind:
        case "local":
            return f"{target.url}/TENANT (on the tenant's host)"
        case "rest":
            return f"rest:{target.url}/TENANT/"
        case "s3":
            return f"s3:{target.url}/TENANT"
        case _:
            server, _, path = str(target.url).removeprefix("sftp://").partition("/")
            return f"sftp://{server}//{path}/TENANT"
