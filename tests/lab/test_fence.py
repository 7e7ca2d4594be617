"""A game day of a real host; a tenant whose host is gone for good comes back from her backup on another real host; and
what is erased is gone.

What a game day leaves is asked of the other host's own disk, Docker and network, never of Launchpad.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from labkit import Host, Lab

from tests.lab.disasters import until
from tests.lab.pair import Pair

PASSWORD, PRUNER = "the-password-that-hosts-have", "the-password-of-operators"
REST = "/var/lib/rest"
PORTS = {"hosts": 8000, "pruner": 8001}
DATA = "/srv/launchpad/tenants/alice/data/marker/beacon.sqlite"
MARKER = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT * FROM marker').fetchone()[0])"
GONE = ("--fence", "power seen off at the rack")
EVIDENCE = "LAUNCHPAD_EVIDENCE" in os.environ
PLAYERS = [f"player{number}" for number in range(1, 7 if EVIDENCE else 3)]
MINUTES = pytest.mark.skipif(not EVIDENCE, reason="minutes: scripts/evidence asks it")
LEFT = r"""
find /srv/launchpad/tenants /run/launchpad -mindepth 1 -path /run/launchpad/locks -prune -o -name '*player*' -print
btrfs subvolume list /srv/launchpad | grep player
docker ps -aq --filter label=launchpad.release
docker network ls --format '{{.Name}}' | grep player
ip -o link show | grep -o 'lp-c[0-9]*'
systemctl list-units --all --plain --no-legend '*player*'
true
"""


@dataclass
class Vault:
    """Two hosts, and a third machine with an append-only REST server that neither of them takes along when it dies."""

    pair: Pair
    keeper: Host

    def files(self, name: str) -> list[str]:
        """What lies in the repository of that name, locks aside."""
        found = self.keeper.exec(["find", f"{REST}/{name}", "-type", "f", "!", "-path", "*/locks/*"], check=False)
        return found.stdout.split()

    def run_launchpad(self, *words: str) -> str:
        """launchpad on this machine, with the keeper's restic."""
        world = self.pair.world
        environment = world.environment | {"PATH": f"{os.environ['PATH']}:{self.pair.new.root}/usr/bin"}
        argv = [sys.executable, "-m", "launchpad.cli", "-w", str(world.root), *words]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=400)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def vault(lab: Lab, pair: Pair) -> Iterator[Vault]:
    world = pair.world
    keeper = lab.up(f"{world.host.name}-keeper", fresh=True)
    keeper.settle()
    keeper.exec(["apt-get", "update", "-q"], timeout=300)
    keeper.exec(["apt-get", "install", "-qy", "restic-rest-server", "apache2-utils"], timeout=300)
    keeper.exec(["mkdir", "-p", REST])
    for flag, name, password in (("-iBc", "hosts", PASSWORD), ("-iB", "pruner", PRUNER)):
        keeper.exec(["htpasswd", flag, f"{REST}/.htpasswd", name], stdin=password)
    for name, more in (("hosts", ["--append-only"]), ("pruner", [])):
        server = ["restic-rest-server", "--path", REST, "--listen", f"{keeper.address}:{PORTS[name]}", *more]
        keeper.exec(["systemd-run", "--quiet", f"--unit=test-{name}", *server])
    url, prune = (f"http://{keeper.address}:{PORTS[name]}" for name in ("hosts", "pruner"))
    target = {"kind": "rest", "url": url, "append_only": True, "prune_url": prune}
    (world.root / "inventory/targets.yaml").write_text(yaml.safe_dump({"offsite": target}))
    tiers = world.root / "inventory/tiers.yaml"
    known = yaml.safe_load(tiers.read_text())
    known["light"]["backup"] = {"targets": ["offsite"]}
    tiers.write_text(yaml.safe_dump(known))
    for credential, value in (("REST_USER", "hosts"), ("REST_PASSWORD", PASSWORD)):
        world.launchpad("target", "credential", "offsite", credential, stdin=value)
    for credential, value in (("PRUNE_REST_USER", "pruner"), ("PRUNE_REST_PASSWORD", PRUNER)):
        world.launchpad("target", "credential", "offsite", credential, stdin=value)
    for host in ("web-1", "web-2"):
        world.launchpad("provision", host)
    yield Vault(pair, keeper)
    if not os.environ.get("LAUNCHPAD_KEEP"):
        lab.down(keeper.name)


