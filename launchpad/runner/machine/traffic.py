"""The gate in front of tenants' addresses (nftables), for Caddy's connections and the runner's probes."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any

from launchpad.runner import slots
from launchpad.runner.host import EstablishedConnection, Failed
from launchpad.runner.machine.command import run, succeed
from launchpad.runner.machine.filter import change_filter
from launchpad.runner.machine.http import Stream, request, status_of
from launchpad.runner.view import Gate

TABLE = "launchpad_gate"
PROBE_MARK = 0x4C50
MAIL_MARK = 0x4C51
"""The firewall (firewall.nft) lets packets with this mark out to the mail submission ports."""
_OPEN, _MUTED, _MAIL = "open", "muted", "mail"
_CHAIN, _FORWARD = "output", "forward"
_IN_TABLE = {"family": "inet", "table": TABLE}
_SOURCE, _DESTINATION = ({"payload": {"protocol": "ip", "field": field}} for field in ("saddr", "daddr"))
_FLAGS = {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, {"|": ["fin", "syn", "rst", "ack"]}]}
_TENANTS = {"prefix": {"addr": str(slots.NETWORK.network_address), "len": slots.NETWORK.prefixlen}}
# Without its bridge, packets for a tenant's address would leave by the default route, to an unknown machine.
_STAYS: list[dict[str, Any]] = [
    {"match": {"op": "==", "left": _DESTINATION, "right": _TENANTS}},
    {"match": {"op": "!=", "left": {"meta": {"key": "oifname"}}, "right": "lo"}},
    {"match": {"op": "!=", "left": {"meta": {"key": "oifname"}}, "right": "lp-*"}},
    {"reject": {"type": "icmpx", "expr": "host-unreachable"}},
]
# Only the first packet of a connection is rejected: established connections continue when the gate closes.
_WAITS: list[dict[str, Any]] = [
    {"match": {"op": "==", "left": _DESTINATION, "right": _TENANTS}},
    {"match": {"op": "!=", "left": {"meta": {"key": "mark"}}, "right": PROBE_MARK}},
    {"match": {"op": "!=", "left": _DESTINATION, "right": f"@{_OPEN}"}},
    {"match": {"op": "==", "left": _FLAGS, "right": "syn"}},
    {"reject": {"type": "tcp reset"}},
]
_MAILS: list[dict[str, Any]] = [
    {
        "match": {
            "op": "==",
            "left": {"concat": [_SOURCE, {"payload": {"protocol": "tcp", "field": "dport"}}]},
            "right": f"@{_MAIL}",
        }
    },
    {"mangle": {"key": {"meta": {"key": "mark"}}, "value": MAIL_MARK}},
]
# Every packet of a muted address, also of established connections. Packets between tenants' addresses pass here: the
# firewall separates the bridges.
_OUTWARD: list[dict[str, Any]] = [
    {"match": {"op": "==", "left": _SOURCE, "right": f"@{_MUTED}"}},
    {"match": {"op": "!=", "left": _DESTINATION, "right": _TENANTS}},
]
_MUTES: list[list[dict[str, Any]]] = [
    [
        *_OUTWARD,
        {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "tcp"}},
        {"reject": {"type": "tcp reset"}},
    ],
    [*_OUTWARD, {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}],
    [
        {"match": {"op": "==", "left": _DESTINATION, "right": f"@{_MUTED}"}},
        {"match": {"op": "!=", "left": _SOURCE, "right": _TENANTS}},
        {"drop": None},
    ],
]
_TYPES = {_OPEN: "ipv4_addr", _MUTED: "ipv4_addr", _MAIL: ["ipv4_addr", "inet_service"]}
# Sets the mark before the firewall's own chain (priority 0) at the same hook reads it.
_CHAINS = {_CHAIN: (0, [_STAYS, _WAITS]), _FORWARD: (-10, [_MAILS, *_MUTES])}
_SOCKETS = ("ss", "--tcp", "--numeric", "--info", "--oneline", "--no-header")
_FIGURE = re.compile(r"\b(bytes_sent|bytes_received|lastrcv):(\d+)")
"""`ss` omits zeros; `lastrcv` is in milliseconds."""


class HostTraffic:
    """The gate and the probes of Traffic."""

    def open_traffic(self, addresses: Sequence[IPv4Address]) -> None:
        _change([*_gate(), *_elements("add", _OPEN, addresses)])

    def close_traffic(self, addresses: Sequence[IPv4Address]) -> None:
        _change([*_gate(), *_without(_OPEN, addresses)])

    def open_addresses(self) -> frozenset[IPv4Address]:
        return self.gate()[1]

    def mute(self, addresses: Sequence[IPv4Address]) -> None:
        _change([*_gate(), *_elements("add", _MUTED, addresses)])

    def unmute(self, addresses: Sequence[IPv4Address]) -> None:
        _change([*_gate(), *_without(_MUTED, addresses)])

    def muted_addresses(self) -> frozenset[IPv4Address]:
        return _addresses_of_set(_listed(), _MUTED)

    def let_out(self, addresses: Sequence[IPv4Address], ports: Sequence[int]) -> None:
        here, wanted = _listed(), frozenset(addresses)
        gone = {item for item in mail_of(here) if item[0] in wanted and item[1] not in ports}
        new = {(address, port) for address in wanted for port in ports}
        _change([*_gate(), *_elements("delete", _MAIL, gone), *_elements("add", _MAIL, new)])

    def gate(self) -> tuple[bool, frozenset[IPv4Address]]:
        """Whether the gate is complete, and the addresses that it lets pass."""
        objects = _listed()
        return is_whole(objects), _addresses_of_set(objects, _OPEN)

    def connections(self, addresses: Sequence[IPv4Address]) -> list[EstablishedConnection]:
        if not addresses:
            return []
        these = " or ".join(f"dst {address}" for address in addresses).split()
        said = succeed([*_SOCKETS, "state", "established", "(", *these, ")"])
        return [connection(line) for line in said.decode().splitlines()]

    def get(self, address: IPv4Address, port: int, path: str, *, seconds: float) -> int:
        # The probe comes from the address of the app's trusted proxy. It names a client (a documentation address, RFC
        # 5737), because OpenClaw rejects a proxy that does not.
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


def is_whole(objects: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the gate's table equals the one that the runner builds, apart from the elements of its sets."""
    found: dict[str, list[Any]] = {"table": [], "chain": [], "set": [], "rule": []}
    for item in objects:
        ((kind, value),) = item.items()
        if kind in found:
            found[kind].append(value)
        elif kind != "metainfo":
            return False
    chains = [tuple(item.get(key) for key in ("name", "type", "hook", "prio", "policy")) for item in found["chain"]]
    return (
        [item.get("flags") for item in found["table"]] == [None]
        and chains == [(name, "filter", name, prio, "accept") for name, (prio, _) in _CHAINS.items()]
        and {item["name"]: item["type"] for item in found["set"]} == _TYPES
        and [(item["chain"], item["expr"]) for item in found["rule"]]
        == [(name, rule) for name, (_, rules) in _CHAINS.items() for rule in rules]
    )


