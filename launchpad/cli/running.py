"""launchpad deploy, stop, start, restart, retire, attach, cancel: run one operation and print its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

from launchpad.cli import complete
from launchpad.cli.parsed import operation_id
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.cli.output import FollowedOperation
    from launchpad.events import OnEvent
    from launchpad.operations.requests.again import EarlierOperation, Wish
    from launchpad.operations.requests.outcome import Outcome
    from launchpad.operations.tenants.written_version import VersionOutcome

    class Told(Protocol):
        """An outcome that can be printed."""

        def as_json(self) -> dict[str, Any]: ...


app = typer.Typer(help="Operations on tenants.")

Ended = TypeVar("Ended", bound="Told")

Tenant = Annotated[str, typer.Argument(metavar="TENANT", autocompletion=complete.tenants)]
OperationId = Annotated[
    str,
    typer.Option(
        "--id",
        metavar="ID",
        callback=operation_id,
        help="The operation's id. With the id of an earlier operation, the command follows that operation.",
    ),
]
PartsId = Annotated[
    str,
    typer.Option(
        "--id",
        metavar="ID",
        callback=operation_id,
        help="The command's id. The ids of its operations follow from it: the same command with the same id, also on "
        "another machine, follows the operations that exist already and starts only the others.",
    ),
]
HostOption = Annotated[
    str,
    typer.Option(
        "--host", metavar="HOST", autocompletion=complete.hosts, help="The host that has the tenant or the operation."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]

SENTENCES = {
    "done": "{subject}: {kind} done in {seconds}",
    "unchanged": "{subject}: nothing to do",
    "incomplete": "{subject}: {kind} done in {seconds}; {message}",
    "running": "{subject}: {kind} is still running; to follow it: launchpad attach {id}",
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
            help="Deploy although this inventory does not descend from the running revision, which is REVISION.",
        ),
    ] = "",
    no_follow: Annotated[
        bool, typer.Option("--no-follow", help="Start the deploy and do not wait for its end.")
    ] = False,
) -> None:
    """Deploy TENANT's release on its host, as the inventory describes the release.

    Launchpad changes only what differs. If the new release does not become healthy, the host returns to the old
    release. A domain whose DNS does not point to the host gets no certificate: Launchpad reports the domain with the
    DNS record to set, and continues. After a lost connection or Ctrl-C the operation continues on the host; `launchpad
    attach` follows it.

    A deploy from an inventory that does not descend from the running revision is rejected, with the differences: pull
    the newer inventory first. If the running revision is lost, give it with --after; `launchpad history` shows the
    revision.
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
    """Stop TENANT. TENANT stays stopped, also after a reboot, until `launchpad start` or `launchpad deploy`."""
    from launchpad.operations.tenants.stop import stop

    session = Session.of(ctx)
    carry_out(session, lambda on_event: stop(session.workspace, tenant, identifier=identifier, on_event=on_event))
    session.output.say(
        f"`launchpad apply` starts {tenant} again unless inventory/tenants/{tenant}.yaml has running: false"
    )


@app.command("start", epilog="Example: launchpad start alice")
def start(ctx: typer.Context, tenant: Tenant, identifier: OperationId = "") -> None:
    """Start TENANT with its last deployed release."""
    from launchpad.operations.tenants.start import start

    session = Session.of(ctx)
    carry_out(session, lambda on_event: start(session.workspace, tenant, identifier=identifier, on_event=on_event))


@app.command("restart", epilog="Example: launchpad restart alice")
def restart(ctx: typer.Context, tenant: Tenant, identifier: OperationId = "") -> None:
    """Stop and start TENANT; new requests wait meanwhile.

    Also starts a tenant that the host no longer restarts after repeated crashes.
    """
    from launchpad.operations.tenants.restart import restart

    session = Session.of(ctx)
    carry_out(session, lambda on_event: restart(session.workspace, tenant, identifier=identifier, on_event=on_event))


@app.command("retire", epilog="Example: launchpad retire alice --purge")
def retire(
    ctx: typer.Context,
    tenant: Tenant,
    host: HostOption = "",
    purge: Annotated[bool, typer.Option("--purge", help="Also remove its data and secrets, permanently.")] = False,
    yes: Yes = False,
    identifier: OperationId = "",
) -> None:
    """Remove TENANT from its host. The data stays on the host unless --purge is given.

    A tenant that is no longer in the inventory needs --host. The inventory does not change; to remove the tenant from
    the inventory, use `launchpad tenant remove`.
    """
    from launchpad.cli.prompts import confirm
    from launchpad.operations.tenants.retire import plan_retirement, retained, retire

    session = Session.of(ctx)
    what = plan_retirement(session.workspace, tenant, host=host, purge=purge)
    loss = "and delete ALL OF ITS DATA permanently" if purge else "and keep its data"
    confirm(session, f"Remove {tenant} from {what.host} {loss}?", yes=yes)
    carry_out(
        session,
        lambda on_event: retire(session.workspace, what, confirm=what.digest, identifier=identifier, on_event=on_event),
    )
    for item in retained(session.workspace, what) if purge else ():
        kept = f"{item.target}: backups at {item.where}, if there are any, stay readable until they are deleted"
        text = f"{kept}: {item.delete}"
        session.output.item({"retained": vars(item) | {"until": None}}, text)


