"""Run one of the host's programs: arguments in, output out; without a shell and without the caller's environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from launchpad.runner.host import Failed
from launchpad.runner.record import Record

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/nonexistent",
}
# A program ends when its runner is killed: a surviving program could disturb the next runner's undo.
WITH_THE_RUNNER = ("setpriv", "--pdeathsig=KILL", "--")
_LAST_WORDS = 3
_LAST_LINES = 20


class ProgramOutput(Record):
    """The output of a program that ended. Never shown as a whole, because it may contain a secret."""

    code: int
    out: bytes
    err: bytes

    def __repr__(self) -> str:
        return f"ProgramOutput(code={self.code})"


def run(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    seconds: float = 60,
    reads: bool = False,
) -> ProgramOutput:
    """Run a program to its end and return its output, whatever the exit status. One that only reads may survive its
    runner, and is started at half the cost.

    Secrets go in by `stdin` only. Failed when the program is missing or takes longer than the seconds."""
    import subprocess  # imported late: the import takes 5 ms, and hello does not need it

    try:
        done = subprocess.run(
            [*(() if reads else WITH_THE_RUNNER), *argv],
            input=stdin,
            capture_output=True,
            env={**ENVIRONMENT, **(environment or {})},
            timeout=seconds,
            check=False,
        )
    except OSError as error:
        raise Failed(f"cannot run {argv[0]}: {error.strerror}", code="program-missing") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{argv[0]} was still running after {seconds:g} s", code="program-timeout") from error
    return ProgramOutput(done.returncode, done.stdout, done.stderr)


def succeed(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    seconds: float = 60,
    reads: bool = False,
) -> bytes:
    """The standard output of `run`; Failed with the program's last lines unless it exits with 0."""
    said = run(argv, stdin=stdin, environment=environment, seconds=seconds, reads=reads)
    if said.code:
        lines = [line for line in said.err.decode(errors="replace").splitlines() if line.strip()]
        cause = "; ".join(line.strip() for line in lines[-_LAST_WORDS:]) or f"exit status {said.code}"
        raise Failed(f"{argv[0]}: {cause}", code="program-failed", lines=lines[-_LAST_LINES:])
    return said.out
