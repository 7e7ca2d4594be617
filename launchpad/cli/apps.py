"""launchpad app: list and show apps, and pin their images by digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.output import Shown, Table, fields
from launchpad.cli.session import Session
from launchpad.errors import PartialError
from launchpad.fleet.model.app import App, AppVersion

if TYPE_CHECKING:
    from launchpad.operations.versions.pin import Pinned

app = typer.Typer(
    help="List and show apps, and pin their images by digest.", epilog="Example: launchpad app show openclaw"
)


@app.command("list", epilog="Example: launchpad app list")
def list_apps(ctx: typer.Context) -> None:
    """List the apps: those that Launchpad ships, and those in inventory/apps."""
    session = Session.of(ctx)
    fleet = session.workspace.fleet.load()
    rows = tuple(
        (name, item.versions[-1].version, item.strategy, " ".join(item.services), item.summary or "")
        for name, item in sorted(fleet.apps.items())
    )
    headings = ("app", "newest", "strategy", "services", "summary")
    session.output.result(
        [item.model_dump(mode="json") for _, item in sorted(fleet.apps.items())], Table(headings, rows)
    )


@app.command("show", epilog="Example: launchpad app show openclaw")
def show_app(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="APP", help="The app's name.", autocompletion=complete.apps)],
) -> None:
    """Show an app's versions, variables and secrets."""
    session = Session.of(ctx)
    found = session.workspace.fleet.load().app(name)
    session.output.result(found.model_dump(mode="json"), _text(found))


@app.command("pin", epilog="Example: launchpad app pin openclaw:2026.9.6 --caddy")
def pin_images(
    ctx: typer.Context,
    apps: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="APP[:VERSION]",
            help="APP for all its versions, or APP:VERSION. Default: every image that the fleet needs.",
            autocompletion=complete.apps,
        ),
    ] = None,
    caddy: Annotated[
        bool, typer.Option("--caddy", help="Pin the image of Caddy, the web server on every host.")
    ] = False,
    update: Annotated[bool, typer.Option("--update", help="Also replace a digest that is already written.")] = False,
) -> None:
    """Ask the registries for the digests of images, and write the digests into the inventory.

    Without arguments: every image for which `launchpad check` reports no digest. Running tenants change only with their
    next deploy.
    """
    from launchpad.operations.versions.pin import WhatToPin, pin

    session = Session.of(ctx)
    pinned = pin(session.workspace, WhatToPin(apps=tuple(apps or ()), caddy=caddy, update=update))
    session.output.result(pinned.as_json(), _pinned_text(pinned))
    for use, paths in pinned.bare.items():
        what = f"the image declares the volume {' and '.join(paths)}, and the app mounts nothing at that path"
        how = "mount a volume or a tmpfs in the template of the app's compose.yaml"
        session.output.warn(f"{use}: hosts will reject the image: {what} ({how})")
    codes = {error.exit_code for error in pinned.failures.values()}
    for error in pinned.failures.values() if not session.json else ():
        session.output.error(error)
    if codes:
        raise typer.Exit(codes.pop() if len(codes) == 1 else PartialError.exit_code)


def _pinned_text(pinned: Pinned) -> str:
    lines: list[str] = []
    for change in pinned.changed:
        lines.append(f"{change.use}: {change.after.partition('@')[0]}")
        lines.append(f"  {change.before.digest or 'no digest'}")
        lines.append(f"  → {change.after.digest}")
        lines.append(f"  in {change.use.file}")
    lines += [f"{use}: unchanged" for use in pinned.unchanged]
    for error in pinned.left.values():
        lines += [f"skipped: {error.message}", f"  {error.hint}"]
    return "\n".join(lines)


def _text(app: App) -> list[Shown]:
    head = fields(
        [
            ("app", app.name),
            ("summary", app.summary),
            ("strategy", app.strategy),
            ("services", " ".join(app.services)),
            ("web", f"{app.web.service} port {app.web.port}" if app.web else "none"),
            ("volumes", " ".join(app.volumes)),
            ("egress", " ".join([app.egress, *map(str, app.egress_ports)])),
            ("actions", " ".join(action.name for action in app.actions)),
        ]
    )
    versions = [f"  {_version(app, version)}" for version in app.versions]
    variables = [
        f"  {key}" + (f" (default {item.default})" if item.default is not None else "") + _colon(item.purpose)
        for key, item in app.variables.items()
    ]
    secrets = [f"  {spec.name}{' (required)' if spec.required else ''}{_colon(spec.purpose)}" for spec in app.secrets]
    parts: list[Shown] = [head]
    for title, lines in (("versions", versions), ("variables", variables), ("secrets", secrets)):
        if lines:
            parts.append("\n".join(["", f"{title}:", *lines]))
    return parts


def _version(app: App, version: AppVersion) -> str:
    return f"{version.version}{'' if app.pinned(version.version) else ' (no digest yet)'}{_colon(version.breaks)}"


def _colon(text: str | None) -> str:
    return f": {text}" if text else ""
