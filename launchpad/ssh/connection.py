"""One SSH connection to one host: pinned, fast, and used only for requests."""

from __future__ import annotations

import contextlib
import json
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

import fabric

from launchpad import __version__
from launchpad.errors import HostError
from launchpad.runner.hint import Next
from launchpad.runner.protocol import PROTOCOL
from launchpad.ssh.dialling import dial
from launchpad.ssh.endpoint import Endpoint
from launchpad.ssh.execution import SILENT_SECONDS, ExecOutput, Execution, Tell, nobody
from launchpad.ssh.identity import Identity
from launchpad.ssh.intents import Sign, intent_for
from launchpad.ssh.lines import BadLine, LineReader
from launchpad.ssh.problems import ConnectionLost
from launchpad.ssh.replies import judge_line, tamed

MOST_CHANNELS = 8
"""The most channels at once on one connection; sshd refuses the eleventh (MaxSessions)."""
FORCED_COMMAND = "launchpad-runner"
"""The requested command; the host always runs its forced command instead."""
KILLED = 128
"""Exit codes from here on mean that a signal ended the program."""


class Connection:
    """A connection that opens on first use. Threads may share it; each uses its own channels."""

    def __init__(
        self, endpoint: Endpoint, *, identity: Identity, tell: Tell = nobody, sign: Sign | None = None
    ) -> None:
        self.endpoint = endpoint
        self.identity = identity
        self._sign = sign
        self._tell = tell
        self._fabric: fabric.Connection | None = None
        self._opening = threading.Lock()
        self._channels = threading.BoundedSemaphore(MOST_CHANNELS)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The host's name in the fleet."""
        return self.endpoint.host

    def open(self) -> None:
        """Connect and log in, unless the connection is open; raises as `dial` does."""
        with self._opening:
            if self._fabric is None or not self._fabric.is_connected:
                self._fabric = dial(self.endpoint, identity=self.identity, tell=self._tell)

    def close(self) -> None:
        """Close at once, also when the host does not answer."""
        connection, self._fabric = self._fabric, None
        if connection is not None:
            connection.close()

    def exchange(
        self,
        verb: str,
        body: Mapping[str, Any],
        *,
        seconds: float | None = None,
        command: str = FORCED_COMMAND,
        incoming: Iterable[bytes] = (),
    ) -> Iterator[dict[str, Any]]:
        """The runner's lines for one request as they come: events, log lines, and the reply last. `incoming` is sent
        after the request, as fast as the host accepts it.

        One exec on the connection. `seconds` limits the whole exchange; None waits as long as the runner sends alive
        lines. A request that a person must sign is signed here. An error line is raised as its error. ConnectionLost:
        the request may have been received.
        """
        request = {"protocol": PROTOCOL, "client": __version__, "verb": verb, "body": body}
        request |= intent_for(self.endpoint.host, verb, body, self._sign)
        payload = json.dumps(request, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        with self._execution(command, seconds, silent=SILENT_SECONDS) as running:
            running.send(payload, incoming)
            try:
                for line in _lines(running):
                    if line["type"] == "alive":
                        continue
                    line = tamed(line, self.endpoint.host)
                    judge_line(line, host=self.endpoint.host, verb=verb)
                    yield line
                    if line["type"] == "reply":
                        return
            except BadLine as error:
                raise HostError(
                    f"{self.endpoint.host}: the host sent {error}",
                    code="answer-not-of-runner",
                    hint="the answer is not from Launchpad's runner: " + Next("provision", self.endpoint.host),
                ) from error
            raise _ended_without_reply(running)

    def ask(
        self, verb: str, body: Mapping[str, Any], *, seconds: float | None = 60, command: str = FORCED_COMMAND
    ) -> dict[str, Any]:
        """The body of the reply to one request; other lines are skipped."""
        reply: dict[str, Any] = {}
        for line in self.exchange(verb, body, seconds=seconds, command=command):
            if line["type"] == "reply":
                reply = line["body"]
        return reply

    def run_root(
        self, script: str, stdin: bytes = b"", *, seconds: float = 600, on_line: Callable[[str], None] | None = None
    ) -> ExecOutput:
        """The output of a shell script, run as root with these bytes on standard input; for a host without Launchpad.
        Every user of the host can see the script: secrets belong on standard input."""
        command = f"sh -c {shlex.quote(script)}"
        if self.endpoint.user != "root":
            command = f"sudo -n {command}"
        out = bytearray()
        told = 0
        with self._execution(command, seconds) as running:
            running.send(stdin)
            for piece in running.pieces():
                out += piece
                while on_line and (end := out.find(b"\n", told)) >= 0:
                    on_line(out[told:end].decode(errors="replace"))
                    told = end + 1
            code = running.exit_code()
            if code < 0:
                raise ConnectionLost(
                    f"{self.endpoint.host}: the connection broke while a script ran",
                    code="connection-broke-while-script-ran",
                )
            return ExecOutput(code, out.decode(errors="replace"), running.stderr())

    def run(self, script: str, take: Callable[[bytes], object], *, seconds: float) -> ExecOutput:
        """Run a shell script as the logged-in user, and pass its output to `take` as it comes; the exit code is -1 when
        the connection broke. For a machine outside the fleet. `out` stays empty."""
        with self._execution(f"sh -c {shlex.quote(script)}", seconds) as running:
            running.send(b"")
            for piece in running.pieces():
                take(piece)
            return ExecOutput(running.exit_code(), "", running.stderr())

    @contextlib.contextmanager
    def _execution(self, command: str, seconds: float | None, *, silent: float | None = None) -> Iterator[Execution]:
        with self._channels:
            self.open()
            assert self._fabric is not None
            transport = self._fabric.transport
            how: dict[str, Any] = {"command": command, "seconds": seconds, "silent": silent, "tell": self._tell}
            with Execution(transport, host=self.endpoint.host, **how) as running:
                yield running


def _lines(running: Execution) -> Iterator[dict[str, Any]]:
    lines = LineReader()
    for piece in running.pieces():
        yield from lines.feed(piece)


def _ended_without_reply(running: Execution) -> HostError:
    """The error for a missing reply. A killed runner may have started the operation, which then continues; a runner
    that ended by itself started nothing."""
    code = running.exit_code()
    if code < 0 or code >= KILLED:
        return ConnectionLost(f"{running.host}: the connection broke", code="connection-broke-before-reply")
    said = [line for line in running.stderr().splitlines() if line.strip()]
    reason = said[-1] if said else "it printed nothing"
    return HostError(
        f"{running.host}: the runner did not answer (exit code {code}): {reason}",
        code="runner-did-not-answer",
        hint=Next("provision", running.host),
    )
