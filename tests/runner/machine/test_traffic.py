"""Which connections a drain waits for, by what `ss` of Debian 13 says of them."""

from __future__ import annotations

import pytest

from launchpad.runner.machine.traffic import is_under_way

PEERS = "10.200.0.129:51706 10.200.0.130:8080"
WAITS = f"0 0 {PEERS} cubic wscale:10,10 rto:204 bytes_sent:171 bytes_acked:171 lastsnd:4000 lastrcv:4000 lastack:4000"
COMES = f"0 0 {PEERS} cubic rto:204 bytes_sent:171 bytes_received:900 lastsnd:9000 lastrcv:40 lastack:40"
RESTS = f"0 0 {PEERS} cubic rto:204 bytes_sent:171 bytes_received:129 lastsnd:9000 lastrcv:4000 lastack:9"


@pytest.mark.parametrize(
    ("line", "quiet", "under_way"),
    [
        (WAITS, 1, True),
        (COMES, 1, True),
        (COMES.replace(" lastrcv:40", ""), 1, True),
        (RESTS, 1, False),
        (RESTS, 5, True),
        (RESTS, float("inf"), True),
        (RESTS.replace("0 0", "512 0", 1), 1, True),
        (RESTS.replace("0 0", "0 512", 1), 1, True),
    ],
    ids=["no answer yet", "comes in", "comes in now", "rests", "not for long", "all", "slow visitor", "slow app"],
)
def test_a_drain_waits_for_what_is_under_way(line: str, quiet: float, under_way: bool) -> None:
    assert is_under_way(line, quiet) is under_way
