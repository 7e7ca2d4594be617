"""A rollout over real hosts: one canary fails, one hangs, a host dies, the operator is killed, another one goes on, and
takes it all back. Judged from outside: the version and the marker in the data that visitors get.

Two hosts and a few tenants; with LAUNCHPAD_EVIDENCE three hosts and fifty, and one of the hosts dies in the middle.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from labkit import Host, Lab
from labkit.errors import LabError

from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.settings import Settings
from launchpad.workspace import Workspace
from tests.lab.disasters import until
from tests.lab.pair import call
from tests.lab.world import World, a_world, label, write

OLD, NEW = "1.0.0", "2.0.0"
"""The new version migrates its data in place, and the old one then refuses to start on it."""
FULL = bool(os.environ.get("LAUNCHPAD_EVIDENCE"))
HOSTS, TENANTS, CANARIES = (3, 50, 5) if FULL else (2, 7, 3)
FAILS, HANGS = "canary-1", "canary-2"
TEMPLATE = """\
services:
  web:
{% if variables.quirk == "fails" and app.version == "2.0.0" %}
    command: [sh, -c, "echo it does not go; exit 1"]
{% elif variables.quirk == "hangs" and app.version == "2.0.0" %}
    command: [sleep, "3600"]
{% else %}
    command: [beacon, web]
{% endif %}
    environment:
      BEACON_DATA: /data
      BEACON_STORE_URL: "http://${LAUNCHPAD_ADDRESS_STORE}:8081"
    volumes:
      - {{ volume("marker", at="/data") }}
  store:
    command: [beacon, store]
    environment:
      BEACON_DATA: /data
    volumes:
      - {{ volume("store", at="/data") }}
"""
RINGS = [{"ring": "canary", "budget": 1}, "1%", "10%", "50%", "all"]
"""So that both of the bad canaries are tried; the second one that fails is one too many."""
ROLLOUT = {"rings": RINGS, "soak": "3s", "tenant_soak": "3s", "patience": "40s", "timeout": "5m"}
Measured = Callable[..., None]


@dataclass
class FleetOfHosts:
    """Several hosts and one workspace, in which they are called web-1, web-2 …"""

    worlds: dict[str, World]
    tenants: dict[str, str]
    """Name → host."""
    wrong: dict[str, str] = field(default_factory=dict)
    """Tenants that were once found otherwise than promised, and how."""

    @property
    def operator(self) -> World:
        return self.worlds["web-1"]

    def host(self, name: str) -> Host:
        return self.worlds[name].host

    def world_of(self, tenant: str) -> World:
        return self.worlds[self.tenants[tenant]]

    def mark(self, text: str, *tenants: str) -> None:
        """Write the text into the tenants' data, as their visitors would."""
        for name in tenants or self.tenants:
            world = self.world_of(name)
            world.wait_for(name)
            assert world.request(name, "POST", "/marker", body=f"{text} {name}".encode()).status == 200

    def judge(self, expected: dict[str, tuple[str, str]], when: str) -> None:
        """See what the visitors of each tenant get: (version, marker)."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            found = dict(zip(expected, pool.map(self.serves, expected), strict=True))
        for name, (version, text) in expected.items():
            if found[name] != (version, f"{text} {name}"):
                self.wrong.setdefault(name, f"{when}: {found[name]}, not {version} with {text!r}")
        assert not self.wrong, self.wrong

    def serves(self, name: str) -> tuple[str, str]:
        try:
            answer = self.world_of(name).wait_for(name, "/", seconds=90).json
        except AssertionError as error:
            return "nothing", str(error)
        return answer["version"], answer["marker"]

    def started(self, *tenants: str) -> dict[str, dict[str, str]]:
        """When the tenants' containers were started."""
        return {name: self.world_of(name).containers(name) for name in tenants}

    def begun_on(self, host: str, rollout: str) -> int:
        """How many operations of the rollout the host has begun."""
        folder = self.host(host).root / "var/lib/launchpad/operations"
        return sum(path.name.startswith(f"{rollout}-") for path in folder.iterdir())


