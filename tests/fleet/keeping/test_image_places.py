"""Where an inventory names images, and that another reference is written just there."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.errors import InventoryError, StateError
from launchpad.fleet.keeping.image_places import (
    AppImage,
    CaddyImage,
    ImageChange,
    ImageUse,
    image_at,
    images_in_use,
    images_of_app,
    with_image,
)
from launchpad.fleet.words.names import AppName, HostName, ImageName, VersionName
from launchpad.fleet.words.references import ImageReference
from tests.fleet.inventory import DIGEST, RIGHT, store, write

NEW = "sha256:" + "f" * 64
CLAW = AppImage(AppName("openclaw"), VersionName("2026.9.6"), ImageName("gateway"))
CLAW_IMAGE = "ghcr.io/openclaw/openclaw:2026.9.6"
ECHO = AppImage(AppName("echo"), VersionName("1.0.0"), ImageName("web"))
SETTINGS = """\
# the fleet
caddy:   # in front
  # acme_email: you@example.com
  stream_close_delay: 24h   # long

operators: []
"""
HOST_OF_ITS_OWN = """\
web-1:
  address: 203.0.113.7
  resources: {memory: 8GiB, cpus: 4, disk: 60GiB}
web-2:
  address: 203.0.113.8
  resources: {memory: 4GiB, cpus: 2, disk: 30GiB}
  caddy: {image: 'registry.lab.test/caddy:2', acme_email: a@example.com}
