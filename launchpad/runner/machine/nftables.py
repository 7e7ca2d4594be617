"""The kernel's packet filter through libnftables, in this process.

A table with `flags owner` belongs to the socket that created it: `flush ruleset` by other programs skips the table, and
their `delete table` is refused. With `persist` the table outlives its owner. (Tested with nft 1.1.3 on Linux 6.18.)
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from launchpad.runner import paths
from launchpad.runner.host import Failed
from launchpad.runner.machine import traffic
from launchpad.runner.machine.command import run, succeed
from launchpad.runner.machine.files import DiskFiles
from launchpad.runner.view import Gate, RulesetChange, RulesetEvents

Objects = list[dict[str, Any]]

FIREWALL = "inet launchpad"
GATE = f"inet {traffic.TABLE}"
SOCKET = f"{paths.RUN}/firewall.sock"
"""A program that wants to change the table writes a byte to this socket; then the watch releases the table for a
moment."""
OWN_NAME = "launchpad-watch"
"""The thread's name in the kernel's notices of changes; at most 15 characters."""
FLAGS = "flags owner, persist;"
_OPENING = f"table {FIREWALL} {{"
_LIBRARY = "libnftables.so.1"
_JSON, _TEXT = 1 << 4, 0  # NFT_CTX_OUTPUT_JSON
_CLONE_NEWNET = 0x40000000
_NETLINK_NETFILTER, _NFNLGRP_NFTABLES = 12, 7
_SUBSYSTEM, _NEWGEN = 10, 15  # NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWGEN
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_EVENTS_BYTES = 4 << 20
_LINKS = Path("/sys/class/net")
_UP = 1
_ONE_AT_A_TIME = threading.Lock()


class KernelFilter:
    """`view.Filter` for this kernel. One for each process and thread, because it owns the table."""

    def __init__(self) -> None:
        self._conversation: Conversation | None = None
        self._events: socket.socket | None = None
        self._asked: socket.socket | None = None

    def meant(self, text: str) -> Objects:
        return _in_an_empty_network(lambda: _loaded(text))

    def held(self, table: str) -> Objects:
        return self._nft().listed(table)

    def load(self, text: str, *, own: bool) -> None:
        self._nft().run(owned(text) if own else text)

    def owned(self) -> bool:
        return any("owner" in item["table"].get("flags", ()) for item in self.held(FIREWALL) if "table" in item)

    def release(self) -> None:
        if self._conversation is not None:
            self._conversation.close()
            self._conversation = None

    def listen(self, seconds: float) -> RulesetEvents:
        events, asked = self._listening()
        ready = select.select([events, asked], [], [], seconds)[0]
        if asked in ready:
            with suppress(OSError):
                while asked.recv(64):
                    pass
        return RulesetEvents(asked in ready, tuple(_changes(events)) if events in ready else ())

    def gate(self) -> Gate:
        return traffic.gate_of(self.held(GATE))

    def rebuild_gate(self, gate: Gate) -> None:
        traffic.rebuild_gate(gate)

    def bridges(self) -> Mapping[str, bool]:
        found = {}
        for path in [*_LINKS.glob("lp-*"), *_LINKS.glob("docker0")]:
            with suppress(OSError):  # the bridge was removed meanwhile
                found[path.name] = bool(int((path / "flags").read_text(), 16) & _UP)
        return found

    def set_bridge(self, name: str, *, up: bool) -> None:
        run(["ip", "link", "set", "dev", name, "up" if up else "down"])

    def renew_docker(self) -> None:
        run(["systemctl", "reset-failed", "docker.service"])  # systemd may have counted too many starts
        succeed(["systemctl", "restart", "--no-block", "docker.service"])

    def _nft(self) -> Conversation:
        if self._conversation is None:
            self._conversation = Conversation()
        return self._conversation

    def _listening(self) -> tuple[socket.socket, socket.socket]:
        if self._events is None or self._asked is None:
            self._events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
            self._events.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), _EVENTS_BYTES)
            self._events.bind((0, 1 << (_NFNLGRP_NFTABLES - 1)))
            self._events.setblocking(False)
            Path("/proc/thread-self/comm").write_text(OWN_NAME)
            self._asked = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            DiskFiles().folder(paths.RUN)  # the tenants read their secrets below this folder
            Path(SOCKET).unlink(missing_ok=True)
            self._asked.bind(SOCKET)
            self._asked.setblocking(False)
        return self._events, self._asked


def owned(text: str) -> str:
    """The text of the table with the flags that make its loader the owner."""
    return text.replace(_OPENING, f"{_OPENING}\n    {FLAGS}", 1)


class Conversation:
    """A context of libnftables with its socket. Only one thread may use the library at a time."""

    def __init__(self) -> None:
        with _ONE_AT_A_TIME:
            self._library = _library()
            self._context = ctypes.c_void_p(self._library.nft_ctx_new(0))
            if not self._context or self._library.nft_ctx_buffer_output(self._context):
                raise Failed("the packet filter does not answer", code="nft-does-not-answer")
            self._library.nft_ctx_buffer_error(self._context)

    def run(self, text: str) -> None:
        """Run commands. Failed with nft's message, with nothing changed."""
        self._run(text, _TEXT)

    def listed(self, table: str) -> Objects:
        """The table's objects in the kernel, without handles; empty when there is no such table."""
        try:
            out = self._run(f"list table {table}", _JSON)
        except Failed as failed:
            if "No such file" in failed.message:
                return []
            raise
        return [_plain(item) for item in json.loads(out)["nftables"] if "metainfo" not in item]

    def close(self) -> None:
        with _ONE_AT_A_TIME:
            self._library.nft_ctx_free(self._context)

    def _run(self, text: str, flags: int) -> str:
        with _ONE_AT_A_TIME:
            self._library.nft_ctx_output_set_flags(self._context, flags)
            code = self._library.nft_run_cmd_from_buffer(self._context, text.encode())
            out = str(self._library.nft_ctx_get_output_buffer(self._context).decode(errors="replace"))
            errors = self._library.nft_ctx_get_error_buffer(self._context).decode(errors="replace")
        if code:
            lines = [line for line in errors.splitlines() if line.strip()]
            raise Failed(f"nft: {'; '.join(lines[:3])}", code="nft-failed", lines=lines[:20])
        return out


