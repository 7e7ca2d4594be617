"""What the inventory expects of a host is judged like any other text from outside, and kept as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.expected import Expectations, expectations
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.expect import expect
from tests.runner.verbs.view import CALLER, MemoryView, answer

GOOD: dict[str, Any] = {"backups": {"alice": 3600}, "peer": "web-2", "names": {"bob": ["bob.example.com"]}}


def test_it_is_kept_and_replaced_as_a_whole() -> None:
    host = MemoryView()
    assert expectations(host) == Expectations()
    said = answer(expect(host, GOOD, CALLER))
    assert expectations(host) == Expectations(
        backups={"alice": 3600}, peer="web-2", names={"bob": ("bob.example.com",)}
    )
    assert said == {"digest": expectations(host).digest}
    list(expect(host, {}, CALLER))
    assert expectations(host) == Expectations()


@pytest.mark.parametrize(
    "changes",
    [
        {"more": 1},
        {"backups": {"../alice": 1}},
        {"backups": {"alice": "1"}},
        {"peer": "web 2"},
        {"names": {"bob": ["bob example"]}},
        {"names": {"bob": ["-o.example.com"]}},
        {"names": {f"t-{number}": [] for number in range(1001)}},
    ],
)
def test_what_is_not_that_is_refused_and_changes_nothing(changes: dict[str, Any]) -> None:
    host = MemoryView()
    with pytest.raises(Refused):
        list(expect(host, GOOD | changes, CALLER))
    assert host.read(paths.EXPECTED) is None
