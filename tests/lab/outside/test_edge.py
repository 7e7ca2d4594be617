"""The edge, and what is left of what failed: certificates that cannot be had, last lines, room, logs, devices."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from labkit import services

from tests.lab.cells import Cell
from tests.lab.world import Done, World, write
from tests.tally import tallied

PLACES = '{BEACON_DATA: /data, BEACON_STORE_URL: "http://${LAUNCHPAD_ADDRESS_STORE}:8081"}'
STORE = """
  store:
    command: [beacon, store]
    environment: {BEACON_DATA: /data}
    volumes:
      - {{ volume("store", at="/data") }}
"""
FATAL = f"""
services:
  web:
    command: [sh, -c, "echo starting; echo 'FATAL: no such setting' >&2; exit 3"]
    environment: {PLACES}
    volumes:
      - {{{{ volume("marker", at="/data") }}}}
{STORE}"""
DEPENDENT = f"""
services:
  web:
    command: [beacon, web]
    environment: {PLACES}
    volumes:
      - {{{{ volume("marker", at="/data") }}}}
    depends_on:
      store: {{condition: service_healthy}}
  store:
    command: [sh, -c, "echo 'FATAL: the store has no key' >&2; exit 3"]
    environment: {{BEACON_DATA: /data}}
    healthcheck: {{test: [CMD, "true"], interval: 1s}}
    volumes:
      - {{{{ volume("store", at="/data") }}}}
