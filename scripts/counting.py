"""Count the structure of the package, now and at an earlier commit, for scripts/evidence house.

Computed from syntax trees alone; nothing is imported. An arrow is an import of one module by another, also inside a
function and only for types. A room is a direct part of a package: a subpackage, or a file.
"""

from __future__ import annotations

import argparse
import ast
import io
import statistics
import subprocess
import tarfile
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from measurement import PROJECT, record, tabulate

NAMED_AFTER_VERBS = ("launchpad.cli.", "launchpad.runner.verbs.")
"""Packages whose files have the names of the verbs that they call."""
OF_A_FAMILY = ("steps", "effects", "plan")
"""Files of each family of the runner's steps: the folder of a `steps.py` names the family."""

Arrows = Mapping[str, set[str]]


@dataclass
class House:
    """The package's modules by dotted name, and how many lines the package and its tests have."""

    trees: dict[str, ast.Module] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)
    lengths: list[int] = field(default_factory=list)
    test_lines: int = 0


def read(root: Path) -> House:
    house = House()
    for path in sorted((root / "launchpad").rglob("*.py")):
        words = path.relative_to(root).with_suffix("").parts
        text = path.read_text()
        name = ".".join(words[:-1] if words[-1] == "__init__" else words)
        house.trees[name] = ast.parse(text)
        house.lengths.append(text.count("\n"))
        if words[-1] == "__init__":
            house.packages.add(name)
    house.test_lines = sum(path.read_text().count("\n") for path in (root / "tests").rglob("*.py"))
    return house


def arrows(trees: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """Module → the modules that it imports."""
    return {name: {found for found in _imported(tree, trees) if found != name} for name, tree in trees.items()}


def _imported(tree: ast.Module, known: Mapping[str, ast.Module]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names if item.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module in known:
            for item in node.names:
                inner = f"{node.module}.{item.name}"
                yield inner if inner in known else node.module


def circles(among: Arrows) -> list[list[str]]:
    """Every group of modules that import one another in a circle."""
    reached = {name: _reached(name, among) for name in among}
    groups = {frozenset({name} | {other for other in reached[name] if name in reached[other]}) for name in among}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _reached(start: str, among: Arrows) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = among.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen


def rooms(package: str, among: Arrows) -> dict[str, set[str]]:
    """The package's rooms → the other rooms that they import from."""
    found: dict[str, set[str]] = {}
    for name, others in among.items():
        if room := _room(package, name):
            found.setdefault(room, set()).update({_room(package, other) for other in others} - {"", room})
    return found


def _room(package: str, name: str) -> str:
    return name.removeprefix(f"{package}.").partition(".")[0] if name.startswith(f"{package}.") else ""


def upwards(among: Arrows, ordered: Iterable[str]) -> int:
    """The number of arrows from a layer to a higher layer; the layers are given from the top, as in the linter's
    contract."""
    height = {name.strip(): -row for row, line in enumerate(ordered) for name in line.split("|")}
    place = {name: height.get(".".join(name.split(".")[:2])) for name in among}
    steps = [(place[name], place.get(other)) for name in among for other in among[name]]
    return sum(low is not None and high is not None and high > low for low, high in steps)


def only_re_exports(tree: ast.Module) -> bool:
    """Whether a module only re-exports names of other modules."""
    rest = [node for node in tree.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    own = [node for node in rest if not isinstance(node, ast.ImportFrom | ast.Import)]
    imports = any(isinstance(node, ast.ImportFrom) and node.module != "__future__" for node in rest)
    return imports and all(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__" for node in own)


def twice(names: Iterable[str]) -> list[str]:
    """The names that are given more than once."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def names_for_two(house: House) -> list[str]:
    """Names of classes and of files that stand for more than one. A verb's own files have its name on both sides; the
    families of steps have files of the same names."""
    classes = [node.name for tree in house.trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    files = [name for name in house.trees if name not in house.packages and not name.startswith(NAMED_AFTER_VERBS)]
    files = [name for name in files if not _is_of_a_family(name, house)]
    return twice(classes) + twice(name.rpartition(".")[2] for name in files)


def _is_of_a_family(name: str, house: House) -> bool:
    folder, _, file = name.rpartition(".")
    return file in OF_A_FAMILY and f"{folder}.steps" in house.trees


def figures(house: House, ordered: Iterable[str]) -> dict[str, float]:
    """Every figure of the topic by its name."""
    among = arrows(house.trees)
    operations, fleet = (rooms(f"launchpad.{name}", among) for name in ("operations", "fleet"))
    machine = [among[name] for name in among if f"{name}.".startswith("launchpad.runner.machine.")]
    return {
        "house-circles": len(circles(among)),
        "house-circles-of-rooms": len(circles(operations)) + len(circles(fleet)),
        "house-upwards": upwards(among, ordered),
        "house-machine-to-provision": sum(
            name.startswith("launchpad.runner.provision") for others in machine for name in others
        ),
        "house-rooms-arrows": sum(len(others) for others in operations.values()),
        "house-root-operations": _files_in("launchpad.operations", house),
        "house-root-fleet": _files_in("launchpad.fleet", house),
        "house-re-exports": sum(only_re_exports(tree) for tree in house.trees.values()),
        "house-names": len(names_for_two(house)),
        "house-file-median": statistics.median(house.lengths),
        "house-file-most": sorted(house.lengths)[int(len(house.lengths) * 0.95)],
        "house-files": len(house.trees),
        "house-lines": sum(house.lengths),
        "house-test-lines": house.test_lines,
    }


def _files_in(package: str, house: House) -> int:
    return sum(name.rpartition(".")[0] == package and name not in house.packages for name in house.trees)


def at(commit: str, ordered: Iterable[str]) -> dict[str, float]:
    """The figures of a commit of this repository."""
    argv = ["git", "archive", commit, "launchpad", "tests"]
    packed = subprocess.run(argv, cwd=PROJECT, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory(prefix="launchpad-house-") as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        return figures(read(Path(folder)), ordered)


def layers() -> list[str]:
    """The layers in the linter's contract, from the top."""
    with (PROJECT / "pyproject.toml").open("rb") as file:
        found: list[str] = tomllib.load(file)["tool"]["importlinter"]["contracts"][0]["layers"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/counting.py", description=__doc__)
    parser.add_argument("--before", required=True, help="the commit to compare with")
    parser.add_argument("--show", action="store_true", help="also print circles, arrows between rooms, and names")
    options = parser.parse_args()
    house = read(PROJECT)
    before = at(options.before, layers())
    for name, value in figures(house, layers()).items():
        record(name, value, n=len(house.trees))
        tabulate("before", {"figure": name, "before": f"{before[name]:g}", "now": f"{value:g}"})
        print(f"{name:<28} {before[name]:>8g} {value:>8g}")
    if options.show:
        among = arrows(house.trees)
        for circle in circles(among):
            print("circle:", " ".join(circle))
        for package in ("launchpad.operations", "launchpad.fleet"):
            for room, others in sorted(rooms(package, among).items()):
                print(f"{package}.{room} → {' '.join(sorted(others))}")
        print("names for two things:", " ".join(names_for_two(house)))


if __name__ == "__main__":
    main()
