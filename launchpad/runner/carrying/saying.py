"""How a tar or a text leaves the sandbox: encrypted by age if there are recipients, in pieces of equal size."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any

PIECE = 96 * 1024
"""Bytes of a piece, before base64."""
BUFFER = 64 * 1024
AGE = "/usr/bin/age"

Say = Callable[[dict[str, Any]], None]


def encrypt(task: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """Write the task's text, encrypted for the recipients; {"pieces"}."""
    said = PieceWriter(say)
    with encrypted(task["recipients"], said) as out:
        out.write(task["text"].encode())
        out.flush()
    said.flush()
    return {"pieces": f"sha256:{said.hexdigest()}"}


class PieceWriter:
    """A writer that passes on everything in pieces of equal size."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._waiting = bytearray()
        self._digest = hashlib.sha256()
        self.hexdigest = self._digest.hexdigest

    def write(self, data: bytes) -> int:
        self._waiting += data
        while len(self._waiting) >= PIECE:
            self._leave(bytes(self._waiting[:PIECE]))
            del self._waiting[:PIECE]
        return len(data)

    def flush(self) -> None:
        if self._waiting:
            self._leave(bytes(self._waiting))
            self._waiting.clear()

    def _leave(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._say({"data": base64.b64encode(piece).decode()})


class Digested:
    """A writer that passes everything on, and computes the digest."""

    def __init__(self, out: Any) -> None:
        self._out = out
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self._out.write(data)
        return len(data)


def encrypted(recipients: list[str], said: PieceWriter) -> AbstractContextManager[Any]:
    """The writer to use. Without recipients nothing is encrypted; the verb `send` always gives recipients."""
    return _Age(recipients, said) if recipients else nullcontext(said)


class _Age:
    """age, which writes to `said` from a thread during the block."""

    def __init__(self, recipients: list[str], said: PieceWriter) -> None:
        words = [AGE, "--encrypt", *(word for recipient in recipients for word in ("--recipient", recipient))]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self._said = said
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Any:
        self._reader.start()
        return self._process.stdin

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            kind = kind or BrokenPipeError
        if kind:
            self._process.kill()
        self._reader.join()
        if self._process.wait() or kind is BrokenPipeError:
            raise OSError("age could not encrypt it") from error

    def _read(self) -> None:
        assert self._process.stdout
        while piece := self._process.stdout.read1(BUFFER):  # type: ignore[attr-defined]
            try:
                self._said.write(piece)
            except OSError:
                os._exit(1)  # the reader is gone
