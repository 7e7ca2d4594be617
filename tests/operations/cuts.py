"""Cut the work on two hosts in memory: a host's process dies at its calls, and an operator dies at his requests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from launchpad.errors import LaunchpadError
from launchpad.runner import engine
from launchpad.runner.boot import boot
from tests.memory.effects import EVIDENCE, Killed, turn
from tests.operations.two_hosts import OperatorDied, Place


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """A command whose work is cut again and again, each time from the same beginning."""

    place: Place
    begin: Callable[[], object]
    """Put everything back to the beginning."""
    work: Callable[[], object]
    judge: Callable[[], object]
    """Assert what holds after a cut, type the command again, and assert what holds after that."""
    meanwhile: Callable[[], object] = lambda: None
    """Assert what holds at every moment between the cut and the judgement."""

    def host_dies(
        self, name: str, *, reboot: bool, stride: int, evidence_stride: int = 1, first: int | None = None
    ) -> int:
        """Kill the host's process at one call in so many, of all or of the first ones; return how often. With `reboot`,
        both hosts reboot then."""
        self.begin()
        begun = len(self.place.hosts.hosts[name].calls)
        self.work()
        calls, cells = len(self.place.hosts.hosts[name].calls) - begun, 0
        for call in range(1, calls + 1, evidence_stride if EVIDENCE else stride)[:first]:
            for mode in ("halfway", "after") if EVIDENCE else ("after" if reboot else "halfway",):
                self.begin()
                host = self.place.hosts.hosts[name]
                host.kill_at, host.kill_mode = len(host.calls) + call, mode
                self._work()
                assert len(host.calls) >= host.kill_at, "the host was not killed"
                self._settle(reboot=reboot)
                self.judge()
                cells += 1
        return cells

    def operator_dies(self, *, stride: int = 1, settle: bool = True) -> int:
        """Kill the operator's machine at one request in so many; return how often. With `settle`, the command is typed
        again only when the hosts have ended what they had begun."""
        self.begin()
        self.work()
        requests = turn(range(1, self.place.hosts.requests + 1), 0, stride)
        for request in requests:
            self.begin()
            self.place.hosts.dies_at = request
            self._work()
            assert self.place.hosts.requests >= request, "the operator did not die"
            self.meanwhile()
            if settle:
                self._settle(reboot=False)
            self.place.hosts.dies_at = 0
            self.judge()
        return len(requests)

    def _work(self) -> None:
        with suppress(Killed, OperatorDied, LaunchpadError):
            self.work()

    def _settle(self, *, reboot: bool) -> None:
        """What hosts do by themselves after a cut."""
        for host in self.place.both:
            host.died()
        self.meanwhile()
        if reboot:
            self.place.reboot()
            self.meanwhile()
        for host in self.place.both:
            try:
                engine.settle_all(host)
            except Killed:  # what was begun has the machine reboot
                host.reboot()
                boot(host)
                engine.settle_all(host)
            host.begun.clear()
            host.clock += 10
        self.meanwhile()
