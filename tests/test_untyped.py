"""What the wire is counted by: mappings without types under any name, reads by string keys, and texts that name
commands."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest
from counting import read
from measurement import PROJECT, goals
from untyped import OPERATIONS, RECORDS, REPLIES, Types, all_key_reads, commands_in, figures, key_reads, registered


def tree(text: str) -> ast.Module:
    return ast.parse(dedent(text))


HEADER = (
    "from __future__ import annotations\nfrom typing import Any, Mapping, TypedDict, cast\nfrom m import Json, Task\n"
)
OTHER = {
    "m": "from typing import Any\nJson = Any\nTask = dict[str, Any]\nPair = tuple[int, Task]\nPlain = dict[str, int]\n"
}


def types(text: str) -> Types:
    return Types({"x": tree(HEADER + text)} | {name: tree(other) for name, other in OTHER.items()})


@pytest.mark.parametrize(
    "text",
    [
        "a: dict[str, Any]",
        "a: Mapping[str, Any] = {}",
        "a: Mapping[str, object]",
        "a: dict[str, Any | None]",
        "a: dict[str, list[Any]]",
        "a: Mapping[str, Mapping[str, Any]]",
        "a: 'dict[str, Any]'",
        "def f() -> 'dict[str, Any]': ...",
        "def f(a: list[Task]) -> int: ...",
        "a: dict[str, Json]",
        "import m\na: m.Task",
        "from m import Pair as P\na: P",
        "import typing as t\na: t.Dict[str, t.Any]",
        "from pydantic import JsonValue as J\na: J",
        "Own = Mapping[str, object]",
        "class A(TypedDict): ...",
        "a = cast(int, b)",
        "def f():\n    from typing import Any as Whatever\n    a: dict[str, Whatever] = {}",
        "a = f(dict[int, Any])",
    ],
)
def test_an_untyped_mapping_counts_under_any_name(text: str) -> None:
    assert len(types(text).lines("x")) == 1, text


@pytest.mark.parametrize(
    "text",
    [
        "a: dict[str, int]",
        "a: Any",
        "a: list[Any]",
        "a: Mapping[str, Callable[[object], None]]",
        "from m import Plain\na: Plain",
        "a: object = {}",
        "a = 'dict[str, Any]'",
        "a = b['dict']",
        "class A:\n    cast = 1",
    ],
)
def test_what_has_a_type_counts_nowhere(text: str) -> None:
    assert types(text).lines("x") == set(), text


def test_an_alias_counts_where_it_is_made_and_on_each_line_that_uses_it() -> None:
    found = types("Own = Mapping[str, object]\nMore = list[Own]\ndef f(a: Own, b: More) -> Own: ...\nc: More\n")
    assert found.lines("x") == {4, 5, 6, 7}
    assert found.lines("m") == {3, 4}


def test_public_signatures_are_functions_methods_and_fields_that_others_see() -> None:
    text = """
    def public(a: dict[str, Any]) -> None:
        def inner(b: dict[str, Any]) -> None: ...
    def _own(a: dict[str, Any]) -> None: ...
    def fine(a: int) -> None: ...
    def starred(*a: Task, **b: int) -> None: ...
    class Public:
        field: Task
        _hidden: Task
        def __call__(self) -> Task: ...
        def _own(self) -> Task: ...
        def fine(self) -> int: ...
    class _Hidden:
        field: Task
        def f(self) -> Task: ...
    """
    assert types(dedent(text)).signatures("x") == ["public", "starred", "Public.field", "Public.__call__"]


def test_a_read_by_a_string_key_counts_by_what_is_read() -> None:
    text = """
    def f(record, operation, body, other, key):
        record["slot"]; seen.record.get("slot"); record.pop("slot"); "slot" in record; (record or {})["slot"]
        operation["kind"]; context.operation["kind"]; journal.asked()["who"]
        body["a"]; runner.ask("observe", {})["host"]
        other["a"]; record[key]; record.plain(); "slot" in "text"
        record["slot"] = 1
    """
    found = key_reads(tree(text))
    assert (found[RECORDS], found[OPERATIONS], found[REPLIES]) == (5, 3, 2)
    assert all_key_reads(tree(text)) == 5 + 3 + 2 + 2


def test_what_a_reader_returns_counts_under_any_name_within_its_function() -> None:
    text = """
    def f():
        found = read_record(host, name) or {}
        found["slot"]
        if (old := journal.asked()) and old["who"]: ...
        return [piece["type"] for piece in runner.exchange("logs", {})]
    def g(found, piece):
        found["slot"], piece["type"]
    """
    found = key_reads(tree(text))
    assert (found[RECORDS], found[OPERATIONS], found[REPLIES]) == (1, 1, 1)


def test_a_text_that_names_a_command_counts_once_and_a_docstring_never() -> None:
    text = '''
    """Text: launchpad deploy alice."""
    a = "git pull; launchpad deploy alice"
    b = f"launchpad deploy {name}, then " f"launchpad status {name}"
    d = ("launchpad writes this", "launchpad deployed", "/run/launchpad deploy", f"{x} launchpad")
    def f():
        """launchpad status"""
        raise Refused("no", hint="launchpad status")
    '''
    assert len(commands_in(tree(text), ["deploy", "status"])) == 3
    assert registered(tree('S = (CommandEntry("init", "Make.", "init"), CommandEntry(name="x"), other("y"))')) == [
        "init"
    ]


def test_every_figure_of_the_code_has_a_goal() -> None:
    """The figures themselves are reported by scripts/evidence wire."""
    assert figures(read(PROJECT)).keys() <= goals()["wire"]["figures"].keys()
