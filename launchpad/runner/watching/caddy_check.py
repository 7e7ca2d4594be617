"""Check that Caddy answers, and restart it: Docker restarts a Caddy that ends, but not one whose end Docker missed, or
that somebody stopped, removed or froze."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from launchpad.runner import booting, paths
from launchpad.runner.account import RUN_PROVISION, Finding
from launchpad.runner.facts import Layer
from launchpad.runner.host import Busy, Failed
from launchpad.runner.provision.effects import CADDY_PROJECT, COMPOSE
from launchpad.runner.watching.check import Check

AGAIN_SECONDS = 1.0
MOST_SILENT = 10
"""After so many failed checks a running Caddy counts as frozen, and is stopped first."""
STOP_SECONDS = 10


class CaddyCheck(Check):
    name, every = "Caddy", 5.0
    fine: ClassVar[Mapping[Layer, str]] = {Layer.caddy: "Caddy answers"}
    _silent = 0

    def look(self) -> Iterator[Finding]:
        if self.host.read(COMPOSE) is None or booting.is_going_on(self.host) or self._is_back():
            return  # Docker starts Caddy at a boot
        self.host.wait(AGAIN_SECONDS)  # Docker may be restarting Caddy now
        if self._answers():
            return
        self._silent += 1
        try:
            with self.host.lock("host", {"who": "watch", "kind": "restart", "since": self.host.now()}):
                if self._silent % MOST_SILENT == 0:
                    self.host.stop(CADDY_PROJECT, STOP_SECONDS)
                self.host.up(paths.CADDY, CADDY_PROJECT, {})
        except Busy:
            self._silent = 0  # an operation on the host starts Caddy itself
            return
        except Failed as failed:
            yield Finding("caddy", f"Caddy cannot be started: {failed.message}", RUN_PROVISION)
            return
        self.host.wait(AGAIN_SECONDS)
        self._is_back()

    def _is_back(self) -> bool:
        """Whether Caddy answers; records a restart by the watch once."""
        if not self._answers():
            return False
        if self._silent:
            self.account.note("caddy", "Caddy did not answer; the watch restarted it")
        self._silent = 0
        return True

    def _answers(self) -> bool:
        return self.host.caddy_answers()
