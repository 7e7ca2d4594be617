"""What is known of a connection, by what `ss` of Debian 13 says of it."""

from __future__ import annotations

import pytest

from launchpad.runner.host import EstablishedConnection
from launchpad.runner.machine.traffic import connection

END = "10.200.0.129:51706"
PEERS = f"{END} 10.200.0.130:8080"
WAITS = f"0 0 {PEERS} cubic wscale:10,10 rto:204 bytes_sent:171 bytes_acked:171 lastsnd:4000 lastrcv:4000 lastack:4000"
COMES = f"0 0 {PEERS} cubic rto:204 bytes_sent:171 bytes_received:900 lastsnd:9000 lastrcv:40 lastack:40"


@pytest.mark.parametrize(
    ("line", "known"),
    [
        (WAITS, EstablishedConnection(end=END, sent=171, received=0, silent=4.0, queued=False)),
        (COMES, EstablishedConnection(end=END, sent=171, received=900, silent=0.04, queued=False)),
        (
            COMES.replace(" lastrcv:40", ""),
            EstablishedConnection(end=END, sent=171, received=900, silent=0.0, queued=False),
        ),
        (
            COMES.replace("0 0", "512 0", 1),
            EstablishedConnection(end=END, sent=171, received=900, silent=0.04, queued=True),
        ),
        (
            COMES.replace("0 0", "0 512", 1),
            EstablishedConnection(end=END, sent=171, received=900, silent=0.04, queued=True),
        ),
    ],
    ids=["no answer yet", "comes in", "comes in now", "slow visitor", "slow app"],
)
def test_what_the_kernel_tells_of_a_connection(line: str, known: EstablishedConnection) -> None:
    assert connection(line) == known