@dataclass
class Game:
    """Some tenants of web-1 with backups, and what a game day leaves of them on web-2."""

    vault: Vault

    def left(self) -> str:
        return self.vault.pair.new.exec(["sh", "-c", LEFT], timeout=60).stdout.strip()

    def containers(self) -> str:
        words = ["docker", "ps", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.CreatedAt}}"]
        return self.vault.pair.old.exec(words).stdout

    @contextmanager
    def unnoticed(self) -> Iterator[None]:
        """Every tenant answers each request in the block, and no container of web-1 is another one afterwards."""
        world, over = self.vault.pair.world, threading.Event()
        answers, before = dict[str, list[str]](), self.containers()

        def visit(name: str) -> None:
            while not over.is_set():
                try:
                    answers.setdefault(name, []).append(str(world.get(name).status))
                except OSError as error:
                    answers.setdefault(name, []).append(str(error))
                over.wait(0.3)

        visitors = [threading.Thread(target=visit, args=(name,)) for name in PLAYERS]
        for each in visitors:
            each.start()
        try:
            yield
        finally:
            over.set()
            for each in visitors:
                each.join()
        assert self.containers() == before
        assert {name: set(said) for name, said in answers.items()} == {name: {"200"} for name in PLAYERS}

    def play(self, *words: str) -> tuple[int, dict[str, Any]]:
        done = self.vault.pair.world.launchpad(*COMMAND, *words, check=False, timeout=600)
        ended = [line for line in map(json.loads, done.out.splitlines()) if "back" in line]
        assert ended, done.out + done.err
        return done.code, ended[-1]


COMMAND = ("--json", "gameday", "web-1", "--yes", "--parallel", "2")


@pytest.fixture(scope="module")
def game(vault: Vault) -> Game:
    for name in PLAYERS:
        vault.pair.world.add_tenant(name)
    vault.pair.world.launchpad("apply", "--yes", timeout=600)
    for name in PLAYERS:
        vault.pair.world.wait_for(name)
    vault.pair.world.launchpad("backup", *PLAYERS, timeout=600)
    return Game(vault)


def test_a_game_day_brings_all_back_and_nobody_notices(
    game: Game, measured: Callable[..., None], say: Callable[[str], None]
) -> None:
    world = game.vault.pair.world
    planned = world.launchpad("gameday", "web-1", "--dry-run").out
    assert f"on web-2: {', '.join(PLAYERS)}" in planned and game.left() == ""
    with game.unnoticed():
        code, ended = game.play()
    assert (code, ended["back"], ended["of"], ended["recorded"]) == (0, len(PLAYERS), len(PLAYERS), True), ended
    assert game.left() == ""
    shown = world.launchpad("status", "web-1")
    assert f"loss of web-1: {len(PLAYERS)} of {len(PLAYERS)} back in " in shown.err, shown
    say("\n".join(line for line in shown.err.splitlines() if "loss" in line))
    measured("ops-gameday-back-seconds", ended["seconds"], n=len(PLAYERS))
    measured("ops-gameday-wrong", 0, n=1, detail=f"{len(PLAYERS)} tenants")


@MINUTES
def test_an_operator_who_is_killed_leaves_no_clone_and_types_it_again(
    game: Game, measured: Callable[..., None]
) -> None:
    operator = game.vault.pair.world.start(*COMMAND)
    try:
        until(lambda: clones(game.vault.pair.new), "a clone runs on web-2", seconds=120)
    finally:
        operator.kill()
        operator.communicate(timeout=60)
    with game.unnoticed():
        code, ended = game.play()
    assert (code, ended["back"]) == (0, len(PLAYERS)), ended
    assert game.left() == ""
    measured("ops-gameday-wrong", 0, n=1, detail="the operator is killed")


