"""What the kernel tells of a change in its packet filter, and what makes a table one's own."""

from __future__ import annotations

import struct
from pathlib import Path

import launchpad
from launchpad.runner.machine.nftables import OWN_NAME, changes_in, owned
from launchpad.runner.machine.traffic import MAIL_MARK, gate_of
from launchpad.runner.view import Gate, RulesetChange

FILE = Path(launchpad.__file__).parent / "runner/provision/files/etc/launchpad/firewall.nft"
NEWTABLE, DELTABLE, NEWRULE, NEWGEN = 0xA00, 0xA02, 0xA06, 0xA0F
INET, IP = 1, 2


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def message(kind: int, family: int, *attributes: bytes) -> bytes:
    body = struct.pack("=BBH", family, 0, 0) + b"".join(attributes)
    return struct.pack("=IHHII", len(body) + 16, kind, 0, 0, 0) + body


def end(process: int, name: str) -> bytes:
    parts = attribute(1, (7).to_bytes(4, "big")), attribute(2, process.to_bytes(4, "big"))
    return message(NEWGEN, 0, *parts, attribute(3, name.encode() + b"\0"))


def test_a_change_names_its_process_and_its_tables() -> None:
    gate = message(DELTABLE, INET, attribute(1, b"launchpad_gate\0"))
    rule = message(NEWRULE, IP, attribute(1, b"nat\0"), attribute(2, b"POSTROUTING\0"))
    tables: set[str] = set()
    assert list(changes_in(gate, tables)) == []
    found = list(changes_in(rule + end(4321, "nft") + rule + end(77, "iptables"), tables))
    assert found == [
        RulesetChange("nft, process 4321", frozenset({"inet launchpad_gate", "ip nat"})),
        RulesetChange("iptables, process 77", frozenset({"ip nat"})),
    ]
    assert list(changes_in(rule + end(12, OWN_NAME), tables)) == [], "the watch's own"
    assert tables == set()


def test_messages_that_are_cut_or_of_others_change_nothing() -> None:
    whole = message(NEWTABLE, INET, attribute(1, b"launchpad\0"))
    for data in (b"", whole[:10], bytes(20), struct.pack("=IHHII", 20, 0x100, 0, 0, 0) + bytes(4)):
        assert list(changes_in(data, set())) == []


def test_the_table_is_ones_own_by_its_flags_alone() -> None:
    text = FILE.read_text()
    made = owned(text)
    assert made.count("flags owner, persist;") == 1
    assert made.replace("\n    flags owner, persist;", "") == text


def test_the_firewall_and_the_gate_mean_the_same_mark() -> None:
    assert f"meta mark != {MAIL_MARK:#x}" in FILE.read_text()


def test_no_gate_is_none_that_is_whole() -> None:
    assert gate_of([]) == Gate(whole=False)
