"""Maintenance of two real hosts with visitors on them: who fails, where it stops, and an operator who dies."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Any

import pytest
from labkit import Host, Lab
from measurement import record

from launchpad.fleet.keeping.workspace_files import STATE
from launchpad.operations.hosts.maintain import HowToMaintain, Maintained, maintain
from launchpad.operations.moving.move_aside import MovesAside
from launchpad.settings import Settings
from launchpad.ssh.hosts import SshHosts
from launchpad.workspace import Workspace
from tests.lab.disasters import Breakpoint
from tests.lab.pair import Pair, second_host
from tests.lab.visitors import Asked, Visitors, visiting
from tests.lab.world import World, write

evidence = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="reboots two hosts: evidence only")

UPDATES = "/opt/updates"
PUBLISH = r"""set -e
mkdir -p {folder}/tree/DEBIAN && cd {folder}
printf 'Package: lab-update\nVersion: {version}\nArchitecture: all\nMaintainer: lab\nDescription: an update\n' \
  > tree/DEBIAN/control
cat > tree/DEBIAN/postinst <<'END'
#!/bin/sh
set -e
{script}
END
chmod 755 tree/DEBIAN/postinst
dpkg-deb --build --root-owner-group tree lab-update.deb >/dev/null
( cat tree/DEBIAN/control; echo "Filename: ./lab-update.deb"; echo "Size: $(stat -c %s lab-update.deb)"
  echo "SHA256: $(sha256sum lab-update.deb | cut -d' ' -f1)" ) > Packages
"""
LIKE_DOCKERS = "systemctl restart containerd.service docker.service"
"""What Debian's own packages of containerd and Docker do when they are updated."""
REBOOTS = f"{LIKE_DOCKERS}; touch /run/reboot-required"
MIX = (Asked("GET", "/slow?ms=200", 0.2), Asked("POST", "/"), Asked("GET", "/marker"), Asked("WebSocket", "/ws"))


@dataclass(frozen=True)
class Two:
    """web-1 with alice, web-2 with bob."""

    one: World
    two: World

    @property
    def hosts(self) -> tuple[Host, Host]:
        return self.one.host, self.two.host

    def publish(self, script: str, *, on: tuple[Host, ...] = ()) -> None:
        """A newer update waits on these hosts, or on both."""
        for host in on or self.hosts:
            version = f"{time.time():.0f}"
            host.exec(["sh", "-c", PUBLISH.format(folder=UPDATES, version=version, script=script)])

    def version(self, host: Host) -> str:
        return host.exec(["dpkg-query", "--show", "--showformat=${Version}", "lab-update"]).stdout

    def maintain(self, *words: str, check: bool = True) -> list[dict[str, Any]]:
        done = self.one.launchpad("--json", "maintain", "--all", "--yes", *words, check=check, timeout=500)
        lines = [json.loads(line) for line in done.out.splitlines()]
        return [line for line in lines if "event" not in line]


@pytest.fixture(scope="module")
def two(lab: Lab, snapshot: Any, world: World) -> Iterator[Two]:
    write(world.root / "inventory/apps/beacon.yaml", timings={"start": "30s", "steady": "1s", "stop": "10s"})
    write(world.root / "launchpad.yaml", maintenance={"notice": ["sh", "-c", "cat >> notices"]})
    with second_host(lab, snapshot, world, "two") as host:
        made = Two(world, replace(world, host=host))
        for here, tenant, name in ((made.one, "alice", "web-1"), (made.two, "bob", "web-2")):
            words = ("--app", "beacon", "--version", "1.0.0", "--tier", "light", "--host", name)
            world.launchpad("tenant", "add", tenant, *words, "--domain", here.domain(tenant))
            world.deploy(tenant)
            here.wait_for(tenant)
            here.host.exec(["sh", "-c", "mv /etc/apt/sources.list.d/debian.sources /etc/apt/debian.aside"])
            here.host.write("/etc/apt/sources.list.d/lab.list", f"deb [trusted=yes] file:{UPDATES} ./\n")
        made.publish("true")
        for each in made.hosts:
            each.exec(["sh", "-c", "apt-get update -q && apt-get install -qy lab-update"])
        yield made


