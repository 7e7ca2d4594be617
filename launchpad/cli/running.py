"""launchpad deploy, stop, start, restart, retire, attach, cancel: one operation, told while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

from launchpad.cli import complete
from launchpad.cli.parsed import operation_id
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.events import OnEvent
    from launchpad.operations.requests.again import EarlierOperation, Wish
    from launchpad.operations.requests.outcome import Outcome
    from launchpad.operations.tenants.written_version import VersionOutcome

    class Told(Protocol):
        """How something ended, that can be told."""

        def as_json(self) -> dict[str, Any]: ...


app = typer.Typer(help="Operations on tenants.")

Ended = TypeVar("Ended", bound="Told")

Tenant = Annotated[str, typer.Argument(metavar="TENANT", autocompletion=complete.tenants)]
OperationId = Annotated[
    str,
    typer.Option(
        "--id", metavar="ID", callback=operation_id, help="The operation's id; the same one again attaches to it."
    ),
]
HostOption = Annotated[
    str, typer.Option("--host", metavar="HOST", autocompletion=complete.hosts, help="The host that has it.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

SENTENCES = {
    "done": "{subject}: {kind} done in {seconds}",
    "unchanged": "{subject}: nothing to do, everything is as it should be",
    "incomplete": "{subject}: {kind} done in {seconds}; {message}",
    "running": "{subject}: {kind} goes on; launchpad attach {id} follows it",
}


@app.command("deploy", epilog="Example: launchpad deploy alice")
def deploy(
    ctx: typer.Context,
    tenant: Tenant,
    identifier: OperationId = "",
    after: Annotated[
        str,
        typer.Option(
            metavar="REVISION",
            help="Go on though this inventory does not know the revision that runs: the one that the host has shown.",
        ),
    ] = "",
    no_follow: Annotated[bool, typer.Option("--no-follow", help="Do not wait for the end.")] = False,
) -> None:
    """Bring TENANT's host to the release that the inventory says.

    A name that leads elsewhere than to the host gets no certificate: it is reported with the record to make, and the
    deploy goes on. Only what changed is touched. If the new release does not become healthy, the old one serves again.
    After a lost connection or Ctrl-C the operation goes on: `launchpad attach` comes back to it.

    An inventory that does not descend from the one that runs is refused, with what differs. Where that one is lost,
    --after with its revision goes on from here; `launchpad history` shows it.
    """
    from launchpad.cli.wording import read
    from launchpad.fleet.words.references import RevisionName
    from launchpad.operations.dns.resolver import Resolver
    from launchpad.operations.tenants.deploy import DeployOptions, deploy

    session = Session.of(ctx)
    after = after and read("--after", RevisionName, after)
    how = DeployOptions(identifier=identifier, after=after, follow=not no_follow, dns=Resolver())
    carry_out(session, lambda on_event: deploy(session.workspace, tenant, how=how, on_event=on_event))


@app.command("stop", epilog="Example: launchpad stop alice")
def stop(ctx: typer.Context, tenant: Tenant, identifier: OperationId = "") -> None:
    """Stop TENANT; it stays stopped until it is started, also over a reboot."""
    from launchpad.operations.tenants.stop import stop

    session = Session.of(ctx)
    carry_out(session, lambda on_event: stop(session.workspace, tenant, identifier=identifier, on_event=on_event))
    session.output.say(f"`launchpad apply` starts it again unless inventory/tenants/{tenant}.yaml says running: false")


@app.command("start", epilog="Example: launchpad start alice")
def start(ctx: typer.Context, tenant: Tenant, identifier: OperationId = "") -> None:
    """Start TENANT as it was deployed last."""
    from launchpad.operations.tenants.start import start

    session = Session.of(ctx)
    carry_out(session, lambda on_event: start(session.workspace, tenant, identifier=identifier, on_event=on_event))


@app.command("restart", epilog="Example: launchpad restart alice")
def restart(ctx: typer.Context, tenant: Tenant, identifier: OperationId = "") -> None:
    """Stop TENANT and start it again; new requests wait meanwhile. Also for one that died too often."""
    from launchpad.operations.tenants.restart import restart

    session = Session.of(ctx)
    carry_out(session, lambda on_event: restart(session.workspace, tenant, identifier=identifier, on_event=on_event))


@app.command("retire", epilog="Example: launchpad retire alice --purge")
def retire(
    ctx: typer.Context,
    tenant: Tenant,
    host: HostOption = "",
    purge: Annotated[bool, typer.Option("--purge", help="Remove its data and secrets too, for ever.")] = False,
    yes: Yes = False,
) -> None:
    """Take TENANT off its host. Its data stays there until --purge.

    A tenant that is not in the inventory any more needs --host. The inventory is not touched; for that there is
    `launchpad tenant remove`.
    """
    from launchpad.cli.prompts import confirm
    from launchpad.operations.tenants.retire import plan_retirement, retained, retire

    session = Session.of(ctx)
    what = plan_retirement(session.workspace, tenant, host=host, purge=purge)
    loss = "and ALL OF ITS DATA, for ever" if purge else "and keep its data"
    confirm(session, f"Take {tenant} off {what.host} {loss}?", yes=yes)
    carry_out(session, lambda on_event: retire(session.workspace, what, confirm=what.digest, on_event=on_event))
    for item in retained(session.workspace, what) if purge else ():
        text = f"{item.target}: backups at {item.where} can be read until somebody deletes them ({item.delete})"
        session.output.item({"retained": vars(item) | {"until": None}}, text)


@app.command("attach", epilog="Example: launchpad attach 0mhcq2k3a-7f3k9")
def attach(
    ctx: typer.Context,
    operation: Annotated[
        str, typer.Argument(metavar="OPERATION", callback=operation_id, help="Its id, as history shows it.")
    ],
    host: HostOption = "",
) -> None:
    """Come back to OPERATION and follow it to its end, from its first step."""
    from launchpad.operations.observation.attach import attach
    from launchpad.operations.tenants.written_version import VersionOutcome

    session = Session.of(ctx)
    done = carry_out(session, lambda on_event: attach(session.workspace, operation, host=host, on_event=on_event))
    if isinstance(done, VersionOutcome):
        say_written(session, done)
    elif done.kind in ("upgrade", "rollback"):
        session.output.say(f"launchpad adopt {done.tenant} writes its version into the inventory")


@app.command("cancel", epilog="Example: launchpad cancel 0mhcq2k3a-7f3k9")
def cancel(
    ctx: typer.Context,
    operation: Annotated[
        str, typer.Argument(metavar="OPERATION", callback=operation_id, help="Its id, as history shows it.")
    ],
    host: HostOption = "",
) -> None:
    """Have OPERATION undone; everything is then as it was. Once it has committed it goes on to its end."""
    from launchpad.operations.observation.cancel import cancel

    session = Session.of(ctx)
    asked = cancel(session.workspace, operation, host=host)
    session.output.result(asked, f"{asked['host']}: undoing {operation}; launchpad attach {operation} follows it")


def say_written(session: Session, done: VersionOutcome) -> None:
    """What became of the tenant's line in the inventory."""
    file = f"inventory/tenants/{done.tenant}.yaml"
    if done.problem is not None:
        session.output.warn(f"{file} is as it was: {done.problem.message} ({done.problem.hint})")
    elif done.written:
        session.output.say(f"{file} says version: {done.version} now; commit it")


