"""The collector's journals: one file for each host, written by systemd-journal-remote, read by journalctl."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from launchpad.runner.host import Failed
from launchpad.runner.machine.command import run
from launchpad.runner.protocol import Refused

FOLDER = "/var/log/journal/remote"
PROGRAM = "/usr/lib/systemd/systemd-journal-remote"
LATEST = 10_000
"""So many entries back a line is found that arrived before: more than one upload has."""
SHARE = 4
"""The journals of all hosts take at most this part of their file system: a quarter. The oldest files are removed."""
SECONDS = 60.0


def entries_in(data: bytes, *, of: str) -> Iterator[tuple[str, bytes]]:
    """Each entry's LAUNCHPAD_LINE, and the entry. Refused unless all of them are whole and of that host."""
    begin = place = 0
    line = host = b""
    while place < len(data):
        end = data.find(b"\n", place)
        name, equals, value = data[place:end].partition(b"=")
        place = end + 1
        if end < 0:
            break
        if equals and name == b"_HOSTNAME":
            host = value
        elif equals and name == b"LAUNCHPAD_LINE":
            line = value
        elif name and not equals:
            place += 8 + int.from_bytes(data[place : place + 8], "little") + 1
            if data[place - 1 : place] != b"\n":
                break
        elif not name:
            if not line or host != of.encode():
                raise Refused(f"an entry is not of {of}, or has no LAUNCHPAD_LINE")
            yield line.decode(errors="replace"), data[begin:place]
            begin, line, host = place, b"", b""
    if begin != len(data):
        raise Refused("an entry is not whole")


class RemoteJournals:
    """`folder` has `remote-HOST.journal`, and older files of the same host beside it."""

    def __init__(self, folder: str = FOLDER, program: str = PROGRAM) -> None:
        self._folder, self._program = folder, program

    def add(self, host: str, data: bytes, *, again: bool) -> None:
        """Append the host's entries; with `again` only those that the journal does not have. Refused for entries that
        are not this host's. Failed, with a part of them written, when they cannot be written."""
        file = f"{self._folder}/remote-{host}.journal"
        entries = list(entries_in(data, of=host))
        if again and entries and os.path.exists(file):  # noqa: PTH110  pathlib costs an import
            known = self._lines(host)
            entries = [(line, entry) for line, entry in entries if line not in known]
        if not entries:
            return
        said = run(
            [self._program, f"--output={file}", "-"], stdin=b"".join(entry for _, entry in entries), seconds=SECONDS
        )
        words = said.err.decode(errors="replace").strip().splitlines() or [f"exit status {said.code}"]
        if said.code or f"writing {len(entries)} entries" not in words[-1]:
            raise Failed(
                f"the collector cannot write its journal: {words[-1][:150]}", code="collector-cannot-write-journal"
            )

    def _lines(self, host: str) -> set[str]:
        """The LAUNCHPAD_LINE of the host's latest entries."""
        files = f"--file={self._folder}/remote-{host}[.@]*"
        words = ["journalctl", "--quiet", files, "--reverse", f"--lines={LATEST}", "--output=json"]
        said = run([*words, "--output-fields=LAUNCHPAD_LINE"], reads=True, seconds=SECONDS)
        if said.code:
            raise Failed("the collector cannot read its journal", code="collector-cannot-read-journal")
        return {str(json.loads(line).get("LAUNCHPAD_LINE")) for line in said.out.splitlines()}

    def thin(self) -> None:
        """Remove the oldest files while the journals take more than their share."""
        room = os.statvfs(self._folder)
        most = room.f_blocks * room.f_frsize // SHARE
        run(["journalctl", "--quiet", f"--directory={self._folder}", f"--vacuum-size={most}"], seconds=SECONDS)
