"""kit: what restores every backup when all else is gone: operators, their machines, the hosts, Launchpad itself."""

from __future__ import annotations

import shlex
from pathlib import Path

from launchpad.errors import StateError
from launchpad.fleet.files import remove_file, replace_file
from launchpad.fleet.fleet import Fleet
from launchpad.fleet.references import Recipient
from launchpad.fleet.sealing import new_identity
from launchpad.fleet.target import Target
from launchpad.operations.backup_workspace import NAME
from launchpad.workspace import Workspace

VARIABLES = {
    "REST_USER": "RESTIC_REST_USERNAME",
    "REST_PASSWORD": "RESTIC_REST_PASSWORD",
    "S3_KEY_ID": "AWS_ACCESS_KEY_ID",
    "S3_SECRET": "AWS_SECRET_ACCESS_KEY",
}
"""A credential's name → what restic reads it from."""
PAGE = """\
LAUNCHPAD EMERGENCY KIT

Whoever has this page can read every backup of this fleet that was begun since it was made, and the workspace with every
secret in it. Print it or put it on two sticks, lock it away in two places, and remove this file.

The recovery identity ({recipient}):

{identity}

You need any Linux machine with `age` and `restic` 0.17 or newer, and one of the places below.

1. Save the line that begins with AGE-SECRET-KEY as identity.txt.
2. The workspace (inventory, templates, settings, sealed secrets), as `launchpad backup --this-workspace` sent it:
     export RESTIC_PASSWORD=launchpad
     restic -r WORKSPACE dump latest workspace.tar.gz.age | age -d -i identity.txt | tar xz
   It is ./workspace. If there is a history.bundle, `git clone history.bundle fleet` brings what was committed; copy
   what is in ./workspace over it. With Launchpad and LAUNCHPAD_IDENTITY=identity.txt all goes on from here; the steps
   below are for doing without.
3. A tenant's key lies beside its backups, in a small repository with the public password `launchpad`:
     restic -r REPOSITORY.key dump latest key.age | age -d -i identity.txt > key
   If that does not open, somebody laid another beside it: restic -r REPOSITORY.key snapshots has the earlier ones.
4. The backups:
     unset RESTIC_PASSWORD
     restic -r REPOSITORY --password-file key snapshots
     restic -r REPOSITORY --password-file key restore latest:/srv/generation --target ./data
   ./data then has one folder for each volume of the app, with the files as they were.

REPOSITORY is, for a tenant called TENANT, and WORKSPACE the same with {workspace} in the place of TENANT:
{places}

What hosts were given for these places when this page was made (newer values are in the workspace, in
inventory/secrets/targets/, sealed for this identity too):
{credentials}
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
    page = PAGE.format(
        recipient=recipient,
        identity=content.strip().splitlines()[-1],
        places=places(fleet),
        workspace=NAME,
        credentials=credentials(workspace, fleet),
    )
    replace_file(file, page.encode(), mode=0o600)
    try:
        workspace.fleet.set_recovery(recipient)
    except BaseException:
        remove_file(file)
        raise
    return recipient


def credentials(workspace: Workspace, fleet: Fleet) -> str:
    """What a shell is told for each place; the words that say so where nothing is known."""
    lines: list[str] = []
    for _, target in sorted(fleet.targets.items()):
        if target.kind == "local":
            continue
        given = {name: value.reveal() for name, (_, value) in workspace.target_secrets.reveal(target.name).items()}
        known = {str(name): given[name] for name in target.credentials if name in given}
        if target.kind == "sftp" and known:
            lines += [f"  {target.name}: save these lines as ssh_key (chmod 600); restic -o sftp.args='-i ssh_key' ..."]
            lines += known["SSH_KEY"].strip().splitlines()
        elif known:
            words = " ".join(f"{VARIABLES[name]}={shlex.quote(value)}" for name, value in known.items())
            lines.append(f"  {target.name}: export {words}")
        else:
            lines.append(f"  {target.name}: none were set")
    return "\n".join(lines) or "  (none)"


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
