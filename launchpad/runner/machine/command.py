"""Run one of the host's own programs: words in, what it said out; never a shell, never the caller's environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from launchpad.runner.host import Failed
from launchpad.runner.record import Record

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/nonexistent",
}
# When the runner is killed its programs go too: one that lives on would work against the next runner's settling.
WITH_THE_RUNNER = ("setpriv", "--pdeathsig=KILL", "--")
_LAST_WORDS = 3
_LAST_LINES = 20


class ProgramOutput(Record):
    """What a program that ran to its end said. Never shown as it is: it may be a secret."""

    code: int
    out: bytes
    err: bytes

    def __repr__(self) -> str:
        return f"ProgramOutput(code={self.code})"


def run(
    argv: Sequence[str], *, stdin: bytes = b"", environment: Mapping[str, str] | None = None, seconds: float = 60
) -> ProgramOutput:
    """Run the words to their end and return what they said, whatever the exit status.

    Secrets go in by `stdin` only. Failed when the program is missing or takes longer than the seconds."""
    import subprocess  # 5 ms that hello need not pay

    try:
        done = subprocess.run(
            [*WITH_THE_RUNNER, *argv],
            input=stdin,
            capture_output=True,
            env={**ENVIRONMENT, **(environment or {})},
            timeout=seconds,
            check=False,
        )
    except OSError as error:
        raise Failed(f"cannot run {argv[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{argv[0]} was still running after {seconds:g} s") from error
    return ProgramOutput(done.returncode, done.stdout, done.stderr)


def succeed(
    argv: Sequence[str], *, stdin: bytes = b"", environment: Mapping[str, str] | None = None, seconds: float = 60
) -> bytes:
    """`run`, and Failed with the program's last words unless it exits with 0; its standard output otherwise."""
    said = run(argv, stdin=stdin, environment=environment, seconds=seconds)
    if said.code:
        lines = [line for line in said.err.decode(errors="replace").splitlines() if line.strip()]
        cause = "; ".join(line.strip() for line in lines[-_LAST_WORDS:]) or f"exit status {said.code}"
        raise Failed(f"{argv[0]}: {cause}", lines=lines[-_LAST_LINES:])
    return said.out
