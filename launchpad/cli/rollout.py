"""launchpad rollout, rollouts: upgrade an app's tenants ring by ring; resume, halt and undo a rollout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.running import Yes, errors_as_lines
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.events import OnEvent
    from launchpad.operations.rollouts.rollout import RolloutPlan
    from launchpad.operations.rollouts.rollouts import Known, Progress
    from launchpad.runner.protocol import Wave

app = typer.Typer(help="Rollouts.")

SHOWN_NAMES = 6
FAILED = 8
HALTED = 4


@app.command("rollout", epilog="Example: launchpad rollout openclaw --to 2026.9.6")
def rollout(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="APP", help="The app's name.", autocompletion=complete.apps)],
    to: Annotated[str, typer.Option("--to", metavar="VERSION", help="Start a rollout to this version.")] = "",
    latest: Annotated[bool, typer.Option("--latest", help="Start a rollout to the app's newest version.")] = False,
    no_rehearsal: Annotated[
        bool, typer.Option("--no-rehearsal", help="Do not rehearse the upgrades on clones of the tenants' data.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show which tenants each ring would take, and start nothing.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the newest rollout, also when another operator started it.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="With --resume: continue past the ring where the rollout halted.")
    ] = False,
    halt: Annotated[bool, typer.Option("--halt", help="Halt the rollout: start no further upgrade.")] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Return every upgraded tenant to its earlier release and data.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Show the state of each tenant of the rollout.")] = False,
    yes: Yes = False,
    identifier: Annotated[
        str, typer.Option("--id", metavar="ID", help="The rollout's id. Default: the newest rollout.")
    ] = "",
) -> None:
    """Upgrade every tenant of APP to a newer version, ring by ring: canaries, 1%, 10%, 50%, all.

    launchpad.yaml sets the rings, how long each ring must stay healthy, and how many of its tenants may fail. The
    rollout halts at a ring that failed, or where too many results are unknown. Later rings do not change.

    The rollout is recorded on each of its hosts before the first upgrade starts. If this machine dies, any operator
    resumes the rollout with --resume.
    """
    from launchpad.cli.boundary import UsageError

    asked = [bool(to), latest, resume, halt, undo, status]
    if sum(asked) != 1:
        hint = f"launchpad rollout {name} --to VERSION"
        raise UsageError("rollout takes one of --to, --latest, --resume, --halt, --undo, --status", hint=hint)
    if accept and not resume:
        raise UsageError("--accept goes with --resume", hint=f"launchpad rollout {name} --resume --accept")
    if (dry_run or no_rehearsal) and not (to or latest):
        option = "--dry-run" if dry_run else "--no-rehearsal"
        raise UsageError(f"{option} goes with --to or --latest", hint=f"launchpad rollout {name} --to VERSION {option}")
    session = Session.of(ctx)
    with errors_as_lines(session):
        if to or latest:
            _begin(session, name, to, identifier=identifier, rehearse=not no_rehearsal, yes=yes, dry_run=dry_run)
        elif resume:
            _resume(session, name, identifier, accept=accept, yes=yes)
        elif halt:
            _halt(session, name, identifier)
        elif undo:
            _undo(session, name, identifier, yes=yes)
        else:
            _status(session, name, identifier)


@app.command("rollouts", epilog="Example: launchpad rollouts openclaw")
def rollouts(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="APP", help="Only the rollouts of this app.", autocompletion=complete.apps)
    ] = "",
) -> None:
    """List the fleet's rollouts, newest first, each with its operator and its state."""
    from launchpad.cli.planning import leave
    from launchpad.cli.wording import short_moment
    from launchpad.operations.rollouts.rollouts import rollouts

    session = Session.of(ctx)
    found = rollouts(session.workspace, name)
    now = session.workspace.clock.now()
    rows = tuple(
        (
            item.rollout.id,
            short_moment(item.at, now=now),
            item.rollout.app,
            item.rollout.version,
            str(item.tenants),
            item.who,
            item.stands,
        )
        for item in found.rollouts
    )
    headings = ("rollout", "when", "app", "to", "tenants", "who", "state")
    session.output.result(found.as_json(), Table(headings, rows, "no rollout yet", firm=("rollout", "when")))
    leave(session, found.silent, answered=found.answered)


