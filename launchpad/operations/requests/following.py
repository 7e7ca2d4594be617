"""Submit an operation and follow it to its end, over as many connections as necessary.

The first connection submits. After a lost connection, the next connection continues by the operation's id: with
`follow` from the last received event, or, when no event was received, with the same submit, which starts the operation
or attaches to it. So no operation runs twice, and every event is reported once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from launchpad.errors import HostError, LaunchpadError
from launchpad.events import ConnectionCut, Event, HeardEvent, OnEvent, OperationStarted, event_from_line
from launchpad.fleet.keeping.revision import MOST_ANCESTORS
from launchpad.fleet.model.host import Host
from launchpad.journal.begun import Begun
from launchpad.operations.requests.absence import COME_BACK_SECONDS, Absence
from launchpad.operations.requests.asking import understood
from launchpad.operations.requests.likely_cause import likely_cause
from launchpad.operations.requests.outcome import OperationFailed, Outcome, outcome_from_reply
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.runner.wire.operation_bodies import Follow, OutcomeReply
from launchpad.ssh.problems import ConnectionLost, StaleCheckout
from launchpad.workspace import Hosts, OperatorClock, Workspace

LEAST_SECONDS = 1.0

Asked = tuple[str, Mapping[str, Any]]
"""A verb and its body."""
Secrets = Callable[[], Mapping[str, Mapping[str, Any]]]
"""Gives {NAME: {"version", "value"}}, unsealed; called only right before the secrets are sent, and the values are not
kept."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to follow an operation."""

    silent: float = COME_BACK_SECONDS
    """Seconds for which to reconnect to a silent host, from the last answer."""
    within: float | None = None
    """Seconds after which to stop following with the outcome `running`; None: follow until the operation ends."""


UNTIL_ITS_END = Patience()


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A request to a host. `secrets` are no part of the operation: the host seals them and writes none into its
    journal."""

    operation: Mapping[str, Any]
    identifier: str = ""
    """The operation's id; empty until it is chosen."""
    secrets: Secrets = dict
    follow: bool = True
    patience: Patience = UNTIL_ITS_END
    wish: Mapping[str, Any] | None = None
    """The words of the command (`again.Wish`), by which the operation is found again; None when no command started
    it."""

    @property
    def kind(self) -> str:
        return str(self.operation["kind"])

    @property
    def tenant(self) -> str:
        return str(self.operation.get("tenant", ""))

    def body(self, workspace: Workspace) -> dict[str, Any]:
        body = {
            "id": self.identifier,
            "operation": self.operation,
            "secrets": self.secrets(),
            "follow": self.follow and self.patience.within is None,
        }
        beside = {"words": self.wish, "on_behalf_of": str(workspace.settings.on_behalf_of)}
        return body | {key: item for key, item in beside.items() if item}


def submit(workspace: Workspace, host: Host, submission: Submission, *, on_event: OnEvent) -> Outcome:
    """Carry the operation out: one exec on one connection, and one more after each lost connection.

    OperationFailed when the operation was undone; LockedError, StateError, StepFailed when the host rejected it;
    HostError when the host is unreachable, or does not come back: the operation may then still run, and `launchpad
    attach` follows it by its id.
    """
    following = _Following(hosts_of(workspace), host, submission.identifier, on_event, clock=workspace.clock)
    following.tenant = submission.tenant
    patience = submission.patience if submission.follow else Patience(silent=submission.patience.silent)
    with noted(workspace, host, submission):
        try:
            reply = following.to_the_end(lambda: ("submit", submission.body(workspace)), patience=patience)
        except StaleCheckout as error:
            wider = _including(workspace, submission, error)
            reply = following.to_the_end(lambda: ("submit", wider.body(workspace)), patience=patience)
    return _explained(workspace, host, reply, tenant=submission.tenant, kind=submission.kind)


def _including(workspace: Workspace, submission: Submission, error: StaleCheckout) -> Submission:
    """The same request, with the running revision among its ancestors: only the newest ancestors are sent at first.
    Raises the host's error when this inventory does not descend from that revision."""
    inventory = submission.operation["inventory"]
    now, ancestors = inventory["revision"], inventory["ancestors"]
    if not workspace.revisions.descends(now, error.revision, tenant=submission.tenant):
        raise error
    wider = {"revision": now, "ancestors": [now, error.revision, *ancestors[1 : MOST_ANCESTORS - 1]]}
    return replace(submission, operation={**submission.operation, "inventory": wider})


