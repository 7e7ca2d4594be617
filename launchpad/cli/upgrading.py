"""launchpad upgrade, rollback: another version, with image, configuration, secrets and data together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.running import OperationId, Tenant, Yes, carry_out, earlier, errors_as_lines, say_written, sentence
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.operations.generations.generations import Past
    from launchpad.operations.requests.again import Wish
    from launchpad.operations.tenants.written_version import VersionOutcome
    from launchpad.operations.versions.rollback import Rollback
    from launchpad.operations.versions.upgrade import Upgrade

app = typer.Typer(help="Versions of tenants.")


@app.command("upgrade", epilog="Example: launchpad upgrade alice --to 2026.9.6")
def upgrade(
    ctx: typer.Context,
    tenant: Tenant,
    to: Annotated[str, typer.Option("--to", metavar="VERSION", help="One that launchpad versions lists.")] = "",
    latest: Annotated[bool, typer.Option("--latest", help="The app's newest instead.")] = False,
    soak: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="How long it must serve well to be final; never less than the app's steady time."
        ),
    ] = "60s",
    no_rehearsal: Annotated[
        bool, typer.Option("--no-rehearsal", help="Do not try it first on a clone of the tenant's data.")
    ] = False,
    rehearse_on: Annotated[
        str,
        typer.Option("--rehearse-on", metavar="HOST", autocompletion=complete.hosts, help="Try it on that host first."),
    ] = "",
    yes: Yes = False,
    identifier: OperationId = "",
) -> None:
    """Bring TENANT to a newer version: image, configuration, secrets and data together, or not at all.

    It is rehearsed first on a clone of the tenant's own data, which reaches nothing outside: on its own host, or, where
    that has no memory for a clone, on the drill_host that the inventory names. Then requests wait while
    the versions change. If the new one does not become ready, or fails in the soak, the old one serves again, on the
    data of before; what was written in the soak is kept aside, as a generation. A message that was sent stays sent.

    At success the tenant's file in the inventory says the new version.
    """
    from launchpad.cli.boundary import UsageError
    from launchpad.cli.prompts import confirm
    from launchpad.cli.wording import soak as read_soak
    from launchpad.operations.requests.again import Wish
    from launchpad.operations.requests.confirmation import Confirmation
    from launchpad.operations.versions.upgrade import UpgradeRequest, plan_upgrade, upgrade

    if bool(to) == latest:
        raise UsageError("upgrade takes either --to VERSION or --latest", hint="launchpad versions APP")
    if no_rehearsal and rehearse_on:
        raise UsageError("--no-rehearsal and --rehearse-on exclude each other", hint=f"launchpad upgrade {tenant}")
    session = Session.of(ctx)
    if latest:  # a later newest version is another command
        with errors_as_lines(session):
            fleet = session.workspace.fleet.load()
            to = str(fleet.app(fleet.tenant(tenant).app).versions[-1].version)
    target = UpgradeRequest(
        version=to, soak_seconds=read_soak(soak), rehearse=not no_rehearsal, rehearse_on=rehearse_on
    )
    words = {"to": to}
    if _came_back(session, Wish(kind="upgrade", tenant=tenant, words=words), identifier):
        return
    with errors_as_lines(session):
        what = plan_upgrade(session.workspace, tenant, target)
        if not what.empty:
            session.output.say(_described(what))
            confirm(session, f"Upgrade {tenant} from {what.version_before} to {what.version}?", yes=yes)
    sure = Confirmation(digest=what.digest, identifier=identifier, words=words)
    done = carry_out(
        session,
        lambda on_event: upgrade(session.workspace, what, confirm=sure, on_event=on_event),
        words=lambda done: _ended(done, "upgraded", what.version_before),
    )
    if what.empty and what.also:
        session.output.say(f"it differs otherwise from the inventory: launchpad plan {tenant}")
    say_written(session, done)


def _came_back(session: Session, wish: Wish, identifier: str) -> bool:
    """Whether the command was typed before: its operation is followed then, and its version written."""
    from launchpad.operations.tenants.written_version import come_back_to_version

    found = earlier(session, wish, identifier)
    if found is None:
        return False
    done = carry_out(
        session,
        lambda on_event: come_back_to_version(session.workspace, found, on_event=on_event),
        words=lambda done: f"{sentence(done)}; {done.version} runs",
    )
    say_written(session, done)
    return True


def _described(what: Upgrade) -> str:
    lines = [f"{what.tenant} on {what.host}: {what.app} {what.version_before} → {what.version}"]
    lines += [f"  {version} breaks: {text}" for version, text in what.breaks]
    lines += [f"  {version}: {text}" for version, text in what.notes]
    lines += [f"  also, as the inventory says: {text}" for text in what.also]
    return "\n".join([*lines, *_rehearsed(what)])


def _rehearsed(what: Upgrade) -> list[str]:
    place = what.rehearsal
    if place is None:
        return ["  it is not rehearsed"]
    if not place.elsewhere:
        return []
    oldest = f"{place.data_at_most_seconds // 3600} hours"
    return [
        f"  it is rehearsed on {place.host} ({place.reason}):",
        "  a copy of its data goes there through this machine, and is taken away again; it is made when",
        f"  this begins, and the upgrade follows within {oldest} or is refused",
    ]


@app.command("rollback", epilog="Example: launchpad rollback alice --to 2026.9.5")
def rollback(
    ctx: typer.Context,
    tenant: Tenant,
    to: Annotated[
        str,
        typer.Option("--to", metavar="RELEASE|VERSION", help="One that --list shows; the one before when left out."),
    ] = "",
    show: Annotated[bool, typer.Option("--list", help="Show what can be rolled back to instead.")] = False,
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="Keep the present data, where the older version reads it.")
    ] = False,
    soak: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="How long it must serve well to be final; never less than the app's steady time."
        ),
    ] = "0s",
    yes: Yes = False,
    identifier: OperationId = "",
) -> None:
    """Bring TENANT back to a release that ran before, with the data that it had when that was left.

    The present data is kept as a generation first, so that a rollback can be rolled back. What went out since, such as
    messages, stays out. At success the tenant's file in the inventory says the older version.
    """
    from launchpad.cli.prompts import confirm
    from launchpad.cli.wording import soak as read_soak
    from launchpad.operations.generations.generations import generations
    from launchpad.operations.requests.again import Wish
    from launchpad.operations.requests.confirmation import Confirmation
    from launchpad.operations.versions.rollback import Back, plan_rollback, rollback

    session = Session.of(ctx)
    if show:
        past = generations(session.workspace, tenant)
        session.output.result(past.as_json(), _releases(past, now=session.workspace.clock.now()))
        return
    words = {"to": to, "keep_data": keep_data}
    if _came_back(session, Wish(kind="rollback", tenant=tenant, words=words), identifier):
        return
    with errors_as_lines(session):
        back = Back(to=to, keep_data=keep_data, soak_seconds=read_soak(soak))
        what = plan_rollback(session.workspace, tenant, back)
        confirm(session, _question(what), yes=yes)
    sure = Confirmation(digest=what.digest, identifier=identifier, words=words)
    done = carry_out(
        session,
        lambda on_event: rollback(session.workspace, what, confirm=sure, on_event=on_event),
        words=lambda done: _ended(done, "rolled back", what.version_before),
    )
    session.output.say(f"launchpad rollback {tenant} --to {what.release_before} goes back to what it was")
    say_written(session, done)


def _question(what: Rollback) -> str:
    from launchpad.cli.wording import moment

    change = f"Roll {what.tenant} back from {what.version_before} to {what.version}"
    if not what.generation:
        return f"{change}, and keep its data?"
    return f"{change}, with its data of {moment(what.at)}?"


def _releases(past: Past, *, now: float) -> Table:
    from launchpad.cli.wording import short_moment

    taken = {item.id: short_moment(item.at, now=now) for item in past.generations}
    rows = tuple(
        (
            item.release,
            item.version,
            "runs" if item.running else "kept" if item.kept else "gone",
            taken.get(item.generation, ""),
            item.generation,
        )
        for item in past.releases
    )
    headings = ("release", "version", "state", "data of", "generation")
    return Table(headings, rows, f"no release of {past.tenant} is on {past.host}", firm=("release", "generation"))


def _ended(done: VersionOutcome, verb: str, before: str) -> str:
    from launchpad.cli.wording import lasted

    if done.outcome == "unchanged":
        return f"{done.tenant}: {done.version} runs already"
    end = f"; {done.message}" if done.outcome == "incomplete" else ""
    return f"{done.tenant}: {verb} from {before} to {done.version} in {lasted(done.seconds or 0.0)}{end}"
