"""kit: what restores every backup when all else is gone: operators, their machines, the hosts, Launchpad itself."""

from __future__ import annotations

import shlex
from pathlib import Path

from launchpad.errors import StateError
from launchpad.fleet.files import remove_file, replace_file
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

Whoever has this page can read every backup of this fleet that was begun after the page was made, and the workspace with
every secret in it. Print it or put it on two sticks, lock it away in two places, and remove this file.

The recovery identity ({recipient}):

{identity}

You need any Linux machine with `age` and `restic` 0.17 or newer, and one of the places below. In the commands, write
what stands there for WORKSPACE, KEYS and REPOSITORY, and the tenant's name for TENANT.

1. Save the line that begins with AGE-SECRET-KEY as identity.txt, and make the place known as it says below.
2. The workspace (inventory, templates, settings, sealed secrets), as `launchpad backup --this-workspace` sent it:
     export RESTIC_PASSWORD=launchpad
     restic -r WORKSPACE dump latest workspace.tar.gz.age | age -d -i identity.txt | tar xz
   It is in ./workspace. If there is a history.bundle, `git clone history.bundle fleet` brings what was committed; copy
   what is in ./workspace over it. With Launchpad and LAUNCHPAD_IDENTITY=identity.txt all goes on from here; the steps
   below are for doing without.
3. A tenant's key lies beside its backups, in a small repository with the public password `launchpad`:
     restic -r KEYS dump latest key.age | age -d -i identity.txt > key
   If that does not open, or step 4 says that the key is wrong, somebody laid another one beside it: `restic -r KEYS
   snapshots` lists the earlier ones; take each one's ID in the place of latest.
4. The backups:
     unset RESTIC_PASSWORD
     restic -r REPOSITORY --password-file key snapshots
     restic -r REPOSITORY --password-file key restore latest:/srv/generation --target ./data
   ./data then has one folder for each volume of the app, with the files as they were.

THE PLACES

{places}

What makes them known is what hosts were given when this page was made. Newer values are in the workspace, in
inventory/secrets/targets/, sealed for this identity too.
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
        places="\n\n".join(place(workspace, target) for _, target in sorted(fleet.targets.items()))
        or "(There are no targets yet: write one into inventory/targets.yaml, and see there.)",
    )
    replace_file(file, page.encode(), mode=0o600)
    try:
        workspace.fleet.set_recovery(recipient)
    except BaseException:
        remove_file(file)
        raise
    return recipient


def place(workspace: Workspace, target: Target) -> str:
    """Where the repositories of one target lie, as restic is told of them, and what makes it known to a shell."""
    where = [
        ("WORKSPACE", "none here" if target.kind == "local" else _location(target, NAME)),
        ("KEYS", _location(target, "TENANT.key")),
        ("REPOSITORY", _location(target, "TENANT")),
    ]
    about = " (on each tenant's host)" if target.kind == "local" else ""
    lines = [f"{target.name}{about}", *(f"  {name:<10}  {location}" for name, location in where)]
    return "\n".join([*lines, *_known(workspace, target)])


def _known(workspace: Workspace, target: Target) -> list[str]:
    if target.kind == "local":
        return []
    given = {name: value.reveal() for name, (_, value) in workspace.target_secrets.reveal(target.name).items()}
    known = {str(name): given[name] for name in target.credentials if name in given}
    if not known:
        return ["  no credentials were set"]
    if target.kind == "sftp":
        words = "  save these lines as ssh_key (chmod 600), and write restic -o sftp.args='-i ssh_key' for restic:"
        return [words, *known["SSH_KEY"].strip().splitlines()]
    words = " ".join(f"{VARIABLES[name]}={shlex.quote(value)}" for name, value in known.items())
    return [f"  export {words}"]


def _location(target: Target, name: str) -> str:
    match target.kind:
        case "local":
            return f"{target.url}/{name}"
        case "rest":
            return f"rest:{target.url}/{name}/"
        case "s3":
            return f"s3:{target.url}/{name}"
        case _:
            server, _, path = str(target.url).removeprefix("sftp://").partition("/")
            return f"sftp://{server}//{path}/{name}"
