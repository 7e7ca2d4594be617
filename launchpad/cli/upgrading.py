"""launchpad upgrade, rollback: change a tenant's version with its image, configuration, secrets and data together."""

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

app = typer.Typer(help="Change tenants' versions.")


@app.command("upgrade", epilog="Example: launchpad upgrade alice --to 2026.9.6")
def upgrade(
    ctx: typer.Context,
    tenant: Tenant,
    to: Annotated[
        str, typer.Option("--to", metavar="VERSION", help="The new version, from `launchpad versions`.")
    ] = "",
    latest: Annotated[bool, typer.Option("--latest", help="Upgrade to the app's newest version.")] = False,
    soak: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="How long the release must stay healthy before the change is final; at least the app's steady time.",
        ),
    ] = "60s",
    no_rehearsal: Annotated[
        bool, typer.Option("--no-rehearsal", help="Do not rehearse the upgrade on a clone of the tenant's data.")
    ] = False,
    rehearse_on: Annotated[
        str,
        typer.Option(
            "--rehearse-on", metavar="HOST", autocompletion=complete.hosts, help="Rehearse the upgrade on this host."
        ),
    ] = "",
    yes: Yes = False,
    identifier: OperationId = "",
) -> None:
    """Upgrade TENANT to a newer version: image, configuration, secrets and data change together or not at all.

    Launchpad first rehearses the upgrade on a clone of TENANT's data, without network access: on TENANT's host, or, if
    the host lacks memory, on its drill_host in the inventory. Then requests wait while the versions change.

    If the new version does not become ready, or fails during the soak (the time of --soak), the upgrade is undone: the
    old version serves again with the data from before the upgrade. Data that was written during the soak is kept as a
    generation. Messages that were sent cannot be undone.

    After a successful upgrade, Launchpad writes the new version into TENANT's file in the inventory.
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
        session.output.say(f"{tenant} also differs from the inventory in other ways: launchpad plan {tenant}")
    say_written(session, done)


def _came_back(session: Session, wish: Wish, identifier: str) -> bool:
    """Follow the operation of an earlier, identical command and write its version; return whether there was one."""
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
    lines += [f"  also deployed from the inventory: {text}" for text in what.also]
    return "\n".join([*lines, *_rehearsed(what)])


def _rehearsed(what: Upgrade) -> list[str]:
    place = what.rehearsal
    if place is None:
        return ["  without a rehearsal"]
    if not place.elsewhere:
        return []
    oldest = f"{place.data_at_most_seconds // 3600} hours"
    return [
        f"  rehearsed on {place.host} ({place.reason}):",
        f"  a copy of the data goes to {place.host} through this machine and is deleted after the rehearsal; the",
        f"  upgrade follows within {oldest} of the copy, or is rejected",
    ]


@app.command("rollback", epilog="Example: launchpad rollback alice --to 2026.9.5")
def rollback(
    ctx: typer.Context,
    tenant: Tenant,
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="RELEASE|VERSION", help="A release or version, from --list. Default: the previous release."
        ),
    ] = "",
    show: Annotated[
        bool, typer.Option("--list", help="List the releases that a rollback can return to, and change nothing.")
    ] = False,
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="Keep the present data, if the older version can read it.")
    ] = False,
    soak: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="How long the release must stay healthy before the change is final; at least the app's steady time.",
        ),
    ] = "0s",
    yes: Yes = False,
    identifier: OperationId = "",
) -> None:
    """Return TENANT to an earlier release, with TENANT's data from the end of that release.

    The present data is first kept as a generation, so that a rollback can be undone. Messages that were sent since
    cannot be undone. After a successful rollback, Launchpad writes the older version into TENANT's file in the
    inventory.
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
    session.output.say(f"to undo this rollback: launchpad rollback {tenant} --to {what.release_before}")
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
    return Table(headings, rows, f"{past.host} has no release of {past.tenant}", firm=("release", "generation"))


def _ended(done: VersionOutcome, verb: str, before: str) -> str:
    from launchpad.cli.wording import lasted

    if done.outcome == "unchanged":
        return f"{done.tenant}: already runs {done.version}"
    end = f"; {done.message}" if done.outcome == "incomplete" else ""
    return f"{done.tenant}: {verb} from {before} to {done.version} in {lasted(done.seconds or 0.0)}{end}"
