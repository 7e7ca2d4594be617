"""What an operator's SSH key is worth alone: with the workspace's plain files, but no age identity and no signing key.
The client's own checks are left out: each request goes straight to the host.

The seen instance: a deploy of alice with another command, no secrets, and as ancestors what `observe` had shown,
printed her secrets into the logs. What still works is a list by name, in SECURITY.md too: nothing joins it unseen.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from launchpad.fleet.sealing.age import new_identity, seal
from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.moving.transfer import framed
from launchpad.operations.tenants.deploy import deploy_operation
from launchpad.runner.protocol import PROTOCOL, digest_of
from tests.contract.carrying import archived
from tests.lab.settings import wanted
from tests.lab.thief import Thief, is_refusal
from tests.lab.world import World
from tests.tally import Tally, tallied

PROJECT = Path(__file__).parents[3]
DISK = {"name": "disk", "kind": "local", "url": "/srv/disk", "host_keys": []}
EVILS = {"name": "disk", "kind": "rest", "url": "http://10.77.0.1:8000", "host_keys": []}
EVES_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJk1tBlbQ5TFxqQ0D3cpuTwV2Z5vNcu2lBxCJZfWNCSc"
PRINTS = ["sh", "-c", "cat /run/secrets/* /srv/* 2>/dev/null; env; sleep 600"]
WORKS = (
    "read the status of tenants, and who deployed what",
    "read the history",
    "read a tenant's logs, its known secrets redacted",
    "list a tenant's backups",
    "take a tenant's data away, sealed for the operators",
    "run an action that its app offers",
    "stop a tenant",
    "start a tenant",
    "back a tenant up, to its own targets",
    "verify a tenant's backups",
    "thin out backups in a folder of the host, all but the newest",
    "keep a tenant's data as it is now",
    "drop a tenant's generations",
    "deploy a release of one's own, with secrets of one's own",
    "roll a tenant back to a release that ran before",
    "fill a host's storage with data of one's own, up to what undos and journals need",
    "restore such data over a tenant's own",
    "make a tenant leave for an address of one's own",
    "purge a tenant",
    "read a tenant's diagnostics bundle, without secrets and message bodies",
)
"""Of the requests below those that the host takes from a thief until intents are signed too."""


NOT_THERE = "is missing in the request"
REFUSED = {
    "print a tenant's secrets by a command of one's own": NOT_THERE,
    "the same as an upgrade": NOT_THERE,
    "the same as a rehearsal": NOT_THERE,
    "the same with a guess": "has a different value on the host",
    "the same for another tenant": NOT_THERE,
    "back a tenant up to one's own server": "this host's settings",
    "the same under a name of one's own": "this host's settings",
    "back a tenant up by a key of one's own": "opens none of its repositories",
    "bring credentials of one's own": "is not the key of a repository",
    "have a key wrapped for oneself": "name other recipients",
    "have a key wrapped by oneself": "unknown key 'wrap'",
    "verify at one's own server": "this host's settings",
    "look for backups at one's own server": "this host's settings",
    "try one's own server": "this host's settings",
    "bring one tenant's backup to another": "another tenant's name and the key",
    "add an operator": "are not signed",
    "add a place for backups": "are not signed",
    "add a reader": "are not signed",
    "install a runner": "is not signed by",
}
"""What the host says to the others."""


@pytest.fixture(scope="module")
def holds(request: pytest.FixtureRequest) -> Iterator[Tally]:
    with tallied("outside-a7", request) as tally:
        yield tally


@dataclass
class Heist:
    """The host with alice, who is backed up, and carol, who never was; and what the thief found out."""

    world: World
    thief: Thief
    secret: str
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    number: int = 0

    def deploy(self, tenant: str, *, kind: str = "deploy", secrets: Any = None, **changes: Any) -> dict[str, Any]:
        """A well-formed release of the thief's: the tenant's own, but for its command (and what `changes` says)."""
        workspace = self.thief.workspace
        fleet = workspace.fleet.load()
        seen = self.thief.ask("observe", {"tenants": [tenant], "probes": False})["body"]["tenants"][tenant]
        operation = deploy_operation(workspace, fleet, fleet.tenant(tenant), inventory=workspace.revision(tenant))
        compose = json.loads(operation["files"]["compose.yaml"])
        for service in compose["services"].values():
            service["command"] = PRINTS
        text = json.dumps(compose)
        operation["files"]["compose.yaml"] = text
        operation["release"]["files"]["compose.yaml"] = digest_of(text.encode())
        own = changes.pop("own_secrets", None)
        operation["release"] |= {"secrets": own} if own else {}
        revision = seen["record"]["revision"]
        operation["inventory"] = {"revision": revision, "ancestors": [revision]}
        del operation["kind"]
        return self.submit(kind, **operation, **changes, secrets=secrets)

    def submit(self, kind: str, *, secrets: Any = None, follow: bool = True, **operation: Any) -> dict[str, Any]:
        self.number += 1
        body = {
            "id": f"thief-{self.number:06d}",
            "operation": {**operation, "kind": kind},
            "secrets": secrets or {},
            "follow": follow,
        }
        return self.thief.ask("submit", body)

    def bring(self, tenant: str, generation: str) -> dict[str, Any]:
        """Data of the thief's own, as a move or an import brings it, for what runs."""
        record = self.thief.ask("observe", {"tenants": [tenant], "probes": False})["body"]["tenants"][tenant]["record"]
        body = {key: record[key] for key in ("tenant", "slot", "app", "version", "disk_mb")}
        body |= {"generation": generation, "volumes": ["state"]}
        request = {"protocol": PROTOCOL, "client": "0.0.1", "verb": "receive", "body": body}
        planted = tarfile.TarInfo("state/planted")
        planted.size = len(b"by a thief")
        archive = archived([(planted, b"by a thief")])
        return self.thief.say(b"".join([json.dumps(request).encode() + b"\n", *framed([archive])]))

    def everything_said(self) -> str:
        return json.dumps(self.answers)