def rollout(world: World, *words: str, code: int) -> Any:
    """One run of it, which ends with that code; how everything stands then."""
    done = world.launchpad("--json", "rollout", "beacon", *words, check=False, timeout=1500)
    assert done.code == code, f"{done}\n{world.launchpad('rollout', 'beacon', '--status', check=False).out}"
    return done.json if "--status" not in words else done.json_document


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=ann", "-c", "user.email=ann@lab.test"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture(scope="module")
def hosts(lab: Lab, snapshot: tuple[str, Path]) -> Iterator[list[Host]]:
    """Provisioned hosts; on a busy machine one may take a second try to boot."""
    names = [f"t{os.getpid() % 1000}-rollout-{number}" for number in range(1, HOSTS + 1)]
    source = label(snapshot[0])
    try:
        try:
            made = lab.up_all(names, source=source, keep_keys=True, fresh=True)
        except LabError:
            made = lab.up_all(names, source=source, keep_keys=True)
        for number, host in enumerate(made, start=1):
            host.settle(timeout=180)
            call(host, f"web-{number}")
        yield made
    finally:
        for name in () if os.environ.get("LAUNCHPAD_KEEP") else names:
            lab.down(name)


@pytest.fixture(scope="module")
def fleet(
    lab: Lab, snapshot: tuple[str, Path], hosts: list[Host], tmp_path_factory: pytest.TempPathFactory
) -> FleetOfHosts:
    """Every tenant on the old version, with a marker of its own in its data."""
    first = a_world(lab, hosts[0], tmp_path_factory.mktemp("rollout") / "workspace", config=snapshot[1])
    made = FleetOfHosts({f"web-{number}": replace(first, host=host) for number, host in enumerate(hosts, start=1)}, {})
    write_fleet(made)
    for _ in range(3):  # what did not become ready on a machine as busy as this is tried again
        if first.launchpad("apply", "--yes", timeout=1500, check=False).code == 0:
            break
    made.mark("before")
    return made


def write_fleet(made: FleetOfHosts) -> None:
    """The inventory: all hosts, small tenants spread over them, canaries first."""
    root = made.operator.root
    (root / "templates/compose/beacon").mkdir(parents=True)
    (root / "templates/compose/beacon/compose.yaml.j2").write_text(TEMPLATE)
    write(
        root / "inventory/apps/beacon.yaml",
        timings={"start": "15s", "steady": "1s", "stop": "3s"},
        variables={"quirk": {"choices": ["none", "fails", "hangs"], "default": "none"}},
    )
    write(root / "inventory/tiers.yaml", light={"memory": "64MiB", "cpus": 0.5, "pids": 64, "disk": "128MiB"})
    write(root / "launchpad.yaml", rollout=ROLLOUT)
    known = yaml.safe_load((root / "inventory/hosts.yaml").read_text())["web-1"]
    resources = known["resources"] | {"cpus": 16}
    told = {
        name: {"address": world.host.address, "fingerprints": [world.host.fingerprint], "resources": resources}
        for name, world in made.worlds.items()
    }
    (root / "inventory/hosts.yaml").write_text(yaml.safe_dump(told))
    environment = made.operator.environment
    settings = Settings.of(environment, home=Path.home())
    workspace = Workspace.open(root, settings=settings, environment=environment)
    for slot in range(1, TENANTS + 1):
        name = f"canary-{slot}" if slot <= CANARIES else f"tenant-{slot}"
        host = f"web-{1 + slot % HOSTS}"
        made.tenants[name] = host
        record: dict[str, Any] = {"slot": slot, "app": "beacon", "version": OLD, "tier": "light", "host": host}
        record |= {"domains": [made.worlds[host].domain(name)]}
        record |= {"ring": "canary"} if slot <= CANARIES else {}
        record |= {"variables": {"quirk": {FAILS: "fails", HANGS: "hangs"}[name]}} if name in (FAILS, HANGS) else {}
        (root / f"inventory/tenants/{name}.yaml").write_text(yaml.safe_dump(record))
        workspace.secrets.set(TenantName(name), SecretName("BEACON_TOKEN"), Secret(f"the-token-of-{name}"))
    git(root, "init", "--quiet")
    (root / ".git/info/exclude").write_text(".config/\n")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "The fleet")


