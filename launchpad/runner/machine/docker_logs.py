"""Docker's logs as whole lines. Docker sends frames of at most 16 KiB; a line may be several frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from launchpad.runner.machine import docker
from launchpad.runner.machine.http import BadAnswer, Stream, quote
from launchpad.runner.machine.local_records import LONGEST_LINE

if TYPE_CHECKING:
    from launchpad.runner.machine.local_log import LocalLog
    from launchpad.runner.view import ContainerLine

_LARGEST_FRAME = 1 << 24
_SILENCE_SECONDS = 60
_FOREVER = 20 * 86400
"""About the longest wait of poll(2); a follower then starts again."""
_HEADER = 8


class DockerLogs:
    """Implements `view.Speech`."""

    def log_reader(self, container: str) -> LocalLog | None:
        from launchpad.runner.machine.local_log import LocalLog

        found = docker.call("GET", f"/containers/{quote(container)}/json", fine=(404,))
        # Docker names the folder only by the files in it. Every one is set when the container has been started once.
        place = (found or {}).get("LogPath") or (found or {}).get("ResolvConfPath") or ""
        return LocalLog(place.rpartition("/")[0].removesuffix("/local-logs")) if place else None

    def log(self, container: str, *, since: float, tail: int | None, follow: bool) -> Iterator[ContainerLine]:
        """The lines that a container wrote since then; with `follow`, also the lines that it writes from now on."""
        wanted = f"stdout=1&stderr=1&timestamps=1&since={since:.9f}&tail={'all' if tail is None else tail}"
        target = f"/containers/{quote(container)}/logs?{wanted}&follow={int(follow)}"
        # A container that writes nothing may still run, so following has no time limit.
        with docker.asked("GET", target, seconds=_FOREVER if follow else _SILENCE_SECONDS) as answer:
            if answer.status in (404, 409):
                return
            docker.must_succeed(answer)
            yield from lines(frames(answer.stream))


def frames(stream: Stream) -> Iterator[tuple[int, bytes]]:
    """The frames of Docker's multiplexed stream: (1 for standard output or 2 for errors, bytes)."""
    while len(header := stream.exactly(_HEADER)) == _HEADER:
        size = int.from_bytes(header[4:], "big")
        if size > _LARGEST_FRAME:
            raise BadAnswer("not one of Docker's streams")
        yield header[0], stream.exactly(size)


def lines(pieces: Iterator[tuple[int, bytes]]) -> Iterator[ContainerLine]:
    """Whole lines from frames that each begin with a time stamp; a line is cut at LONGEST_LINE."""
    begun: dict[int, tuple[str, bytearray]] = {}
    for kind, piece in pieces:
        stamp, _, text = piece.partition(b" ")
        at, line = begun.setdefault(kind, (stamp.decode(errors="replace"), bytearray()))
        line += text[: LONGEST_LINE + 1 - len(line)]
        if text.endswith(b"\n"):
            del begun[kind]
            yield _line(at, line)
    for at, line in begun.values():
        yield _line(at, line)


def _line(at: str, line: bytearray) -> ContainerLine:
    from launchpad.runner.view import ContainerLine

    text = bytes(line[:LONGEST_LINE]).rstrip(b"\r\n").decode(errors="replace")
    return ContainerLine(at, text, cut=len(line) > LONGEST_LINE)
