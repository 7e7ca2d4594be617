"""What the house is counted by: imports wherever they stand, circles, rooms, and modules with nothing of their own."""

from __future__ import annotations

import ast
import re
import tomllib
from types import ModuleType

import pytest
from counting import (
    House,
    arrows,
    circles,
    figures,
    layers,
    names_for_two,
    only_re_exports,
    read,
    rooms,
    upwards,
)
from measurement import PROJECT, goals

from launchpad import fleet, operations

FOR_TWO = {
    "Host": "the VPS of the inventory; in the runner, the seam to the machine that it runs on",
    "host": "the files of these two classes",
    "Record": "every frozen value of the runner; the step that writes tenant.json, whose name is in hosts' journals",
}
"""The names that stand for two things, and for which."""


@pytest.fixture(scope="module")
def house() -> House:
    return read(PROJECT)


def test_what_was_reached_stays(house: House) -> None:
    goal = goals()["house"]["figures"]
    found = figures(house, layers())
    assert {name: value for name, value in found.items() if value > goal[name].get("most", value)} == {}


def test_a_name_stands_for_one_thing(house: House) -> None:
    assert set(names_for_two(house)) == FOR_TWO.keys()
    assert len(FOR_TWO) <= goals()["house"]["figures"]["house-names"]["most"]


@pytest.mark.parametrize("package", [operations, fleet])
def test_the_index_of_a_package_names_every_file(house: House, package: ModuleType) -> None:
    named = set(re.findall(r"\w+", package.__doc__ or ""))
    files = {name.rpartition(".")[2] for name in house.trees if name.startswith(f"{package.__name__}.")}
    assert files - named == set()


def test_the_contracts_of_the_layers_name_every_part_of_the_package() -> None:
    """What a contract does not name may be imported by anybody, and nobody notices."""
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    one_way, runner, rest = (next(item for item in contracts if name in item["name"]) for name in CONTRACTS)
    parts = parts_of("launchpad") - {"launchpad.runner"}
    assert set(re.findall(r"[\w.]+", " ".join(one_way["layers"]))) == parts
    assert set(runner["forbidden_modules"]) == set(rest["source_modules"]) == parts
    names = ("protocol", "same_operation", "wire", "hint", "facts", "slots", "paths", "limits", "judge")
    seen = {f"launchpad.runner.{name}" for name in names}
    named = {".".join(name.split(".")[:3]) for name in rest["forbidden_modules"]}
    assert named == parts_of("launchpad/runner") - seen


CONTRACTS = ("one way", "The runner imports nothing", "The rest sees of the runner")


def parts_of(folder: str) -> set[str]:
    """What stands directly in the folder, as modules."""
    there = (path for path in (PROJECT / folder).iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file())
    return {f"{folder}.{path.stem}".replace("/", ".") for path in there if not path.stem.startswith("__")}


def trees(**texts: str) -> dict[str, ast.Module]:
    return {name.replace("__", "."): ast.parse(text) for name, text in texts.items()}


def test_an_import_counts_in_a_function_and_for_types_alone_too() -> None:
    found = arrows(
        trees(
            a="if TYPE_CHECKING:\n    from b import Class",
            b="def late():\n    from a import thing\n    import c__d",
            c="from c import d",
            c__d="",
        )
        | trees(e="import c.d\nfrom json import loads")
    )
    assert found == {"a": {"b"}, "b": {"a"}, "c": {"c.d"}, "c.d": set(), "e": {"c.d"}}
    assert circles(found) == [["a", "b"]]


def test_a_circle_is_one_however_many_ways_lead_round() -> None:
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_rooms_are_what_stands_directly_below_a_package() -> None:
    found = rooms(
        "p", {"p.a.x": {"p.a.y", "p.b.z", "q"}, "p.a.y": set(), "p.b.z": {"p"}, "p.flat": {"p.a.x"}, "q": set()}
    )
    assert found == {"a": {"b"}, "b": set(), "flat": {"a"}}


def test_who_imports_from_above_is_counted() -> None:
    layers = ["l.top", "l.left | l.right", "l.low"]
    assert (
        upwards({"l.top.x": {"l.low"}, "l.low": {"l.right.y"}, "l.left": {"l.right.y"}, "l.right.y": {"o"}}, layers)
        == 1
    )


def test_a_module_with_nothing_of_its_own_only_re_exports() -> None:
    assert only_re_exports(ast.parse('"""Text."""\nfrom a import b\n__all__ = ["b"]'))
    for text in ('"""Text."""', "from a import b\nb()", "from a import b\nC = b", "from __future__ import annotations"):
        assert not only_re_exports(ast.parse(text)), text


def test_a_name_counts_once_however_often_it_is_given_and_not_for_a_verb_s_two_sides_or_a_family_of_steps() -> None:
    both = "class Both: ..."
    names = {
        "launchpad.x.a": both,
        "launchpad.y.a": both,
        "launchpad.z.b": both,
        "launchpad.cli.b": "",
        "launchpad.w": "",
        "launchpad.runner.one.steps": "",
        "launchpad.runner.one.plan": "",
        "launchpad.runner.two.steps": "",
        "launchpad.runner.two.plan": "",
        "launchpad.v.effects": "",
        "launchpad.u.effects": "",
    }
    house = House(trees={name: ast.parse(text) for name, text in names.items()}, packages={"launchpad.w"})
    assert names_for_two(house) == ["Both", "a", "effects"]
