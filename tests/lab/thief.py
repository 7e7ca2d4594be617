"""Somebody who has an operator's SSH key and says what he likes with it; and what the host looks like from above."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from labkit import Host
from labkit.shell import Result

from launchpad.runner.protocol import PROTOCOL
from launchpad.ssh.connection import FORCED_COMMAND
from launchpad.ssh.dialling import dial
from launchpad.ssh.execution import Execution
from launchpad.ssh.intents import Sign, intent_for
from tests.lab.settings import connection, open_workspace
from tests.lab.world import World

OPERATORS = "launchpad"
KINDS_OF_NO = ("request", "state", "locked", "protocol", "step")
"""What a refusal may be; `bug` is not one."""


class Thief:
    """One connection, over which any bytes go straight to the forced command: no check of the client's own is left."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.workspace = open_workspace(world)
        reached = connection(self.workspace)
        self.endpoint, self.identity = reached.endpoint, reached.identity
        self.connection = dial(self.endpoint, identity=self.identity)
        self.signs: Sign | None = None
        """By whom requests are signed; None: the thief has no signing key."""

    def say(self, line: bytes, *, command: str = FORCED_COMMAND, seconds: float = 60) -> dict[str, Any]:
        """The last line of the answer to these bytes; empty when there was none."""
        with Execution(self.connection.transport, host="web-1", command=command, seconds=seconds) as running:
            running.send(line)
            said = b"".join(running.pieces()).decode(errors="replace")
        lines = [json.loads(item) for item in said.splitlines() if item.startswith("{")]
        return lines[-1] if lines else {}

    def ask(self, verb: str, body: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """The same for a request; `more` replaces what is beside the body."""
        return self.say(self.line(verb, body, **more))

    def line(self, verb: str, body: Mapping[str, Any], **more: Any) -> bytes:
        """The request as it goes over the wire."""
        request = {"protocol": PROTOCOL, "client": "0.0.1", "verb": verb, "body": body}
        try:
            signed = intent_for("web-1", verb, body, self.signs)
        except UnicodeEncodeError:  # half characters, which nobody can sign
            signed = {}
        return json.dumps(request | signed | more).encode() + b"\n"

    def ssh(self, *words: str, user: str = OPERATORS, stdin: bytes = b"", seconds: float = 20) -> Result:
        """What OpenSSH's own client gets with the stolen key."""
        argv = self._argv(*words, user=user)
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=seconds, check=False)
        return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    @contextmanager
    def forwarding(self, target: str) -> Iterator[socket.socket]:
        """A connection to a port of this machine that OpenSSH's client forwards to the host's target."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        argv = self._argv("-N", "-L", f"127.0.0.1:{port}:{target}", self.world.host.address)
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as client:
            try:
                yield connected(port)
            finally:
                client.terminate()

    def _argv(self, *words: str, user: str = OPERATORS) -> list[str]:
        host, key = self.world.host, self.world.root / ".config/launchpad/ssh_ed25519"
        options = ["-o", f"UserKnownHostsFile={host.known_hosts}", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
        return ["ssh", "-F", "none", "-i", str(key), *options, "-l", user, *words]


def connected(port: int, *, seconds: float = 20) -> socket.socket:
    """A connection to a port that somebody is about to open."""
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=seconds)
        except ConnectionRefusedError:
            assert time.monotonic() < end, f"nobody opened port {port} within {seconds:g} s"
            time.sleep(0.05)


def is_refusal(answer: Mapping[str, Any]) -> bool:
    return answer.get("type") == "error" and answer.get("error") in KINDS_OF_NO


# --- the host from above ----------------------------------------------------------------------------------------------

KEPT = (
    "/etc",
    "/usr/local",
    "/root",
    "/home",
    "/var/spool/cron",
    "/srv/launchpad/caddy/sites",
    "/srv/launchpad/caddy/Caddyfile",
)
"""What decides over the host, byte by byte."""
LIVES = (
    "/proc", "/sys", "/dev", "/run", "/var/log", "/var/lib/docker", "/var/lib/containerd", "/var/lib/systemd",
    "/var/lib/fail2ban", "/var/lib/chrony", "/var/lib/private", "/var/cache", "/var/lib/apt", "/var/lib/dpkg",
    "/var/lib/launchpad/operations", "/var/lib/launchpad/open", "/var/lib/launchpad/reloads",
    "/var/lib/launchpad/storage.btrfs", "/srv/launchpad/caddy/data", "/srv/launchpad/tenants/alice",
)  # fmt: skip
"""Where files come and go by themselves, or are the tenant's own."""
MARK = "/var/tmp/before-the-thief"


@dataclass(frozen=True)
class View:
    """A host as its owner would examine it after a break-in."""

    kept: str
    """A digest of every file that decides, with its owner and mode."""
    neighbour: str
    containers: frozenset[str]
    """Name, start and image of each."""
    roots: frozenset[str]
    """The programs that run as root."""
    sockets: frozenset[str]
    """What listens."""


def view_of(host: Host) -> View:
    def said(script: str) -> str:
        return host.exec(["sh", "-c", script]).stdout

    digest = "find {} -xdev \\( -type f -exec sha256sum {{}} + \\) -o -type l -printf '%p %l\\n' | sort | sha256sum; "
    digest += "find {} -xdev -printf '%p %m %U %G %y\\n' | sort | sha256sum"
    bob = "/srv/launchpad/tenants/bob"
    shown = "{{.Name}} {{.State.StartedAt}} {{.Image}}"
    programs = "ps -eo euser:20,pid,ppid,args --no-headers | awk '$1==\"root\" && $2!=2 && $3!=2 {print $4,$5,$6}'"
    return View(
        kept=said(digest.format(" ".join(KEPT), " ".join(KEPT))),
        neighbour=said(f"find {bob} -type f ! -name 'store.sqlite*' -exec sha256sum {{}} + | sort | sha256sum"),
        containers=frozenset(said(f"docker ps -aq | xargs docker inspect -f '{shown}'").splitlines()),
        roots=frozenset(line for line in said(programs).splitlines() if not passes_by(line)),
        sockets=frozenset(said("ss -Hltunx | awk '{print $1,$5,$6}'").splitlines()),
    )


def passes_by(program: str) -> bool:
    """Whether it comes and goes without anybody's doing: this look itself, logins, and systemd's helpers."""
    words = ("ps -eo", "awk ", "sh -c", "sshd-session", "sshd:", "(sd-", "sudo -n /usr/local/sbin/launchpad-runner")
    names = ("systemd-userwork", "/usr/bin/env -i", "containerd-shim", "/usr/bin/python3 -IS /usr/local/lib/launchpad")
    return program.startswith(words + names)


def mark(host: Host) -> None:
    host.exec(["touch", MARK])


def new_files(host: Host) -> list[str]:
    """Everything outside the tenant that was written or made since `mark`."""
    pruned = " -o ".join(f"-path {path}" for path in LIVES)
    script = f"find / /srv/launchpad -xdev \\( {pruned} \\) -prune -o \\( -type f -o -type l -o -type p \\) "
    script += f"\\( -newer {MARK} -o -cnewer {MARK} \\) -print"
    return sorted(set(host.exec(["sh", "-c", script], check=False).stdout.split()) - {MARK})
