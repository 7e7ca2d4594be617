"""Processes that outlive the command that started them, known by more than their number."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.errors import LabError

PACKAGE_FOLDER = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Process:
    """A process that the lab started: its number, and a start mark that a recycled number cannot share."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "Process":
        """Identify a process that runs now."""
        return cls(pid, _start_mark(pid))

    @classmethod
    def load(cls, record: Any) -> "Process | None":
        """Read back what `record()` wrote; None for anything else."""
        if isinstance(record, dict) and isinstance(record.get("pid"), int):
            return cls(record["pid"], str(record.get("started")))
        return None

    @classmethod
    def started_with(cls, *words: str) -> "list[Process]":
        """The live processes whose command line ends with exactly these words."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
                if tuple(line[-len(words) :]) == words:
                    found.append(cls.of(int(folder.name)))
        return found

    def record(self) -> dict[str, Any]:
        """What to write down so that a later command finds this very process again."""
        return {"pid": self.pid, "started": self.started}

    def alive(self) -> bool:
        """True while this very process runs; a zombie does not."""
        return bool(self.started) and _start_mark(self.pid) == self.started

    def send(self, number: int) -> None:
        """Signal this process, and no other that may have its number by now."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait_gone(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds; True when it is gone."""
        deadline = time.monotonic() + timeout
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def stop(self, *, grace: float = 5) -> None:
        """Ask it to end, and kill it when it has not within `grace` seconds."""
        self.send(signal.SIGTERM)
        if not self.wait_gone(grace):
            self.send(signal.SIGKILL)
            self.wait_gone(5)


def _start_mark(pid: int) -> str:
    """Boot id and start time of a live process; empty when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def spawn(argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> Process:
    """Start `argv` detached, in a session of its own, with both streams appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
                env={**os.environ, **(env or {})},
            )
        except FileNotFoundError as error:
            raise LabError(f"{argv[0]} is not installed on this machine", hint="run: scripts/lab doctor") from error
    # Nobody waits for it: without this the interpreter warns at exit that a child still runs, as is meant here.
    child.returncode = 0
    return Process.of(child.pid)


def spawn_module(module: str, *arguments: str, log: Path) -> Process:
    """Start a module of this package detached, with the interpreter that runs now."""
    return spawn([sys.executable, "-m", module, *arguments], log=log, env={"PYTHONPATH": str(PACKAGE_FOLDER)})
