"""Facts of how well something is: what a finding says as one, and what is read back of the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from launchpad.runner.account import Finding
from launchpad.runner.facts import Fact, Grade, Layer, fact_as_json, fact_from_json, fact_of, worst

FULL = Fact(
    layer=Layer.data, grade=Grade.warning, message="90 % of its quota", tenant="alice", subject="quota", at=2.0,
    since=1.0, value=9.0, unit="B", limit=10.0,
)  # fmt: skip


def test_a_fact_crosses_the_wire_whole_and_short() -> None:
    plain = json.loads(json.dumps(fact_as_json(FULL)))
    assert fact_from_json(plain) == FULL
    assert fact_from_json(plain).layer is Layer.data
    assert fact_as_json(Fact(Layer.disk, Grade.ok, "fine")) == {"layer": "disk", "grade": "ok", "message": "fine"}


@pytest.mark.parametrize(
    "changes",
    [
        {"layer": "mood"},
        {"grade": "splendid"},
        {"colour": "red"},
        {"message": None},
        {"message": ["x"]},
        {"at": "noon"},
        {"value": "9"},
        {"value": True},
    ],
)
def test_what_is_no_fact_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        fact_from_json(fact_as_json(FULL) | changes)
    with pytest.raises(TypeError):
        fact_from_json({"layer": "disk", "grade": "ok"})


@pytest.mark.parametrize(
    ("subject", "layer", "grade"),
    [
        ("apps", Layer.process, Grade.critical),
        ("certificate", Layer.edge, Grade.critical),
        ("dns", Layer.resolver, Grade.critical),
        ("resolvers", Layer.resolver, Grade.critical),
        ("reboot", Layer.reboot, Grade.warning),
        ("watch", Layer.watch, Grade.critical),
        ("access", Layer.settings, Grade.critical),
        ("set-kernel", Layer.settings, Grade.warning),
    ],
)
def test_a_finding_is_a_fact_of_its_layer(subject: str, layer: Layer, grade: Grade) -> None:
    found = fact_of(Finding(subject, "is wrong", "launchpad check", since=5.0), tenant="alice", at=9.0)
    assert (found.layer, found.grade, found.subject, found.tenant) == (layer, grade, subject, "alice")
    assert (found.message, found.hint, found.at, found.since) == ("is wrong", "launchpad check", 9.0, 5.0)


def test_the_worst_of_grades() -> None:
    assert worst(()) is Grade.ok
    assert worst((Grade.ok, Grade.warning)) is Grade.warning
    assert worst((Grade.unknown, Grade.warning)) is Grade.unknown
    assert worst((Grade.unknown, Grade.critical, Grade.ok)) is Grade.critical
