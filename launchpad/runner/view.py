"""What the reading verbs, the watch and boot need of a machine beyond `host.Host`: reading, listening, commands.

Operations use nothing of this module; `launchpad.runner.machine` implements it, and tests replace the few methods that
a verb uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from ipaddress import IPv4Address
from typing import Any

from launchpad.runner.host import Host, Protocol
from launchpad.runner.record import Record


class ContainerLine(Record):
    """One unredacted line of a container: secrets are still in it."""

    at: str
    """Docker's time stamp: RFC 3339 with nanoseconds, sortable as text."""
    text: str
    cut: bool = False
    """Whether the line was longer and was cut."""
    count: int = 1
    """Which one of the records with this time it is, within its file."""
    lost_after: str = ""
    """The time of the record before a gap, when Docker rotated lines away between that record and this line."""


class RulesetChange(Record):
    """One transaction of another program in the packet filter."""

    by: str
    """The program and its pid: `nft, process 4321`."""
    tables: frozenset[str]
    """The changed tables, such as `inet launchpad`."""


class RulesetEvents(Record):
    """What happened while listening to the packet filter."""

    asked: bool
    """Whether a program asked to change the firewall's table."""
    changes: tuple[RulesetChange, ...]


class Gate(Record):
    """The present gate in front of tenants."""

    whole: bool
    """Whether its chains and rules equal those that the runner builds."""
    open: frozenset[IPv4Address] = frozenset()
    muted: frozenset[IPv4Address] = frozenset()
    mail: frozenset[tuple[IPv4Address, int]] = frozenset()


class ClockState(Record):
    """What chrony says of the host's clock."""

    runs: bool
    """Whether chrony answers at all."""
    synchronised: bool = False
    offset: float = 0.0
    """Seconds between the clock and the true time, as far as chrony knows."""


class SiteAnswer(Record):
    """The answer through Caddy."""

    status: int
    """0 without an answer."""
    problem: str = ""
    """Why there is no answer, for people."""


class Filter(Protocol):
    """The kernel's packet filter. An object is one table, chain, set or rule in nft's JSON, without the parts that may
    differ between equal objects. This process owns the tables that it loads as owned."""

    def meant(self, text: str) -> list[dict[str, Any]]:
        """The objects that this text would load into the firewall's table. Failed with nft's message for a bad text."""

    def held(self, table: str) -> list[dict[str, Any]]:
        """The objects of a table (`inet launchpad`) in the kernel; empty when there is no table."""

    def load(self, text: str, *, own: bool) -> None:
        """Replace the firewall's table in one transaction. No other program can change or flush an owned table until
        `release`, and the table outlives this process. Failed when another process owns the table, or the kernel
        rejects it."""

    def owned(self) -> bool:
        """Whether the firewall's table has an owner."""

    def release(self) -> None:
        """Give up the ownership; the loaded table stays."""

    def listen(self, seconds: float) -> RulesetEvents:
        """Wait at most so long for a change by another program or a request for the table. Events since the last call
        are included."""

    def gate(self) -> Gate: ...

    def rebuild_gate(self, gate: Gate) -> None:
        """Rebuild the gate with exactly these elements, in one transaction."""

    def bridges(self) -> Mapping[str, bool]:
        """Docker's bridges (the tenants' and its own), and whether each is up."""

    def set_bridge(self, name: str, *, up: bool) -> None: ...

    def renew_docker(self) -> None:
        """Make Docker create its rules again, without waiting for it; containers keep running."""


class Facts(Protocol):
    """Facts about the host itself."""

    def name(self) -> str:
        """The host's own host name."""

    def disk(self) -> tuple[int, int]:
        """Total and free bytes of the tenants' storage."""

    def leads_to(self, name: str) -> frozenset[str]:
        """The addresses of a name from the host's own resolver; empty without any."""

    def quota(self, path: str) -> tuple[int, int]:
        """The bytes that count against the data's quota, and the quota; from the file system's last commit, at most
        half a minute old. (0, 0) without a quota."""

    def docker_version(self) -> str:
        """Failed when Docker does not answer."""

    def running_sites(self) -> Any:
        """The configuration that Caddy runs; Failed when Caddy does not answer."""

    def caddy_answers(self) -> bool:
        """Whether Caddy answers, without everything that it runs."""

    def memory(self, container: str, *, process: int = 0) -> tuple[int, int]:
        """The container's memory in bytes, without memory that the kernel can reclaim at once, and its limit; (0, 0)
        when it does not run. With the pid of its first process the kernel is asked instead of Docker."""

    def reload_count(self) -> int:
        """How often Launchpad loaded a configuration into Caddy."""

    def gate(self) -> tuple[bool, frozenset[IPv4Address]]:
        """Whether the traffic gate is complete, and the addresses that it lets pass."""

    def network_names(self) -> frozenset[str]:
        """The names of Docker's networks."""

    def lock_owner(self, name: str) -> Mapping[str, Any] | None:
        """What the lock's holder wrote into the lock; None when the lock is free. Never takes the lock."""


