"""launchpad schema: JSON Schemas for editors."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from launchpad.cli.session import Session

app = typer.Typer()


@app.command("schema", epilog="Example: launchpad schema tenant")
def print_schema(
    ctx: typer.Context,
    kind: Annotated[
        Literal["launchpad", "host", "tier", "target", "app", "tenant"] | None,
        typer.Argument(metavar="KIND", help="The kind of file. Default: all kinds."),
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write all schemas into inventory/.schema instead.")] = False,
) -> None:
    """Print the JSON Schema of launchpad.yaml, hosts.yaml, tiers.yaml, targets.yaml, or of an app's or a tenant's file.

    Files that Launchpad writes name their schema in the first line, so that editors find the schema.
    """
    from launchpad.fleet.keeping.schema import KINDS, schema, write_schemas

    session = Session.of(ctx)
    if write:
        root = session.workspace.root
        files = [path.relative_to(root).as_posix() for path in write_schemas(root)]
        session.output.result({"written": files}, "\n".join(files))
        return
    session.output.document(schema(kind) if kind else {name: schema(name) for name in KINDS})
