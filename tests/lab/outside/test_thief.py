"""What an operator's SSH key is worth alone: with the workspace's plain files, but no age identity and no signing key.
The client's own checks are left out: each request goes straight to the host, unsigned, signed by another operator, and,
to see that it is well made, signed by the very operator.

The seen instance: a deploy of alice with another command, no secrets, and as ancestors what `observe` had shown,
printed her secrets into the logs. What still works is a list by name, in SECURITY.md too: nothing joins it unseen.
"""

from __future__ import annotations

import json
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from benchkit.sshd import make_key

from launchpad.fleet.sealing.age import new_identity
from launchpad.operations.moving.transfer import framed
from launchpad.operations.tenants.deploy import deploy_operation
from launchpad.runner.protocol import digest_of
from launchpad.ssh.intents import intent_for, signs_with
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
    "read a tenant's diagnostics bundle, without secrets and message bodies",
    "start a tenant",
    "restart a tenant",
    "keep a tenant's data as it is now",
    "back a tenant up, to its own targets",
    "verify a tenant's backups",
    "remove what nobody needs any more from a host",
)
"""What the host takes without a signature: reading, and what cron does."""
NOT_SIGNED, NOT_BY_HER = "this request is not signed: ", "this request is not signed by "
REFUSED = {
    "back a tenant up to one's own server": "this host's settings",
    "the same under a name of one's own": "this host's settings",
    "back a tenant up by a key of one's own": "opens none of its repositories",
    "bring credentials of one's own": "is not the key of a repository",
    "verify at one's own server": "this host's settings",
    "look for backups at one's own server": "this host's settings",
    "add an operator": "are not signed",
    "add a place for backups": "are not signed",
    "add a reader": "are not signed",
    "install a runner": "is not signed by",
}
"""What needs no signed intent, and what the host says to it."""


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
    follows: bool = True
    """Whether operations are followed to their end."""

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
        changes.pop("edit", lambda _: None)(operation)
        return self.submit(kind, **operation, **changes, secrets=secrets)

    def submit(self, kind: str, *, secrets: Any = None, **operation: Any) -> dict[str, Any]:
        self.number += 1
        body = {
            "id": f"thief-{self.number:06d}",
            "operation": {**operation, "kind": kind},
            "secrets": secrets or {},
            "follow": self.follows,
        }
        return self.thief.ask("submit", body)

    def bring(self, tenant: str, generation: str) -> dict[str, Any]:
        """Data of the thief's own, as a move or an import brings it, for what runs."""
        record = self.thief.ask("observe", {"tenants": [tenant], "probes": False})["body"]["tenants"][tenant]["record"]
        body = {key: record[key] for key in ("tenant", "slot", "app", "version", "disk_mb")}
        body |= {"generation": generation, "volumes": ["state"]}
        planted = tarfile.TarInfo("state/planted")
        planted.size = len(b"by a thief")
        archive = archived([(planted, b"by a thief")])
        return self.thief.say(b"".join([self.thief.line("receive", body), *framed([archive])]))

    def everything_said(self) -> str:
        return json.dumps(self.answers)


def with_eve(world: World) -> None:
    """An operator who signs too, with keys in the workspace's folder."""
    people = yaml.safe_load((world.root / "launchpad.yaml").read_text())
    keys = {"keys": "eve-ssh", "signing_keys": "eve"}
    for name in keys.values():
        make_key(world.root / name)
    eve = {kind: [(world.root / f"{name}.pub").read_text().strip()] for kind, name in keys.items()}
    people["operators"].append({"name": "eve", **eve})
    (world.root / "launchpad.yaml").write_text(yaml.safe_dump(people))


@pytest.fixture(scope="module")
def heist(world: World) -> Heist:
    world.host.exec(["mkdir", "-p", "/srv/disk"])
    targets = {"disk": {"kind": "local", "url": "/srv/disk"}}
    (world.root / "inventory/targets.yaml").write_text(yaml.safe_dump(targets))
    tiers = yaml.safe_load((world.root / "inventory/tiers.yaml").read_text())
    tiers["light"]["backup"] = {"targets": ["disk"]}
    (world.root / "inventory/tiers.yaml").write_text(yaml.safe_dump(tiers))
    with_eve(world)
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


