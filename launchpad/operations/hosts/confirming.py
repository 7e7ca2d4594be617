"""Confirm a change that the host would otherwise undo: always over a new connection, made after the change."""

from __future__ import annotations

from contextlib import suppress

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from launchpad.errors import HostError, LaunchpadError
from launchpad.events import ConfirmNeeded, HeardEvent, OnEvent
from launchpad.fleet.model.host import Host
from launchpad.operations.requests.asking import ask
from launchpad.runner.wire.host_bodies import Confirm, Hello
from launchpad.workspace import Hosts


def confirm_change(hosts: Hosts, host: Host, nonce: str, *, seconds: float) -> None:
    """Connect again and confirm the change; retry for some time, because a daemon may be restarting."""

    def once() -> None:
        with hosts.reach(host) as runner:
            ask(runner, Hello(), seconds=10)
            ask(runner, Confirm(nonce=nonce), seconds=10)

    def worth_another(error: BaseException) -> bool:
        return isinstance(error, HostError) and error.retry

    attempts = Retrying(
        stop=stop_after_delay(seconds), wait=wait_fixed(0.5), retry=retry_if_exception(worth_another), reraise=True
    )
    attempts(once)


def answering(hosts: Hosts, host: Host, on_event: OnEvent) -> OnEvent:
    """Pass every event on, and confirm the change when an event asks for confirmation. An unreachable host undoes the
    change and reports this in the outcome, so the failed confirmation raises no error of its own."""

    def hear(heard: HeardEvent) -> None:
        on_event(heard)
        if isinstance(heard.event, ConfirmNeeded):
            with suppress(LaunchpadError):
                confirm_change(hosts, host, heard.event.nonce, seconds=heard.event.seconds)

    return hear
