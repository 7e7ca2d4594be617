"""gameday: what a host keeps of its game day, and what it refuses to keep."""

from __future__ import annotations

import json
from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.backed_up import proven_at
from launchpad.runner.backups import keeping
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.gameday import gameday
from launchpad.runner.verbs.observe import observe
from tests.runner.verbs.view import CALLER, answer, deployed

BACK = {
    "tenant": "alice", "host": "web-2", "seconds": 20.5, "problem": "", "target": "offsite", "snapshot": "1f2e3d4c",
    "generation": "backup-000001", "version": "1", "at": 5.0,
}  # fmt: skip


def record(*tenants: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"record": {"seconds": 60.0, "tenants": list(tenants or (BACK,)), "at": 0.0, "by": ""} | more}


def test_the_host_keeps_it_and_tells_it_with_its_own_time_and_the_operators_name() -> None:
    host = deployed()
    assert answer(gameday(host, record(BACK, BACK | {"tenant": "eve", "problem": "no backup"}), CALLER)) == {}
    told = answer(observe(host, {"tenants": None, "probes": False}, CALLER))["host"]["gameday"]
    assert (told["by"], told["seconds"], len(told["tenants"])) == ("alice", 60.0, 2)
    assert told["at"] > 1_000_000_000
    proof = json.loads(host.read(keeping.proof("alice")) or b"{}")
    assert (proof["snapshot"], proof["generation"], proof["proven"]) == ("1f2e3d4c", "backup-000001", told["at"])
    assert host.read(paths.record("eve")) is None and proven_at(host, "eve") is None


@pytest.mark.parametrize("change", [{"problem": "crashed"}, {"snapshot": ""}], ids=["not back", "unknown backup"])
def test_what_is_not_known_to_be_proven_is_no_proof(change: dict[str, str]) -> None:
    host = deployed()
    answer(gameday(host, record(BACK | change), CALLER))
    assert proven_at(host, "alice") is None


def test_a_newer_proof_stays() -> None:
    host = deployed()
    newer = {"proven": host.now() + 100.0}
    host.write(keeping.proof("alice"), json.dumps(newer).encode(), mode=0o600)
    answer(gameday(host, record(), CALLER))
    assert json.loads(host.read(keeping.proof("alice")) or b"{}") == newer


@pytest.mark.parametrize(
    "body",
    [
        {},
        record(BACK, BACK),
        record(BACK | {"tenant": "../x"}),
        record(BACK | {"host": "a/b"}),
        record(BACK | {"problem": "x\ny"}),
        record(BACK | {"problem": "x" * 301}),
        record(BACK | {"snapshot": "../x"}),
        record(BACK | {"seconds": -1.0}),
        record(BACK | {"more": 1}),
        record(seconds="soon"),
        {"record": {"seconds": 1.0, "tenants": []}},
    ],
)
def test_what_is_no_record_is_refused(body: dict[str, Any]) -> None:
    host = deployed()
    with pytest.raises(Refused):
        answer(gameday(host, body, CALLER))
    assert host.read(paths.GAMEDAY) is None
