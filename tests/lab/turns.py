"""Turns of OpenClaw by its real command line, and a model's provider in the world that answers them: nobody's key, and
no provider's money. The command line runs on the host, as somebody who has nothing to do with Launchpad."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from labkit import Host
from labkit.images import openclaw
from labkit.images.oci import build_layer, unpack

from tests.lab.world import World

WORLD, NEAR = "11.11.11.2", "11.11.11.1"
"""An address in the world, and the host's own towards it."""
PORT = 9099
HOME = "/home/cleo"
TURN_SECONDS = 120
OUTSIDE = (
    "ip netns add outside",
    "ip link add outside-near type veth peer name outside-far netns outside",
    f"ip addr add {NEAR}/30 dev outside-near",
    "ip link set outside-near up",
    f"ip -n outside addr add {WORLD}/30 dev outside-far",
    "ip -n outside link set outside-far up",
    f"ip -n outside route add default via {NEAR}",
)
PROVIDER = {
    "baseUrl": f"http://{WORLD}:{PORT}/v1",
    "apiKey": "none",
    "api": "openai-completions",
    "models": [
        {
            "id": "plain",
            "name": "plain",
            "reasoning": False,
            "input": ["text"],
            "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
            "contextWindow": 200000,
            "maxTokens": 8192,
        }
    ],
}
MODEL = f"""
import json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def chunk(delta, reason=None):
    body = {{"id": "c-1", "object": "chat.completion.chunk", "created": 1767225600, "model": "plain"}}
    body["choices"] = [{{"index": 0, "delta": delta, "finish_reason": reason}}]
    return f"data: {{json.dumps(body)}}\\n\\n".encode()

class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(chunk({{"role": "assistant", "content": ""}}))
        self.wfile.flush()
        time.sleep(float(sys.argv[1]))
        self.wfile.write(chunk({{"content": "The lighthouse is lit."}}) + chunk({{}}, "stop") + b"data: [DONE]\\n\\n")

ThreadingHTTPServer(("{WORLD}", {PORT}), Answer).serve_forever()
"""


def stand_in(host: Host, *, seconds: float) -> None:
    """A provider in the world, as the host sees it, that takes so long for each answer. It goes with the host."""
    for command in OUTSIDE:
        host.exec(command.split())
    host.exec(["sh", "-c", "cat > /srv/model.py"], stdin=MODEL.encode())
    unit = ["systemd-run", "--quiet", "--unit=model", "--collect", "ip", "netns", "exec", "outside"]
    host.exec([*unit, "python3", "/srv/model.py", str(seconds)])


def use(world: World, tenant: str) -> None:
    """Have the tenant's OpenClaw take that provider's model, as its owner would write it."""
    path = f"/srv/launchpad/tenants/{tenant}/data/state/openclaw.json"
    written = json.loads(world.host.exec(["cat", path]).stdout)
    written.setdefault("models", {})["providers"] = {"plain": PROVIDER}
    written.setdefault("agents", {}).setdefault("defaults", {})["model"] = {"primary": "plain/plain"}
    world.host.exec(["sh", "-c", f"cat > {path}"], stdin=json.dumps(written).encode())
    world.launchpad("restart", tenant)


@dataclass
class Turn:
    """One turn, as its command ended."""

    at: float
    """When it was typed, by time.time()."""
    seconds: float
    lost: str
    """Why it got no answer; empty when it did."""


@dataclass
class Turns:
    """A person who asks one thing after the other, by the app's own command line."""

    world: World
    tenant: str
    done: list[Turn] = field(default_factory=list)

    def install(self, version: str) -> None:
        """The command line of that version, and a device that the tenant knows."""
        host, paths = self.world.host, self.world.lab.paths
        for layer in openclaw.recipe(paths, version).layers[1:]:
            unpack(build_layer(layer, paths.cache / "layers"), host.root)
        host.exec(["mkdir", "-p", f"{HOME}/.openclaw"])
        token = self._token()
        there = {"mode": "remote", "remote": {"url": f"wss://{self.world.domain(self.tenant)}", "token": token}}
        self._write(".openclaw/openclaw.json", json.dumps({"gateway": there}).encode())
        self._write("root.pem", Path(self.world.lab.acme_root_pem()).read_bytes())
        asked = self.take()
        assert "pairing required" in asked.lost, asked
        request = asked.lost.partition("requestId: ")[2].partition(")")[0]
        self.world.launchpad("open", self.tenant, "--approve", request, "--yes")

    def _token(self) -> str:
        (name,) = self.world.containers(self.tenant)
        shown = self.world.host.exec(["docker", "exec", name.lstrip("/"), "cat", "/run/secrets/OPENCLAW_GATEWAY_TOKEN"])
        return shown.stdout.strip()

    def _write(self, name: str, content: bytes) -> None:
        self.world.host.exec(["sh", "-c", f"umask 077; cat > {HOME}/{name}"], stdin=content)

    def take(self) -> Turn:
        """Ask one thing and wait for the answer."""
        at, begun = time.time(), time.monotonic()
        own = [f"HOME={HOME}", f"NODE_EXTRA_CA_CERTS={HOME}/root.pem", f"NODE_COMPILE_CACHE={HOME}/cache"]
        words = ["agent", "--agent", "main", "--message", "Is it lit?", "--json"]
        command = ["env", *own, "OPENCLAW_NO_AUTO_UPDATE=1", "openclaw", *words]
        said = self.world.host.exec(command, check=False, timeout=TURN_SECONDS)
        answered = said.status == 0 and "The lighthouse is lit." in said.stdout
        turn = Turn(at, time.monotonic() - begun, "" if answered else (said.stderr or said.stdout)[-500:])
        self.done.append(turn)
        return turn

    @contextmanager
    def going_on(self) -> Iterator[list[Turn]]:
        """One turn after the other, until the block ends; the last one is over then."""
        over, first = threading.Event(), len(self.done)
        taken: list[Turn] = []

        def go_on() -> None:
            while not over.is_set():
                self.take()

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield taken
        finally:
            over.set()
            thread.join()
            taken += self.done[first:]
