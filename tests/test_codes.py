"""Each deliberate error has a code; a code stands for one cause and for one thing to do next."""

from __future__ import annotations

import ast
from collections import defaultdict
from textwrap import dedent

import pytest
from codes import PASSED_ON, Site, commands, sites
from counting import read
from measurement import PROJECT
from referencing import reference

SITES = sites(read(PROJECT).trees)
OF_WHAT_WAS_WRITTEN = {"malformed-value", "inventory-mistakes", "usage"}
"""Correct what was written: the message says where and how."""
BECOMES = {
    "Refused": "StepFailed",
    "Refused step": "StepFailed",
    "Failed": "StepFailed",
    "Refused state": "StateError",
    "Refused protocol": "StateError",
    "Refused locked": "LockedError",
}
"""What the operator's side raises for an error of a host."""


def test_every_error_has_a_code() -> None:
    assert [f"{site.module}:{site.line}" for site in SITES if not site.code] == []


def test_a_code_is_short_and_plain() -> None:
    wrong = {
        site.code for site in SITES if not site.code.replace("-", "").isalnum() and site.code not in ("", PASSED_ON)
    }
    assert wrong == set()
    assert max(len(site.code) for site in SITES) <= 50


def test_a_code_stands_for_one_thing_to_do() -> None:
    told: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for site in SITES:
        if site.code not in (PASSED_ON, *OF_WHAT_WAS_WRITTEN):
            told[site.code].add((BECOMES.get(site.kind, site.kind), commands(site.hint)))
    assert {code: kinds for code, kinds in told.items() if len(kinds) > 1} == {}


def test_the_reference_lists_every_code() -> None:
    section = reference().partition("## Codes of errors\n")[2].partition("\n## ")[0]
    listed = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert listed == sorted({site.code for site in SITES} - {"", PASSED_ON})


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ('raise Refused("no", code="x", kind="state")', Site("x", "Refused state", "no", "", "m", 2)),
        ('raise Refused("no")', Site("malformed-request", "Refused", "no", "", "m", 2)),
        ('raise Refused("no", kind="state")', Site("", "Refused state", "no", "", "m", 2)),
        ('raise Gone(f"{x}: is gone")', Site("gone", "Gone", "…: is gone", "", "m", 2)),
        ("raise Gone(text, code=error.code)", Site("…", "Gone", "…", "", "m", 2)),
        (
            'h = "or " + Next("prune", HERE); Gone("x", hint=h)',
            Site("gone", "Gone", "x", "or launchpad prune HOST", "m", 2),
        ),
    ],
)
def test_an_error_is_found_as_it_is_made(text: str, site: Site) -> None:
    head = 'class Gone(Failed): code = "gone"\n'
    assert sites({"m": ast.parse(head + dedent(text))}) == [site]
