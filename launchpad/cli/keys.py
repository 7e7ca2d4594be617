"""launchpad key: this operator's keys."""

from __future__ import annotations

from typing import Any

import typer

from launchpad.cli.output import fields
from launchpad.cli.prompts import confirm
from launchpad.cli.running import Yes
from launchpad.cli.session import Session
from launchpad.errors import InventoryError

app = typer.Typer(help="Show and make this operator's keys.", epilog="Example: launchpad key show")


@app.callback()
def key() -> None:
    """Show and make this operator's keys."""


@app.command("show", epilog="Example: launchpad key show")
def show_keys(ctx: typer.Context) -> None:
    """Show the public halves of your keys, the key files, and whether launchpad.yaml has the keys."""
    session = Session.of(ctx)
    settings, keys = session.settings, session.keys
    public = {
        "ssh_key": str(keys.ssh_public),
        "signing_key": str(keys.signing_public),
        "recipient": str(keys.recipient),
    }
    known = _known(session, public)
    data: dict[str, Any] = {"operator": settings.operator, **public, "in_workspace": known}
    data["files"] = {name: str(path) for name, path in keys.paths().items()}
    text = fields(
        [
            ("operator", settings.operator),
            ("ssh key", f"{public['ssh_key']}{_said(known, 'ssh_key')}"),
            ("signing key", f"{public['signing_key']}{_said(known, 'signing_key')}"),
            ("recipient", f"{public['recipient']}{_said(known, 'recipient')}"),
            *((f"{name} file", path) for name, path in keys.paths().items()),
        ]
    )
    session.output.result(data, text)


@app.command("make", epilog="Example: launchpad key make")
def make_keys(ctx: typer.Context) -> None:
    """Make your missing keys in ~/.config/launchpad. Existing keys do not change.

    Use this command to join a fleet. For a new fleet, `launchpad init` makes the keys.
    """
    session = Session.of(ctx)
    made = session.keys.make_missing(comment=str(session.settings.operator))
    text = "\n".join(f"made the key {path}" for path in made) or "nothing to do: every key exists"
    session.output.result({"keys_made": [str(path) for path in made]}, text)
    if session.keys.identity in made:
        session.output.say(
            "the new identity opens no secret that was sealed before, until an operator adds you; if you have your "
            f"earlier identity file, put it back: {session.keys.identity}"
        )
    if made:
        session.output.say(
            "next: launchpad --json key show > keys.json; send keys.json to an operator of the fleet, who types:"
        )
        session.output.say("  launchpad operator add NAME --keys keys.json")


@app.command("collector", epilog="Example: launchpad key collector")
def make_collector_key(ctx: typer.Context, yes: Yes = False) -> None:
    """Make the fleet's authority for the collector of logs, or a new one in place of it.

    The authority signs a certificate for each host, with which the host sends its tenants' logs to the host with
    collector: true. Its key is sealed into inventory/secrets/logs/collector.yaml, its certificate is collector.pem.
    A new authority is in force after a `launchpad provision` of each host; until then no logs arrive, and none is lost.
    The command asks before it replaces an authority.
    """
    from launchpad.operations.hosts.log_authority import FILE, has_authority, make_authority

    session = Session.of(ctx)
    if has_authority(session.workspace):
        question = "Replace the authority for logs? No logs arrive from a host until it is provisioned again."
        confirm(session, question, yes=yes)
    version = make_authority(session.workspace)
    session.output.result({"version": version, "file": FILE}, f"the authority for logs is at version {version}")
    session.output.say("next, for each host, the collector first: launchpad provision HOST")


def _known(session: Session, public: dict[str, str]) -> dict[str, bool] | None:
    """The keys that the workspace's launchpad.yaml has; None without a readable workspace."""
    try:
        defaults = session.workspace.fleet.load().defaults
    except InventoryError:
        return None
    from launchpad.operations.hosts.doctor import known_keys

    return known_keys(defaults, public)


def _said(known: dict[str, bool] | None, name: str) -> str:
    return "" if known is None or known[name] else "\n  (not in launchpad.yaml)"
