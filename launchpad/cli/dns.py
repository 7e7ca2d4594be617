"""launchpad dns: where tenants' names lead."""

from __future__ import annotations

from typing import Annotated

import typer

from launchpad.cli.output import Table
from launchpad.cli.prompts import read_secret
from launchpad.cli.session import Session
from launchpad.cli.tenants import TenantArgument
from launchpad.errors import InventoryError

app = typer.Typer(
    help="Show where tenants' names lead, and have them lead to their hosts.",
    epilog="Example: launchpad dns show alice",
)

NO_PROVIDER = "launchpad.yaml names nobody who keeps the names' records"


@app.command("show", epilog="Example: launchpad dns show alice")
def show_names(ctx: typer.Context, tenant: TenantArgument) -> None:
    """Show the records that TENANT's names are to have, and whether visitors are led there."""
    from launchpad.operations.dns.point import point
    from launchpad.operations.dns.resolver import Resolver

    session = Session.of(ctx)
    found = point(session.workspace, tenant, dns=Resolver(), write=False)
    rows = tuple(
        (item.name, item.address, "elsewhere or nowhere" if item.name in found.elsewhere else "there")
        for item in found.records
    )
    session.output.result(found.as_json(), Table(("name", "address", "leads"), rows, f"{tenant} has no domains"))


@app.command("point", epilog="Example: launchpad dns point alice")
def point_names(ctx: typer.Context, tenant: TenantArgument) -> None:
    """Have TENANT's names lead to its host, by the provider that launchpad.yaml names under dns.

    A record that says so already stays as it is. A name that has records of other kinds is refused.
    """
    from launchpad.operations.dns.point import point
    from launchpad.operations.dns.provider import dns_of

    session = Session.of(ctx)
    if session.workspace.fleet.load().defaults.dns is None:
        raise InventoryError(NO_PROVIDER, hint="write there: dns: {provider: hetzner}")
    done = point(session.workspace, tenant, dns=dns_of(session.workspace))
    lines = [f"written: {item}" for item in done.records] or [f"{tenant} has no domains"]
    session.output.result(done.as_json(), "\n".join(lines))
    if done.elsewhere:
        session.output.say("visitors may be led to the old address for some minutes: launchpad dns show " + tenant)


@app.command("credential", epilog="Example: launchpad dns credential HCLOUD_TOKEN < token.txt")
def set_credential(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="HCLOUD_TOKEN, one that reads and writes.")],
) -> None:
    """Seal the provider's credential from standard input, or typed unseen, into inventory/secrets/dns/PROVIDER.yaml.

    Only operators have it; no host gets it.
    """
    from launchpad.fleet.model.dns import CREDENTIAL

    session = Session.of(ctx)
    provider = session.workspace.fleet.load().defaults.dns
    if provider is None:
        raise InventoryError(NO_PROVIDER, hint="write there: dns: {provider: hetzner}")
    if name != CREDENTIAL:
        raise InventoryError(f"{provider.provider} takes no {name}; expected {CREDENTIAL}")
    version = session.workspace.dns_secrets.set(provider.owner, CREDENTIAL, read_secret(CREDENTIAL))
    data = {"provider": provider.provider, "name": CREDENTIAL, "version": version}
    session.output.result(data, f"{CREDENTIAL} of {provider.provider} is at version {version}")