@pytest.fixture(scope="module")
def heist(world: World) -> Heist:
    world.host.exec(["mkdir", "-p", "/srv/disk"])
    targets = {"disk": {"kind": "local", "url": "/srv/disk"}}
    (world.root / "inventory/targets.yaml").write_text(yaml.safe_dump(targets))
    tiers = yaml.safe_load((world.root / "inventory/tiers.yaml").read_text())
    tiers["light"]["backup"] = {"targets": ["disk"]}
    (world.root / "inventory/tiers.yaml").write_text(yaml.safe_dump(tiers))
    world.launchpad("provision", "web-1")
    secret = "the-token-that-alice-alone-has"
    for name in ("alice", "carol"):
        world.add_tenant(name)
        world.launchpad("secret", "set", name, "BEACON_TOKEN", stdin=secret)
        world.deploy(name)
        world.wait_for(name)
    world.launchpad("backup", "alice")
    world.launchpad("snapshot", "alice")
    made = Heist(world, Thief(world), secret)
    world.deploy("alice", version="1.1.0")  # so that a release ran before
    return made


def requests(heist: Heist) -> dict[str, Any]:
    """Thirty and more, by what they are to win, in an order in which what works ends what follows least."""
    ask, submit, deploy = heist.thief.ask, heist.submit, heist.deploy
    alice: dict[str, Any] = {"tenant": "alice", "targets": [DISK]}
    _, eves = new_identity()
    own_key = {"REPOSITORY_KEY": {"version": 1, "value": "the-thief's-own-key"}}
    version = heist.thief.workspace.secrets.versions(TenantName("alice"))[SecretName("BEACON_TOKEN")]
    guess = {"BEACON_TOKEN": {"version": version, "value": "a guess"}}
    settings = wanted(heist.thief.workspace)
    away = [{"target": EVILS, "credentials": {}}]
    seen = ask("observe", {"tenants": ["alice"], "probes": False})["body"]["tenants"]["alice"]["record"]
    generation = ask("generations", {"tenant": "alice"})["body"]["generations"][0]["id"]
    leaving: dict[str, Any] = {"tenant": "alice", "to": "web-9", "address": "10.77.0.1", "above": 0}
    return {
        # refused, each of them
        "print a tenant's secrets by a command of one's own": lambda: deploy("alice"),
        "the same as an upgrade": lambda: deploy("alice", kind="upgrade", soak=0, rehearse=False),
        "the same as a rehearsal": lambda: deploy("alice", kind="rehearse", generation=generation),
        "the same with a guess": lambda: deploy("alice", secrets=guess),
        "the same for another tenant": lambda: deploy("carol", secrets={}),
        "back a tenant up to one's own server": lambda: submit("backup", tenant="carol", targets=[EVILS]),
        "the same under a name of one's own": lambda: submit(
            "backup", tenant="carol", targets=[EVILS | {"name": "evil"}]
        ),
        "back a tenant up by a key of one's own": lambda: submit(
            "backup", tenant="carol", targets=[DISK], secrets=own_key
        ),
        "bring credentials of one's own": lambda: submit(
            "backup", **alice, secrets={"disk.REST_PASSWORD": {"version": 1, "value": "x"}}
        ),
        "have a key wrapped for oneself": lambda: submit("rewrap", **alice, recipients="0" * 16),
        "have a key wrapped by oneself": lambda: submit(
            "rewrap", **alice, recipients="", wrap=seal(Secret("x"), [eves])
        ),
        "verify at one's own server": lambda: submit("verify", tenant="alice", targets=[EVILS], part="1/7"),
        "look for backups at one's own server": lambda: ask("backups", {"tenant": "carol", "targets": [EVILS]}),
        "try one's own server": lambda: ask("target", {"target": EVILS}),
        "bring one tenant's backup to another": lambda: submit(
            "fetch", tenant="carol", targets=[DISK], snapshot="a" * 8, source="alice"
        ),
        "add an operator": lambda: submit(
            "provision", settings=settings | {"operators": [{"name": "eve", "keys": [EVES_KEY]}]}
        ),
        "add a place for backups": lambda: submit("provision", settings=settings | {"targets": away}),
        "add a reader": lambda: submit("provision", settings=settings | {"recipients": [str(eves)]}),
        "install a runner": lambda: ask("install", {"archive": "", "signature": "", "signer": "operator"}),
        # taken, each of them
        WORKS[0]: lambda: ask("observe", {"tenants": None, "probes": False}),
        WORKS[1]: lambda: ask("history", {}),
        WORKS[2]: lambda: ask("logs", {"tenants": ["alice"], "lines": 50}),
        WORKS[3]: lambda: ask("backups", alice),
        WORKS[-1]: lambda: ask("diagnose", {"tenant": "alice"}),
        WORKS[4]: lambda: ask("send", {"tenant": "alice", "generation": generation}),
        WORKS[5]: lambda: ask("act", {"tenant": "alice", "action": "check", "arguments": []}),
        WORKS[6]: lambda: submit("stop", tenant="alice"),
        WORKS[7]: lambda: submit("start", tenant="alice"),
        WORKS[8]: lambda: submit("backup", **alice),
        WORKS[9]: lambda: submit("verify", **alice, part="1/7"),
        WORKS[10]: lambda: submit("forget", **alice, keep={"last": 1}),
        WORKS[11]: lambda: submit("snapshot", tenant="alice"),
        WORKS[12]: lambda: submit("drop", tenant="alice", generations=[newest(heist, "alice")]),
        WORKS[13]: lambda: deploy(
            "carol",
            secrets={"BEACON_TOKEN": {"version": 99, "value": "the thief's own"}},
            own_secrets={"BEACON_TOKEN": 99},
        ),
        WORKS[14]: lambda: submit("rollback", tenant="alice", to="", keep_data=True, soak=0, replaces=seen["release"]),
        WORKS[15]: lambda: heist.bring("alice", "thief-data"),
        WORKS[16]: lambda: submit("restore", tenant="alice", generation="thief-data", replaces=now(heist, "alice")),
        WORKS[17]: lambda: submit("depart", **leaving, replaces=now(heist, "alice")),
        WORKS[18]: lambda: submit("retire", tenant="carol", purge=True),
    }


