"""A stolen operator's key is neither a shell nor root: whatever is said with it, the host itself refuses.

The requests are well-formed and authorised, even signed by the operator's signing key, so that the host judges what is
in them; they are sent over the operator's own key with nothing of the client in between.
That nothing came of them is judged at the end from above: files, programs, containers, and the neighbour.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launchpad.operations.hosts.install_runner import settings_digest
from launchpad.runner.protocol import canonical, digest_of
from launchpad.ssh.archive import runner_archive, sign
from launchpad.ssh.connection import Connection
from launchpad.ssh.intents import signs_with
from tests.lab.settings import SIGNER, signed, wanted
from tests.lab.thief import Thief, View, is_refusal, mark, new_files, view_of
from tests.lab.world import World
from tests.render.example import SECRETS, rendered
from tests.runner.judge.attacks import attacks
from tests.runner.judge.forgery import Forgery

EVES_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJk1tBlbQ5TFxqQ0D3cpuTwV2Z5vNcu2lBxCJZfWNCSc"
NUMBER = iter(range(10**9))
Measured = Callable[..., None]


@pytest.fixture(scope="module")
def thief(world: World) -> Thief:
    """On a host with alice in slot 7 and bob in slot 9, as the attempts have it; alice runs a small app."""
    for name, slot in (("alice", 7), ("bob", 9)):
        world.add_tenant(name)
        world.set_tenant(name, slot=slot, domains=[world.domain(name), f"{name}.example.com"])
        world.launchpad("deploy", name)
        world.wait_for(name)
    world.request("bob", "POST", "/marker", body=b"bob was here")
    thief = Thief(world)
    thief.signs = signs_with(thief.workspace.settings.signing_key)
    return thief


@pytest.fixture(scope="module")
def before(thief: Thief) -> View:
    mark(thief.world.host)
    return view_of(thief.world.host)


@pytest.fixture(autouse=True)
def _seen_before(before: View) -> None:
    """Whatever test comes first, the host was looked at before it."""


def test_the_forgeries_are_of_a_release_that_the_host_accepts(thief: Thief) -> None:
    """The control: untouched, it passes every judge, and only then is it found that nobody has its image."""
    answer = deploy(thief, Forgery.of(rendered("alice")), follow=True)
    assert answer["body"]["outcome"] == "undone"
    assert "openclaw" in answer["body"]["message"]


@pytest.mark.parametrize("attack", attacks(), ids=lambda item: item.name)
def test_a_forged_release_is_refused(thief: Thief, attack: Any, measured: Measured) -> None:
    forgery = Forgery.of(rendered("alice"))
    attack.forge(forgery)
    judge(deploy(thief, forgery), attack.name, measured)


def deploy(thief: Thief, forgery: Forgery, **more: Any) -> dict[str, Any]:
    """Submit the forged release; `more` replaces what is in the request's body."""
    return thief.ask("submit", deploy_body(thief, forgery) | more)


def deploy_body(thief: Thief, forgery: Forgery) -> dict[str, Any]:
    """The forged release with all that belongs to a deploy."""
    release, files = forgery.finished()
    revision = thief.workspace.revision("alice")
    operation = {
        "kind": "deploy",
        "tenant": release["tenant"],
        "release": release,
        "files": files,
        "inventory": {"revision": revision.revision, "ancestors": list(revision.ancestors)},
    }
    secrets = {name: {"version": version, "value": "x"} for name, version in SECRETS["alice"].items()}
    return {"id": new_id(), "operation": operation, "secrets": secrets, "follow": False}


def new_id() -> str:
    return f"stolen-key-{next(NUMBER):06d}"


def judge(answer: dict[str, Any], name: str, measured: Measured) -> None:
    reached = not is_refusal(answer)
    measured("stolen-key", int(reached), n=1, detail=name)
    assert not reached, answer


# --- requests ---------------------------------------------------------------------------------------------------------