def second_operator(world: World, folder: Path) -> World:
    """Somebody with a checkout of what was committed, and keys that the hosts know."""
    git(world.root, "clone", "--quiet", str(world.root), str(folder))
    shutil.copytree(world.root / ".config", folder / ".config")
    return replace(world, root=folder)


def test_the_right_ones_change_whoever_dies_and_all_come_back_on_demand(
    fleet: FleetOfHosts, tmp_path: Path, measured: Measured, say: Callable[[str], None]
) -> None:
    begun = time.monotonic()
    try:
        judge_rollout(fleet, second_operator(fleet.operator, tmp_path / "second"))
    finally:
        details = "; ".join(f"{name} {why}" for name, why in fleet.wrong.items())
        measured("rollout-wrong", len(fleet.wrong), n=len(fleet.tenants), detail=details)
    say(f"a rollout over {TENANTS} tenants on {HOSTS} hosts, halted, resumed, undone: {time.monotonic() - begun:.0f} s")


def judge_rollout(fleet: FleetOfHosts, second: World) -> None:
    names = list(fleet.tenants)
    canaries = {name for name in names if name.startswith("canary")}
    bad, rest = {FAILS, HANGS}, [name for name in names if name not in canaries]
    untouched = fleet.started(*rest)

    told = rollout(fleet.operator, "--to", NEW, "--no-rehearsal", "--yes", code=8)
    outcomes = {item["tenant"]: item["outcome"] for item in told["tenants"]}
    assert {name for name in names if outcomes[name] == "failed"} == bad
    assert {outcomes[name] for name in canaries - bad} <= {"changed", "waiting"}
    assert {outcomes[name] for name in rest} == {"waiting"}
    changed = {name for name in names if outcomes[name] == "changed"}
    assert changed
    expected = dict.fromkeys(names, (OLD, "before")) | dict.fromkeys(changed, (NEW, "before"))
    fleet.judge(expected, "the canaries failed")
    assert fleet.started(*rest) == untouched, "a tenant behind the ring that failed was touched"

    identifier = told["rollout"]["id"]
    first = fleet.operator.start("rollout", "beacon", "--resume", "--accept", "--yes")
    dies = f"web-{HOSTS}"
    here = fleet.begun_on(dies, identifier)
    until(lambda: fleet.begun_on(dies, identifier) >= here + (3 if FULL else 1), "it is in the middle", seconds=300)
    if FULL:
        fleet.host(dies).power_off_hard()
        time.sleep(3)
    first.kill()
    first.communicate()

    if FULL:
        told = rollout(second, "--resume", code=8)
        assert list(told["unreachable"]) == [dies]
        assert "inconclusive" in told["intent"]["reason"]
        others = [name for name in rest if fleet.tenants[name] != dies]
        outcomes = {item["tenant"]: item["outcome"] for item in told["tenants"]}
        assert {outcomes[name] for name in others} == {"changed", "waiting"}, "a dead host fails no other"
        fleet.judge(
            {name: (NEW if outcomes[name] == "changed" else OLD, "before") for name in others}, "a host is dead"
        )
        fleet.host(dies).start()
    told = rollout(second, "--resume", code=8)
    assert told["stands"] == "over"
    fleet.judge(dict.fromkeys(names, (NEW, "before")) | dict.fromkeys(bad, (OLD, "before")), "it is over")
    said = json.loads(second.launchpad("--json", "status").out)
    remarks = {item["tenant"]: item["remarks"] for item in said["tenants"] if item["remarks"]}
    assert remarks == {}, "the inventory says what runs"

    fleet.mark("after", *[name for name in names if name not in bad][:4])
    told = rollout(second, "--undo", "--yes", code=0)
    assert told["stands"] == "undone"
    fleet.judge(dict.fromkeys(names, (OLD, "before")), "it was undone")
    counted = json.loads(second.launchpad("--json", "history", "--limit", "500").out)["operations"]
    upgrades = [item["tenant"] for item in counted if item["kind"] == "upgrade"]
    assert sorted(upgrades) == sorted(names), "each was upgraded once, whoever asked"
