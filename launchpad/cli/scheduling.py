"""launchpad schedule: install and show timed jobs on this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.operations.observation.schedule import OwnMachine, ScheduleChange
    from launchpad.plan.timetable import ScheduledJob, Timetable

app = typer.Typer(
    help="Run health checks, backups and more on this machine by timers.",
    epilog="Example: launchpad schedule install --mail ops@example.com",
)

System = Annotated[
    bool,
    typer.Option("--system", help="Use the system's systemd, as root: the timers run also while nobody is logged in."),
]
Mail = Annotated[
    str,
    typer.Option("--mail", metavar="ADDRESS", help="Send reports to this mail address, by this machine's sendmail."),
]
Report = Annotated[
    str,
    typer.Option(
        "--report", metavar="COMMAND", help="Run this shell command for each report, with the report on standard input."
    ),
]
KEPT = ("PATH", "XDG_CONFIG_HOME")
"""The environment variables, besides LAUNCHPAD_…, that the jobs get from the environment of the installation. The
socket of an SSH agent is none of it: the next login has another one."""


@app.callback()
def schedule() -> None:
    """Run health checks, backups and more on this machine by timers."""


@app.command("install", epilog="Example: launchpad schedule install --mail ops@example.com")
def install(
    ctx: typer.Context,
    only: Annotated[
        str, typer.Option("--only", metavar="JOBS", help="Only these jobs, such as health,backup,verify.")
    ] = "",
    crontab: Annotated[
        bool, typer.Option("--crontab", help="Use lines in your crontab instead of systemd timers.")
    ] = False,
    system: System = False,
    mail: Mail = "",
    report: Report = "",
) -> None:
    """Install timers for health, backups, verification, drills and pruning of this workspace.

    A second installation changes only what differs. Each job starts with a random delay of up to 15 minutes. A job does
    not start while its earlier run is still active. Jobs that change something run one at a time. A failed job is
    reported once, and once more when it succeeds again. Without --mail and --report, systemd's journal has the report,
    or cron mails the report.
    """
    from launchpad.operations.observation.schedule import install_crontab, install_timers

    session = Session.of(ctx)
    if crontab and system:
        raise typer.BadParameter("give --crontab or --system, not both", ctx=ctx)
    if mail and report:
        raise typer.BadParameter("give --mail or --report, not both", ctx=ctx)
    jobs = _jobs(ctx, only)
    told = ("--mail", mail) if mail else ("--report", report) if report else ()
    table, machine = _table(session, jobs, told, system=system), _machine(session, system=system)
    change = (install_crontab if crontab else install_timers)(table, machine)
    _say(session, change, f"{len(jobs)} jobs are now run by {'cron' if crontab else 'systemd'}")
    if not crontab and not system and not _lingers():
        session.output.warn(f"these timers stop when {_user()} logs out: loginctl enable-linger {_user()}")


@app.command("show", epilog="Example: launchpad schedule show")
def show(ctx: typer.Context, system: System = False) -> None:
    """Show every job: its schedule, its scheduler, and the result of its last run.

    The exit code is 4 when the last run of an installed job failed.
    """
    from launchpad.cli.output import Table
    from launchpad.cli.wording import age, lasted
    from launchpad.operations.observation.schedule import show_schedule

    session = Session.of(ctx)
    table, machine = _table(session, _jobs(ctx, ""), (), system=system), _machine(session, system=system)
    found = show_schedule(table, machine, state=session.workspace.state)
    rows = []
    for item in found:
        last = item.last
        went = "never"
        if last is not None:
            ended = "done" if not last.exit_code else f"exit code {last.exit_code}"
            went = f"{age(session.workspace.clock.now() - last.at)} ago: {ended}, {lasted(last.seconds)}"
        rows.append((item.job.name, item.job.calendar, item.by or "not installed", went, " ".join(item.job.words)))
    headings = ("job", "when", "by", "last run", "launchpad")
    session.output.result([item.as_json() for item in found], Table(headings, tuple(rows)))
    if not any(item.by for item in found):
        session.output.say("to install the jobs: launchpad schedule install")
    if any(item.by and item.last and item.last.exit_code for item in found):
        raise typer.Exit(4)


@app.command("remove", epilog="Example: launchpad schedule remove")
def remove(ctx: typer.Context, system: System = False) -> None:
    """Remove this workspace's timers, or its lines in your crontab. Nothing else changes."""
    from launchpad.operations.observation.schedule import remove_schedule

    session = Session.of(ctx)
    table, machine = _table(session, _jobs(ctx, ""), (), system=system), _machine(session, system=system)
    _say(session, remove_schedule(table, machine), "removed")


