"""The emergency kit's page: what anybody may read on it, and below that, under a passphrase, what it is for.

The sealed part is a text for people who have age and restic alone; its last line is the same for Launchpad.
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

VARIABLES = {
    "REST_USER": "RESTIC_REST_USERNAME",
    "REST_PASSWORD": "RESTIC_REST_PASSWORD",
    "S3_KEY_ID": "AWS_ACCESS_KEY_ID",
    "S3_SECRET": "AWS_SECRET_ACCESS_KEY",
}
"""A credential's name → what restic reads it from."""
ARMORED = re.compile(r"-----BEGIN AGE ENCRYPTED FILE-----.*?-----END AGE ENCRYPTED FILE-----\n?", re.DOTALL)
MACHINE = "For Launchpad: "
PAGE = """\
LAUNCHPAD EMERGENCY KIT, made {date}
recovery identity {recipient}

Whoever has this page and its passphrase is root on every host of this fleet, and can read every secret, every backup
and the workspace. Keep two copies of the page in two places, and the passphrase apart from them.

With Launchpad, on any Linux machine that has git and restic 0.17 or newer:

     launchpad kit open kit.txt fleet

This asks for the passphrase, puts the kit's keys in place and brings the workspace back into the folder fleet. How it
goes on from there is in docs/disaster.md.

Without Launchpad, with `age` and restic 0.17 or newer:

1. Open the sealed part, in a folder that nobody else reads. opened.txt then names the places; write what stands there
   for WORKSPACE, KEYS and REPOSITORY, and the tenant's name for TENANT. Make a place known as it says there.
     sed -n '/^-----BEGIN AGE/,/^-----END AGE/p' kit.txt | age -d > opened.txt
     grep '^AGE-SECRET-KEY-' opened.txt > identity.txt
2. The workspace (inventory, templates, settings, sealed secrets), as `launchpad backup --this-workspace` sent it:
     export RESTIC_PASSWORD=launchpad
     restic -r WORKSPACE dump latest workspace.tar.gz.age | age -d -i identity.txt | tar xz
   It is in ./workspace. If there is a history.bundle, `git clone history.bundle fleet` brings what was committed; copy
   what is in ./workspace over it.
3. A tenant's key lies beside its backups, in a small repository with the public password `launchpad`:
     restic -r KEYS dump latest key.age | age -d -i identity.txt > key
   If that does not open, or step 4 says that the key is wrong, somebody laid another one beside it: `restic -r KEYS
   snapshots` lists the earlier ones; take each one's ID in the place of latest.
4. The backups:
     unset RESTIC_PASSWORD
     restic -r REPOSITORY --password-file key snapshots
     restic -r REPOSITORY --password-file key restore latest:/srv/generation --target ./data
   ./data then has one folder for each volume of the app, with the files as they were.

{sealed}"""
OPENED = """\
THE OPENED EMERGENCY KIT. Delete this text when you have used it.

The recovery identity opens all that is sealed:

{identity}

The SSH key of the operator `recovery`, whom every host lets in:

{ssh_key}

The key that signs a runner and a host's settings as `recovery`:

{signing_key}

THE PLACES, and what hosts were given for them when the page was made. Newer values are in the workspace, in
inventory/secrets/targets/, sealed for the recovery identity too.

{places}

{machine}
"""


class Unseal(Protocol):
    """Opens what `seal` made; StateError, which names `what`, for another passphrase."""

    def __call__(self, sealed: str, passphrase: Secret, *, what: str) -> str: ...


Seal = Callable[[str, Secret], str]
"""A text under a passphrase, armored. To make it hard to guess takes a second of work."""


@dataclass(frozen=True, kw_only=True)
class TargetAccess:
    """A target, and what it is reached with. A REST server may want nothing."""

    target: Target
    credentials: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What is under the passphrase."""

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
        places=places or "(There were no targets when this page was made: make another kit when there are.)",
        machine=MACHINE + json.dumps(_as_json(contents)),
    )
    date = time.strftime("%Y-%m-%d", time.gmtime(now))
    return PAGE.format(date=date, recipient=contents.recipient, sealed=seal(opened, passphrase))


def opened(text: str, passphrase: Secret, *, what: str, unseal: Unseal = unlock) -> Contents:
    """What is on the page; StateError, which names `what`, when it is no kit or the passphrase is another one."""
    found = ARMORED.search(text)
    if found is None:
        raise StateError(f"{what} is not an emergency kit of this Launchpad", hint="launchpad kit make FILE makes one")
    line = unseal(found[0], passphrase, what=what).rstrip().splitlines()[-1]
    if not line.startswith(MACHINE):
        raise StateError(f"{what} is not an emergency kit of this Launchpad", hint="launchpad kit make FILE makes one")
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
    """Where the repositories of one target lie, as restic is told of them, and what makes it known to a shell."""
    target = place.target
    where = [
        ("WORKSPACE", "none here" if target.kind == "local" else _location(target, NAME)),
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
