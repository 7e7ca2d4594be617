"""launchpad versions, adopt: show an app's versions, and write the running version into the inventory."""

from __future__ import annotations

from typing import Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.session import Session

app = typer.Typer(help="Show and adopt versions.")


@app.command("versions", epilog="Example: launchpad versions openclaw")
def versions(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="APP", help="The app's name.", autocompletion=complete.apps)],
) -> None:
    """Show APP's versions, and which tenants use each version.

    For each version: whether it is pinned, the versions that can be upgraded to it in one step, and what it breaks.
    Only a pinned version can be deployed: `launchpad app pin`. `launchpad status` shows the running versions.
    """
    from launchpad.operations.versions.versions import versions

    session = Session.of(ctx)
    found = versions(session.workspace, name)
    rows = tuple(
        (
            item.version,
            "yes" if item.pinned else "no",
            " ".join(item.follows) or "any older",
            " ".join(item.tenants),
            ". ".join(text for text in (item.notes, item.breaks and f"Breaks: {item.breaks}") if text),
        )
        for item in found
    )
    headings = ("version", "pinned", "follows", "tenants", "notes")
    session.output.result([item.as_json() for item in found], Table(headings, rows, firm=("version",)))


@app.command("adopt", epilog="Example: launchpad adopt alice")
def adopt(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", autocompletion=complete.tenants)],
) -> None:
    """Write the version that TENANT runs into the inventory. Nothing changes on the host.

    Use this command when `launchpad status` prints `ahead of the inventory`: an upgrade or a rollback succeeded, but
    its change of the inventory was lost, because the connection broke or somebody edited the file.
    """
    from launchpad.operations.versions.adopt import adopt

    session = Session.of(ctx)
    done = adopt(session.workspace, tenant)
    file = f"inventory/tenants/{tenant}.yaml"
    said = (
        f"{file}: version {done.before} → {done.version}"
        if done.changed
        else f"{file}: version {done.version} is already the running version"
    )
    session.output.result(done.as_json(), said)
    if done.problem is not None:
        session.output.warn(done.problem.message, hint=done.problem.hint)
