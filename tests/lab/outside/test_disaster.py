"""docs/disaster.md, typed word for word on a machine that never saw the fleet."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from labkit import Host, Lab
from measurement import record

from tests.lab.outside.keeper import PASSPHRASE, Stranger, a_keeper, run_launchpad
from tests.lab.pair import Pair
from tests.lab.world import PROJECT, Done
from tests.tally import tallied

DOCUMENT = PROJECT / "docs/disaster.md"
LATER = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")


@dataclass
class Disaster:
    """alice and carol on web-1, bob on web-2, all backed up; then web-1 and the operator's machine are gone."""

    pair: Pair
    keeper: Host
    new: Host
    """A bare machine that a provider hands over."""
    stranger: Stranger
    folder: str = ""
    said: list[tuple[str, Done, float]] = field(default_factory=list)
    """Every command of the document, in its order, with what came of it and when it was done."""

    def type_block(self, block: str, *, stdin: str = "") -> None:
        """Each line as it stands, but for what the document says is an example."""
        for line in block.strip().splitlines():
            command = line.replace("203.0.113.9", self.new.address).replace("SHA256:…", self.new.fingerprint)
            done = self.stranger.shell(command, stdin=stdin, folder=self.folder)
            self.said.append((line, done, time.monotonic()))
            if line.startswith("cd "):
                self.folder = line.removeprefix("cd ")


@pytest.fixture(scope="module")
def disaster(lab: Lab, pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disaster]:
    world = pair.world
    home = tmp_path_factory.mktemp("stranger")
    stranger = Stranger(home, pair.new.root / "usr/bin")
    new = lab.up(f"{world.host.name}-third", fresh=True)
    new.settle()
    with a_keeper(lab, world) as keeper:
        world.launchpad("kit", "make", str(home / "kit.txt"), stdin=f"{PASSPHRASE}\n")
        for name in ("web-1", "web-2"):
            world.launchpad("provision", name, timeout=600)
        for name, host in (("alice", "web-1"), ("carol", "web-1"), ("bob", "web-2")):
            names = [world.domain(name), f"{name}.{pair.new.domain}"] if host == "web-1" else [f"bob.{pair.new.domain}"]
            domains = [word for item in names for word in ("--domain", item)]
            words = ("--app", "beacon", "--version", "1.0.0", "--tier", "light", "--host", host)
            world.launchpad("tenant", "add", name, *words, *domains)
            world.deploy(name)
        for name in ("alice", "carol"):
            world.wait_for(name)
            world.request(name, "POST", "/marker", body=f"{name} was here".encode())
        world.launchpad("backup", "--all")
        git = "git init -q && git add launchpad.yaml inventory && git commit -qm 'the fleet'"
        assert stranger.shell(f"cd {world.root} && {git}").code == 0
        run_launchpad(world, stranger, "backup", "--this-workspace")
        hidden = world.root.with_name("gone")
        world.root.rename(hidden)  # the operator's machine
        world.host.power_off_hard()
        yield Disaster(pair, keeper, new, stranger)
        hidden.rename(world.root)
    if not os.environ.get("LAUNCHPAD_KEEP"):
        lab.down(new.name)


@LATER
def test_the_document_leads_from_nothing_to_served_visitors(
    disaster: Disaster, request: pytest.FixtureRequest, say: Callable[[str], None]
) -> None:
    pair, stranger = disaster.pair, disaster.stranger
    text = DOCUMENT.read_text()
    opening, adding, moving, looking, keeping = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    begun = time.monotonic()
    with tallied("outside-b4", request) as holds:
        first, *rest = opening.strip().splitlines()
        disaster.type_block(first, stdin=f"{PASSPHRASE}\n")
        holds("the kit is opened", disaster.said[-1][1].code == 0, disaster.said)
        disaster.type_block("\n".join(rest))
        holds("the inventory that came back is right", disaster.said[2][1].code == 0, disaster.said[2])
        status = disaster.said[3][1]
        holds(
            "status says that web-1 does not answer, and web-2 does",
            status.code in (6, 8) and "bob" in status.out,
            status,
        )
        disaster.type_block(moving)
        moved = disaster.said[-1][1]
        holds("alice's newest backup is started on web-2", moved.code == 0, moved)
        told = moved.out + moved.err
        alive = pair.new.address
        names = [pair.world.domain("alice"), f"alice.{pair.new.domain}"]
        holds(
            "the records to change are told",
            all(f"DNS record to set: {name}. A {alive}" in told for name in names),
            told,
        )
        holds("so is which name leads to the dead host", f"DNS points {names[0]} to" in told, told)
        # The lab's names cannot be changed; alice's second name stands for a record that was.
        answer = served(disaster, f"alice.{pair.new.domain}")
        holds("visitors are served over HTTPS, with her data", answer == "alice was here", answer)
        minutes = (time.monotonic() - begun) / 60
        say(f"from the kit alone: first tenant served after {minutes:.1f} minutes")
        record("kit-first-tenant-minutes", round(minutes, 2), n=1)
        disaster.type_block(looking)
        holds(
            "dns show tells which name is to be changed",
            pair.new.address in disaster.said[-2][1].out,
            disaster.said[-2],
        )
        holds("status finds alice healthy on web-2", "healthy" in disaster.said[-1][1].out, disaster.said[-1])
        install_the_kits_key(disaster)
        disaster.type_block(adding)
        holds("a bare machine becomes web-3", all(item[1].code == 0 for item in disaster.said[-3:]), disaster.said[-3:])
        disaster.type_block(moving.replace("alice", "carol").replace("web-2", "web-3"))
        holds("carol comes back on the new host", disaster.said[-1][1].code == 0, disaster.said[-1])
        running = disaster.new.exec(["docker", "ps", "-q", "--filter", "label=launchpad.tenant=carol"]).stdout
        holds("and runs there", running.strip())
        disaster.type_block(keeping)
        ended = disaster.said[-4:]
        holds("what changed is committed and backed up", all(item[1].code == 0 for item in ended), ended)
        say(f"all of docs/disaster.md: {(time.monotonic() - begun) / 60:.1f} minutes")
        opened = stranger.launchpad("secret", "list", "--json")
        holds(
            "every tenant's secret is there",
            {item["tenant"] for item in json.loads(opened.out)} == {"alice", "bob", "carol"},
        )
        living = stranger.launchpad("restart", "bob")
        holds("a living host is entered", living.code == 0, living)


def served(disaster: Disaster, name: str) -> str:
    """What a visitor gets of the marker, once there is a certificate; what came instead after two minutes."""
    import http.client
    import socket

    end, last = time.monotonic() + 120, ""
    while time.monotonic() < end:
        try:
            plain = socket.create_connection((disaster.pair.new.address, 443), timeout=10)
            connection = http.client.HTTPConnection(name)
            connection.sock = disaster.pair.world.trust.wrap_socket(plain, server_hostname=name)
            connection.request("GET", "/marker", headers={"Connection": "close"})
            response = connection.getresponse()
            body = response.read().decode()
            if response.status == 200:
                return body.strip()
            last = f"{response.status} {body[:80]}"
        except OSError as error:
            last = str(error)
        time.sleep(0.5)
    return last


def install_the_kits_key(disaster: Disaster) -> None:
    """What a provider does with the SSH key that one gives it."""
    shown = json.loads(disaster.stranger.launchpad("key", "show", "--json").out)["ssh_key"]
    disaster.new.exec(["sh", "-c", "cat >> /root/.ssh/authorized_keys"], stdin=f"{shown}\n")
