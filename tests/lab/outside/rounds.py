"""A random killer: operations on five tenants of two hosts, struck at random moments by what goes wrong with hosts.

A round is a pure function of its seed: which tenants do what, what strikes where and when. `Arena.play` carries one
out, has every interrupted command typed again, and judges from outside: what runs, by the kernel; what is served, by
HTTP; what lies around, by Docker and the file system.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import yaml
from labkit import Host
from labkit.errors import LabError

from tests.lab.disasters import STORAGE, open_operations
from tests.lab.pair import Pair
from tests.lab.world import Done, write

Wish = Literal["deploy", "upgrade", "rollback", "restart", "stop", "snapshot", "restore", "backup", "move", "prune"]
Victim = Literal["client", "runner", "dockerd", "containerd", "caddy", "app", "guest", "disk", "network"]
TENANTS = ("ada", "ben", "cem", "dora", "eve")
LAST_MOMENT_SECONDS = 7.0
"""An operation on the light app takes about so long."""
OUTAGE_SECONDS = (0.5, 6.0)
ELSEWHERE_SHARE = 0.25
END_SECONDS = 240.0
"""So long a command that nothing strikes any more may take, and a host to settle what was open."""
SERVED_SECONDS = 120.0
SEEN_SECONDS = 90.0
"""The watch looks at its host each minute, and every 15 s while it has found anything; `status` shows its last look."""
OLD, NEW = "1.1.0", "2.0.0"
"""What tenants run: 2.0.0 migrates the data in place, and 1.1.0 refuses it then."""


@dataclass(frozen=True)
class Work:
    """One command on one tenant, or on all hosts when it has none."""

    wish: Wish
    tenant: str
    at: float


@dataclass(frozen=True)
class Strike:
    """What goes wrong, when, and for how long where it lasts."""

    victim: Victim
    tenant: str
    """Whose command, whose app or whose host it is."""
    elsewhere: bool
    """Whether it is the other host."""
    at: float
    seconds: float


@dataclass(frozen=True)
class Round:
    """What happens in one round."""

    seed: str
    works: tuple[Work, ...]
    strikes: tuple[Strike, ...]


def draw(seed: str) -> Round:
    """The round of that seed: one to three tenants do something, and one to four things strike, some at one instant."""
    dice = random.Random(seed)
    tenants = dice.sample(TENANTS, dice.choice((1, 2, 2, 3)))
    works = [Work(dice.choice(get_args(Wish)), tenant, dice.uniform(0, 2)) for tenant in tenants]
    strikes: list[Strike] = []
    for _ in range(dice.choice((1, 1, 2, 2, 3, 4))):
        moment = dice.uniform(0, LAST_MOMENT_SECONDS)
        if strikes and dice.random() < 0.3:
            moment = strikes[-1].at + dice.uniform(0, 0.3)
        victim = dice.choice(get_args(Victim))
        elsewhere = dice.random() < ELSEWHERE_SHARE
        strikes.append(Strike(victim, dice.choice(tenants), elsewhere, moment, dice.uniform(*OUTAGE_SECONDS)))
    return Round(seed, tuple(works), tuple(strikes))


@dataclass
class State:
    """What a tenant is known to be: on which host, on which version, with what in its data."""

    host: str
    domain: str
    version: str = OLD
    marker: str = ""
    before: str = ""
    """What the data said when the tenant left 1.1.0; empty while it never did."""
    generation: str = ""
    kept: tuple[str, str] = ("", "")
    """A generation that was taken of the data: of which version, and what it says."""
    tier: str = "small"


@dataclass
class Wrong:
    """What was found at the end of a round, by kind."""

    down: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.down or self.data or self.left)


@dataclass
class Arena:
    """Two hosts with five tenants, and what each of these is known to be."""

    pair: Pair
    states: dict[str, State] = field(default_factory=dict)
    say: Callable[[str], None] = print

    @property
    def hosts(self) -> dict[str, Host]:
        return {"web-1": self.pair.old, "web-2": self.pair.new}

    def fill(self) -> None:
        """The tenants, on 1.1.0, with a marker and a generation each."""
        root = self.pair.world.root / "inventory"
        (root / "targets.yaml").write_text(yaml.safe_dump({"there": {"kind": "local", "url": REPOSITORIES}}))
        small = {"memory": "128MiB", "cpus": 0.5, "pids": 64, "disk": "128MiB", "backup": {"targets": ["there"]}}
        write(root / "tiers.yaml", small=small, wide=small | {"memory": "160MiB"})
        for guest in self.hosts.values():
            guest.exec(["mkdir", "-p", REPOSITORIES])
        for name in self.hosts:
            self.pair.world.launchpad("provision", name, timeout=600)  # where backups go is part of a host's settings
        for number, name in enumerate(TENANTS):
            home = "web-1" if number < 3 else "web-2"
            self.pair.world.add_tenant(name, version=OLD, tier="small")
            # The names lead where the tenant is at first: there the lab's authority gives it its certificate.
            domain = f"{name}.{self.hosts[home].domain}"
            self.pair.world.set_tenant(name, host=home, domains=[domain])
            self.pair.world.deploy(name)
            self.states[name] = State(home, domain)
        for name in TENANTS:
            self._await(name)
            self.write(name)
            self.keep(name)

    def keep(self, name: str) -> None:
        self.pair.world.launchpad("snapshot", name)
        kept = self.pair.world.launchpad("--json", "generations", name).json_document["generations"]
        state = self.states[name]
        state.generation = max(kept, key=lambda item: item["at"])["id"]
        state.kept = (state.version, state.marker)

    def write(self, name: str) -> None:
        """Another marker in the tenant's data, which it said yes to."""
        text = f"{name} {time.time_ns()}"
        answer = self.ask(name, "/marker", body=text.encode())
        assert answer and answer[0] == 200, f"{name} takes no marker: {answer}"
        self.states[name].marker = text

    # --- a round

    def play(self, played: Round) -> Wrong:
        """Carry it out, type again what was interrupted, and judge what there is then."""
        for work in played.works:
            self.write(work.tenant)
        begun, running = time.monotonic(), {}
        threads = [threading.Thread(target=self._begin, args=(work, begun, running)) for work in played.works]
        threads += [threading.Thread(target=self._strike, args=(strike, begun, running)) for strike in played.strikes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for host in self.hosts.values():
            host.start()
            host.heal()
            host.free_disk(STORAGE)
            host.settle()
        wrong = Wrong()
        for work in played.works:
            self._again(work, running[work], wrong)
        for name in TENANTS:
            self._judge(name, [work for work in played.works if work.tenant == name], wrong)
        self._tidy(played, wrong)
        return wrong

    def command(self, work: Work) -> list[str]:
        """What is typed for it now: what it can be depends on where the tenant is."""
        name, state = work.tenant, self.states[work.tenant]
        words: dict[str, list[str]] = {
            "deploy": ["deploy", name],
            "upgrade": ["upgrade", name, "--to", NEW, "--yes", "--soak", "1s"],
            "rollback": ["rollback", name, "--yes", "--soak", "1s"],
            "restart": ["restart", name],
            "stop": ["stop", name],
            "snapshot": ["snapshot", name],
            "restore": ["restore", name, "--generation", state.generation, "--yes"],
            "backup": ["backup", name],
            "move": ["move", name, "--to", "web-2" if state.host == "web-1" else "web-1", "--yes"],
            "prune": ["prune"],
        }
        return words[self.wish(work)]

    def wish(self, work: Work) -> Wish:
        """What it comes down to: nobody upgrades to what runs, or goes back before there was anything."""
        state = self.states[work.tenant]
        wish = work.wish
        if wish in ("upgrade", "rollback"):
            wish = "upgrade" if state.version == OLD else "rollback"
        if (wish == "rollback" and not state.before) or (wish == "restore" and state.version != state.kept[0]):
            return "restart"  # what it would go back to stayed on another host, or is of another version
        return wish

    def _begin(self, work: Work, begun: float, running: dict[Work, subprocess.Popen[str]]) -> None:
        time.sleep(max(0.0, begun + work.at - time.monotonic()))
        if work.wish == "deploy":
            state = self.states[work.tenant]
            state.tier = "wide" if state.tier == "small" else "small"
            self.pair.world.set_tenant(work.tenant, tier=state.tier)
        running[work] = self.pair.world.start("--json", *self.command(work))

    def _strike(self, strike: Strike, begun: float, running: dict[Work, subprocess.Popen[str]]) -> None:
        time.sleep(max(0.0, begun + strike.at - time.monotonic()))
        home = self.states[strike.tenant].host
        host = self.hosts[next(name for name in self.hosts if (name == home) is not strike.elsewhere)]
        with suppress(LabError, subprocess.TimeoutExpired, ProcessLookupError):  # the guest may be off just now
            match strike.victim:
                case "client":
                    for process in [item for work, item in list(running.items()) if work.tenant == strike.tenant]:
                        process.kill()
                case "runner":
                    _kill(host, "systemctl kill --signal=KILL 'launchpad-operation@*'")
                case "dockerd" | "containerd" | "caddy":
                    _kill(host, f"pkill -KILL -x {strike.victim}")
                case "app":
                    containers = f"docker ps -q --filter label=launchpad.tenant={strike.tenant}"
                    _kill(host, f"docker inspect -f '{{{{.State.Pid}}}}' $({containers}) | xargs -r kill -KILL")
                case "guest":
                    host.power_off_hard()
                    time.sleep(strike.seconds)
                    host.start()
                case "disk":
                    host.fill_disk(STORAGE)
                    time.sleep(strike.seconds)
                    host.free_disk(STORAGE)
                case "network":
                    host.cut()
                    time.sleep(strike.seconds)
                    host.heal()
        if strike.victim == "network":
            host.heal()

    # --- afterwards

    def _again(self, work: Work, process: subprocess.Popen[str], wrong: Wrong) -> None:
        """Wait for the command; then type the same again, as a person would, until it says that it is done."""
        try:
            out, err = process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err += f"\nstill running after {END_SECONDS:g} s"
        words = self.command(work)
        code, end = process.returncode, time.monotonic() + END_SECONDS
        while code:
            assert code != 2, f"nobody types this: {err}"
            if time.monotonic() > end:
                wrong.down.append(f"{' '.join(words)}: {code}: {out[-300:]} {err[-900:]}")
                break
            time.sleep(1)
            done = self.pair.world.launchpad("--json", *words, check=False, timeout=END_SECONDS)
            code, out, err = done.code, done.out, done.err
        if code == 0:
            self._done(work)

    def _done(self, work: Work) -> None:
        """What is known of the tenant now that the command says that it is done."""
        name, state = work.tenant, self.states[work.tenant]
        match self.wish(work):
            case "upgrade":
                state.version, state.before = NEW, state.marker
            case "rollback":
                state.version, state.marker = OLD, state.before
            case "restore":
                state.marker = state.kept[1]
            case "move":
                source = state.host
                state.host = "web-2" if source == "web-1" else "web-1"
                self.pair.world.launchpad("move", name, "--finish", "--despite-dns", timeout=END_SECONDS)
                self.pair.world.launchpad("retire", name, "--host", source, "--purge", "--yes", timeout=END_SECONDS)
                state.before = ""
                self.keep(name)
            case _:
                pass

    def _judge(self, name: str, works: list[Work], wrong: Wrong) -> None:
        state = self.states[name]
        if any(work.wish == "stop" for work in works):
            if self._runs_on(name):
                wrong.down.append(f"{name} was stopped and runs on {self._runs_on(name)}")
            started = self.pair.world.launchpad("start", name, check=False, timeout=END_SECONDS)
            if started.code:
                wrong.down.append(f"start {name}: {started.err[-600:]}")
        answer = self._await(name)
        if answer is None or answer[0] != 200:
            wrong.down.append(f"{name} does not answer on {state.host} after {SERVED_SECONDS:g} s: {answer}")
            return
        found = json.loads(answer[1])
        if (found["version"], found["marker"]) != (state.version, state.marker):
            wrong.data.append(
                f"{name}: {found['version']} says {found['marker']!r}, not {state.version} {state.marker!r}"
            )
        if (runs := self._runs_on(name)) != [state.host]:
            wrong.data.append(f"{name} runs on {runs}, not on {state.host} alone")
        written = yaml.safe_load((self.pair.world.root / f"inventory/tenants/{name}.yaml").read_text())
        if (written["version"], written["host"]) != (state.version, state.host):
            wrong.data.append(f"{name}: the inventory says {written['version']} on {written['host']}")

    def _await(self, name: str) -> tuple[int, bytes] | None:
        """What the tenant answers once it does so with 200, or at last."""
        end = time.monotonic() + SERVED_SECONDS
        while (answer := self.ask(name, "/")) is None or answer[0] != 200:
            if time.monotonic() > end:
                break
            time.sleep(0.5)
        return answer

    def _runs_on(self, name: str) -> list[str]:
        """The hosts on which a process of the tenant's lives, by the kernel."""
        ids = f"docker ps -q --no-trunc --filter label=launchpad.tenant={name}"
        pids = f"docker inspect -f '{{{{.State.Pid}}}}' $({ids}) 2>/dev/null"
        alive = f"for pid in $({pids}); do test -e /proc/$pid && echo $pid; done"
        return [
            host for host, guest in self.hosts.items() if guest.exec(["sh", "-c", alive], check=False).stdout.strip()
        ]

    def _tidy(self, played: Round, wrong: Wrong) -> None:
        """After a prune nothing lies around that no tenant needs, and nobody has to look."""
        del played
        pruned = self.pair.world.launchpad("prune", check=False, timeout=END_SECONDS)
        if pruned.code:
            wrong.left.append(f"prune: {pruned.code}: {pruned.err[-600:]}")
        for host, guest in self.hosts.items():
            homes = {name for name, state in self.states.items() if state.host == host}
            if found := open_operations(guest):
                wrong.left.append(f"{host}: open operations {found}")
            names = _lines(guest, "docker ps -a --format '{{.Label \"launchpad.tenant\"}} {{.Names}}'")
            strays = [line for line in names if line.split()[0] not in homes and "launchpad-caddy" not in line]
            wrong.left += [f"{host}: container {line}" for line in strays]
            wrong.left += [f"{host}: container {line}" for line in self._doubled(names)]
            networks = set(_lines(guest, "docker network ls --format '{{.Name}}'"))
            wrong.left += [f"{host}: network {item}" for item in networks - {f"lp-{name}" for name in homes} - BUILT_IN]
            volumes = _lines(guest, "docker volume ls -q")
            wrong.left += [f"{host}: Docker volume {item}" for item in volumes]
            tenants = set(_lines(guest, f"ls {STORAGE}/tenants"))
            wrong.left += [f"{host}: folder of {item}" for item in tenants - homes]
            for name in homes:
                entries = set(_lines(guest, f"ls {STORAGE}/tenants/{name}"))
                entries |= {f"backup/{item}" for item in _lines(guest, f"ls {STORAGE}/tenants/{name}/backup")}
                wrong.left += [f"{host}: {name}/{item}" for item in entries - KNOWN]
            sites = {item.removesuffix(".caddy") for item in _lines(guest, f"ls {STORAGE}/caddy/sites")}
            wrong.left += [f"{host}: site of {item}" for item in sites - homes]
        end = time.monotonic() + SEEN_SECONDS
        while (said := self._checked()).code and time.monotonic() < end:
            time.sleep(2)
        if said.code:
            told = said.json_document if said.out.strip().startswith("{") else {}
            shown = [
                f"{item.get('tenant')}: {item.get('state')} {item.get('drift')} {item.get('remarks')}"
                for item in told.get("tenants", [])
                if not item.get("good")
            ]
            hosts = [
                f"{host}: {item.get('message')} {item.get('problems')} {item.get('findings')}"
                for host, item in told.get("hosts", {}).items()
                if "message" in item or item["problems"] or item["findings"]
            ]
            wrong.left.append(f"status --check exits {said.code}: {[*shown, *hosts]} {said.err[-300:]}")

    def _checked(self) -> Done:
        return self.pair.world.launchpad("--json", "status", "--check", check=False, timeout=END_SECONDS)

    @staticmethod
    def _doubled(names: list[str]) -> list[str]:
        """Containers of a tenant's other side: nothing needs them once an operation is over."""
        sides: dict[str, set[str]] = {}
        for line in names:
            tenant, _, container = line.partition(" ")
            if container.startswith(f"lp-{tenant}-"):
                sides.setdefault(tenant, set()).add(container.removeprefix(f"lp-{tenant}-")[0])
        return [f"{tenant} has both sides" for tenant, found in sides.items() if len(found) > 1]

    def ask(self, name: str, path: str, *, body: bytes | None = None) -> tuple[int, bytes] | None:
        """What a visitor gets at the host where the tenant has to be; None without an answer."""
        state = self.states[name]
        connection = http.client.HTTPConnection(state.domain)
        try:
            plain = socket.create_connection((self.hosts[state.host].address, 443), timeout=30)
            with self.pair.world.trust.wrap_socket(plain, server_hostname=state.domain) as stream:
                connection.sock = stream
                method = "GET" if body is None else "POST"
                connection.request(method, path, body=body, headers={"Connection": "close"})
                response = connection.getresponse()
                return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return None


BUILT_IN = {"bridge", "host", "none"}
KNOWN = {
    "releases", "current", "data", "generations", "tenant.json", "secrets", "backup", "adopted",
    "backup/key.cred", "backup/key.age", "backup/key.for", "backup/targets", "backup/proven.json",
}  # fmt: skip
REPOSITORIES = "/srv/disk"


def _kill(host: Host, script: str) -> None:
    host.exec(["sh", "-c", script], check=False, timeout=30)


def _lines(host: Host, script: str) -> list[str]:
    return [line for line in host.exec(["sh", "-c", script], check=False).stdout.splitlines() if line.strip()]


def told(played: Round) -> dict[str, Any]:
    """The round in a line, for whoever reads a log."""
    return {
        "seed": played.seed,
        "works": [f"{work.at:.1f} {work.wish} {work.tenant}" for work in played.works],
        "strikes": [
            f"{item.at:.1f} {item.victim} of {item.tenant}{' (the other host)' * item.elsewhere}, {item.seconds:.1f} s"
            for item in played.strikes
        ],
    }