def submit(**operation: Any) -> tuple[str, dict[str, Any]]:
    return "submit", {"id": "stolen-key-operation", "operation": operation, "follow": False}


LEAVE = {"kind": "depart", "tenant": "alice", "to": "web-2", "address": "192.0.2.66", "above": 0, "replaces": "x"}


def receiving(**changes: Any) -> dict[str, Any]:
    body = {"tenant": "alice", "slot": 7, "generation": "stolen-key-data", "app": "beacon", "version": "1.0.0"}
    return body | {"volumes": ["state"], "disk_mb": 64} | changes


STOP = {"kind": "stop", "tenant": "alice"}
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "an operation of no kind": submit(kind="shell", tenant="alice"),
    "a key that nobody knows": submit(kind="stop", tenant="alice", command="id"),
    "a tenant that climbs": submit(kind="stop", tenant="../../../etc"),
    "a tenant that climbs, to be purged": submit(kind="retire", tenant="alice/../bob", purge=True),
    "a tenant that is an option": submit(kind="restart", tenant="--all"),
    "a tenant that is no text": submit(kind="stop", tenant=["alice"]),
    "an id that climbs": ("submit", {"id": "../../../etc/cron.d/eve", "operation": STOP}),
    "an id that is absolute": ("submit", {"id": "/etc/cron.d/eve000", "operation": STOP}),
    "an id that names another unit": ("submit", {"id": "a@b.service", "operation": STOP}),
    "an operation as another operator": ("submit", {"id": "stolen-key-0", "operator": "root", "operation": STOP}),
    "an operation's journal elsewhere": ("follow", {"id": "../../../etc/shadow"}),
    "another file than a journal": ("follow", {"id": "..-..-etc-shadow\x00"}),
    "a cancel elsewhere": ("cancel", {"id": "../../launchpad"}),
    "a confirmation elsewhere": ("confirm", {"nonce": "../../../etc"}),
    "a confirmation of nothing": ("confirm", {"nonce": "0123456789abcdef"}),
    "logs of the host": ("logs", {"tenants": ["../../../var/log"]}),
    "logs of a container that is no tenant's": ("logs", {"tenants": ["launchpad-caddy"]}),
    "logs of an option": ("logs", {"tenants": ["--help"]}),
    "a history elsewhere": ("history", {"id": "../../../etc/passwd", "of": "/"}),
    "an action that is not offered": ("act", {"tenant": "alice", "action": "sh", "arguments": []}),
    "an action with a program": ("act", {"tenant": "alice", "action": "check", "arguments": ["; id"]}),
    "an action with an option": ("act", {"tenant": "alice", "action": "check", "arguments": ["--privileged"]}),
    "an action with a substitution": ("act", {"tenant": "alice", "action": "check", "arguments": ["$(id)"]}),
    "an action as root": ("act", {"tenant": "alice", "action": "check", "arguments": [], "user": "root"}),
    "an action in a tenant that climbs": ("act", {"tenant": "../bob", "action": "check", "arguments": []}),
    "a plan of an operation that climbs": ("plan", {"operation": {"kind": "stop", "tenant": "../bob"}}),
    "data of a tenant that climbs": ("send", {"tenant": "../bob", "generation": "generation-1"}),
    "data of no generation": ("send", {"tenant": "alice", "generation": "../data"}),
    "data for another recipient": ("send", {"tenant": "alice", "generation": "x", "recipients": ["age1eve"]}),
    "data in the clear": ("send", {"tenant": "alice", "generation": "x", "recipients": []}),
    "data into a tenant that climbs": ("receive", receiving(tenant="../bob")),
    "data into another's slot": ("receive", receiving(slot=9)),
    "data into a place that climbs": ("receive", receiving(generation="../../../../etc/cron.d")),
    "data into a volume that climbs": ("receive", receiving(volumes=["../../bob/data/state"])),
    "data onto a base that climbs": ("receive", receiving(base="../../../bob/data/")),
    "more data than there is disk": ("receive", receiving(disk_mb=1 << 23)),
    "data that never comes": ("receive", receiving()),
    "certificates of who is not here": ("certificates", {"tenant": "nobody"}),
    "certificates of a tenant that climbs": ("certificates", {"tenant": "../bob"}),
    "the whereabouts of a tenant that climbs": ("whereabouts", {"tenant": "../bob", "slot": 9}),
    "a departure to a host that climbs": submit(**LEAVE | {"to": "../../etc"}),
    "a departure to an address that is a name": submit(**LEAVE | {"address": "evil.example.com"}),
    "requests of who did not leave, passed on": submit(kind="forward", tenant="alice", epoch=2),
    "requests passed on to an address of the thief's": submit(
        kind="forward", tenant="alice", epoch=2, address="192.0.2.66"
    ),
    "a refusal of a receipt that is none": submit(
        kind="decline", tenant="alice", receipt={"tenant": "alice"}, to="web-2", address="192.0.2.66"
    ),
    "an install of nothing": ("install", {"archive": "", "signature": "", "signer": ""}),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_reaches_out_is_refused(thief: Thief, name: str, measured: Measured) -> None:
    verb, body = REQUESTS[name]
    judge(thief.ask(verb, body), name, measured)


