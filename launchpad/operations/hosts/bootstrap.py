"""The first contact with a bare host: log in as root, and send the runner and its first request in one exec."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from launchpad import __version__
from launchpad.errors import HostError, LaunchpadError, LockedError, StateError, StepFailed
from launchpad.events import CameBack, ConnectionCut, HeardEvent, OnEvent, event_from_line
from launchpad.fleet.model.host import Host
from launchpad.operations.hosts.confirming import answering
from launchpad.operations.requests.absence import Absence
from launchpad.operations.requests.asking import understood
from launchpad.operations.requests.following import Submission, noted, submit
from launchpad.operations.requests.outcome import Outcome, outcome_from_reply
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.runner.protocol import PROTOCOL
from launchpad.runner.wire.host_bodies import Plan, PlanReply
from launchpad.runner.wire.operation_bodies import Follow, OutcomeReply
from launchpad.ssh.archive import runner_archive
from launchpad.ssh.hosts import SshHosts
from launchpad.ssh.problems import ConnectionLost, LoginRefused
from launchpad.workspace import Workspace

SECONDS = 1800


@dataclass(frozen=True, kw_only=True)
class Bare:
    """A host without the operators' user, and how to log in as root."""

    host: Host
    user: str
    key: Path | None
    refused: LoginRefused
    """The error of the operators' user's login: the likelier problem when root's login fails too."""


def bootstrap(workspace: Workspace, bare: Bare, submission: Submission, *, on_event: OnEvent) -> Outcome:
    """Install the runner and run the provision. The host continues when the connection breaks; reconnect as root until
    root's login is rejected, and then as the operators' user, who exists by then. EarlierEnded after an earlier
    provision, still running on the host, was followed to its end."""
    return _Bootstrap(workspace, bare, submission, on_event).to_the_end()


class EarlierEnded(Exception):
    """An earlier provision has ended now: check again which user can log in and what is left to do."""


