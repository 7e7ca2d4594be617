"""A host in memory on which a stranger plays what a real host would show: journal, kernel, Docker, Caddy, apps."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from launchpad.runner import paths
from launchpad.runner.backups import keeping
from launchpad.runner.caller import Caller
from launchpad.runner.diagnosing.bundle import Bundle, make_bundle
from launchpad.runner.diagnosing.collected import Collected
from launchpad.runner.diagnosing.collectors import COLLECTORS, collect
from launchpad.runner.diagnosing.desk import Desk
from launchpad.runner.host import Failed
from launchpad.runner.journal import Journal
from launchpad.runner.view import ContainerLine
from launchpad.runner.watching.certificate_check import reasons
from tests.memory.host import stamp
from tests.runner.diagnosing.examined import ExaminedHost, examined

Situation = Callable[["StrangeHost"], None]
CADDY = "launchpad-caddy"
ORDER = "https://acme-v02.api.letsencrypt.org/acme/order/1871992/330119874"
AUTHORITY = "https://acme-v02.api.letsencrypt.org/directory"
CASE = bytes(range(32))
GB = 1 << 30


@dataclass
class StrangeHost(ExaminedHost):
    journal: list[str] = field(default_factory=list)
    kernel: list[tuple[int, str]] = field(default_factory=list)
    """Each line with its priority; journalctl shows those that are asked for."""
    units: list[str] = field(default_factory=list)
    disks: dict[str, str] = field(default_factory=dict)

    def looked(self, argv: Sequence[str], *, seconds: float) -> str:
        match argv[0]:
            case "journalctl" if argv[0] in self.hanging:
                raise Failed("journalctl did not end")
            case "journalctl" if "--dmesg" in argv:
                most = 4 if "--priority=warning" in argv else 7
                return "".join(f"{text}\n" for priority, text in self.kernel if priority <= most)
            case "journalctl":
                return "".join(f"{line}\n" for line in self.journal)
            case "systemctl" if "list-units" in argv:
                return "".join(f"{line}\n" for line in self.units)
            case "systemctl" if "docker.service" in argv:
                return (
                    "failed\n"
                    if self.docker_down and self.last_words
                    else "inactive\n"
                    if self.docker_down
                    else "active\n"
                )
            case "df" if argv[-1] in self.disks:
                return self.disks[argv[-1]]
            case _:
                return super().looked(argv, seconds=seconds)

    # --- what happens on it

    def app(self, *texts: str, tenant: str = "alice", ago: float = 3.0, every: float = 1.0) -> None:
        """The tenant's app writes, the last line so many seconds ago."""
        name = next(name for name, box in self.boxes.items() if box.tenant == tenant)
        self._write(name, texts, ago, every)

    def caddy(self, *said: dict[str, Any], ago: float = 20.0, every: float = 1.0) -> None:
        """Caddy writes lines of JSON, with its own time."""
        lines = []
        for number, item in enumerate(said):
            at = self.now() - ago - (len(said) - 1 - number) * every
            head = {"level": item.get("level", "error"), "ts": round(at, 6)}
            lines.append(
                json.dumps(head | {key: value for key, value in item.items() if key != "level"}, separators=(",", ":"))
            )
        self._write(CADDY, lines, ago, every)

    def dmesg(self, *texts: str, priority: int = 3, ago: float = 300.0) -> None:
        self.kernel += [(priority, f"{self._iso(ago)} web-1 kernel: {text}") for text in texts]

    def unit(self, name: str, *texts: str, ago: float = 120.0) -> None:
        """A unit or a program writes to the journal."""
        self.journal += [f"{self._iso(ago)} web-1 {name}[812]: {text}" for text in texts]

    def failed_unit(self, name: str) -> None:
        self.units.append(f"{name} loaded failed failed {name}")
        self.failed = (*self.failed, name)

    def dies(
        self, name: str = "", *, exit_code: int = 1, oom_killed: bool = False, lines: Sequence[str] = (), how: str = ""
    ) -> None:
        """alice's app dies again and again, until the watch gives it up."""
        name = name or self.container("alice")
        self.app(*lines, ago=2, every=0.01)
        super().dies(name, exit_code=exit_code, oom_killed=oom_killed)
        again = (
            how
            or f"died 5 times within 10 min, the last time {'out of memory' if oom_killed else f'with status {exit_code}'}"
        )
        told = {
            "at": self.now() - 60, "service": "app", "reason": f"app {again}", "exit_code": exit_code,
            "out_of_memory": oom_killed, "deaths": 5, "lines": list(lines)[-20:],
        }  # fmt: skip
        self.write(f"{paths.tenant('alice')}/breaker.json", json.dumps(told).encode())

    def container(self, tenant: str) -> str:
        return next(name for name, box in self.boxes.items() if box.tenant == tenant)

    def becomes(self, state: Literal["running", "dead", "exited", "restarting"], *, exit_code: int = 0) -> None:
        name = self.container("alice")
        self.boxes[name] = self.boxes[name].but(
            state=state, exit_code=exit_code, address="" if state != "running" else self.boxes[name].address
        )

    def operation_failed(self, kind: str, message: str, *lines: str) -> None:
        """An operation on alice was undone just now."""
        journal = Journal(self, f"{kind}-of-alice-{len(self.calls)}")
        journal.create({"kind": kind, "tenant": "alice"}, Caller("dana", "192.0.2.7"), ())
        journal.add("undo-started", outcome="undone", reason=message, lines=list(lines))
        journal.finish("undone", message, list(lines))

    def backup_failed(self, message: str) -> None:
        failed = {"operation": "backup-of-alice-1", "at": self.now() - 60, "message": message}
        keeping.record(self, "alice", "offsite", failed=failed, sent={"at": self.now() - 90_000, "operation": "b"})

    def refuses(self, error: str, *, kind: str, authority: str = AUTHORITY, domain: str = "alice.example.com") -> None:
        """Caddy asks for a certificate, and the authority refuses: Caddy's four lines of that."""
        whole = f"[{domain}] solving challenges: {domain}: authorization failed: {error}"
        whole = whole if kind else f"[{domain}] creating new order: {error}"
        problem = {
            "type": f"urn:ietf:params:acme:error:{kind}",
            "title": "",
            "detail": error.partition(" - ")[2],
            "instance": "",
            "subproblems": [],
        }
        issuer = authority.removeprefix("https://").replace("/", "-")
        challenge = {
            "logger": "tls.issuance.acme.acme_client",
            "msg": "challenge failed",
            "identifier": domain,
            "challenge_type": "http-01",
            "problem": problem,
        }
        self.caddy(
            *([challenge] if kind else []),
            {"logger": "tls.obtain", "msg": "could not get certificate from issuer", "identifier": domain, "issuer": issuer, "error": f"{whole} (order={ORDER}) (ca={authority})" if kind else whole},
            {"logger": "tls.obtain", "msg": "will retry", "error": f"[{domain}] Obtain: {whole} (ca={authority})", "attempt": 3, "retrying_in": 300, "elapsed": 184.4, "max_duration": 2592000},
        )  # fmt: skip
        since, why = self.now() - 900, reasons(self, self.now() - 86_400).get(domain, "")
        message = f"{domain} has no certificate ({why or 'Caddy log gives no reason'})"
        self.account(
            findings=[
                {
                    "subject": "certificate",
                    "message": message,
                    "hint": "launchpad certificates alice --retry",
                    "tenant": "alice",
                    "since": since,
                }
            ],
            facts={"certificates": {domain: {"tenant": "alice", "until": None, "since": since, "why": why}}},
        )

    def account(self, **parts: Any) -> None:
        nothing = {"at": self.now(), "elapsed": self.elapsed(), "checks": {}, "findings": [], "facts": {}, "health": []}
        self.write(paths.ACCOUNT, json.dumps(nothing | {"boot_id": self.boot_id(), "runner": ""} | parts).encode())

    def _write(self, container: str, texts: Sequence[str], ago: float, every: float) -> None:
        mine, last = self.written.setdefault(container, []), len(texts) - 1
        mine += [
            ContainerLine(stamp(self.now() - ago - (last - number) * every), text) for number, text in enumerate(texts)
        ]
        mine.sort(key=lambda line: line.at)

    def _iso(self, ago: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(self.now() - ago))


