"""launchpad act: an action of a tenant's app."""

from __future__ import annotations

from typing import Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.session import Session

app = typer.Typer(help="Run apps' own actions.")


@app.command("act", epilog="Example: launchpad act alice check")
def act(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", autocompletion=complete.tenants)],
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="One of the app's; `launchpad app show APP` lists them.")
    ],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="ARGUMENT", help="What the action takes.")] = None,
) -> None:
    """Run ACTION of TENANT's app inside TENANT's container, and print what the action prints.

    An action is declared by the app, with the words that it runs; nothing else can be run. OpenClaw's `check` asks
    each provider and channel whether the customer's keys still work.

    Exits with 0 when the action ended with 0, and with 6 when it did not; the action's own exit status is printed.
    """
    from launchpad.operations.tenants.act import act

    session = Session.of(ctx)
    found = act(session.workspace, tenant, action, arguments or ())
    session.output.result(found.as_json(), found.text.rstrip())
    if found.code:
        for line in found.errors.rstrip().splitlines():
            session.output.say(line)
        session.output.say(f"{tenant}: {action} ended with exit status {found.code}")
        raise typer.Exit(found.failure.exit_code)
