"""launchpad alerts: the problems that hosts send to people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.prompts import read_secret
from launchpad.cli.session import Session
from launchpad.cli.standing import Names
from launchpad.errors import InventoryError, LaunchpadError

if TYPE_CHECKING:
    from launchpad.operations.observation.alerts import HostAlerts

app = typer.Typer(help="Show, test and silence alerts.", epilog="Example: launchpad alerts list")

UNDELIVERED = 4


@app.command("list", epilog="Example: launchpad alerts list web-1")
def list_alerts(ctx: typer.Context, names: Names = None) -> None:
    """List the problems that hosts send alerts for, the silences, and the messages that are not delivered yet."""
    from launchpad.operations.observation.alerts import alerts

    session = Session.of(ctx)
    found = alerts(session.workspace, names or ())
    said = {host: item for host, item in found.items() if not isinstance(item, LaunchpadError)}
    rows = tuple(row for item in said.values() for row in _rows(item))
    headings = ("host", "tenant", "layer", "grade", "since", "sent", "problem")
    data = {host: item.as_json() for host, item in said.items()}
    unsent = "not known: a host without a destination lists no problems; to see them: launchpad health"
    empty = "no problems" if any(item.destinations for item in said.values()) else unsent if said else ""
    session.output.result(data, Table(headings, rows, empty))
    for item in said.values():
        for text in _notes(item):
            session.output.say(text)
    _leave(session, found)


@app.command("test", epilog="Example: launchpad alerts test web-1")
def test_alerts(ctx: typer.Context, names: Names = None) -> None:
    """Send a test message from each host to each of its alert destinations.

    The exit code is 4 when a message was not delivered.
    """
    from launchpad.operations.observation.alerts import try_alerts

    session = Session.of(ctx)
    found = try_alerts(session.workspace, names or ())
    said = {host: item for host, item in found.items() if not isinstance(item, LaunchpadError)}
    rows = tuple((host, name, problem or "delivered") for host, item in said.items() for name, problem in item.items())
    session.output.result(said, Table(("host", "destination", "result"), rows, "no hosts to test"))
    _leave(session, found)
    if any(problem for item in said.values() for problem in item.values()):
        raise typer.Exit(UNDELIVERED)


@app.command("silence", epilog="Example: launchpad alerts silence web-1 --for 2h --why 'new disk'")
def silence_alerts(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TENANT|HOST", autocompletion=complete.tenants_and_hosts)],
    lasts: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long, such as 30m or 2h; at most 7 days.")
    ] = "1h",
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason; history shows the reason.")] = "",
    end: Annotated[bool, typer.Option("--end", help="End the silence now.")] = False,
) -> None:
    """Send no alerts about TENANT, or about HOST and all tenants on HOST, for some time.

    A problem that is still there when the silence ends is sent then. Operations silence their tenants by themselves.
    """
    from launchpad.cli.wording import read
    from launchpad.fleet.words.quantities import Duration
    from launchpad.operations.observation.alerts import silence

    session = Session.of(ctx)
    seconds = 0 if end else read("--for", Duration.parse, lasts).seconds
    found = silence(session.workspace, name, seconds=seconds, why=why)
    data = {"name": name, "seconds": seconds, "hosts": sorted(found)}
    text = f"alerts about {name} are sent again" if end else f"no alerts about {name} for {lasts}"
    silent = any(not isinstance(item, LaunchpadError) for item in found.values())
    session.output.result(data, text if silent else "")
    _leave(session, found)


@app.command("credential", epilog="Example: launchpad alerts credential team < url.txt")
def set_url(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="DESTINATION", help="A name under alerts: in launchpad.yaml.")],
) -> None:
    """Seal the URL of an alert destination into inventory/secrets/alerts/DESTINATION.yaml.

    The URL is read from standard input, or typed at a prompt that does not show it. It is one of apprise's
    (https://github.com/caronc/apprise), such as mailto://user:password@example.com or slack://…; for a heartbeat it is
    the https URL that the service gave you. Hosts get the URL with their next `launchpad provision`.
    """
    from launchpad.fleet.model.alert import URL

    session = Session.of(ctx)
    destinations = session.workspace.fleet.load().defaults.alerts
    meant = next((item for item in destinations if item.name == name), None)
    if meant is None:
        known = ", ".join(item.name for item in destinations)
        raise InventoryError(
            f"launchpad.yaml has no alert destination {name}" + (f"; expected one of {known}" if known else ""),
            code="no-such-alert-destination",
            hint=f"write into launchpad.yaml: alerts: [{{name: {name}}}]",
        )
    url = read_secret(URL)
    if why := meant.refusal(url.reveal()):
        example = "https://hc.example.com/ID" if meant.kind == "heartbeat" else "mailto://user:password@example.com"
        raise InventoryError(f"{name}: {why}", code="alert-url", hint=f"a URL such as {example}")
    version = session.workspace.alert_secrets.set(meant.name, URL, url)
    session.output.result({"destination": name, "version": version}, f"the URL of {name} is at version {version}")
    session.output.say("next, for each host: launchpad provision HOST; then: launchpad alerts test")


def _leave(session: Session, found: Mapping[str, object]) -> None:
    from launchpad.cli.planning import leave

    failed = {host: item for host, item in found.items() if isinstance(item, LaunchpadError)}
    leave(session, failed, answered=len(failed) < len(found))


def _rows(item: HostAlerts) -> Iterator[tuple[str, ...]]:
    from launchpad.cli.wording import age
    from launchpad.runner.facts import WORSE

    for alert in sorted(item.alerts, key=lambda one: WORSE.index(one.grade), reverse=True):
        sent = age(max(0.0, item.clock - alert.told)) + " ago" if alert.told else "not yet"
        since = age(max(0.0, item.clock - alert.since))
        state = "recovering" if alert.ends else str(alert.grade)
        yield item.host, alert.tenant, alert.layer, state, since, sent, alert.message


def _notes(item: HostAlerts) -> Iterator[str]:
    from launchpad.cli.wording import lasted
    from launchpad.operations.observation.runbook import page_about

    if not item.destinations:
        yield f"{item.host} has no alert destination: write alerts: into launchpad.yaml, then provision {item.host}"
    for alert in item.alerts:
        if not alert.ends:
            hint = f"{alert.hint}; " if alert.hint else ""
            page = page_about(alert.layer, tenant=alert.tenant)
            yield f"{alert.tenant or item.host} {alert.layer}: {hint}launchpad runbook {page}"
    for silence in item.silences:
        about = f"{item.host} about {silence.host}" if silence.host else f"{item.host} and its tenants"
        whom = silence.tenant or about
        why = f": {silence.why}" if silence.why else ""
        yield f"{whom}: silent for {lasted(silence.until - item.clock)} more, by {silence.who}{why}"
    for message in item.waiting:
        if message.tries:
            yield f"{item.host}: {message.destination} was not reached: {message.problem}"