def _begin(
    session: Session, name: str, version: str, *, identifier: str, rehearse: bool, yes: bool, dry_run: bool
) -> None:
    from launchpad.cli.planning import leave
    from launchpad.cli.prompts import confirm
    from launchpad.operations.requests.confirmation import Confirmation
    from launchpad.operations.rollouts.rollout import RolloutRequest, begun_before, plan_rollout, rollout

    wanted = RolloutRequest(version=version, rehearse=rehearse, identifier=identifier)
    if not dry_run and (mine := begun_before(session.workspace, name, wanted)):
        session.output.say(
            "your earlier rollout to this version has not ended: this command resumes it and starts no second rollout"
        )
        _resume(session, name, mine, accept=False, yes=yes)
        return
    what = plan_rollout(session.workspace, name, wanted)
    _show(session, what)
    if dry_run or what.empty:
        if session.json:
            session.output.document(what.as_json())
        leave(session, what.silent, answered=what.answered)
        return
    count = sum(len(wave.members) for wave in what.rollout.waves)
    confirm(session, f"Upgrade {_tenants(count)} of {name} to {what.rollout.version}, ring by ring?", yes=yes)
    sure = Confirmation(digest=what.digest)
    _carry_out(session, name, lambda hear: rollout(session.workspace, what, confirm=sure, on_event=hear))


def _resume(session: Session, name: str, identifier: str, *, accept: bool, yes: bool) -> None:
    from launchpad.cli.prompts import confirm
    from launchpad.operations.rollouts.rollouts import find, look
    from launchpad.operations.rollouts.waves import go_on, stuck_at

    known = find(session.workspace, name, identifier)
    session.output.say(_sentence(known))
    if accept:
        progress = look(session.workspace, known.rollout)
        for index in stuck_at(progress):
            item = progress.judgements[index]
            confirm(session, f"Continue past ring {item.ring} ({item.verdict}: {item.reason})?", yes=yes)
    _carry_out(session, name, lambda hear: go_on(session.workspace, known.rollout, accept=accept, on_event=hear))


def _halt(session: Session, name: str, identifier: str) -> None:
    from launchpad.operations.rollouts.rollouts import find, halt

    known = halt(session.workspace, find(session.workspace, name, identifier))
    text = (
        f"rollout {known.rollout.id} is halted and starts no further upgrade; to resume: launchpad rollout {name} "
        "--resume"
    )
    session.output.result(known.as_json(), text)


def _undo(session: Session, name: str, identifier: str, *, yes: bool) -> None:
    from launchpad.cli.prompts import confirm
    from launchpad.operations.rollouts.rollouts import find, look
    from launchpad.operations.rollouts.take_back import take_back
    from launchpad.plan.rollout_waves import to_take_back

    known = find(session.workspace, name, identifier)
    progress = look(session.workspace, known.rollout)
    count = sum(len(members) for _, members in to_take_back(known.rollout, progress.states))
    session.output.say(_sentence(known))
    confirm(
        session, f"Return {_tenants(count)} to the earlier release, with the data from before the upgrade?", yes=yes
    )
    _carry_out(session, name, lambda hear: take_back(session.workspace, known.rollout, on_event=hear), back=True)


def _status(session: Session, name: str, identifier: str) -> None:
    from launchpad.cli.planning import leave
    from launchpad.operations.rollouts.rollouts import find, look

    known = find(session.workspace, name, identifier)
    progress = look(session.workspace, known.rollout)
    session.output.say(_sentence(known))
    session.output.result(progress.as_json(), _report(progress))
    if not session.json:
        _explain(session, progress)
    leave(session, progress.silent, answered=progress.answered)


def _carry_out(session: Session, name: str, work: Callable[[OnEvent], Progress], *, back: bool = False) -> None:
    """Print the rollout's progress, then each tenant's outcome; exit with an error when a tenant failed."""
    from launchpad.cli.progress import telling

    with _interrupted(session, name), telling(session.output, brief=True) as on_event:
        progress = work(on_event)
    if session.json:
        session.output.item(progress.as_json(), "")
    else:
        session.output.result(None, _report(progress))
        _explain(session, progress)
    for tenant, error in progress.unwritten.items():
        session.output.warn(f"inventory/tenants/{tenant}.yaml is unchanged: {error.message}", hint=error.hint)
    if changed := progress.having("undone" if back else "changed"):
        session.output.say(f"commit the inventory: it now has the running versions of {_tenants(len(changed))}")
    _say_next(session, name, progress)
    wrong = progress.having("changed", "running", "unknown") if back else progress.having("failed", "unknown")
    if wrong:
        raise typer.Exit(FAILED)
    if progress.intent is not None and progress.intent.what == "halt":
        raise typer.Exit(HALTED)


