"""Who operates a fleet joins and leaves: what somebody who left can still do is judged on the host, not by a command.

The seen instance: a key that was taken out stopped a tenant over a connection that was open, 20 s after `provision`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from launchpad.errors import LaunchpadError
from launchpad.settings import Settings
from launchpad.ssh.connection import Connection
from launchpad.ssh.hosts import SshHosts
from launchpad.workspace import Workspace
from tests.lab.world import Done, World
from tests.tally import Tally, tallied

LOGINS = "pgrep -fc '^sshd(-session)?: launchpad \\[priv\\]' || true"
NOWHERE = "10.77.0.250"


@pytest.fixture(scope="module")
def holds(request: pytest.FixtureRequest) -> Iterator[Tally]:
    with tallied("outside-a6", request) as tally:
        yield tally


@dataclass
class Person:
    """Somebody with keys of their own, at the same workspace."""

    world: World
    name: str
    config: Path

    @property
    def environment(self) -> dict[str, str]:
        own = {"LAUNCHPAD_CONFIG": str(self.config), "LAUNCHPAD_OPERATOR": self.name, "SSH_AUTH_SOCK": ""}
        return self.world.environment | own

    def launchpad(self, *words: str, check: bool = True) -> Done:
        import subprocess
        import sys

        argv = [sys.executable, "-m", "launchpad.cli", "-w", str(self.world.root), *words]
        own: dict[str, Any] = {"env": self.environment, "stdin": subprocess.DEVNULL, "timeout": 300}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, **own)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def connected(self) -> Connection:
        """A connection that is open, with one request behind it."""
        settings = Settings.of(self.environment, home=self.config)
        hosts = SshHosts(settings, state=self.world.root / ".launchpad")
        workspace = Workspace.open(self.world.root, settings=settings, environment=self.environment, hosts=hosts)
        reached = hosts.connection(hosts.endpoint(workspace.fleet.load().host("web-1")))
        reached.ask("hello", {})
        return reached


@pytest.fixture(scope="module")
def bob(world: World, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """bob, who has keys, and alice, a tenant."""
    world.add_tenant("alice")
    world.deploy("alice")
    world.wait_for("alice")
    person = Person(world, "bob", tmp_path_factory.mktemp("bob"))
    person.launchpad("key", "make")
    return person


def added(bob: Person) -> None:
    keys = bob.config / "keys.json"
    keys.write_text(bob.launchpad("--json", "key", "show").out)
    known = yaml.safe_load((bob.world.root / "launchpad.yaml").read_text())["operators"]
    if not any(item["name"] == "bob" for item in known):
        bob.world.launchpad("operator", "add", "bob", "--keys", str(keys))


def asks(reached: Connection, verb: str, body: dict[str, Any]) -> str:
    """Why the host did not do it; empty when it did."""
    try:
        reached.ask(verb, body, seconds=20)
    except LaunchpadError as error:
        return error.message
    return ""


def test_who_joins_gets_in_and_reads(bob: Person, holds: Tally) -> None:
    holds("before, bob does not get in", bob.launchpad("status", check=False).code != 0)
    added(bob)
    holds("who was added gets in", bob.launchpad("status").code == 0)
    holds("and deploys, with the secrets", bob.launchpad("--json", "deploy", "alice").json["outcome"] == "unchanged")
    listed = bob.world.launchpad("--json", "operator", "list").json_document
    names = [item["name"] for item in listed["operators"]]
    holds("and is listed", names[-1] == "bob" and listed["hosts"] == {"web-1": ""}, listed)


def test_a_key_that_is_gone_is_refused_at_the_next_request(bob: Person, holds: Tally) -> None:
    """Before anything ends the login: of somebody who keeps another key, too, whose laptop was stolen."""
    added(bob)
    host, before = bob.world.host, bob.world.containers("alice")
    with bob.connected() as reached:
        keys = host.read("/etc/launchpad/authorized_keys")
        try:
            other = "".join(line for line in keys.splitlines(keepends=True) if "operator=bob " not in line)
            host.write("/etc/launchpad/authorized_keys", other)
            why = asks(reached, "submit", {"id": "bob-000001", "operation": {"kind": "stop", "tenant": "alice"}})
            holds("on an open connection the next request is refused", "no longer accepts the key of bob" in why, why)
            why = asks(reached, "observe", {"probes": False})
            holds("reading is refused as well", "no longer accepts" in why, why)
        finally:
            host.write("/etc/launchpad/authorized_keys", keys)
        holds("with the key back it is answered", asks(reached, "hello", {}) == "")
    holds("nothing happened to the tenant", bob.world.containers("alice") == before)


def test_who_leaves_is_out(bob: Person, holds: Tally) -> None:
    added(bob)
    world, before = bob.world, bob.world.containers("alice")
    hosts = yaml.safe_load((world.root / "inventory/hosts.yaml").read_text())
    away = hosts["web-1"] | {"address": NOWHERE, "fingerprints": ["SHA256:" + "A" * 43]}
    (world.root / "inventory/hosts.yaml").write_text(yaml.safe_dump(hosts | {"web-2": away}))
    reached, idle = bob.connected(), bob.connected()
    logins = int(world.host.exec(["sh", "-c", LOGINS]).stdout)
    done = world.launchpad("operator", "remove", "bob", "--yes", check=False)
    why = asks(reached, "submit", {"id": "bob-000002", "operation": {"kind": "stop", "tenant": "alice"}})
    holds("the tenant was not stopped over the open connection", world.containers("alice") == before and why, why)
    time.sleep(1)
    left = int(world.host.exec(["sh", "-c", LOGINS]).stdout)
    holds("bob's logins were ended, the idle one too", left <= logins - 2, f"{logins} before, {left} after")
    holds("bob does not get in again", bob.launchpad("status", "web-1", check=False).code != 0)
    sealed = (world.root / "inventory/secrets/alice.yaml").read_text()
    holds("the secrets are sealed anew", "bob" not in sealed and _blind(bob))
    holds("what bob could read is listed", "launchpad secret rotate alice BEACON_TOKEN" in done.out, done.out)
    holds("the host that was not reached is listed", done.code == 8 and "web-2: " in done.err, done.err)
    again = world.launchpad("operator", "list", check=False)
    holds("and is, until it was", again.code == 8 and "web-2: " in again.err and "web-1: " not in again.err, again.err)
    (world.root / "inventory/hosts.yaml").write_text(yaml.safe_dump(hosts))
    world.launchpad("provision", "web-1")  # which looks at no web-2 any more
    holds("then everything follows", world.launchpad("operator", "list").code == 0)
    idle.close()
    reached.close()


def _blind(bob: Person) -> bool:
    """Whether bob's identity opens none of the tenant's secrets."""
    from launchpad.fleet.sealing.age import AgeIdentity

    entries = yaml.safe_load((bob.world.root / "inventory/secrets/alice.yaml").read_text())
    for entry in entries.values():
        try:
            AgeIdentity(bob.config / "identity").open(entry["value"], what="it")
        except LaunchpadError:
            continue
        return False
    return True
