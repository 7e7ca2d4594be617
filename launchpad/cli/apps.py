"""launchpad app: what can be hosted."""

from __future__ import annotations

from typing import Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table, fields
from launchpad.cli.session import Session
from launchpad.fleet.app import App, AppVersion

app = typer.Typer(help="Show what can be hosted.")


@app.command("list", epilog="Example: launchpad app list")
def list_apps(ctx: typer.Context) -> None:
    """List the apps that come with Launchpad and those of inventory/apps."""
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
    """Show an app: its versions, and the variables and secrets that it takes."""
    session = Session.of(ctx)
    found = session.workspace.fleet.load().app(name)
    session.output.result(found.model_dump(mode="json"), _text(found))


def _text(app: App) -> str:
    head = fields(
        [
            ("app", app.name),
            ("summary", app.summary),
            ("strategy", app.strategy),
            ("services", " ".join(app.services)),
            ("web", f"{app.web.service} port {app.web.port}" if app.web else "none"),
            ("volumes", " ".join(app.volumes)),
            ("egress", app.egress),
            ("actions", " ".join(action.name for action in app.actions)),
        ]
    )
    versions = [f"  {_version(app, version)}" for version in app.versions]
    variables = [
        f"  {key}" + (f" (default {item.default})" if item.default is not None else "") + _colon(item.purpose)
        for key, item in app.variables.items()
    ]
    secrets = [f"  {spec.name}{' (required)' if spec.required else ''}{_colon(spec.purpose)}" for spec in app.secrets]
    parts = [head]
    for title, lines in (("versions", versions), ("variables", variables), ("secrets", secrets)):
        if lines:
            parts.append("\n".join([f"{title}:", *lines]))
    return "\n\n".join(parts)


def _version(app: App, version: AppVersion) -> str:
    names = {service.image or name for name, service in app.services.items()}
    pinned = all(name in version.images and version.images[name].pinned for name in names)  # type: ignore[index]
    return f"{version.version}{'' if pinned else ' (no digest yet)'}{_colon(version.breaks)}"


def _colon(text: str | None) -> str:
    return f": {text}" if text else ""
