"""shown: who read a secret's value stands in the history, its value nowhere."""

from __future__ import annotations

import pytest

from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.history import history
from launchpad.runner.verbs.shown import shown
from tests.runner.verbs.view import CALLER, MemoryView, answer


def test_who_read_a_secret_stands_in_the_history_of_its_tenant() -> None:
    host = MemoryView()
    assert answer(shown(host, {"tenant": "alice", "secret": "GATEWAY_TOKEN"}, CALLER)) == {}
    (noted,) = answer(history(host, {"tenant": "alice"}, CALLER))["watch"]
    assert (noted["who"], noted["subject"], noted["message"]) == ("alice", "secret", "GATEWAY_TOKEN was shown")
    assert answer(history(host, {"tenant": "bob"}, CALLER))["watch"] == []


@pytest.mark.parametrize("body", [{}, {"tenant": "../x", "secret": "A"}, {"tenant": "alice", "secret": "the value\n"}])
def test_what_is_no_name_is_refused(body: dict[str, str]) -> None:
    host = MemoryView()
    with pytest.raises(Refused):
        answer(shown(host, body, CALLER))
    assert answer(history(host, {}, CALLER))["watch"] == []