"""


def change(root: Path, use: ImageUse) -> ImageChange:
    before = image_at(store(root).load(), use)
    assert before is not None
    return ImageChange(use, before, before.with_digest(NEW))


def pinned(root: Path, use: ImageUse) -> str:
    """Pin it; what its file says then."""
    made = change(root, use)
    store(root).set_images([made])
    assert image_at(store(root).load(), use) == made.after
    return (root / use.file).read_text()


def test_the_images_that_a_fleet_needs(tmp_path: Path) -> None:
    assert {str(use): str(image) for use, image in images_in_use(store(write(tmp_path)).load()).items()} == {
        "caddy": "docker.io/library/caddy:2.11.7",
        "openclaw 2026.9.6 gateway": CLAW_IMAGE,
        "echo 1.0.0 web": f"registry.example.com/echo:1.0.0@{DIGEST}",
    }


def test_a_host_with_a_caddy_of_its_own_is_counted_beside_the_others(tmp_path: Path) -> None:
    fleet = store(write(tmp_path, {"inventory/hosts.yaml": HOST_OF_ITS_OWN})).load()
    uses = [use for use in images_in_use(fleet) if isinstance(use, CaddyImage)]
    assert uses == [CaddyImage(), CaddyImage(HostName("web-2"))]
    assert [use.file for use in uses] == ["launchpad.yaml", "inventory/hosts.yaml"]


def test_an_unknown_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"no version 3\.0\.0"):
        images_of_app(store(write(tmp_path)).load().app("echo"), "3.0.0")


def test_a_shipped_app_gets_a_file_that_extends_it(tmp_path: Path) -> None:
    assert pinned(write(tmp_path), CLAW) == (
        "# yaml-language-server: $schema=../.schema/app.json\n"
        f"extends: openclaw\nimages:\n  2026.9.6:\n    gateway: {CLAW_IMAGE}@{NEW}\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "# mine\nextends: openclaw\nsummary: ours # x\n",
            f"# mine\nextends: openclaw\nsummary: ours # x\nimages:\n  2026.9.6:\n    gateway: {CLAW_IMAGE}@{NEW}\n",
        ),
        (
            f"extends: openclaw\nimages:\n    2026.9.5:   # old\n        gateway: a.test/b@{DIGEST}\nsummary: x\n",
            f"extends: openclaw\nimages:\n    2026.9.5:   # old\n        gateway: a.test/b@{DIGEST}\n"
            f"    2026.9.6:\n      gateway: {CLAW_IMAGE}@{NEW}\nsummary: x\n",
        ),
        (
            "extends: openclaw\nimages: {2026.9.6: {gateway: 'a.test/b:c'}} # one line\n",
            f"extends: openclaw\nimages: {{2026.9.6: {{gateway: a.test/b:c@{NEW}}}}} # one line\n",
        ),
        (
            f"extends: openclaw\nimages: {{2026.9.5: {{gateway: a.test/b@{DIGEST}}}}}",
            f"extends: openclaw\nimages: {{2026.9.5: {{gateway: a.test/b@{DIGEST}}}, "
            f"2026.9.6: {{gateway: {CLAW_IMAGE}@{NEW}}}}}",
        ),
        (
            "extends: openclaw\nversions:\n  - version: 2026.9.6\n    images:\n      gateway: a.test/b:c  # here\n",
            "extends: openclaw\nversions:\n  - version: 2026.9.6\n    images:\n"
            f"      gateway: a.test/b:c@{NEW}  # here\n",
        ),
    ],
    ids=["no images", "another version", "in braces", "added in braces", "under versions"],
)
def test_only_the_image_s_own_lines_change(tmp_path: Path, before: str, after: str) -> None:
    assert pinned(write(tmp_path, {"inventory/apps/openclaw.yaml": before}), CLAW) == after


def test_an_app_of_the_workspace_s_own_is_written_where_its_version_is(tmp_path: Path) -> None:
    before = RIGHT["inventory/apps/echo.yaml"].replace(f"1.0.0@{DIGEST}", "1.0.0")
    root = write(tmp_path, {"inventory/apps/echo.yaml": before})
    assert pinned(root, ECHO) == before.replace(
        '"registry.example.com/echo:1.0.0"', f"registry.example.com/echo:1.0.0@{NEW}"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SETTINGS, SETTINGS.replace("24h   # long\n", "24h   # long\n  image: IMAGE\n")),
        ("operators: []\n", "operators: []\ncaddy:\n  image: IMAGE\n"),
        ("caddy: {}\n", "caddy: {image: IMAGE}\n"),
        ("caddy:\n  image: docker.io/library/caddy:2.11.7 # x\n", "caddy:\n  image: IMAGE # x\n"),
        ("# nothing yet", "# nothing yet\ncaddy:\n  image: IMAGE\n"),
        ("caddy:\r\n  stream_close_delay: 1h", "caddy:\r\n  stream_close_delay: 1h\r\n  image: IMAGE\r\n"),
    ],
)
def test_caddy_s_image_goes_into_launchpad_yaml(tmp_path: Path, before: str, after: str) -> None:
    root = write(tmp_path, {"launchpad.yaml": before.encode()})
    pinned(root, CaddyImage())
    written = (root / "launchpad.yaml").read_bytes().decode()
    assert written == after.replace("IMAGE", f"docker.io/library/caddy:2.11.7@{NEW}")


def test_the_image_of_one_host_is_written_there(tmp_path: Path) -> None:
    root = write(tmp_path, {"inventory/hosts.yaml": HOST_OF_ITS_OWN})
    written = pinned(root, CaddyImage(HostName("web-2")))
    assert written == HOST_OF_ITS_OWN.replace("'registry.lab.test/caddy:2'", f"registry.lab.test/caddy:2@{NEW}")


def test_several_changes_of_one_file_are_written_together(tmp_path: Path) -> None:
    root = write(tmp_path)
    older = AppImage(AppName("openclaw"), VersionName("2026.9.5"), ImageName("gateway"))
    store(root).set_images([change(root, CLAW), change(root, older), change(root, CaddyImage())])
    fleet = store(root).load()
    assert all(fleet.app("openclaw").images(version) for version in ("2026.9.5", "2026.9.6"))
    assert fleet.host("web-1").caddy.image.pinned


def test_all_or_none_and_never_over_a_change_that_was_not_seen(tmp_path: Path) -> None:
    root = write(tmp_path)
    claw, caddy = change(root, CLAW), change(root, CaddyImage())
    (root / "launchpad.yaml").write_text("caddy: {image: 'docker.io/library/caddy:2.12.0'}\n")
    with pytest.raises(StateError, match=r"image of caddy is now docker.io/library/caddy:2\.12\.0"):
        store(root).set_images([claw, caddy])
    assert not (root / "inventory/apps/openclaw.yaml").exists()


def test_a_layout_that_cannot_be_written_is_left_alone() -> None:
    before = b"x: &caddy {stream_close_delay: 1h}\ncaddy: *caddy\n"
    with pytest.raises(StateError, match="without changing the file's layout"):
        with_image({"launchpad.yaml": before}, CaddyImage(), ImageReference(f"docker.io/library/caddy:2@{NEW}"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"docker.io/library/caddy:2@{DIGEST}", ("docker.io", "library/caddy", "2")),
        ("10.77.0.1:5000/a/b:c-1", ("10.77.0.1:5000", "a/b", "c-1")),
        (f"ghcr.io/a@{DIGEST}", ("ghcr.io", "a", "")),
    ],
)
def test_the_parts_of_a_reference(text: str, parts: tuple[str, str, str]) -> None:
    reference = ImageReference(text)
    assert (reference.registry, reference.repository, reference.tag) == parts


@pytest.mark.parametrize("registry", ["registry.example.com", "example.org:5000", "a.example", "a.invalid"])
def test_names_that_are_kept_for_examples(registry: str) -> None:
    assert ImageReference(f"{registry}/a:b").is_example


@pytest.mark.parametrize("registry", ["ghcr.io", "myexample.com", "example.com.evil.io", "example-1.io"])
def test_names_that_somebody_may_have(registry: str) -> None:
    assert not ImageReference(f"{registry}/a:b").is_example
