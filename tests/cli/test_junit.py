"""JUnit XML of a smoke test is valid, whatever hosts and apps say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xmlschema import XMLSchema
from xmlschema.validators import XMLSchemaValidationError

from launchpad.cli.junit import junit
from launchpad.operations.tenants.visitor import Case

SCHEMA = XMLSchema(Path(__file__).with_name("junit.xsd"))
CASE = Case(
    subject="tenant alice", kind="HTTP", name="alice.example.com", verdict="passed", message="the app answers 200"
)


def test_a_failure_says_what_and_what_to_type() -> None:
    failed = replace(CASE, verdict="failed", message="the app answers 500", hint="launchpad logs alice", seconds=0.25)
    skipped = replace(CASE, kind="latency", verdict="skipped", message="not tried")
    text = junit([replace(CASE, kind="DNS"), failed, skipped], seconds=1).decode()
    SCHEMA.validate(text)
    root = ElementTree.fromstring(text)
    suite = root[0].attrib
    assert [suite[name] for name in ("tests", "failures", "errors", "skipped")] == ["3", "1", "0", "1"]
    case = root[0][1]
    assert case.attrib == {
        "classname": "tenant alice",
        "name": "HTTP alice.example.com",
        "file": "inventory/tenants/alice.yaml",
        "time": "0.250",
    }
    assert case[0].text == "the app answers 500\nlaunchpad logs alice"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(st.characters(codec=None)), max_size=4, unique=True))
def test_it_is_valid_whatever_was_said(texts: list[str]) -> None:
    verdicts = ("passed", "failed", "skipped")
    cases = [
        replace(CASE, kind=f"case {number}", verdict=verdicts[number % 3], message=text or "something")
        for number, text in enumerate(texts)
    ]
    SCHEMA.validate(junit(cases, seconds=0).decode())


def test_the_schema_refuses_what_readers_would_not_show() -> None:
    right = junit([CASE], seconds=0).decode()
    same = right.replace("</testsuite>", right[right.index("<testcase") : right.index("</testsuite>")] + "</testsuite>")
    for wrong in (right.replace('classname="tenant alice"', ""), right.replace("system-out", "output"), same):
        assert wrong != right
        with pytest.raises(XMLSchemaValidationError):
            SCHEMA.validate(wrong)
