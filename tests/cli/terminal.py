"""A command line in a test: an environment and a home of its own, and what it printed."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from launchpad.cli.boundary import run


@dataclass(frozen=True)
class Printed:
    """What one command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


class Terminal:
    """Runs commands in a workspace, as someone with a home of their own."""

    def __init__(
        self, root: Path, home: Path, *, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
    ) -> None:
        self.root = root
        self.home = home
        self._patch = patch
        self._capture = capture
        for name in ("LAUNCHPAD_WORKSPACE", "LAUNCHPAD_IDENTITY", "LAUNCHPAD_SSH_KEY", "XDG_CONFIG_HOME", "NO_COLOR"):
            patch.delenv(name, raising=False)
        patch.setenv("LAUNCHPAD_CONFIG", str(home))
        patch.setenv("LAUNCHPAD_OPERATOR", "ann")
        patch.chdir(root)

    def __call__(self, *arguments: str, stdin: str | bytes = "") -> Printed:
        content = stdin if isinstance(stdin, bytes) else stdin.encode()
        self._patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))
        self._capture.readouterr()
        code = run(arguments)
        captured = self._capture.readouterr()
        return Printed(code, captured.out, captured.err)

    def ok(self, *arguments: str, stdin: str | bytes = "") -> Printed:
        """The same, of a command that must succeed."""
        printed = self(*arguments, stdin=stdin)
        assert printed.code == 0, printed
        return printed


class Tty(io.StringIO):
    """A stream that is taken for a terminal; COLUMNS says how wide."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True
