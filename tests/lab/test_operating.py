"""A day of an operator on a real host: looking, reading, applying, being cut off, being killed, changing one's mind."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.lab.world import World

NEVER_READY = "1.2.0"


@pytest.fixture(scope="module")
def two(world: World) -> World:
    """alice and bob, brought there by apply."""
    world.add_tenant("alice")
    world.add_tenant("bob")
    plan = world.launchpad("plan", "--json")
    digest = json.loads(plan.out)["digest"]
    world.launchpad("apply", "--confirm", digest)
    world.wait_for("alice")
    world.wait_for("bob")
    return world


def test_after_apply_there_is_nothing_to_plan(two: World) -> None:
    assert json.loads(two.launchpad("plan", "--json").out)["changes"] == []
    starts = two.containers("alice")
    assert two.launchpad("apply", "--yes").out == "nothing to do\n"
    assert two.containers("alice") == starts


def test_status_is_good_until_somebody_changes_something_by_hand(two: World) -> None:
    found = status(two, "web-1")
    assert {tenant["tenant"]: tenant["state"] for tenant in found["tenants"]} == {"alice": "healthy", "bob": "healthy"}
    assert found["hosts"]["web-1"]["problems"] == []
    assert two.launchpad("status", "--check").code == 0

    name = next(name for name in two.containers("bob") if "store" in name).removeprefix("/")
    two.host.exec(["systemctl", "stop", "launchpad-watch"])  # it would have the container back before anybody looks
    two.host.exec(["docker", "rm", "-f", name])
    looked = two.launchpad("status", "bob", "--check", check=False)
    assert looked.code == 4
    assert "container of store is missing" in looked.out + looked.err
    assert [change["kind"] for change in json.loads(two.launchpad("plan", "bob", "--json").out)["changes"]] == [
        "deploy"
    ]
    two.launchpad("apply", "bob", "--yes")
    two.host.exec(["systemctl", "start", "launchpad-watch"])
    end = time.monotonic() + 30
    while two.launchpad("status", "bob", "--check", check=False).code:
        assert time.monotonic() < end, "somebody has to look still"


def test_logs_of_two_tenants_come_in_the_order_of_time_and_without_their_secrets(two: World) -> None:
    two.get("alice")
    lines = [
        json.loads(line) for line in two.launchpad("logs", "alice", "bob", "--since", "1h", "--json").out.splitlines()
    ]
    assert {line["tenant"] for line in lines} == {"alice", "bob"}
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)

    follower = two.start("logs", "alice", "-f", "--json")
    try:
        assert follower.stdout is not None
        eventually(lambda: two.get("alice", "/said-while-following").status and _has(follower, "web"))
    finally:
        follower.send_signal(signal.SIGINT)
        assert follower.wait(10) == 130


def test_history_says_who_did_what_from_where_and_how_each_step_went(two: World) -> None:
    found = json.loads(two.launchpad("history", "alice", "--json").out)["operations"]
    assert {entry["tenant"] for entry in found} == {"alice"}
    newest = found[0]
    assert newest["outcome"] == "done"
    assert newest["source"] == "10.77.0.1"
    assert all(step["result"] == "done" for step in newest["steps"])


def test_an_operator_that_is_killed_changes_nothing_about_the_operation(two: World) -> None:
    two.set_tenant("alice", version="1.1.0")
    operator = two.start("deploy", "alice", "--json")
    identifier = wait_for_event(operator, "step-done")["operation"]
    operator.kill()
    operator.wait(10)
    attached = two.launchpad("attach", identifier, "--json")
    assert attached.json["outcome"] == "done"
    first = json.loads(attached.out.splitlines()[0])
    assert (first["number"], first["event"]) == (1, "operation-started")
    assert two.wait_for("alice", "/").json["version"] == "1.1.0"


def test_a_connection_that_is_cut_is_come_back_to_by_itself(two: World) -> None:
    two.set_tenant("alice", version="1.0.0" if version(two, "alice") == "1.1.0" else "1.1.0")
    operator = two.start("deploy", "alice", "--json")
    wait_for_event(operator, "step-started")
    two.host.exec(["sh", "-c", "pkill -KILL -u launchpad sshd || pkill -KILL -f 'sshd.*launchpad'"])
    out, err = operator.communicate(timeout=120)
    assert operator.returncode == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    assert "connection-cut" in [line.get("event") for line in lines]
    numbers = [line["number"] for line in lines if line.get("event") not in (None, "connection-cut")]
    assert numbers == sorted(set(numbers)), "no event twice, none out of order"
    assert lines[-1]["outcome"] == "done"


def test_a_cancelled_deploy_leaves_the_old_release_serving(two: World) -> None:
    before = version(two, "bob")
    two.set_tenant("bob", version=NEVER_READY)
    operator = two.start("deploy", "bob", "--json")
    identifier = wait_for_event(operator, "step-started", step="await-probes")["operation"]
    two.launchpad("cancel", identifier)
    out, _err = operator.communicate(timeout=120)
    assert operator.returncode == 6
    assert "cancelled" in json.loads(out.splitlines()[-1])["error"]["message"]
    assert two.wait_for("bob", "/").json["version"] == before
    two.set_tenant("bob", version=before)
    assert json.loads(two.launchpad("plan", "bob", "--json").out)["changes"] == []


def test_two_at_once_on_one_tenant_are_told_apart(two: World) -> None:
    two.set_tenant("bob", version=NEVER_READY)
    first = two.start("deploy", "bob", "--json")
    identifier = wait_for_event(first, "step-started", step="await-probes")["operation"]
    second = two.launchpad("restart", "bob", check=False)
    assert second.code == 5
    assert f"launchpad attach {identifier}" in second.err
    two.launchpad("cancel", identifier)
    first.communicate(timeout=120)
    two.set_tenant("bob", version="1.0.0")


def test_an_older_version_is_never_applied(two: World) -> None:
    two.set_tenant("alice", version="1.1.0")
    two.launchpad("apply", "alice", "--yes")
    two.set_tenant("alice", version="1.0.0")
    plan = json.loads(two.launchpad("plan", "alice", "--json").out)
    assert plan["changes"] == []
    assert "ahead of the inventory" in plan["notes"][0]["text"]
    two.set_tenant("alice", version="1.1.0")


def status(world: World, *names: str) -> Any:
    return json.loads(world.launchpad("status", *names, "--json").out)


def version(world: World, name: str) -> str:
    return str(yaml.safe_load((world.root / f"inventory/tenants/{name}.yaml").read_text())["version"])


def wait_for_event(process: subprocess.Popen[str], event: str, **fields: str) -> dict[str, Any]:
    """The first such event of a running command; whatever it says afterwards stays to be read."""
    assert process.stdout is not None
    for line in process.stdout:
        said: dict[str, Any] = json.loads(line)
        if said.get("event") == event and fields.items() <= said.items():
            return said
    raise AssertionError(f"the command ended without {event}: {process.stderr.read() if process.stderr else ''}")


def eventually(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def _has(process: subprocess.Popen[str], service: str) -> bool:
    assert process.stdout is not None
    return bool(json.loads(process.stdout.readline())["service"] == service)
