"""launchpad host: the hosts of the inventory."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table, fields
from launchpad.cli.prompts import confirm
from launchpad.cli.session import Session
from launchpad.cli.wording import read
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.host import Host
from launchpad.fleet.words.malformed import Malformed
from launchpad.fleet.words.names import HostName
from launchpad.fleet.words.quantities import Size
from launchpad.fleet.words.references import Address, Fingerprint

app = typer.Typer(help="Add, show, list and remove hosts.", epilog="Example: launchpad host list")

HostArgument = Annotated[str, typer.Argument(metavar="HOST", help="The host's name.", autocompletion=complete.hosts)]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


@app.command(
    "add",
    epilog="Example: launchpad host add web-2 --address 203.0.113.8 --memory 8GiB --cpus 4 --disk 80GiB",
)
def add_host(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="HOST", help="The new host's name: a-z, 0-9 and single hyphens.")],
    address: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The host's SSH address: an IP address or a host name.")
    ],
    memory: Annotated[str, typer.Option(metavar="SIZE", help="The host's total memory, such as 8GiB.")],
    cpus: Annotated[str, typer.Option(metavar="NUMBER", help="The host's number of CPUs.")],
    disk: Annotated[str, typer.Option(metavar="SIZE", help="The disk space for tenants, such as 80GiB.")],
    port: Annotated[int, typer.Option(metavar="PORT", help="The host's SSH port.")] = 22,
    fingerprint: Annotated[
        list[str] | None,
        typer.Option(metavar="SHA256:…", help="The fingerprint of the host's SSH key, as ssh-keygen -l prints it."),
    ] = None,
) -> None:
    """Add a host to the inventory. Then run `launchpad provision` to set the host up."""
    session = Session.of(ctx)
    record: dict[str, Any] = {"address": read("--address", Address, address)}
    if port != 22:
        record["port"] = port
    if fingerprint:
        record["fingerprints"] = [read("--fingerprint", Fingerprint, text) for text in fingerprint]
    sizes = {"memory": read("--memory", Size.parse, memory), "disk": read("--disk", Size.parse, disk)}
    record["resources"] = {"memory": sizes["memory"], "cpus": read("--cpus", _number, cpus), "disk": sizes["disk"]}
    host = session.workspace.fleet.add_host(HostName(name), record)
    session.output.result(host.model_dump(mode="json"), f"host {host.name} is in inventory/hosts.yaml")
    session.output.say(f"next: launchpad provision {host.name}")


@app.command("list", epilog="Example: launchpad host list")
def list_hosts(ctx: typer.Context) -> None:
    """List the hosts, and how much memory and disk is allocated to tenants."""
    session = Session.of(ctx)
    fleet = session.workspace.fleet.load()
    rows = tuple(_row(fleet, fleet.hosts[name]) for name in sorted(fleet.hosts))
    headings = ("host", "address", "tenants", "memory", "cpus", "disk")
    empty = "no hosts: launchpad host add NAME --address …"
    session.output.result(
        [_as_json(fleet, fleet.hosts[name]) for name in sorted(fleet.hosts)], Table(headings, rows, empty)
    )


@app.command("show", epilog="Example: launchpad host show web-1")
def show_host(ctx: typer.Context, name: HostArgument) -> None:
    """Show a host's entry in the inventory."""
    session = Session.of(ctx)
    fleet = session.workspace.fleet.load()
    host = fleet.host(name)
    row = _row(fleet, host)
    assert host.storage is not None
    text = fields(
        [
            ("host", host.name),
            ("address", f"{host.address} port {host.port}"),
            ("fingerprints", " ".join(host.fingerprints)),
            ("memory allocated", row[3]),
            ("cpus", row[4]),
            ("disk allocated", row[5]),
            ("storage", host.storage.device or f"a loop file of {host.storage.loop}"),
            ("caddy", host.caddy.image),
            ("operators", " ".join(operator.name for operator in host.operators)),
            ("tenants", " ".join(tenant.name for tenant in fleet.tenants_of(host.name))),
            ("labels", ", ".join(f"{key}={value}" for key, value in host.labels.items())),
        ]
    )
    session.output.result(_as_json(fleet, host), text)


@app.command("remove", epilog="Example: launchpad host remove web-2")
def remove_host(ctx: typer.Context, name: HostArgument, yes: YesOption = False) -> None:
    """Remove a host without tenants from the inventory. Nothing changes on the host."""
    session = Session.of(ctx)
    fleet = session.workspace.fleet.load()
    host = fleet.host(name)
    if not fleet.tenants_of(host.name):  # a host with tenants is rejected without a prompt
        confirm(session, f"Remove host {host.name} ({host.address}) from the inventory?", yes=yes)
    session.workspace.fleet.remove_host(host.name)
    session.output.result({"removed": host.name}, f"host {host.name} is removed from the inventory")


def _number(text: str) -> int | float:
    if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text) is None:
        raise Malformed(f"bad number {text!r}", expected="a number such as 2 or 2.5")
    return float(text) if "." in text else int(text)


def _row(fleet: Fleet, host: Host) -> tuple[str, ...]:
    tiers = [fleet.tiers[tenant.tier] for tenant in fleet.tenants_of(host.name)]
    memory, disk = sum(tier.memory.mb for tier in tiers), sum(tier.disk.mb for tier in tiers)
    return (
        host.name,
        host.address if host.port == 22 else f"{host.address} port {host.port}",
        str(len(tiers)),
        f"{_amount(memory)} of {Size(host.resources.memory_for_tenants_mb)}",
        f"{host.resources.cpus:g}",
        f"{_amount(disk)} of {Size(host.resources.disk_for_tenants_mb)}",
    )


def _amount(mb: int) -> str:
    return str(Size(mb)) if mb else "0"


def _as_json(fleet: Fleet, host: Host) -> dict[str, Any]:
    return host.model_dump(mode="json") | {"tenants": [tenant.name for tenant in fleet.tenants_of(host.name)]}
