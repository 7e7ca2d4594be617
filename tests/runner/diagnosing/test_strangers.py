"""What a stranger plays and hides: faults are named first, nobody is accused wrongly, and no secret gets out."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable
from typing import Any

import pytest
from measurement import record

from launchpad.runner import paths
from launchpad.runner.diagnosing.analysis import NOTES
from launchpad.runner.diagnosing.bundle import make_bundle
from launchpad.runner.diagnosing.desk import Desk
from launchpad.runner.diagnosing.redactor import Redactor
from launchpad.runner.protocol import Refused
from tests.runner.diagnosing.strangers import (
    app_situations,
    hiding,
    host_situations,
    later_situations,
    unlisted_situations,
)
from tests.runner.diagnosing.strangers.app_situations import Row, says
from tests.runner.diagnosing.strangers.busy import busy
from tests.runner.diagnosing.strangers.hiding import WAYS, Written
from tests.runner.diagnosing.strangers.stage import CASE, StrangeHost, bundle_of, causes_of, played, text_of

REASON = "minutes of counting, whose kinds the other tests ask: scripts/evidence asks for it"
evidence = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason=REASON)

LISTED = (*app_situations.SITUATIONS, *host_situations.SITUATIONS, *later_situations.LISTED)
UNLISTED = (*unlisted_situations.SITUATIONS, *later_situations.UNLISTED)
EVERY = (*LISTED, *UNLISTED)


def few(names: Iterable[str]) -> list[Any]:
    """One in four at every check; the others, which take half a minute, together with real programs."""
    return [pytest.param(name, marks=[pytest.mark.programs] if at % 4 else []) for at, name in enumerate(names)]


def judged(row: Row, seed: int, tenant: str) -> str:
    """`first`, `unknown`, `none`, or what is named wrongly."""
    _, wanted, situation = row
    right = wanted.split("|")
    found = causes_of(played(situation, busy=busy(seed)), tenant)
    if wrong := [cause for cause in found if cause not in (*right, *NOTES, "unknown")]:
        return f"wrong: {wrong}"
    if not found:
        return "first" if "none" in right else "none"
    return "first" if found[0] in right else found[0]


@pytest.mark.parametrize("name", few(name for name, *_ in EVERY))
def test_a_fault_is_named_first_of_its_tenant_and_of_its_host_and_nothing_else_is(name: str) -> None:
    row = next(row for row in EVERY if row[0] == name)
    seed = sum(map(ord, row[0]))
    assert (judged(row, seed, "alice"), judged(row, seed + 1, "")) in (("first", "first"), ("unknown", "first"))


PAIRS = (
    ("disk: the host's", "key: Anthropic"),
    ("docker: failed", "disk: the tenants'"),
    ("name: elsewhere", "money: OpenAI"),
    ("target: wrong password", "channel: Telegram"),
    ("clock: minutes off", "certificate: CAA"),
    ("quota: sqlite", "target: rest full"),
    ("another web server has the ports", "update"),
    ("a file system became read-only", "crash: TypeError"),
    ("the host is out of memory", "channel: token"),
    ("provider: overloaded", "a database is locked"),
    ("no file more", "key: OpenAI"),
    ("a database is damaged", "name: elsewhere"),
)


@pytest.mark.parametrize("pair", PAIRS, ids=[" and ".join(pair) for pair in PAIRS])
def test_two_faults_at_once_are_both_named(pair: tuple[str, str]) -> None:
    rows = [next(row for row in EVERY if row[0] == name) for name in pair]
    host = played(busy=busy(len(pair[0])))
    for _, _, situation in rows:
        situation(host)
    found = causes_of(host)
    assert all(any(cause in wanted.split("|") for cause in found) for _, wanted, _ in rows), found
    wanted = "|".join(wanted for _, wanted, _ in rows).split("|")
    assert [cause for cause in found if cause not in (*wanted, *NOTES)] == []


@pytest.mark.parametrize("seed", range(100, 110))
def test_busy_healthy_tenants_are_accused_of_nothing(seed: int) -> None:
    assert causes_of(played(busy=busy(seed)), "") == []


def test_what_a_tool_met_in_the_world_is_no_cause() -> None:
    said = "web_fetch failed: HTTP 401: invalid x-api-key (https://weather.example.org/v1)"
    assert causes_of(played(says(f"[tools] {said}"))) == []
    assert causes_of(played(says(f"[agent/embedded] {said}"))) == ["key-revoked"]


@pytest.mark.parametrize("name", few(WAYS))
def test_a_secret_is_not_in_the_bundle_however_it_is_written(name: str) -> None:
    host, hidden = with_hidden(name, number=18, seed=len(name))
    text = text_of(bundle_of(host))
    assert [value for value, written in hidden if hiding.is_read(text, written)] == []


@pytest.mark.parametrize("name", few(WAYS))
def test_what_the_redactor_leaves_the_check_of_the_finished_bytes_finds(name: str) -> None:
    """Where the secret can be read again from one line; a line that broke in it is joined, too."""
    value = "sk-proj-q7Zr1Lw9Xc4Vb8Nm2Ks6T5dYp0Ua3Gh"
    host = played()
    host.write(f"{paths.RUN}/alice/0123456789ab/KEY", value.encode())
    hide(host, WAYS[name](value), place="kernel", number=0)
    with pytest.raises(Refused, match="is not given out"):
        make_bundle(Desk(host=host, tenants=("alice",)), tenant="alice", case=CASE, redacting=Blind)
    bundle_of(host)  # with the redactor the same host gives one


class Blind(Redactor):
    """Takes nothing out."""

    def tree(self, value: Any) -> Any:
        return json.loads(json.dumps(value))

    secrets = tree


def with_hidden(way: str, *, number: int, seed: int) -> tuple[StrangeHost, list[tuple[str, list[Written]]]]:
    """A host in whose logs, programs, crash dumps and operations so many secrets stand, written in the way."""
    host = played()
    hidden = [(value, WAYS[way](value)) for value in hiding.secrets(number, seed)]
    for at, (value, written) in enumerate(hidden):
        host.write(f"{paths.RUN}/alice/0123456789ab/K{at}", value.encode())
        hide(host, written, place=PLACES[at % len(PLACES)], number=at)
    return host, hidden


PLACES = ("app", "kernel", "journal", "argv", "dump", "operation")


def hide(host: StrangeHost, written: list[Written], *, place: str, number: int) -> None:
    lines = [item.text for item in written]
    match place:
        case "app":
            host.app(*lines, ago=100 + number, every=0.001)
        case "kernel":
            host.dmesg(*lines, ago=100 + number)
        case "journal":
            host.unit("launchpad-runner", *lines, ago=1000 + number)
        case "argv":
            host.programs["ps"] += f"{900 + number} root 9000 1 {''.join(lines)}\n"
        case "dump":
            host.dies(exit_code=139, lines=lines)
        case _:
            host.operation_failed("upgrade", lines[0], *lines)


@evidence
def test_the_figures_of_a_stranger() -> None:
    """Before the mending: 101 of 252 named first, 40 of 40 busy hosts accused, 544 of 1,665 hidden secrets read."""
    for figure, rows in (("listed", LISTED), ("unlisted", UNLISTED)):
        told = [judged(row, number, tenant) for number, row in enumerate(rows) for tenant in ("alice", "")]
        record(f"ops-strange-{figure}-not-first", sum(item not in ("first", "unknown") for item in told), n=len(told))
        record(f"ops-strange-{figure}-wrong", sum(item.startswith("wrong") for item in told), n=len(told))
        record(f"ops-strange-{figure}-unknown", told.count("unknown"), n=len(told))
    refused, accused, chance = 0, 0, random.Random(7)
    for seed in range(200):
        host = played(busy=busy(3000 + seed))
        for number, value in enumerate(hiding.secrets(60, seed)):
            host.write(f"{paths.RUN}/alice/0123456789ab/K{number}", value.encode())
        host.app(*(f"[agent/embedded] embedded run done: runId={chance.getrandbits(128):x}" for _ in range(200)))
        try:
            accused += bundle_of(host, "" if seed % 2 else "alice").diagnoses != ()
        except Refused:
            refused += 1
    record("ops-strange-busy-accused", accused, n=200)
    record("ops-strange-busy-refused", refused, n=200)
    assert (refused, accused) == (0, 0)


@evidence
def test_five_hundred_secrets_in_every_way_of_a_stranger() -> None:
    leaked = refused = 0
    for name in WAYS:
        host, hidden = with_hidden(name, number=500, seed=77)
        try:
            text = text_of(bundle_of(host))
        except Refused:
            refused += 1
            continue
        leaked += sum(hiding.is_read(text, written) for _, written in hidden)
    record("ops-strange-leaks", leaked, n=500 * len(WAYS))
    record("ops-strange-ways-refused", refused, n=len(WAYS))
    assert (leaked, refused) == (0, 0)
