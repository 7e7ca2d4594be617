"""launchpad maintain: updates and reboots of hosts, one host after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.running import Yes
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.operations.hosts.maintain import HowToMaintain, Maintained, MaintenancePlan

app = typer.Typer(help="Maintenance.")


@app.command("maintain", epilog="Example: launchpad maintain --all --reboot")
def maintain(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="HOST", autocompletion=complete.hosts, show_default=False, help="The hosts, in order."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every host, by name.")] = False,
    reboot: Annotated[
        bool, typer.Option("--reboot", help="Reboot each host that needs a reboot, whatever launchpad.yaml allows.")
    ] = False,
    move: Annotated[
        bool,
        typer.Option(
            "--move", help="Before a reboot, move each tenant to another host with room, and back afterwards."
        ),
    ] = False,
    now: Annotated[bool, typer.Option("--now", help="Also outside the window in launchpad.yaml.")] = False,
    no_notice: Annotated[bool, typer.Option("--no-notice", help="Do not start the notice program.")] = False,
    patience: Annotated[
        str, typer.Option("--patience", metavar="TIME", help="How long a host may take until all is well.")
    ] = "15m",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the waiting updates and reboots, and change nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Install the updates of Debian and Docker on HOST, and wait until the host and its tenants are well.

    Hosts are maintained one after another. The command stops at the first host that is not as well afterwards as it
    was before; later hosts do not change. Tenants keep serving while Docker restarts. A host reboots only when an
    update needs a reboot, and only with --reboot or with `reboot: true` in launchpad.yaml: then open requests are
    finished, new requests wait, and the tenants stop before the reboot.

    With --move, running tenants serve on other hosts during the reboot, and DNS points to them there: this needs the
    DNS provider in launchpad.yaml. The command names each tenant that cannot move before anything changes; such a
    tenant stays, and its requests wait.

    Alerts about the host are silent meanwhile. launchpad.yaml sets the window and the program that tells customers
    (`maintenance:`). The same command typed again continues where an earlier one ended.
    """
    from launchpad.cli.boundary import UsageError
    from launchpad.cli.planning import leave_lines
    from launchpad.cli.prompts import confirm
    from launchpad.cli.running import errors_as_lines, interrupted_kindly
    from launchpad.cli.wording import read
    from launchpad.errors import LaunchpadError
    from launchpad.fleet.words.quantities import Duration
    from launchpad.operations.hosts.maintain import HowToMaintain, plan_maintain

    seconds = float(read("--patience", Duration.parse, patience).seconds)
    if bool(names) == everything:
        raise UsageError("maintain takes names of hosts, or --all", hint="launchpad maintain --all")
    session = Session.of(ctx)
    with errors_as_lines(session), interrupted_kindly(session):
        if dry_run:
            made = plan_maintain(session.workspace, names or ())
            for item in made.values():
                if not isinstance(item, LaunchpadError):
                    session.output.item(item.as_json(), described(session, item))
            _say_moves(session, names or [], move=move)
            leave_lines(session, {name: item for name, item in made.items() if isinstance(item, LaunchpadError)})
            return
        _say_moves(session, names or [], move=move)
        which = ", ".join(names or ()) or f"all {len(session.workspace.fleet.load().hosts)} hosts"
        confirm(session, f"Install updates on {which}{', and reboot where needed' if reboot else ''}?", yes=yes)
        how = HowToMaintain(reboot=reboot, outside_window=now, notices=not no_notice, patience=seconds)
        leave_lines(session, _carry_out(session, names or [], how, move=move))


def _say_moves(session: Session, names: list[str], *, move: bool) -> None:
    """Print where each tenant would serve during a reboot, and which tenants stay."""
    if not move:
        return
    from launchpad.operations.dns.provider import dns_of
    from launchpad.operations.moving.move_aside import MovesAside
    from launchpad.operations.requests.scope import named_hosts

    aside = MovesAside(workspace=session.workspace, dns=dns_of(session.workspace))
    for host in named_hosts(session.workspace.fleet.load(), names):
        made = aside.plan(host)
        lines = [
            f"{host}: before a reboot {name} moves to {to}, and back afterwards" for name, to in made.moving.items()
        ]
        lines += [f"{host}: {name} stays during a reboot: {why}" for name, why in made.staying.items()]
        session.output.item(made.as_json(), "\n".join(lines)) if lines else None


def _carry_out(session: Session, names: list[str], how: HowToMaintain, *, move: bool) -> dict[str, object]:
    """Print each host's result; return the errors by host."""
    from dataclasses import replace

    from launchpad.cli.progress import telling
    from launchpad.errors import LaunchpadError
    from launchpad.operations.dns.provider import dns_of
    from launchpad.operations.hosts.maintain import maintain
    from launchpad.operations.moving.move_aside import MovesAside

    workspace, say = session.workspace, session.output.say
    with telling(session.output) as on_event:
        if move:
            aside = MovesAside(workspace=workspace, dns=dns_of(workspace), tell=say, on_event=on_event)
            how = replace(how, aside=aside)
        found = maintain(session.workspace, names, how=how, on_event=on_event)
    failures: dict[str, object] = {}
    for name, item in found.items():
        if isinstance(item, LaunchpadError):
            failures[name] = item
        else:
            session.output.item(item.as_json(), sentence(item))
    return failures


def described(session: Session, made: MaintenancePlan) -> str:
    """What a maintenance would do, as text."""
    from launchpad.cli.wording import short_moment

    parts = [f"would {made.updates}" if made.updates else "no updates"]
    parts += ["a reboot is pending"] if made.reboot else []
    if made.begun is not None:
        since = short_moment(made.begun, now=session.workspace.clock.now())
        parts.append(f"a maintenance began at {since} and has not ended")
    return f"{made.host}: {'; '.join(parts)}"


def sentence(done: Maintained) -> str:
    """The result as a sentence."""
    from launchpad.cli.wording import lasted

    pending = f"; a reboot is pending: launchpad maintain {done.host} --reboot" if done.reboot_pending else ""
    if done.outcome == "left":
        return f"{done.host}: not begun: {done.message}"
    if done.outcome == "unchanged":
        return f"{done.host}: no updates{pending}"
    parts = [text for text, true in (("updates installed", done.updates), ("rebooted", done.rebooted)) if true]
    away = "".join(
        f"; {name} is on {host}: launchpad move {name} --to {done.host}" for name, host in done.elsewhere.items()
    )
    return f"{done.host}: maintained in {lasted(done.seconds)}: {', '.join([*parts, 'all well'])}{pending}{away}"
