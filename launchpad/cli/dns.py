"""launchpad dns: the DNS records of tenants' domains."""

from __future__ import annotations

from typing import Annotated

import typer

from launchpad.cli.output import Table
from launchpad.cli.prompts import read_secret
from launchpad.cli.session import Session
from launchpad.cli.tenants import TenantArgument
from launchpad.errors import InventoryError

app = typer.Typer(
    help="Show and set the DNS records of tenants' domains.",
    epilog="Example: launchpad dns show alice",
)

NO_PROVIDER = "launchpad.yaml names no DNS provider"


@app.command("show", epilog="Example: launchpad dns show alice")
def show_names(ctx: typer.Context, tenant: TenantArgument) -> None:
    """Show the DNS records that TENANT's domains need, and whether DNS now points to TENANT's host."""
    from launchpad.operations.dns.point import point
    from launchpad.operations.dns.resolver import Resolver

    session = Session.of(ctx)
    found = point(session.workspace, tenant, dns=Resolver(), write=False)
    rows = tuple(
        (item.name, item.address, "does not point to the host" if item.name in found.elsewhere else "there")
        for item in found.records
    )
    session.output.result(found.as_json(), Table(("name", "address", "dns"), rows, f"{tenant} has no domains"))


@app.command("point", epilog="Example: launchpad dns point alice")
def point_names(ctx: typer.Context, tenant: TenantArgument) -> None:
    """Point the DNS records of TENANT's domains to its host, through the provider in launchpad.yaml (`dns:`).

    Correct records stay as they are. A domain that has records of other kinds is rejected.
    """
    from launchpad.operations.dns.point import point
    from launchpad.operations.dns.provider import dns_of

    session = Session.of(ctx)
    if session.workspace.fleet.load().defaults.dns is None:
        raise InventoryError(
            NO_PROVIDER, code="no-dns-provider", hint="write into launchpad.yaml: dns: {provider: hetzner}"
        )
    done = point(session.workspace, tenant, dns=dns_of(session.workspace))
    lines = [f"written: {item}" for item in done.records] or [f"{tenant} has no domains"]
    session.output.result(done.as_json(), "\n".join(lines))
    if done.elsewhere:
        session.output.say("resolvers may return the old address for some minutes: launchpad dns show " + tenant)


@app.command("credential", epilog="Example: launchpad dns credential HCLOUD_TOKEN < token.txt")
def set_credential(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="The credential's name: HCLOUD_TOKEN. The token needs read and write access."
        ),
    ],
) -> None:
    """Seal the DNS provider's credential into inventory/secrets/dns/PROVIDER.yaml.

    The value is read from standard input, or typed at a prompt that does not show it. Only operators can read the
    credential; no host gets it.
    """
    from launchpad.fleet.model.dns import CREDENTIAL

    session = Session.of(ctx)
    provider = session.workspace.fleet.load().defaults.dns
    if provider is None:
        raise InventoryError(
            NO_PROVIDER, code="no-dns-provider", hint="write into launchpad.yaml: dns: {provider: hetzner}"
        )
    if name != CREDENTIAL:
        raise InventoryError(
            f"{provider.provider} takes no {name}; expected {CREDENTIAL}", code="no-such-dns-credential"
        )
    version = session.workspace.dns_secrets.set(provider.owner, CREDENTIAL, read_secret(CREDENTIAL))
    data = {"provider": provider.provider, "name": CREDENTIAL, "version": version}
    session.output.result(data, f"{CREDENTIAL} of {provider.provider} is at version {version}")
