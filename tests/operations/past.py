"""A tenant with a past: an app whose versions may not all follow one another, and what a host says that kept some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from launchpad.operations.requests.render import rendered
from launchpad.runner.verbs.submit import parsed
from launchpad.workspace import Workspace
from tests.operations.places import observed, open_workspace, replies, requests, write_workspace
from tests.ssh.sshd import Sshd

VERSIONS = f"""\
versions:
  - {{version: 1.0.0, images: {{web: 'registry.example.com/echo:1.0.0@sha256:{"1" * 64}'}}}}
  - version: 1.1.0
    images: {{web: 'registry.example.com/echo:1.1.0@sha256:{"2" * 64}'}}
    notes: faster
  - version: 2.0.0
    images: {{web: 'registry.example.com/echo:2.0.0@sha256:{"3" * 64}'}}
    breaks: migrates the data
    follows: [1.1.0]
  - {{version: 3.0.0, images: {{web: 'registry.example.com/echo:3.0.0'}}}}
"""
OLD, NEW, OLDEST = "a" * 12, "b" * 12, "c" * 12
GENERATION = "0mhcq2k3a-7f3k9"
TAKEN = 1_790_000_000.0


def workspace_with_a_past(folder: Path, sshd: Sshd) -> Workspace:
    """Alice on web-1, of an app with one writer and four versions, the newest not pinned."""
    root = write_workspace(folder / "fleet", {"web-1": sshd}, {"alice": "web-1"})
    path = root / "inventory/apps/echo.yaml"
    text = path.read_text().replace("strategy: beside", "strategy: swap")
    path.write_text(text[: text.index("versions:")] + VERSIONS)
    return open_workspace(root, sshd)


def release_at(workspace: Workspace, version: str) -> str:
    """Alice's release, were her file to say that version."""
    fleet = workspace.fleet.load()
    return rendered(workspace, fleet, fleet.tenant("alice").model_copy(update={"version": version})).release.short


def runs(version: str, **more: Any) -> dict[str, Any]:
    """A host's answer: that version runs."""
    return replies(observed({"alice": {"record": {"version": version, "release": OLD} | more}}))


def keeps(
    *releases: tuple[str, str, str], generations: tuple[dict[str, Any], ...] = (), incomplete: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A host's answer: these releases (short, version, generation), the first one running."""
    told = [
        {"release": short, "version": version, "kept": True, "running": index == 0, "generation": generation}
        for index, (short, version, generation) in enumerate(releases)
    ]
    return replies({"generations": list(generations), "releases": told, "incomplete": list(incomplete)})


def generation(version: str = "1.0.0", *, identifier: str = GENERATION, why: str = "upgrade") -> dict[str, Any]:
    """A generation as a host tells it."""
    named = {"id": identifier, "tenant": "alice", "release": OLD, "version": version, "app": "echo"}
    return named | {"at": TAKEN, "why": why, "operation": identifier, "disk_mb": 1024}


def ending(outcome: str = "done", *, committed: bool = True, release: str = "", message: str = "") -> dict[str, Any]:
    """A host's answer to a submit: some events, and how it ended."""
    told: list[dict[str, Any]] = [
        {"event": "operation-started", "operation": GENERATION, "kind": "upgrade", "tenant": "alice", "steps": []},
        {"event": "step-started", "index": 0, "step": "rehearse", "title": "rehearse on a clone"},
        {"event": "step-progress", "index": 0, "text": "alice's clone migrated and was steady for 15 s"},
        {"event": "step-done", "index": 0, "step": "rehearse", "seconds": 12.5},
        *([{"event": "committed"}] if committed else []),
    ]
    events = [{"type": "event", "number": number, "at": TAKEN, **event} for number, event in enumerate(told, start=1)]
    body = {"id": GENERATION, "outcome": outcome, "message": message, "lines": [], "release": release, "seconds": 65}
    return {"lines": events + replies(body)["lines"]}


def file_of_alice(workspace: Workspace) -> str:
    return (workspace.root / "inventory/tenants/alice.yaml").read_text()


def submitted(sshd: Sshd) -> list[dict[str, Any]]:
    """The operations that the host was asked for, in order, each as the runner itself would take it."""
    asked = [request["body"]["operation"] for request in requests(sshd) if request["verb"] == "submit"]
    return [dict(parsed(operation)) for operation in asked]