def df(total: int, free: int, inodes: int = 5_000_000, inodes_free: int = 4_700_000) -> str:
    return f"1B-blocks Avail Inodes IFree\n{total} {free} {inodes} {inodes_free}\n"


def played(situation: Situation | None = None, *, busy: Situation | None = None) -> StrangeHost:
    """A busy host on which the situation happens."""
    well = examined()
    host = StrangeHost(**{name: value for name, value in vars(well).items() if name != "filter"})
    host.clock += 3 * 86_400  # both tenants have run for three days
    for play in (busy, situation):
        if play:
            play(host)
    return host


def bundle_of(host: StrangeHost, tenant: str = "alice") -> Bundle:
    desk = Desk(host=host, tenants=(tenant,) if tenant else ("alice", "bob"))
    return make_bundle(desk, tenant=tenant, case=CASE)


def causes_of(host: StrangeHost, tenant: str = "alice") -> list[str]:
    """What `diagnose` names, the first one first, for as long as it is about alice or the host."""
    return [item.cause for item in bundle_of(host, tenant).diagnoses]


def collected_of(host: StrangeHost) -> Collected:
    sections, _ = collect(Desk(host=host, tenants=("alice", "bob")), COLLECTORS)
    return Collected(host="web-1", tenant="", at=host.now(), sections=sections)


def text_of(bundle: Bundle) -> str:
    """Every text in the bundle, key or value, as a person reads it."""
    return "\n".join(_texts(json.loads(gzip.decompress(bundle.data))))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for pair in value.items() for item in pair for text in _texts(item))
    elif isinstance(value, list):
        yield from (text for item in value for text in _texts(item))
    else:
        yield str(value)
