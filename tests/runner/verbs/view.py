"""The in-memory host with what reading verbs, the watcher and boot need beside the seam."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.host import CommandOutput, Failed
from launchpad.runner.view import ClockState, ContainerLine, SiteAnswer
from tests.memory.host import MemoryHost, stamp
from tests.memory.releases import deploy_body, release

CALLER = Caller("alice", "192.0.2.7")


class MemoryLog:
    """What a container wrote, from a place on."""

    def __init__(self, host: MemoryView, container: str) -> None:
        self._host, self.identity = host, container
        self._place, self.at, self.count, self._lost = 0, "", 1, ""

    @property
    def _lines(self) -> list[ContainerLine]:
        return self._host.written.get(self.identity, [])

    def is_gone(self) -> bool:
        return self.identity not in self._host.boxes and self.identity != "launchpad-caddy"

    def tail(self, records: int) -> bool:
        self._place = max(0, len(self._lines) - records)
        return self._place == 0

    def since(self, at: float) -> None:
        self._place = sum(line.at < stamp(at) for line in self._lines)

    def after(self, at: str, count: int) -> None:
        marks = [(line.at, line.count) for line in self._lines]
        self._lost = at if at and (at, count) not in marks else ""
        self._place = marks.index((at, count)) + 1 if (at, count) in marks else 0

    def read(self, most: int) -> list[ContainerLine]:
        found = self._lines[self._place :]
        self._place += len(found)
        if found:
            first = ContainerLine(found[0].at, found[0].text, found[0].cut, found[0].count, self._lost)
            found, self._lost, self.at, self.count = [first, *found[1:]], "", found[-1].at, found[-1].count
        return found

    def written(self) -> int:
        return self._host.growth.get(self.identity, 0)

    def close(self) -> None: ...


@dataclass
class MemoryView(MemoryHost):
    """`written` is what containers wrote, `answers` what a command inside one says."""

    written: dict[str, list[ContainerLine]] = field(default_factory=dict)
    growth: dict[str, int] = field(default_factory=dict)
    """By container: bytes of log from one look to the next."""
    cpu_limits: dict[str, float] = field(default_factory=dict)
    """By container, where it was changed."""
    answers: dict[tuple[str, ...], CommandOutput] = field(default_factory=dict)
    executed: list[tuple[str, tuple[str, ...], float]] = field(default_factory=list)
    system: Any = None
    started: list[str] = field(default_factory=list)
    quotas: dict[str, tuple[int, int]] = field(default_factory=dict)
    used: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Memory, by container."""
    led: dict[str, frozenset[str]] = field(default_factory=dict)
    chrony: ClockState = field(default_factory=lambda: ClockState(runs=True, synchronised=True, offset=0.001))
    failed: tuple[str, ...] = ()
    updates: tuple[int, int] = (0, 0)
    no_inodes: tuple[int, int] = (0, 0)
    unreachable: dict[str, str] = field(default_factory=dict)
    """Address of a server → why nothing accepts connections there."""
    edge: dict[str, SiteAnswer] = field(default_factory=dict)
    """Name → what comes back through Caddy; 200 for the others."""
    hung: set[str] = field(default_factory=set)
    """Tenants whose apps do not answer though their containers run."""
    heals: bool = True
    """Whether a start ends that."""
    asked: list[str] = field(default_factory=list)
    """Each question to a tenant's app or site, as `tenant's address:port/path` or `https://name/path`."""
    told: list[tuple[str, str, str]] = field(default_factory=list)
    """Each message: URL, subject, text."""
    deaf: dict[str, str] = field(default_factory=dict)
    """URL → why nothing is delivered there."""
    minute: int = 12 * 60
    watched: bool = True
    """Whether a watch is thought to run that finds nothing; an account that a test wrote comes first."""

    def tell(self, url: str, subject: str, text: str) -> None:
        if url in self.deaf:
            raise Failed(self.deaf[url])
        self.told.append((url, subject, text))

    def fetch(self, url: str) -> None:
        self.tell(url, "", "")

    def minute_of_day(self, timezone: str) -> int:
        return self.minute

    def stamp(self, at: float) -> str:
        return f"at {at:.0f}"

    def read(self, path: str) -> bytes | None:
        if path == paths.ACCOUNT and path not in self.files and self.watched:
            nothing = {
                "at": self.now(),
                "elapsed": self.elapsed(),
                "checks": {},
                "findings": [],
                "facts": {},
                "health": [],
            }
            return json.dumps(nothing | {"boot_id": self.boot_id(), "runner": ""}).encode()
        return super().read(path)

    def names(self, path: str) -> list[str]:
        volumes = self.volumes.get(path, {}).get("volumes", {})
        return sorted({*super().names(path), *volumes})

    def name(self) -> str:
        return "web-1"

    def disk(self) -> tuple[int, int]:
        return 1000, 0 if self.disk_full else 400

    def leads_to(self, name: str) -> frozenset[str]:
        return self.led.get(name, frozenset())

    def quota(self, path: str) -> tuple[int, int]:
        return self.quotas.get(path, (0, 0))

    def caddy_answers(self) -> bool:
        try:
            self.running_sites()
        except Failed:
            return False
        return True

    def memory(self, container: str, *, process: int = 0) -> tuple[int, int]:
        self._docker()
        return self.used.get(container, (0, 0))

    def docker_version(self) -> str:
        self._docker()
        return "26.1.5"

    def network_names(self) -> frozenset[str]:
        self._docker()
        return frozenset(self.networks.keys() - self.bridgeless)

    def running_sites(self) -> Any:
        self._caddy()
        return [self.adapt(text.decode()) for text in self.sites.values()]

    def reload_count(self) -> int:
        return self.reloads

    def gate(self) -> tuple[bool, frozenset[IPv4Address]]:
        return self.filter.whole, frozenset(self.opened)

    def lock_owner(self, name: str) -> Mapping[str, Any] | None:
        return self.locks.get(name)

    def log(self, container: str, *, since: float, tail: int | None, follow: bool) -> Iterator[ContainerLine]:
        lines = [line for line in self.written.get(container, []) if line.at >= stamp(since)]
        yield from lines if tail is None else lines[-tail:]

    def log_reader(self, container: str) -> MemoryLog | None:
        reader = MemoryLog(self, container)
        return None if reader.is_gone() else reader

    def get(self, address: IPv4Address, port: int, path: str, *, seconds: float) -> int:
        self.asked.append(f"{address}:{port}{path}")
        box = next((box for box in self.boxes.values() if box.address == str(address)), None)
        return 0 if box and box.tenant in self.hung else super().get(address, port, path, seconds=seconds)

    def start(self, project: str) -> None:
        super().start(project)
        if self.heals:
            self.hung.discard(project.split("-")[1])

    def clock_state(self) -> ClockState:
        return self.chrony

    def failed_units(self) -> tuple[str, ...]:
        return self.failed

    def pending_updates(self) -> tuple[int, int]:
        return self.updates

    def inodes(self, path: str) -> tuple[int, int]:
        return self.no_inodes

    def reaches(self, address: str, port: int, *, seconds: float) -> str:
        return self.unreachable.get(f"{address}:{port}", "")

    def ask_site(self, name: str, path: str, *, seconds: float) -> SiteAnswer:
        self.asked.append(f"https://{name}{path}")
        return self.edge.get(name, SiteAnswer(200))

    def ask_outside(self, address: str, name: str, *, trust: str, seconds: float) -> SiteAnswer:
        self.asked.append(f"{address} https://{name}/")
        return self.edge.get(name, SiteAnswer(200))

    def execute(self, container: str, argv: Sequence[str], *, seconds: float) -> CommandOutput:
        self.executed.append((container, tuple(argv), seconds))
        return self.answers.get(tuple(argv)) or super().execute(container, argv, seconds=seconds)

    @contextmanager
    def deaths(self) -> Iterator[Callable[[float, Iterable[int]], bool]]:
        self._docker()
        yield lambda seconds, processes: False

    def cpus(self, container: str) -> float:
        return self.cpu_limits.get(container, 0.0)

    def set_cpus(self, container: str, cpus: float) -> None:
        self._docker()
        self.cpu_limits[container] = cpus

    def start_container(self, name: str) -> None:
        self._docker()
        self.started.append(name)
        self.boxes[name] = self.boxes[name].but(state="running", started_at=stamp(self.clock))

    # --- what a test does to it

    def dies(self, name: str, *, exit_code: int = 1, oom_killed: bool = False) -> None:
        """The container ends by itself."""
        self.boxes[name] = self.boxes[name].but(state="exited", exit_code=exit_code, oom_killed=oom_killed, address="")


