"""`status` starts the runner on every host each time: what it imports is what it costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
HEAVY = {
    "asyncio",
    "concurrent.futures",
    "dataclasses",
    "email",
    "http.client",
    "inspect",
    "launchpad.runner.engine",
    "launchpad.runner.judge",
    "launchpad.runner.plan",
    "launchpad.runner.provision",
    "launchpad.runner.steps",
    "logging",
    "pathlib",
    "shutil",
    "ssl",
    "subprocess",
    "tempfile",
    "urllib",
    *(["hashlib"] if sys.version_info >= (3, 12) else []),
}


@pytest.mark.parametrize("module", ["machine", "verbs.hello", "verbs.observe"])
def test_nothing_heavy_is_imported_for_what_only_looks(module: str) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); import json, launchpad.runner.__main__, "
        f"launchpad.runner.machine, launchpad.runner.{module}; print(json.dumps(sorted(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-IS", "-c", code], capture_output=True, check=True)
    assert HEAVY & set(json.loads(said.stdout)) == set()