def told(two: Two) -> list[tuple[str, str]]:
    path = two.one.root / "notices"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [(item["event"], item["tenant"]) for item in map(json.loads, lines)]


def visited(two: Two, during: Callable[[], None]) -> dict[str, Visitors]:
    with ExitStack() as stack:
        found = {
            name: stack.enter_context(visiting(here, name, mix=MIX, rate=5))
            for here, name in ((two.one, "alice"), (two.two, "bob"))
        }
        time.sleep(2)
        during()
    return found


def test_visitors_notice_no_update_and_an_operator_who_dies_types_it_again(two: Two, say: Callable[..., None]) -> None:
    before = {name: here.containers(name) for here, name in ((two.one, "alice"), (two.two, "bob"))}
    two.publish(f"{LIKE_DOCKERS}; sleep 5")
    wanted = [two.version(host) for host in two.hosts]

    def killed_and_typed_again() -> None:
        running = two.one.start("--json", "maintain", "--all", "--yes")
        assert running.stdout is not None
        for line in running.stdout:
            if '"install-updates"' in line:
                break
        running.kill()  # in the middle of the first host's updates
        running.wait()
        results.extend(two.maintain())

    results: list[dict[str, Any]] = []
    begun = time.monotonic()
    found = visited(two, killed_and_typed_again)
    seconds = time.monotonic() - begun
    assert [(item["host"], item["outcome"]) for item in results] == [("web-1", "done"), ("web-2", "done")]
    assert all(two.version(host) > version for host, version in zip(two.hosts, wanted, strict=True))
    failures = [visit for name in found for visit in found[name].failures]
    asked = sum(len(item.visits) for item in found.values())
    say(f"updates of two hosts in {seconds:.0f} s: {asked} requests, {len(failures)} failed")
    record("ops-maintain-failed", len(failures), n=asked)
    assert not failures and not [cut for item in found.values() for cut in item.standing.cuts]
    assert {name: here.containers(name) for here, name in ((two.one, "alice"), (two.two, "bob"))} == before
    assert sorted(told(two)) == [("after", "alice"), ("after", "bob"), ("before", "alice"), ("before", "bob")]
    assert json.loads(two.one.launchpad("--json", "alerts", "list").out)["web-1"]["silences"] == []
    assert [item["outcome"] for item in two.maintain()] == ["unchanged", "unchanged"]


@evidence
def test_a_reboot_fails_no_request_but_those_of_the_time_without_a_host(two: Two, say: Callable[..., None]) -> None:
    two.publish(REBOOTS)
    results: list[dict[str, Any]] = []
    begun = time.monotonic()
    found = visited(two, lambda: results.extend(two.maintain("--reboot")))
    seconds = time.monotonic() - begun
    assert [(item["outcome"], item["rebooted"]) for item in results] == [("done", True), ("done", True)]
    for here, name in ((two.one, "alice"), (two.two, "bob")):
        failed = sorted(visit.at for visit in found[name].failures)
        answered = [visit.at for visit in found[name].of("answered")]
        lasted = failed[-1] - failed[0] if failed else 0.0
        others = [at for at in answered if failed and failed[0] < at < failed[-1]]
        say(f"{name}: {len(failed)} failed within {lasted:.0f} s without a host, {len(others)} answered between them")
        record("ops-maintain-reboot-gap", lasted)
        wrong = found[name].of("wrong")
        assert not wrong, wrong
        here.wait_for(name)
    say(f"two hosts rebooted in {seconds:.0f} s")


