"""The base of the watch's checks: one module for each subject, each in its own thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from launchpad.runner.account import Finding

if TYPE_CHECKING:
    from launchpad.runner.account import Account
    from launchpad.runner.facts import Fact, Layer
    from launchpad.runner.view import View


POLL_SECONDS = 2.0
"""Seconds until a check sees that somebody asked for it. Each wakes a thread, also when nothing happens."""


class Check:
    """The check of one subject. `look` is called repeatedly, with `pause` between."""

    name: ClassVar[str]
    """The name in the finding `NAME is not watched`."""
    fine: ClassVar[Mapping[Layer, str]] = {}
    """The layers that only this check covers, with the message when it finds no problem there."""
    every: float = 60.0
    """Seconds between two checks; at most 60, because a check is stale after 90."""

    def __init__(self, host: View, account: Account) -> None:
        self.host, self.account = host, account
        self.facts: Mapping[str, Any] = {}
        """What `status` shows about the subject beside the findings; JSON."""
        self.health: Sequence[Fact] = ()
        """The subject's facts beyond its findings: grades, values, what is fine."""

    def look(self) -> Iterable[Finding]:
        """Repair what is possible and record that with `note`; return the other problems as findings."""
        raise NotImplementedError

    def pause(self) -> None:
        """Wait until a new check is due, at most `every` seconds."""
        looked = self.host.elapsed()
        while (left := looked + self.every - self.host.elapsed()) > 0 and not self.is_wanted(looked):
            self.host.wait(min(left, POLL_SECONDS))

    def is_wanted(self, looked: float) -> bool:
        """Whether a new check is due since then."""
        return self.account.asked_since(looked)
