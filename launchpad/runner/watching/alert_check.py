"""Telling people what is wrong: the watch's facts become messages, and these are delivered by the host itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from launchpad.runner import booting, paths
from launchpad.runner.account import Finding
from launchpad.runner.alerting import addresses
from launchpad.runner.alerting.destination import Destination
from launchpad.runner.alerting.routes import Waiting, body, failed, routed, title
from launchpad.runner.alerting.state import AlertState, alert_state, keep, silences
from launchpad.runner.alerting.troubles import decide
from launchpad.runner.facts import Fact, Grade
from launchpad.runner.hint import HERE, Next
from launchpad.runner.host import Failed
from launchpad.runner.provision.settings_record import HostSettings, stored_settings
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.view import View
from launchpad.runner.watching.check import Check

BEAT_SECONDS = 60.0
BOOT_SECONDS = 600.0
"""So long after a boot nothing is told: tenants are on their way."""
LONGEST_LOOK = 30.0
"""After so long no other delivery is begun in the same look."""
MOST_TRIES = 3
"""So often a delivery may fail before `status` says so."""


class AlertCheck(Check):
    name = "alerts"
    every = 10.0
    _beaten = float("-inf")
    _beats: tuple[str, ...] = ()

    def look(self) -> Iterable[Finding]:
        settings = stored_settings(self.host).settings
        if settings is None or not settings.alerts:
            return []
        self._tell(settings)
        self._beat(settings)
        state = alert_state(self.host)
        self.facts = {"troubles": len(state.troubles), "waiting": len(state.waiting)}
        return list(_undelivered(state, self._beats))

    def _tell(self, settings: HostSettings) -> None:
        host, now = self.host, self.host.now()
        before = alert_state(host)
        facts = of_this_host(self.account.known_facts(), {item.host for item in silences(host)})
        decision = decide(before.troubles, facts, now, silent=silent_now(host))
        waiting = routed(before.waiting, decision.notices, settings.alerts, now, host.minute_of_day)
        state = AlertState(troubles=decision.troubles, waiting=waiting)
        if state != before:
            keep(host, paths.ALERTS, state)
        by_name = {item.name: item for item in settings.alerts}
        begun = host.elapsed()
        for item in waiting:
            if item.due <= now and host.elapsed() - begun < LONGEST_LOOK:
                left = self._deliver(settings, by_name[item.destination], item)
                state = state.but(waiting=tuple(_with(state.waiting, item, left)))
                keep(host, paths.ALERTS, state)

    def _deliver(self, settings: HostSettings, to: Destination, item: Waiting) -> Waiting | None:
        """None once it is delivered; else the message as it waits for the next try."""
        name = settings.identity.host
        text = body(name, item.notices, stamp=self.host.stamp(item.at))
        try:
            self.host.tell(addresses.url(self.host, to), title(name, item.notices), text)
        except Failed as problem:
            return failed(item, problem.message, self.host.now())
        return None

    def _beat(self, settings: HostSettings) -> None:
        """A sign of life where somebody waits for it: none comes when the host or its watch is dead."""
        now = self.host.elapsed()
        if now - self._beaten < BEAT_SECONDS or not self.account.is_fresh():
            return
        self._beaten = now
        self._beats = tuple(_beats(self.host, settings))


@dataclass(frozen=True)
class Delivered:
    """What came of telling one destination."""

    destination: str
    problem: str = ""


def try_out(host: View, settings: HostSettings) -> Iterator[Delivered]:
    """A message to each destination that says only that it is a test."""
    name = settings.identity.host
    for item in settings.alerts:
        try:
            if item.kind == "heartbeat":
                host.fetch(addresses.url(host, item))
            else:
                text = f"This is a test of the alerts of host {name}. Nothing is wrong.\n"
                host.tell(addresses.url(host, item), f"[test] {name}: alerts arrive here", text)
        except Failed as problem:
            yield Delivered(item.name, problem.message)
            continue
        yield Delivered(item.name)


def of_this_host(facts: Iterable[Fact], silenced: Set[str]) -> Iterator[Fact]:
    """What this host sends alerts for: its own facts, and that another host is silent unless somebody silenced the
    other host. The other host's tenants are the other host's own affair."""
    for fact in facts:
        if not fact.host:
            yield fact
        elif not fact.tenant:
            yield fact.but(grade=Grade.unknown) if fact.host in silenced else fact


def silent_now(host: View) -> frozenset[str]:
    """The tenants that an operation holds or somebody silenced; the empty text for the host and all of its tenants."""
    held = {name for name in host.names(paths.TENANTS) if is_tenant_name(name) and host.lock_owner(f"tenant-{name}")}
    silenced = {item.tenant for item in silences(host) if not item.host}
    starts = booting.is_going_on(host) and host.elapsed() < BOOT_SECONDS
    return frozenset(held | silenced | ({""} if starts or host.lock_owner("host") else set()))


def _with(waiting: Iterable[Waiting], item: Waiting, left: Waiting | None) -> Iterator[Waiting]:
    for other in waiting:
        if other != item:
            yield other
        elif left is not None:
            yield left


def _beats(host: View, settings: HostSettings) -> Iterator[str]:
    for item in settings.alerts:
        if item.kind == "heartbeat":
            try:
                host.fetch(addresses.url(host, item))
            except Failed as problem:
                yield f"heartbeat {item.name}: {problem.message}"


def _undelivered(state: AlertState, beats: Iterable[str]) -> Iterator[Finding]:
    late: Mapping[str, str] = {item.destination: item.problem for item in state.waiting if item.tries >= MOST_TRIES}
    for text in (*(f"alerts do not reach {name}: {problem}" for name, problem in late.items()), *beats):
        yield Finding("alerts", text, Next("alerts test", HERE))
