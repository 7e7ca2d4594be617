"""Random rounds: operations, what strikes them and when, several at once, on two hosts with five tenants."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

import pytest

from tests.lab.outside.rounds import Arena, draw, told
from tests.lab.pair import Pair

QUICK = 1
"""So many at every run of the lab's tests."""
ROUNDS = int(os.environ.get("LAUNCHPAD_ROUNDS", "200" if "LAUNCHPAD_EVIDENCE" in os.environ else QUICK))
SEED = os.environ.get("LAUNCHPAD_SEED", "20260901")
KEPT: dict[str, str] = {
    "20261131-20": "the judge did not wait for the watch's next look: dockerd was back, the last look was not",
    "20261131-53": "the same of the network and the name server that answers through it",
    "20261131-66": "the same of dockerd and of Caddy",
    "20261131-86": "the same after a guest without power and a cut network",
    "20261132-36": "the same of dockerd, after three strikes",
    "20261132-93": "the same of Caddy, after containerd, dockerd and a cut network",
}
"""Rounds that failed once, by their seeds, and what they found."""


@pytest.fixture(scope="module")
def arena(pair: Pair, say: Callable[[str], None]) -> Arena:
    found = Arena(pair, say=say)
    found.fill()
    return found


@pytest.mark.timeout(6 * 3600)
def test_random_rounds(arena: Arena, measured: Callable[..., None], say: Callable[[str], None]) -> None:
    failed = []
    seeds = [*(KEPT if ROUNDS > QUICK else ()), *(f"{SEED}-{number}" for number in range(ROUNDS))]
    for seed in seeds:
        played, begun = draw(seed), time.monotonic()
        wrong = arena.play(played)
        measured("rounds-down", len(wrong.down), n=1, detail=played.seed)
        measured("rounds-data", len(wrong.data), n=1, detail=played.seed)
        measured("rounds-left", len(wrong.left), n=1, detail=played.seed)
        say(json.dumps(told(played) | {"seconds": round(time.monotonic() - begun), "wrong": vars(wrong)}))
        if wrong:
            failed.append(played.seed)
    assert not failed, failed