def unsigned(heist: Heist) -> dict[str, Any]:
    """What needs no signed intent: refused for its own reason, or taken."""
    ask, submit = heist.thief.ask, heist.submit
    alice: dict[str, Any] = {"tenant": "alice", "targets": [DISK]}
    _, eves = new_identity()
    own_key = {"REPOSITORY_KEY": {"version": 1, "value": "the-thief's-own-key"}}
    settings = wanted(heist.thief.workspace)
    away = [{"target": EVILS, "credentials": {}}]
    return {
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
        "verify at one's own server": lambda: submit("verify", tenant="alice", targets=[EVILS], part="1/7"),
        "look for backups at one's own server": lambda: ask("backups", {"tenant": "carol", "targets": [EVILS]}),
        "add an operator": lambda: submit(
            "provision", settings=settings | {"operators": [{"name": "eve", "keys": [EVES_KEY]}]}
        ),
        "add a place for backups": lambda: submit("provision", settings=settings | {"targets": away}),
        "add a reader": lambda: submit("provision", settings=settings | {"recipients": [str(eves)]}),
        "install a runner": lambda: ask("install", {"archive": "", "signature": "", "signer": "operator"}),
        WORKS[0]: lambda: ask("observe", {"tenants": None, "probes": False}),
        WORKS[1]: lambda: ask("history", {}),
        WORKS[2]: lambda: ask("logs", {"tenants": ["alice"], "lines": 50}),
        WORKS[3]: lambda: ask("backups", alice),
        WORKS[4]: lambda: ask("diagnose", {"tenant": "alice"}),
        WORKS[5]: lambda: submit("start", tenant="alice"),
        WORKS[6]: lambda: submit("restart", tenant="alice"),
        WORKS[7]: lambda: submit("snapshot", tenant="alice"),
        WORKS[8]: lambda: submit("backup", **alice),
        WORKS[9]: lambda: submit("verify", **alice, part="1/7"),
        WORKS[10]: lambda: submit("prune"),
    }