def sentence(outcome: Outcome) -> str:
    """How the operation ended, for people."""
    from launchpad.cli.wording import lasted

    text = SENTENCES.get(outcome.outcome, "{subject}: {kind}: {outcome}")
    fields = outcome.as_json() | {"seconds": lasted(outcome.seconds or 0.0)}
    return text.format(subject=outcome.tenant or outcome.host, **fields)


def carry_out(session: Session, work: Callable[[OnEvent], Ended], *, words: Callable[[Any], str] = sentence) -> Ended:
    """Tell the operation while it goes on, and then how it ended. Under --json every line is one JSON object."""
    from launchpad.cli.progress import telling

    with errors_as_lines(session), interrupted_kindly(session), failures_reported(session):
        with telling(session.output) as on_event:
            outcome = work(on_event)
        session.output.item(outcome.as_json(), words(outcome))
        report(session, outcome)
    return outcome


def earlier(session: Session, wish: Wish, identifier: str = "") -> EarlierOperation | None:
    """The operation that the command began when it was typed before, where that is still what it means; one that was
    undone meanwhile is told of."""
    from launchpad.cli.progress import telling
    from launchpad.operations.requests.again import find

    with errors_as_lines(session), telling(session.output) as on_event:
        return find(session.workspace, wish, identifier=identifier, on_event=on_event)


def report(session: Session, outcome: object) -> None:
    """Its user has read how it ended: the same command begins another operation from now on."""
    from launchpad.operations.requests.again import reported

    if getattr(outcome, "outcome", "running") != "running" and (identifier := getattr(outcome, "id", "")):
        reported(session.workspace, identifier)


@contextmanager
def failures_reported(session: Session) -> Iterator[None]:
    """An operation that was undone is over, too: its error is how it is told."""
    from launchpad.operations.requests.outcome import OperationFailed

    try:
        yield
    except OperationFailed as error:
        report(session, error.outcome)
        raise


@contextmanager
def errors_as_lines(session: Session) -> Iterator[None]:
    """Under --json an error is the last of the lines, so that every line is a JSON object."""
    from launchpad.errors import LaunchpadError

    try:
        yield
    except LaunchpadError as error:
        if not session.json:
            raise
        session.output.item({"error": error.as_dict()}, "")
        raise typer.Exit(error.exit_code) from error


@contextmanager
def interrupted_kindly(session: Session) -> Iterator[None]:
    """Ctrl-C leaves; what the host was asked for it goes on with."""
    try:
        yield
    except KeyboardInterrupt:
        session.output.say("the host goes on with what it was asked for: launchpad history shows it")
        raise