def newest(heist: Heist, tenant: str) -> str:
    kept = heist.thief.ask("generations", {"tenant": tenant})["body"]["generations"]
    return str(max(kept, key=lambda item: item["at"])["id"])


def now(heist: Heist, tenant: str) -> str:
    said = heist.thief.ask("observe", {"tenants": [tenant], "probes": False})
    return str(said["body"]["tenants"][tenant]["record"]["release"])


def test_what_a_stolen_ssh_key_can_do_is_listed(heist: Heist, holds: Tally) -> None:
    asked = requests(heist)
    assert len(asked) >= 30
    for name, request in asked.items():
        heist.answers[name] = request()
        taken = not is_refusal(heist.answers[name])
        if name in WORKS:
            holds(f"listed as what still works: {name}", taken, heist.answers[name])
        else:
            why = str(heist.answers[name].get("message"))
            holds(f"refused: {name}", not taken and REFUSED[name] in why, heist.answers[name])
    print("\nwhat still works with a stolen SSH key, until intents are signed:")
    print("\n".join(f"  {name}" for name in WORKS))


def test_none_of_it_shows_a_secret(heist: Heist, holds: Tally) -> None:
    """In no answer, no container's log, no journal, and nowhere outside of the vault and the tenant's own tmpfs."""
    host = heist.world.host
    holds("no answer has alice's secret", heist.secret not in heist.everything_said())
    logs = host.exec(["sh", "-c", "for c in $(docker ps -aq); do docker logs $c 2>&1; done; journalctl -o cat"]).stdout
    holds("no log has alice's secret", heist.secret not in logs)
    found = host.exec(["grep", "-rlF", heist.secret, "/var/lib/launchpad/operations", "/srv/disk", "/etc"], check=False)
    holds("no journal, repository or setting has it", found.stdout == "", found.stdout)


def test_security_md_names_all_that_works(holds: Tally) -> None:
    text = " ".join((PROJECT / "SECURITY.md").read_text().split())
    holds("SECURITY.md lists it line by line", all(name in text for name in WORKS), [n for n in WORKS if n not in text])
