"""launchpad prune: remove from hosts what is no longer used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.running import PartsId
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.operations.hosts.prune import Pruned, PrunePlan

app = typer.Typer(help="Housekeeping.")


@app.command("prune", epilog="Example: launchpad prune web-1 --dry-run")
def prune(
    ctx: typer.Context,
    hosts: Annotated[
        list[str] | None,
        typer.Argument(metavar="HOST", autocompletion=complete.hosts, show_default=False, help="Default: every host."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
    identifier: PartsId = "",
) -> None:
    """Remove what is unused on HOST: images, generations, releases, journals, and leftovers of operations.

    Running releases and releases that a rollback can restore stay, with their images. Images that Launchpad did not
    pull stay too. Journals stay for 90 days, and the newest 1,000 of a host always stay.
    """
    from launchpad.cli.planning import leave_lines
    from launchpad.cli.progress import telling
    from launchpad.cli.running import errors_as_lines, interrupted_kindly, report
    from launchpad.errors import LaunchpadError
    from launchpad.operations.hosts.prune import plan_prune, prune

    session = Session.of(ctx)
    failures: dict[str, LaunchpadError] = {}
    asked: Mapping[str, object] = {}
    if not session.workspace.fleet.load().hosts:
        session.output.say("nothing to do: the inventory has no hosts")
    with errors_as_lines(session), interrupted_kindly(session):
        if dry_run:
            for host, made in (asked := plan_prune(session.workspace, hosts or ())).items():
                if isinstance(made, LaunchpadError):
                    failures[host] = made
                else:
                    session.output.item(made.as_json(), described(made))
        else:
            with telling(session.output) as on_event:
                found = prune(session.workspace, hosts or (), identifier=identifier, on_event=on_event)
            asked = found
            for host, said in found.items():
                if isinstance(said, LaunchpadError):
                    failures[host] = said
                    report(session, getattr(said, "outcome", None))
                else:
                    session.output.item(said.as_json(), sentence(said))
                    report(session, said.outcome)
    leave_lines(session, failures, answered=len(failures) < len(asked))


def described(made: PrunePlan) -> str:
    """What would be removed, as text."""
    from launchpad.cli.wording import size

    free = f"{size(made.free_for_images)} free for images, {size(made.free_for_data)} free for tenants' data"
    if not made.steps:
        return f"{made.host}: nothing to remove; {free}"
    return "\n".join([f"{made.host}: prune would", *(f"  {step}" for step in made.steps), f"{made.host}: {free}"])


def sentence(done: Pruned) -> str:
    """The outcome as a sentence."""
    from launchpad.cli.wording import lasted, size

    if done.outcome.outcome == "unchanged":
        return f"{done.outcome.host}: nothing to remove"
    more = f"freed {size(done.images)} for images, {size(done.data)} for tenants' data"
    rest = f"; {done.outcome.message}" if done.outcome.message else ""
    return f"{done.outcome.host}: pruned in {lasted(done.outcome.seconds)}: {more}{rest}"
