"""launchpad doctor: check the operator's own machine and workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli.output import Line
from launchpad.cli.screen import GREEN, RED
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.operations.hosts.doctor import DoctorReport

app = typer.Typer(help="Check the operator's own machine and workspace.")

FINDINGS = 4


@app.command("doctor", epilog="Example: launchpad doctor --fix")
def doctor(
    ctx: typer.Context,
    fix: Annotated[
        bool, typer.Option("--fix", help="Repair what is safe to repair: modes of key files, and missing folders.")
    ] = False,
) -> None:
    """Check your machine: workspace, keys, programs, Git, recipients, the emergency kit, and access to hosts.

    Each finding has the command to type. Each host is asked once for its answer, its runner's version and its clock.
    The exit code is 0 when nothing is left to do, and 4 otherwise.
    """
    from launchpad.operations.hosts.doctor import doctor

    session = Session.of(ctx)
    found = doctor(session.workspace, session.keys, environment=session.environment, fix=fix)
    session.output.result(found.as_json(), _lines(found))
    session.left_out()
    if not found.good:
        raise typer.Exit(FINDINGS)


def _lines(found: DoctorReport) -> list[Line | str]:
    lines: list[Line | str] = []
    for item in found.findings:
        if item.fixed:
            lines.append(Line("fixed", GREEN, f"  {item.about}: {item.message}"))
        else:
            hint = f"\n       hint: {item.hint}" if item.hint else ""
            lines.append(Line("wrong", RED, f"  {item.about}: {item.message}{hint}"))
    versions = [f"{name} {version}" for name, version in found.versions.items() if version]
    lines.append(f"checked {', '.join(versions)}")  # `git version 2.39` is no command to type
    left = sum(not item.fixed for item in found.findings)
    several = "1 problem" if left == 1 else f"{left} problems"
    lines.append(Line(f"{several} left to fix", RED) if left else Line("nothing to fix", GREEN))
    return lines
