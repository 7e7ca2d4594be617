"""The emergency kit's page: public instructions, and below them the keys, encrypted with a passphrase.

The encrypted part is a text for people who have only age and restic. Its last line has the same content for Launchpad.
"""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from launchpad.errors import StateError
from launchpad.fleet.model.target import Target
from launchpad.fleet.sealing.age import lock, unlock
from launchpad.fleet.words.references import Recipient
from launchpad.fleet.words.secret import Secret
from launchpad.operations.backups.backup_workspace import NAME
from launchpad.runner.hint import Next

VARIABLES = {
    "REST_USER": "RESTIC_REST_USERNAME",
    "REST_PASSWORD": "RESTIC_REST_PASSWORD",
    "S3_KEY_ID": "AWS_ACCESS_KEY_ID",
    "S3_SECRET": "AWS_SECRET_ACCESS_KEY",
}
"""A credential's name → the environment variable from which restic reads it."""
ARMORED = re.compile(r"-----BEGIN AGE ENCRYPTED FILE-----.*?-----END AGE ENCRYPTED FILE-----\n?", re.DOTALL)
NO_KIT = "to make a kit: " + Next("kit make", "FILE")
MACHINE = "For Launchpad: "
PAGE = """\
LAUNCHPAD EMERGENCY KIT, made {date}
recovery identity {recipient}

Whoever has this page and its passphrase is root on every host of this fleet, and can read every secret, every backup
and the workspace. Keep two copies of the page in two places, and the passphrase apart from them.

With Launchpad, on any Linux machine that has git and restic 0.17 or newer:

     launchpad kit open kit.txt fleet

This command asks for the passphrase, writes the kit's keys into ~/.config/launchpad and restores the workspace into
the folder fleet. The next steps are in docs/disaster.md.

Without Launchpad, with `age` and restic 0.17 or newer:

1. Decrypt the sealed part, in a folder that nobody else can read. opened.txt then lists the backup targets. In the
   commands below, replace WORKSPACE, KEYS and REPOSITORY by the locations in opened.txt, and TENANT by the tenant's
   name. Set the credentials of a target as opened.txt shows.
     sed -n '/^-----BEGIN AGE/,/^-----END AGE/p' kit.txt | age -d > opened.txt
     grep '^AGE-SECRET-KEY-' opened.txt > identity.txt
2. The workspace (inventory, templates, settings, sealed secrets), as `launchpad backup --this-workspace` sent it:
     export RESTIC_PASSWORD=launchpad
     restic -r WORKSPACE dump latest workspace.tar.gz.age | age -d -i identity.txt | tar xz
   The workspace is now in ./workspace. If there is a history.bundle, `git clone history.bundle fleet` restores every
   commit; then copy the files of ./workspace over the clone.
3. A tenant's key is stored beside its backups, in a small repository with the public password `launchpad`:
     restic -r KEYS dump latest key.age | age -d -i identity.txt > key
   If the key does not decrypt, or step 4 reports a wrong key, somebody added a false key: `restic -r KEYS snapshots`
   lists the earlier keys; use the ID of an earlier key instead of latest.
4. Restore a tenant's newest backup:
     unset RESTIC_PASSWORD
     restic -r REPOSITORY --password-file key snapshots
     restic -r REPOSITORY --password-file key restore latest:/srv/generation --target ./data
   ./data then has one folder for each volume of the app, with the files as they were.

{sealed}"""
OPENED = """\
THE OPENED EMERGENCY KIT. Delete this text when you have used it.

The recovery identity decrypts everything that is sealed:

{identity}

The SSH key of the operator `recovery`, who can log in to every host:

{ssh_key}

The key that signs a runner and a host's settings as `recovery`:

{signing_key}

THE BACKUP TARGETS, and the hosts' credentials for them when the page was made. Newer values are in the workspace, in
inventory/secrets/targets/, sealed for the recovery identity too.

{places}

{machine}
"""


class Unseal(Protocol):
    """Decrypts the output of `seal`; StateError, which names `what`, for a wrong passphrase."""

    def __call__(self, sealed: str, passphrase: Secret, *, what: str) -> str: ...


Seal = Callable[[str, Secret], str]
"""Encrypts a text with a passphrase, armored. The key derivation takes about one second, against guessing."""


@dataclass(frozen=True, kw_only=True)
class TargetAccess:
    """A target and its credentials. A REST server may need none."""

    target: Target
    credentials: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The encrypted part of the page."""

    recipient: Recipient
    """The identity's public half."""
    identity: Secret
    ssh_key: Secret
    signing_key: Secret
    places: tuple[TargetAccess, ...]


def page(contents: Contents, passphrase: Secret, *, now: float, seal: Seal = lock) -> str:
    """The whole page."""
    places = "\n\n".join(_place(item) for item in contents.places)
    opened = OPENED.format(
        identity=contents.identity.reveal(),
        ssh_key=contents.ssh_key.reveal().strip(),
        signing_key=contents.signing_key.reveal().strip(),
        places=places or "(There were no targets when this page was made. Make another kit after you add targets.)",
        machine=MACHINE + json.dumps(_as_json(contents)),
    )
    date = time.strftime("%Y-%m-%d", time.gmtime(now))
    return PAGE.format(date=date, recipient=contents.recipient, sealed=seal(opened, passphrase))


def opened(text: str, passphrase: Secret, *, what: str, unseal: Unseal = unlock) -> Contents:
    """Decrypt the page's contents; StateError, which names `what`, when the text is no kit or the passphrase is
    wrong."""
    found = ARMORED.search(text)
    if found is None:
        raise StateError(f"{what} is not an emergency kit of this Launchpad", code="not-a-kit", hint=NO_KIT)
    line = unseal(found[0], passphrase, what=what).rstrip().splitlines()[-1]
    if not line.startswith(MACHINE):
        raise StateError(f"{what} is not an emergency kit of this Launchpad", code="not-a-kit", hint=NO_KIT)
    told: dict[str, Any] = json.loads(line.removeprefix(MACHINE))
    return Contents(
        recipient=Recipient(told["recipient"]),
        identity=Secret(told["identity"]),
        ssh_key=Secret(told["ssh_key"]),
        signing_key=Secret(told["signing_key"]),
        places=tuple(
            TargetAccess(target=Target.model_validate_json(json.dumps(item["target"])), credentials=item["credentials"])
            for item in told["places"]
        ),
    )


def _as_json(contents: Contents) -> dict[str, Any]:
    return {
        "recipient": str(contents.recipient),
        "identity": contents.identity.reveal(),
        "ssh_key": contents.ssh_key.reveal(),
        "signing_key": contents.signing_key.reveal(),
        "places": [
            {"target": item.target.model_dump(mode="json"), "credentials": dict(item.credentials)}
            for item in contents.places
        ],
    }


def _place(place: TargetAccess) -> str:
    """The locations of one target's repositories for restic, and the shell commands that set its credentials."""
    target = place.target
    where = [
        ("WORKSPACE", "no local copy" if target.kind == "local" else _location(target, NAME)),
        ("KEYS", _location(target, "TENANT.key")),
        ("REPOSITORY", _location(target, "TENANT")),
    ]
    about = " (on each tenant's host)" if target.kind == "local" else ""
    lines = [f"{target.name}{about}", *(f"  {name:<10}  {location}" for name, location in where)]
    return "\n".join([*lines, *_known(place)])


def _known(place: TargetAccess) -> list[str]:
    target = place.target
    if target.kind == "local":
        return []
    known = {str(name): place.credentials[name] for name in target.credentials if name in place.credentials}
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
