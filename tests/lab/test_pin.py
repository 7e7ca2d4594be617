"""Pinning against a real registry over TLS: the digest is the one that Docker and skopeo know the image by.

This machine's own resolver does not know the lab's names, so the registry is named by its address, for which its
certificate is good too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from labkit import Lab

BEACON = """\
template: beacon
strategy: swap
services: {{web: {{image: beacon}}}}
web: {{service: web, port: 8080}}
versions:
  - version: 1.0.0
    images: {{beacon: {image}}}   # the first
"""


@pytest.fixture(scope="module")
def images(lab: Lab) -> dict[str, str]:
    """Name → reference with tag and digest, by the registry's address."""
    address = f"{lab.resolve('registry.lab.test')}:5000"
    found = {}
    for image in lab.images("caddy", "beacon:1.0.0"):
        path, _, digest = image.reference.partition("/")[2].partition("@")
        found[image.name] = f"{address}/{path}:{image.version}@{digest}"
    return found


@pytest.fixture
def root(tmp_path: Path, images: dict[str, str]) -> Path:
    launchpad(tmp_path, {}, "init", str(tmp_path / "fleet"), "--example")
    root = tmp_path / "fleet"
    settings = root / "launchpad.yaml"
    caddy = images["caddy"].partition("@")[0]
    settings.write_text(settings.read_text().replace("caddy:\n", f"caddy:\n  image: {caddy}\n", 1))
    (root / "inventory/tenants/alice.yaml").unlink()
    (root / "inventory/apps/beacon.yaml").write_text(BEACON.format(image=images["beacon"].partition("@")[0]))
    return root


def launchpad(root: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "launchpad.cli", *words]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(root / ".config"), "NO_COLOR": "1", **environment}
    return subprocess.run(argv, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_digests_are_those_of_the_registry(lab: Lab, root: Path, images: dict[str, str]) -> None:
    done = launchpad(root, {"SSL_CERT_FILE": str(lab.ca_pem())}, "app", "pin", "--json")
    assert done.returncode == 0, done.stderr
    assert {change["image"]: change["after"] for change in json.loads(done.stdout)["changed"]} == {
        "caddy": images["caddy"],
        "beacon 1.0.0 beacon": images["beacon"],
    }
    assert f"image: {images['caddy']}\n" in (root / "launchpad.yaml").read_text()
    assert (root / "inventory/apps/beacon.yaml").read_text() == BEACON.format(image=images["beacon"])
    notes = json.loads(launchpad(root, {}, "check", "--json").stdout)["notes"]
    assert not [note for note in notes if "digest" in note["what"]]


def test_a_tag_that_is_not_there_is_told_of(lab: Lab, root: Path) -> None:
    file = root / "inventory/apps/beacon.yaml"
    file.write_text(file.read_text().replace("beacon:1.0.0", "beacon:0.0.1"))
    done = launchpad(root, {"SSL_CERT_FILE": str(lab.ca_pem())}, "app", "pin", "beacon:1.0.0")
    assert done.returncode == 7
    assert "no such image or tag" in done.stderr


def test_without_the_lab_s_authority_nothing_is_believed(root: Path) -> None:
    before = (root / "launchpad.yaml").read_text()
    done = launchpad(root, {}, "app", "pin", "--caddy")
    assert done.returncode == 7
    assert "is not trusted" in done.stderr
    assert (root / "launchpad.yaml").read_text() == before
