"""Logins as the operators' user, with their keys: from sshd's processes and sshd's log lines."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from launchpad.runner.machine.command import run
from launchpad.runner.system import OPERATORS

ENDS_SECONDS = 2.0
_ACCEPTED = re.compile(rf"Accepted publickey for {OPERATORS} from .*(SHA256:[A-Za-z0-9+/]+)")
_MONITOR = re.compile(rf"sshd(?:-session)?: {OPERATORS} \[priv\]")


def strange(keys: Sequence[str]) -> tuple[int, ...]:
    """The privileged processes of logins with keys that are not among these, or with a key that the journal does not
    name."""
    found = _monitors()
    if not found:
        return ()
    known = {_fingerprint(key) for key in keys}
    made = _fingerprints(found)
    return tuple(process for process in found if made.get(process) not in known)


def end(keys: Sequence[str]) -> None:
    """End those logins: SIGTERM, then SIGKILL."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        for process in strange(keys):
            for child in (*_children(process), process):
                with suppress(ProcessLookupError):
                    os.kill(child, how)
        deadline = time.monotonic() + ENDS_SECONDS
        while strange(keys) and time.monotonic() < deadline:
            time.sleep(0.05)


def _monitors() -> list[int]:
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 names are all that is wanted
        with suppress(OSError):
            if name.isdecimal() and _MONITOR.match(Path(f"/proc/{name}/cmdline").read_text(errors="replace")):
                found.append(int(name))
    return found


def _children(process: int) -> list[int]:
    """sshd's own child, which holds the connection."""
    with suppress(OSError):
        return [int(item) for item in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


def _fingerprints(processes: Sequence[int]) -> dict[int, str]:
    """Process → the fingerprint of its login's key, from sshd's log."""
    words = ["journalctl", "--quiet", "--no-pager", "--boot", "--output=json", "--output-fields=MESSAGE,_PID"]
    said = run([*words, *(f"_PID={process}" for process in processes)]).out.decode(errors="replace")
    made = {}
    for line in said.splitlines():
        item = json.loads(line)
        accepted = _ACCEPTED.search(str(item.get("MESSAGE", "")))
        if accepted:
            made[int(item["_PID"])] = accepted[1]
    return made


def _fingerprint(key: str) -> str:
    with suppress(IndexError, binascii.Error):
        blob = base64.b64decode(key.split()[1])
        return "SHA256:" + base64.b64encode(sha256(blob).digest()).decode().rstrip("=")
    return ""
