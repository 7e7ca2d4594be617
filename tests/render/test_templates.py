"""The sandbox: what templates may do, and how they are told what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.errors import InventoryError
from launchpad.render.templates import TemplateSource


@pytest.fixture
def source(tmp_path: Path) -> TemplateSource:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "shipped").mkdir()
    return TemplateSource(workspace=tmp_path / "workspace", shipped=tmp_path / "shipped")


def render(source: TemplateSource, text: str, path: str = "a.yaml", **values: object) -> str:
    (source.shipped / "a.j2").write_text(text)
    return source.render("a.j2", path, values)


@pytest.mark.parametrize(
    "text",
    [
        "{{ x.__class__ }}",
        "{{ x.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ x | attr('__class__') }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ x | safe }}",
        "{{ x | tojson }}",
        "{{ x | escape }}",
        "{{ x | e }}",
        "{{ x | format(1) }}",
        "{{ x | xmlattr }}",
        "{% filter upper %}{{ x }}{% endfilter %}",
        "{{ range(10 ** 9) | list }}",
        "{{ 'a' * }}",
        "{{ x.append(1) }}",
        "{{ missing }}",
        "{{ missing.deeper }}",
        "{% if missing %}{% endif %}",
        "{{ [missing] }}",
    ],
)
def test_refuses(source: TemplateSource, text: str) -> None:
    with pytest.raises(InventoryError) as refused:
        render(source, "\n" + text, x=["value"])
    assert "a.j2" in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("name", ["/etc/passwd", "../../../../../../../etc/passwd"])
def test_includes_nothing_from_elsewhere(source: TemplateSource, name: str) -> None:
    with pytest.raises(InventoryError, match=f"template {name} is missing"):
        render(source, f"{{% include '{name}' %}}")


def test_says_file_and_line(source: TemplateSource) -> None:
    with pytest.raises(InventoryError, match=r"/shipped/a\.j2:3: 'missing' is undefined"):
        render(source, "a\n\n{{ missing }}\n")
    with pytest.raises(InventoryError, match=r"/shipped/a\.j2:2: "):
        render(source, "a\n{% if %}\n")
    with pytest.raises(InventoryError, match=r"/shipped/a\.j2:2: .*line break"):
        render(source, "a\n{{ x }}\n", x="a\nb")


def test_no_way_leads_around_the_quotation(source: TemplateSource) -> None:
    hostile = 'x"\nprivileged: true #'.replace("\n", " ")
    quoted = '"x\\" privileged: true #"'
    assert render(source, "{{ x }}", x=hostile) == quoted
    assert render(source, "{% set y = x %}{{ y }}", x=hostile) == quoted
    assert '\\"x\\\\\\" privileged' in render(source, "{% macro m(y) %}{{ y }}{% endmacro %}{{ m(x) }}", x=hostile)
    assert render(source, "{% set y %}{{ x }}{% endset %}{{ y }}", x="a") == '"\\"a\\""'
    assert render(source, "{{ x | join(',') }}", x=[hostile]) == quoted
    assert render(source, "{{ x ~ 'b' }}", x="a: ") == '"a: b"'


def test_text_of_the_template_itself_is_not_quoted(source: TemplateSource) -> None:
    assert render(source, "a: {{ 'b' }} # {{ 1 }}\n") == 'a: "b" # 1\n'


def test_a_template_without_j2_is_copied_as_it_is(source: TemplateSource) -> None:
    (source.shipped / "a.py").write_text("print(f'{{ x }}')\n")
    assert source.render("a.py", "a.py", {}) == "print(f'{{ x }}')\n"
    (source.shipped / "b.py").write_bytes(b"\xff")
    with pytest.raises(InventoryError, match="is not UTF-8"):
        source.render("b.py", "b.py", {})


def test_the_workspace_goes_first(source: TemplateSource) -> None:
    assert source.workspace is not None
    (source.shipped / "a.j2").write_text("shipped")
    assert source.find("a") == "a.j2"
    assert source.render("a.j2", "a.sh", {}) == "shipped"
    (source.workspace / "a.j2").write_text("own")
    assert source.render("a.j2", "a.sh", {}) == "own"
    assert source.path("a.j2") == source.workspace / "a.j2"


def test_finds_nothing_where_nothing_is(source: TemplateSource) -> None:
    assert source.find("a", "b") is None
    with pytest.raises(InventoryError, match="template missing is missing"):
        source.render("missing", "missing", {})


@pytest.mark.parametrize("name", ["a.j2", "plain.txt"])
def test_a_conflict_that_git_left_is_not_rendered(source: TemplateSource, name: str) -> None:
    (source.shipped / name).write_text("key: 1\n<<<<<<< HEAD\n{# ours #}\n=======\n>>>>>>> theirs\n")
    with pytest.raises(InventoryError, match=rf"{name}:2: an unresolved Git conflict \(its marks: lines 2, 4, 5\)"):
        source.render(name, "a.yaml", {})