def deployed(*, tenant: str = "alice", slot: int = 7, host: MemoryView | None = None) -> MemoryView:
    """A host with the tenant deployed and running, by the very verb that operators use."""
    from launchpad.runner import engine
    from launchpad.runner.verbs.submit import submit

    made = release(tenant, slot=slot, domains=(f"{tenant}.example.com",))
    host = host or MemoryView()
    host.registry |= {service.image for service in made[0].services}
    body = deploy_body(f"operation-of-{tenant}", made)
    list(submit(host, body, CALLER))
    engine.carry_out(host, host.begun[-1])
    return host


def answer(lines: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """The body of the one reply; what is no JSON is a TypeError here."""
    *_, last = json.loads(json.dumps(list(lines)))
    assert last["type"] == "reply"
    return dict(last["body"])


def record_of(host: MemoryView, tenant: str = "alice") -> dict[str, Any]:
    data = host.read(paths.record(tenant))
    if data is None:
        raise Failed(f"{tenant} has no record")
    return dict(json.loads(data))


def reopened(host: MemoryView, tenant: str = "alice") -> None:
    """As if the runner had died before the operation that deployed the tenant was over."""
    identifier = f"operation-of-{tenant}"
    host.remove(f"{paths.operation(identifier)}/outcome.json")
    host.write(f"{paths.OPEN}/{identifier}", b"")


def closed(host: MemoryView, tenant: str = "alice") -> None:
    """What `reopened` opened is over."""
    identifier = f"operation-of-{tenant}"
    host.write(f"{paths.operation(identifier)}/outcome.json", json.dumps({"outcome": "done"}).encode())
    host.remove(f"{paths.OPEN}/{identifier}")
