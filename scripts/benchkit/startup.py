"""`launchpad --help`: how long, and what it imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchkit.figures import Figures, timed

RUNS = 15
HEAVY = ("fabric", "paramiko", "jinja2", "pydantic", "ruamel", "cryptography")
COUNT = (
    "import json, sys\n"
    "from launchpad.cli.boundary import run\n"
    "run(['--help'])\n"
    "print(json.dumps([n for n in sys.modules]), file=sys.stderr)"
)


def measure(figures: Figures, folder: Path) -> None:
    """Whole processes, as a shell starts them."""
    del folder
    program = str(Path(sys.executable).with_name("launchpad"))
    times = [timed(lambda: _quietly(program, "--help")) * 1000 for _ in range(RUNS)]
    figures.add("launchpad --help", times, "ms", goal=150, evidence="help-milliseconds")
    said = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True).stderr
    heavy = [name for name in json.loads(said.splitlines()[-1]) if name.partition(".")[0] in HEAVY]
    figures.add(f"  modules of {', '.join(HEAVY[:4])} … that it imports", [len(heavy)], "", goal=0)
    figures.add("python3 -c pass, for comparison", [timed(lambda: _quietly(sys.executable, "-c", "pass")) * 1000], "ms")


def _quietly(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
