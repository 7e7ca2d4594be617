"""The gate before tenants' addresses (nftables), and what passes it: Caddy's connections and the runner's probes."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address
from math import inf
from typing import Any

from launchpad.runner import slots
from launchpad.runner.host import Failed
from launchpad.runner.machine.command import run, succeed
from launchpad.runner.machine.http import Stream, request, status_of

TABLE = "launchpad_gate"
PROBE_MARK = 0x4C50
_SET = "open"
_CHAIN = "output"
_IN_TABLE = {"family": "inet", "table": TABLE}
_DESTINATION = {"payload": {"protocol": "ip", "field": "daddr"}}
_FLAGS = {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, {"|": ["fin", "syn", "rst", "ack"]}]}
_TENANTS = {"prefix": {"addr": str(slots.NETWORK.network_address), "len": slots.NETWORK.prefixlen}}
# Without its bridge a tenant's address would leave by the default route, and a request with it, to whoever is there.
_STAYS = [
    {"match": {"op": "==", "left": _DESTINATION, "right": _TENANTS}},
    {"match": {"op": "!=", "left": {"meta": {"key": "oifname"}}, "right": "lo"}},
    {"match": {"op": "!=", "left": {"meta": {"key": "oifname"}}, "right": "lp-*"}},
    {"reject": {"type": "icmpx", "expr": "host-unreachable"}},
]
# Only the first packet of a connection is refused: what is established goes on when the gate closes.
_WAITS = [
    {"match": {"op": "==", "left": _DESTINATION, "right": _TENANTS}},
    {"match": {"op": "!=", "left": {"meta": {"key": "mark"}}, "right": PROBE_MARK}},
    {"match": {"op": "!=", "left": _DESTINATION, "right": f"@{_SET}"}},
    {"match": {"op": "==", "left": _FLAGS, "right": "syn"}},
    {"reject": {"type": "tcp reset"}},
]
_SOCKETS = ("ss", "--tcp", "--numeric", "--info", "--oneline", "--no-header")
_SILENT = re.compile(r"\blastrcv:(\d+)")
"""For how many milliseconds nothing came; `ss` leaves it out at 0."""


class HostTraffic:
    """The gate and the probes of Traffic."""

    def open_traffic(self, addresses: Sequence[IPv4Address]) -> None:
        _change([*_gate(), *_elements("add", addresses)])

    def close_traffic(self, addresses: Sequence[IPv4Address]) -> None:
        # An element can only be deleted when it is there: add it first, in the same transaction.
        _change([*_gate(), *_elements("add", addresses), *_elements("delete", addresses)])

    def open_addresses(self) -> frozenset[IPv4Address]:
        return self.gate()[1]

    def gate(self) -> tuple[bool, frozenset[IPv4Address]]:
        """Whether the gate stands as the runner builds it, and the addresses that it lets pass."""
        said = run(["nft", "--json", "list", "table", "inet", TABLE])
        if said.code:
            return False, frozenset()
        objects = json.loads(said.out)["nftables"]
        rules = [item["rule"]["expr"] for item in objects if "rule" in item]
        hooks = [item["chain"].get("hook") for item in objects if "chain" in item]
        passing = [name for item in objects if "set" in item for name in item["set"].get("elem", ())]
        return rules == [_STAYS, _WAITS] and hooks == ["output"], frozenset(map(IPv4Address, passing))

    def connections(self, addresses: Sequence[IPv4Address], *, quiet: float = inf) -> int:
        if not addresses:
            return 0
        these = " or ".join(f"dst {address}" for address in addresses).split()
        said = succeed([*_SOCKETS, "state", "established", "(", *these, ")"])
        return sum(is_under_way(line, quiet) for line in said.decode().splitlines())

    def get(self, address: IPv4Address, port: int, path: str, *, seconds: float) -> int:
        # The probe comes from the address of the app's trusted proxy: say for whom it asks (nobody, RFC 5737), because
        # OpenClaw refuses a proxy that does not.
        headers = {"Host": f"{address}:{port}", "User-Agent": "launchpad-runner", "X-Forwarded-For": "192.0.2.1"}
        message = request("GET", path, headers=headers)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            stream = Stream(connection)
            stream.end_within(seconds)
            try:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, PROBE_MARK)
                connection.settimeout(seconds)
                connection.connect((str(address), port))
                connection.sendall(message)
                return status_of(stream)
            except OSError:
                return 0


def _gate() -> list[dict[str, Any]]:
    """The gate, built anew around the elements that it has."""
    chain = {"name": _CHAIN, "type": "filter", "hook": "output", "prio": 0, "policy": "accept"}
    return [
        {"add": {"table": {"family": "inet", "name": TABLE}}},
        {"add": {"set": {**_IN_TABLE, "name": _SET, "type": "ipv4_addr"}}},
        {"add": {"chain": {**_IN_TABLE, **chain}}},
        {"flush": {"chain": {**_IN_TABLE, "name": _CHAIN}}},
        {"add": {"rule": {**_IN_TABLE, "chain": _CHAIN, "expr": _STAYS}}},
        {"add": {"rule": {**_IN_TABLE, "chain": _CHAIN, "expr": _WAITS}}},
    ]


def _elements(verb: str, addresses: Iterable[IPv4Address]) -> list[dict[str, Any]]:
    names = sorted({str(address) for address in addresses})
    return [{verb: {"element": {**_IN_TABLE, "name": _SET, "elem": names}}}] if names else []


def _change(commands: list[dict[str, Any]]) -> None:
    """One transaction: all of it or nothing, and no packet sees anything between."""
    try:
        succeed(["nft", "--json", "--file", "-"], stdin=json.dumps({"nftables": commands}).encode())
    except Failed as error:
        raise Failed(f"cannot change the traffic gate: {error.message}", lines=error.lines) from error


def is_under_way(line: str, quiet: float) -> bool:
    """Whether something is awaited or comes in on this connection, as `ss` shows it: nothing has come yet, or did
    within the quiet seconds, or lies in a queue because one of its ends is slow."""
    waits_to_be_read, waits_to_be_sent = line.split()[:2]
    if waits_to_be_read != "0" or waits_to_be_sent != "0" or "bytes_received:" not in line:
        return True
    silent = _SILENT.search(line)
    return silent is None or int(silent[1]) < quiet * 1000