@contextmanager
def noted(workspace: Workspace, host: Host, submission: Submission) -> Iterator[None]:
    """Record the operation before it is sent to the host. The record stays until the outcome is reported; it is removed
    at once when the host rejected the operation, because nothing was changed."""
    if workspace.begun is None or submission.wish is None:
        yield
        return
    workspace.begun.note(
        Begun(
            id=submission.identifier,
            kind=submission.kind,
            tenant=submission.tenant,
            host=str(host.name),
            at=workspace.clock.now(),
            words=submission.wish,
        )
    )
    try:
        yield
    except LaunchpadError as error:
        if not (isinstance(error, HostError) and error.retry):
            workspace.begun.forget(submission.identifier)
        raise


def follow(
    workspace: Workspace, host: Host, identifier: str, *, on_event: OnEvent, patience: Patience = UNTIL_ITS_END
) -> Outcome:
    """Follow an earlier operation from its first event to its end; errors as of `submit`."""
    following = _Following(hosts_of(workspace), host, identifier, on_event, clock=workspace.clock)
    reply = following.to_the_end(following.again, patience=patience)
    return _explained(workspace, host, reply, tenant=following.tenant, kind=following.kind)


def _explained(workspace: Workspace, host: Host, reply: OutcomeReply, *, tenant: str, kind: str) -> Outcome:
    """The outcome; a failure with the cause that the host sees for it."""
    try:
        return outcome_from_reply(reply, host=str(host.name), tenant=tenant, kind=kind)
    except OperationFailed as error:
        error.likely_cause = likely_cause(workspace, host, error.outcome)
        raise


class _Following:
    def __init__(self, hosts: Hosts, host: Host, identifier: str, on_event: OnEvent, *, clock: OperatorClock) -> None:
        self._clock = clock
        self._absence = Absence(clock)
        self._end: float | None = None
        self._hosts = hosts
        self._host = host
        self._identifier = identifier
        self._on_event = on_event
        self._last = 0
        self._was_cut = False
        self.tenant = ""
        self.kind = "operation"

    def to_the_end(self, first: Callable[[], Asked], *, patience: Patience) -> OutcomeReply:
        if patience.within is not None:
            self._end = self._clock.monotonic() + patience.within
        self._absence = Absence(self._clock, most=patience.silent)
        attempts = Retrying(
            stop=self._absence.too_long,
            wait=wait_random_exponential(multiplier=0.25, max=10),
            retry=retry_if_exception(self._may_come_back),
            before_sleep=self._tell_cut,
            reraise=True,
        )
        try:
            reply: OutcomeReply = attempts(self._once, first)
            while reply.outcome == "running" and reply.id == self._identifier and self._goes_on():
                reply = attempts(self._once, self.again)  # the host disconnects a follower after one hour
        except HostError as error:
            if self._may_come_back(error):
                error.hint = "the operation may still be running; to follow it: " + Next(
                    "attach", self._identifier, "--host", self._host.name
                )
            raise
        return reply

    def again(self) -> Asked:
        """Ask for the events that were not received yet."""
        left = None if self._end is None else max(LEAST_SECONDS, self._end - self._clock.monotonic())
        asked = Follow(id=self._identifier, after=self._last, seconds=left)
        return asked.VERB, asked.sent()

    def _goes_on(self) -> bool:
        """Whether to keep following a running operation."""
        return bool(self._last) if self._end is None else self._clock.monotonic() < self._end

    def _once(self, first: Callable[[], Asked]) -> OutcomeReply:
        with self._hosts.reach(self._host) as runner:
            self._absence.connected()
            verb, body = self.again() if self._last else first()
            for line in runner.exchange(verb, body):
                self._absence.heard()
                if line["type"] == "reply":
                    return understood(OutcomeReply, line["body"], host=runner.name)
                if line["type"] == "event":
                    self._hear(line)
        raise HostError(
            f"{self._host.name}: the connection ended without a reply", code="connection-ended-without-reply"
        )

    def _hear(self, line: Mapping[str, Any]) -> None:
        event = event_from_line(line)
        if event.number <= self._last:
            return
        self._last = event.number
        if isinstance(event, OperationStarted):
            self.tenant, self.kind = event.tenant, event.kind
        self._tell(event)

    def _may_come_back(self, error: BaseException) -> bool:
        """Whether the host may have received the request, so that the operation may be running. A host that was
        unreachable from the start has received nothing."""
        self._was_cut = self._was_cut or isinstance(error, ConnectionLost)
        return self._was_cut and isinstance(error, HostError) and error.retry

    def _tell_cut(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._tell(ConnectionCut(number=self._last, reason=str(error)))

    def _tell(self, event: Event) -> None:
        self._on_event(
            HeardEvent(host=str(self._host.name), operation=self._identifier, tenant=self.tenant, event=event)
        )