def clones(host: Host) -> Sequence[str]:
    found = host.exec(["docker", "ps", "--format", '{{.Label "launchpad.tenant"}}']).stdout.split()
    return [name for name in found if name.endswith("_clone")]


@MINUTES
def test_one_whose_backup_is_broken_is_named_and_the_rest_goes_on(game: Game, measured: Callable[..., None]) -> None:
    broken, *others = PLAYERS
    game.vault.keeper.exec(["sh", "-c", f"rm -rf {REST}/{broken}/data/*"])
    with game.unnoticed():
        code, ended = game.play()
    found = {item["tenant"]: item["problem"] for item in ended["tenants"]}
    assert code == 6 and found.pop(broken) and found == dict.fromkeys(others, ""), ended
    assert game.left() == ""
    shown = game.vault.pair.world.launchpad("health", "web-1", check=False)
    assert shown.code == 1 and f"not back: {broken}" in shown.out, shown
    measured("ops-gameday-wrong", 0, n=1, detail="a broken backup")


def test_her_newest_backup_runs_where_the_old_host_is_gone(vault: Vault) -> None:
    pair, world = vault.pair, vault.pair.world
    pair.add("alice")
    world.launchpad("backup", "alice")
    world.request("alice", "POST", "/marker", body=b"after the backup")
    fenced = ("move", "alice", "--to", "web-2", *GONE, "--yes")
    refused = world.launchpad(*fenced, check=False)
    assert refused.code == 4 and "web-1 answers, so it is not permanently off" in refused.err, refused
    pair.old.power_off_hard()
    assert world.launchpad("move", "alice", "--to", "web-2", "--yes", check=False).code == 6
    world.launchpad(*fenced)
    assert pair.running_on("alice") == [pair.new.name]
    # Her names lead to the old host still, so that the authority gives web-2 no certificate: her database is asked.
    assert pair.new.exec(["python3", "-c", MARKER, DATA]).stdout.strip() == "alice was here"
    assert pair.new.exec(["docker", "ps", "--filter", "health=unhealthy", "-q"]).stdout == ""
    assert yaml.safe_load((world.root / "inventory/tenants/alice.yaml").read_text())["host"] == "web-2"
    before = len(vault.files("alice/snapshots"))
    world.launchpad("backup", "alice")
    assert len(vault.files("alice/snapshots")) == before + 1, "web-2 does not go on with her repository"
    # It comes back after all, and starts her as the docs say; a person ends that.
    pair.old.start()
    pair.old.settle()
    said = world.launchpad("--json", "status", check=False).out
    assert "launchpad retire alice --host web-1" in said, said
    world.launchpad("retire", "alice", "--host", "web-1", "--yes")
    assert pair.running_on("alice") == [pair.new.name]


def test_what_a_purged_tenant_left_is_erased_and_nothing_else(vault: Vault) -> None:
    pair, world = vault.pair, vault.pair.world
    pair.add("bob")
    world.launchpad("backup", "bob")
    assert vault.files("bob/snapshots") and vault.files("bob.key/snapshots")
    said = world.launchpad("retire", "bob", "--purge", "--yes")
    assert "offsite" in said.out + said.err
    world.launchpad("tenant", "remove", "bob", "--yes")
    kept = vault.files("alice/snapshots")
    done = json.loads(vault.run_launchpad("--json", "backups", "erase", "bob", "--target", "offsite", "--yes"))
    assert len(done["removed"]) == 1
    assert not vault.files("bob/snapshots") and not vault.files("bob/data") and not vault.files("bob.key/snapshots")
    assert vault.files("alice/snapshots") == kept
