"""scripts/demo: what it types on a VPS, and what it prints when it ends early. A whole run is part of the evidence."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from demonstration import Broken, Demo, Kept, kept_file, lab_host, name_images, remote_host, take_down

PROJECT = Path(__file__).parent.parent


@dataclass
class Typed(Demo):
    """A demo that only notes what it would type."""

    words: list[str] = field(default_factory=list)

    def launchpad(self, *words: str, quiet: bool = False, stdin: str | None = None) -> str:
        self.words.append(" ".join(words))
        return ""


def test_a_vps_gets_its_images_from_the_registries(tmp_path: Path) -> None:
    demo = Typed(tmp_path, target="root@203.0.113.7", address="203.0.113.7")
    name_images(demo)
    assert demo.words == ["app pin"]


class FakeLab:
    """The lab's registry and authority."""

    def images(self, *words: str) -> list[SimpleNamespace]:
        parts = [word.partition(":") for word in words]
        return [
            SimpleNamespace(
                name=name,
                version=version or "2.11.7",
                reference=f"registry.lab.test:5000/launchpad/{name}@sha256:{'0' * 64}",
            )
            for name, _, version in parts
        ]

    def ca_pem(self) -> Path:
        return Path(__file__)

    def resolve(self, name: str) -> str:
        return "10.77.0.1"


@pytest.mark.parametrize(
    ("target", "caddy", "openclaw", "typed"),
    [
        ("", "registry.lab.test:5000/launchpad/caddy@sha256:", "registry.lab.test:5000/launchpad/openclaw@sha256:", []),
        ("root@x", "10.77.0.1:5000/launchpad/caddy:2.11.7\n", "5000/launchpad/openclaw:2026.9.6\n", ["app pin"]),
    ],
)
def test_the_lab_has_images_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, caddy: str, openclaw: str, typed: list[str]
) -> None:
    monkeypatch.setattr("labkit.Lab", FakeLab)
    (tmp_path / "inventory/apps").mkdir(parents=True)
    (tmp_path / "launchpad.yaml").write_text("caddy:\n  stream_close_delay: 24h\n")
    demo = Typed(tmp_path, target=target, trusted=Path(__file__))
    assert name_images(demo) == "openclaw 2026.9.6 and Caddy 2.11.7, by digest"
    assert caddy in (tmp_path / "launchpad.yaml").read_text() and demo.words == typed
    assert openclaw in (tmp_path / "inventory/apps/openclaw.yaml").read_text()


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("nobody@203.0.113.7", "a bare VPS needs the user root"),
        ("nobody@@", "a bare VPS needs the user root"),
        ("root@", "no address"),
        ("root@nothing.invalid", "port 22 does not answer"),
    ],
)
def test_a_vps_that_cannot_be_reached_is_said_at_once(tmp_path: Path, target: str, why: str) -> None:
    with pytest.raises(Broken, match=why):
        remote_host(Demo(tmp_path, target=target))


def test_a_kept_host_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUNCHPAD_LAB_STATE", str(tmp_path))
    kept_file().parent.mkdir(parents=True)
    kept_file().write_text("/tmp/launchpad-demo-x")
    with pytest.raises(
        Kept, match="demo-1 still runs, left by scripts/demo --keep with the workspace /tmp/launchpad-demo-x"
    ):
        lab_host(Demo(tmp_path))


def test_how_to_take_it_down_fits_the_host(tmp_path: Path) -> None:
    assert take_down(Demo(tmp_path)) == f"scripts/lab down demo-1 && rm -r {tmp_path}"
    assert "scripts/lab" not in take_down(Demo(tmp_path, target="root@203.0.113.7"))


@pytest.mark.programs
@pytest.mark.parametrize("reader", ["cat", "true"])
def test_no_traceback_whoever_reads(tmp_path: Path, reader: str) -> None:
    command = f"'{sys.executable}' scripts/demonstration.py --host root@nothing.invalid | {reader}"
    environment = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment, cwd=PROJECT, check=False
    )
    assert "Traceback" not in done.stderr and "error:" in done.stderr
    assert not list(tmp_path.iterdir())
