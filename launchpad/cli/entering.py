"""launchpad open, trust: get access to tenants and hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.parsed import host_key_fingerprint
from launchpad.cli.session import Session
from launchpad.cli.standing import Tenant

if TYPE_CHECKING:
    pass

app = typer.Typer(help="Get access to tenants and hosts.")


@app.command("open", epilog="Example: launchpad open alice")
def open_tenant(
    ctx: typer.Context,
    tenant: Tenant,
    devices: Annotated[
        bool, typer.Option("--devices", help="List the waiting and the paired devices, with their scopes.")
    ] = False,
    approve: Annotated[str, typer.Option(metavar="DEVICE", help="Approve this waiting device.")] = "",
    revoke: Annotated[str, typer.Option(metavar="DEVICE", help="Revoke this paired device.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Print a login link for TENANT: a one-time link if the app makes one-time links.

    If the app answers "pairing required": --devices lists the waiting and the paired devices with their roles and
    scopes, --approve shows what a device asks for and approves the device, and --revoke ends its access.
    """
    from launchpad.cli.prompts import confirm
    from launchpad.operations.tenants import open_tenant as opening

    session = Session.of(ctx)
    if approve or revoke:
        found = opening.devices(session.workspace, tenant)
        device = opening.device_of(found, approve or revoke, waits=bool(approve))
        granted = ", ".join(device.grants) or "unknown roles and scopes"
        more = f" (new: {', '.join(device.more)})" if device.more else ""
        who = f"{device.about or device.id} of {tenant}"
        confirm(session, f"Approve {who} with {granted}{more}?" if approve else f"Revoke {who}, {granted}?", yes=yes)
        (opening.approve if approve else opening.revoke)(session.workspace, tenant, device)
        done = f"is approved with {granted}" if approve else "is revoked"
        session.output.result({"tenant": tenant} | device.as_json(), f"{tenant}: {device.id} {done}")
    elif devices:
        found = opening.devices(session.workspace, tenant)
        rows = tuple(
            ("waits" if item.waits else "paired", item.id[:12], ", ".join(item.grants), item.about)
            for item in opening.listed(found.data)
        )
        headings = ("state", "device", "roles and scopes", "about")
        session.output.result(found.as_json(), Table(headings, rows, "no waiting or paired devices", firm=("device",)))
    else:
        link = opening.open_tenant(session.workspace, tenant)
        session.output.verbatim({"tenant": tenant, "url": link}, link)


@app.command("trust", epilog="Example: launchpad trust web-1 --fingerprint SHA256:…")
def trust(
    ctx: typer.Context,
    host: Annotated[str, typer.Argument(metavar="HOST", autocompletion=complete.hosts)],
    fingerprint: Annotated[
        str,
        typer.Option(
            metavar="SHA256:…",
            callback=host_key_fingerprint,
            help="Accept the key with this fingerprint without a prompt.",
        ),
    ] = "",
) -> None:
    """Store HOST's SSH key after you compared its fingerprint with your provider's console."""
    from launchpad.cli.prompts import confirm
    from launchpad.operations.hosts.trust import offered_key, trust

    session = Session.of(ctx)
    offer = offered_key(session.workspace, host)
    if not offer.known:
        if not fingerprint:
            session.output.say(f"{host} ({offer.address}) offers {offer.key.kind} {offer.key.fingerprint}")
            confirm(session, "Is this the host's key?", yes=False, hint=f"add --fingerprint {offer.key.fingerprint}")
        trust(session.workspace, offer, confirm=fingerprint or offer.key.fingerprint)
    session.output.result(offer.as_json(), f"{host}: {offer.key.fingerprint} is stored")
