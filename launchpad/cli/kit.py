"""launchpad kit: make, test and open the emergency kit."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.operations.backups.kit_page import Contents
    from launchpad.workspace import Workspace

app = typer.Typer(
    help="Make, test and open the emergency kit, which restores a lost fleet.",
    epilog="Example: launchpad kit make /media/stick/kit.txt",
)

KitFile = Annotated[Path, typer.Argument(metavar="FILE", help="The emergency kit.")]


@app.callback()
def kit() -> None:
    """Make, test and open the emergency kit, which restores a lost fleet."""


@app.command("make", epilog="Example: launchpad kit make /media/stick/kit.txt")
def make(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; only you can read it.")],
) -> None:
    """Make the emergency kit: keys to every secret, backup and host, with instructions for a restore.

    The instructions need age and restic, but not Launchpad. The keys are only in FILE, encrypted with a passphrase that
    is prompted for or read from standard input. launchpad.yaml gets the public halves. Launchpad seals every secret for
    the kit too. Each host accepts the kit after its next `launchpad provision`.
    """
    from launchpad.cli.planning import leave
    from launchpad.cli.prompts import read_secret
    from launchpad.errors import StateError
    from launchpad.operations.backups.kit import kit, makeable

    session = Session.of(ctx)
    makeable(session.workspace, file)
    passphrase = read_secret("the kit's new passphrase")
    if sys.stdin.isatty() and read_secret("the passphrase again") != passphrase:
        raise StateError("the two passphrases differ, nothing was changed", code="passphrases-differ")
    made = kit(session.workspace, file, passphrase=passphrase)
    data = {"file": str(file), "recovery": made.recovery.model_dump(mode="json")}
    say = session.output.say
    session.output.result(data, f"{file} has the keys of {made.recovery.recipient}, encrypted with the passphrase")
    say("keep two copies of the file in two places, and the passphrase apart; delete this file; commit the changes")
    fleet = session.workspace.fleet.load()
    if fleet.hosts:
        say(f"next, so that hosts accept the kit: {'; '.join(f'launchpad provision {host}' for host in fleet.hosts)}")
    say("next, so that the kit opens earlier backups: launchpad backups rewrap --all")
    if any(target.kind != "local" for target in fleet.targets.values()):
        say(
            "next, so that the kit can restore the workspace: launchpad backup --this-workspace; then: launchpad kit "
            f"test {file}"
        )
    else:
        say("the kit names no backup target yet: write a target over the network into inventory/targets.yaml,")
        say("remove recovery: from launchpad.yaml, and make another kit")
    leave(session, made.failures)


@app.command("test", epilog="Example: launchpad kit test /media/stick/kit.txt")
def test(ctx: typer.Context, file: KitFile) -> None:
    """Test the kit in FILE on every secret, target, backup and host. Nothing is changed.

    The passphrase is prompted for or read from standard input. This machine needs restic. `launchpad status` shows the
    time of the last test. The exit code is 4 when the kit does not open something.
    """
    from launchpad.cli.progress import working
    from launchpad.fleet.model.recovery import RECORD
    from launchpad.operations.backups.repositories import WorkOptions
    from launchpad.operations.backups.try_kit import try_kit

    session = Session.of(ctx)
    contents = _opened(file)
    with _workspace_of(session, contents) as workspace, working(session.output, "the kit") as progress:
        done = try_kit(workspace, contents, how=WorkOptions(progress=progress))
    lines = [f"{name}: {text}" for name, text in done.problems.items()]
    counts = {"secret": done.secrets, "target": len(done.places), "backup": len(done.backups), "host": len(done.hosts)}
    ways = ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in counts.items())
    first = f"the kit opens everything: {ways}" if done.good else f"the kit does not open everything; tested: {ways}"
    session.output.result(done.as_json(), "\n".join([first, *(f"  {line}" for line in lines)]))
    session.output.say(f"the result is recorded in {RECORD}; commit the file")
    if not done.good:
        raise typer.Exit(4)


@app.command("open", epilog="Example: launchpad kit open /media/stick/kit.txt ~/fleet")
def open_kit(
    ctx: typer.Context,
    file: KitFile,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The new folder for the workspace.")],
) -> None:
    """Restore the workspace from the kit alone, on any machine.

    The passphrase is prompted for or read from standard input. Writes the kit's keys into LAUNCHPAD_CONFIG (default:
    ~/.config/launchpad), and restores the newest backup of the workspace into FOLDER. This machine needs git and
    restic. Afterwards this machine acts as the operator `recovery`.
    """
    from launchpad.cli.progress import working
    from launchpad.operations.backups.open_kit import free, put_keys, saved_workspace, unpack
    from launchpad.operations.backups.repositories import WorkOptions

    session = Session.of(ctx)
    free(folder)
    contents = _opened(file)
    put_keys(contents, session.keys)
    with working(session.output, "the workspace") as progress:
        saved = saved_workspace(contents, how=WorkOptions(progress=progress))
        unpack(saved, folder)
    data = {"folder": str(folder), "target": saved.target, "at": saved.at, "keys": str(session.keys.identity.parent)}
    text = f"{folder} has the workspace as of {saved.at[:16].replace('T', ' ')} from {saved.target}"
    session.output.result(data, text)
    session.output.say(f"the kit's keys are in {session.keys.identity.parent}; next: cd {folder}; launchpad status")


def _opened(file: Path) -> Contents:
    from launchpad.cli.prompts import read_secret
    from launchpad.errors import InventoryError
    from launchpad.operations.backups.kit_page import opened

    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InventoryError(
            f"{file}: cannot be read: {error.strerror}", code="kit-unreadable", hint=f"ls -l {file}"
        ) from error
    return opened(text, read_secret("the kit's passphrase"), what=str(file))


@contextmanager
def _workspace_of(session: Session, contents: Contents) -> Iterator[Workspace]:
    """The workspace with the kit's keys instead of this operator's keys."""
    from dataclasses import replace

    from launchpad.fleet.keeping.workspace_files import STATE
    from launchpad.fleet.sealing.keys import Keys
    from launchpad.operations.backups.open_kit import put_keys
    from launchpad.ssh.hosts import SshHosts
    from launchpad.workspace import Workspace

    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="launchpad-", dir=memory if os.access(memory, os.W_OK) else None) as own:
        keys = Keys(Path(own, "identity"), Path(own, "ssh_ed25519"), Path(own, "signing_ed25519"))
        put_keys(contents, keys)
        settings = replace(session.settings, identity=keys.identity, ssh_key=keys.ssh, signing_key=keys.signing)
        root = session.workspace.root
        hosts = SshHosts(settings, state=root / STATE)
        yield Workspace.open(root, settings=settings, environment=session.environment, hosts=hosts)
