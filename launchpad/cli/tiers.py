"""launchpad tier: list tiers."""

from __future__ import annotations

import typer

from launchpad.cli.output import Table
from launchpad.cli.session import Session

app = typer.Typer(
    help="List the tiers: memory, CPU and disk limits for tenants.", epilog="Example: launchpad tier list"
)


@app.callback()
def tier() -> None:
    """List the tiers: memory, CPU and disk limits for tenants."""


@app.command("list", epilog="Example: launchpad tier list")
def list_tiers(ctx: typer.Context) -> None:
    """List the tiers in inventory/tiers.yaml."""
    session = Session.of(ctx)
    tiers = session.workspace.fleet.load().tiers
    rows = tuple(
        (name, tier.kind, str(tier.memory), f"{tier.cpus:g}", str(tier.pids), str(tier.disk), tier.price or "")
        for name, tier in tiers.items()
    )
    headings = ("tier", "kind", "memory", "cpus", "pids", "disk", "price")
    empty = "no tiers: write a tier into inventory/tiers.yaml"
    session.output.result([tier.model_dump(mode="json") for tier in tiers.values()], Table(headings, rows, empty))
