"""A tenant whose databases are written to all the time, her repository on an append-only REST server, and the judge of
what comes back: root's own restic and SQLite, never what the runner says of itself.

Operations are asked of the host's runner directly, as its forced command is, because hundreds of them are.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from launchpad.fleet.sealing.age import AgeIdentity
from launchpad.runner.protocol import PROTOCOL
from tests.lab.cells import Cell
from tests.lab.disasters import JOURNALS, open_operations, until
from tests.lab.world import World

ALICE = "/srv/launchpad/tenants/alice"
DATA = f"{ALICE}/data/marker"
RUNNER = "/usr/local/sbin/launchpad-runner"
REST = "/var/lib/rest"
PASSWORD, PRUNER = "the-password-that-hosts-have", "the-password-of-operators"
URL, PRUNE_URL = "http://127.0.0.1:8000", "http://127.0.0.1:8001"
SETTLE_SECONDS = 300
PROGRAMS = "/root/vault"
WRITER = """\
# In the app's own container: writes the next number into one database, and then into the other, without end.
import sqlite3, time
databases = []
for name in ("one.sqlite", "two.sqlite"):
    database = sqlite3.connect(f"/data/{name}", isolation_level=None, timeout=60)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA wal_autocheckpoint=40")
    database.execute("CREATE TABLE IF NOT EXISTS entry (number INTEGER PRIMARY KEY, body TEXT)")
    database.execute("CREATE TABLE IF NOT EXISTS last (number INTEGER)")
    if not database.execute("SELECT * FROM last").fetchone():
        database.execute("INSERT INTO last VALUES (0)")
    databases.append(database)
number = max(database.execute("SELECT number FROM last").fetchone()[0] for database in databases)
while True:
    number += 1
    for database in databases:
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT OR REPLACE INTO entry VALUES (?, ?)", (number, str(number) * 40))
        database.execute("DELETE FROM entry WHERE number <= ?", (number - 200,))
        database.execute("UPDATE last SET number = ?", (number,))
        database.execute("COMMIT")
    time.sleep(0.004)
"""
JUDGE = """\
# What is wrong with the databases in each of these folders, and the last number in them: a line of JSON a folder.
import json, pathlib, shutil, sqlite3, sys, tempfile
def judged(folder, own):
    last = []
    for name in ("one.sqlite", "two.sqlite"):
        for path in pathlib.Path(folder).glob(name + "*"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, own)
        database = sqlite3.connect(f"{own}/{name}")
        if (said := database.execute("PRAGMA integrity_check").fetchone()) != ("ok",):
            return f"{name}: {said}", 0
        last.append(database.execute("SELECT number FROM last").fetchone()[0])
        rows = database.execute("SELECT number, body FROM entry ORDER BY number").fetchall()
        database.close()
        if [number for number, _ in rows] != list(range(max(1, last[-1] - 199), last[-1] + 1)):
            return f"{name}: other rows than were written up to {last[-1]}", 0
        if any(body != str(number) * 40 for number, body in rows):
            return f"{name}: a row that nobody wrote", 0
    if last[0] - last[1] not in (0, 1):
        return f"two instants: {last}", 0
    return "", last[0]
for folder in sys.stdin.read().splitlines():
    with tempfile.TemporaryDirectory() as own:
        try:
            wrong, last = judged(folder, own)
        except Exception as error:
            wrong, last = repr(error), 0
    print(json.dumps([folder, wrong, last]))
"""
RESTORE = f"""\
rm -rf /root/back; mkdir /root/back
while read -r id; do
    restic -r {REST}/alice --password-file /root/key --no-cache --no-lock -q restore "$id:/srv/generation/marker" \\
        --target "/root/back/$id" >/dev/null 2>"/root/back/$id.said" || echo "$id"
done
"""
FLIP = """\
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2]))
    byte = file.read(1)[0]
    file.seek(int(sys.argv[2]))
    file.write(bytes([byte ^ int(sys.argv[3])]))
