"""The emergency kit on a real host: what it opens is judged by age itself, and where it enters, by what runs there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from labkit import Host, Lab

from launchpad.fleet.sealing.keys import new_ssh_key
from launchpad.runner.protocol import PROTOCOL
from tests.lab.outside.keeper import PASSPHRASE, PASSWORD, REST, Stranger, a_keeper, run_launchpad
from tests.lab.world import World, write
from tests.tally import tallied

AGE = "age -d -i /root/identity"
STATE = (
    "find /etc/launchpad /var/lib/launchpad /srv/launchpad/tenants -type f ! -name '*.sqlite*' ! -name 'watch.*' "
    "! -name storage.btrfs -printf '%p %T@ %s\\n' | sort"  # the disk of all tenants is written whenever they write
)


@dataclass
class Place:
    world: World
    keeper: Host
    stranger: Stranger
    kit: Path

    def opened_by_age(self, text: str) -> str:
        """What age says on a machine with the kit's identity; empty when it does not open it."""
        self.world.host.write("/root/sealed", text)
        self.world.host.write("/root/identity", (self.stranger.home / ".config/launchpad/identity").read_text())
        return self.world.host.exec(["sh", "-c", f"{AGE} < /root/sealed"], check=False).stdout


@pytest.fixture(scope="module")
def place(lab: Lab, world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """alice on web-1 with a backup, secrets of every kind set before and after the kit."""
    home = tmp_path_factory.mktemp("stranger")
    stranger = Stranger(home, world.host.root / "usr/bin")
    write(world.root / "launchpad.yaml", dns={"provider": "hetzner"})
    with a_keeper(lab, world) as keeper:
        world.add_tenant("alice")
        world.launchpad("secret", "rotate", "alice", "BEACON_TOKEN")
        world.launchpad("dns", "credential", "HCLOUD_TOKEN", stdin="of-dns")
        kit = home / "kit.txt"
        world.launchpad("kit", "make", str(kit), stdin=f"{PASSPHRASE}\n")
        world.launchpad("target", "credential", "offsite", "PRUNE_REST_USER", stdin="set after the kit")
        world.launchpad("provision", "web-1", timeout=600)
        world.deploy("alice")
        world.launchpad("backup", "alice")
        run_launchpad(world, stranger, "backup", "--this-workspace")
        yield Place(world, keeper, stranger, kit)


def test_the_kit_opens_everything(place: Place, request: pytest.FixtureRequest) -> None:
    world, stranger = place.world, place.stranger
    with tallied("outside-b1", request) as holds:
        wrong = stranger.shell("launchpad kit open kit.txt fleet", stdin="another passphrase\n")
        holds("another passphrase opens nothing", wrong.code == 4 and not (stranger.home / "fleet").exists(), wrong)
        done = stranger.shell("launchpad kit open kit.txt fleet", stdin=f"{PASSPHRASE}\n")
        holds("the kit brings the workspace to an empty home", done.code == 0, done)
        back = stranger.home / "fleet"
        sealed = {
            f"{path.relative_to(back / 'inventory/secrets')} {name}": item["value"]
            for path in sorted((back / "inventory/secrets").rglob("*.yaml"))
            for name, item in yaml.safe_load(path.read_text()).items()
        }
        for name, value in sealed.items():
            holds(f"age opens {name} with the kit's identity", place.opened_by_age(value))
        kinds = {name.split()[0] for name in sealed}
        holds("every kind is among them", kinds == {"alice.yaml", "dns/hetzner.yaml", "targets/offsite.yaml"}, kinds)
        holds("a value is the real one", place.opened_by_age(sealed["targets/offsite.yaml REST_PASSWORD"]) == PASSWORD)
        wrap = world.host.read("/srv/launchpad/tenants/alice/backup/key.age")
        holds("age opens the key of alice's backups", place.opened_by_age(wrap))
        root = (back / "acme-root.pem").read_bytes()
        holds("the file of Caddy's authority came back", root == (world.root / "acme-root.pem").read_bytes())
        # One that was sealed when launchpad.yaml knew no kit, as by a colleague's stale checkout.
        settings = world.root / "launchpad.yaml"
        with_kit = settings.read_text()
        settings.write_text(yaml.safe_dump({k: v for k, v in yaml.safe_load(with_kit).items() if k != "recovery"}))
        world.launchpad("secret", "rotate", "alice", "BEACON_TOKEN")
        settings.write_text(with_kit)
        file = world.root / "inventory/secrets/alice.yaml"
        holds("it is really not the kit's", not place.opened_by_age(token(file)))
        said = world.launchpad("check").out
        holds("check names what is not sealed for the kit", "alice: BEACON_TOKEN" in said, said)
        world.launchpad("secret", "reseal")
        holds("reseal mends it", place.opened_by_age(token(file)))


def token(file: Path) -> str:
    return str(yaml.safe_load(file.read_text())["BEACON_TOKEN"]["value"])


def test_the_kit_enters_every_host(place: Place, request: pytest.FixtureRequest) -> None:
    world, stranger, host = place.world, place.stranger, place.world.host
    if not (stranger.home / "fleet").exists():
        assert stranger.shell("launchpad kit open kit.txt fleet", stdin=f"{PASSPHRASE}\n").code == 0
    with tallied("outside-b2", request) as holds:
        never = world.launchpad("status", check=False).err
        before = host.exec(["sh", "-c", STATE]).stdout
        holds("status says that the kit was never tested", "the emergency kit was never tested" in never, never)
        tried = run_launchpad(world, stranger, "kit", "test", str(place.kit), stdin=f"{PASSPHRASE}\n", check=False)
        holds("kit test finds everything open", tried.code == 0 and "opens everything" in tried.out, tried)
        differs = sorted(set(before.splitlines()) ^ set(host.exec(["sh", "-c", STATE]).stdout.splitlines()))
        holds("kit test changes nothing", not differs, differs)
        said = world.launchpad("status", check=False).err
        holds("status says when that was", "the emergency kit was tested" in said, said)
        stranger.launchpad("stop", "alice")
        holds("the kit alone stops a tenant of a living host", not world.containers("alice"))
        stranger.launchpad("start", "alice")
        holds("and starts it", world.containers("alice"))
        world.wait_for("alice")
        key, public = new_ssh_key("new operator")
        settings = stranger.home / "fleet/launchpad.yaml"
        record = yaml.safe_load(settings.read_text())
        record["operators"] = [*record["operators"], {"name": "newcomer", "keys": [str(public)]}]
        settings.write_text(yaml.safe_dump(record, sort_keys=False))
        stranger.launchpad("provision", "web-1")
        (stranger.home / "new_key").write_text(key.reveal())
        (stranger.home / "new_key").chmod(0o600)
        hello = stranger.shell(
            "ssh -F none -i new_key -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
            f"launchpad@{host.address}",
            stdin=json.dumps({"protocol": PROTOCOL, "client": "test", "verb": "hello", "body": {}}) + "\n",
        )
        holds("the kit's signature lets a new operator in", '"boot_id"' in hello.out, hello)
        # What a kit no longer opens is named.
        signers = host.read("/etc/launchpad/allowed_signers")
        others = "".join(line for line in signers.splitlines(keepends=True) if not line.startswith("recovery"))
        host.write("/etc/launchpad/allowed_signers", others)
        place.keeper.exec(["mv", f"{REST}/alice.key", f"{REST}/gone.key"])
        tried = run_launchpad(world, stranger, "kit", "test", str(place.kit), stdin=f"{PASSPHRASE}\n", check=False)
        place.keeper.exec(["mv", f"{REST}/gone.key", f"{REST}/alice.key"])
        holds("a host that forgot the kit is named", tried.code == 4 and "web-1: web-1 rejects" in tried.out, tried)
        holds("a backup whose key is gone is named", "alice at offsite: " in tried.out, tried)
        stranger.launchpad("provision", "web-1")
        tried = run_launchpad(world, stranger, "kit", "test", str(place.kit), stdin=f"{PASSPHRASE}\n", check=False)
        holds("provision mends the host", tried.code == 0, tried)
