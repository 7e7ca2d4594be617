"""Values stay values: in every language, whatever stands in them."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from ruamel.yaml import YAML

from launchpad.render.quoting import HostValue, Unquotable, caddy, compose, json_value, plain, quotation_for, shell
from tests.render.tools import adapt

HOSTILE = [
    "$(reboot)",
    "`reboot`",
    "${HOME}",
    "$HOME",
    "'; reboot; '",
    '"; reboot; "',
    "\\",
    '\\\\"',
    "a: b",
    "- a",
    "# comment",
    "{a: b}",
    "[a]",
    "!!python/object:os.system",
    "&anchor",
    "*alias",
    "<<: *a",
    "no",
    "null",
    "1e3",
    "0123",
    "2026-01-01",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "{env.HOME}",
    "{$HOME}",
    "{file./etc/shadow}",
    "}\nimport /etc/shadow",
    "*",
    "~",
    "--privileged",
    " leading and trailing ",
    "é ü 漢 😀",
    "%00",
    "",
]

HARMLESS = "abcdefghijklmnopqrstuvwxyz0123456789-"

UNPRINTABLE = ["a\nb", "a\rb", "a\x00b", "a\x1bb", "a\x7fb", "a\x85b", "a\u2028b", "a\u2029b", "\ufeff", "\ud800"]

readable = some.text(some.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufeff"))


@pytest.mark.parametrize("value", [text for text in HOSTILE if "\n" not in text])
def test_yaml_reads_the_same_text(value: str) -> None:
    assert YAML(typ="safe", pure=True).load(f"key: {json_value(value)}\n") == {"key": value}
    assert json.loads(compose(value)) == value.replace("$", "$$")


@given(readable)
def test_yaml_reads_any_text(value: str) -> None:
    assert YAML(typ="safe", pure=True).load(f"key: {json_value(value)}\n") == {"key": value}


@given(readable)
def test_a_shell_reads_any_text_as_one_word(value: str) -> None:
    words = shell(value)
    done = subprocess.run(["sh", "-c", f"printf %s {words}"], capture_output=True)
    assert done.stdout.decode() == value


@pytest.mark.programs
@pytest.mark.parametrize("value", HOSTILE)
def test_caddy_reads_the_same_text_or_it_is_refused(value: str) -> None:
    try:
        token = caddy(value)
    except Unquotable:
        return
    adapted = adapt(f"a.example.com {{\n\trespond * {token}\n}}\n")
    route = adapted["apps"]["http"]["servers"]["srv0"]["routes"][0]
    handler = route["handle"][0]["routes"][0]["handle"][0]
    assert handler.get("body", "") == value and handler["handler"] == "static_response"


@pytest.mark.parametrize("value", ["{env.HOME}", "{$HOME}", "a\\", 'a" b', "`a`", "}"])
def test_what_means_something_to_caddy_is_refused(value: str) -> None:
    with pytest.raises(Unquotable):
        caddy(value)


@pytest.mark.parametrize("quotation", [compose, json_value, caddy, shell, plain])
@pytest.mark.parametrize("value", [*UNPRINTABLE, float("nan"), float("inf"), object(), {1, 2}, b"bytes"])
def test_nothing_unprintable_and_nothing_strange_gets_through(quotation: Any, value: object) -> None:
    with pytest.raises(Unquotable):
        quotation(value)
    with pytest.raises(Unquotable):
        quotation([value])


@pytest.mark.parametrize("value", ["10001", "a.example.com:80", "/home/node", "a=b,c", "--privileged"])
def test_an_unknown_language_takes_only_harmless_text(value: str) -> None:
    assert plain(value) == value


@pytest.mark.parametrize("value", [text for text in HOSTILE if not set(text) <= set(HARMLESS) or not text])
def test_an_unknown_language_refuses_the_rest(value: str) -> None:
    with pytest.raises(Unquotable):
        plain(value)


def test_only_a_host_value_keeps_its_dollar() -> None:
    assert compose({"$a": ["$b", HostValue("${LAUNCHPAD_SIDE}")]}) == '{"$$a": ["$$b", "${LAUNCHPAD_SIDE}"]}'


def test_lists_become_several_words() -> None:
    assert caddy(("a.example.com", "b.example.com")) == '"a.example.com" "b.example.com"'
    assert shell(["a b", 1]) == "'a b' 1"
    assert json_value((1, True, None, 0.5)) == "[1, true, null, 0.5]"
    assert caddy(True) == '"true"'


@pytest.mark.parametrize(
    ("path", "quotation"),
    [
        ("compose.yaml", compose),
        ("conf/compose.yaml", json_value),
        ("app.yml", json_value),
        ("a.json", json_value),
        ("a.json5", json_value),
        ("site.caddy", caddy),
        ("Caddyfile", caddy),
        ("run.sh", shell),
        ("passwd", plain),
        ("nginx.conf", plain),
    ],
)
def test_the_name_of_a_file_says_its_language(path: str, quotation: Any) -> None:
    assert quotation_for(path) is quotation
