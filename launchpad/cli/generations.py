"""launchpad generations, snapshot, restore: generations of a tenant's data, kept on its host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.running import OperationId, Tenant, Yes, carry_out, earlier, errors_as_lines
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.operations.generations.generations import KeptGeneration
    from launchpad.operations.requests.outcome import Outcome

app = typer.Typer(help="Generations (snapshots) of tenants' data.")

WHY = {
    "upgrade": "before an upgrade",
    "rollback": "before a rollback",
    "restore": "before a restore",
    "soak": "data of an upgrade that was undone",
    "manual": "taken by an operator",
    "copy": "for a copy to another machine",
    "move": "left behind by a move",
    "rehearsal": "for a rehearsal",
    "backup": "fetched from a backup",
    "import": "before an import",
    "received": "received from another machine",
}


@app.command("generations", epilog="Example: launchpad generations alice --drop 0mhcq2k3a-7f3k9")
def generations(
    ctx: typer.Context,
    tenant: Tenant,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", metavar="ID", help="Remove this generation permanently. Repeatable.")
    ] = None,
    yes: Yes = False,
    identifier: OperationId = "",
) -> None:
    """List the generations of TENANT's data on its host, newest first.

    A generation is a read-only snapshot of all files of TENANT at one instant. A generation uses disk space only for
    files that changed since. Generations that an operator took stay until an operator drops them; of the others, the
    newest few stay.
    """
    from launchpad.operations.generations.generations import generations

    session = Session.of(ctx)
    if drop:
        _drop(session, tenant, drop, yes=yes, identifier=identifier)
        return
    past = generations(session.workspace, tenant)
    now = session.workspace.clock.now()
    rows = tuple(_row(item, now) for item in past.generations)
    headings = ("generation", "taken", "version", "release", "why")
    empty = f"{tenant} has no generations: launchpad snapshot {tenant}"
    session.output.result(past.as_json(), Table(headings, rows, empty, firm=("generation", "taken")))


def _row(item: KeptGeneration, now: float) -> tuple[str, ...]:
    from launchpad.cli.wording import short_moment

    if item.incomplete:
        return item.id, "", "", "", "incomplete: taking the generation was interrupted"
    return item.id, short_moment(item.at, now=now), item.version, item.release, WHY.get(item.why, item.why)


def _drop(session: Session, tenant: str, drop: list[str], *, yes: bool, identifier: str) -> None:
    from launchpad.cli.prompts import confirm
    from launchpad.operations.generations.drop import drop as remove
    from launchpad.operations.generations.drop import wish_to_drop
    from launchpad.operations.generations.generations import generations
    from launchpad.operations.requests.again import come_back

    def ended(done: Outcome) -> str:
        return f"{tenant}: {', '.join(drop)} removed on {done.host}"

    found = earlier(session, wish_to_drop(tenant, drop), identifier)
    if found is not None:
        carry_out(session, lambda on_event: come_back(session.workspace, found, on_event=on_event), words=ended)
        return
    with errors_as_lines(session):
        past = generations(session.workspace, tenant)
        known = [past.generation(item) for item in drop]
        what = ", ".join(f"{item.id} ({WHY.get(item.why, item.why)})" for item in known)
        confirm(session, f"Remove {tenant}'s generation {what} permanently?", yes=yes)
    carry_out(
        session,
        lambda on_event: remove(session.workspace, tenant, drop, identifier=identifier, on_event=on_event),
        words=ended,
    )


@app.command("snapshot", epilog="Example: launchpad snapshot alice")
def snapshot(ctx: typer.Context, tenant: Tenant, identifier: OperationId = "") -> None:
    """Take a generation: a read-only snapshot of TENANT's data, on its host, while TENANT runs.

    A generation is not a backup: if the host is lost, the generation is lost too.
    """
    from launchpad.operations.generations.snapshot import snapshot

    session = Session.of(ctx)
    done = carry_out(
        session, lambda on_event: snapshot(session.workspace, tenant, identifier=identifier, on_event=on_event)
    )
    session.output.say(f"to restore this generation: launchpad restore {tenant} --generation {done.id}")


@app.command("restore", epilog="Example: launchpad restore alice --generation 0mhcq2k3a-7f3k9")
def restore(
    ctx: typer.Context,
    tenant: Tenant,
    generation: Annotated[
        str, typer.Option("--generation", metavar="ID", help="A generation's id, from `launchpad generations`.")
    ] = "",
    at: Annotated[
        str, typer.Option(metavar="TIME|ID", help="Restore a backup: its id, or a time: the newest backup before it.")
    ] = "",
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="OTHER",
            autocompletion=complete.tenants,
            help="Replace the data of OTHER with a backup of TENANT.",
        ),
    ] = "",
    yes: Yes = False,
    identifier: OperationId = "",
) -> None:
    """Restore TENANT's data from a generation or a backup. TENANT's release stays the same.

    The present data is first kept as a generation. To restore data of another version, use `launchpad rollback`. With
    --to, a backup of TENANT (the newest, or the one that --at names) replaces the data of OTHER; OTHER must run the
    same app and version.
    """
    from launchpad.cli.prompts import confirm
    from launchpad.cli.wording import moment
    from launchpad.operations.backups.fetch import choose, fetch
    from launchpad.operations.generations.restore import judge_backup, plan_restore, restore
    from launchpad.operations.requests.again import Wish, come_back
    from launchpad.operations.requests.confirmation import Confirmation

    session = Session.of(ctx)
    if bool(generation) == bool(at or to):
        raise typer.BadParameter("give --generation ID, or --at for a backup, or --to OTHER", ctx=ctx)
    source = ""
    if to:
        source, tenant = tenant, to
    chosen = None
    if to and not at:  # with a newer backup, the same words are another command
        with errors_as_lines(session):
            chosen = choose(session.workspace, tenant, source=source)
        at = chosen.id
    words = {"generation": generation, "at": at, "from": source}
    found = earlier(session, Wish(kind="restore", tenant=tenant, words=words), identifier)
    if found is not None:
        done = carry_out(session, lambda on_event: come_back(session.workspace, found, on_event=on_event))
        session.output.say(f"to undo this restore: launchpad restore {tenant} --generation {done.id}")
        return
    if not generation:
        with errors_as_lines(session):
            chosen = chosen or choose(session.workspace, tenant, at=at, source=source)
            judge_backup(session.workspace, tenant, chosen)
            question = f"Replace {tenant}'s data with its data of {moment(chosen.at)}?"
            confirm(session, _warning(source, tenant) if source else question, yes=yes)
        fetched = carry_out(
            session, lambda on_event: fetch(session.workspace, tenant, at=chosen.id, source=source, on_event=on_event)
        )
        generation, yes = fetched.id, True
    with errors_as_lines(session):
        what = plan_restore(session.workspace, tenant, generation=generation)
        confirm(session, f"Replace {tenant}'s data with its data of {moment(what.at)}?", yes=yes)
    sure = Confirmation(digest=what.digest, identifier=identifier, words=words)
    done = carry_out(session, lambda on_event: restore(session.workspace, what, confirm=sure, on_event=on_event))
    session.output.say(f"to undo this restore: launchpad restore {tenant} --generation {done.id}")


def _warning(source: str, tenant: str) -> str:
    return (
        f"Replace all data of {tenant} with {source}'s data, including {source}'s tokens, sessions and messages? The "
        f"present data of {tenant} is kept as a generation."
    )
