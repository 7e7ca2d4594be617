"""Which version may follow which, and by which way one comes to another."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.fleet.model.app import App
from launchpad.fleet.model.version_order import may_follow, next_on_the_way, passed
from tests.fleet.model.test_app import app


def listed(**follows: list[str]) -> App:
    """An app with the versions 1, 2, 3 and 4, and what they may follow."""
    versions: list[Any] = [
        {"version": name, "follows": tuple(follows.get(f"v{name}", ()))} for name in ("1", "2", "3", "4")
    ]
    return app(versions=tuple(versions))


@pytest.mark.parametrize(
    ("version", "before", "may"),
    [("3", "1", True), ("1", "3", False), ("2", "2", True), ("4", "1", False), ("4", "3", True), ("4", "0.9", False)],
)
def test_any_older_one_may_be_followed_unless_it_says_which(version: str, before: str, may: bool) -> None:
    assert may_follow(listed(v4=["3"]), version, before) is may


def test_an_older_version_that_reads_the_newer_one_s_state_says_so() -> None:
    assert may_follow(listed(v2=["1", "3"]), "2", "3")
    assert not may_follow(listed(), "2", "3")


@pytest.mark.parametrize(
    ("follows", "first"),
    [
        ({"v4": ["3"]}, "3"),
        ({"v4": ["3"], "v3": ["2"]}, "2"),
        ({"v4": ["2", "3"], "v3": ["2"]}, "2"),
        ({}, "4"),
        ({"v4": ["0"]}, ""),
    ],
)
def test_the_way_with_the_fewest_steps(follows: dict[str, list[str]], first: str) -> None:
    assert next_on_the_way(listed(**follows), "1", "4") == first


def test_what_is_passed_on_the_way_up() -> None:
    assert [item.version for item in passed(listed(), "1", "3")] == ["2", "3"]
    assert passed(listed(), "3", "1") == ()
