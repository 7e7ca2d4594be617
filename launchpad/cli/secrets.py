"""launchpad secret: tenants' secrets, sealed in the inventory. No value is ever an argument, and `show` alone prints
one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.planning import leave
from launchpad.cli.prompts import confirm, read_secret
from launchpad.cli.session import Session
from launchpad.cli.tenants import TenantArgument, YesOption
from launchpad.errors import InventoryError
from launchpad.fleet.model.app import App, SecretSpec
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.words.nearest import nearest
from launchpad.fleet.words.secret import Secret

app = typer.Typer(
    help="Set, list, show, rotate and remove tenants' secrets.",
    epilog="Example: launchpad secret set alice ANTHROPIC_API_KEY",
)

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Such as ANTHROPIC_API_KEY.", autocompletion=complete.secrets)
]


@app.command("set", epilog="Example: launchpad secret set alice ANTHROPIC_API_KEY < key.txt")
def set_secret(ctx: typer.Context, tenant: TenantArgument, name: NameArgument) -> None:
    """Seal a value from standard input, or typed unseen, into inventory/secrets/TENANT.yaml.

    The next deploy brings it to the host.
    """
    session = Session.of(ctx)
    found, declared = _tenant(session, tenant)
    spec = _spec(declared, name)
    before = session.workspace.secrets.versions(found.name).get(spec.name)
    version = session.workspace.secrets.set(found.name, spec.name, read_secret(spec.name))
    changed = version != before
    text = f"{spec.name} of {found.name} is at version {version}" + ("" if changed else ": it was this value already")
    session.output.result({"tenant": found.name, "name": spec.name, "version": version, "changed": changed}, text)
    if changed:
        session.output.say(f"next: launchpad deploy {found.name}")


@app.command("list", epilog="Example: launchpad secret list alice")
def list_secrets(
    ctx: typer.Context,
    tenant: Annotated[
        str,
        typer.Argument(
            metavar="TENANT", help="All when left out.", autocompletion=complete.tenants, show_default=False
        ),
    ] = "",
) -> None:
    """List the secrets that tenants can have and have, without their values."""
    session = Session.of(ctx)
    fleet = session.workspace.fleet.load()
    tenants = [fleet.tenant(tenant)] if tenant else [fleet.tenants[name] for name in sorted(fleet.tenants)]
    records: list[dict[str, Any]] = []
    failures: dict[str, InventoryError] = {}
    for item in tenants:
        try:
            records += _records(session, item, fleet.apps[item.app])
        except InventoryError as error:
            failures[str(item.name)] = error
    rows = tuple(
        (r["tenant"], r["name"], str(r["version"] or ("missing" if r["required"] else "")), r["purpose"])
        for r in records
    )
    headings = ("tenant", "secret", "version", "purpose")
    session.output.result(records, Table(headings, rows, "no secrets"))
    if any(record["stale"] for record in records):
        session.output.warn("some are sealed for other recipients than launchpad.yaml's: launchpad secret reseal")
    if not tenant:
        leave(session, {**session.left_out(), **failures})
    elif failures:
        raise failures[str(tenants[0].name)]


@app.command("show", epilog="Example: launchpad secret show alice OPENCLAW_GATEWAY_TOKEN")
def show_secret(ctx: typer.Context, tenant: TenantArgument, name: NameArgument) -> None:
    """Print the value of a secret, such as one that Launchpad generated.

    TENANT's host writes down first who reads it: `launchpad history TENANT` shows that.
    """
    from launchpad.operations.tenants.show_secret import show_secret as show

    session = Session.of(ctx)
    key, version, value = show(session.workspace, tenant, name)
    record = {"tenant": tenant, "name": str(key), "version": version, "value": value.reveal()}
    session.output.result(record, value.reveal())


@app.command("rotate", epilog="Example: launchpad secret rotate alice OPENCLAW_GATEWAY_TOKEN")
def rotate_secret(ctx: typer.Context, tenant: TenantArgument, name: NameArgument) -> None:
    """Make a new random value of a secret that Launchpad generates. The next deploy brings it to the host."""
    session = Session.of(ctx)
    found, declared = _tenant(session, tenant)
    spec = _spec(declared, name)
    if spec.generate is None:
        message = f"{spec.name} is not generated: its value comes from someone else"
        raise InventoryError(message, hint=f"launchpad secret set {found.name} {spec.name}")
    version = session.workspace.secrets.set(found.name, spec.name, Secret.generated(spec.generate))
    text = f"{spec.name} of {found.name} is at version {version}"
    session.output.result({"tenant": found.name, "name": spec.name, "version": version}, text)
    session.output.say(f"next: launchpad deploy {found.name}")


@app.command("remove", epilog="Example: launchpad secret remove alice OPENAI_API_KEY")
def remove_secret(ctx: typer.Context, tenant: TenantArgument, name: NameArgument, yes: YesOption = False) -> None:
    """Forget a secret. The next deploy takes it from the host."""
    session = Session.of(ctx)
    found = session.workspace.fleet.load().tenant(tenant)
    present = session.workspace.secrets.versions(found.name)
    secret = next((item for item in present if item == name), None)
    if secret is None:
        raise InventoryError(f"{found.name} has no secret {name}", hint=f"launchpad secret list {found.name}")
    confirm(session, f"Forget {secret} of {found.name}?", yes=yes)
    session.workspace.secrets.remove(found.name, secret)
    session.output.result({"tenant": found.name, "removed": secret}, f"{secret} of {found.name} is forgotten")


@app.command("reseal", epilog="Example: launchpad secret reseal")
def reseal_secrets(
    ctx: typer.Context,
    tenant: Annotated[
        str,
        typer.Argument(
            metavar="TENANT", help="All when left out.", autocompletion=complete.tenants, show_default=False
        ),
    ] = "",
) -> None:
    """Seal every secret again for the recipients and the recovery identity that launchpad.yaml names now.

    Covers tenants' secrets and the credentials of targets and of the DNS provider. Values and versions stay.
    """
    from launchpad.cli.planning import leave
    from launchpad.operations.backups.reseal import reseal

    session = Session.of(ctx)
    if tenant:
        session.workspace.fleet.load().tenant(tenant)
    done = reseal(session.workspace, tenant)
    lines = [f"{name}: {', '.join(secrets)}" for name, secrets in done.sealed.items()]
    nothing = "" if done.failures else "nothing to do: every secret is sealed for launchpad.yaml's recipients"
    session.output.result(done.sealed, "\n".join(lines) or nothing)
    leave(session, done.failures)


def _tenant(session: Session, name: str) -> tuple[Tenant, App]:
    fleet = session.workspace.fleet.load()
    tenant = fleet.tenant(name)
    return tenant, fleet.apps[tenant.app]


def _spec(app: App, name: str) -> SecretSpec:
    for spec in app.secrets:
        if spec.name == name:
            return spec
    known = [str(spec.name) for spec in app.secrets]
    guess = nearest(name, known)
    expected = f"; expected one of {', '.join(known)}" if known else ""
    raise InventoryError(f"{app.name} takes no secret {name}{expected}", hint=f"did you mean {guess}?" if guess else "")


def _records(session: Session, tenant: Tenant, app: App) -> list[dict[str, Any]]:
    versions = session.workspace.secrets.versions(tenant.name)
    stale = session.workspace.secrets.stale(tenant.name)
    specs = {spec.name: spec for spec in app.secrets}
    return [
        {
            "tenant": tenant.name,
            "name": name,
            "version": versions.get(name),
            "required": name in specs and specs[name].required,
            "stale": name in stale,
            "purpose": (specs[name].purpose or "") if name in specs else f"{app.name} takes no such secret",
        }
        for name in [*specs, *(name for name in versions if name not in specs)]
    ]
