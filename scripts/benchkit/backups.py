"""A backup's sending beside plain restic, in the same run on one lab host: the same new data in each round, read from a
snapshot of its own, to a folder on the same disk, under the very limits that the sandbox has.

Plain restic is timed without the start of its unit; Launchpad's sending with that of its sandbox, and with what it
writes down.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from labkit import Lab

from benchkit.figures import Figures, timed
from launchpad.runner.machine.sandbox import LIMITS

if TYPE_CHECKING:
    from tests.lab.world import World

PROJECT = Path(__file__).resolve().parents[2]
ROUNDS = 6
GOAL = 10.0
DATA = "/srv/launchpad/tenants/carl/data/marker"
SNAPSHOT, PLAIN, DISK = "/srv/launchpad/bench-snapshot", "/srv/plain", "/srv/disk"
STATE = "/srv/launchpad/tenants/carl/backup/targets/disk.json"
MAKE = """\
import os, random, shutil, sqlite3, sys
folder, seed = sys.argv[1], int(sys.argv[2])
own, dice = os.stat(folder), random.Random(seed)
folder += "/mixed"
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder + "/small")
with open(folder + "/media", "wb") as file:
    for _ in range(120):
        file.write(os.urandom(1 << 20))
words = ["%08x" % dice.getrandbits(32) for _ in range(4000)]
with open(folder + "/log", "w") as file:
    for _ in range(1_200_000):
        file.write(" ".join(dice.choices(words, k=11)) + "\\n")
for number in range(3000):
    with open(f"{folder}/small/{number}", "wb") as file:
        file.write(os.urandom(4096) + (b"%d " % number) * dice.randrange(500, 5000))
base = sqlite3.connect(folder + "/state.db")
base.execute("CREATE TABLE message (text)")
base.executemany("INSERT INTO message VALUES (?)", [(" ".join(dice.choices(words, k=20)),) for _ in range(150_000)])
base.commit()
base.close()
total = 0
for path, folders, files in os.walk(folder):
    os.chown(path, own.st_uid, own.st_gid)
    for name in files:
        os.chown(f"{path}/{name}", own.st_uid, own.st_gid)
        total += os.path.getsize(f"{path}/{name}")
os.sync()
print(total >> 20)
"""
TIMED = f"""\
set -eu
begun=$(date +%s.%N)
restic -r {PLAIN} --password-file /root/public --no-cache --quiet backup --host=plain --group-by=host {SNAPSHOT}/marker
echo "$begun $(date +%s.%N)" > /root/took
"""


def measure(figures: Figures, folder: Path) -> None:
    """The rounds, plain first in every other one; the comparison is pair by pair, so that a busy machine slows both."""
    doctor = subprocess.run([PROJECT / "scripts/lab", "doctor"], capture_output=True, text=True, check=False)
    if doctor.returncode:
        figures.note(f"backup: left out, the lab cannot run: {(doctor.stderr or doctor.stdout).strip()}")
        return
    sys.path.insert(0, str(PROJECT))
    plain: list[float] = []
    sent: list[float] = []
    whole: list[float] = []
    size = 0
    with _host(folder) as world:
        world.launchpad("backup", "carl")
        for number in range(ROUNDS):
            size = int(world.host.exec(["python3", "-c", MAKE, DATA, str(number)], timeout=300).stdout)
            if number % 2:
                plain.append(_plain(world))
            whole.append(_launchpad(world, sent))
            if not number % 2:
                plain.append(_plain(world))
    slower = [100 * (ours / theirs - 1) for ours, theirs in zip(sent, plain, strict=True)]
    figures.note(f"backup: {size} MB of new data each round, random, text, 3000 small files and a database")
    figures.add("a backup: plain restic under the same limits", plain, "s")
    figures.add("a backup: launchpad's sending", sent, "s")
    figures.add("a backup: `launchpad backup` as a whole, databases checked", whole, "s")
    figures.add("a backup: sending, slower than plain", slower, "%", goal=GOAL, evidence="backup-slower")


@contextmanager
def _host(folder: Path) -> Iterator[World]:
    """A provisioned host with one tenant whose backups go to a folder on it."""
    from tests.lab.world import a_world, label, provisioned

    lab = Lab()
    key, config = provisioned(lab)
    name = f"bench-{os.getpid() % 1000}"
    host = lab.up(name, source=label(key), keep_keys=True, fresh=True)
    try:
        host.settle()
        world = a_world(lab, host, folder / "workspace", config=config)
        (world.root / "inventory/targets.yaml").write_text(yaml.safe_dump({"disk": {"kind": "local", "url": DISK}}))
        tiers = yaml.safe_load((world.root / "inventory/tiers.yaml").read_text())
        tiers["standard"]["backup"] = {"targets": ["disk"]}
        (world.root / "inventory/tiers.yaml").write_text(yaml.safe_dump(tiers))
        host.write("/root/public", "launchpad")
        host.exec(["mkdir", "-p", DISK])
        host.exec(["restic", "-r", PLAIN, "--password-file", "/root/public", "--no-cache", "init"])
        world.launchpad("provision", "web-1")
        world.add_tenant("carl", tier="standard")
        world.deploy("carl")
        world.wait_for("carl")
        yield world
    finally:
        lab.down(name)


def _plain(world: World) -> float:
    exec_ = world.host.exec
    exec_(["btrfs", "subvolume", "snapshot", "-r", str(Path(DATA).parent), SNAPSHOT])
    limits = [f"--property={name}={value}" for name, value in LIMITS.items()]
    exec_(["systemd-run", "--quiet", "--collect", "--wait", *limits, "--", "sh", "-c", TIMED], timeout=600)
    exec_(["btrfs", "subvolume", "delete", SNAPSHOT])
    begun, over = world.host.read("/root/took").split()
    return float(over) - float(begun)


def _launchpad(world: World, sent: list[float]) -> float:
    took = timed(lambda: world.launchpad("backup", "carl", timeout=600))
    sent.append(float(json.loads(world.host.read(STATE))["sent"]["seconds"]))
    return took
