"""metrics: the metrics of hosts and their tenants, as one text in Prometheus' format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from launchpad.errors import LaunchpadError
from launchpad.fleet.keeping.workspace_files import replace_file
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.scope import scope_of
from launchpad.runner.wire.host_bodies import Metrics
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

UP = "launchpad_up"
_HEAD = re.compile(r"# (?:HELP|TYPE) (\S+) ")


@dataclass(frozen=True, kw_only=True)
class FleetMetrics:
    """The text, and the hosts that did not answer, whose launchpad_up is 0."""

    text: str
    unreachable: Mapping[str, LaunchpadError]
    answered: bool
    """Whether a host answered."""

    def save(self, path: Path) -> None:
        """Replace the file in one step: a reader sees the old or the new metrics, never half."""
        replace_file(path, self.text.encode(), mode=0o644)


def metrics(workspace: Workspace, names: Sequence[str] = ()) -> FleetMetrics:
    """The metrics of the named hosts, or of all hosts."""
    hosts = {str(host.name): host for host in scope_of(workspace.fleet.load(), names).hosts}

    def look(name: str) -> str:
        with hosts_of(workspace).reach(hosts[name]) as runner:
            return "\n".join(ask(runner, Metrics()).lines)

    said = fanout(hosts, look, threads=workspace.settings.parallel)
    unreachable = {name: item for name, item in said.items() if isinstance(item, LaunchpadError)}
    up = [f'{UP}{{host="{name}"}} {int(name not in unreachable)}' for name in sorted(hosts)]
    head = [f"# HELP {UP} Whether the host answered over SSH: 1 or 0.", f"# TYPE {UP} gauge"]
    texts = [item for _, item in sorted(said.items()) if not isinstance(item, LaunchpadError)]
    text = merged(["\n".join((*head, *up)), *texts])
    return FleetMetrics(text=text, unreachable=unreachable, answered=bool(texts))


def merged(texts: Iterable[str]) -> str:
    """One text: all samples of a metric stand together, after one HELP and one TYPE line."""
    heads: dict[str, dict[str, None]] = {}
    samples: dict[str, list[str]] = {}
    for text in texts:
        name = ""
        for line in text.splitlines():
            if found := _HEAD.match(line):
                name = found[1]
                heads.setdefault(name, {})[line] = None
            elif line:
                samples.setdefault(name, []).append(line)
    lines = [line for name, found in samples.items() for line in (*heads.get(name, ()), *found)]
    return "\n".join((*lines, ""))
