"""One command on one channel: input, output as it comes, exit code."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from types import TracebackType

from paramiko import Channel, SSHException, Transport

from launchpad.errors import HostError
from launchpad.runner.hint import Next
from launchpad.ssh.problems import ConnectionLost, cause_of

MOST_STDERR = 64 * 1024
SETUP_SECONDS = 15
SILENT_SECONDS = 60.0
"""A runner without output for so many seconds hangs, or its host does: it sends an alive line every ten seconds."""
QUIET_SECONDS = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0)
"""After so many seconds without output a line says what the client waits for."""

Tell = Callable[[str], None]
"""Takes a sentence about a long wait."""


def nobody(_text: str) -> None:
    """A Tell that drops the text."""


@dataclass(frozen=True)
class ExecOutput:
    """A command's output."""

    code: int
    out: str
    err: str


class Execution:
    """A command that runs on a host until the block ends; `seconds` limits the whole run, None waits while the host is
    alive. It takes two round trips until the command runs, and a third for input and answer; fabric's own run() needs
    as many, and three polling threads."""

    def __init__(
        self,
        transport: Transport,
        *,
        host: str,
        command: str,
        seconds: float | None,
        silent: float | None = None,
        tell: Tell = nobody,
    ) -> None:
        self._transport = transport
        self.host = host
        self._command = command
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._silent, self._tell = silent, tell
        self._stderr = bytearray()

    def __enter__(self) -> Execution:
        try:
            self._channel: Channel = self._transport.open_session(timeout=self._left(most=SETUP_SECONDS))
            self._channel.settimeout(self._left(most=SETUP_SECONDS))
            self._channel.exec_command(self._command)
        except (SSHException, EOFError, OSError) as error:
            why = f"no answer in {SETUP_SECONDS} s" if isinstance(error, TimeoutError) else cause_of(error)
            raise HostError(f"{self.host}: the host did not run a command: {why}", code="host-ran-nothing") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def send(self, data: bytes, more: Iterable[bytes] = ()) -> None:
        """Send the data, then `more`, then the end of input. A host that closes early is no failure here, because its
        answer says why. An exception from `more` is raised, and no end of input is sent."""
        for piece in chain((data,), more):
            if not self._gives(lambda piece=piece: self._channel.sendall(piece)):  # type: ignore[misc]
                return
        self._gives(self._channel.shutdown_write)

    def _gives(self, act: Callable[[], object]) -> bool:
        """Whether the host still accepts input."""
        self._channel.settimeout(self._left(most=self._silent))
        try:
            act()
        except TimeoutError as error:
            raise ConnectionLost(
                f"{self.host}: the host did not accept the request in time", code="host-did-not-accept-request"
            ) from error
        except (OSError, EOFError):
            return False
        return True

    def pieces(self) -> Iterator[bytes]:
        """Standard output as it comes; ConnectionLost after `silent` seconds without output. Standard error is read at
        least once a second, because a full window would block the host's program."""
        heard, told = time.monotonic(), 0
        while True:
            self._channel.settimeout(self._left(most=1))
            try:
                piece = self._channel.recv(256 * 1024)
            except TimeoutError as error:
                if self._deadline is not None and time.monotonic() >= self._deadline:
                    hint = Next("history", self.host)
                    raise ConnectionLost(
                        f"{self.host}: no answer in time", code="no-answer-in-time", hint=hint
                    ) from error
                quiet = time.monotonic() - heard
                if self._silent is not None and quiet >= self._silent:
                    message = f"{self.host}: no output for {quiet:.0f} s, though the connection is open"
                    raise ConnectionLost(message, code="host-is-silent", hint=Next("status", self.host)) from error
                if told < len(QUIET_SECONDS) and quiet >= QUIET_SECONDS[told]:
                    self._tell(f"{self.host}: no answer for {quiet:.0f} s; still waiting")
                    told += 1
                piece = None
            self._drain_stderr()
            if piece == b"":
                return
            if piece:
                heard, told = time.monotonic(), 0
                yield piece

    def exit_code(self) -> int:
        """The exit code; -1 when the connection broke or the command was killed first."""
        self._channel.status_event.wait(self._left(most=SETUP_SECONDS))
        return self._channel.exit_status

    def stderr(self) -> str:
        """The beginning of standard error, as far as received."""
        self._drain_stderr()
        return self._stderr.decode(errors="replace")

    def _drain_stderr(self) -> None:
        """Read the available standard error, and keep its beginning."""
        while self._channel.recv_stderr_ready():
            with contextlib.suppress(OSError):
                piece = self._channel.recv_stderr(64 * 1024)
                self._stderr += piece[: MOST_STDERR - len(self._stderr)]

    def _left(self, *, most: float | None = None) -> float | None:
        """Seconds until the deadline; always a little, so that received data is still read."""
        if self._deadline is None:
            return most
        left = max(0.01, self._deadline - time.monotonic())
        return left if most is None else min(left, most)
