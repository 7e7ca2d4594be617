"""A line of a tenant as an entry of systemd's journal export format. Pure.

An entry's own time never goes back, because systemd searches a journal by time; the line's own time is in
`_SOURCE_REALTIME_TIMESTAMP`, which journalctl shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.runner.log_filter import level_of
from launchpad.runner.machine.local_records import nano_of

_PRIORITIES = {"debug": "7", "info": "6", "warning": "4", "error": "3"}


class ExportFormat:
    """Makes entries of one host. `boot`: the host's boot id; `began`: when the host booted, in seconds since 1970."""

    def __init__(self, *, host: str, boot: str, began: float) -> None:
        self._host, self._boot, self._began = host, boot.replace("-", ""), int(began * 1e6)
        self._last = 0
        """The time of the last entry, in microseconds since 1970."""

    def entry(self, line: Mapping[str, Any]) -> bytes:
        """The entry of a line without its secrets, or of a gap. Two entries with equal LAUNCHPAD_LINE are the same
        line."""
        at = nano_of(line["at"]) // 1000
        self._last = max(self._last, at)
        gap = line["type"] == "gap"
        text = _gap(line) if gap else line["text"]
        named = {
            "__REALTIME_TIMESTAMP": str(self._last),
            "__MONOTONIC_TIMESTAMP": str(max(0, self._last - self._began)),
            "_BOOT_ID": self._boot,
            "_SOURCE_REALTIME_TIMESTAMP": str(at),
            "_HOSTNAME": self._host,
            "SYSLOG_IDENTIFIER": f"{line['tenant']}/{line['service']}",
            "PRIORITY": "4" if gap else _PRIORITIES[level_of(text)],
            "LAUNCHPAD_TENANT": line["tenant"],
            "LAUNCHPAD_SERVICE": line["service"],
            "LAUNCHPAD_RELEASE": line["release"],
            "LAUNCHPAD_LINE": f"{line['source']} {line['at']} {line.get('n', 1)}{' gap' if gap else ''}",
        }
        fields = "".join(f"{name}={value}\n" for name, value in named.items()).encode()
        data = text.encode()
        # The length first: whatever a tenant writes, it stays within this field.
        return fields + b"MESSAGE\n" + len(data).to_bytes(8, "little") + data + b"\n\n"


def _gap(line: Mapping[str, Any]) -> str:
    why = line.get("why", "Docker removed a log file before it was read")
    return f"--- gap: between {line['after']} and {line['at']} lines may be missing: {why} ---"
