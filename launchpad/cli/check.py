"""launchpad check: report every mistake in the inventory."""

from __future__ import annotations

from dataclasses import asdict

import typer

from launchpad.cli.output import Line
from launchpad.cli.screen import GREEN, YELLOW
from launchpad.cli.session import Session
from launchpad.errors import StateError
from launchpad.fleet.model.readiness import crowded, readiness, scarce, unprotected
from launchpad.operations.backups.reseal import stale
from launchpad.operations.hosts.exposed import Exposed, exposed
from launchpad.operations.hosts.judged import every_mistake

app = typer.Typer()


@app.command("check", epilog="Example: launchpad check")
def check(ctx: typer.Context) -> None:
    """Check the inventory and report every mistake with its file and line. The exit code is 3 when there is a mistake.

    Also reports the steps that are left before each tenant can be deployed, and each secret that a removed operator
    could read and that was not rotated since.
    """
    session = Session.of(ctx)
    workspace = session.workspace
    fleet = every_mistake(workspace)
    notes = readiness(fleet, {name: workspace.secrets.versions(name) for name in fleet.tenants})
    counts = {
        "hosts": len(fleet.hosts),
        "tenants": len(fleet.tenants),
        "apps": len(fleet.apps),
        "tiers": len(fleet.tiers),
        "targets": len(fleet.targets),
    }
    summary = ", ".join(f"{count} {noun if count != 1 else noun[:-1]}" for noun, count in counts.items())
    lines = [Line(f"no mistakes: {summary}", GREEN)]
    if notes:
        lines = [Line(f"no mistakes, but not ready for a deploy: {summary}", YELLOW)]
        lines.append(Line("to do before a deploy:", YELLOW))
        lines += [Line(f"  {note.about}: {note.what}\n    {note.hint}") for note in notes]
    short = crowded(fleet)
    if short:
        lines.append(
            Line(
                "hosts that may lack memory to rehearse an upgrade (without a rehearsal the upgrade is rejected):",
                YELLOW,
            )
        )
        lines += [Line(f"  {note.about}: {note.what}\n    {note.hint}") for note in short]
    few = scarce(fleet)
    lines += [Line(f"{note.about}: {note.what}\n  {note.hint}", YELLOW) for note in few]
    bare = unprotected(fleet)
    if bare:
        lines.append(Line("tenants whose tier has no backups:", YELLOW, f" {', '.join(bare)}"))
    elif fleet.targets and fleet.defaults.recovery is None:
        lines.append(Line("no emergency kit; to make one:", YELLOW, "\n  launchpad kit make FILE"))
    if loose := stale(workspace):
        title = "secrets that are not sealed for every recipient in launchpad.yaml (recipients and recovery):"
        lines.append(Line(title, YELLOW))
        lines += [Line(f"  {owner}: {', '.join(names)}") for owner, names in loose.items()]
        lines.append(Line("    launchpad secret reseal"))
    read = _exposed(session)
    if read:
        lines.append(Line("secrets that a removed operator could read, not rotated since:", YELLOW))
        lines += [Line(f"  {item.owner} {item.name}: {', '.join(item.people)}\n    {item.rotate}") for item in read]
    told = {"mistakes": [], "notes": [note.as_dict() for note in notes], "unprotected": bare, "stale": loose}
    told["crowded"] = [note.as_dict() for note in short]
    told["slots"] = [note.as_dict() for note in few]
    told["exposed"] = [asdict(item) for item in read]
    session.output.result(told | counts, lines)


def _exposed(session: Session) -> list[Exposed]:
    try:
        return exposed(session.workspace, session.environment)
    except StateError as error:  # an error of Git is no mistake in the inventory
        session.output.warn(f"{error.message}: cannot list the secrets that a removed operator could read")
        return []
