"""What a plan remembers of releases: nothing is rendered twice, and whatever changes a release is rendered anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from reach import watched

from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.requests.observing import wanted
from launchpad.plan.wanted import Wanted
from launchpad.workspace import Workspace
from tests.operations.places import open_workspace, tenant_yaml, write_workspace

FILE = ".launchpad/releases.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = write_workspace(tmp_path / "fleet", {"web-1": 22}, {"alice": "web-1", "bob": "web-1"})
    open_workspace(root)
    return root


def found(root: Path) -> tuple[dict[str, Wanted], int]:
    """What a newly opened workspace wants, and how many releases were rendered for it."""
    workspace = open_workspace(root)
    fleet = workspace.fleet.load()
    with watched() as seen:
        want = wanted(workspace, fleet, fleet.tenants.values())
    return {item.tenant: item for item in want}, seen.times("render_release")


def test_what_did_not_change_is_not_rendered_again(root: Path) -> None:
    first, rendered = found(root)
    assert rendered == 2
    assert found(root) == (first, 0)


def replaced(file: str, before: str, after: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / file).read_text()
        assert before in text
        (root / file).write_text(text.replace(before, after))

    return change


def written(file: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)

    return change


def another_secret(root: Path) -> None:
    open_workspace(root).secrets.set(TenantName("alice"), SecretName("ECHO_TOKEN"), Secret("another"))


CHANGES = {
    "tenant": written("inventory/tenants/alice.yaml", tenant_yaml(1, "web-1", "alice", domains=["a.example.com"])),
    "version": written("inventory/tenants/alice.yaml", tenant_yaml(1, "web-1", "alice", version="1.1.0")),
    "app": replaced("inventory/apps/echo.yaml", "port: 8080", "port: 8081"),
    "tier": replaced("inventory/tiers.yaml", "128MiB", "256MiB"),
    "host": replaced("inventory/hosts.yaml", '"port": 22', '"port": 22, "caddy": {"stream_close_delay": "48h"}'),
    "settings": written("launchpad.yaml", "caddy: {stream_close_delay: 48h}\n"),
    "secret": another_secret,
    "template": replaced("templates/compose/echo/compose.yaml.j2", "[echo]", "[echo, loud]"),
    "a template more": written("templates/compose/_cell/passwd.j2", "nobody\n"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_a_release_is_rendered_anew(root: Path, change: Callable[[Path], None]) -> None:
    before, _ = found(root)
    change(root)
    after, rendered = found(root)
    assert rendered >= 1
    assert after["alice"].release != before["alice"].release
    (root / FILE).unlink()
    assert found(root)[0] == after, "the same as without a memory"


def test_what_another_launchpad_rendered_is_rendered_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found(root)
    monkeypatch.setattr("launchpad.operations.requests.known_releases.CODE", ("render/values.py",))
    assert found(root)[1] == 2


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}'])
def test_a_damaged_memory_is_none(root: Path, text: str) -> None:
    first, _ = found(root)
    (root / FILE).write_text(text)
    assert found(root) == (first, 2)


def test_a_name_that_is_none_is_not_taken_from_a_memory(root: Path) -> None:
    first, _ = found(root)
    known = json.loads((root / FILE).read_text())
    (root / FILE).write_text(json.dumps(dict.fromkeys(known, "rm -rf /")))
    assert found(root) == (first, 2)


def test_what_cannot_be_rendered_is_told_each_time(root: Path) -> None:
    found(root)
    workspace = open_workspace(root)
    workspace.secrets.remove(TenantName("alice"), SecretName("ECHO_TOKEN"))
    for _ in range(2):
        want = {item.tenant: item for item in _wanted(workspace)}
        assert "alice has no secret ECHO_TOKEN" in str(want["alice"].problem)
        assert want["bob"].problem is None


def _wanted(workspace: Workspace) -> list[Wanted]:
    fleet = workspace.fleet.load()
    return wanted(workspace, fleet, fleet.tenants.values())


def test_who_renders_nothing_reads_no_template(root: Path) -> None:
    workspace = open_workspace(root)
    fleet = workspace.fleet.load()
    with watched() as seen:
        wanted(workspace, fleet, fleet.tenants.values(), on={})
    assert (seen.times("_templates"), (root / FILE).exists()) == (0, False)
