"""launchpad init: a workspace that works as it stands."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.session import Session
from launchpad.errors import StateError
from launchpad.fleet.keys import Keys
from launchpad.fleet.scaffold import Owner, refuse_existing, scaffold

app = typer.Typer()


@app.command("init", epilog="Example: launchpad init my-fleet --git")
def init(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Made when missing.", autocompletion=complete.folders)
    ] = Path(),
    git: Annotated[bool, typer.Option("--git", help="Make it a Git repository too.")] = False,
) -> None:
    """Make a workspace: an example fleet of two tenants on one host, which you then make yours.

    Makes this operator's keys too, in ~/.config/launchpad, where they are missing. Never overwrites anything.
    """
    session = Session.of(ctx)
    settings = session.settings
    root = folder.expanduser().absolute()
    refuse_existing(root)
    keys = Keys(settings.identity, settings.ssh_key or settings.config / "ssh_ed25519", settings.signing_key)
    made_keys = keys.make_missing(comment=str(settings.operator))
    owner = Owner(settings.operator, keys.ssh_public, keys.signing_public, keys.recipient)
    files = scaffold(root, owner)
    if git:
        _git_init(root)
    data = {"workspace": str(root), "files": [path.relative_to(root).as_posix() for path in files]}
    session.output.result(data | {"keys_made": [str(path) for path in made_keys]}, f"made a workspace in {root}")
    for path in made_keys:
        session.output.say(f"made the key {path}")
    cd = "" if root == Path.cwd() else f"cd {folder}; "
    session.output.say(f"next: {cd}launchpad check; then write your VPS's address into inventory/hosts.yaml")


def _git_init(root: Path) -> None:
    try:
        command = ["git", "-C", str(root), "init", "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError as error:
        raise StateError("the workspace is made, but git is not installed", hint="apt install git") from error
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise StateError(f"the workspace is made, but git init failed: {reason}", hint=f"git -C {root} init")
