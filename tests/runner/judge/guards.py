"""Take each guard of the judge out and see a test turn red: `python -m tests.runner.judge.guards [manifest|site|…]`.

A guard is an `if …: raise Refused(…)`, or a call that does nothing but refuse. Each one is taken out of a copy of the
project; the judge's own tests must then fail. Prints the guards whose absence nobody notices and exits 1 for them.
Takes some seconds a guard.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
JUDGE = "launchpad/runner/judge"
MODULES = ("closed", "manifest", "release_text", "resolved_project", "site")
COPIED = ("launchpad", "templates", "inventory", "tests", "pyproject.toml")
TESTS = ("test_manifest.py", "test_resolved_project.py", "test_site.py", "test_attacks.py")


@dataclass(frozen=True)
class Guard:
    """One refusal: where it stands, and its file's text without it."""

    place: str
    line: str
    file: str
    without: str


def guards(module: str) -> Iterator[Guard]:
    """Every guard of one of the judge's modules, in its order."""
    file = f"{JUDGE}/{module}.py"
    text = (ROOT / file).read_text()
    lines = text.splitlines(keepends=True)
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt) and _is_guard(node)]
    for node in sorted(found, key=lambda node: node.lineno):
        indent = " " * node.col_offset
        kept = [*lines[: node.lineno - 1], f"{indent}pass\n", *lines[node.end_lineno :]]
        yield Guard(f"{file}:{node.lineno}", lines[node.lineno - 1].strip(), file, "".join(kept))


def _is_guard(node: ast.stmt) -> bool:
    if isinstance(node, ast.If):
        return not node.orelse and len(node.body) == 1 and isinstance(node.body[0], ast.Raise)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _refuses(node.value.func)


def _refuses(function: ast.expr) -> bool:
    """A call whose result nobody takes is there for its refusal; only a set's `add` is not."""
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name != "add"


def unnoticed(module: str, copy: Path) -> Iterator[Guard]:
    """The module's guards without which the tests still pass, in a copy of the project."""
    tests = [f"tests/runner/judge/{name}" for name in TESTS]
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    for guard in guards(module):
        path = copy / guard.file
        whole = path.read_text()
        path.write_text(guard.without)
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(words, cwd=copy, capture_output=True, env=environment)
        path.write_text(whole)
        if done.returncode == 0:
            yield guard


def main(modules: list[str]) -> int:
    total = missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, Path(folder) / name, symlinks=True)
            else:
                shutil.copy(ROOT / name, Path(folder) / name)
        for module in modules or MODULES:
            total += sum(1 for _ in guards(module))
            for guard in unnoticed(module, Path(folder)):
                missed += 1
                print(f"{guard.place}: nobody notices without: {guard.line}", flush=True)
    print(f"{total - missed} of {total} guards are noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
