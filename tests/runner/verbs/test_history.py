"""history: what was done, without what was in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from launchpad.runner import engine, paths
from launchpad.runner.account import Account
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.history import history
from launchpad.runner.verbs.submit import submit
from tests.memory.releases import deploy_body, release
from tests.runner.verbs.view import CALLER, MemoryView, answer, deployed


def told(host: MemoryView, **body: Any) -> list[dict[str, Any]]:
    return list(answer(history(host, body, CALLER))["operations"])


def busy() -> MemoryView:
    """A host with two tenants, on which bob was stopped last."""
    host = deployed(tenant="bob", slot=8, host=deployed())
    host.wait(100)
    stop = {"kind": "stop", "tenant": "bob"}
    list(submit(host, {"id": "a-stop-of-bob", "operation": stop, "follow": False}, CALLER))
    engine.carry_out(host, "a-stop-of-bob")
    return host


def test_the_newest_comes_first_whatever_its_id() -> None:
    assert [item["id"] for item in told(busy())] == ["a-stop-of-bob", "operation-of-bob", "operation-of-alice"]


def test_an_operation_is_told_with_its_steps_and_without_its_files() -> None:
    found = told(deployed())[0]
    steps = found.pop("steps")
    assert found.pop("seconds") > 0
    assert found == {
        "id": "operation-of-alice",
        "kind": "deploy",
        "tenant": "alice",
        "who": "alice",
        "source": "192.0.2.7",
        "on_behalf_of": "",
        "words": {},
        "at": found["at"],
        "outcome": "done",
        "message": "",
        "after": "",
    }
    assert {step["result"] for step in steps} == {"done"}
    assert {"start-side", "await-probes", "commit"} <= {step["step"] for step in steps}
    waited = next(step for step in steps if step["step"] == "await-probes")
    assert waited["seconds"] >= 2 and waited["title"]


def test_of_an_operation_that_was_undone_every_step_says_what_became_of_it() -> None:
    host = deployed()
    made = release(app="beacon:2", domains=("alice.example.com",))
    host.registry |= {service.image for service in made[0].services}
    host.behaviours |= {service.image: "never" for service in made[0].services}
    list(submit(host, deploy_body("operation-bad-1", made), CALLER))
    engine.carry_out(host, "operation-bad-1")
    found = told(host)[0]
    assert (found["outcome"], bool(found["message"])) == ("undone", True)
    results = {step["step"]: step["result"] for step in found["steps"]}
    assert (results["start-side"], results["await-probes"]) == ("undone", "failed")
    assert results["commit"] == results["open-traffic"] == "waiting"


def test_an_operation_that_is_not_over_has_no_outcome() -> None:
    host = deployed()
    host.remove(f"{paths.operation('operation-of-alice')}/outcome.json")
    assert (told(host)[0]["outcome"], told(host)[0]["seconds"]) == (None, None)


def test_it_can_be_of_one_tenant_of_one_operation_and_of_so_many() -> None:
    host = busy()
    assert [item["id"] for item in told(host, tenant="bob")] == ["a-stop-of-bob", "operation-of-bob"]
    assert [item["id"] for item in told(host, id="operation-of-alice")] == ["operation-of-alice"]
    assert [item["id"] for item in told(host, limit=1)] == ["a-stop-of-bob"]
    assert told(host, tenant="carol") == []
    assert told(host, id="operation-nobody-knows") == []
    assert told(host, id="../../etc/passwd") == []


def test_what_was_never_accepted_is_passed_over() -> None:
    host = deployed()
    host.folder(f"{paths.OPERATIONS}/lost+found")
    host.write(f"{paths.OPERATIONS}/operation-torn/plan.json", b"[]")
    assert [item["id"] for item in told(host)] == ["operation-of-alice"]


def test_no_secret_is_in_it() -> None:
    assert "secret-of-alice" not in json.dumps(told(deployed()))


@pytest.mark.parametrize("body", [{"tenant": 7}, {"limit": "all"}, {"limit": True}, {"path": "/etc"}])
def test_a_malformed_request_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        told(deployed(), **body)


def test_what_the_watch_did_by_itself_is_told_beside_the_operations() -> None:
    host = busy()
    account = Account(host, ())
    account.note("firewall", "the table was deleted by nft (4711); the watch restored it")
    account.note("apps", "web died; the watch restarted it", tenant="bob")

    def watched(**body: Any) -> list[str]:
        return [item["subject"] for item in answer(history(host, body, CALLER))["watch"]]

    assert watched() == ["apps", "firewall"]
    assert watched(limit=1) == ["apps"]
    assert watched(tenant="bob") == ["apps"] and watched(tenant="alice") == []
    assert watched(id="a-stop-of-bob") == []
