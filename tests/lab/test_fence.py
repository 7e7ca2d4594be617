"""A tenant whose host is gone for good comes back from her backup on another real host; and what is erased is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml
from labkit import Host, Lab

from tests.lab.pair import Pair

PASSWORD, PRUNER = "the-password-that-hosts-have", "the-password-of-operators"
REST = "/var/lib/rest"
PORTS = {"hosts": 8000, "pruner": 8001}
DATA = "/srv/launchpad/tenants/alice/data/marker/beacon.sqlite"
MARKER = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT * FROM marker').fetchone()[0])"
GONE = ("--fence", "power seen off at the rack")


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
