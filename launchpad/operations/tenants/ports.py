"""Ports of a host that must be closed to the Internet."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress

from launchpad.ssh.fanout import fanout, successes

CLOSED = {
    53: "a DNS resolver",
    111: "rpcbind",
    2019: "Caddy's admin interface",
    2375: "Docker's API",
    2376: "Docker's API over TLS",
    2377: "Docker Swarm",
    3306: "MySQL",
    5355: "LLMNR",
    5432: "PostgreSQL",
    6379: "Redis",
    9090: "Prometheus or Cockpit",
    9100: "the node exporter",
}
"""Port → its usual service."""
SECONDS = 3.0
"""A port that does not answer within this time is closed by a firewall."""


def wrongly_open(address: str, ports: Iterable[int]) -> list[int]:
    """The ports that accept a connection, in order; all are tried in parallel."""

    def accepts(port: str) -> bool:
        with suppress(OSError), socket.create_connection((address, int(port)), timeout=SECONDS):
            return True
        return False

    found = successes(fanout(map(str, sorted(ports)), accepts))
    return [int(port) for port, accepted in found.items() if accepted]
