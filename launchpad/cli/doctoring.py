"""launchpad doctor: what is wrong on the operator's own side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli.output import Line
from launchpad.cli.screen import GREEN, RED
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.operations.hosts.doctor import DoctorReport

app = typer.Typer(help="The operator's own side.")

FINDINGS = 4


@app.command("doctor", epilog="Example: launchpad doctor --fix")
def doctor(
    ctx: typer.Context,
    fix: Annotated[
        bool, typer.Option("--fix", help="Repair what is safe: modes of key files, and folders that are missing.")
    ] = False,
) -> None:
    """Check your own side: workspace, keys, programs, Git, recipients, the emergency kit, and the way to each host.

    Each finding has the line to type. Each host is asked once: whether it answers, its runner's version, its clock.
    Exits 0 when nothing is left to do, 4 when something is.
    """
    from launchpad.operations.hosts.doctor import doctor

    session = Session.of(ctx)
    found = doctor(session.workspace, session.keys, environment=session.environment, fix=fix)
    session.output.result(found.as_json(), _lines(found))
    session.left_out()
    if not found.good:
        raise typer.Exit(FINDINGS)


def _lines(found: DoctorReport) -> list[Line]:
    lines = []
    for item in found.findings:
        if item.fixed:
            lines.append(Line("fixed", GREEN, f"  {item.about}: {item.message}"))
        else:
            hint = f"\n       hint: {item.hint}" if item.hint else ""
            lines.append(Line("wrong", RED, f"  {item.about}: {item.message}{hint}"))
    versions = [f"{name} {version}" for name, version in found.versions.items() if version]
    lines.append(Line(f"looked at {', '.join(versions)}"))
    left = sum(not item.fixed for item in found.findings)
    lines.append(Line(f"{left} left to fix" if left else "nothing to fix", RED if left else GREEN))
    return lines
