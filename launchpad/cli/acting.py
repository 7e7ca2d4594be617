"""launchpad act: run an action of a tenant's app."""

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
    action: Annotated[str, typer.Argument(metavar="ACTION", help="The action's name, from `launchpad app show APP`.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="ARGUMENT", help="The action's arguments.")] = None,
) -> None:
    """Run ACTION of TENANT's app inside TENANT's container, and print what the action prints.

    Only the commands that the app declares as actions can run. OpenClaw's action `check` asks each provider and channel
    whether the customer's keys still work.

    The exit code is 0 when the action ended with 0, and 6 otherwise. The action's own exit status is printed.
    """
    from launchpad.operations.tenants.act import act

    session = Session.of(ctx)
    found = act(session.workspace, tenant, action, arguments or ())
    session.output.result(found.as_json(), found.text.rstrip())
    if not found.code and not found.text.strip():
        session.output.say(f"{tenant}: {action} ended with exit status 0")
    if found.code:
        for line in found.errors.rstrip().splitlines():
            session.output.say(line)
        session.output.say(f"{tenant}: {action} ended with exit status {found.code}")
        raise typer.Exit(found.failure.exit_code)
