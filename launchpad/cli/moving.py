"""launchpad move: a tenant goes to another host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.running import Tenant, Yes, carry_out, errors_as_lines
from launchpad.cli.session import Session
from launchpad.errors import LaunchpadError

if TYPE_CHECKING:
    from launchpad.operations.moving.move import Moved

app = typer.Typer(help="Moves of tenants.")

Destination = Annotated[
    str, typer.Option("--to", metavar="HOST", autocompletion=complete.hosts, help="The host that it goes to.")
]


@app.command("move", epilog="Example: launchpad move alice --to web-2")
def move(
    ctx: typer.Context,
    tenant: Tenant,
    to: Destination = "",
    wait: Annotated[
        str, typer.Option(metavar="TIME", help="How long to wait for its names to lead there; else not at all.")
    ] = "",
    finish: Annotated[
        bool, typer.Option("--finish", help="Its names lead there: have the old host let go of it.")
    ] = False,
    back: Annotated[
        bool, typer.Option("--back", help="It left, and cannot start on HOST: bring it back where it was.")
    ] = False,
    fence: Annotated[
        str,
        typer.Option(
            metavar="PROOF",
            help="Its host is off for good, and PROOF says how you know: its newest backup starts on HOST. With --back "
            "it is HOST that is off for good.",
        ),
    ] = "",
    despite_dns: Annotated[
        bool, typer.Option("--despite-dns", help="With --finish: though its names do not all lead there.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Bring TENANT to another host: its data, its certificates and all, and never on both at once.

    Most of the data goes over while it serves; then it stands still for the rest, and from then on the old host passes
    requests on to the new one until its names lead there. What is interrupted goes on when the same command is typed
    again, by anybody. Its data stays on the old host, too, until `launchpad retire TENANT --host HOST --purge`."""
    from launchpad.cli.boundary import UsageError

    if (finish and (back or fence)) or bool(to) == finish:
        raise UsageError("move takes --to HOST, with --back or --fence or both where wanted, or --finish alone")
    if wait and (finish or back or fence):
        raise UsageError(
            "--wait goes with --to HOST alone, before its names lead there", hint=f"launchpad dns show {tenant}"
        )
    if despite_dns and not finish:
        raise UsageError("--despite-dns goes with --finish", hint=f"launchpad move {tenant} --finish --despite-dns")
    session = Session.of(ctx)
    if finish:
        _finish(session, tenant, despite_dns=despite_dns)
    elif back:
        _back(session, tenant, to, proof=fence, yes=yes)
    elif fence:
        _fence(session, tenant, to, proof=fence, yes=yes)
    else:
        _move(session, tenant, to, wait=wait, yes=yes)


def _move(session: Session, tenant: str, to: str, *, wait: str, yes: bool) -> None:
    from launchpad.cli.prompts import confirm
    from launchpad.cli.wording import soak as read_time
    from launchpad.operations.moving.move import move, plan_move
    from launchpad.operations.requests.confirmation import Confirmation

    seconds = read_time(wait or "0s", option="--wait")
    with errors_as_lines(session):
        what = plan_move(session.workspace, tenant, to=to)
        confirm(
            session, f"Move {tenant} from {what.source} to {what.destination}? It stands still for a while.", yes=yes
        )
    sure = Confirmation(digest=what.digest)
    done = carry_out(
        session,
        lambda on_event: move(session.workspace, what, confirm=sure, tell=session.output.say, on_event=on_event),
        words=_ended,
    )
    _say_more(session, done, seconds)


def _ended(done: Moved) -> str:
    if done.outcome == "unchanged":
        return f"{done.tenant} is on {done.destination}"
    silent = "" if done.silent_seconds is None else f"; it stood still for {done.silent_seconds:.1f} s"
    return f"{done.tenant}: moved from {done.source} to {done.destination}{silent}"


def _say_more(session: Session, done: Moved, seconds: int) -> None:
    """What is left for a person: the inventory to commit, the names, what went wrong beside it."""
    from launchpad.operations.dns.point import records
    from launchpad.operations.dns.resolver import Resolver
    from launchpad.operations.moving.finish_move import await_names

    say = session.output.say
    for problem in done.problems:
        session.output.warn(problem)
    if done.written:
        say(f"inventory/tenants/{done.tenant}.yaml says host: {done.destination} now; commit it")
    written = _point(session, done)
    for record in records(done.domains, done.address):
        say(f"{'written' if written else 'wanted'}: {record}")
    left = await_names(session.workspace, done.domains, done.address, dns=Resolver(), seconds=seconds)
    then = f"launchpad move {done.tenant} --finish"
    if not left:
        say(f"its names lead there: {then} has {done.source} let go of it")
    elif done.domains:
        say(f"until {', '.join(left)} leads there, {done.source} passes requests on; then: {then}")