SECRET_VALUES: dict[str, dict[str, Any]] = {
    "a secret that climbs": {"../../bob/secrets/BEACON_TOKEN": {"version": 1, "value": "x"}},
    "a secret in a path": {"/etc/cron.d/EVE": {"version": 1, "value": "x"}},
    "a secret that is not the release's": {"LD_PRELOAD": {"version": 1, "value": "/tmp/x.so"}},
    "a version that climbs": {"OPENCLAW_GATEWAY_TOKEN": {"version": "../../x", "value": "x"}},
    "a secret of many megabytes": {"OPENCLAW_GATEWAY_TOKEN": {"version": 1, "value": "x" * (8 << 20)}},
    "a secret that is no text": {"OPENCLAW_GATEWAY_TOKEN": {"version": 1, "value": {"path": "/etc/shadow"}}},
}


@pytest.mark.parametrize("name", SECRET_VALUES)
def test_a_secret_that_reaches_out_is_refused(thief: Thief, name: str, measured: Measured) -> None:
    judge(deploy(thief, Forgery.of(rendered("alice")), secrets=SECRET_VALUES[name]), name, measured)


LINES: dict[str, bytes] = {
    "no JSON": b"id\n",
    "shell": b"$(id); `id` | sh\n",
    "a verb that is a module": b'{"protocol":1,"client":"x","verb":"__init__","body":{}}\n',
    "a verb that climbs": b'{"protocol":1,"client":"x","verb":"..machine.debian","body":{}}\n',
    "another protocol": b'{"protocol":99,"client":"x","verb":"submit","body":{}}\n',
    "an operator in the request": b'{"protocol":1,"client":"x","verb":"hello","body":{},"operator":"root"}\n',
    "depth without end": b"[" * (4 << 20) + b"\n",
    "a number without end": b'{"protocol":' + b"9" * (4 << 20) + b"}\n",
    "a line without end": b'{"protocol":1,"client":"' + b"x" * (17 << 20) + b'"}\n',
    "a million small things": b'{"protocol":1,"client":"x","verb":"hello","body":{"x":['
    + b"[]," * (1 << 20)
    + b"0]}}\n",
    "bytes that are no text": b'{"protocol":1,"client":"\xff\xfe","verb":"hello","body":{}}\n',
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_that_is_no_request_is_refused(thief: Thief, name: str, measured: Measured) -> None:
    judge(thief.say(LINES[name]), name, measured)


# --- runners and settings ---------------------------------------------------------------------------------------------


def forged_runner(*, version: str = "99.0.0") -> bytes:
    """A runner that would open a root's shell to whoever starts it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(runner_archive().data)) as real, zipfile.ZipFile(buffer, "w") as forged:
        for name in set(real.namelist()) - {"runner.json"}:
            forged.writestr(name, real.read(name))
        forged.writestr("runner.json", json.dumps({"version": version, "protocol": 1}))
        forged.writestr("launchpad/runner/verbs/shell.py", "import os; os.system('id > /root/eve')")
        forged.writestr("../../../../etc/cron.d/eve", "* * * * * root id > /root/eve\n")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def eves_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("eve") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def test_a_forged_runner_is_refused(thief: Thief, eves_key: Path, measured: Measured) -> None:
    forged, older, real = forged_runner(), forged_runner(version="0.0.1"), runner_archive().data
    signing = thief.workspace.settings.signing_key
    stolen = thief.world.root / ".config/launchpad/ssh_ed25519"
    for name, archive, signature, signer in (
        ("not signed", forged, "", SIGNER),
        ("signed by nobody that the host knows", forged, sign(forged, key=eves_key), SIGNER),
        ("signed with the stolen key itself", forged, sign(forged, key=stolen), SIGNER),
        ("signed in another's name", forged, sign(forged, key=eves_key), "operator"),
        ("with the signature of the real one", forged, sign(real, key=signing), SIGNER),
        ("signed as something else", forged, sign(forged, key=signing, namespace="launchpad-settings"), SIGNER),
        ("signed by every signer", forged, sign(forged, key=eves_key), "*"),
        ("signed by an option", forged, sign(forged, key=eves_key), "-f/root/.ssh/authorized_keys"),
        ("signed, but older", older, sign(older, key=signing), SIGNER),
        ("that is no archive", b"#!/bin/sh\nid\n", sign(b"#!/bin/sh\nid\n", key=eves_key), SIGNER),
    ):
        body = {"archive": base64.b64encode(archive).decode(), "signature": signature, "signer": signer}
        judge(thief.ask("install", body), f"a runner {name}", measured)


CHANGES: dict[str, dict[str, Any]] = {
    "one more operator": {"operators": [{"name": "eve", "keys": [EVES_KEY]}]},
    "other signers": {"allowed_signers": [{"name": SIGNER, "keys": [EVES_KEY]}]},
    "root's login": {"ssh": {"port": 22, "root_login": True}},
    "another Caddy": {
        "caddy": {"image": f"evil.example.com/caddy@sha256:{'e' * 64}", "caddyfile": "", "acme_root": ""}
    },
    "a device for its storage": {"storage": {"loop_mb": 0, "device": "/dev/sda"}},
    "another host's name": {"identity": {"host": "web-2", "fleet": "fleet"}},
    "a key with options": {"operators": [{"name": "eve", "keys": [f'command="/bin/sh" {EVES_KEY}']}]},
    "a second line in a key": {"operators": [{"name": "eve", "keys": [f"{EVES_KEY} x\n{EVES_KEY}"]}]},
}


@pytest.mark.parametrize("name", CHANGES)
def test_settings_that_nobody_signed_are_refused(thief: Thief, eves_key: Path, name: str, measured: Measured) -> None:
    settings = wanted(thief.workspace, **CHANGES[name])
    with Connection(thief.endpoint, identity=thief.identity) as reached:
        replaces = settings_digest(reached)
    message = canonical({"replaces": replaces, "settings": digest_of(canonical(settings))})
    real = signed(thief.workspace, wanted(thief.workspace), replaces=replaces)
    for how, signature in (
        ("unsigned", None),
        ("signed by eve", real | {"signature": sign(message, key=eves_key, namespace="launchpad-settings")}),
        ("with the signature of other settings", real),
        ("signed for an earlier state", signed(thief.workspace, settings, replaces=digest_of(b""))),
    ):
        operation = {"kind": "provision", "settings": settings} | ({"signature": signature} if signature else {})
        answer = thief.ask("submit", {"id": new_id(), "operation": operation, "follow": False})
        judge(answer, f"{name}, {how}", measured)


# --- the key itself ---------------------------------------------------------------------------------------------------

WAYS_IN: dict[str, tuple[str, ...]] = {
    "a command": ("HOST", "id"),
    "a command of root's": ("HOST", "sudo -n id"),
    "the runner as a unit starts it": ("HOST", "sudo -n /usr/local/sbin/launchpad-runner boot"),
    "the runner as another operator": ("HOST", "launchpad-runner operator=root"),
    "a command in a command": ("HOST", "launchpad-runner; id", "&&", "id"),
    "a command in a variable": ("HOST", "$(id)`id`"),
    "a shell": ("HOST",),
    "a terminal": ("-tt", "HOST"),
    "files by SFTP": ("-s", "HOST", "sftp"),
    "files by the old way": ("HOST", "scp -t /tmp"),
    "files by rsync": ("HOST", "rsync --server . /etc"),
    "variables": ("-o", "SetEnv=LD_PRELOAD=/tmp/x.so PYTHONPATH=/tmp LC_ALL=x BASH_ENV=/tmp/x", "HOST", "id"),
    "sshd of the host": ("-W", "127.0.0.1:22", "HOST"),
    "the neighbour's app": ("-W", "10.200.0.146:8080", "HOST"),
    "the metadata address": ("-W", "169.254.169.254:80", "HOST"),
}


@pytest.mark.parametrize("name", WAYS_IN)
def test_the_key_opens_nothing_but_the_runner(thief: Thief, name: str, measured: Measured) -> None:
    words = [thief.world.host.address if word == "HOST" else word for word in WAYS_IN[name]]
    done = thief.ssh(*words, stdin=b"id; cat /etc/shadow\n")
    reached = done.status == 0 or any(sign in done.stdout for sign in ("uid=", "root:", "SSH-2.0", "HTTP/", "# "))
    measured("stolen-key", int(reached), n=1, detail=name)
    assert not reached, done
    judge_lines(done.stdout)


def judge_lines(out: str) -> None:
    """Nothing was said but the runner's refusal, or nothing at all."""
    for line in out.splitlines():
        assert is_refusal(json.loads(line)), line


@pytest.mark.parametrize("user", ["root", "nobody", "launchpad-caddy", "dockremap"])
def test_the_key_is_no_other_users(thief: Thief, user: str, measured: Measured) -> None:
    done = thief.ssh(thief.world.host.address, "id", user=user)
    measured("stolen-key", int("uid=" in done.stdout), n=1, detail=f"log in as {user}")
    assert done.status == 255
    assert "Permission denied" in done.stderr


FORWARDS: dict[str, tuple[str, ...]] = {
    "a port of the host": ("-R", "127.0.0.1:9999:127.0.0.1:22"),
    "a socket of the host": ("-R", "/tmp/eve.sock:127.0.0.1:22"),
    "a tunnel": ("-w", "0:0"),
}


@pytest.mark.parametrize("name", FORWARDS)
def test_nothing_is_forwarded(thief: Thief, name: str, measured: Measured) -> None:
    done = thief.ssh("-N", "-o", "ExitOnForwardFailure=yes", *FORWARDS[name], thief.world.host.address)
    measured("stolen-key", int(done.status == 0), n=1, detail=f"forward {name}")
    assert done.status != 0


def test_dockers_socket_is_not_forwarded(thief: Thief, measured: Measured) -> None:
    """A local forward is refused only when somebody connects to it: so somebody does."""
    with thief.forwarding("/run/docker.sock") as stream:
        stream.sendall(b"GET /info HTTP/1.0\r\n\r\n")
        try:
            said = stream.recv(1024)
        except ConnectionResetError:
            said = b""
    measured("stolen-key", int(bool(said)), n=1, detail="Docker's socket")
    assert said == b""


def test_who_asks_is_what_sshd_says(thief: Thief, measured: Measured) -> None:
    """An address that the client makes up does not get into the journal."""
    body = deploy_body(thief, Forgery.of(rendered("alice"))) | {"follow": True}
    line = thief.line("submit", body)
    spoof = "SetEnv=SSH_CONNECTION=203.0.113.99"
    done = thief.ssh("-o", spoof, thief.world.host.address, "x", stdin=line, seconds=60)
    assert '"outcome":"undone"' in done.stdout, done
    asked = json.loads(thief.world.host.read(f"/var/lib/launchpad/operations/{body['id']}/operation.json"))
    measured("stolen-key", int("203.0.113" in asked["from"]), n=1, detail="an address made up")
    assert (asked["who"], asked["from"]) == ("operator", "10.77.0.1")


SUDO: dict[str, tuple[str, ...]] = {
    "a shell": ("sh",),
    "id": ("id",),
    "an editor": ("-e", "/etc/shadow"),
    "the runner, at boot": ("/usr/local/sbin/launchpad-runner", "boot"),
    "the runner, an operation elsewhere": ("/usr/local/sbin/launchpad-runner", "operation", "../../../tmp/eve"),
    "the runner, taking back": ("/usr/local/sbin/launchpad-runner", "revert", "boot"),
    "the runner with two words": ("/usr/local/sbin/launchpad-runner", "operator=a", "boot"),
    "the runner with two lines": ("/usr/local/sbin/launchpad-runner", "operator=a\nboot"),
    "the runner without a word": ("/usr/local/sbin/launchpad-runner",),
    "the runner under another name": ("/usr/local/lib/launchpad/operation", "x"),
    "another user": ("-u", "launchpad-caddy", "id"),
    "an environment": ("PYTHONPATH=/tmp", "/usr/local/sbin/launchpad-runner", "operator=a"),
    "a folder": ("-D", "/tmp", "/usr/local/sbin/launchpad-runner", "operator=a"),
    "a root": ("-R", "/tmp", "/usr/local/sbin/launchpad-runner", "operator=a"),
}


@pytest.mark.parametrize("name", SUDO)
def test_sudo_runs_nothing_else(thief: Thief, name: str, measured: Measured) -> None:
    """Should somebody ever run a program as the operators' user: sudo gives him no more than the key does."""
    words = ["setpriv", "--reuid=launchpad", "--regid=launchpad", "--clear-groups", "sudo", "-n", *SUDO[name]]
    done = thief.world.host.exec(words, check=False, stdin='{"protocol":1,"client":"x","verb":"hello","body":{}}\n')
    reached = done.status == 0 or "uid=" in done.stdout
    measured("stolen-key", int(reached), n=1, detail=f"sudo {name}")
    assert not reached, done


def test_the_operators_user_owns_nothing_that_root_reads(thief: Thief) -> None:
    script = "id launchpad; find / -xdev \\( -user launchpad -o -group launchpad \\) -not -path '/proc/*' 2>/dev/null"
    said = thief.world.host.exec(["sh", "-c", script], check=False).stdout.splitlines()
    assert "docker" not in said[0] and "sudo" not in said[0]
    assert said[1:] == []


# --- what came of it all ----------------------------------------------------------------------------------------------


def test_nothing_came_of_it(thief: Thief, before: View) -> None:
    """Last: the host as it was, byte by byte where it decides; nothing new runs or listens, and bob is as he was."""
    world = thief.world
    thief.connection.close()
    after = view_of(world.host)
    assert after.kept == before.kept
    assert after.neighbour == before.neighbour
    assert after.containers == before.containers
    assert after.roots <= before.roots
    assert after.sockets <= before.sockets
    assert new_files(world.host) == []
    assert world.get("bob", "/marker").body == b"bob was here"
    assert world.wait_for("alice", "/").json["app"] == "beacon"