"""


@dataclass
class Vault:
    """The host, its tenant and her repository."""

    world: World
    _numbers: Iterable[int] = field(default_factory=lambda: itertools.count(1))
    _asked: dict[str, dict[str, Any]] = field(default_factory=dict)
    """An operation of each kind, as the command line asked for it once."""

    @classmethod
    def made(cls, world: World) -> Vault:
        """Alice on the host, writing, with one backup."""
        host = world.host
        host.exec(["apt-get", "update", "-q"], timeout=300)
        host.exec(["apt-get", "install", "-qy", "restic-rest-server", "apache2-utils"], timeout=300)
        host.exec(["mkdir", "-p", REST])
        for flag, name, password in (("-iBc", "hosts", PASSWORD), ("-iB", "pruner", PRUNER)):
            host.exec(["htpasswd", flag, f"{REST}/.htpasswd", name], stdin=password)
        server = ["restic-rest-server", "--path", REST]
        only_add, all_of_it = ["--listen", "127.0.0.1:8000", "--append-only"], ["--listen", "127.0.0.1:8001"]
        host.exec(["systemd-run", "-q", "--unit=vault-rest", *server, *only_add])
        host.exec(["systemd-run", "-q", "--unit=vault-prune", *server, *all_of_it])
        host.write("/root/public", "launchpad")
        for name, text in (("judge", JUDGE), ("flip", FLIP), ("restore", RESTORE)):
            host.write(f"{PROGRAMS}/{name}", text)
        target = {"kind": "rest", "url": URL, "append_only": True}
        (world.root / "inventory/targets.yaml").write_text(yaml.safe_dump({"vault": target}))
        tiers = yaml.safe_load((world.root / "inventory/tiers.yaml").read_text())
        tiers["light"]["backup"] = {"targets": ["vault"]}
        (world.root / "inventory/tiers.yaml").write_text(yaml.safe_dump(tiers))
        world.launchpad("target", "credential", "vault", "REST_USER", stdin="hosts")
        world.launchpad("target", "credential", "vault", "REST_PASSWORD", stdin=PASSWORD)
        world.launchpad("provision", "web-1")
        world.add_tenant("alice")
        world.deploy("alice")
        world.wait_for("alice")
        vault = cls(world)
        inside = ["docker", "exec", "--detach", Cell.of(world, "alice").container]
        host.exec([*inside, "python3", "-c", WRITER])
        until(lambda: host.exists(f"{DATA}/two.sqlite"), "the writer writes", seconds=SETTLE_SECONDS)
        world.launchpad("backup", "alice")
        host.exec(["sh", "-c", "umask 077; cat > /root/key"], stdin=vault.key)
        return vault

    @property
    def key(self) -> str:
        """Alice's key, as whoever holds an operator's identity gets it: from beside the repository alone."""
        beside = ["restic", "-r", f"{REST}/alice.key", "--password-file", "/root/public"]
        wrap = self.world.host.exec([*beside, "dump", "latest", "key.age"]).stdout
        return AgeIdentity(self.world.root / ".config/launchpad/identity").open(wrap, what="the key").reveal()

    # --- what is asked of the host

    def learn(self, kind: str, *command: str) -> None:
        """Have the command line ask for an operation once, so that the host can be asked for the same again."""
        self.world.launchpad(*command)
        self._asked[kind] = self._newest(kind)

    def _newest(self, kind: str) -> dict[str, Any]:
        words = f"ls -td {JOURNALS}/*/operation.json | head -5 | xargs cat"
        lines = self.world.host.exec(["sh", "-c", words]).stdout.replace("}{", "}\n{").splitlines()
        asked = (json.loads(line)["operation"] for line in lines)
        return dict(next(item for item in asked if item["kind"] == kind))

    def submit(self, kind: str, **changes: Any) -> str:
        """Begin an operation of the kind; its id."""
        operation = self._asked[kind] | changes
        identifier = f"vault-{next(iter(self._numbers)):06}"
        body = {"id": identifier, "operation": operation, "follow": False}
        request = json.dumps({"protocol": PROTOCOL, "client": "vault", "verb": "submit", "body": body})
        until(lambda: self._accepted(request), f"{identifier} is accepted", seconds=SETTLE_SECONDS)
        return identifier

    def _accepted(self, request: str) -> bool:
        """Ask; False while the process of the one before, which is over, still holds its lock."""
        said = self.world.host.exec([RUNNER, "operator=vault"], stdin=request + "\n", check=False)
        assert said.status == 0 or '"locked"' in said.stdout, said
        return said.status == 0

    def outcome(self, identifier: str) -> str:
        """How the operation ended, waited for."""
        folder = self.world.host.root / f"{JOURNALS.lstrip('/')}/{identifier}"
        until(lambda: (folder / "outcome.json").exists(), f"{identifier} ends", seconds=SETTLE_SECONDS)
        return str(json.loads((folder / "outcome.json").read_text())["outcome"])

    def done(self, kind: str, **changes: Any) -> str:
        """How an operation of the kind went, waited for."""
        return self.outcome(self.submit(kind, **changes))

    def settle(self) -> None:
        """Wait until nothing is open on the host."""
        until(lambda: not open_operations(self.world.host), "the host settles it by itself", seconds=SETTLE_SECONDS)

    def prune(self, keep: int) -> subprocess.Popen[bytes]:
        """Begin to thin out, as an operator does by credentials that the host has not: the very program, its processes
        among the host's so that they can be killed there."""
        key = self.world.host.read("/root/key")
        repository = {"kind": "rest", "name": "vault", "url": PRUNE_URL, "host_keys": [], "password": key}
        credentials = {"REST_USER": "pruner", "REST_PASSWORD": PRUNER}
        task = {"do": "forget", "uid": 0, "tenant": "alice", "now": time.time(), "keep": {"last": keep}}
        self.world.host.write(
            f"{PROGRAMS}/task", json.dumps(task | {"repository": repository | {"credentials": credentials}})
        )
        start = str(Path(self.world.host.exec(["readlink", "-f", RUNNER]).stdout.strip()).parent / "start")
        return self.world.host.popen(["sh", "-c", f"exec {start} inside < {PROGRAMS}/task"])

    # --- what is there, by restic and SQLite themselves

    def snapshots(self) -> list[str]:
        """The backups' ids, the oldest first."""
        own = ["restic", "-r", f"{REST}/alice", "--password-file", "/root/key", "--no-cache", "--no-lock"]
        found = json.loads(self.world.host.exec([*own, "snapshots", "--json"]).stdout)
        return [item["id"] for item in found]

    def judge_backups(self, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Bring each back: id → what is wrong with it ("" for nothing), and the last number that it has."""
        host = self.world.host
        failed = host.exec(["sh", f"{PROGRAMS}/restore"], stdin="\n".join(ids) + "\n", timeout=3600).stdout.split()
        found = self.judge([f"/root/back/{name}" for name in ids])
        return {
            name: ("restic cannot restore it", 0) if name in failed else found[f"/root/back/{name}"] for name in ids
        }

    def judge(self, folders: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Folder → what is wrong with the databases in it, and the last number that they have."""
        lines = self.world.host.exec(["python3", f"{PROGRAMS}/judge"], stdin="\n".join(folders), timeout=1800).stdout
        return {folder: (wrong, last) for folder, wrong, last in map(json.loads, lines.splitlines())}

    def files(self) -> list[tuple[str, int]]:
        """Every file of the repository, and of the one beside it that its key lies in, with its size; no locks."""
        find = f"find {REST}/alice {REST}/alice.key -type f ! -path '*/locks/*' -printf '%p %s\\n' | sort"
        lines = self.world.host.exec(["sh", "-c", find]).stdout.splitlines()
        return [(line.split()[0], int(line.split()[1])) for line in lines]

    def flip(self, path: str, place: int, bits: int) -> None:
        self.world.host.exec(["python3", f"{PROGRAMS}/flip", path, str(place), str(bits)])
