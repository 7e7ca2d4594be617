"""A new kind of step: the places that it touches, in a copy of the runner."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from launchpad.runner.engine import effects
from launchpad.runner.families import FAMILIES, kinds_of

RUNNER = Path(__file__).resolve().parents[2] / "launchpad/runner"
PLACES = {
    "its class": (
        "steps.py",
        "\n\nTenantStep = (",
        '\n\nclass HoistFlag(Step):\n    """A flag."""\n\n    tenant: str\n    undone = False\n\n\nTenantStep = (',
    ),
    "its family": ("steps.py", "\n    PlaceRelease | ", "\n    HoistFlag | PlaceRelease | "),
    "what it does": (
        "effects.py",
        "        case steps.Purge():\n",
        '        case steps.HoistFlag():\n            host.write("/flag", b"alice")\n        case steps.Purge():\n',
    ),
}
TRIED = """
import sys
sys.path.insert(0, sys.argv[1])
from types import SimpleNamespace
from launchpad.runner.engine import effects
from launchpad.runner.families import KINDS, step_from_json
from launchpad.runner.step import step_as_json

step = step_from_json({"step": "hoist-flag", "tenant": "alice"})
context = SimpleNamespace(host=SimpleNamespace(write=print))
assert step_as_json(step) == {"step": "hoist-flag", "tenant": "alice"} and effects(type(step)).look(step, context) == {}
effects(type(step)).apply(step, context)
print(step.title, step.undone, step.once, sep=", ")
"""


def test_a_new_kind_is_a_class_a_member_of_its_family_and_a_case(tmp_path: Path, measured: Callable[..., None]) -> None:
    copy = shutil.copytree(RUNNER, tmp_path / "launchpad/runner", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(RUNNER.parent / "__init__.py", copy.parent)
    for file, found, put in PLACES.values():
        text = (copy / file).read_text()
        assert text.count(found) == 1
        (copy / file).write_text(text.replace(found, put))
    argv = [sys.executable, "-IS", "-c", TRIED, str(tmp_path)]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    measured("house-step-places", len(PLACES))
    assert (said.stdout, said.stderr) == ("/flag b'alice'\nhoist flag, False, False\n", "")


def test_every_kind_is_carried_out_by_what_stands_beside_it() -> None:
    for family in FAMILIES:
        for kind in kinds_of(family).values():
            beside = effects(kind)
            assert all(callable(getattr(beside, name)) for name in ("look", "apply", "undo")), kind
