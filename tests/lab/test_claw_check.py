"""OpenClaw's action `check` in the real OpenClaw, with a provider outside that takes one key and refuses another."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.test_health import account, until
from tests.lab.turns import OUTSIDE, PORT, WORLD
from tests.lab.world import World

pytestmark = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
WORKS, REVOKED = "sk-ant-works-0123456789abcdefghij", "sk-ant-revoked-0123456789abcdefg"
PROVIDER = f"""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.path == "/v1/models" and self.headers.get("x-api-key") == "{WORKS}"
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{{}}")

ThreadingHTTPServer(("{WORLD}", {PORT}), Answer).serve_forever()
"""
STATE = "/srv/launchpad/tenants/olga/data/state/openclaw.json"


@pytest.fixture(scope="module", autouse=True)
def olga(world: World) -> Iterator[None]:
    """With a key that works, of a provider that her configuration names."""
    for command in OUTSIDE:
        world.host.exec(command.split())
    world.host.write("/srv/provider.py", PROVIDER)
    unit = ["systemd-run", "--quiet", "--unit=provider", "--collect", "ip", "netns", "exec", "outside"]
    world.host.exec([*unit, "python3", "/srv/provider.py"])
    world.add_tenant("olga", app="openclaw", version="2026.9.6", tier="standard")
    world.launchpad("secret", "set", "olga", "ANTHROPIC_API_KEY", stdin=WORKS)
    world.launchpad("deploy", "olga", timeout=900)
    written = json.loads(world.host.exec(["cat", STATE]).stdout)
    own = {"baseUrl": f"http://{WORLD}:{PORT}", "api": "anthropic-messages", "models": []}
    written.setdefault("models", {})["providers"] = {"anthropic": own}
    world.host.exec(["sh", "-c", f"cat > {STATE}"], stdin=json.dumps(written).encode())
    world.launchpad("restart", "olga", timeout=900)
    yield


def check(world: World) -> tuple[int, dict[str, str], str]:
    """Exit code, secret → state, and all that was printed."""
    done = world.launchpad("act", "olga", "check", check=False)
    found: dict[str, Any] = json.loads(done.out.strip().splitlines()[-1])
    return done.code, {item["secret"]: item["state"] for item in found["checks"]}, done.out + done.err


def provider_facts(world: World) -> list[tuple[str, str]]:
    mine = [fact for fact in account(world) if fact.get("tenant") == "olga" and fact["layer"] == "provider"]
    return [(fact["grade"], fact["message"]) for fact in mine]


def test_a_key_that_works_and_one_that_was_revoked_inside_the_real_app(
    world: World, say: Callable[[str], None]
) -> None:
    assert check(world)[:2] == (0, {"ANTHROPIC_API_KEY": "works"})
    inside = ["docker", "exec", "lp-olga-a-gateway-1", "/bin/sh", "/launchpad/entrypoint.sh"]
    begun = time.monotonic()
    world.host.exec([*inside, "node", "/launchpad/check.mjs"])
    say(f"the check inside OpenClaw took {time.monotonic() - begun:.2f} s; load {os.getloadavg()[0]:.1f}")
    well = ("ok", "anthropic accepts the key")
    until(lambda: well in provider_facts(world), "the watch itself ran it", seconds=150)
    world.launchpad("secret", "set", "olga", "ANTHROPIC_API_KEY", stdin=REVOKED)
    world.launchpad("deploy", "olga", timeout=900)
    code, states, printed = check(world)
    assert (code, states) == (6, {"ANTHROPIC_API_KEY": "refused"})
    assert REVOKED not in printed and REVOKED[:12] not in printed
    assert world.launchpad("status", "olga").code == 0


@pytest.mark.timeout(1500)
def test_the_app_stays_ready_and_nobody_restarts_it(world: World) -> None:
    before = world.containers("olga")
    refused = ("warning", "anthropic refuses the key: it was revoked, or is mistyped")
    until(lambda: refused in provider_facts(world), "the watch tells the customer's key", seconds=1000)
    assert world.containers("olga") == before
