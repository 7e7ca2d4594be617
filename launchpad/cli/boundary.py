"""The boundary of the command line: every error becomes one message, a hint and an exit code here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from launchpad.cli.unwritable import FULL, UNWRITABLE, Unwritable
from launchpad.errors import LaunchpadError

if TYPE_CHECKING:
    from launchpad.cli.session import Session

INTERRUPTED = 130
BROKEN_PIPE = 141
USAGE = 2
BUG = 1
HEALTH, UNKNOWN = "health", 3
"""A monitoring system takes 1 for a warning and 2 for a critical state: every error of this command is 3."""


class UsageError(LaunchpadError):
    """The typed words are not a valid command."""

    code = "usage"

    exit_code = USAGE


def run(arguments: Sequence[str], *, session: Session | None = None) -> int:
    """Run one command line, in the session that is given or in a new one, and return its exit code. This function
    raises nothing and prints no traceback."""
    from launchpad.cli.legible import make_legible

    make_legible()
    try:
        code = _reported(arguments, session)
    except (OSError, Unwritable):  # standard error is full, too: nobody can be told
        code = UNWRITABLE
    return _flushed(code)


def _reported(arguments: Sequence[str], session: Session | None) -> int:
    """Run one command line, and report its error."""
    try:
        code = _run(list(arguments), session)
    except LaunchpadError as error:
        code = _report(error, arguments)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = BROKEN_PIPE
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            code = _report(Unwritable.of(error), arguments)
        else:
            code = _report_bug(error, arguments)
    if code == INTERRUPTED:
        print("interrupted", file=sys.stderr)
    return code


def _run(arguments: list[str], session: Session | None) -> int:
    import typer
    import typer.main

    from launchpad.cli.app import app

    command = typer.main.get_command(app)
    try:
        code = command.main(arguments or ["--help"], prog_name="launchpad", standalone_mode=False, obj=session)
    except typer.Abort:
        return INTERRUPTED
    except LaunchpadError:
        raise
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        raise _as_usage(error, arguments) from error
    return code if isinstance(code, int) else 0


def _as_usage(error: Exception, arguments: Sequence[str]) -> LaunchpadError:
    """Convert Typer's usage errors, whatever their class is in the installed version."""
    from launchpad.cli.registry import entries

    context = getattr(error, "ctx", None)
    named = next((f"launchpad {word}" for word in arguments if word in entries()), "launchpad")
    path = context.command_path if context is not None else named
    message: str = error.format_message().replace(": Value error, ", ": ")  # type: ignore[attr-defined]
    if context is not None and type(error).__name__ == "NoArgsIsHelpError":
        print(context.get_help(), file=sys.stderr)
        return UsageError(f"{path} needs a command", hint=f"{path} --help")
    return UsageError(message.rstrip("."), hint=f"{path} --help")


def _report(error: LaunchpadError, arguments: Sequence[str]) -> int:
    from launchpad.cli.output import Output

    plain = "--no-color" in arguments or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    output = Output(json="--json" in arguments and not isinstance(error, Unwritable), color=not plain)
    if not _is_monitoring(arguments):
        output.error(error)
        return error.exit_code
    hint = f" ({error.hint})" if error.hint else ""
    output.result({"error": error.as_dict()}, f"HEALTH UNKNOWN - {error.message}{hint}".replace("\n", " "))
    return UNKNOWN


def _is_monitoring(arguments: Sequence[str]) -> bool:
    from launchpad.cli.registry import entries

    return next((word for word in arguments if word in entries()), "") == HEALTH


def _report_bug(error: Exception, arguments: Sequence[str]) -> int:
    """Print one line, and write the traceback, without values of variables, into a file that only the user can read."""
    import tempfile
    import traceback

    class Bug(LaunchpadError):
        """An error that Launchpad does not raise on purpose."""

        code = "bug"

        exit_code = BUG

    descriptor, path = tempfile.mkstemp(prefix="launchpad-bug-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("".join(traceback.format_exception(error)))
    message = f"bug: {type(error).__name__}: please report it with {path}"
    return _report(Bug(message, hint=f"less {path}"), arguments)


def _flushed(code: int) -> int:
    """Write what is left, and return the exit code. Text that a stream does not take is discarded: else the interpreter
    would try again at its end, and print a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            code = BROKEN_PIPE if isinstance(error, BrokenPipeError) else code or UNWRITABLE
    return code
