"""The real past of the real app: a Clawdbot that runs on a machine of its own becomes a tenant, goes through OpenClaw's
versions and back, and leaves again.

A session, a scheduled job, a paired device and a file in the workspace tell of each whose data it is. Takes half an
hour, so only when evidence is taken.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from labkit import Host, Lab, clawdbot

from tests.lab.world import World, write

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("LAUNCHPAD_EVIDENCE"),
        reason="Clawdbot's way through OpenClaw's versions takes half an hour: scripts/evidence",
    ),
    pytest.mark.timeout(7200),
]
VERSIONS = ("2026.7.35", "2026.9.5", "2026.9.6")
STATE = "/srv/launchpad/tenants/dora/data/state"
HOME = "/home/bob"
TOKENS = ("the-gateway-token-of-bobs-clawdbot", "123456:the-token-of-bobs-bot", "sk-ant-api03-bobs-key-that-is-none")
FILES = f"cd {HOME} && find .clawdbot clawd -printf '%p %m %T@\\n' -type f -exec sha256sum {{}} + | sort"
GREET = "fetch('http://127.0.0.1:18789/%s').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"


@dataclass
class Past:
    """What Clawdbot left on its machine, read from its own files."""

    host: Host
    session: str = ""
    device: str = ""
    jobs: set[str] = field(default_factory=set)

    def read(self) -> None:
        state = self.host.root / HOME.lstrip("/") / ".clawdbot"
        sessions = json.loads((state / "agents/main/sessions/sessions.json").read_text())
        self.session = sessions["agent:main:main"]["sessionId"]
        (self.device,) = json.loads((state / "devices/paired.json").read_text())
        self.jobs = {job["name"] for job in json.loads((state / "cron/jobs.json").read_text())["jobs"]}

    def files(self) -> str:
        return self.host.exec(["sh", "-c", FILES]).stdout


@pytest.fixture(scope="module")
def past(lab: Lab, world: World) -> Iterator[Past]:
    """Bob's machine, on which his Clawdbot runs and has had a life."""
    name = f"{world.host.name[:20]}-bob"
    try:
        host = lab.up(name, fresh=True)
        clawdbot.install(lab.paths, host.root)
        host.exec(["useradd", "--create-home", "--shell=/bin/bash", "bob"])
        home = clawdbot.state(lab.paths).read_bytes()
        host.exec(["tar", "-xzf", "-", "-C", HOME, "--no-same-owner"], stdin=home)
        host.exec(["chown", "-R", "bob:bob", HOME])
        start(host)
        found = Past(host)
        found.read()
        yield found
    finally:
        lab.down(name)


def start(host: Host) -> None:
    """Start bob's gateway, and wait until it answers."""
    unit = ["systemd-run", "--quiet", "--unit=clawdbot", "--uid=bob", f"--setenv=HOME={HOME}", "--collect"]
    path = "--setenv=PATH=/usr/local/bin:/usr/bin:/bin"
    host.exec([*unit, path, f"--working-directory={HOME}", "clawdbot", "gateway"])
    answers = ["node", "-e", GREET % ""]
    until(lambda: host.exec(answers, check=False).status == 0, "bob's gateway", seconds=1800)


