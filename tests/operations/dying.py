"""A caller that dies at each of its requests, before the host hears of it and after; another process then goes on with
the same id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from launchpad.fleet.model.host import Host
from launchpad.runner import paths
from launchpad.runner.journal import Journal
from launchpad.workspace import Hosts, Runner, Workspace
from tests.memory.effects import EVIDENCE


class CallerDied(BaseException):
    """Its process is gone; hosts go on."""


@dataclass
class MortalHosts:
    """The way to hosts, of a caller that dies at its request of that number, counted from 1."""

    hosts: Hosts
    dies_at: int = 0
    after: bool = False
    """Whether the host has answered by then."""
    requests: int = 0

    @contextmanager
    def reach(self, host: Host) -> Iterator[MortalRunner]:
        with self.hosts.reach(host) as runner:
            yield MortalRunner(runner, self)


@dataclass
class MortalRunner:
    runner: Runner
    caller: MortalHosts

    @property
    def name(self) -> str:
        return self.runner.name

    def exchange(
        self, verb: str, body: Mapping[str, Any], *, seconds: float | None = None, incoming: Iterable[bytes] = ()
    ) -> Iterator[dict[str, Any]]:
        self.caller.requests += 1
        dies = self.caller.requests == self.caller.dies_at
        if dies and not self.caller.after:
            raise CallerDied
        try:
            lines = list(self.runner.exchange(verb, body, seconds=seconds, incoming=incoming))
        except Exception:
            if dies:
                raise CallerDied from None
            raise
        if dies:
            raise CallerDied
        yield from lines

    def ask(self, verb: str, body: Mapping[str, Any], *, seconds: float | None = 60) -> dict[str, Any]:
        return dict([line["body"] for line in self.exchange(verb, body) if line["type"] == "reply"][-1])


def journals(hosts: Mapping[str, Any]) -> dict[str, str]:
    """ "HOST ID" → the kind, of each operation that the hosts have."""
    found = {}
    for name, host in hosts.items():
        for identifier in host.names(paths.OPERATIONS):
            asked = Journal(host, identifier).asked()
            if asked is not None:
                found[f"{name} {identifier}"] = str(asked["operation"]["kind"])
    return found


def die_everywhere(
    begin: Callable[[], tuple[Workspace, Mapping[str, Any]]],
    work: Callable[[Workspace], object],
    judge: Callable[[], object],
    *,
    stride: int = 1,
) -> int:
    """Do the work once; then again from the beginning for each of its requests, whose caller dies there, and whose work
    another process ends. Each time the hosts must have done the same operations, each once. Returns how often. With a
    stride only every so many of the requests, unless for the evidence."""
    workspace, hosts = begin()
    before = journals(hosts)
    assert workspace.hosts is not None
    alive = MortalHosts(workspace.hosts)
    work(replace(workspace, hosts=alive))
    judge()
    wanted = journals(hosts)
    assert len(wanted) > len(before), "nothing was done"
    deaths = range(1, alive.requests + 1, 1 if EVIDENCE else stride)
    for request in deaths:
        for after in (False, True):
            workspace, hosts = begin()
            assert workspace.hosts is not None
            mortal = MortalHosts(workspace.hosts, dies_at=request, after=after)
            with suppress(CallerDied):
                work(replace(workspace, hosts=mortal))
                raise AssertionError(f"the caller did not die at {request} of {alive.requests}: {mortal.requests}")
            work(workspace)
            judge()
            assert journals(hosts) == wanted, (request, after)
    return len(deaths) * 2