@dataclass
class Zone:
    """A DNS provider, and the resolver of every visitor: this machine's knows no name of the lab."""

    leads: dict[str, str]

    def point(self, names: Sequence[str], address: str) -> bool:
        self.leads |= dict.fromkeys(names, address)
        return True

    def leads_to(self, name: str) -> frozenset[str]:
        return frozenset({self.leads[name]})


@evidence
def test_a_tenant_that_is_moved_away_answers_during_the_reboot(two: Two, say: Callable[..., None]) -> None:
    world = two.one
    roots = world.lab.ca_pem().read_text() + world.lab.acme_root_pem().read_text()
    (world.root / "acme-root.pem").write_text(
        roots
    )  # a host that passes requests on must trust the other's certificate
    for name in ("web-1", "web-2"):
        world.launchpad("provision", name, timeout=600)
    world.request("alice", "POST", "/marker", body=b"kept")
    two.publish(REBOOTS, on=(world.host,))
    planned = world.launchpad("maintain", "web-1", "--reboot", "--move", "--dry-run").out
    assert "web-1: would install 1 update: lab-update" in planned, planned
    assert "web-1: alice stays during a reboot: its DNS records are set by hand" in planned, planned
    domain, pair = world.domain("alice"), Pair(world, two.two.host, Breakpoint(world.host))
    zone, at = Zone({domain: world.host.address}), {host.address: host for host in two.hosts}
    settings = Settings.of(world.environment, home=world.root.parent)
    hosts = SshHosts(settings, state=world.root / STATE)
    workspace = Workspace.open(world.root, settings=settings, environment=world.environment, hosts=hosts, begun=True)
    lasted, failed = list[float](), list[str]()
    over = threading.Event()

    def visit() -> None:
        while not over.wait(0.1):
            asked, host = time.monotonic(), at[zone.leads[domain]]
            try:
                answer = pair.get_from(host, "alice", "/marker")
                wrong = "" if answer.status == 200 else f"{answer.status} {answer.body[:80]!r}"
            except (OSError, HTTPException) as error:
                wrong = repr(error)
            lasted.append(time.monotonic() - asked)
            if wrong:
                failed.append(f"{asked - begun:.1f} s, after {lasted[-1]:.1f} s, {host.name}: {wrong}")

    visitor, begun = threading.Thread(target=visit), time.monotonic()
    visitor.start()
    try:
        aside = MovesAside(workspace=workspace, dns=zone, tell=say)
        (done,) = maintain(workspace, ["web-1"], how=HowToMaintain(reboot=True, aside=aside)).values()
    finally:
        over.set()
        visitor.join()
    assert isinstance(done, Maintained), done
    assert done.rebooted and done.elsewhere == {}
    say(f"moved away and back in {time.monotonic() - begun:.0f} s: {len(lasted)} requests, longest {max(lasted):.1f} s")
    record("ops-maintain-move-failed", len(failed), n=len(lasted))
    assert not failed and b"kept" in world.get("alice", "/marker").body
    assert pair.running_on("alice") == [world.host.name]


@evidence
def test_a_bad_host_stops_it_and_is_continued_when_repaired(two: Two) -> None:
    told(two)
    two.publish(LIKE_DOCKERS, on=(two.two.host,))
    two.publish("systemctl stop launchpad-watch.service", on=(two.one.host,))
    before = two.version(two.two.host)
    done = two.one.launchpad("maintain", "--all", "--yes", "--patience", "20s", check=False, timeout=300)
    assert done.code == 4 and "is less healthy after the maintenance than before" in done.err, done
    assert "web-2: not begun: web-1 failed" in done.out, done
    assert two.version(two.two.host) == before and told(two) == [("before", "alice")]
    two.one.host.exec(["systemctl", "start", "launchpad-watch.service"])
    assert [item["outcome"] for item in two.maintain()] == ["done", "done"]
    assert told(two) == [("after", "alice"), ("before", "bob"), ("after", "bob")]
