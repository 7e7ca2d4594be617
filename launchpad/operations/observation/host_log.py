"""One host's log lines, resumed after a lost connection without loss: each container continues at its mark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tenacity import Retrying, retry_if_exception, wait_random_exponential

from launchpad.errors import HostError, LaunchpadError
from launchpad.fleet.model.host import Host
from launchpad.operations.observation.log_order import LogLine
from launchpad.operations.observation.redaction import Redaction
from launchpad.operations.requests.absence import Absence
from launchpad.operations.requests.asking import ask, listen
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.wire.host_bodies import Hello
from launchpad.runner.wire.log_bodies import LoggedLine, LogMark, LogRequest, LostLines, MissingTenant, PastIsOver
from launchpad.ssh.problems import ConnectionLost
from launchpad.ssh.replies import error_from_line
from launchpad.workspace import Runner, Workspace

PAST_SECONDS = 300
LINES = (LoggedLine, LostLines, MissingTenant, LogMark, PastIsOver)
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
    level: Literal["", "debug", "info", "warning", "error"] = ""
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
            seconds = None if self.query.follow else PAST_SECONDS
            for line in listen(runner, self._asked(), *LINES, seconds=seconds):
                self._absence.heard()
                match line:
                    case PastIsOver():
                        self._begun = True
                    case MissingTenant(tenant=tenant):
                        self.on_missing(tenant, error_from_line(line.as_line(), host=str(self.host.name)))
                    case LogMark(source=source, mark=mark):
                        at, _, number = mark.partition(" ")
                        self._marks[source] = at, int(number)
                    case LoggedLine(source=source) | LostLines(source=source):
                        if source in had and (line.at, line.n) <= had[source]:
                            continue  # the cut came within the past lines, which are all sent again
                        if isinstance(line, LoggedLine):
                            self._marks[source] = line.at, line.n
                        yield source, self._line(line)

    def _line(self, line: LoggedLine | LostLines) -> LogLine:
        known = self.redactions.get(line.tenant)
        text = line.text if isinstance(line, LoggedLine) else GAP
        return LogLine(
            host=str(self.host.name),
            tenant=line.tenant,
            service=line.service,
            at=line.at,
            text=known(text) if known else text,
            after=line.after if isinstance(line, LostLines) else "",
        )

    def _asked(self) -> LogRequest:
        query = self.query
        asked = LogRequest(
            tenants=tuple(sorted(self.redactions)),
            follow=query.follow,
            probes=query.probes,
            edge=query.edge,
            grep=query.grep,
            level=query.level,
            services=query.services,
        )
        if self._begun:
            return asked.but(marks={source: f"{at} {number}" for source, (at, number) in self._marks.items()})
        return asked.but(since=query.since, ago=query.ago, lines=query.lines)

    def _measured(self, runner: Runner) -> float:
        clock = self.workspace.clock
        asked = clock.now()
        said = ask(runner, Hello()).clock
        return said - (asked + clock.now()) / 2