@app.command("run", epilog="Example: launchpad schedule run backup")
def run(
    ctx: typer.Context,
    job: Annotated[
        str,
        typer.Argument(
            metavar="JOB", autocompletion=complete.jobs, help="The job's name, from `launchpad schedule show`."
        ),
    ],
    mail: Mail = "",
    report: Report = "",
) -> None:
    """Run one JOB now, as its timer does. The exit code is the job's own, and 0 when the job already runs."""
    from launchpad.operations.observation.run_job import ReportTo, report_job, run_job

    session = Session.of(ctx)
    (chosen,) = _jobs(ctx, job.replace(",", " "))
    argv = [*_program(), "--no-color", "-w", str(session.workspace.root), *chosen.words]
    made = run_job(session.workspace, chosen, argv=argv, environment=session.environment)
    if session.json:
        session.output.document(made.as_json())
    if made.record is None:
        session.output.say(f"{job} is already running: nothing to do")
        return
    if made.subject:
        to = ReportTo(mail=mail, command=report)
        if not mail and not report and not session.json:
            session.output.result(None, f"{made.subject}\n\n{made.text}")
        report_job(session.workspace, made, to=to, environment=session.environment)
    raise typer.Exit(made.record.exit_code)


def _jobs(ctx: typer.Context, text: str) -> tuple[ScheduledJob, ...]:
    """The named jobs, in the order of the timetable; without a name all jobs."""
    from launchpad.plan.timetable import JOBS

    names = text.split(",") if text else []
    known = [job.name for job in JOBS]
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"no job {unknown[0]}; expected {', '.join(known)}", ctx=ctx)
    return tuple(job for job in JOBS if not names or job.name in names)


def _table(session: Session, jobs: tuple[ScheduledJob, ...], told: tuple[str, ...], *, system: bool) -> Timetable:
    from launchpad.plan.timetable import Timetable

    own = {name: text for name, text in session.environment.items() if name.startswith("LAUNCHPAD_") or name in KEPT}
    own.pop("LAUNCHPAD_WORKSPACE", None)
    return Timetable(
        root=session.workspace.root,
        jobs=jobs,
        program=_program(),
        environment=own,
        report=told,
        user=_user() if system else "",
    )


def _machine(session: Session, *, system: bool) -> OwnMachine:
    from pathlib import Path

    from launchpad.operations.observation.schedule import OwnMachine

    config = session.environment.get("XDG_CONFIG_HOME", "")
    own = Path(config) if config.startswith("/") else session.settings.home / ".config"
    units = Path("/etc/systemd/system") if system else own / "systemd/user"
    return OwnMachine(units=units, system=system, environment=session.environment)


def _program() -> tuple[str, ...]:
    """The command that starts this installation of Launchpad, for pipx and uv too."""
    return sys.executable, "-m", "launchpad.cli"


def _user() -> str:
    import getpass

    return getpass.getuser()


def _lingers() -> bool:
    """Whether systemd runs this user's timers while the user is logged out."""
    from pathlib import Path

    return Path("/var/lib/systemd/linger", _user()).exists()


def _say(session: Session, change: ScheduleChange, text: str) -> None:
    nothing = "nothing to do"
    lines = [*(f"wrote {name}" for name in change.written), *(f"removed {name}" for name in change.removed)]
    session.output.result(change.as_json(), "\n".join([*lines, text] if lines else [nothing]))
