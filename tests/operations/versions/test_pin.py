"""pin: which images are asked for, what is written, and what stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.errors import InventoryError, LaunchpadError, ServiceError
from launchpad.fleet.words.references import ImageReference
from launchpad.operations.versions.pin import Pinned, WhatToPin, pin
from launchpad.operations.versions.registry import Registries
from launchpad.settings import Settings
from launchpad.workspace import Workspace
from tests.fleet.inventory import DIGEST, RIGHT, digest_of_folder, write
from tests.operations.versions.registry_server import Registry, serving

CLAW = "openclaw 2026.9.6 gateway"
OLD = "sha256:" + "0" * 64


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving(Registry(wants_token=True)) as registry:
        yield registry


@pytest.fixture
def workspace(tmp_path: Path, registry: Registry) -> Workspace:
    """Caddy and OpenClaw come from the registry; echo from one that stands for another."""
    here = f"127.0.0.1:{registry.port}"
    claw = "".join(f"  2026.9.{n}: {{gateway: '{here}/openclaw:2026.9.{n}'}}\n" for n in (5, 6))
    files = {
        "launchpad.yaml": f"caddy:\n  image: {here}/caddy:2\n",
        "inventory/apps/openclaw.yaml": f"extends: openclaw\nimages:\n{claw}",
        "inventory/apps/echo.yaml": RIGHT["inventory/apps/echo.yaml"].replace(f"1.0.0@{DIGEST}", "1.0.0"),
    }
    root = write(tmp_path / "fleet", files)
    return Workspace.open(root, settings=Settings.of({}, home=tmp_path), environment={})


def pinning(workspace: Workspace, *apps: str, caddy: bool = False, update: bool = False) -> Pinned:
    what = WhatToPin(apps=apps, caddy=caddy, update=update)
    return pin(workspace, what, ask=Registries(pause=0.001, attempts=2).digest)


def changes(pinned: Pinned) -> dict[str, str]:
    return {str(change.use): change.after.digest for change in pinned.changed}


def problems(found: object) -> dict[str, LaunchpadError]:
    assert isinstance(found, dict)
    return {str(use): error for use, error in found.items()}


def test_without_names_it_is_all_that_the_fleet_needs(workspace: Workspace, registry: Registry) -> None:
    caddy, claw = registry.put("caddy", "2"), registry.put("openclaw", "2026.9.6")
    pinned = pinning(workspace)
    assert changes(pinned) == {"caddy": caddy, CLAW: claw}
    assert pinned.failures == {}
    fleet = workspace.fleet.load()
    assert fleet.host("web-1").caddy.image.digest == caddy
    assert [image.digest for image in fleet.app("openclaw").images("2026.9.6").values()] == [claw]


def test_a_registry_that_stands_for_another_is_not_asked(workspace: Workspace, registry: Registry) -> None:
    registry.put("caddy", "2")
    registry.put("openclaw", "2026.9.6")
    left = problems(pinning(workspace).left)
    assert list(left) == ["echo 1.0.0 web"]
    assert left["echo 1.0.0 web"].hint == "write your registry into inventory/apps/echo.yaml"
    assert list(problems(pinning(workspace, "echo:1.0.0").failures)) == ["echo 1.0.0 web"]


def test_a_digest_that_is_there_stays(workspace: Workspace, registry: Registry) -> None:
    registry.put("caddy", "2")
    registry.put("openclaw", "2026.9.6")
    pinning(workspace)
    before, asked = digest_of_folder(workspace.root), len(registry.asked)
    registry.put("caddy", "2", newer=True)
    pinned = pinning(workspace, "openclaw:2026.9.6", caddy=True)
    assert [str(use) for use in pinned.unchanged] == ["caddy", CLAW]
    assert digest_of_folder(workspace.root) == before
    assert len(registry.asked) == asked


def test_update_asks_again(workspace: Workspace, registry: Registry) -> None:
    old = registry.put("caddy", "2")
    pinning(workspace, caddy=True)
    assert changes(pinning(workspace, caddy=True, update=True)) == {}
    new = registry.put("caddy", "2", newer=True)
    pinned = pinning(workspace, caddy=True, update=True)
    assert [(change.before.digest, change.after.digest) for change in pinned.changed] == [(old, new)]
    assert workspace.fleet.load().host("web-1").caddy.image.digest == new


def test_a_name_alone_is_every_version(workspace: Workspace, registry: Registry) -> None:
    for number in (5, 6):
        registry.put("openclaw", f"2026.9.{number}")
    asked: list[ImageReference] = []

    def ask(image: ImageReference) -> str:
        asked.append(image)
        return OLD

    pinned = pin(workspace, WhatToPin(apps=("openclaw",)), ask=ask)
    assert len(pinned.changed) == len(asked) == len(workspace.fleet.load().app("openclaw").versions)


def test_what_one_registry_does_not_tell_does_not_hold_up_the_rest(workspace: Workspace, registry: Registry) -> None:
    caddy = registry.put("caddy", "2")
    pinned = pinning(workspace)
    assert changes(pinned) == {"caddy": caddy}
    failures = problems(pinned.failures)
    assert list(failures) == [CLAW]
    assert isinstance(failures[CLAW], ServiceError)
    assert "no such image or tag" in failures[CLAW].message


def test_an_image_that_two_name_is_asked_for_once(workspace: Workspace, registry: Registry) -> None:
    file = workspace.root / "inventory/apps/openclaw.yaml"
    file.write_text(file.read_text().replace("openclaw:2026.9.5", "openclaw:2026.9.6"))
    registry.put("openclaw", "2026.9.6")
    assert len(changes(pinning(workspace, "openclaw:2026.9.5", "openclaw:2026.9.6"))) == 2
    assert len([path for path in registry.paths if "manifests" in path]) == 2, "without the token, and with it"


def test_what_cannot_be_asked_for_is_told(workspace: Workspace, registry: Registry) -> None:
    file = workspace.root / "inventory/apps/openclaw.yaml"
    file.write_text(file.read_text().replace("openclaw:2026.9.6", f"openclaw@{OLD}"))
    failures = problems(pinning(workspace, "openclaw:2026.9.6", update=True).failures)
    assert "has no tag" in failures[CLAW].message
    assert registry.asked == []


@pytest.mark.parametrize(
    ("name", "said"),
    [("openclow", "no app openclow"), ("openclaw:1", "no version 1"), ("openclaw:", "no version")],
)
def test_what_is_not_in_the_inventory_is_refused_before_anyone_is_asked(
    workspace: Workspace, registry: Registry, name: str, said: str
) -> None:
    with pytest.raises(InventoryError, match=said):
        pinning(workspace, "openclaw:2026.9.6", name)
    assert registry.asked == []


def test_volumes_that_nothing_covers_are_said_at_once(workspace: Workspace, registry: Registry) -> None:
    registry.put("openclaw", "2026.9.6")
    ask = Registries(pause=0.001, attempts=2).digest
    what = WhatToPin(apps=("openclaw:2026.9.6",))
    said = pin(workspace, what, ask=ask, volumes=lambda _: ("/home/node/.openclaw", "/cache"))
    assert {str(use): paths for use, paths in said.bare.items()} == {CLAW: ("/cache",)}
    again = pin(workspace, WhatToPin(apps=what.apps, update=True), ask=ask, volumes=lambda _: ("/tmp",))
    assert not again.bare
