"""launchpad move: move a tenant to another host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.running import PartsId, Tenant, Yes, carry_out, errors_as_lines
from launchpad.cli.session import Session
from launchpad.errors import LaunchpadError

if TYPE_CHECKING:
    from launchpad.operations.moving.move import Moved

app = typer.Typer(help="Move tenants between hosts.")

Destination = Annotated[
    str, typer.Option("--to", metavar="HOST", autocompletion=complete.hosts, help="The destination host.")
]


@app.command("move", epilog="Example: launchpad move alice --to web-2")
def move(
    ctx: typer.Context,
    tenant: Tenant,
    to: Destination = "",
    wait: Annotated[
        str,
        typer.Option(metavar="TIME", help="How long to wait until DNS points to the new host. Default: do not wait."),
    ] = "",
    finish: Annotated[
        bool, typer.Option("--finish", help="DNS now points to the new host: finish the move and free the old host.")
    ] = False,
    back: Annotated[
        bool,
        typer.Option(
            "--back", help="TENANT left its old host but cannot start on HOST: return TENANT to the old host."
        ),
    ] = False,
    fence: Annotated[
        str,
        typer.Option(
            metavar="PROOF",
            help="TENANT's host is permanently off, and PROOF is your reason to be sure: start TENANT's newest "
            "backup on HOST. With --back: HOST is permanently off.",
        ),
    ] = "",
    despite_dns: Annotated[
        bool,
        typer.Option(
            "--despite-dns", help="With --finish: finish although DNS does not point to the new host for every domain."
        ),
    ] = False,
    yes: Yes = False,
    identifier: PartsId = "",
) -> None:
    """Move TENANT to another host with its data and certificates. TENANT never runs on both hosts.

    Launchpad copies most of the data while TENANT serves. Then TENANT stops, the rest of the data is copied, and TENANT
    starts on the new host. The old host forwards requests to the new host until DNS points to the new host. To resume
    an interrupted move, any operator types the same command again. The old host keeps a copy of the data until
    `launchpad retire TENANT --host HOST --purge`.
    """
    from launchpad.cli.boundary import UsageError

    if (finish and (back or fence)) or bool(to) == finish:
        raise UsageError("give --to HOST (optionally with --back, --fence or both), or --finish alone")
    if wait and (finish or back or fence):
        raise UsageError(
            "--wait needs --to HOST, without --back, --fence or --finish", hint=f"launchpad dns show {tenant}"
        )
    if despite_dns and not finish:
        raise UsageError("--despite-dns needs --finish", hint=f"launchpad move {tenant} --finish --despite-dns")
    session = Session.of(ctx)
    if finish:
        _finish(session, tenant, despite_dns=despite_dns, identifier=identifier)
    elif back:
        _back(session, tenant, to, proof=fence, yes=yes, identifier=identifier)
    elif fence:
        _fence(session, tenant, to, proof=fence, yes=yes, identifier=identifier)
    else:
        _move(session, tenant, to, wait=wait, yes=yes, identifier=identifier)


def _move(session: Session, tenant: str, to: str, *, wait: str, yes: bool, identifier: str) -> None:
    from launchpad.cli.prompts import confirm
    from launchpad.cli.wording import soak as read_time
    from launchpad.operations.moving.move import move, plan_move
    from launchpad.operations.requests.confirmation import Confirmation

    seconds = read_time(wait or "0s", option="--wait")
    with errors_as_lines(session):
        what = plan_move(session.workspace, tenant, to=to)
        confirm(
            session,
            f"Move {tenant} from {what.source} to {what.destination}? Requests wait while {tenant} moves.",
            yes=yes,
        )
    sure = Confirmation(digest=what.digest, identifier=identifier)
    done = carry_out(
        session,
        lambda on_event: move(session.workspace, what, confirm=sure, tell=session.output.say, on_event=on_event),
        words=_ended,
    )
    _say_more(session, done, seconds)


def _ended(done: Moved) -> str:
    if done.outcome == "unchanged":
        return f"{done.tenant} is on {done.destination}"
    silent = "" if done.silent_seconds is None else f"; requests waited for {done.silent_seconds:.1f} s"
    return f"{done.tenant}: moved from {done.source} to {done.destination}{silent}"


def _say_more(session: Session, done: Moved, seconds: int) -> None:
    """Print what is left for the operator: the commit, the DNS records, and problems that did not stop the move."""
    from launchpad.operations.dns.point import records
    from launchpad.operations.dns.resolver import Resolver
    from launchpad.operations.moving.finish_move import await_names

    say = session.output.say
    for problem in done.problems:
        session.output.warn(problem)
    if done.written:
        say(f"inventory/tenants/{done.tenant}.yaml now has host: {done.destination}; commit the file")
    written = _point(session, done)
    for record in records(done.domains, done.address):
        say(f"{'DNS record written' if written else 'DNS record to set'}: {record}")
    left = await_names(session.workspace, done.domains, done.address, dns=Resolver(), seconds=seconds)
    then = f"launchpad move {done.tenant} --finish"
    if not left:
        say(f"DNS points to {done.destination}: finish the move and free {done.source}: {then}")
    elif done.domains:
        say(f"{done.source} forwards requests until DNS points {', '.join(left)} to {done.destination}; then: {then}")


def _point(session: Session, done: Moved) -> bool:
    """Write the records through the DNS provider; a failure does not undo the move."""
    from launchpad.operations.dns.provider import dns_of

    try:
        return dns_of(session.workspace).point(done.domains, done.address)
    except LaunchpadError as error:
        session.output.warn(f"{error.message}; {error.hint}; then: launchpad dns point {done.tenant}")
        return False


def _back(session: Session, tenant: str, to: str, *, proof: str, yes: bool, identifier: str) -> None:
    from launchpad.cli.prompts import confirm
    from launchpad.operations.moving.move import judge_back, move_back, plan_move
    from launchpad.operations.requests.confirmation import Confirmation

    with errors_as_lines(session):
        what = plan_move(session.workspace, tenant, to=to)
        judge_back(session.workspace, what, proof=proof)
        question = f"Return {tenant} to {what.source}? {what.destination} will never start {tenant}."
        if proof:
            question = (
                f"Start {tenant} on {what.source} again? {what.destination} cannot be informed: if "
                f"{what.destination} has {tenant}"
            )
            question += f" and is switched on again, {tenant} runs on both hosts."
        confirm(session, question, yes=yes)
    sure = Confirmation(digest=what.digest, identifier=identifier)
    carry_out(
        session,
        lambda on_event: move_back(session.workspace, what, confirm=sure, proof=proof, on_event=on_event),
        words=lambda done: f"{tenant}: returned to {done.host}",
    )
    if proof:
        _lead_away(session, tenant, gone=what.destination, to=what.source)
        _warn_of(session, tenant, what.destination)


def _fence(session: Session, tenant: str, to: str, *, proof: str, yes: bool, identifier: str) -> None:
    from launchpad.cli.prompts import confirm
    from launchpad.operations.moving.fence_move import fence, judge_fence
    from launchpad.operations.moving.move import plan_move
    from launchpad.operations.requests.confirmation import Confirmation

    with errors_as_lines(session):
        what = plan_move(session.workspace, tenant, to=to)
        judge_fence(session.workspace, what, proof=proof)
        question = (
            f"Start {tenant}'s newest backup on {to}? {what.source} cannot be informed: if it is on, or is switched "
            "on again,"
        )
        confirm(session, f"{question} {tenant} runs on both hosts.", yes=yes)
    sure = Confirmation(digest=what.digest, identifier=identifier)
    carry_out(
        session,
        lambda on_event: fence(session.workspace, what, proof=proof, confirm=sure, on_event=on_event),
        words=lambda done: (
            f"{tenant}: already runs on {done.host}; its data there is unchanged"
            if done.outcome == "unchanged"
            else f"{tenant}: its newest backup runs on {done.host}"
        ),
    )
    _lead_away(session, tenant, gone=what.source, to=to)
    _warn_of(session, tenant, what.source)


def _lead_away(session: Session, tenant: str, *, gone: str, to: str) -> None:
    """Point DNS to the host that now runs the tenant, or print the records to change: a lost host forwards no
    requests."""
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
        session.output.say(f"{'DNS record written' if found.written else 'DNS record to set'}: {record}")
    if not found.elsewhere:
        return
    leads = {name: ", ".join(sorted(Resolver().leads_to(name))) or "nowhere" for name in found.elsewhere}
    address = ip_of(workspace.fleet.load().host(to))
    names = "; ".join(f"DNS points {name} to {place}" for name, place in leads.items())
    change = (
        "wait until resolvers have the new records" if found.written else "change the records above at your provider"
    )
    session.output.warn(
        f"visitors of {tenant} do not reach {to} ({address}) yet: {names}; {gone} is lost. {change}; to check again: "
        f"launchpad dns show {tenant}"
    )


def _warn_of(session: Session, tenant: str, host: str) -> None:
    session.output.warn(f"if {host} is ever switched on again, type at once: launchpad retire {tenant} --host {host}")


def _finish(session: Session, tenant: str, *, despite_dns: bool, identifier: str) -> None:
    from launchpad.operations.dns.resolver import Resolver
    from launchpad.operations.moving.finish_move import finish_move

    done = carry_out(
        session,
        lambda on_event: finish_move(
            session.workspace,
            tenant,
            dns=Resolver(),
            despite_dns=despite_dns,
            identifier=identifier,
            on_event=on_event,
        ),
        words=lambda done: f"{tenant}: move finished; {done.host} is free of {tenant}",
    )
    session.output.say(
        f"{done.host} still keeps {tenant}'s data; to remove the data: launchpad retire {tenant} --host {done.host} "
        "--purge"
    )