class LogReader(Protocol):
    """One container's lines from a place on."""

    identity: str
    """The container's id: a container that is created again is another one."""

    @property
    def at(self) -> str:
        """The time of the last record that was read; with `count` the mark of the place."""

    @property
    def count(self) -> int: ...

    def is_gone(self) -> bool:
        """Whether the container was removed."""

    def tail(self, records: int) -> bool:
        """Go to the place before the last so many records; whether this is the beginning of all that is kept."""

    def since(self, at: float) -> None:
        """Go to the first record that is not older (seconds since 1970)."""

    def after(self, at: str, count: int) -> None:
        """Go to the place with this mark; without a time to the beginning. When Docker has rotated the place away, the
        next line follows a gap."""

    def read(self, most: int) -> list[ContainerLine]:
        """The next lines, from about so many bytes; none when nothing new is there."""

    def written(self) -> int:
        """How many bytes the container wrote since the last call, at least; 0 at the first call."""

    def close(self) -> None: ...


class Speech(Protocol):
    """The logs of containers."""

    def log_reader(self, container: str) -> LogReader | None:
        """A reader that stands at the beginning of all that is kept; None for a missing container."""

    def log(self, container: str, *, since: float, tail: int | None, follow: bool) -> Iterator[ContainerLine]:
        """The lines that a container wrote since then (with `tail`, only the last ones); with `follow`, also its next
        lines until it ends or is removed. A missing container has none."""


class Watching(Protocol):
    """What the watch needs."""

    def deaths(self) -> AbstractContextManager[Callable[[float, Iterable[int]], bool]]:
        """Listen to Docker's events and to the end of processes. The result is a function: it waits at most so many
        seconds, and returns whether a tenant's container may have died. Failed when Docker closes the stream."""

    def cpus(self, container: str) -> float:
        """How many CPUs the container may use now; 0 for a missing container."""

    def set_cpus(self, container: str, cpus: float) -> None:
        """Change that at once; the container keeps running. Failed for a missing container."""

    def start_container(self, name: str) -> None:
        """Start a stopped container, or one whose end Docker has not noticed; no error when it runs."""


class Measures(Protocol):
    """What the watch asks the machine now and then."""

    def clock_state(self) -> ClockState: ...

    def failed_units(self) -> tuple[str, ...]:
        """The units of systemd that failed."""

    def pending_updates(self) -> tuple[int, int]:
        """How many packages could be updated, and how many of these updates are of security; as of the lists that the
        host fetched last. Takes a second or two."""

    def inodes(self, path: str) -> tuple[int, int]:
        """How many inodes the path's file system has, and how many are free; (0, 0) where it has no fixed number."""

    def reaches(self, address: str, port: int, *, seconds: float) -> str:
        """Empty when something accepts TCP connections there; else why not."""

    def ask_site(self, name: str, path: str, *, seconds: float) -> SiteAnswer:
        """An HTTPS GET for that name through Caddy, at the host's own public address."""

    def ask_outside(self, address: str, name: str, *, trust: str, seconds: float) -> SiteAnswer:
        """The same at another host's address, for `/`, with a certificate that is valid for the name. `trust` is the
        PEM of a further authority, or empty."""


class Messages(Protocol):
    """What reaches people. A URL is a credential: no Failed shows a part of it."""

    def tell(self, url: str, subject: str, text: str) -> None:
        """Deliver a message by apprise. Failed when it cannot be, or takes longer than 20 s."""

    def fetch(self, url: str) -> None:
        """Get the URL, as a sign of life. Failed without a good answer within 5 s."""

    def minute_of_day(self, timezone: str) -> int:
        """The present minute of the day in that time zone; in UTC for an unknown time zone."""

    def stamp(self, at: float) -> str:
        """A time as people read it: 2026-11-30 12:00 UTC."""


class View(Host, Facts, Speech, Watching, Measures, Messages, Protocol):
    """Everything."""

    @property
    def filter(self) -> Filter: ...

    @property
    def system(self) -> Any:
        """The machine for provisioning, for the checks of the watch."""
