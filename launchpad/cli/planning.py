"""launchpad render, plan, apply: print releases, show the differences between inventory and hosts, and deploy them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from launchpad.cli import complete
from launchpad.cli.running import PartsId
from launchpad.cli.session import Session
from launchpad.errors import HostError, LaunchpadError, PartialError

if TYPE_CHECKING:
    from launchpad.plan.fleet_plan import FleetPlan

MOST_LINES = 60
"""Lines of one file's diff that are printed."""

app = typer.Typer(help="Compare the hosts with the inventory, and deploy the differences.")

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TENANT|HOST",
        autocompletion=complete.tenants_and_hosts,
        help="Tenants or hosts. Default: the whole fleet.",
    ),
]


@app.command("render", epilog="Example: launchpad render alice --file compose.yaml")
def render(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", autocompletion=complete.tenants)],
    file: Annotated[str, typer.Option("--file", metavar="PATH", help="Print only this file of the release.")] = "",
) -> None:
    """Print the files of TENANT's release, rendered from the inventory. No host is contacted and no secret is read."""
    from launchpad.errors import StateError
    from launchpad.operations.requests.render import render
    from launchpad.runner.protocol import release_as_json

    session = Session.of(ctx)
    made = render(session.workspace, tenant)
    if file and file not in made.files:
        raise StateError(
            f"{tenant}: the release has no file {file}",
            code="no-such-file-in-release",
            hint=f"one of {', '.join(made.files)}",
        )
    files = {path: text for path, text in made.files.items() if file in ("", path)}
    data = {"release": made.release.short, "digest": made.release.digest, "manifest": release_as_json(made.release)}
    if file:
        text = files[file]
    else:
        parts = [f"# release {made.release.short}: {made.release.app} {made.release.version}"]
        text = "\n\n".join([*parts, *(f"# --- {path}\n{body.rstrip()}" for path, body in files.items())])
    session.output.verbatim(data | {"files": files}, text.rstrip())


@app.command("plan", epilog="Example: launchpad plan web-1")
def plan(ctx: typer.Context, names: Names = None) -> None:
    """Show what `launchpad apply` would change, with a diff of each changed file. Nothing is changed.

    The exit code is 0 with and without differences. Secret values are never printed.
    """
    from launchpad.operations.tenants.plan_fleet import plan_fleet

    session = Session.of(ctx)
    made = plan_fleet(session.workspace, names or (), show=True)
    session.output.result(made.as_json(), describe(made))
    leave(session, {**session.left_out(names), **made.unreachable}, answered=bool(made.answered))


@app.command("apply", epilog="Example: launchpad apply web-1 --yes")
def apply(
    ctx: typer.Context,
    names: Names = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    confirmed: Annotated[
        str,
        typer.Option(
            "--confirm", metavar="DIGEST", help="Apply only the plan with this digest, from `launchpad plan`."
        ),
    ] = "",
    identifier: PartsId = "",
) -> None:
    """Deploy every difference between the inventory and the hosts, several hosts in parallel.

    `apply` never retires a tenant, never downgrades a version, never moves a tenant to another host and never removes
    data. `apply` reports differences of a host's own settings but does not change them: use `launchpad provision HOST`.
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
        made = None
        if not confirmed:
            made = plan_fleet(session.workspace, names or (), show=True)
            if made.changes or made.notes or made.unreachable:
                session.output.say(describe(made))
            if made.changes:
                confirm(session, f"Apply {_count(len(made.changes), 'change')}?", yes=yes)
            confirmed = made.digest
        with telling(session.output) as on_event:
            applied = apply(
                session.workspace,
                names or (),
                confirm=confirmed,
                identifier=identifier,
                just_made=made,
                dns=Resolver(),
                on_event=on_event,
            )
        done = len(applied.results) - sum(name in applied.results for name in applied.failures)
        nothing = "nothing was changed" if applied.plan.unreachable else "nothing to do"
        text = f"{_count(done, 'change')} applied" if applied.results else nothing
        session.output.item(applied.as_json(), text)
        for said in applied.results.values():
            report(session, getattr(said, "outcome", None) if isinstance(said, LaunchpadError) else said)
    leave(session, {**session.left_out(names), **applied.failures}, answered=bool(applied.plan.answered))


def describe(made: FleetPlan) -> str:
    """The plan as text."""
    lines = []
    for change in made.changes:
        lines.append(f"{change.host}  {change.kind} {change.tenant}: {'; '.join(change.reasons)}")
        lines += _differing(made, change.tenant)
    for note in made.notes:
        lines.append(f"{note.host}  {note.tenant or note.host} skipped: {note.text}")
        if note.hint:
            lines.append(f"    {note.hint}")
        lines += _differing(made, note.tenant)
    for host, error in made.unreachable.items():
        lines.append(f"{host}  no plan: {error.message.removeprefix(f'{host}: ')}")
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
        yield f"    {path}, running release (-) and inventory (+):"
        yield from (f"      {line}".rstrip() for line in shortened(text, MOST_LINES))


def leave(session: Session, failed: Any, *, answered: bool = False) -> None:
    """Print each failure as a warning and exit: with the failure's exit code; with 8 for several failures, or when a
    host failed and another host `answered`."""
    failures: dict[str, LaunchpadError] = dict(failed)
    for error in _once(failures).values():
        session.output.warn(error.message, hint=error.hint)
    _leave(failures, answered=answered)


def leave_lines(session: Session, failed: Any, *, answered: bool = False) -> None:
    """Print each failure as a line of its own and exit as `leave` does; for commands that print one line for each
    result."""
    failures: dict[str, LaunchpadError] = dict(failed)
    for name, error in failures.items() if session.json else _once(failures).items():
        if session.json:
            session.output.item({"name": name, "error": error.as_dict()}, "")
        else:
            session.output.error(error)
    _leave(failures, answered=answered)


def _leave(failures: dict[str, LaunchpadError], *, answered: bool) -> None:
    if failures:
        codes = {error.exit_code for error in failures.values()}
        some = answered and HostError.exit_code in codes
        raise typer.Exit(codes.pop() if len(_once(failures)) == 1 and not some else PartialError.exit_code)


def _once(failures: dict[str, LaunchpadError]) -> dict[str, LaunchpadError]:
    """Remove duplicate errors: two tenants can have the same mistake, such as a slot that both have."""
    said = {error.message: name for name, error in reversed(failures.items())}
    return {name: error for name, error in failures.items() if said[error.message] == name}


def warn_unprotected(session: Session) -> None:
    """Warn of the tenants without backups, when the command was for all tenants."""
    from launchpad.fleet.model.readiness import unprotected

    if bare := unprotected(session.workspace.fleet.load()):
        session.output.warn(f"tenants whose tier has no backups: {', '.join(bare)}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
