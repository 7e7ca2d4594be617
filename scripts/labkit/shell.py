"""Run programs of this machine, and print the lab's progress."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.errors import LabError


@dataclass(frozen=True)
class Result:
    """What a finished command said: exit status, and both streams as text."""

    status: int
    stdout: str
    stderr: str


def progress(message: str) -> None:
    """Print a progress message on standard error."""
    print(f"lab: {message}", file=sys.stderr, flush=True)


def attempt(
    argv: Sequence[str], *, stdin: str | bytes = b"", timeout: float = 600, env: Mapping[str, str] | None = None
) -> Result:
    """Run `argv` and return its result whatever its status; LabError only when it cannot start or takes too long."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    surroundings = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        done = subprocess.run(argv, input=data, capture_output=True, timeout=timeout, env=surroundings, check=False)
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed on this machine", hint="run: scripts/lab doctor") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(argv[:4])} did not end within {timeout:g} s") from error
    return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def run(
    argv: Sequence[str], *, stdin: str | bytes = b"", timeout: float = 600, env: Mapping[str, str] | None = None
) -> str:
    """Run `argv` and return its standard output; LabError with its last words when it fails."""
    result = attempt(argv, stdin=stdin, timeout=timeout, env=env)
    if result.status != 0:
        words = (result.stderr.strip() or result.stdout.strip()).splitlines()[-4:]
        raise LabError(f"{' '.join(argv[:5])} failed with status {result.status}: {' | '.join(words)}")
    return result.stdout