def _point(session: Session, done: Moved) -> bool:
    """Have the names' keeper write the records; the move stands, whatever it says."""
    from launchpad.operations.dns.provider import dns_of

    try:
        return dns_of(session.workspace).point(done.domains, done.address)
    except LaunchpadError as error:
        session.output.warn(f"{error.message}; {error.hint}; then: launchpad dns point {done.tenant}")
        return False


def _back(session: Session, tenant: str, to: str, *, proof: str, yes: bool) -> None:
    from launchpad.cli.prompts import confirm
    from launchpad.operations.moving.move import move_back, plan_move
    from launchpad.operations.requests.confirmation import Confirmation

    with errors_as_lines(session):
        what = plan_move(session.workspace, tenant, to=to)
        question = f"Bring {tenant} back to {what.source}, so that {what.destination} never starts it?"
        if proof:
            question = (
                f"Start {tenant} on {what.source} again? {what.destination} is told nothing: had it started {tenant},"
            )
            question += f" and came back, it would run {tenant} too."
        confirm(session, question, yes=yes)
    sure = Confirmation(digest=what.digest)
    carry_out(
        session,
        lambda on_event: move_back(session.workspace, what, confirm=sure, proof=proof, on_event=on_event),
        words=lambda done: f"{tenant}: is back on {done.host}",
    )
    if proof:
        _lead_away(session, tenant, gone=what.destination, to=what.source)
        _warn_of(session, tenant, what.destination)


def _fence(session: Session, tenant: str, to: str, *, proof: str, yes: bool) -> None:
    from launchpad.cli.prompts import confirm
    from launchpad.operations.moving.fence_move import fence
    from launchpad.operations.moving.move import plan_move
    from launchpad.operations.requests.confirmation import Confirmation

    with errors_as_lines(session):
        what = plan_move(session.workspace, tenant, to=to)
        question = f"Start {tenant}'s newest backup on {to}? {what.source} is told nothing: were it on, or came back,"
        confirm(session, f"{question} it would run {tenant} too.", yes=yes)
    sure = Confirmation(digest=what.digest)
    carry_out(
        session,
        lambda on_event: fence(session.workspace, what, proof=proof, confirm=sure, on_event=on_event),
        words=lambda done: (
            f"{tenant}: runs on {done.host} already, with the data that it has"
            if done.outcome == "unchanged"
            else f"{tenant}: its newest backup runs on {done.host}"
        ),
    )
    _lead_away(session, tenant, gone=what.source, to=to)
    _warn_of(session, tenant, what.source)


def _lead_away(session: Session, tenant: str, *, gone: str, to: str) -> None:
    """Have the names lead to the host that runs the tenant now, or say which records a person is to change: nobody
    passes requests on at a host that is gone."""
    from launchpad.operations.dns.address import ip_of
    from launchpad.operations.dns.point import point
    from launchpad.operations.dns.provider import dns_of
    from launchpad.operations.dns.resolver import Resolver

    workspace, hint = session.workspace, f"then: launchpad dns point {tenant}"
    try:
        found = point(workspace, tenant, dns=dns_of(workspace))
    except LaunchpadError as error:
        session.output.warn(f"{error.message}; {error.hint}; {hint}")
        found = point(workspace, tenant, dns=Resolver(), write=False)
    for record in found.records:
        session.output.say(f"{'written' if found.written else 'wanted'}: {record}")
    if not found.elsewhere:
        return
    leads = {name: ", ".join(sorted(Resolver().leads_to(name))) or "nowhere" for name in found.elsewhere}
    address = ip_of(workspace.fleet.load().host(to))
    names = "; ".join(f"{name} leads to {place}" for name, place in leads.items())
    change = (
        "wait until resolvers have the new records" if found.written else "change the records above at your provider"
    )
    session.output.warn(
        f"visitors of {tenant} do not reach {to} yet: {names} (not to {to}, {address}; {gone} is gone). {change}; "
        f"launchpad dns show {tenant} looks again"
    )


def _warn_of(session: Session, tenant: str, host: str) -> None:
    session.output.warn(f"should {host} ever come back: launchpad retire {tenant} --host {host}, at once")


def _finish(session: Session, tenant: str, *, despite_dns: bool) -> None:
    from launchpad.operations.dns.resolver import Resolver
    from launchpad.operations.moving.finish_move import finish_move

    done = carry_out(
        session,
        lambda on_event: finish_move(
            session.workspace, tenant, dns=Resolver(), despite_dns=despite_dns, on_event=on_event
        ),
        words=lambda done: f"{tenant}: {done.host} has let go of it",
    )
    session.output.say(f"its data is still there: launchpad retire {tenant} --host {done.host} --purge removes it")
