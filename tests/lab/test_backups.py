"""Backups on a real host: to a folder, to SFTP, to S3 and to restic's own append-only REST server, judged by restic
itself."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml
from measurement import record

from launchpad.fleet.sealing.age import AgeIdentity, seal
from launchpad.fleet.words.references import Recipient
from launchpad.fleet.words.secret import Secret
from launchpad.runner import slots
from tests.lab.world import World
from tests.runner.backups.s3 import BUCKET, KEY_ID, SECRET, s3_server

PASSWORD, PRUNER = "the-password-that-hosts-have", "the-password-of-operators"
PASSPHRASE = "five random words are good"
LISTEN = ("--listen", "127.0.0.1:8001")
DISK, REST, SFTP, S3 = "/srv/disk", "/var/lib/rest", "/var/lib/sftp", "/var/lib/s3"
PLACES = {"cloud": f"{S3}/{BUCKET}", "disk": DISK, "rest": REST, "sftp": SFTP}
"""Where each target's files lie on the host, as root sees them."""
SSHD = """\
Port 2222
ListenAddress 127.0.0.1
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /var/lib/sftp-keys
PasswordAuthentication no
UsePAM no
StrictModes no
Subsystem sftp internal-sftp
ForceCommand internal-sftp
AllowUsers backup
PidFile none
"""
DAYS = 7 if "LAUNCHPAD_EVIDENCE" in os.environ else 2
"""So many parts are all of a repository, one read each day."""
ALICE = "/srv/launchpad/tenants/alice"
VOLUME = f"{ALICE}/data/marker"
DIGESTS = f"cd {REST} && find alice alice.key -type f ! -path '*/locks/*' -exec sha256sum {{}} + | sort"
THIEF = f"""cd {REST} && find alice alice.key -type f ! -path '*/locks/*' | sed -E 's|/data/../|/data/|' |
while read -r name; do
    for how in "-X DELETE" "-X POST --data-binary other"; do
        curl -s -o /dev/null -w '%{{http_code}}\\n' -K /root/login $how "http://127.0.0.1:8000/$name"
    done
done | sort | uniq -c"""
LOOK = """cat /proc/$1/status
ls /proc/$1/root/srv/launchpad /proc/$1/root/var/lib/launchpad /proc/$1/root/run/launchpad 2>&1"""
BROKEN = """import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("CREATE TABLE t (x)")
connection.executemany("INSERT INTO t VALUES (?)", [("x" * 200,)] * 999)
connection.commit()
connection.close()
with open(sys.argv[1], "r+b") as file:
    file.seek(3 * 4096)
    file.write(b"\\xff" * 4096)
"""
LARGEST = f"find {DISK}/alice/data -type f -printf '%s %p\\n' | sort -n | tail -1 | cut -d' ' -f2"
FLIP = """import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(50)
    byte = file.read(1)[0]
    file.seek(50)
    file.write(bytes([byte ^ 1]))
"""


