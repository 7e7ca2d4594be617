"""New connections to Caddy wait while Caddy loads a configuration, instead of being closed.

A Go server that stops closes every connection before its first request, without an error (golang/go issue 75591), and
the old listener drops the connections that it has not accepted. Measured with Caddy 2.11 on a lab host, with 24
successive visitors and 15 reloads: without the wait 91 of 360 connections were lost at no distance, and 335 of 360 at a
round trip of 100 ms; with the wait none was lost, and each of the 360 came a second later.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from launchpad.runner.host import Failed
from launchpad.runner.machine.command import succeed
from launchpad.runner.machine.filter import change_filter

PORTS = (80, 443)
UNDER_WAY_SECONDS = 0.6
"""Time for connections under way: the handshakes of TCP and TLS and the request take two round trips of at most 300 ms.
Together with a reload this is less than the second after which a client sends its SYN again, so that no client is
dropped twice."""
LONGEST_SECONDS = 5
"""After so many seconds the kernel accepts new connections by itself, in case the runner dies meanwhile."""
_TABLE = "launchpad_reload"
_IN_TABLE = {"family": "inet", "table": _TABLE}
_PORTS: dict[str, Any] = {**_IN_TABLE, "name": "ports", "type": "inet_service", "flags": ["timeout"]}
_INPUT = {**_IN_TABLE, "name": "input", "type": "filter", "hook": "input", "prio": -5, "policy": "accept"}
_FLAGS = {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, {"|": ["syn", "ack"]}]}
_KNOCKS = [
    {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": "@ports"}},
    {"match": {"op": "==", "left": _FLAGS, "right": "syn"}},
    {"drop": None},  # a client would not retry after a reject
]
_HERE = "( " + " or ".join(f"sport = :{port}" for port in PORTS) + " )"
_VISITORS = ["ss", "--tcp", "--numeric", "--no-header", "state", "established", "state", "syn-recv", *_HERE.split()]


@contextmanager
def newcomers_wait() -> Iterator[None]:
    """During the block no new connection reaches Caddy, and earlier connections have sent their request. QUIC is not
    held, because Caddy passes it from one configuration to the next. Failed when the kernel rejects the rule."""
    table = {"table": {"family": "inet", "name": _TABLE}}
    change_filter([
        {"add": table}, {"delete": table}, {"add": table},  # remove a table that an earlier runner left
        {"add": {"set": {**_PORTS, "timeout": LONGEST_SECONDS}}},
        {"add": {"chain": _INPUT}},
        {"add": {"rule": {**_IN_TABLE, "chain": "input", "expr": _KNOCKS}}},
        {"add": {"element": {**_IN_TABLE, "name": "ports", "elem": list(PORTS)}}},
    ])  # fmt: skip
    try:
        if succeed(_VISITORS).strip():
            time.sleep(UNDER_WAY_SECONDS)
        yield
    finally:
        with suppress(Failed):  # the rule's timeout ends the wait
            change_filter([{"delete": table}])
