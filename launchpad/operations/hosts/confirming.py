"""Confirming a change that the host would otherwise take back: always over a connection of its own, made after it."""

from __future__ import annotations

from contextlib import suppress

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from launchpad.errors import HostError, LaunchpadError
from launchpad.events import ConfirmNeeded, HeardEvent, OnEvent
from launchpad.fleet.model.host import Host
from launchpad.workspace import Hosts


def confirm_change(hosts: Hosts, host: Host, nonce: str, *, seconds: float) -> None:
    """Say hello to whoever answers now, and confirm; tried again for so long, because a daemon may be starting anew."""

    def once() -> None:
        with hosts.reach(host) as runner:
            runner.ask("hello", {}, seconds=10)
            runner.ask("confirm", {"nonce": nonce}, seconds=10)

    def worth_another(error: BaseException) -> bool:
        return isinstance(error, HostError) and error.retry

    attempts = Retrying(
        stop=stop_after_delay(seconds), wait=wait_fixed(0.5), retry=retry_if_exception(worth_another), reraise=True
    )
    attempts(once)


def answering(hosts: Hosts, host: Host, on_event: OnEvent) -> OnEvent:
    """Tells every event on, and confirms when that is what one asks for. A host that cannot be reached for it takes the
    change back, and says so in its outcome: here that is no error of its own."""

    def hear(heard: HeardEvent) -> None:
        on_event(heard)
        if isinstance(heard.event, ConfirmNeeded):
            with suppress(LaunchpadError):
                confirm_change(hosts, host, heard.event.nonce, seconds=heard.event.seconds)

    return hear