def _say_next(session: Session, name: str, progress: Progress) -> None:
    intent = progress.intent
    if intent is None or intent.what not in ("halt", "undo"):
        return
    if intent.what == "undo":
        session.output.warn(f"the undo is incomplete; to continue: launchpad rollout {name} --undo")
        return
    session.output.warn(f"the rollout is halted: {intent.reason}")
    session.output.say(f"to continue, after the cause is fixed: launchpad rollout {name} --resume")
    session.output.say(f"to continue despite the failure: launchpad rollout {name} --resume --accept")
    session.output.say(f"to return every upgraded tenant to its old version: launchpad rollout {name} --undo")


@contextmanager
def _interrupted(session: Session, name: str) -> Iterator[None]:
    """Ctrl-C ends this command: running upgrades continue on their hosts, and no further upgrade starts."""
    try:
        yield
    except KeyboardInterrupt:
        session.output.say(
            f"running upgrades continue on their hosts; to follow them: launchpad rollout {name} --resume"
        )
        raise


def _show(session: Session, what: RolloutPlan) -> None:
    """Print the tenants of each ring, and the skipped tenants; nothing under --json."""
    from launchpad.cli.wording import lasted

    rows = tuple(
        (
            wave.ring,
            str(len(wave.members)),
            str(len({member.host for member in wave.members})),
            lasted(wave.soak),
            str(wave.budget),
            _names(wave),
        )
        for wave in what.rollout.waves
    )
    lines = [f"{what.rollout.app} → {what.rollout.version}"]
    lines += [f"  {version} breaks: {text}" for version, text in what.breaks]
    lines += [f"  {version}: {text}" for version, text in what.notes]
    for host, drill in what.short:
        then = (
            f"its tenants' upgrades are rehearsed on {drill}"
            if drill
            else "without a drill_host its tenants' upgrades are rejected"
        )
        lines.append(f"  {host} has too little free memory to rehearse an upgrade: {then}")
    session.output.say("\n".join(lines if what.rollout.rehearse else [*lines, "  without a rehearsal"]))
    if not session.json:
        headings = ("ring", "tenants", "hosts", "soak", "may fail", "who")
        session.output.result(None, Table(headings, rows, "" if what.silent else "nothing to do"))
    for item in what.left_out:
        hint = f" ({item.hint})" if item.hint else ""
        session.output.say(f"skipped: {item.tenant} on {item.host}: {item.reason}{hint}")


def _names(wave: Wave) -> str:
    names = [member.tenant for member in wave.members]
    more = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def _report(progress: Progress) -> Table:
    from launchpad.cli.wording import lasted

    before = {member.tenant: member.version for wave in progress.rollout.waves for member in wave.members}
    rows = tuple(
        (item.tenant, item.host, item.ring, item.outcome, _versions(item, before[item.tenant]), lasted(item.seconds))
        for item in progress.states.values()
    )
    return Table(("tenant", "host", "ring", "outcome", "version", "time"), rows)


def _versions(item: Any, before: str) -> str:
    return f"{before} → {item.version}" if item.version and item.version != before else item.version or before


def _explain(session: Session, progress: Progress) -> None:
    """Print each tenant's message, and how many tenants have each outcome."""
    for item in progress.having("failed", "unknown", "left", "changed"):
        if item.message:
            hint = f" ({item.hint})" if item.hint else ""
            session.output.say(f"{item.tenant}: {item.message}{hint}")
    counts: dict[str, int] = {}
    for item in progress.states.values():
        counts[item.outcome] = counts.get(item.outcome, 0) + 1
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    session.output.say(f"{progress.rollout.app} {progress.rollout.version}: {told}")


def _sentence(known: Known) -> str:
    from launchpad.cli.wording import moment

    what = known.rollout
    reason = f": {known.intent.reason}" if known.intent and known.intent.reason else ""
    began = f"started by {known.who} at {moment(known.at)}"
    return f"rollout {what.id}: {what.app} {what.version}, {_tenants(known.tenants)}, {began}, {known.stands}{reason}"


def _tenants(count: int | Sequence[Any]) -> str:
    return f"{count} tenant{'' if count == 1 else 's'}"