@dataclass
class Fleet:
    """The host with alice on it, four targets, and root's view of the repositories."""

    world: World
    folder: Path

    def backup(self, *words: str, check: bool = True) -> Any:
        return self.world.launchpad("--json", "backup", *(words or ("alice",)), check=check).json

    def key(self, target: str = "disk") -> str:
        """alice's key, as whoever holds an operator's identity gets it: from beside the repository alone."""
        words = [
            "restic",
            "-r",
            f"{PLACES[target]}/alice.key",
            "--password-file",
            "/root/public",
            "dump",
            "latest",
            "key.age",
        ]
        wrap = self.world.host.exec(words).stdout
        return AgeIdentity(self.world.root / ".config/launchpad/identity").open(wrap, what="the key").reveal()

    def lay_made_up_key(self, target: str) -> None:
        """What whoever has the target's credentials can do: the recipients are no secret."""
        recipients = yaml.safe_load((self.world.root / "launchpad.yaml").read_text())["operators"][0]["recipients"]
        wrap = seal(Secret("a-key-that-opens-nothing-at-all"), [Recipient(item) for item in recipients])
        words = ["restic", "-r", f"{PLACES[target]}/alice.key", "--password-file", "/root/public", "backup", "--stdin"]
        self.world.host.exec([*words, "--stdin-filename", "key.age", "--host", "alice"], stdin=wrap)

    def restic(self, *words: str, target: str = "disk", check: bool = True) -> Any:
        self.world.host.exec(["sh", "-c", "umask 077; cat > /root/key"], stdin=self.key(target))
        own = ["restic", "-r", f"{PLACES[target]}/alice", "--password-file", "/root/key", "--no-cache"]
        return self.world.host.exec([*own, *words], check=check, timeout=300)

    def snapshots(self, target: str = "disk") -> list[dict[str, Any]]:
        return list(json.loads(self.restic("snapshots", "--json", target=target).stdout))

    def restored(self, snapshot: str, target: str = "disk") -> str:
        """The folder into which root has restored a backup."""
        self.world.host.exec(["rm", "-rf", "/root/restored"])
        self.restic("restore", f"{snapshot}:/srv/generation", "--target", "/root/restored", target=target)
        return "/root/restored"

    def markers(self, folder: str) -> list[str]:
        """The markers in beacon's database below the folder, by SQLite."""
        code = (
            "import glob, sqlite3, sys\n"
            "for path in glob.glob(sys.argv[1] + '/*/beacon.sqlite'):\n"
            "    connection = sqlite3.connect(path)\n"
            "    assert connection.execute('PRAGMA integrity_check').fetchone() == ('ok',)\n"
            "    print(*[row[0] for row in connection.execute('SELECT * FROM marker')])\n"
        )
        return self.world.host.exec(["python3", "-c", code, folder]).stdout.split()

    def run_launchpad(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """launchpad on this machine with the host's network for its own, because there the servers listen on loopback
        alone, and the host's restic."""
        host, world = self.world.host, self.world
        own = [*in_network_of(host), sys.executable, "-m", "launchpad.cli", "-w", str(world.root)]
        environment = world.environment | {"PATH": f"{os.environ['PATH']}:{host.root}/usr/bin"}
        done = subprocess.run([*own, *words], env=environment, capture_output=True, text=True, check=False, timeout=400)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def mark(self, text: str) -> None:
        assert self.world.request("alice", "POST", "/marker", body=text.encode()).status in (200, 201, 204)


def in_network_of(host: Any) -> list[str]:
    """The words that start a program of this machine with the host's network for its own."""
    return ["nsenter", "--net", *(word for word in host._enter() if word.startswith("--target="))]


@pytest.fixture(scope="module")
def fleet(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    host = world.host
    host.exec(["apt-get", "update", "-q"], timeout=300)
    host.exec(["apt-get", "install", "-qy", "restic-rest-server", "apache2-utils"], timeout=300)
    host.write("/root/public", "launchpad")
    for place in PLACES.values():
        host.exec(["mkdir", "-p", place])
    host.exec(["sh", "-c", f"htpasswd -iB -c {REST}/.htpasswd hosts"], stdin=PASSWORD)
    rest = ["restic-rest-server", "--path", REST, "--listen", "127.0.0.1:8000", "--append-only"]
    host.exec(["systemd-run", "--quiet", "--unit=test-rest", *rest])
    folder = tmp_path_factory.mktemp("backups")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    host.write("/var/lib/sftp-keys", (folder / "key.pub").read_text())
    host.exec(["chown", "backup:backup", SFTP])
    host.write("/root/sshd", SSHD)
    host.exec(["usermod", "--shell", "/bin/sh", "backup"])
    host.exec(["systemd-run", "--quiet", "--unit=test-sshd", "/usr/sbin/sshd", "-D", "-f", "/root/sshd"])
    targets = {
        "cloud": {"kind": "s3", "url": f"http://127.0.0.1:9000/{BUCKET}"},
        "disk": {"kind": "local", "url": DISK},
        "rest": {"kind": "rest", "url": "http://127.0.0.1:8000", "append_only": True},
        "sftp": {"kind": "sftp", "url": f"sftp://backup@127.0.0.1:2222{SFTP}", "host_keys": [host.host_key]},
    }
    (world.root / "inventory/targets.yaml").write_text(yaml.safe_dump(targets))
    tiers = yaml.safe_load((world.root / "inventory/tiers.yaml").read_text())
    tiers["light"]["backup"] = {"targets": list(targets)}
    (world.root / "inventory/tiers.yaml").write_text(yaml.safe_dump(tiers))
    world.launchpad("target", "credential", "rest", "REST_USER", stdin="hosts")
    world.launchpad("target", "credential", "rest", "REST_PASSWORD", stdin=PASSWORD)
    world.launchpad("target", "credential", "sftp", "SSH_KEY", stdin=(folder / "key").read_text())
    world.launchpad("target", "credential", "cloud", "S3_KEY_ID", stdin=KEY_ID)
    world.launchpad("target", "credential", "cloud", "S3_SECRET", stdin=SECRET)
    world.launchpad("provision", "web-1")
    world.add_tenant("alice")
    world.deploy("alice")
    world.wait_for("alice")
    with s3_server(Path(f"{host.root}{S3}"), 9000, within=in_network_of(host)):
        yield Fleet(world, folder)


def test_a_backup_reaches_s3_a_folder_a_rest_server_and_sftp(fleet: Fleet) -> None:
    fleet.mark("before-the-backup")
    done = fleet.backup()
    assert [(item["target"], item["good"]) for item in done["targets"]] == [
        ("cloud", True),
        ("disk", True),
        ("rest", True),
        ("sftp", True),
    ]
    fleet.mark("after-the-backup")
    for target in PLACES:
        (snapshot,) = fleet.snapshots(target)
        found = fleet.markers(fleet.restored(snapshot["id"], target))
        assert "before-the-backup" in found and "after-the-backup" not in found, target


def test_nothing_of_the_backup_is_left_on_the_host(fleet: Fleet) -> None:
    shown = fleet.world.host.exec(["ls", f"{ALICE}/backup"]).stdout.split()
    assert sorted(shown) == ["cache", "key.age", "key.cred", "key.for", "targets"]
    units = fleet.world.host.exec(
        ["systemctl", "list-units", "--all", "--plain", "--no-legend", "launchpad-*-alice*"]
    ).stdout
    assert units.strip() == ""
    assert fleet.world.host.exec(["ls", "/run/launchpad/sandbox"]).stdout == ""


def test_no_secret_is_in_words_environments_or_journals(fleet: Fleet) -> None:
    host, key = fleet.world.host, fleet.key()
    fleet.backup()
    journal = host.exec(["journalctl", "--no-pager", "-o", "cat"]).stdout
    operations = host.exec(["sh", "-c", "cat /var/lib/launchpad/operations/*/*"]).stdout
    for secret in (key, PASSWORD, SECRET, "OPENSSH PRIVATE KEY"):
        assert secret not in journal and secret not in operations


def test_the_sandbox_is_the_tenants_uid_and_nothing_more(fleet: Fleet) -> None:
    """Looked at from outside while restic works."""
    host, seen = fleet.world.host, ""
    host.exec(["sh", "-c", f"head -c 100M /dev/urandom > {VOLUME}/large; chown --reference={VOLUME} {VOLUME}/large"])
    started = fleet.world.start("backup", "alice")
    while not seen and started.poll() is None:
        found = host.exec(["pgrep", "-x", "restic"], check=False).stdout.split()
        seen = host.exec(["sh", "-c", LOOK, "sh", found[0]], check=False).stdout if found else ""
    started.communicate(timeout=300)
    host.exec(["rm", f"{VOLUME}/large"])
    lines = dict(line.split(":", 1) for line in seen.splitlines() if ":\t" in line)
    uid = str(slots.host_uid(1))
    assert lines["Uid"].split() == [uid] * 4 and lines["Gid"].split() == [uid] * 4
    assert {lines[name].strip("0 \t") for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {""}
    assert lines["NoNewPrivs"].strip() == "1"
    assert "tenants" not in seen and "operations" not in seen


def test_a_link_that_a_tenant_planted_is_a_link_in_the_backup(fleet: Fleet) -> None:
    host = fleet.world.host
    host.exec(["ln", "-sf", "/etc/shadow", f"{VOLUME}/shadow"])
    fleet.backup()
    host.exec(["rm", f"{VOLUME}/shadow"])
    folder = fleet.restored(fleet.snapshots()[-1]["id"])
    assert host.exec(["readlink", f"{folder}/marker/shadow"]).stdout.strip() == "/etc/shadow"


def test_a_file_that_only_root_may_read_makes_the_backup_a_failed_one(fleet: Fleet) -> None:
    """What the tenant's own user cannot read is not in the backup, and the backup does not count as a good one."""
    host = fleet.world.host
    host.exec(["sh", "-c", f"echo secret > {VOLUME}/roots; chmod 600 {VOLUME}/roots"])
    said = fleet.world.launchpad("backup", "alice", check=False)
    host.exec(["rm", f"{VOLUME}/roots"])
    assert said.code != 0 and "own user cannot read: 1" in " ".join((said.out + said.err).split()), said
    folder = fleet.restored(fleet.snapshots()[-1]["id"])
    assert not host.exists(f"{folder}/marker/roots"), "somebody in the sandbox could read what only root may"
    assert host.exists(f"{folder}/marker"), "the files that could be read are there all the same"
    fleet.backup()


def test_a_damaged_database_is_not_sent_and_is_named(fleet: Fleet) -> None:
    host, before = fleet.world.host, len(fleet.snapshots())
    host.exec(["python3", "-c", BROKEN, f"{VOLUME}/broken.db"])
    host.exec(["chown", f"--reference={VOLUME}", f"{VOLUME}/broken.db"])
    said = fleet.world.launchpad("backup", "alice", check=False)
    host.exec(["rm", f"{VOLUME}/broken.db"])
    assert said.code != 0 and "broken.db" in said.err
    assert len(fleet.snapshots()) == before
    assert not host.exists(f"{ALICE}/backup/frozen") and not host.exists(f"{ALICE}/backup/checked")


def test_what_hosts_have_can_neither_delete_nor_overwrite(fleet: Fleet) -> None:
    """By trying, with the very credentials of the host, on every file of the repository."""
    host = fleet.world.host
    before = host.exec(["sh", "-c", DIGESTS]).stdout
    assert len(before.splitlines()) > 8
    host.write("/root/login", f'user = "hosts:{PASSWORD}"\n')
    answers = host.exec(["sh", "-c", THIEF], timeout=300).stdout.split()
    tried = sum(int(count) for count in answers[::2])
    assert set(answers[1::2]) <= {"403", "405"} and tried == 2 * len(before.splitlines()), answers
    assert host.exec(["sh", "-c", DIGESTS]).stdout == before
    record("append-only-broken", 0, n=tried)


def test_target_show_says_what_is_enforced(fleet: Fleet) -> None:
    rest = fleet.world.launchpad("--json", "target", "show", "rest").json_document
    assert (rest["append_only"], rest["delete"], rest["overwrite"]) == ("enforced", "refused", "refused")
    for name, overwrite in (("cloud", "done"), ("disk", "untried"), ("sftp", "untried")):
        found = fleet.world.launchpad("--json", "target", "show", name).json_document
        assert (found["append_only"], found["delete"], found["overwrite"]) == ("not enforced", "done", overwrite)


def test_what_s3_does_not_take_is_told_at_once_and_stops_no_other(fleet: Fleet) -> None:
    """restic by itself tries a wrong secret for a quarter of an hour."""
    world, begun = fleet.world, time.monotonic()
    world.launchpad("target", "credential", "cloud", "S3_SECRET", stdin="another")
    world.launchpad("provision", "web-1")
    said = world.launchpad("backup", "alice", check=False)
    world.launchpad("target", "credential", "cloud", "S3_SECRET", stdin=SECRET)
    world.launchpad("provision", "web-1")
    assert said.code == 8 and "cloud" in said.err and "rejects this S3_SECRET" in said.err
    assert "disk" in said.out and "rest" in said.out
    assert time.monotonic() - begun < 120


def test_a_target_that_is_down_stops_no_other(fleet: Fleet) -> None:
    fleet.world.host.exec(["systemctl", "stop", "test-sshd"])
    said = fleet.world.launchpad("backup", "alice", check=False)
    fleet.world.host.exec(["systemctl", "reset-failed", "test-sshd"], check=False)
    fleet.world.host.exec(["systemd-run", "--quiet", "--unit=test-sshd", "/usr/sbin/sshd", "-D", "-f", "/root/sshd"])
    assert said.code == 8 and "sftp" in said.err
    assert "disk" in said.out and "rest" in said.out


def test_backups_are_listed_and_verified(fleet: Fleet) -> None:
    found = fleet.world.launchpad("--json", "backups", "list", "alice").json_document
    assert {item["target"] for item in found["backups"]} == set(PLACES) and found["problems"] == {}
    fleet.world.launchpad("backups", "verify", "alice", "--part", "1/1", timeout=600)


def test_a_flipped_byte_is_found_once_by_verifies_of_all_parts(fleet: Fleet) -> None:
    host, world = fleet.world.host, fleet.world
    pack = host.exec(["sh", "-c", LARGEST]).stdout.strip()
    host.exec(["chmod", "u+w", pack])
    host.exec(["python3", "-c", FLIP, pack])
    days = [f"{day}/{DAYS}" for day in range(1, DAYS + 1)]
    said = [world.launchpad("backups", "verify", "alice", "--part", day, check=False, timeout=600) for day in days]
    host.exec(["python3", "-c", FLIP, pack])
    failed = [done for done in said if done.code]
    assert len(failed) == 1 and "disk" in failed[0].err
    world.launchpad("backups", "verify", "alice", "--part", "1/1", timeout=600)


def test_kills_leave_nothing_unrestorable(fleet: Fleet) -> None:
    """kill -9 at random times, of the runner or of restic; then all is whole, and the newest comes back."""
    host, dice = fleet.world.host, random.Random(20261122)
    for round_ in range(4):
        fleet.mark(f"round-{round_}")
        started = fleet.world.start("backup", "alice")
        time.sleep(dice.uniform(2, 9))
        who = ["pkill", "-9", "-x", "restic"] if round_ % 2 else ["pkill", "-9", "-f", "start operation"]
        host.exec(who, check=False)
        started.communicate(timeout=300)
    fleet.mark("after-the-kills")
    fleet.backup()
    for target in PLACES:
        fleet.restic("check", "--read-data", "--no-lock", target=target)
        assert "after-the-kills" in fleet.markers(fleet.restored(fleet.snapshots(target)[-1]["id"], target))
    assert not host.exists(f"{ALICE}/backup/frozen")


def test_a_backup_is_proven_by_booting_it(fleet: Fleet) -> None:
    before = fleet.world.containers("alice")
    fleet.world.launchpad("drill", "alice", timeout=600)
    assert fleet.world.containers("alice") == before
    assert not fleet.world.host.exists(f"{ALICE}/clone") and not fleet.world.host.exists(f"{ALICE}/backup/fetched")
    (seen,) = json.loads(fleet.world.launchpad("--json", "status", "alice").out)["tenants"]
    assert seen["proven_age_seconds"] < 600 and seen["backup_age_seconds"] < 3600


def test_the_data_goes_back_to_a_backup(fleet: Fleet) -> None:
    fleet.mark("to-come-back")
    fleet.backup()
    newest = fleet.snapshots()[-1]["id"]
    fleet.mark("to-go")
    fleet.world.launchpad("restore", "alice", "--at", newest[:12], "--yes", timeout=600)
    fleet.world.wait_for("alice")
    assert fleet.world.get("alice", "/marker").body.decode() == "to-come-back"
    assert fleet.world.launchpad("status", "alice", "--check").code == 0


def test_operators_thin_out_what_hosts_cannot(fleet: Fleet) -> None:
    """From this machine; a folder of the host by the host. What a killed restic left is in nobody's way: others would
    wait for its lock until it is half an hour old."""
    host, world = fleet.world.host, fleet.world
    host.exec(["sh", "-c", f"head -c 100M /dev/urandom > {VOLUME}/large; chown --reference={VOLUME} {VOLUME}/large"])
    started, killed = fleet.world.start("backup", "alice"), False
    while not killed and started.poll() is None:
        killed = host.exec(["pkill", "-9", "-f", "restic.* backup "], check=False).status == 0
    started.communicate(timeout=300)
    host.exec(["rm", f"{VOLUME}/large"])
    for _ in range(2):
        fleet.backup()
    before = {target: [item["id"] for item in fleet.snapshots(target)] for target in PLACES}
    host.exec(["htpasswd", "-iB", f"{REST}/.htpasswd", "pruner"], stdin=PRUNER)
    host.exec(["systemd-run", "--quiet", "--unit=test-prune", "restic-rest-server", "--path", REST, *LISTEN])
    targets = yaml.safe_load((world.root / "inventory/targets.yaml").read_text())
    targets["rest"]["prune_url"] = "http://127.0.0.1:8001"
    (world.root / "inventory/targets.yaml").write_text(yaml.safe_dump(targets))
    tiers = yaml.safe_load((world.root / "inventory/tiers.yaml").read_text())
    tiers["light"]["backup"]["keep"] = {"last": 2, "daily": 1, "weekly": 0, "monthly": 0}
    (world.root / "inventory/tiers.yaml").write_text(yaml.safe_dump(tiers))
    for name, value in (("REST_USER", "pruner"), ("REST_PASSWORD", PRUNER)):
        world.launchpad("target", "credential", "rest", f"PRUNE_{name}", stdin=value)
    for name, value in (("S3_KEY_ID", KEY_ID), ("S3_SECRET", SECRET)):
        world.launchpad("target", "credential", "cloud", f"PRUNE_{name}", stdin=value)
    world.launchpad("target", "credential", "sftp", "PRUNE_SSH_KEY", stdin=(fleet.folder / "key").read_text())
    assert "backups recorded; the next run deletes" in fleet.run_launchpad("backups", "forget", "alice").stdout
    begun = time.monotonic()
    fleet.run_launchpad("backups", "forget", "alice")
    assert time.monotonic() - begun < 110, "it waited for a lock"
    proven = json.loads(host.read(f"{ALICE}/backup/proven.json"))["generation"]
    for target in PLACES:
        left = [item for item in fleet.snapshots(target) if f"generation={proven}" not in item["tags"]]
        assert [item["id"] for item in left][-2:] == before[target][-2:] and len(left) <= 2, target
    fleet.restic("check", "--read-data", "--no-lock", target="rest")
    assert f"generation={proven}" in str(fleet.snapshots("disk")), "the proven one went"
    assert world.launchpad("--json", "target", "show", "rest").json_document["append_only"] == "enforced"
    assert fleet.backup()["targets"]


def test_who_dates_backups_back_has_none_deleted(fleet: Fleet) -> None:
    """With what the host has: the target's credentials and the repository's key, and restic, which takes any date."""
    fleet.run_launchpad("backups", "forget", "alice")
    real = {item["id"] for item in fleet.snapshots("rest")}
    for day in ("2026-01-05", "2026-01-06"):
        said = ["--time", f"{day} 23:59:00", "--host", "alice", "--group-by", "host", "/root/public"]
        fleet.restic("backup", *said, target="rest")
    done = fleet.run_launchpad("backups", "forget", "alice", check=False)
    assert done.returncode == 4 and "rest: 2 new backups of alice" in done.stderr, done.stderr
    assert real < {item["id"] for item in fleet.snapshots("rest")}
    fleet.run_launchpad("backups", "forget", "alice", "--out-of-order", "delete", "--yes")
    assert {item["id"] for item in fleet.snapshots("rest")} == real


def test_a_backup_is_shown_and_comes_here_past_the_host(fleet: Fleet) -> None:
    newest = fleet.snapshots("sftp")[-1]["id"]
    shown = fleet.world.launchpad("--json", "backups", "show", "alice", newest[:8]).json_document
    assert {item["target"] for item in shown["copies"]} == set(PLACES) and shown["copies"][0]["app"] == "beacon"
    fleet.run_launchpad("backups", "download", "alice", "--at", newest, "--to", str(fleet.folder / "data"))
    connection = sqlite3.connect(fleet.folder / "data/marker/beacon.sqlite")
    assert ("to-come-back",) in connection.execute("SELECT * FROM marker").fetchall()
    connection.close()
    assert (fleet.folder / "data").stat().st_mode & 0o777 == 0o700
    assert (
        fleet.run_launchpad("backups", "download", "alice", "--to", str(fleet.folder / "data"), check=False).returncode
        == 4
    )


def test_the_kit_alone_brings_the_workspace_and_the_data_back(fleet: Fleet) -> None:
    """By its page's own lines, on a machine that has age and restic and nothing of Launchpad's."""
    host, world, page = fleet.world.host, fleet.world, fleet.folder / "kit.txt"
    world.launchpad("kit", "make", str(page), stdin=f"{PASSPHRASE}\n")
    assert "launchpad backups rewrap alice" in world.launchpad("status", "alice").err
    assert "launchpad provision web-1" in world.launchpad("backups", "rewrap", "alice", check=False).err
    world.launchpad("provision", "web-1")
    world.launchpad("backups", "rewrap", "alice")
    assert "rewrap" not in world.launchpad("status", "alice").err
    fleet.run_launchpad("backup", "--this-workspace")
    host.exec(["sh", "-c", "mkdir -p /root/.ssh; ssh-keyscan -p 2222 127.0.0.1 >> /root/.ssh/known_hosts"])  # a yes
    for target in ("rest", "cloud", "sftp"):
        folder = f"/root/rescue-{target}"
        rescue(host, page.read_text(), target, folder)
        assert "to-come-back" in fleet.markers(f"{folder}/data"), target
        assert host.read(f"{folder}/workspace/launchpad.yaml") == (world.root / "launchpad.yaml").read_text()
        assert host.exists(f"{folder}/workspace/inventory/secrets/targets/sftp.yaml")
        assert host.exists(f"{folder}/workspace/acme-root.pem")


def rescue(host: Any, page: str, target: str, folder: str) -> None:
    """What the page says, done to the letter by somebody who has it, its passphrase and that target."""
    commands = [line for line in page.splitlines() if line[:5] == " " * 5 and "launchpad kit" not in line]
    host.write(f"{folder}/kit.txt", page)
    host.write(f"{folder}/open.sh", "\n".join([f"set -eux; cd {folder}", *commands[:2]]))
    # age asks at the terminal alone, so it gets one.
    host.exec(["script", "-qec", f"bash {folder}/open.sh", "/dev/null"], stdin=f"{PASSPHRASE}\n", timeout=120)
    lines = host.read(f"{folder}/opened.txt").splitlines()
    start = next(number for number, line in enumerate(lines) if line.split() == [target])
    about = list(takewhile(str.strip, lines[start + 1 :]))
    places = dict(line.split() for line in about if len(line.split()) == 2)
    reaching = [line for line in about if line.startswith("  export ")]
    script = "\n".join([f"set -eux; cd {folder}", *reaching, *commands[2:]])
    for word in ("WORKSPACE", "KEYS", "REPOSITORY"):
        script = script.replace(f" {word} ", f" {places[word]} ")
    if target == "sftp":
        first = next(number for number, line in enumerate(about) if "BEGIN OPENSSH" in line)
        host.write(f"{folder}/ssh_key", "\n".join(about[first:]) + "\n")
        script = f"chmod 600 {folder}/ssh_key\n" + script.replace("restic -r", "restic -o sftp.args='-i ssh_key' -r")
    host.exec(["bash", "-c", script.replace("TENANT", "alice")], timeout=300)


def test_one_tenants_backup_becomes_anothers_data(fleet: Fleet) -> None:
    world = fleet.world
    world.add_tenant("bob")
    world.deploy("bob")
    world.wait_for("bob")
    assert world.request("bob", "POST", "/marker", body=b"of-bob").status in (200, 201, 204)
    refused = world.launchpad("restore", "alice", "--to", "bob", check=False)
    assert refused.code == 4 and "alice's tokens" in refused.err
    world.launchpad("restore", "alice", "--to", "bob", "--yes", timeout=600)
    world.wait_for("bob")
    assert world.get("bob", "/marker").body.decode() == "to-come-back"
    slot = yaml.safe_load((world.root / "inventory/tenants/bob.yaml").read_text())["slot"]
    owners = world.host.exec(["find", "/srv/launchpad/tenants/bob/data", "-mindepth", "1", "-printf", "%U\n"]).stdout
    assert set(owners.split()) == {str(slots.host_uid(slot))}
    assert not world.host.exists("/srv/launchpad/tenants/bob/backup/source.cred")
    kept = json.loads(world.launchpad("--json", "generations", "bob").out)["generations"]
    assert "restore" in [item["why"] for item in kept], "bob's own data is gone"
    world.launchpad("retire", "bob", "--purge", "--yes")


def test_what_a_new_host_takes_to_have_the_data_again(fleet: Fleet) -> None:
    """The sequence of docs/backups.md, with the old host's knowledge purged; the folder of the old host is gone too."""
    host, world, key = fleet.world.host, fleet.world, fleet.key("sftp")
    said = world.launchpad("retire", "alice", "--purge", "--yes").out
    assert "launchpad backups erase alice --target rest" in said
    assert not host.exists(ALICE)
    host.exec(["rm", "-rf", f"{DISK}/alice", f"{DISK}/alice.key"])
    world.deploy("alice")
    world.wait_for("alice")
    newest = fleet.snapshots("sftp")[-1]["id"]
    fleet.lay_made_up_key("rest")
    world.launchpad("restore", "alice", "--at", newest, "--yes", timeout=600)
    world.wait_for("alice")
    assert world.get("alice", "/marker").body.decode() == "to-come-back"
    fleet.backup()
    assert fleet.key("sftp") == fleet.key("disk") == key
