"""news: problems that are new or resolved since the last `status --news` or `health --quiet` from this checkout."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.errors import HostError, LaunchpadError, StateError
from launchpad.fleet.keeping.workspace_files import replace_file, state_folder
from launchpad.operations.observation.fleet_health import EXIT_CODES, FleetHealth, fleet_health
from launchpad.operations.observation.status import Status, status
from launchpad.plan.observed import HostSeen
from launchpad.runner.facts import Grade
from launchpad.workspace import Workspace

FILE, HEALTH_FILE = "news.json", "health-news.json"
"""What each of the two printed last: they print other sentences."""
LONGEST = 300
SETTLED_SECONDS = 120.0
"""A warning that is younger may be gone at the next look."""


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
    """The exit code of `status --check`, or of `health`."""
    file: str = FILE

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
    return _compared(workspace, now, code, _of(FILE, names))


def health_news(workspace: Workspace, names: Sequence[str] = ()) -> News:
    """The same of the fleet's health; every error is of an unknown grade."""
    try:
        found = fleet_health(workspace, names)
        now, code = dict(_wrong_facts(found)), found.exit_code
    except LaunchpadError as error:
        now, code = {f"error {error.message}": error.message}, EXIT_CODES[Grade.unknown]
    return _compared(workspace, now, code, _of(HEALTH_FILE, names))


def _of(file: str, names: Sequence[str]) -> str:
    """A file of its own for each choice of names: two lines of cron for two hosts do not resolve each other's."""
    named = hashlib.sha256(" ".join(sorted(names)).encode()).hexdigest()[:12]
    return file.replace(".", f"-{named}.") if names else file


def _compared(workspace: Workspace, now: dict[str, str], code: int, file: str) -> News:
    before = _before(workspace, file)
    return News(
        wrong=tuple(text for key, text in now.items() if key not in before),
        ended=tuple(text for key, text in before.items() if key not in now),
        now=now,
        exit_code=code,
        file=file,
    )


def remember(workspace: Workspace, told: News) -> None:
    """Record the present problems as reported: each is news again only after it was resolved."""
    if told.wrong or told.ended:
        replace_file(state_folder(workspace.root) / told.file, json.dumps(told.now, ensure_ascii=False).encode())


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


def _wrong_facts(found: FleetHealth) -> Iterator[tuple[str, str]]:
    """The same of facts. A fact that gets worse is news; a warning is none before it lasts."""
    for item, fact in found.wrong():
        if fact.grade is Grade.warning and fact.since and item.clock - fact.since < SETTLED_SECONDS:
            continue
        where = f"{item.tenant} on {item.host}" if item.tenant and item.host else item.name
        hint = f" ({fact.hint})" if fact.hint else ""
        yield f"{where} {fact.layer} {fact.subject} {fact.grade}", f"{where} {fact.layer}: {fact.message}{hint}"


def _same(text: str) -> str:
    return re.sub(r"\d+", "#", text)[:LONGEST]


def _code(found: Status) -> int:
    if found.unreachable:
        return 8 if len(found.hosts) > 1 else HostError.exit_code
    return 0 if found.good else StateError.exit_code


def _before(workspace: Workspace, file: str) -> dict[str, str]:
    try:
        return {str(key): str(text) for key, text in json.loads((workspace.state / file).read_bytes()).items()}
    except (OSError, ValueError, AttributeError):
        return {}