def to_be_signed(heist: Heist) -> dict[str, Callable[[], dict[str, Any]]]:
    """Each attack on a tenant, in an order in which what works ends what follows least. Each is built anew when it is
    sent: unsigned, signed by somebody else, and signed by the operator whose SSH key it is."""
    ask, submit, deploy = heist.thief.ask, heist.submit, heist.deploy
    alice: dict[str, Any] = {"tenant": "alice", "targets": [DISK]}
    generation = ask("generations", {"tenant": "alice"})["body"]["generations"][0]["id"]
    secrets = {"BEACON_TOKEN": {"version": 99, "value": "the thief's own"}}
    own: dict[str, Any] = {"secrets": secrets, "own_secrets": {"BEACON_TOKEN": 99}}
    leaving: dict[str, Any] = {"tenant": "alice", "to": "web-9", "address": "10.77.0.1", "above": 0}

    def edited(change: Callable[[dict[str, Any]], object], kind: str = "deploy", **more: Any) -> Any:
        return lambda: deploy("carol", kind=kind, edit=change, **own, **more)

    def service(**keys: Any) -> Callable[[dict[str, Any]], object]:
        return lambda operation: in_compose(operation, **keys)

    upgrade: dict[str, Any] = {"kind": "upgrade", "soak": 0, "rehearse": False}
    return {
        "print a tenant's secrets by a command of one's own": lambda: deploy("alice"),
        "the same by an entrypoint": edited(service(entrypoint=PRINTS)),
        "the same by a health check": edited(service(healthcheck={"test": PRINTS})),
        "the same as an upgrade": lambda: deploy("alice", **upgrade),
        "the same as a rehearsal": lambda: deploy("alice", kind="rehearse", generation=generation),
        "the same for another tenant": lambda: deploy("carol", secrets={}),
        "a probe of one's own": edited(lambda operation: operation["release"]["probes"][0].update(path="/x")),
        "an action of one's own": edited(lambda operation: operation["release"]["actions"].append(ACTION)),
        "another image, by its digest": edited(lambda operation: image(operation, "7" * 64)),
        "a mounted file of one's own": edited(lambda operation: mounts(operation, "x")),
        "a site of one's own": edited(lambda operation: site(operation)),
        "a way out": edited(lambda operation: operation["release"].update(egress="open")),
        "an older revision of the inventory": edited(lambda operation: operation.update(inventory=NOTHING)),
        "values of one's own for the vault": lambda: deploy("carol", **own),
        "deploy after a revision that the host has just shown": edited(
            lambda o: o.update(after=o["inventory"]["revision"])
        ),
        "a new version without a rehearsal": edited(service(), **upgrade),
        "take a tenant's data away": lambda: ask("send", {"tenant": "alice", "generation": generation}),
        "take a tenant's certificates away": lambda: ask("certificates", {"tenant": "alice"}),
        "a one-time link into an app": lambda: ask("act", {"tenant": "alice", "action": "check", "arguments": []}),
        "fetch a backup": lambda: submit("fetch", **alice, snapshot="a" * 8),
        "bring one tenant's backup to another": lambda: submit(
            "fetch", tenant="carol", targets=[DISK], snapshot="a" * 8, source="alice"
        ),
        "have a key wrapped for oneself": lambda: submit("rewrap", **alice, recipients="0" * 16),
        "thin out backups in a folder of the host": lambda: submit("forget", **alice, keep={"last": 1}),
        "try one's own server": lambda: ask("target", {"target": EVILS}),
        "silence a host": lambda: ask("silence", {"tenant": "", "seconds": 3600, "why": "nothing to see"}),
        "say that a game day proved a backup": lambda: ask("gameday", {"record": {}}),
        "write a rollout": lambda: ask("rollout", {"id": "rollout-00001", "intent": {"serial": 9, "what": "halt"}}),
        "stop a tenant": lambda: submit("stop", tenant="alice"),
        "start what was stopped, in a release of one's own": lambda: deploy("carol", **own),
        "roll a tenant back": lambda: submit(
            "rollback", tenant="alice", to="", keep_data=True, soak=0, replaces=now(heist, "alice")
        ),
        "fill a host's storage with data of one's own": lambda: heist.bring("alice", "thief-data"),
        "restore data over a tenant's own": lambda: submit(
            "restore", tenant="alice", generation="thief-data", replaces=now(heist, "alice")
        ),
        "import data": lambda: deploy("alice", kind="import", generation=generation, soak=0, rehearse=False),
        "drop a tenant's generations": lambda: submit("drop", tenant="alice", generations=[newest(heist, "alice")]),
        "run a guest's data here": lambda: submit(
            "drill-here", tenant="mallory", release={}, files={}, targets=[EVILS], snapshot="a" * 8
        ),
        "rehearse a stranger here": lambda: submit(
            "rehearse-here", tenant="mallory", release={}, files={}, generation="g", without=[]
        ),
        "prepare a tenant's arrival": lambda: deploy("alice", kind="prepare"),
        "have a tenant arrive": lambda: deploy("alice", kind="arrive", receipt={}, **{"from": "web-9"}),
        "install updates": lambda: submit("update"),
        "reboot a host": lambda: submit("reboot"),
        "forward a tenant's visitors": lambda: submit("forward", tenant="alice", epoch=1),
        "decline a tenant": lambda: submit("decline", tenant="alice", receipt={}, to="web-9", address="10.77.0.1"),
        "make a tenant leave for an address of one's own": lambda: submit(
            "depart", **leaving, replaces=now(heist, "alice")
        ),
        "purge a tenant": lambda: submit("retire", tenant="carol", purge=True),
    }


WINS = (
    "values of one's own for the vault", "take a tenant's data away", "take a tenant's certificates away",
    "a one-time link into an app", "thin out backups in a folder of the host", "silence a host", "stop a tenant",
    "roll a tenant back", "fill a host's storage with data of one's own", "restore data over a tenant's own",
    "drop a tenant's generations",
)  # fmt: skip
LAST = ("make a tenant leave for an address of one's own", "purge a tenant")
"""What is well-formed: with the signature the host does it. Of the others it judges more than the signature then."""
ACTION = {"name": "own", "service": "web", "argv": ["sh", "-c", "env"], "timeout_seconds": 60}
NOTHING = {"revision": "0" * 40, "ancestors": ["0" * 40]}


