"""logs: the log lines of tenants' containers, for one or several tenants, without known secrets."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tenacity import Retrying, retry_if_exception, wait_random_exponential

from launchpad.errors import HostError, LaunchpadError
from launchpad.fleet.model.fleet import Fleet
from launchpad.operations.observation.redaction import Redaction
from launchpad.operations.requests.absence import Absence
from launchpad.operations.requests.reaching import hosts_of
from launchpad.ssh.fanout import all_or_error, fanout
from launchpad.ssh.problems import ConnectionLost
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One log line of a tenant's service; `at` is RFC 3339 in UTC."""

    tenant: str
    service: str
    at: str
    text: str

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


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


OnLine = Callable[[LogLine], None]
OnLost = Callable[[str, LaunchpadError], None]
"""Takes a tenant whose lines ended with an error, while the other tenants' lines continue."""


def logs(
    workspace: Workspace, names: Sequence[str], *, query: LogQuery, on_line: OnLine, on_lost: OnLost = lambda *_: None
) -> None:
    """Give every line to `on_line`: ordered by time, or, when following, as lines arrive until a connection is
    permanently lost. A tenant's error goes to `on_lost` at once, and is raised after the other tenants' lines. Secrets
    are redacted on the host, and again here if this operator can open the tenant's secrets."""
    fleet = workspace.fleet.load()
    tenants = [str(fleet.tenant(name).name) for name in names]
    collected: list[LogLine] = []
    guard = threading.Lock()
    give = on_line if query.follow else collected.append

    def read(name: str) -> None:
        reader = _TenantReader(workspace, fleet, name, query)
        try:
            for line in reader.lines():
                with guard:
                    give(line)
        except LaunchpadError as error:
            with guard:
                on_lost(name, error)
            raise

    results = fanout(tenants, read, threads=max(1, len(tenants)))
    for line in sorted(collected, key=lambda line: line.at):
        on_line(line)
    all_or_error(results, noun="tenants")


class _TenantReader:
    """The lines of one tenant, resumed after a lost connection at the last line."""

    def __init__(self, workspace: Workspace, fleet: Fleet, name: str, query: LogQuery) -> None:
        self._hosts = hosts_of(workspace)
        self._host = fleet.host(fleet.tenant(name).host)
        self._tenant = name
        self._query = query
        self._redact = Redaction(_known(workspace, fleet, name))
        self._last = ""
        self._cut = False
        self._absence = Absence(workspace.clock)

    def lines(self) -> Iterator[LogLine]:
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

    def _once(self) -> Iterator[LogLine]:
        query = self._query
        body = {"tenant": self._tenant, "since": query.since, "lines": query.lines, "follow": query.follow}
        more = {"ago": query.ago, "probes": query.probes, "edge": query.edge}
        body |= {key: value for key, value in more.items() if value not in (None, False)}  # an older host knows none
        told = self._last  # after a cut the host begins where it did before
        with self._hosts.reach(self._host) as runner:
            self._absence.connected()
            for line in runner.exchange("logs", body, seconds=None if query.follow else 120):
                self._absence.heard()
                if line["type"] != "log" or str(line["at"]) <= told:
                    continue
                self._last = max(self._last, str(line["at"]))
                text = self._redact(str(line["text"]))
                yield LogLine(tenant=self._tenant, service=str(line["service"]), at=str(line["at"]), text=text)


def _known(workspace: Workspace, fleet: Fleet, name: str) -> list[Any]:
    try:
        return [secret for _version, secret in workspace.secrets.reveal(fleet.tenant(name).name).values()]
    except LaunchpadError:
        return []  # this operator cannot open them: the host's own redaction is what there is
