"""hello: who answers."""

from __future__ import annotations

import pytest

import launchpad
from launchpad.runner import own_digest
from launchpad.runner.protocol import PROTOCOL, Refused
from launchpad.runner.verbs import hello
from tests.runner.verbs.view import CALLER, MemoryView, answer


def test_a_host_says_who_it_is_and_what_it_speaks() -> None:
    host = MemoryView(clock=1_790_000_000.5)
    assert answer(hello.hello(host, {}, CALLER)) == {
        "protocols": [1, PROTOCOL],
        "runner": launchpad.__version__,
        "digest": "",
        "previous": "",
        "name": "web-1",
        "clock": 1_790_000_000.5,
        "boot_id": "boot-1",
    }


def test_the_digest_is_of_the_code_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchpad, "__file__", "/usr/local/lib/launchpad/runner-0123456789abcdef/launchpad/__init__.py")
    assert own_digest.digest() == "0123456789abcdef"


def test_a_body_is_refused() -> None:
    with pytest.raises(Refused):
        list(hello.hello(MemoryView(), {"shell": "sh"}, CALLER))
