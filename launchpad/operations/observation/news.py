"""news: problems that are new or resolved since the last `status --news` from this checkout."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.errors import HostError, LaunchpadError, StateError
from launchpad.fleet.keeping.workspace_files import replace_file, state_folder
from launchpad.operations.observation.status import Status, status
from launchpad.plan.observed import HostSeen
from launchpad.workspace import Workspace

FILE = "news.json"
LONGEST = 300


@dataclass(frozen=True, kw_only=True)
class News:
    """The changes as sentences for people; empty when nothing changed."""

    wrong: tuple[str, ...]
    """The new problems."""
    ended: tuple[str, ...]
    """The resolved problems."""
    now: dict[str, str]
    """Every present problem: its key → its sentence."""
    exit_code: int
    """The exit code of `status --check`."""

    def as_json(self) -> dict[str, Any]:
        return {"good": not self.now, "wrong": list(self.wrong), "ended": list(self.ended), "all": [*self.now.values()]}


def news(workspace: Workspace, names: Sequence[str] = (), *, probes: bool = True) -> News:
    """Read the status and compare it with the last time; call `remember` after the news is printed. An unreadable
    inventory is a problem too."""
    try:
        found = status(workspace, names, probes=probes)
        now, code = dict(_wrong(found)), _code(found)
    except LaunchpadError as error:
        now, code = {f"error {error.message}": error.message}, error.exit_code
    before = _before(workspace)
    return News(
        wrong=tuple(text for key, text in now.items() if key not in before),
        ended=tuple(text for key, text in before.items() if key not in now),
        now=now,
        exit_code=code,
    )


def remember(workspace: Workspace, told: News) -> None:
    """Record the present problems as reported: each is news again only after it was resolved."""
    if told.wrong or told.ended:
        replace_file(state_folder(workspace.root) / FILE, json.dumps(told.now, ensure_ascii=False).encode())


def _wrong(found: Status) -> Iterator[tuple[str, str]]:
    """Yield each problem's key, without numbers that change each time, and its sentence."""
    for item in found.tenants:
        if item.good or item.state == "unreachable":
            continue  # the host is reported
        where = f" on {item.host}" if item.host else ""
        for drift in item.drift:
            yield f"{item.tenant}{where} drift {_same(drift)}", f"{item.tenant}{where}: changed by hand: {drift}"
        for finding in item.findings:
            yield f"{item.tenant}{where} {finding.subject}", f"{item.tenant}{where}: {finding.message}"
        if not item.drift and not item.findings:
            why = f": {'; '.join(item.remarks)}" if item.remarks else ""
            yield f"{item.tenant}{where} {item.state} {item.readable}", f"{item.tenant}{where} is {item.state}{why}"
    for host, said in found.hosts.items():
        if not isinstance(said, HostSeen):
            yield f"{host} unreachable", said.message
            continue
        for problem in said.problems:
            yield f"{host} {_same(problem)}", f"{host}: {problem}"
        for finding in said.findings:
            yield f"{host} {finding.subject}", f"{host}: {finding.message}"


def _same(text: str) -> str:
    return re.sub(r"\d+", "#", text)[:LONGEST]


def _code(found: Status) -> int:
    if found.unreachable:
        return 8 if len(found.hosts) > 1 else HostError.exit_code
    return 0 if found.good else StateError.exit_code


def _before(workspace: Workspace) -> dict[str, str]:
    try:
        return {str(key): str(text) for key, text in json.loads((workspace.state / FILE).read_bytes()).items()}
    except (OSError, ValueError, AttributeError):
        return {}
