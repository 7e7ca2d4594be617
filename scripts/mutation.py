"""scripts/mutate: remove each registered guard from the code; the guard's tests must then fail.

The guards are in scripts/guards.toml: a file, the guarding text, its replacement, and the tests that must fail. Each
mutation is made in a copy of the project, never in the working tree. Before the first mutation the same tests must pass
in the unchanged copy.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from measurement import record

PROJECT = Path(__file__).resolve().parent.parent
COPIED = ("launchpad", "templates", "tests", "scripts", "inventory", "docs", "pyproject.toml", "launchpad.yaml")


@dataclass(frozen=True)
class Guard:
    """One guard and its tests."""

    name: str
    file: str
    find: str
    put: str
    tests: tuple[str, ...]
    lab: bool = False


def guards(only: str) -> list[Guard]:
    """The registered guards, or those with `only` in their names."""
    with (PROJECT / "scripts/guards.toml").open("rb") as file:
        table = tomllib.load(file)
    found = []
    for name, entry in table.items():
        tests = (entry["tests"],) if isinstance(entry["tests"], str) else tuple(entry["tests"])
        lab = bool(entry.get("lab", False))
        guard = Guard(name, entry["file"], entry["find"], entry.get("put", ""), tests, lab)
        if only in name:
            found.append(guard)
    return found


def copy(where: Path) -> None:
    """The project's own files, without what git ignores."""
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(source, where / name, symlinks=True, ignore=ignore)
        elif source.exists():
            shutil.copy(source, where / name)


def passes(where: Path, tests: tuple[str, ...]) -> bool:
    """Whether the tests pass in that copy."""
    argv = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-o", "timeout=120", *tests]
    environment = os.environ | {"PYTHONPATH": f"{where}:{where / 'scripts'}", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("LAUNCHPAD_EVIDENCE", None)  # a measurement without a guard is no evidence
    done = subprocess.run(argv, cwd=where, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"error: pytest could not run {' '.join(tests)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def outcome(guard: Guard) -> str:
    """`red` as required, `green` when the tests do not notice the mutation, `stale` when the registry does not match
    the code."""
    with tempfile.TemporaryDirectory(prefix="launchpad-mutate-") as folder:
        where = Path(folder)
        copy(where)
        file = where / guard.file
        text = file.read_text()
        if text.count(guard.find) != 1:
            return "stale"
        file.write_text(text.replace(guard.find, guard.put))
        return "green" if passes(where, guard.tests) else "red"


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/mutate", description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="only guards with this in their name")
    parser.add_argument("--lab", action="store_true", help="also the guards whose tests need the lab")
    parser.add_argument("--list", action="store_true", help="list the guards and stop")
    options = parser.parse_args()
    chosen = [guard for guard in guards(options.only) if options.lab or not guard.lab]
    if options.list:
        for guard in chosen:
            print(f"{guard.name:<44} {guard.file}")
        return 0
    with tempfile.TemporaryDirectory(prefix="launchpad-mutate-") as folder:
        copy(Path(folder))
        every = tuple(sorted({test for guard in chosen for test in guard.tests}))
        if not passes(Path(folder), every):
            print("error: the tests fail before any guard is removed", file=sys.stderr)
            return 1
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=1 if options.lab else os.cpu_count()) as pool:
        for guard, found in zip(chosen, pool.map(outcome, chosen), strict=True):
            bad += found != "red"
            print(f"{found:<6} {guard.name}", flush=True)
    print(f"{len(chosen) - bad} of {len(chosen)} guards are guarded")
    record("guards-green", bad, n=len(chosen))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