@app.command("attach", epilog="Example: launchpad attach 0mhcq2k3a-7f3k9")
def attach(
    ctx: typer.Context,
    operation: Annotated[
        str,
        typer.Argument(
            metavar="OPERATION", callback=operation_id, help="The operation's id, from `launchpad history`."
        ),
    ],
    host: HostOption = "",
) -> None:
    """Follow OPERATION to its end, and print its events from the first step."""
    from launchpad.operations.observation.attach import attach
    from launchpad.operations.tenants.written_version import VersionOutcome

    session = Session.of(ctx)
    done = carry_out(session, lambda on_event: attach(session.workspace, operation, host=host, on_event=on_event))
    if isinstance(done, VersionOutcome):
        say_written(session, done)
    elif done.kind in ("upgrade", "rollback"):
        session.output.say(f"to write the running version into the inventory: launchpad adopt {done.tenant}")


@app.command("cancel", epilog="Example: launchpad cancel 0mhcq2k3a-7f3k9")
def cancel(
    ctx: typer.Context,
    operation: Annotated[
        str,
        typer.Argument(
            metavar="OPERATION", callback=operation_id, help="The operation's id, from `launchpad history`."
        ),
    ],
    host: HostOption = "",
) -> None:
    """Cancel OPERATION: its host undoes every change.

    An operation that has committed cannot be cancelled and continues to its end.
    """
    from launchpad.operations.observation.cancel import cancel

    session = Session.of(ctx)
    asked = cancel(session.workspace, operation, host=host)
    session.output.result(
        asked, f"{asked['host']}: undoing {operation}; to follow the undo: launchpad attach {operation}"
    )


def say_written(session: Session, done: VersionOutcome) -> None:
    """Print whether the tenant's version was written into the inventory."""
    file = f"inventory/tenants/{done.tenant}.yaml"
    if done.problem is not None:
        session.output.warn(f"{file} is unchanged: {done.problem.message}", hint=done.problem.hint)
    elif done.written:
        session.output.say(f"{file} now has version: {done.version}; commit the file")


def sentence(outcome: Outcome) -> str:
    """The outcome as a sentence."""
    from launchpad.cli.wording import lasted

    text = SENTENCES.get(outcome.outcome, "{subject}: {kind}: {outcome}")
    fields = outcome.as_json() | {"seconds": lasted(outcome.seconds or 0.0)}
    return text.format(subject=outcome.tenant or outcome.host, **fields)


def carry_out(session: Session, work: Callable[[OnEvent], Ended], *, words: Callable[[Any], str] = sentence) -> Ended:
    """Print the operation's progress, then its outcome. Under --json every line is one JSON object."""
    from launchpad.cli.progress import telling

    with errors_as_lines(session), interrupted_kindly(session), failures_reported(session):
        with telling(session.output) as on_event:
            outcome = work(on_event)
        session.output.item(outcome.as_json(), words(outcome))
        report(session, outcome)
    return outcome


def earlier(session: Session, wish: Wish, identifier: str = "") -> EarlierOperation | None:
    """Find the operation that an earlier, identical command started and that this command must follow; None otherwise.
    An earlier operation that was undone is reported."""
    from launchpad.cli.progress import telling
    from launchpad.operations.requests.again import find

    with errors_as_lines(session), telling(session.output) as on_event:
        return find(session.workspace, wish, identifier=identifier, on_event=on_event)


def report(session: Session, outcome: object) -> None:
    """Record that the operator has seen the outcome: the same command starts a new operation from now on."""
    from launchpad.operations.requests.again import reported

    if getattr(outcome, "outcome", "running") != "running" and (identifier := getattr(outcome, "id", "")):
        reported(session.workspace, identifier)


@contextmanager
def failures_reported(session: Session) -> Iterator[None]:
    """Record a failed operation as reported, because its error is printed."""
    from launchpad.operations.requests.outcome import OperationFailed

    try:
        yield
    except OperationFailed as error:
        report(session, error.outcome)
        raise


@contextmanager
def errors_as_lines(session: Session) -> Iterator[None]:
    """Under --json print an error as the last line, so that every line is a JSON object."""
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
    """Ctrl-C ends this command; an operation continues on its host."""
    try:
        yield
    except KeyboardInterrupt:
        for line in _left(session.output.followed):
            session.output.say(line)
        raise


def _left(followed: Mapping[str, FollowedOperation]) -> Iterator[str]:
    """What the command leaves behind: each operation that continues, and how to follow it; else the last that ended."""
    running = {identifier: item for identifier, item in followed.items() if not item.ended}
    for identifier, item in running.items():
        what = f"the {item.kind} of {item.tenant}" if item.tenant else f"the {item.kind}"
        # Before the end of a first provision only that command can log in.
        follow = f"provision {item.host}" if item.kind == "provision" else f"attach {identifier}"
        yield f"{what} continues on {item.host}; to follow it: launchpad {follow}"
    if followed and not running:
        item = list(followed.values())[-1]
        what = f"the {item.kind} of {item.tenant}" if item.tenant else f"the {item.kind}"
        yield f"{what} on {item.host} has ended; to see it: launchpad history"
    if not followed:
        yield "if an operation was begun, it continues on its host; to see it: launchpad history"
