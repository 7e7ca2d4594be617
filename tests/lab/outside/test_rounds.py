"""Random rounds: operations, what strikes them and when, several at once, on two hosts with five tenants."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

import pytest

from tests.lab.outside.rounds import Arena, draw, told
from tests.lab.pair import Pair

ROUNDS = int(os.environ.get("LAUNCHPAD_ROUNDS", "200" if "LAUNCHPAD_EVIDENCE" in os.environ else "0"))
SEED = os.environ.get("LAUNCHPAD_SEED", "20260901")
KEPT: dict[str, str] = {}
"""Seeds of rounds that once failed, and what they found."""


@pytest.fixture(scope="module")
def arena(pair: Pair, say: Callable[[str], None]) -> Arena:
    found = Arena(pair, say=say)
    found.fill()
    return found


@pytest.mark.timeout(6 * 3600)
@pytest.mark.skipif(not ROUNDS, reason="hours: scripts/evidence asks it")
def test_random_rounds(arena: Arena, measured: Callable[..., None], say: Callable[[str], None]) -> None:
    failed = []
    for number in range(ROUNDS):
        played, begun = draw(f"{SEED}-{number}"), time.monotonic()
        wrong = arena.play(played)
        measured("rounds-down", len(wrong.down), n=1, detail=played.seed)
        measured("rounds-data", len(wrong.data), n=1, detail=played.seed)
        measured("rounds-left", len(wrong.left), n=1, detail=played.seed)
        say(json.dumps(told(played) | {"seconds": round(time.monotonic() - begun), "wrong": vars(wrong)}))
        if wrong:
            failed.append(played.seed)
    assert not failed, failed
