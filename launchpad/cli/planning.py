"""launchpad render, plan, apply: what should be, what would change, and changing it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from launchpad.cli import complete
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.errors import LaunchpadError
    from launchpad.plan.fleet_plan import FleetPlan

MOST_LINES = 60
"""Of one file's diff, for people."""

app = typer.Typer(help="Bring hosts to what the inventory says.")

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="TENANT|HOST", autocompletion=complete.tenants_and_hosts, help="Else the whole fleet."),
]


@app.command("render", epilog="Example: launchpad render alice --file compose.yaml")
def render(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", autocompletion=complete.tenants)],
    file: Annotated[str, typer.Option("--file", metavar="PATH", help="This file of the release alone.")] = "",
) -> None:
    """Print the files of TENANT's release as the inventory says it. No host is asked, no secret is read."""
    from launchpad.errors import StateError
    from launchpad.operations.requests.render import render
    from launchpad.runner.protocol import release_as_json

    session = Session.of(ctx)
    made = render(session.workspace, tenant)
    if file and file not in made.files:
        raise StateError(f"{tenant}: its release has no file {file}", hint=f"one of {', '.join(made.files)}")
    files = {path: text for path, text in made.files.items() if file in ("", path)}
    data = {"release": made.release.short, "digest": made.release.digest, "manifest": release_as_json(made.release)}
    if file:
        text = files[file]
    else:
        parts = [f"# release {made.release.short}: {made.release.app} {made.release.version}"]
        text = "\n\n".join([*parts, *(f"# --- {path}\n{body.rstrip()}" for path, body in files.items())])
    session.output.result(data | {"files": files}, text.rstrip())


@app.command("plan", epilog="Example: launchpad plan web-1")
def plan(ctx: typer.Context, names: Names = None) -> None:
    """Show what `apply` would do, and what differs in each file of a release. Nothing is changed.

    Exits 0 whether there is something to do or not. The values of secrets are never shown.
    """
    from launchpad.operations.tenants.plan_fleet import plan_fleet

    session = Session.of(ctx)
    made = plan_fleet(session.workspace, names or (), show=True)
    session.output.result(made.as_json(), describe(made))
    leave(session, {**session.left_out(names), **made.unreachable})


@app.command("apply", epilog="Example: launchpad apply web-1 --yes")
def apply(
    ctx: typer.Context,
    names: Names = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    confirmed: Annotated[
        str, typer.Option("--confirm", metavar="DIGEST", help="Carry out just the plan with this digest.")
    ] = "",
) -> None:
    """Bring tenants, hosts or the whole fleet to what the inventory says, hosts side by side.

    It never retires a tenant, never moves a version down, never moves a tenant to another host and never removes data.
    What differs of a host itself it says and leaves to `launchpad provision HOST`, which a change of who gets in wants.
    """
    from launchpad.cli.progress import telling
    from launchpad.cli.prompts import confirm
    from launchpad.cli.running import errors_as_lines, interrupted_kindly, report
    from launchpad.errors import LaunchpadError
    from launchpad.operations.dns.resolver import Resolver
    from launchpad.operations.tenants.apply import apply
    from launchpad.operations.tenants.plan_fleet import plan_fleet

    session = Session.of(ctx)
    with errors_as_lines(session), interrupted_kindly(session):
        if not confirmed:
            made = plan_fleet(session.workspace, names or (), show=True)
            if made.changes or made.notes or made.unreachable:
                session.output.say(describe(made))
            if made.changes:
                confirm(session, f"Carry out {_count(len(made.changes), 'change')}?", yes=yes)
            confirmed = made.digest
        with telling(session.output) as on_event:
            applied = apply(session.workspace, names or (), confirm=confirmed, dns=Resolver(), on_event=on_event)
        done = len(applied.results) - sum(name in applied.results for name in applied.failures)
        nothing = "nothing was done" if applied.plan.unreachable else "nothing to do"
        text = f"{_count(done, 'change')} carried out" if applied.results else nothing
        session.output.item(applied.as_json(), text)
        for said in applied.results.values():
            report(session, getattr(said, "outcome", None) if isinstance(said, LaunchpadError) else said)
    leave(session, {**session.left_out(names), **applied.failures})


def describe(made: FleetPlan) -> str:
    """The plan for people."""
    lines = []
    for change in made.changes:
        lines.append(f"{change.host}  {change.kind} {change.tenant}: {'; '.join(change.reasons)}")
        lines += _differing(made, change.tenant)
    for note in made.notes:
        lines.append(f"{note.host}  {note.tenant or note.host} left alone: {note.text}")
        if note.hint:
            lines.append(f"    {note.hint}")
        lines += _differing(made, note.tenant)
    for host, error in made.unreachable.items():
        lines.append(f"{host}  nothing planned: {error.message.removeprefix(f'{host}: ')}")
    if made.changes:
        lines.append(f"plan {made.digest}: {_count(len(made.changes), 'change')}")
    elif not made.unreachable:
        lines.append("nothing to do")
    elif made.answered:
        lines.append("nothing to do on any other host")
    return "\n".join(lines)


def _differing(made: FleetPlan, tenant: str) -> Iterator[str]:
    from launchpad.plan.diffs import shortened

    for path, text in made.diffs.get(tenant, {}).items():
        yield f"    {path}, as it runs and as the inventory says it:"
        yield from (f"      {line}".rstrip() for line in shortened(text, MOST_LINES))


def leave(session: Session, failed: Any) -> None:
    """Say who did not answer, beside what the others said, and leave with the exit code: the one error's, or that of
    several (8)."""
    failures: dict[str, LaunchpadError] = dict(failed)
    for error in _once(failures).values():
        session.output.warn(f"{error.message}" + (f" ({error.hint})" if error.hint else ""))
    _leave(failures)


def leave_lines(session: Session, failed: Any) -> None:
    """The same of a command that prints a line for each of several, for those of which it failed."""
    failures: dict[str, LaunchpadError] = dict(failed)
    for name, error in failures.items() if session.json else _once(failures).items():
        if session.json:
            session.output.item({"name": name, "error": error.as_dict()}, "")
        else:
            session.output.error(error)
    _leave(failures)


def _leave(failures: dict[str, LaunchpadError]) -> None:
    if failures:
        codes = {error.exit_code for error in failures.values()}
        raise typer.Exit(codes.pop() if len(_once(failures)) == 1 else 8)


def _once(failures: dict[str, LaunchpadError]) -> dict[str, LaunchpadError]:
    """Each error once: a mistake that is two tenants', such as a slot that both have, is one."""
    said = {error.message: name for name, error in reversed(failures.items())}
    return {name: error for name, error in failures.items() if said[error.message] == name}


def warn_unprotected(session: Session) -> None:
    """Say of which tenants there are no backups, where all were meant."""
    from launchpad.fleet.model.readiness import unprotected

    if bare := unprotected(session.workspace.fleet.load()):
        session.output.warn(f"without backups, by their tiers: {', '.join(bare)}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
