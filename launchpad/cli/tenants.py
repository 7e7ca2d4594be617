"""launchpad tenant: the tenants of the inventory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.boundary import UsageError
from launchpad.cli.output import Table, fields
from launchpad.cli.prompts import confirm
from launchpad.cli.session import Session
from launchpad.cli.wording import read
from launchpad.errors import InventoryError, StateError
from launchpad.fleet.keeping.store import NewTenant
from launchpad.fleet.model.app import App
from launchpad.fleet.model.fleet import Fleet, readers
from launchpad.fleet.model.tenant import Tenant, Value
from launchpad.fleet.words.malformed import Malformed
from launchpad.fleet.words.names import AppName, DomainName, HostName, TenantName, TierName, VersionName
from launchpad.fleet.words.nearest import nearest

_FIRST = {"host": "launchpad host add NAME --address …", "tier": "write a tier into inventory/tiers.yaml"}

app = typer.Typer(
    help="Add, show, list and remove tenants.",
    epilog="Example: launchpad tenant list",
)

TenantArgument = Annotated[
    str, typer.Argument(metavar="TENANT", help="The tenant's name.", autocompletion=complete.tenants)
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


@app.command(
    "add",
    epilog="Example: launchpad tenant add carol --app openclaw --tier standard --host web-1 --domain carol.example.com",
)
def add_tenant(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TENANT", help="The new tenant's name: a-z, 0-9 and single hyphens.")],
    app_name: Annotated[
        str, typer.Option("--app", metavar="APP", help="The app that the tenant runs.", autocompletion=complete.apps)
    ] = "openclaw",
    tier: Annotated[
        str,
        typer.Option(
            metavar="TIER",
            help="The tenant's tier: its memory, CPU and disk limits. May be omitted when there is one tier.",
            autocompletion=complete.tiers,
        ),
    ] = "",
    host: Annotated[
        str,
        typer.Option(
            metavar="HOST",
            help="The tenant's host. May be omitted when there is one host.",
            autocompletion=complete.hosts,
        ),
    ] = "",
    domain: Annotated[
        list[str] | None, typer.Option(metavar="DOMAIN", help="A domain of the tenant. Repeatable.")
    ] = None,
    version: Annotated[str, typer.Option(metavar="VERSION", help="The app's version. Default: the newest.")] = "",
    variable: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A variable of the app, such as NAME=VALUE. Repeatable."),
    ] = None,
) -> None:
    """Add a tenant to the inventory, in the next free slot, and generate the tokens that its app needs.

    Changes only the inventory. `launchpad deploy` starts the tenant on its host.
    """
    session = Session.of(ctx)
    fleet = session.workspace.fleet.load()
    if name in map(str, fleet.known):
        raise StateError(f"tenant {name} exists already", code="tenant-exists", hint=f"launchpad tenant show {name}")
    declared = fleet.app(app_name)
    new = NewTenant(
        name=TenantName(name),
        app=AppName(declared.name),
        tier=TierName(fleet.tier(tier).name if tier else _only(fleet.tiers, "tier")),
        host=HostName(fleet.host(host).name if host else _only(fleet.hosts, "host")),
        domains=tuple(DomainName(text) for text in domain or ()),
        version=VersionName(declared.version(version).version) if version else None,
        variables=_variables(declared, variable or []),
    )
    secrets = session.workspace.secrets
    former = secrets.versions(new.name)  # an unreadable file fails here, before anything is written
    tenant = session.workspace.fleet.add_tenant(new)
    secrets.remove_tenant(tenant.name)
    made = secrets.generate_missing(tenant.name, declared) if readers(fleet.defaults) else {}
    text = f"tenant {tenant.name} is in slot {tenant.slot}, in inventory/tenants/{tenant.name}.yaml"
    session.output.result(_as_json(fleet, tenant) | {"generated": sorted(made)}, text)
    for secret in sorted(former):
        session.output.say(f"removed {secret} of an earlier tenant {tenant.name}")
    for secret in sorted(made):
        session.output.say(f"generated {secret}")
    session.output.say(f"next: launchpad secret list {tenant.name}; launchpad deploy {tenant.name}")


@app.command("list", epilog="Example: launchpad tenant list --host web-1")
def list_tenants(
    ctx: typer.Context,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Only the tenants of this host.", autocompletion=complete.hosts)
    ] = "",
) -> None:
    """List the tenants in the inventory. `launchpad status` shows what is running."""
    session = Session.of(ctx)
    fleet = session.workspace.fleet.load()
    if host:
        fleet.host(host)
    tenants = [tenant for name, tenant in sorted(fleet.tenants.items()) if host in ("", tenant.host)]
    rows = tuple(
        (t.name, str(t.slot), f"{t.app} {t.version}", t.tier, t.host, "yes" if t.running else "no", " ".join(t.domains))
        for t in tenants
    )
    headings = ("tenant", "slot", "app", "tier", "host", "running", "domains")
    empty = "no tenants: launchpad tenant add NAME"
    session.output.result([_as_json(fleet, tenant) for tenant in tenants], Table(headings, rows, empty))


@app.command("show", epilog="Example: launchpad tenant show alice")
def show_tenant(ctx: typer.Context, name: TenantArgument) -> None:
    """Show a tenant's entry in the inventory, with the values from its app and tier."""
    session = Session.of(ctx)
    fleet = session.workspace.fleet.load()
    tenant = fleet.tenant(name)
    tier = fleet.tiers[tenant.tier]
    secrets = session.workspace.secrets.versions(tenant.name)
    variables = fleet.variables(tenant)
    data = _as_json(fleet, tenant) | {"secrets": {str(key): version for key, version in secrets.items()}}
    text = fields(
        [
            ("tenant", tenant.name),
            ("slot", tenant.slot),
            ("app", f"{tenant.app} {tenant.version}"),
            ("host", tenant.host),
            ("domains", " ".join(tenant.domains)),
            ("tier", f"{tier.name}: {tier.memory} memory, {tier.cpus:g} cpus, {tier.pids} pids, {tier.disk} disk"),
            ("running", "yes" if tenant.running else "no"),
            ("variables", ", ".join(f"{key}={value}" for key, value in variables.items())),
            ("secrets", ", ".join(f"{key} (version {version})" for key, version in sorted(secrets.items()))),
            ("note", tenant.note),
        ]
    )
    session.output.result(data, text)


