"""launchpad init: make a workspace."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.session import Session
from launchpad.errors import StateError
from launchpad.fleet.keeping.scaffold import Owner, refuse_existing, scaffold
from launchpad.fleet.keeping.unstaged import ignore, refuse_home, refuse_private_files

app = typer.Typer()


@app.command("init", epilog="Example: launchpad init my-fleet")
def init(
    ctx: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="The workspace's folder; it is created when missing. Default: this folder.",
            autocompletion=complete.folders,
        ),
    ] = Path(),
    git: Annotated[
        bool | None,
        typer.Option(
            "--git/--no-git",
            help="Make a Git repository, or none. Default: make one, unless the folder is in a Git repository or git "
            "is missing.",
        ),
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Add an example fleet: one host, two tenants and an app of your own.")
    ] = False,
) -> None:
    """Make a workspace with the fleet's settings and tiers.

    Then add hosts and tenants with `launchpad host add` and `launchpad tenant add`. `launchpad init` also makes your
    keys in ~/.config/launchpad if they are missing. Existing files are never overwritten.
    """
    session = Session.of(ctx)
    root = folder.expanduser().absolute()
    refuse_existing(root)
    keys = session.keys
    refuse_home(root, session.settings.home)
    refuse_private_files(root, own=session.settings.config)
    made_keys = keys.make_missing(comment=str(session.settings.operator))
    for path in keys.paths().values():
        if path.resolve().is_relative_to(root.resolve()):
            ignore(path)
    owner = Owner(session.settings.operator, keys.ssh_public, keys.signing_public, keys.recipient)
    files = scaffold(root, owner, example=example)
    generated = _generate_secrets(session, root)
    repository = _make_repository(root, wanted=git)
    data = {
        "workspace": str(root),
        "files": [path.relative_to(root).as_posix() for path in files],
        "keys_made": [str(path) for path in made_keys],
        "generated": generated,
        "repository_made": repository,
    }
    session.output.result(data, f"made a workspace in {root}")
    for path in made_keys:
        session.output.say(f"made the key {path}")
    session.output.say(_next_steps(folder, elsewhere=root != Path.cwd(), repository=repository, example=example))


def _next_steps(folder: Path, *, elsewhere: bool, repository: bool, example: bool) -> str:
    """The commands to type, up to the first tenant that serves."""
    steps = [f"cd {folder}"] if elsewhere else []
    if example:
        steps += [
            "write your VPS's address and size into inventory/hosts.yaml",
            "write a domain that points to the VPS into inventory/tenants/alice.yaml",
        ]
    else:
        steps += [
            "launchpad host add web-1 --address … --memory 4GiB --cpus 2 --disk 30GiB",
            "launchpad tenant add alice --tier standard --domain alice.example.com",
        ]
    steps += [
        "launchpad app pin",
        "launchpad check",
        "launchpad provision web-1 --root-key ~/.ssh/id_ed25519",
        "launchpad secret set alice ANTHROPIC_API_KEY",
        "launchpad deploy alice",
    ]
    if repository:
        steps.append("git add -A; git commit -m 'Our fleet'")
    return "\n".join(["next:", *(f"  {step}" for step in steps)])


def _generate_secrets(session: Session, root: Path) -> dict[str, list[str]]:
    """Generate the tokens that the example's apps need; return only their names."""
    from launchpad.workspace import Workspace

    workspace = Workspace.open(root, settings=session.settings, environment=session.environment)
    fleet = workspace.fleet.load()
    return {
        str(name): sorted(map(str, workspace.secrets.generate_missing(tenant.name, fleet.apps[tenant.app])))
        for name, tenant in sorted(fleet.tenants.items())
    }


def _make_repository(root: Path, *, wanted: bool | None) -> bool:
    """Make a Git repository; return whether one was made. Nothing is committed: the operator edits the example first.
    StateError only when the operator gave --git."""
    if wanted is False or (wanted is None and _in_repository(root)):
        return False
    try:
        command = ["git", "-C", str(root), "init", "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        if wanted is None:
            return False
        raise StateError(
            "the workspace is made, but git cannot be run", code="git-cannot-run", hint="apt install git"
        ) from error
    if done.returncode != 0 and wanted:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise StateError(
            f"the workspace is made, but git init failed: {reason}", code="git-init-failed", hint=f"git -C {root} init"
        )
    return done.returncode == 0


def _in_repository(root: Path) -> bool:
    return any((folder / ".git").exists() for folder in (root, *root.parents))
