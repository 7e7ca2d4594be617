"""A bare host's first contact: root, one exec, the runner and its first request on the same standard input."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from launchpad import __version__
from launchpad.errors import LaunchpadError, StateError, StepFailed
from launchpad.events import Heard, OnEvent, event_from_line
from launchpad.fleet.host import Host
from launchpad.operations.confirming import answering
from launchpad.operations.following import Submission, submit
from launchpad.operations.outcome import Outcome, outcome_from_reply
from launchpad.operations.reaching import hosts_of
from launchpad.runner.protocol import PROTOCOL
from launchpad.ssh.archive import runner_archive
from launchpad.ssh.hosts import SshHosts
from launchpad.ssh.problems import ConnectionLost, LoginRefused
from launchpad.workspace import Workspace

SECONDS = 1800


@dataclass(frozen=True, kw_only=True)
class Bare:
    """A host that does not know the operators' user, and how to get in all the same."""

    host: Host
    user: str
    key: Path | None
    refused: LoginRefused
    """How the operators' user was turned away: the likelier trouble where root is turned away too."""


def bootstrap(workspace: Workspace, bare: Bare, submission: Submission, *, on_event: OnEvent) -> Outcome:
    """Put the runner there and carry the provision out. A connection that breaks meanwhile is come back to, as the
    operators' user if that works by now."""
    name = str(bare.host.name)
    tell = answering(hosts_of(workspace), bare.host, on_event)

    def hear(line: Mapping[str, Any]) -> None:
        tell(Heard(host=name, operation=submission.identifier, tenant="", event=event_from_line(line)))

    try:
        reply = _speak(workspace, bare, "install", ("submit", submission.body()), hear)
    except ConnectionLost:
        return submit(workspace, bare.host, submission, on_event=tell)
    return outcome_from_reply(reply, host=name, tenant="", kind="provision")


def plan_bare(workspace: Workspace, bare: Bare, operation: Mapping[str, Any]) -> dict[str, Any]:
    """{"steps", "diffs"} of a bare host; the runner is run from a temporary file and leaves nothing behind."""
    return _speak(workspace, bare, "plan", ("plan", {"operation": operation}), _pass_over)


def _pass_over(_line: Mapping[str, Any]) -> None:
    """A plan has no events."""


def _speak(
    workspace: Workspace,
    bare: Bare,
    doing: str,
    asked: tuple[str, Mapping[str, Any]],
    hear: Callable[[Mapping[str, Any]], None],
) -> dict[str, Any]:
    """The body of the runner's reply to the request that follows it."""
    from launchpad.ssh.connection import Connection
    from launchpad.ssh.identity import Identity
    from launchpad.ssh.replies import judge_line

    hosts = hosts_of(workspace)
    if not isinstance(hosts, SshHosts):
        raise StateError("this workspace does not reach its hosts over SSH")
    archive = runner_archive()
    words = [doing, str(len(archive.data)), archive.digest.removeprefix("sha256:")]
    words.append(f"operator={workspace.settings.operator}")
    script = files("launchpad").joinpath("templates", "host", "bootstrap.sh").read_text("utf-8")
    verb, body = asked
    request = {"protocol": PROTOCOL, "client": __version__, "verb": verb, "body": body}
    replies: list[dict[str, Any]] = []
    wrong: list[Exception] = []

    def on_line(text: str) -> None:
        try:
            line = json.loads(text)
            judge_line(line, host=str(bare.host.name), verb=verb)
            if line["type"] == "event":
                hear(line)
            elif line["type"] == "reply":
                replies.append(dict(line["body"]))
        except (ValueError, LaunchpadError) as error:
            wrong.append(error)

    identity = hosts.identity if bare.key is None else Identity(key_files=(bare.key,), agent=False)
    endpoint = hosts.endpoint(bare.host).as_user(bare.user)
    try:
        with Connection(endpoint, identity=identity) as connection:
            said = connection.run_root(
                f"set -- {shlex.join(words)}\n{script}",
                archive.data + json.dumps(request, separators=(",", ":")).encode() + b"\n",
                seconds=SECONDS,
                on_line=on_line,
            )
    except LoginRefused as error:
        raise LoginRefused(
            f"{bare.host.name}: neither the operators' user nor {bare.user} is let in: {error.message}",
            hint=f"launchpad provision {bare.host.name} --root-key FILE names the key that your provider installed",
        ) from bare.refused
    if replies:
        return replies[0]
    if wrong:
        raise wrong[0]
    last = [line for line in said.err.splitlines() if line.strip()][-1:] or [f"exit code {said.code}"]
    raise StepFailed(f"{bare.host.name}: the runner could not be installed: {last[0]}")
