"""One host's log lines, resumed after a lost connection without loss: each container continues at its mark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenacity import Retrying, retry_if_exception, wait_random_exponential

from launchpad.errors import HostError, LaunchpadError
from launchpad.fleet.model.host import Host
from launchpad.operations.observation.log_order import LogLine
from launchpad.operations.observation.redaction import Redaction
from launchpad.operations.requests.absence import Absence
from launchpad.operations.requests.reaching import hosts_of
from launchpad.ssh.problems import ConnectionLost
from launchpad.ssh.replies import error_from_line
from launchpad.workspace import Runner, Workspace

PAST_SECONDS = 300
GAP = "lines may be missing: Docker removed a log file before it was read"


@dataclass(frozen=True, kw_only=True)
class LogQuery:
    """Which lines: the number of last lines of each tenant, a start time (seconds since 1970), and whether to
    follow."""

    lines: int | None = 200
    since: float | None = None
    ago: float | None = None
    """Seconds before now by the host's clock, instead of a time, because this machine's clock may be wrong."""
    follow: bool = False
    probes: bool = False
    """Whether to include lines that Launchpad's own probes cause."""
    edge: bool = False
    """Whether to read Caddy's lines about the tenants' domains instead."""
    grep: str = ""
    """A regular expression; it sees the lines after the removal of secrets."""
    level: str = ""
    """The lowest level to include: debug, info, warning, error. A line without a level counts as info."""
    services: tuple[str, ...] = ()
    """The services to include; empty for all."""


OnMissing = Callable[[str, LaunchpadError], None]


@dataclass
class HostLog:
    """The lines of some tenants on one host. The host removes known secrets; this side removes those that this operator
    can open."""

    workspace: Workspace
    host: Host
    query: LogQuery
    redactions: Mapping[str, Redaction]
    """By tenant: the tenants to read."""
    on_missing: OnMissing
    measures: bool = False
    """Whether to compare the host's clock with this machine's."""
    ahead: float = 0.0
    """By how many seconds the host's clock is ahead of this machine's."""
    _marks: dict[str, tuple[str, int]] = field(default_factory=dict)
    _begun: bool = False
    """Whether the past lines are over: then the marks say everything."""
    _cut: bool = False

    def lines(self) -> Iterator[tuple[str, LogLine]]:
        """Each line with its source. HostError when the host is away for too long."""
        self._absence = Absence(self.workspace.clock)
        attempts = Retrying(
            stop=self._absence.too_long,
            wait=wait_random_exponential(multiplier=0.25, max=10),
            retry=retry_if_exception(self._may_come_back),
            reraise=True,
        )
        for attempt in attempts:
            with attempt:
                yield from self._once()

    def _may_come_back(self, error: BaseException) -> bool:
        """Whether to reconnect: after a lost connection also when the host is unreachable, because the host may
        reboot."""
        self._cut = self._cut or isinstance(error, ConnectionLost)
        return self._cut and isinstance(error, HostError) and error.retry

    def _once(self) -> Iterator[tuple[str, LogLine]]:
        with hosts_of(self.workspace).reach(self.host) as runner:
            self._absence.connected()
            if self.measures:
                self.ahead = self._measured(runner)
            had = {} if self._begun else dict(self._marks)
            for line in runner.exchange("logs", self._body(), seconds=None if self.query.follow else PAST_SECONDS):
                self._absence.heard()
                if line["type"] == "begun":
                    self._begun = True
                elif line["type"] == "missing":
                    self.on_missing(str(line["tenant"]), error_from_line(line, host=str(self.host.name)))
                elif line["type"] == "mark":
                    at, _, number = str(line["mark"]).partition(" ")
                    self._marks[str(line["source"])] = at, int(number)
                elif line["type"] in ("log", "gap"):
                    source, mark = str(line.get("source")), (str(line["at"]), int(line.get("n", 1)))
                    if source in had and mark <= had[source]:
                        continue  # the cut came within the past lines, which are all sent again
                    if line["type"] == "log":
                        self._marks[source] = mark
                    yield source, self._line(line)

    def _line(self, line: Mapping[str, Any]) -> LogLine:
        tenant = str(line.get("tenant") or next(iter(self.redactions)))
        known = self.redactions.get(tenant)
        text = str(line["text"]) if line["type"] == "log" else GAP
        return LogLine(
            host=str(self.host.name),
            tenant=tenant,
            service=str(line["service"]),
            at=str(line["at"]),
            text=known(text) if known else text,
            after=str(line.get("after") or ""),
        )

    def _body(self) -> dict[str, Any]:
        query = self.query
        body: dict[str, Any] = {"tenants": sorted(self.redactions), "follow": query.follow}
        body |= {"probes": query.probes, "edge": query.edge, "grep": query.grep, "level": query.level}
        body["services"] = list(query.services)
        if self._begun:
            return body | {"marks": {source: f"{at} {number}" for source, (at, number) in self._marks.items()}}
        return body | {"since": query.since, "ago": query.ago, "lines": query.lines}

    def _measured(self, runner: Runner) -> float:
        clock = self.workspace.clock
        asked = clock.now()
        said = float(runner.ask("hello", {})["clock"])
        return said - (asked + clock.now()) / 2
