"""launchpad health: one line and an exit code for monitoring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli.session import Session
from launchpad.cli.standing import Names

if TYPE_CHECKING:
    from launchpad.operations.observation.fleet_health import FleetHealth
    from launchpad.plan.health import Health
    from launchpad.runner.facts import Fact

app = typer.Typer(help="Print the health of the fleet.")
_NOT_IN_LABELS = str.maketrans("", "", "'=|")
MOST_TOLD, MOST_LINES = 3, 20
"""The number of problems in the line, and at a terminal; --json has all problems."""


@app.command("health", epilog="Example: launchpad health web-1")
def health(
    ctx: typer.Context,
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="The whole fleet.")] = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", help="For cron: print only what changed since the last --quiet from this checkout."),
    ] = False,
) -> None:
    """Print the health of tenants, hosts or the whole fleet as one line, for monitoring and cron.

    The line has the form of a monitoring plugin: a grade, the worst problems, and performance data after a bar. The
    data comes from the hosts' watches and is at most one minute old (customers' keys: 15 minutes).

    The exit codes are those of monitoring plugins: 0 ok, 1 warning, 2 critical, 3 unknown. Every error has the exit
    code 3, including wrong usage and an unreachable host; only this command has this exception.
    """
    session = Session.of(ctx)
    if everything and names:
        raise typer.BadParameter("give names or --all, not both", ctx=ctx)
    if quiet:
        raise typer.Exit(_print_news(session, names or []))
    from launchpad.operations.observation.fleet_health import fleet_health

    found = fleet_health(session.workspace, names or ())
    session.left_out()
    line = summary(found, now=session.workspace.clock.now(), named=names or (), lines=session.output.out.terminal)
    session.output.result(found.as_json(), line)
    raise typer.Exit(found.exit_code)


def _print_news(session: Session, names: list[str]) -> int:
    """Print each problem once when it begins and once when it ends."""
    from launchpad.cli.standing import print_news
    from launchpad.operations.observation.news import health_news

    return print_news(session, health_news(session.workspace, names))


def summary(found: FleetHealth, *, now: float, named: Sequence[str], lines: bool = False) -> str:
    """The line: `HEALTH CRITICAL - alice ready: … | ok=11 …`, with the measured values of what was named; as several
    `lines` for a person at a terminal."""
    problems = found.wrong()
    most = MOST_LINES if lines else MOST_TOLD
    told = [_problem(item, fact, now) + (_next(fact) if lines else "") for item, fact in problems[:most]]
    if len(problems) > most:
        told.append(f"and {len(problems) - most} more: launchpad health --json")
    elif not lines and problems and problems[0][1].hint:
        told.append(f"next: {problems[0][1].hint}")
    tenants, hosts = (sum(bool(item.tenant) is own for item in found.each) for own in (True, False))
    parts = [_count(number, noun) for number, noun in ((tenants, "tenant"), (hosts, "host")) if number]
    well = " and ".join(parts) + (" is well" if tenants + hosts == 1 else " are well") if parts else "nothing to watch"
    measures = f"| {' '.join([*_counted(found), *_measured(found, named)])}"
    if lines and told:
        shown = "\n".join(f"  {text}" for text in told)
        return f"HEALTH {found.grade.upper()} - {_count(len(problems), 'problem')}\n{shown}\n{measures}"
    told = [text.replace("|", "/").replace("\n", " ") for text in told]
    return f"HEALTH {found.grade.upper()} - {'; '.join(told) or well} {measures}"


def _next(fact: Fact) -> str:
    return f"\n      {fact.hint}" if fact.hint else ""


def _problem(item: Health, fact: Fact, now: float) -> str:
    from launchpad.cli.wording import short_moment

    since = f" since {short_moment(fact.since, now=now)}" if fact.since else ""
    return f"{item.name} {fact.layer}: {fact.message}{since}"


def _counted(found: FleetHealth) -> list[str]:
    return [f"{grade}={number}" for grade, number in found.counted().items()]


def _measured(found: FleetHealth, named: Sequence[str]) -> Iterator[str]:
    """Each fact with a value: 'label'=value[unit];warning;critical;least;most."""
    for item in found.each:
        for fact in item.facts if item.name in named else ():
            if fact.value is not None:
                words = dict.fromkeys((item.name, fact.layer, fact.subject))
                label = " ".join(filter(None, words)).translate(_NOT_IN_LABELS)
                most = "" if fact.limit is None else f"{fact.limit:.0f}"
                value = f"{fact.value:.6f}".rstrip("0").rstrip(".")  # no exponent: the guidelines allow none
                yield f"'{label}'={value}{fact.unit};;;0;{most}".rstrip(";")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