@cache
def _library() -> Any:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise Failed(f"nftables is not installed: {error}", code="nftables-not-installed") from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).restype = ctypes.c_char_p
    return library


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """An object without the parts that may differ between equal objects: handles, owner, elements from packets."""
    ((kind, value),) = item.items()
    kept = {key: value for key, value in value.items() if key != "handle"}
    if isinstance(kept.get("flags"), str):  # nft writes a single flag as text
        kept["flags"] = [kept["flags"]]
    if kind == "set" and "dynamic" in kept.get("flags", ()):
        kept.pop("elem", None)
    return {kind: kept}


def _loaded(text: str) -> Objects:
    conversation = Conversation()
    try:
        conversation.run(text)
        return conversation.listed(FIREWALL)
    finally:
        conversation.close()


def _in_an_empty_network(work: Callable[[], Objects]) -> Objects:
    """Run the work in a thread with its own empty network; returns or raises what the work does."""
    found: list[Objects] = []
    wrong: list[BaseException] = []

    def there() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(_CLONE_NEWNET):
                raise Failed(
                    f"cannot make an empty network: {os.strerror(ctypes.get_errno())}", code="network-namespace-failed"
                )
            found.append(work())
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=there)
    thread.start()
    thread.join()
    if wrong:
        raise wrong[0]
    return found[0]


# --- events -----------------------------------------------------------------------------------------------------------


def _changes(events: socket.socket) -> Iterator[RulesetChange]:
    """Every transaction in the queue. After an overflow the programs are unknown."""
    tables: set[str] = set()
    while True:
        try:
            data = events.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            yield RulesetChange("somebody", frozenset({FIREWALL}))
            continue
        yield from changes_in(data, tables)


def changes_in(data: bytes, tables: set[str]) -> Iterator[RulesetChange]:
    """The transactions of other programs that end in these netlink messages; `tables` collects those of an unfinished
    transaction."""
    at = 0
    while at + 20 <= len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        if length < 20:
            return
        attributes = dict(_attributes(data[at + 20 : at + length]))
        if kind >> 8 == _SUBSYSTEM and kind & 0xFF == _NEWGEN:
            process = int.from_bytes(attributes.get(2, b""), "big")
            name = attributes.get(3, b"").rstrip(b"\0").decode(errors="replace")
            if name != OWN_NAME:
                yield RulesetChange(f"{name}, process {process}", frozenset(tables))
            tables.clear()
        elif kind >> 8 == _SUBSYSTEM and 1 in attributes:
            name = attributes[1].rstrip(b"\0").decode(errors="replace")
            tables.add(f"{_FAMILIES.get(data[at + 16], '?')} {name}")
        at += (length + 3) & ~3


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            return
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += (length + 3) & ~3