def until(true: Callable[[], bool], what: str, *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(1)


@dataclass(frozen=True)
class Seen:
    """What the app itself tells of its past, and the files beside it."""

    sessions: frozenset[str]
    devices: frozenset[str]
    jobs: frozenset[str]
    markers: frozenset[str]
    has_key: bool
    """Whether it knows of bob's key to a provider's models: versions keep that in places of their own."""


def read_state(ask: Callable[..., str], markers: str) -> Seen:
    def asked(*words: str) -> Any:
        told = ask(*words, "--json")
        return json.loads(told[told.index("{") :])

    return Seen(
        sessions=frozenset(item["sessionId"] for item in asked("sessions")["sessions"]),
        devices=frozenset(item["deviceId"] for item in asked("devices", "list")["paired"]),
        jobs=frozenset(
            item["name"] for item in asked("cron", "list")["jobs"] if item["name"].startswith(("in-", "from-"))
        ),
        markers=frozenset(name.removesuffix(".marker") for name in markers.split()),
        has_key="anthropic:default" in ask("models", "status", "--json"),
    )


def of_dora(world: World) -> Seen:
    listed = world.host.exec(["sh", "-c", f"cd {STATE}/workspace && ls *.marker"]).stdout
    return read_state(lambda *words: inside(world, *words), listed)


def judge(found: Seen, past: Past, *phases: str) -> None:
    """Bob's session and device are there, and his marker and job with those of the phases, no more and no less."""
    assert past.session in found.sessions, f"bob's session {past.session} is not among {set(found.sessions)}"
    assert past.device in found.devices, f"bob's device {past.device[:12]} is not among the paired ones"
    assert found.has_key, "bob's key to a provider is gone"
    assert found.jobs == found.markers == {"from-clawdbot", *phases}, found


def remember(world: World, phase: str) -> None:
    inside(world, "cron", "add", "--name", phase, "--cron", "0 4 1 1 *", "--system-event", phase, "--json")
    folder = f"{STATE}/workspace"
    world.host.exec(["sh", "-c", f"cd {folder} && touch {phase}.marker && chown --reference=. {phase}.marker"])


def test_a_clawdbot_becomes_a_tenant_goes_up_two_versions_and_back_two(
    world: World, past: Past, lab: Lab, measured: Callable[..., None]
) -> None:
    def look(*phases: str) -> None:
        judge(of_dora(world), past, *phases)
        measured("imported-wrong", 0, n=5)

    first, second, third = VERSIONS
    images = {image.version: image.reference for name in VERSIONS for image in lab.images(f"openclaw:{name}")}
    pinned = {version: {"gateway": reference} for version, reference in images.items()}
    patient = {"start": "10m", "steady": "15s", "stop": "330s"}  # beside other tests
    write(world.root / "inventory/apps/openclaw.yaml", images=pinned, timings=patient)
    world.add_tenant("dora", app="openclaw", version=first, tier="standard")
    world.host.exec(["docker", "pull", "-q", images[first]], timeout=600)
    before = past.files()
    done = world.launchpad(
        *("--json", "import", "dora", "--from", f"root@{past.host.address}:{HOME}", "--yes", "--take-secrets"),
        *("--key", str(past.host.key_path), "--fingerprint", past.host.fingerprint),
        *("--stop-with", "systemctl stop clawdbot"),
        timeout=2400,
    )
    assert done.json["outcome"] == "done", done
    world.wait_for("dora", seconds=60)
    look()
    assert past.files() == before, "the old one is left as it was"
    assert past.host.exec(["systemctl", "is-active", "clawdbot"], check=False).stdout.strip() != "active"
    measured("import-silent-seconds", done.json["silent_seconds"], n=1, detail=f"{done.json['seconds']:.0f} s in all")
    left = [token for token in TOKENS if token in told_by(world)]
    assert not left, "a secret that was taken stands in a file"
    remember(world, "in-the-first")

    upgrade(world, second)
    look("in-the-first")
    remember(world, "in-the-second")
    upgrade(world, third)
    look("in-the-first", "in-the-second")
    remember(world, "in-the-third")
    roll_back(world, second)
    look("in-the-first", "in-the-second")
    roll_back(world, first)
    look("in-the-first")


def told_by(world: World) -> str:
    """All that lies in dora's state as text."""
    return world.host.exec(["sh", "-c", f"grep -rah . {STATE} --exclude-dir=cache || true"], timeout=300).stdout


def test_a_plain_gateway_starts_on_what_is_exported(
    world: World, past: Past, lab: Lab, measured: Callable[..., None]
) -> None:
    """Outside of Launchpad's template, user, network and secrets: the image as its makers start it."""
    file = world.root / "dora.tgz"
    world.launchpad("export", "dora", "--to", str(file), timeout=300)
    (image,) = lab.images(f"openclaw:{VERSIONS[0]}")
    host = world.host
    host.exec(["mkdir", "-p", "/root/plain"])
    host.exec(["tar", "-xzf", "-", "-C", "/root/plain", "--no-same-owner"], stdin=file.read_bytes())
    host.exec(["chown", "-R", "1000:1000", "/root/plain"])
    host.exec(
        [
            *("docker", "run", "--detach", "--name=plain", "--userns=host", "--network=none"),
            *("--volume=/root/plain:/home/node", image.reference),
            *("openclaw", "gateway", "--bind", "loopback"),
        ]
    )
    ready = ["docker", "exec", "plain", "node", "-e", GREET % "startupz"]
    try:
        until(lambda: host.exec(ready, check=False).status == 0, "a plain gateway", seconds=1800)
        listed = host.exec(["sh", "-c", "cd /root/plain/.openclaw/workspace && ls *.marker"]).stdout
        judge(read_state(lambda *words: plainly(host, *words), listed), past, "in-the-first")
    except AssertionError as error:
        raise AssertionError(
            f"{error}\n{host.exec(['docker', 'logs', 'plain'], check=False).stdout[-3000:]}"
        ) from error
    finally:
        host.exec(["docker", "rm", "--force", "plain"], check=False)
    measured("exported-wrong", 0, n=5)


def plainly(host: Host, *words: str) -> str:
    """What its command line says in the plain container."""
    return host.exec(["docker", "exec", "plain", "openclaw", *words], timeout=120).stdout


def inside(world: World, *words: str) -> str:
    """What OpenClaw's own command line says in dora's container."""
    found = world.host.exec(["docker", "ps", "-q", "--filter", "label=launchpad.tenant=dora"]).stdout.split()[0]
    entry = ["/bin/sh", "/launchpad/entrypoint.sh", "/bin/sh", "/launchpad/openclaw.sh"]
    return world.host.exec(["docker", "exec", found, *entry, *words], timeout=120).stdout


def upgrade(world: World, version: str) -> None:
    done = world.launchpad("--json", "upgrade", "dora", "--to", version, "--soak", "20s", "--yes", timeout=2400)
    assert done.json["outcome"] == "done", done
    world.wait_for("dora", seconds=300)
    assert version in inside(world, "--version")


def roll_back(world: World, version: str) -> None:
    done = world.launchpad("--json", "rollback", "dora", "--to", version, "--yes", timeout=2400)
    assert done.json["outcome"] == "done", done
    world.wait_for("dora", seconds=300)
    assert version in inside(world, "--version")
