"""The in-memory host keeps the contract: what the engine's tests find with it holds on the real machine too."""

from __future__ import annotations

import pytest

from tests.contract.suite import CONTRACT, Question
from tests.contract.world import App, World
from tests.memory.host import MemoryHost

GOOD, CRASH = (f"registry.example.com/{name}@sha256:{'0' * 64}" for name in ("good", "crash"))


@pytest.mark.parametrize("question", CONTRACT.values(), ids=CONTRACT.keys())
def test_the_in_memory_host_keeps_the_contract(question: Question) -> None:
    host = MemoryHost(behaviours={GOOD: "good", CRASH: "crash"}, registry={GOOD, CRASH})
    missing = f"registry.example.com/missing@sha256:{'0' * 64}"
    question(host, World(tenant="alice", slot=7, good=App(GOOD), crash=App(CRASH), missing_image=missing))
