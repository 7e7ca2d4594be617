"""news: what is wrong now and was not when it was last asked for here, and what is well again."""

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
    """Sentences for people; none where nothing changed."""

    wrong: tuple[str, ...]
    """What was not wrong before."""
    ended: tuple[str, ...]
    """What was, and is well again."""
    now: dict[str, str]
    """All that is wrong: what it is known by → its sentence."""
    exit_code: int
    """As of `status --check`."""

    def as_json(self) -> dict[str, Any]:
        return {"good": not self.now, "wrong": list(self.wrong), "ended": list(self.ended), "all": [*self.now.values()]}


def news(workspace: Workspace, names: Sequence[str] = (), *, probes: bool = True) -> News:
    """Look, and compare with the last time; `remember` it once it was told. An inventory that cannot be read is news,
    too."""
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
    """What is wrong now was told, and is no news until it has been well."""
    if told.wrong or told.ended:
        replace_file(state_folder(workspace.root) / FILE, json.dumps(told.now, ensure_ascii=False).encode())


def _wrong(found: Status) -> Iterator[tuple[str, str]]:
    """What each thing that is wrong is known by, which has no number in it that changes each time, and its sentence."""
    for item in found.tenants:
        if item.good or item.state == "unreachable":
            continue  # its host is told of
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
