"""launchpad gameday: bring all tenants of a host back on other hosts, as if the host were lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.running import PartsId, Yes
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.errors import LaunchpadError
    from launchpad.operations.moving.gameday import GameDayEnded
    from launchpad.operations.moving.gameday_plan import GameDayPlan
    from launchpad.runner.facts import Returned

app = typer.Typer(help="Game days.")


@app.command("gameday", epilog="Example: launchpad gameday web-1 --dry-run")
def gameday(
    ctx: typer.Context,
    host: Annotated[
        str, typer.Argument(metavar="HOST", autocompletion=complete.hosts, help="The host that is taken for lost.")
    ],
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="HOST",
            autocompletion=complete.hosts,
            show_default=False,
            help="A host where tenants come back; repeat the option for more hosts. Default: every other host.",
        ),
    ] = None,
    parallel: Annotated[
        int, typer.Option("--parallel", metavar="N", min=1, max=8, help="The number of clones at once on each host.")
    ] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show only where each tenant would come back, and start nothing.")
    ] = False,
    yes: Yes = False,
    identifier: PartsId = "",
) -> None:
    """Prove that HOST may be lost: bring its tenants back from their newest backups as clones on other hosts.

    Launchpad first shows where each tenant comes back: by the free memory, disk and slots that all tenants would need
    at the same time. Each clone boots without network access and with random secrets, must become ready and stay ready,
    and is then destroyed. HOST's tenants keep serving and are not touched.

    HOST records the outcome, and `launchpad status` shows it. To resume an interrupted game day, type the same command
    again. The exit code is not 0 when a tenant does not come back or has no place.
    """
    from launchpad.cli.progress import telling
    from launchpad.cli.prompts import confirm
    from launchpad.cli.running import errors_as_lines, interrupted_kindly
    from launchpad.operations.moving.gameday import gameday
    from launchpad.operations.moving.gameday_plan import plan_gameday

    session = Session.of(ctx)
    with errors_as_lines(session), interrupted_kindly(session):
        what = plan_gameday(session.workspace, host, to=to or ())
        if dry_run or not what.placed:
            session.output.item(what.as_json(), described(what))
            return _leave(session, dict(_left(what)))
        session.output.say(described(what))
        confirm(session, f"Bring {_count(len(what.placed))} of {host} back as clones? Nothing of them stays.", yes=yes)
        with telling(session.output, brief=True) as on_event:
            ended = gameday(
                session.workspace,
                what,
                confirm=what.digest,
                parallel=parallel,
                identifier=identifier,
                on_returned=lambda item: session.output.say(returned(item) if item.is_back else ""),
                tell=session.output.say,
                on_event=on_event,
            )
        session.output.item(ended.as_json(), sentence(ended))
    return _leave(session, dict(_failures(ended)))


def described(what: GameDayPlan) -> str:
    """Where each tenant comes back, as text."""
    if not what.placed and not what.left:
        return f"{what.host} has no tenants"
    lines = [f"{host} is not considered: {why}" for host, why in what.unasked.items()]
    lines.append(f"{what.host}: {'its tenants' if what.placed else 'no tenant'} would come back")
    for host in sorted(set(what.placed.values())):
        lines.append(f"  on {host}: {', '.join(name for name, there in what.placed.items() if there == host)}")
    lines += [f"  nowhere: {name}: {why}" for name, why in what.left.items()]
    return "\n".join(lines)


def returned(item: Returned) -> str:
    """`alice: back on web-2 in 20 s`"""
    from launchpad.cli.wording import lasted

    if item.is_back:
        return f"{item.tenant}: back on {item.host} in {lasted(item.seconds)}"
    return f"{item.tenant}: not back{f' on {item.host}' if item.host else ''}: {item.problem}"


def sentence(ended: GameDayEnded) -> str:
    """`loss of web-1: 6 of 6 back in 2 min`"""
    from launchpad.plan.loss import came_back

    return f"loss of {ended.host}: {came_back(ended.record)}"


def _left(what: GameDayPlan) -> Iterator[tuple[str, LaunchpadError]]:
    from launchpad.errors import StateError

    for name, why in what.left.items():
        yield (
            name,
            StateError(
                f"{name} has no place: {why}",
                code="no-place-for-tenant",
                hint=f"launchpad gameday {what.host} --to HOST",
            ),
        )


def _failures(ended: GameDayEnded) -> Iterator[tuple[str, LaunchpadError]]:
    from launchpad.errors import StepFailed

    for item in ended.record.tenants:
        if not item.is_back:
            yield (
                item.tenant,
                StepFailed(returned(item), code="tenant-did-not-return", hint=f"launchpad backups list {item.tenant}"),
            )
    if ended.unrecorded is not None:
        why = ended.unrecorded.message.removeprefix(f"{ended.host}: ")
        hint = f"within an hour, when {ended.host} answers: launchpad gameday {ended.host}"
        yield ended.host, type(ended.unrecorded)(f"{ended.host}: the outcome could not be recorded: {why}", hint=hint)


def _leave(session: Session, failed: dict[str, LaunchpadError]) -> None:
    from launchpad.cli.planning import leave_lines

    leave_lines(session, {**session.left_out(), **failed})


def _count(number: int) -> str:
    return f"{number} tenant{'' if number == 1 else 's'}"