class _Bootstrap:
    def __init__(self, workspace: Workspace, bare: Bare, submission: Submission, on_event: OnEvent) -> None:
        self.workspace, self.bare, self.submission = workspace, bare, submission
        self.name = str(bare.host.name)
        self._tell = answering(hosts_of(workspace), bare.host, on_event)
        self._last: dict[str, int] = {}
        """Operation → the number of its last reported event."""
        self._cut = False
        self._absence = Absence(workspace.clock)

    def to_the_end(self) -> Outcome:
        attempts = Retrying(
            stop=self._absence.too_long,
            wait=wait_random_exponential(multiplier=0.5, max=10),
            retry=retry_if_exception(self._may_come_back),
            before_sleep=self._tell_cut,
            reraise=True,
        )
        try:
            with noted(self.workspace, self.bare.host, self.submission):
                outcome: Outcome = attempts(self._once)
        except HostError as error:
            if self._cut:
                error.hint = "the provision continues on the host; to follow it: " + Next("provision", self.name)
            raise
        return outcome

    def _once(self) -> Outcome:
        try:
            reply = self._ask("submit", self.submission.body(self.workspace), self.submission.identifier)
        except LockedError:
            self._follow_earlier()
            raise EarlierEnded from None
        except LoginRefused:
            if not self._cut:
                raise
            return submit(self.workspace, self.bare.host, self.submission, on_event=self._hear)
        return outcome_from_reply(reply, host=self.name, tenant="", kind="provision")

    def _ask(self, verb: str, body: Mapping[str, Any], identifier: str) -> OutcomeReply:
        def hear(line: Mapping[str, Any]) -> None:
            self._absence.heard()
            self._hear(HeardEvent(host=self.name, operation=identifier, tenant="", event=event_from_line(line)))

        said = _speak(self.workspace, self.bare, "install", (verb, body), hear)
        return understood(OutcomeReply, said, host=self.name)

    def _follow_earlier(self) -> None:
        """Report a running provision on the host, and follow it, if there is one; as the operators' user once root's
        login is rejected."""
        asked = ("observe", {"tenants": [], "probes": False})
        open_ones = _speak(self.workspace, self.bare, "plan", asked, _pass_over)["operations"]
        earlier = next((item for item in open_ones if item["kind"] == "provision"), None)
        if earlier is None:
            return
        identifier = str(earlier["id"])
        back = CameBack(kind="provision", since=float(earlier.get("at") or 0), outcome="")
        self._tell(HeardEvent(host=self.name, operation=identifier, tenant="", event=back))
        with suppress(LoginRefused, ConnectionLost):
            self._ask("follow", Follow(id=identifier).sent(), identifier)

    def _hear(self, heard: HeardEvent) -> None:
        """Report each event once: after a reconnect the host sends every event again."""
        if heard.event.number > self._last.get(heard.operation, 0):
            self._last[heard.operation] = heard.event.number
            self._tell(heard)

    def _may_come_back(self, error: BaseException) -> bool:
        self._cut = self._cut or isinstance(error, ConnectionLost)
        return self._cut and isinstance(error, HostError) and (error.retry or isinstance(error, LoginRefused))

    def _tell_cut(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        last = self._last.get(self.submission.identifier, 0)
        event = ConnectionCut(number=last, reason=f"{error}; the provision continues on the host")
        self._tell(HeardEvent(host=self.name, operation=self.submission.identifier, tenant="", event=event))


def plan_bare(workspace: Workspace, bare: Bare, operation: Mapping[str, Any]) -> PlanReply:
    """The plan of a bare host; the runner runs from a temporary file and leaves nothing on the
    host."""
    said = _speak(workspace, bare, "plan", ("plan", Plan(operation=operation).sent()), _pass_over)
    return understood(PlanReply, said, host=str(bare.host.name))


def _pass_over(_line: Mapping[str, Any]) -> None:
    """A plan has no events."""


def _speak(
    workspace: Workspace,
    bare: Bare,
    doing: str,
    asked: tuple[str, Mapping[str, Any]],
    hear: Callable[[Mapping[str, Any]], None],
) -> dict[str, Any]:
    """The body of the runner's reply to the request."""
    from launchpad.ssh.connection import Connection
    from launchpad.ssh.identity import Identity
    from launchpad.ssh.replies import judge_line, one_line

    hosts = hosts_of(workspace)
    if not isinstance(hosts, SshHosts):
        raise StateError("this workspace does not connect to its hosts by SSH", code="workspace-not-over-ssh")
    archive = runner_archive()
    words = [doing, str(len(archive.data)), archive.digest.removeprefix("sha256:")]
    words.append(f"operator={workspace.settings.operator}")
    script = files("launchpad").joinpath("templates", "host", "bootstrap.sh").read_text("utf-8")
    verb, body = asked
    request = {"protocol": PROTOCOL, "client": __version__, "verb": verb, "body": body}
    replies: list[dict[str, Any]] = []
    wrong: list[LaunchpadError] = []
    chatter: list[str] = []

    def on_line(text: str) -> None:
        try:
            line = json.loads(text)
            kind = line["type"]
        except (ValueError, TypeError, KeyError):
            if text.strip():
                chatter.append(text)  # a shell's, not the runner's
            return
        try:
            judge_line(line, host=str(bare.host.name), verb=verb)
            if kind == "event":
                hear(line)
            elif kind == "reply":
                replies.append(dict(line["body"]))
        except LaunchpadError as error:
            wrong.append(error)

    identity = hosts.identity if bare.key is None else Identity(key_files=(bare.key,), agent=False)
    endpoint = hosts.endpoint(bare.host).as_user(bare.user)
    try:
        with Connection(endpoint, identity=identity, tell=hosts.tell) as connection:
            said = connection.run_root(
                f"set -- {shlex.join(words)}\n{script}",
                archive.data + json.dumps(request, separators=(",", ":")).encode() + b"\n",
                seconds=SECONDS,
                on_line=on_line,
            )
    except LoginRefused as error:
        raise LoginRefused(
            f"{bare.host.name}: login failed as the operators' user and as {bare.user}: {error.message}",
            code="first-login-refused",
            hint=Next("provision", bare.host.name, "--root-key", "FILE")
            + ", with the SSH key that your provider installed",
        ) from bare.refused
    if replies:
        return replies[0]
    if wrong:
        raise wrong[0]
    last = [line for line in said.err.splitlines() if line.strip()][-1:] or chatter[-1:] or [f"exit code {said.code}"]
    raise StepFailed(
        f"{bare.host.name}: the runner could not be installed: {one_line(last[0].strip())}",
        code="runner-not-installed",
        hint=f"if {bare.user} may not log in: " + Next("provision", bare.host.name, "--root-user", "USER"),
    )