def in_compose(operation: dict[str, Any], **keys: Any) -> None:
    """Change the services of a deploy's Compose file."""
    compose = json.loads(operation["files"]["compose.yaml"])
    for each in compose["services"].values():
        each |= keys
    put(operation, "compose.yaml", json.dumps(compose))


def put(operation: dict[str, Any], path: str, text: str) -> None:
    operation["files"][path] = text
    operation["release"]["files"][path] = digest_of(text.encode())


def image(operation: dict[str, Any], digest: str) -> None:
    for each in operation["release"]["services"]:
        each["image"] = f"{each['image'].partition('@')[0]}@sha256:{digest}"
        in_compose(operation, image=each["image"])


def mounts(operation: dict[str, Any], text: str) -> None:
    put(operation, "files/own.txt", text)


def site(operation: dict[str, Any]) -> None:
    put(
        operation, "site.caddy", operation["files"]["site.caddy"].replace("reverse_proxy", "respond 200\nreverse_proxy")
    )


def newest(heist: Heist, tenant: str) -> str:
    kept = heist.thief.ask("generations", {"tenant": tenant})["body"]["generations"]
    return str(max(kept, key=lambda item: item["at"])["id"])


def now(heist: Heist, tenant: str) -> str:
    said = heist.thief.ask("observe", {"tenants": [tenant], "probes": False})
    return str(said["body"]["tenants"][tenant]["record"]["release"])


def test_what_a_stolen_ssh_key_can_do_is_listed(heist: Heist, holds: Tally) -> None:
    for name, request in unsigned(heist).items():
        heist.answers[name] = request()
        taken = not is_refusal(heist.answers[name])
        if name in WORKS:
            holds(f"listed as what still works: {name}", taken, heist.answers[name])
        else:
            why = str(heist.answers[name].get("message"))
            holds(f"refused: {name}", not taken and REFUSED[name] in why, heist.answers[name])


def test_what_changes_a_tenant_is_carried_out_for_its_signature_alone(heist: Heist, holds: Tally) -> None:
    """Each request unsigned, signed by another operator of this host, and signed by the very operator."""
    everything = to_be_signed(heist)
    assert len(everything) >= 40
    eves = signs_with(heist.world.root / "eve")
    own = signs_with(heist.thief.workspace.settings.signing_key)
    for name, request in everything.items():
        for signs, begins, how in ((None, NOT_SIGNED, "unsigned"), (eves, NOT_BY_HER, "signed by eve")):
            heist.thief.signs = signs
            heist.answers[f"{name}, {how}"] = said = request()
            holds(f"refused, {how}: {name}", is_refusal(said) and str(said["message"]).startswith(begins), said)
    heist.thief.signs = own
    for name in WINS:
        said = everything[name]()
        holds(f"signed: {name}", not is_refusal(said), said)
    heist.follows = False
    for name in [name for name in everything if name not in WINS and name not in LAST]:
        said = everything[name]()
        holds(f"signed: {name}", not str(said.get("message")).startswith((NOT_SIGNED, NOT_BY_HER)), said)
    for name in LAST:
        end = time.monotonic() + 120
        while (said := everything[name]()).get("error") == "locked" and time.monotonic() < end:
            time.sleep(0.5)  # an operation of before goes on
        holds(f"signed: {name}", not is_refusal(said), said)
    heist.thief.signs = None


def test_a_copied_request_is_worth_nothing(heist: Heist, holds: Tally) -> None:
    own = signs_with(heist.thief.workspace.settings.signing_key)
    body = {"tenant": "alice", "seconds": 60, "why": "copied", "host": ""}
    copied = intent_for("web-1", "silence", body, own)
    holds("the control: it is taken once", not is_refusal(heist.thief.ask("silence", body, **copied)))
    for what, other in (("again", body), ("for another tenant", body | {"tenant": "carol"})):
        said = heist.thief.ask("silence", other, **copied)
        holds(f"a copied request {what} is refused", is_refusal(said), said)
    elsewhere = intent_for("web-2", "silence", body, own)
    said = heist.thief.ask("silence", body, **elsewhere)
    holds("a request that was signed for another host is refused", "another host" in str(said.get("message")), said)


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
