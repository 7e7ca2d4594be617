"""What a container that failed wrote last stays: in the message, in the journal's events, and in `logs`."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.journal import Journal
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.logs import logs
from tests.memory.living import a_host, run, upgrade, version
from tests.memory.releases import deploy_body, release
from tests.runner.verbs.view import CALLER, MemoryView, deployed

SAID = "says something"


def told(host: MemoryView, tenant: str, **body: Any) -> list[dict[str, Any]]:
    *lines, _reply = logs(host, {"tenants": [tenant]} | body, CALLER)
    return lines


@pytest.mark.parametrize("behaviour", ["crash", "never", "stillborn", "flash"])
def test_a_first_deploy_that_fails_leaves_its_last_lines(behaviour: str) -> None:
    host, made = MemoryView(), release("bob", slot=8)
    host.registry |= {service.image for service in made[0].services}
    host.behaviours |= {service.image: behaviour for service in made[0].services}
    outcome = run(host, deploy_body("operation-000001", made))
    assert outcome["outcome"] == "undone"
    assert SAID in outcome["message"], "a history shows the message alone"
    failed = next(item for item in Journal(host, "operation-000001").events() if item["event"] == "step-failed")
    assert any(SAID in line for line in failed["lines"])
    assert not host.containers("bob")
    found = told(host, "bob")
    assert [line["service"] for line in found] == ["deploy operation-000001"] * len(found)
    assert any(SAID in line["text"] for line in found)


@pytest.mark.parametrize("behaviour", ["crash", "never", "stillborn"])
def test_a_rehearsal_that_fails_leaves_the_clones_last_lines(behaviour: str) -> None:
    host = a_host(1, 2, v2=behaviour)
    outcome = run(host, upgrade("operation-000001", version(2)))
    assert outcome["outcome"] == "undone"
    assert SAID in outcome["message"]
    assert any(SAID in line for line in outcome["lines"])


def test_the_newest_failure_alone_is_shown_and_only_to_who_asks_for_its_time() -> None:
    host = deployed()
    made = release("alice", slot=7, app="beacon:2", domains=("alice.example.com",))
    host.registry |= {service.image for service in made[0].services}
    host.behaviours |= {service.image: "crash" for service in made[0].services}
    for number in (1, 2):
        assert run(host, deploy_body(f"operation-00000{number}", made))["outcome"] == "undone"
    assert {line["service"] for line in told(host, "alice")} == {"deploy operation-000002"}
    assert told(host, "alice", since=host.now() + 1) == []


def test_a_tenant_of_which_there_is_neither_a_record_nor_a_failure_is_refused() -> None:
    host = MemoryView()
    host.write(f"{paths.OPERATIONS}/operation-000001/outcome.json", b'{"outcome": "undone", "lines": ["x"], "at": 1}')
    with pytest.raises(Refused):
        told(host, "bob")