def mail_of(objects: Iterable[Mapping[str, Any]]) -> frozenset[tuple[IPv4Address, int]]:
    """Which addresses may reach which mail submission ports."""
    pairs = (item["concat"] for item in _raw(objects, _MAIL))
    return frozenset((IPv4Address(address), int(port)) for address, port in pairs)


def rebuild_gate(gate: Gate) -> None:
    """Rebuild the gate with exactly these elements, in one transaction."""
    table = {"table": {"family": "inet", "name": TABLE}}
    sets: list[tuple[str, Iterable[Any]]] = [(_OPEN, gate.open), (_MUTED, gate.muted), (_MAIL, gate.mail)]
    elements = [command for name, members in sets for command in _elements("add", name, members)]
    _change([{"add": table}, {"delete": table}, *_gate(), *elements])


def gate_of(objects: Sequence[Mapping[str, Any]]) -> Gate:
    """The gate that these objects of its table form."""
    return Gate(
        is_whole(objects), _addresses_of_set(objects, _OPEN), _addresses_of_set(objects, _MUTED), mail_of(objects)
    )


def _gate() -> list[dict[str, Any]]:
    """The commands that rebuild the gate around its present elements."""
    table: list[dict[str, Any]] = [{"add": {"table": {"family": "inet", "name": TABLE}}}]
    sets = [{"add": {"set": {**_IN_TABLE, "name": name, "type": kind}}} for name, kind in _TYPES.items()]
    chains = [command for hook, (prio, rules) in _CHAINS.items() for command in _chain(hook, prio, rules)]
    return [*table, *sets, *chains]


def _chain(hook: str, prio: int, rules: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The chain at the hook of its name, with exactly these rules. The old chain is replaced by a new one in the
    transaction, because nft cannot change the declaration of an older runner's chain."""
    chain = {**_IN_TABLE, "name": hook}
    return [
        {"add": {"chain": chain}},  # only an existing chain can be deleted
        {"flush": {"chain": chain}},
        {"delete": {"chain": chain}},
        {"add": {"chain": chain | {"type": "filter", "hook": hook, "prio": prio, "policy": "accept"}}},
        *({"add": {"rule": {**_IN_TABLE, "chain": hook, "expr": rule}}} for rule in rules),
    ]


def _elements(verb: str, name: str, members: Iterable[IPv4Address | tuple[IPv4Address, int]]) -> list[dict[str, Any]]:
    """The command for these members; none without members."""
    elements = [
        {"concat": [str(item[0]), item[1]]} if isinstance(item, tuple) else str(item) for item in sorted(set(members))
    ]
    return [{verb: {"element": {**_IN_TABLE, "name": name, "elem": elements}}}] if elements else []


def _without(name: str, addresses: Sequence[IPv4Address]) -> list[dict[str, Any]]:
    """Remove elements. Only an existing element can be deleted, so each is added first in the same transaction."""
    return [*_elements("add", name, addresses), *_elements("delete", name, addresses)]


def _listed() -> list[dict[str, Any]]:
    """The gate's objects in the kernel; empty without a gate."""
    said = run(["nft", "--json", "list", "table", "inet", TABLE])
    return [] if said.code else list(json.loads(said.out)["nftables"])


def _addresses_of_set(objects: Iterable[Mapping[str, Any]], name: str) -> frozenset[IPv4Address]:
    return frozenset(IPv4Address(element) for element in _raw(objects, name))


def _raw(objects: Iterable[Mapping[str, Any]], name: str) -> list[Any]:
    sets = (item["set"] for item in objects if "set" in item)
    return [element for item in sets if item["name"] == name for element in item.get("elem", ())]


def _change(commands: list[dict[str, Any]]) -> None:
    try:
        change_filter(commands)
    except Failed as error:
        raise Failed(
            f"cannot change the traffic gate: {error.message}", code="traffic-gate-failed", lines=error.lines
        ) from error


def connection(line: str) -> EstablishedConnection:
    """A connection from a line of `ss`."""
    to_be_read, to_be_sent, end = line.split()[:3]
    figures = {name: int(value) for name, value in _FIGURE.findall(line)}
    return EstablishedConnection(
        end=end,
        sent=figures.get("bytes_sent", 0),
        received=figures.get("bytes_received", 0),
        silent=figures.get("lastrcv", 0) / 1000,
        queued=to_be_read != "0" or to_be_sent != "0",
    )
