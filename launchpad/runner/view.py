"""What the reading verbs, the watcher and boot need of a machine beyond `host.Host`: looking, listening, a word inside.

Nothing here takes part in an operation; `launchpad.runner.machine` has it all, and tests stand in for the few methods
that a verb uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from launchpad.runner.host import Host, Protocol
from launchpad.runner.record import Record


@dataclass(frozen=True)
class ContainerLine:
    """One line that a container wrote, as it wrote it: secrets are still in it."""

    at: str
    """Docker's time stamp, RFC 3339 with nanoseconds; sorts as text."""
    text: str
    cut: bool = False
    """Whether the line went on, too long to be kept."""


class RulesetChange(Record):
    """One transaction that somebody made in the packet filter."""

    by: str
    """The program and its number: `nft, process 4321`."""
    tables: frozenset[str]
    """`inet launchpad` and the like."""


class RulesetEvents(Record):
    """What came while the packet filter was listened to."""

    asked: bool
    """Somebody wants to change the firewall's own table."""
    changes: tuple[RulesetChange, ...]


class Gate(Record):
    """The gate before tenants as it stands."""

    whole: bool
    """Whether its chains and rules are as the runner builds them."""
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
    """What came back through Caddy."""

    status: int
    """0 without an answer."""
    problem: str = ""
    """Why there is no answer, in words for people."""


class Filter(Protocol):
    """The kernel's packet filter. An object is one table, chain, set or rule as nft's JSON has it, without what differs
    between two that mean the same; where one stands for a process it is this one that owns what is loaded as owned."""

    def meant(self, text: str) -> list[dict[str, Any]]:
        """What the firewall's table would be if this text were loaded. Failed with nft's own words when it cannot."""

    def held(self, table: str) -> list[dict[str, Any]]:
        """The objects of a table (`inet launchpad`) in the kernel; none when it is not there."""

    def load(self, text: str, *, own: bool) -> None:
        """Replace the firewall's table in one transaction. Owned, nobody else can change or flush it until `release`,
        and it outlives this process. Failed when it is somebody else's, or the kernel cannot."""

    def owned(self) -> bool:
        """Whether the firewall's table is somebody's own."""

    def release(self) -> None:
        """Own nothing any more; what was loaded stays."""

    def listen(self, seconds: float) -> RulesetEvents:
        """Wait for a change by somebody else or a question, at most so long. What came since the last call is not
        missed."""

    def gate(self) -> Gate: ...

    def rebuild_gate(self, gate: Gate) -> None:
        """The gate with just these elements, in one transaction, whatever stood there."""

    def bridges(self) -> Mapping[str, bool]:
        """Docker's bridges, tenants' and its own, and whether each is up."""

    def set_bridge(self, name: str, *, up: bool) -> None: ...

    def renew_docker(self) -> None:
        """Have Docker make its rules again; containers go on. Does not wait for it."""


class Facts(Protocol):
    """The host itself."""

    def name(self) -> str:
        """The host's own name for itself."""

    def disk(self) -> tuple[int, int]:
        """Bytes in all and bytes free where tenants' data lies."""

    def leads_to(self, name: str) -> frozenset[str]:
        """The addresses that the host's own resolver tells of a name; none where it tells none."""

    def quota(self, path: str) -> tuple[int, int]:
        """Bytes that count towards the quota of the data, and the quota; as of the disk's last commit, which takes half
        a minute at most. (0, 0) without a quota."""

    def docker_version(self) -> str:
        """Failed when Docker does not answer."""

    def running_sites(self) -> Any:
        """The configuration that Caddy runs; Failed when Caddy does not answer."""

    def memory(self, container: str) -> tuple[int, int]:
        """Bytes of memory that the container uses, without what the kernel can take back at once, and its limit; (0, 0)
        when it does not run."""

    def reload_count(self) -> int:
        """How often Caddy was made to load a configuration."""

    def gate(self) -> tuple[bool, frozenset[IPv4Address]]:
        """Whether the traffic gate stands as the runner builds it, and the addresses that it lets pass."""

    def network_names(self) -> frozenset[str]:
        """The names of Docker's networks."""

    def lock_owner(self, name: str) -> Mapping[str, Any] | None:
        """What the lock's holder wrote into it; None when nobody holds it. Looking never takes the lock."""


class Speech(Protocol):
    """What containers say."""

    def log(self, container: str, *, since: float, tail: int | None, follow: bool) -> Iterator[ContainerLine]:
        """The lines that a container wrote since then, only the last so many when `tail` is given, and those it goes
        on to write when following, until it ends or is removed. An absent container has none."""


class Watching(Protocol):
    """What the watcher needs."""

    def deaths(self) -> AbstractContextManager[Callable[[float, Iterable[int]], bool]]:
        """Listen to Docker, and to the kernel about these processes. Calling what this gives waits for at most so many
        seconds, and says whether a container of a tenant may have died meanwhile. Failed when Docker goes away."""

    def start_container(self, name: str) -> None:
        """Start a stopped container again, or one whose end Docker has not noticed; fine when it runs."""


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


class Messages(Protocol):
    """What reaches people. A URL is a credential: no Failed shows a part of it."""

    def tell(self, url: str, subject: str, text: str) -> None:
        """Deliver a message by apprise. Failed when it cannot be, or takes longer than 20 s."""

    def fetch(self, url: str) -> None:
        """Get the URL, as a sign of life. Failed without a good answer within 5 s."""

    def minute_of_day(self, timezone: str) -> int:
        """The minute of the day there, now; UTC's where nobody knows the time zone."""

    def stamp(self, at: float) -> str:
        """A time as people read it: 2026-11-30 12:00 UTC."""


class View(Host, Facts, Speech, Watching, Measures, Messages, Protocol):
    """Everything."""

    @property
    def filter(self) -> Filter: ...

    @property
    def system(self) -> Any:
        """What provisioning needs of the machine, for the checks of the watch."""