@app.command("renumber", epilog="Example: launchpad tenant renumber carol")
def renumber_tenant(ctx: typer.Context, name: TenantArgument) -> None:
    """Give a tenant another slot, after two clones of the inventory gave the same slot to two tenants.

    The tenant must never have been deployed, because data on a host belongs to the tenant's slot.
    """
    from launchpad.operations.tenants.renumber import renumber

    session = Session.of(ctx)
    tenant = renumber(session.workspace, name)
    text = f"tenant {tenant.name} now has slot {tenant.slot}; commit inventory/"
    session.output.result({"tenant": tenant.name, "slot": tenant.slot}, text)


@app.command("remove", epilog="Example: launchpad tenant remove carol")
def remove_tenant(
    ctx: typer.Context,
    name: TenantArgument,
    host_gone: Annotated[
        bool,
        typer.Option("--host-gone", help="Do not ask the tenant's host: it no longer exists, or never had the tenant."),
    ] = False,
    yes: YesOption = False,
) -> None:
    """Remove a tenant and its secrets from the inventory.

    Nothing changes on the host. A deployed tenant is rejected: run `launchpad retire` first. A tenant whose host does
    not answer is rejected, too.

    The tenant's slot is free for another tenant when every host confirms that it has nothing of the tenant. Until then
    the slot stays taken: run `launchpad retire TENANT --host HOST --purge`, then this command again.
    """
    from launchpad.operations.moving.free_slot import slot_of_removed
    from launchpad.operations.tenants.remove_tenant import judge_removal

    session = Session.of(ctx)
    waiting = slot_of_removed(session.workspace, name)
    if waiting is not None:
        _free_slot(session, TenantName(name), waiting, f"tenant {name} was removed before")
        return
    tenant = session.workspace.fleet.load().tenant(name)
    for warning in judge_removal(session.workspace, name, host_gone=host_gone):
        session.output.warn(warning)
    session.workspace.secrets.versions(tenant.name)  # an unreadable file fails here, before anything is removed
    confirm(session, f"Remove {tenant.name} and its secrets from the inventory?", yes=yes)
    session.workspace.fleet.remove_tenant(tenant.name)
    session.workspace.secrets.remove_tenant(tenant.name)
    _free_slot(session, tenant.name, tenant.slot, f"tenant {tenant.name} is removed from the inventory")


def _free_slot(session: Session, name: TenantName, slot: int, text: str) -> None:
    from launchpad.operations.moving.free_slot import free_slot

    missing = free_slot(session.workspace, name, slot).missing
    state = "may be given again" if not missing else "stays taken"
    data = {"removed": name, "slot": slot, "slot_free": not missing, "missing": dict(missing)}
    session.output.result(data, f"{text}; slot {slot} {state}")
    for why in missing.values():
        session.output.warn(f"no receipt of {name}'s deletion: {why}")
    if missing:
        session.output.say(f"then, to free slot {slot}: launchpad tenant remove {name}")


def _only(records: Iterable[str], noun: str) -> str:
    names = sorted(records)
    if not names:
        raise InventoryError(f"there is no {noun} in the inventory", code="not-in-inventory", hint=_FIRST[noun])
    if len(names) == 1:
        return names[0]
    raise UsageError(f"which {noun}? expected one of {', '.join(names)}", hint=f"add --{noun} {names[0]}")


def _variables(app: App, written: list[str]) -> dict[str, Value]:
    known = {str(name): variable for name, variable in app.variables.items()}
    found: dict[str, Value] = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not equals:
            raise Malformed(f"--set {text!r} has no value", hint=f"add --set {name}=VALUE")
        if name not in known:
            guess = nearest(name, known)
            hint = f"did you mean {guess}?" if guess else f"launchpad app show {app.name}"
            raise InventoryError(f"{app.name} takes no variable {name}", code="no-such-variable", hint=hint)
        found[name] = read(f"--set {name}", known[name].read, value)
    return found


def _as_json(fleet: Fleet, tenant: Tenant) -> dict[str, object]:
    return tenant.model_dump(mode="json") | {"variables": fleet.variables(tenant)}
