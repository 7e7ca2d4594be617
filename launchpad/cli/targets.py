"""launchpad target: the places for backups."""

from __future__ import annotations

from typing import Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table, fields
from launchpad.cli.prompts import read_secret
from launchpad.cli.session import Session
from launchpad.errors import InventoryError

app = typer.Typer(help="Show and try the places for backups.", epilog="Example: launchpad target show offsite")

TargetArgument = Annotated[str, typer.Argument(metavar="TARGET", autocompletion=complete.targets)]


@app.command("list", epilog="Example: launchpad target list")
def list_targets(ctx: typer.Context) -> None:
    """List the targets of inventory/targets.yaml."""
    session = Session.of(ctx)
    fleet = session.workspace.fleet.load()
    used = {
        str(name): [str(tier.name) for tier in fleet.tiers.values() if tier.backup and name in tier.backup.targets]
        for name in fleet.targets
    }
    rows = tuple(
        (name, item.kind, str(item.url), "promised" if item.append_only else "no", ", ".join(used[str(name)]))
        for name, item in fleet.targets.items()
    )
    empty = "no targets: write one into inventory/targets.yaml"
    data = [item.model_dump(mode="json") | {"tiers": used[str(name)]} for name, item in fleet.targets.items()]
    session.output.result(data, Table(("target", "kind", "url", "append-only", "tiers"), rows, empty))


@app.command("show", epilog="Example: launchpad target show offsite")
def show_target(
    ctx: typer.Context,
    name: TargetArgument,
    host: Annotated[
        str,
        typer.Option(metavar="HOST", autocompletion=complete.hosts, help="Which host tries; else one that uses it."),
    ] = "",
) -> None:
    """Have a host try TARGET: write a small file there, and then try to delete and to overwrite it.

    Says so whether append-only is enforced. Exit code 4 when it is promised and is not, 6 when TARGET is not reached.
    """
    from launchpad.operations.backups.targets import try_target

    session = Session.of(ctx)
    target = session.workspace.fleet.load().target(name)
    found = try_target(session.workspace, name, host=host)
    kept = session.workspace.target_secrets.versions(target.name)
    text = fields(
        [
            ("target", target.name),
            ("kind", target.kind),
            ("url", target.url),
            ("credentials", ", ".join(sorted(kept)) or "none"),
            ("tried from", found.host),
            ("reached", "yes" if found.reached else f"no: {found.problem}"),
            ("deleting", found.delete),
            ("overwriting", found.overwrite),
            ("append-only", f"{found.append_only}{', as promised' if found.promised and found.good else ''}"),
        ]
    )
    session.output.result(found.as_json(), text)
    if not found.reached:
        raise typer.Exit(6)
    if not found.good:
        session.output.warn(f"{name} is promised to be append-only, and is not")
        raise typer.Exit(4)


@app.command("credential", epilog="Example: launchpad target credential offsite REST_PASSWORD < password.txt")
def set_credential(
    ctx: typer.Context,
    name: TargetArgument,
    credential: Annotated[str, typer.Argument(metavar="NAME", help="Such as REST_PASSWORD or SSH_KEY.")],
) -> None:
    """Seal a credential from standard input, or typed unseen, into inventory/secrets/targets/TARGET.yaml.

    It is what hosts get, by their next `launchpad provision`: give it the right to add, and none to delete. What begins
    with PRUNE_ no host ever gets: with it, `launchpad backups forget` deletes.
    """
    session = Session.of(ctx)
    target = session.workspace.fleet.load().target(name)
    taken = (*target.credentials, *target.prune_credentials)
    meant = next((item for item in taken if item == credential), None)
    if meant is None:
        expected = f"one of {', '.join(taken)}" if taken else "none at all"
        raise InventoryError(f"a target of kind {target.kind} takes no {credential}; expected {expected}")
    version = session.workspace.target_secrets.set(target.name, meant, read_secret(meant))
    data = {"target": target.name, "name": meant, "version": version}
    session.output.result(data, f"{meant} of {target.name} is at version {version}")
    if meant in target.credentials:
        session.output.say(f"next: launchpad provision each host, which learns it; launchpad target show {target.name}")
