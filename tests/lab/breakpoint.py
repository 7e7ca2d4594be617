"""Runs on a lab host in the place of an operation's unit: the installed runner, with a debugger's breakpoint in it.

`at` beside this file says where, `<kind of step> begun` (journaled, nothing done yet) or `<kind of step> applied` (all
done, nothing of that journaled yet). There the process stops itself once, says so in `hit`, and goes on at SIGCONT.
The runner's code is neither changed nor wrapped: Python's own monitoring tells when a function is entered and left.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import CodeType

HERE = Path(__file__).parent
sys.path.insert(0, str(Path("/usr/local/sbin/launchpad-runner").resolve().parent))

from launchpad.runner import effects, engine  # noqa: E402
from launchpad.runner.__main__ import main  # noqa: E402
from launchpad.runner.moving import effects as moving  # noqa: E402
from launchpad.runner.step import step_name  # noqa: E402
from launchpad.runner.steps import Commit  # noqa: E402

EFFECTS, STEP = (effects.apply.__code__, moving.apply.__code__), engine.Run.step.__code__


def entered(code: CodeType, _offset: int) -> None:
    stop_where_asked(code, "begun")


def left(code: CodeType, _offset: int, _value: object) -> None:
    stop_where_asked(code, "applied")


def stop_where_asked(code: CodeType, when: str) -> None:
    """The commit has no effect but its line in the journal, so for it the engine's own function is watched."""
    step = sys._getframe(2).f_locals["step"]
    if isinstance(step, Commit) is not (code is STEP):
        return
    try:
        wanted = (HERE / "at").read_text()
    except FileNotFoundError:
        return
    if wanted.split() == [step_name(type(step)), when]:
        (HERE / "at").unlink()
        (HERE / "hitting").write_text(str(os.getpid()))
        (HERE / "hitting").rename(HERE / "hit")
        os.kill(os.getpid(), signal.SIGSTOP)


monitoring = sys.monitoring  # type: ignore[attr-defined]  # the host's Python is 3.13
monitoring.use_tool_id(monitoring.DEBUGGER_ID, "breakpoint")
monitoring.register_callback(monitoring.DEBUGGER_ID, monitoring.events.PY_START, entered)
monitoring.register_callback(monitoring.DEBUGGER_ID, monitoring.events.PY_RETURN, left)
for watched in (*EFFECTS, STEP):
    both = monitoring.events.PY_START | monitoring.events.PY_RETURN
    monitoring.set_local_events(monitoring.DEBUGGER_ID, watched, both)

sys.exit(main(["operation", sys.argv[1]]))
