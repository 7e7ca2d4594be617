"""launchpad target: list and test backup targets."""

from __future__ import annotations

from typing import Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table, fields
from launchpad.cli.prompts import read_secret
from launchpad.cli.session import Session
from launchpad.errors import InventoryError

app = typer.Typer(help="List and test the backup targets.", epilog="Example: launchpad target show offsite")

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
        typer.Option(
            metavar="HOST",
            autocompletion=complete.hosts,
            help="The host that tests the target. Default: a host that uses the target.",
        ),
    ] = "",
) -> None:
    """Test TARGET from a host: write a small file, then try to delete and to overwrite the file.

    The test shows whether the target enforces append-only access. The exit code is 4 when the inventory has append_only
    and the target does not enforce it, and 6 when TARGET is unreachable.
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
            ("tested from", found.host),
            ("reached", "yes" if found.reached else f"no: {found.problem}"),
            ("deleting", found.delete),
            ("overwriting", found.overwrite),
            ("append-only", f"{found.append_only}{', as in the inventory' if found.promised and found.good else ''}"),
        ]
    )
    session.output.result(found.as_json(), text)
    if not found.reached:
        raise typer.Exit(6)
    if not found.good:
        session.output.warn(
            f"{name} has append_only in the inventory, but hosts can delete or overwrite files at the target"
        )
        raise typer.Exit(4)


@app.command("credential", epilog="Example: launchpad target credential offsite REST_PASSWORD < password.txt")
def set_credential(
    ctx: typer.Context,
    name: TargetArgument,
    credential: Annotated[
        str, typer.Argument(metavar="NAME", help="The credential's name, such as REST_PASSWORD or SSH_KEY.")
    ],
) -> None:
    """Seal a target's credential into inventory/secrets/targets/TARGET.yaml.

    The value is read from standard input, or typed at a prompt that does not show it. Hosts get the credential with
    their next `launchpad provision`: use a credential that can add files but not delete them. Credentials whose names
    begin with PRUNE_ never go to hosts: `launchpad backups forget` deletes with them from this machine.
    """
    session = Session.of(ctx)
    target = session.workspace.fleet.load().target(name)
    taken = (*target.credentials, *target.prune_credentials)
    meant = next((item for item in taken if item == credential), None)
    if meant is None:
        expected = f"one of {', '.join(taken)}" if taken else "none at all"
        raise InventoryError(
            f"a target of kind {target.kind} takes no {credential}; expected {expected}",
            code="no-such-target-credential",
        )
    version = session.workspace.target_secrets.set(target.name, meant, read_secret(meant))
    data = {"target": target.name, "name": meant, "version": version}
    session.output.result(data, f"{meant} of {target.name} is at version {version}")
    if meant in target.credentials:
        session.output.say(
            "next, to send the credential to each host: launchpad provision HOST; then: launchpad target show "
            f"{target.name}"
        )