"""
TALKING = f"""
services:
  web:
    command: [python3, -uc, "import http.server as h, io;
      H = type('H', (h.BaseHTTPRequestHandler,), dict(do_GET=lambda s: (s.send_response(200), s.end_headers())));
      h.ThreadingHTTPServer(('', 8080), H).serve_forever()"]
    environment: {PLACES}
    volumes:
      - {{{{ volume("marker", at="/data") }}}}
{STORE}"""


@pytest.fixture(scope="module", autouse=True)
def apps(world: World) -> None:
    """Apps like beacon that go wrong in ways of their own, or say each request."""
    beacon = world.root / "inventory/apps/beacon.yaml"
    write(beacon, timings={"start": "20s", "steady": "1s", "stop": "2s"})
    for name, text in {"fatal": FATAL, "dependent": DEPENDENT, "talking": TALKING}.items():
        app = yaml.safe_load(beacon.read_text()) | {"template": name}
        (world.root / f"inventory/apps/{name}.yaml").write_text(yaml.safe_dump(app, sort_keys=False))
        folder = world.root / f"templates/compose/{name}"
        folder.mkdir(parents=True)
        (folder / "compose.yaml.j2").write_text(text)


def eventually(true: Callable[[], Any], what: str, *, seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.5)
    return found


def test_the_last_lines_of_what_failed_stay(world: World, request: pytest.FixtureRequest) -> None:
    """A first deploy, one that Compose gives up, a rehearsal, a start, a restore: the line that says why is in the
    error, in the host's journal, and in logs."""
    with tallied("outside-c3", request) as holds:

        def left(what: str, done: Done, tenant: str, line: str) -> None:
            holds(f"{what}: it fails", done.code == 6, done)
            holds(f"{what}: the error has the line", line in done.err, done.err)
            journal = world.launchpad("--json", "history", tenant, "--limit", "1").json_document
            holds(f"{what}: the history has it", line in journal["operations"][0]["message"], journal)
            kept = world.host.exec(["sh", "-c", "cat /var/lib/launchpad/operations/*/journal.jsonl"]).stdout
            holds(f"{what}: the journal on the host has it", line in kept)
            said = world.launchpad("logs", tenant, check=False).out
            holds(f"{what}: logs have it", line in said, said)

        world.add_tenant("alice", app="fatal")
        left("a first deploy", world.launchpad("deploy", "alice", check=False), "alice", "FATAL: no such setting")
        world.add_tenant("bob", app="dependent")
        left("Compose gives up", world.launchpad("deploy", "bob", check=False), "bob", "FATAL: the store has no key")
        holds("nothing of them is left", world.containers("alice") == {} == world.containers("bob"))

        world.add_tenant("carol")
        world.deploy("carol")
        world.launchpad("snapshot", "carol")
        upgraded = world.launchpad("upgrade", "carol", "--to", "1.4.0", "--yes", check=False)
        left("a rehearsal", upgraded, "carol", "beacon: ")
        world.launchpad("stop", "carol")
        path = "/srv/launchpad/tenants/carol/data/marker/beacon.sqlite"
        script = f"import sqlite3; sqlite3.connect({path!r}).execute('PRAGMA user_version = 9')"
        world.host.exec(["python3", "-c", script])
        left("a start", world.launchpad("start", "carol", check=False), "carol", "the state has schema 9")
        world.host.exec(["python3", "-c", script.replace("= 9", "= 1")])
        world.launchpad("start", "carol")
        (kept,) = world.launchpad("--json", "generations", "carol").json_document["generations"][:1]
        folder = f"/srv/launchpad/tenants/carol/generations/{kept['id']}"
        world.host.exec(["btrfs", "property", "set", folder, "ro", "false"])
        world.host.exec(["python3", "-c", script.replace("carol/data", f"carol/generations/{kept['id']}")])
        restored = world.launchpad("restore", "carol", "--generation", kept["id"], "--yes", check=False)
        left("a restore", restored, "carol", "the state has schema 9")


def with_clock(world: World, hours: int, *words: str) -> str:
    """What the command line prints on a machine whose clock is so many hours off."""
    script = (
        f"import sys, time; right = time.time; time.time = lambda: right() + {hours} * 3600\n"
        "from launchpad.cli.boundary import run; sys.exit(run(sys.argv[1:]))"
    )
    argv = [sys.executable, "-c", script, "-w", str(world.root), *words]
    return subprocess.run(argv, capture_output=True, text=True, env=world.environment, timeout=60, check=True).stdout


def test_logs_are_the_apps_own_and_count_by_the_hosts_clock(world: World, request: pytest.FixtureRequest) -> None:
    with tallied("outside-c5", request) as holds:
        world.add_tenant("dora", app="talking")
        world.deploy("dora")
        world.wait_for("dora", "/visited-1")
        container = next(name for name in world.containers("dora") if "web" in name).removeprefix("/")

        def probed() -> int:
            return world.host.exec(["sh", "-c", f"docker logs {container} 2>&1"]).stdout.count("/startupz")

        eventually(lambda: probed() > 20, "probes are in the app's log")
        world.get("dora", "/visited-2")
        shown = world.launchpad("logs", "dora").out
        holds("no probe is shown", "/startupz" not in shown, shown)
        holds("visitors are shown", "/visited-1" in shown and "/visited-2" in shown, shown)
        newest = world.launchpad("logs", "dora", "-n", "1").out
        holds("the last line is a visitor's, not a probe's", newest.count("\n") == 1 and "/visited-2" in newest, newest)
        all_of_it = world.launchpad("logs", "dora", "--probes").out
        holds("--probes shows them", all_of_it.count("/startupz") > 10, all_of_it)
        follower = world.start("logs", "dora", "-f")
        followed = heard(follower, "/visited-2")
        world.get("dora", "/visited-3")
        followed += heard(follower, "/visited-3")
        follower.terminate()
        follower.communicate(timeout=10)
        holds("nor is one shown to who follows", "/startupz" not in followed and "/visited-3" in followed, followed)
        for hours in (-30, 30):
            lines = with_clock(world, hours, "logs", "dora", "--since", "10m")
            holds(f"--since 10m on a machine whose clock is {hours} h off", "/visited-2" in lines, lines)
        lines = world.launchpad("logs", "dora", "--since", "1s").out
        holds("--since 1s leaves out what is older", "/visited-1" not in lines, lines)


def heard(follower: subprocess.Popen[str], word: str) -> str:
    """What the command prints until a line has the word; all of it when none has within a minute."""
    late = threading.Timer(60, follower.kill)
    late.start()
    said = ""
    for line in follower.stdout or ():
        said += line
        if word in line:
            break
    late.cancel()
    return said


def finding(world: World, tenant: str, word: str) -> str:
    """The first finding of the tenant with that word in it, and its hint."""
    found = world.launchpad("--json", "status", check=False).json_document
    own = next(item for item in found["tenants"] if item["tenant"] == tenant)
    return next((item["message"] for item in own["findings"] if word in item["message"]), "")


def certified(world: World, domain: str) -> str:
    """When the certificate of the name that a visitor is shown ends; empty when there is none that the lab knows."""
    try:
        with (
            socket.create_connection((world.host.address, 443), timeout=5) as plain,
            world.trust.wrap_socket(plain, server_hostname=domain) as stream,
        ):
            return str((stream.getpeercert() or {}).get("notAfter", ""))
    except OSError:
        return ""


@contextlib.contextmanager
def resolving(world: World, name: str) -> Iterator[None]:
    """The lab has one more name that leads to the host; other labs here may write their names anew meanwhile."""
    over = threading.Event()

    def put() -> None:
        while not over.wait(1):
            hosts = {item.name: item.address for item in world.lab.hosts()}
            services.start_names(world.lab.paths, hosts | {name: world.host.address})

    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
def test_a_name_without_a_certificate_is_told_with_its_reason_and_mended(
    world: World, request: pytest.FixtureRequest
) -> None:
    """No such name, one that leads elsewhere, an authority that Caddy does not trust; each is mended without root."""
    with tallied("outside-c1", request) as holds:
        nowhere = f"erin.{world.host.name}-later.lab.test"
        world.add_tenant("erin")
        world.set_tenant("erin", domains=[nowhere])
        world.add_tenant("fred")
        world.set_tenant("fred", domains=["fred.mirror.lab.test"])
        caddy = ["docker", "inspect", "-f", "{{.State.StartedAt}}", "launchpad-caddy"]
        started = world.host.exec(caddy).stdout

        done = world.launchpad("deploy", "erin")
        record = f"{nowhere} has no DNS record"
        holds("a name that is none: the deploy goes on", "deploy done" in done.out, done)
        holds("a name that is none: it is told first", record in done.err, done.err)
        holds("with the record to make", f"{nowhere}. A {world.host.address}" in done.err, done.err)
        done = world.launchpad("deploy", "fred")
        holds("a name that leads elsewhere is told, and where", "points to 10.77.0.1" in done.err, done.err)

        why = eventually(lambda: finding(world, "erin", "no certificate"), "the watch says so of erin")
        holds("status says why", "resolve" in why, why)
        why = eventually(lambda: finding(world, "fred", "no certificate"), "the watch says so of fred")
        holds("status says why of the other", "404" in why or "Failed to connect" in why or "unauthorized" in why, why)
        checked = world.launchpad("status", "--check", check=False)
        holds("--check sees it", checked.code == 4, checked)
        shown = world.launchpad("certificates").out
        holds("certificates shows both, and since when", shown.count("missing since") == 2, shown)
        edge = world.launchpad("logs", "erin", "--edge").out
        holds("logs --edge has Caddy's reason", "could not get certificate" in edge, edge)
        holds("and nothing of another's name", "fred" not in edge and "dora" not in edge, edge)

        early = world.launchpad("certificates", "erin", "--retry", check=False)
        holds("a retry before the cause is gone says so", early.code == 4 and "resolve" in early.err, early)
        with resolving(world, f"{world.host.name}-later"):
            eventually(lambda: _leads(world, nowhere), "the lab knows the name")
            late = eventually(
                lambda: _well(world.launchpad("certificates", "erin", "--retry", check=False)), "a retry helps"
            )
            holds("a retry once it is gone helps", "until" in late.out, late.out)
            holds("a visitor is shown it", certified(world, nowhere))
        eventually(lambda: not finding(world, "erin", "certificate"), "the finding ends")
        holds("the finding ends by itself", True)

        world.launchpad("retire", "fred", "--purge", "--yes")
        (world.root / "inventory/tenants/fred.yaml").unlink()
        right = (world.root / "acme-root.pem").read_text()
        other = world.lab.acme_root_pem().read_text()  # signs tenants' certificates, not the directory's own
        (world.root / "acme-root.pem").write_text(other)
        world.launchpad("provision", "web-1", timeout=120)
        world.add_tenant("gina")
        world.deploy("gina")
        why = eventually(lambda: finding(world, "gina", "no certificate"), "an authority that is not known")
        holds("an authority that Caddy does not trust is the reason", "unknown authority" in why, why)
        (world.root / "acme-root.pem").write_text(right)
        world.launchpad("provision", "web-1", timeout=120)
        until = eventually(
            lambda: certified(world, world.domain("gina")), "provision applies the authority", seconds=30
        )
        holds("provision applies the changed authority", until)
        holds("Caddy was not restarted", world.host.exec(caddy).stdout == started)
        write(world.root / "launchpad.yaml", caddy=_caddy(world) | {"acme_email": "ops@example.com"})
        world.launchpad("provision", "web-1", timeout=120)
        runs = world.host.exec(
            ["curl", "-s", "--unix-socket", "/srv/launchpad/caddy/run/admin.sock", "http://127.0.0.1/config/"]
        ).stdout
        holds("provision applies a changed address", "ops@example.com" in runs, runs)


def _caddy(world: World) -> dict[str, Any]:
    return dict(yaml.safe_load((world.root / "launchpad.yaml").read_text())["caddy"])


def _leads(world: World, name: str) -> bool:
    said = world.host.exec(["getent", "ahostsv4", name], check=False).stdout
    return world.host.address in said


def _well(done: Done) -> Done | None:
    return done if done.code == 0 else None


@pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
def test_a_tenants_room_is_watched_and_one_command_says_whose_it_is(
    world: World, request: pytest.FixtureRequest
) -> None:
    with tallied("outside-c4", request) as holds:
        for name in ("hugo", "ines"):
            world.add_tenant(name)
            world.deploy(name)
            world.wait_for(name)
        world.request("hugo", "POST", "/marker", body=b"kept")
        holds("the quota holds", "Errno 122" in _fill(world, "hugo", 400))
        holds("a part of it is taken", _fill(world, "ines", 235) == "")
        broken = _writes(world, "hugo")
        holds(
            "the app cannot write, and its probes hold all the same",
            not broken and world.get("hugo", "/startupz").status == 200,
        )

        why = eventually(lambda: finding(world, "hugo", "fills the quota"), "a full quota is found", seconds=90)
        holds("status says that it is full", "256 MiB" in why, why)
        near = eventually(lambda: finding(world, "ines", "nearly filled"), "a nearly full one is found", seconds=90)
        holds("status says that the other is nearly full", near)
        checked = world.launchpad("status", "--check", check=False)
        holds("--check sees it", checked.code == 4, checked)
        long = world.launchpad("status", "--long").out
        line = next(line for line in long.splitlines() if line.startswith("ines"))
        holds("status --long has disk, memory and certificate", "of 256 MiB" in line and "until" in line, long)
        usage = world.launchpad("--json", "usage", "web-1").json_document["web-1"]
        groups = world.host.exec(["btrfs", "qgroup", "show", "--raw", "/srv/launchpad"]).stdout
        counted = {int(words[1]) for line in groups.splitlines() if (words := line.split())[0].startswith("1/")}
        told = {name: item["used"] for name, item in usage["tenants"].items()}
        holds("usage says what the kernel counts", told["hugo"] in counted and told["ines"] in counted, (told, counted))
        holds("usage has every tenant and image", {"hugo", "ines"} <= set(told) and usage["images"], usage)
        world.host.exec(["docker", "exec", Cell.of(world, "hugo").container, "python3", "-c", EMPTY])
        eventually(lambda: not finding(world, "hugo", "quota"), "the finding ends", seconds=90)
        holds("the finding ends with its cause, and the app writes", _writes(world, "hugo"))


EMPTY = "import os; os.remove('/data/fill')"


def _fill(world: World, tenant: str, megabytes: int) -> str:
    """What a program of the tenant says when it writes so much."""
    script = (
        f"import os; f = open('/data/fill', 'wb'); [f.write(bytes(1 << 20)) for _ in range({megabytes})]; os.fsync(f)"
    )
    words = ["docker", "exec", Cell.of(world, tenant).container, "python3", "-c", script]
    return world.host.exec(words, check=False).stderr


def _writes(world: World, tenant: str) -> bool:
    try:
        return world.request(tenant, "POST", "/marker", body=os.urandom(64 << 10).hex().encode()).status == 200
    except (OSError, ssl.SSLError):
        return False


DEVICE = """
C=$(docker ps -q --filter label=launchpad.tenant=olga --filter label=com.docker.compose.service=gateway)
IP=$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$C")
docker exec -i -e HOME=/tmp/laptop -e OPENCLAW_STATE_DIR=/tmp/laptop "$C" sh -c '
    mkdir -p /tmp/laptop
    export OPENCLAW_GATEWAY_TOKEN=$(cat) OPENCLAW_ALLOW_INSECURE_PRIVATE_WS=1
    timeout 45 openclaw node run --host '"$IP"' --port 18789 --display-name laptop 2>&1'
"""


@pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
def test_a_device_is_seen_before_it_is_let_in_and_can_be_revoked(world: World, request: pytest.FixtureRequest) -> None:
    """A node of OpenClaw with a state of its own comes over the bridge, with the token that secret show prints."""
    with tallied("outside-c9", request) as holds:
        world.add_tenant("olga", app="openclaw", version="2026.9.6", tier="standard")
        world.launchpad("deploy", "olga", timeout=900)
        token = world.launchpad("secret", "show", "olga", "OPENCLAW_GATEWAY_TOKEN").out.strip()
        holds("the generated token can be read", len(token) >= 24)
        history = world.launchpad("history", "olga").out
        holds("who read it is recorded, and not the value", "operator" in history and token not in history, history)

        def come() -> str:
            return world.host.exec(["sh", "-c", DEVICE], stdin=token, check=False, timeout=120).stdout

        def devices() -> dict[str, Any]:
            return dict(world.launchpad("--json", "open", "olga", "--devices").json_document["output"])

        holds("a device that is new has to wait", "pairing required" in come())
        (waiting,) = devices()["pending"]
        shown = world.launchpad("open", "olga", "--devices").out
        holds("it is listed as waiting, with its role", "waits" in shown and "node" in shown, shown)
        blind = world.launchpad("open", "olga", "--approve", waiting["requestId"], check=False)
        holds("nobody is let in without an answer", blind.code == 4 and "with node" in blind.err, blind)
        done = world.launchpad("open", "olga", "--approve", waiting["requestId"], "--yes")
        holds("approving shows what it grants", "with node" in done.out, done)
        holds("it comes in", "pairing required" not in come())
        (paired,) = devices()["paired"]
        shown = world.launchpad("open", "olga", "--devices").out
        holds("it is listed as paired, with its role", "paired" in shown and "node" in shown, shown)
        world.launchpad("open", "olga", "--revoke", paired["deviceId"][:12], "--yes")
        holds("a revoked device is listed no more", devices()["paired"] == [])
        said = come()
        holds("and comes in no more", "pairing required" in said or "unauthorized" in said.lower(), said)
