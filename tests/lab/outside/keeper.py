"""A third machine that keeps backups; and somebody who has the emergency kit and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from labkit import Host, Lab

from tests.lab.world import Done, World

PASSPHRASE = "five random words are good"
PASSWORD = "the-password-that-hosts-have"
REST, PORT = "/var/lib/rest", 8000


@contextmanager
def a_keeper(lab: Lab, world: World) -> Iterator[Host]:
    """An append-only REST server, as the target `offsite` of the tier light; `provision` tells hosts of it."""
    keeper = lab.up(f"{world.host.name}-keeper", fresh=True)
    keeper.settle()
    keeper.exec(["apt-get", "update", "-q"], timeout=300)
    keeper.exec(["apt-get", "install", "-qy", "restic-rest-server", "apache2-utils"], timeout=300)
    keeper.exec(["mkdir", "-p", REST])
    keeper.exec(["htpasswd", "-iBc", f"{REST}/.htpasswd", "hosts"], stdin=PASSWORD)
    server = ["restic-rest-server", "--path", REST, "--append-only", "--listen", f"{keeper.address}:{PORT}"]
    keeper.exec(["systemd-run", "--quiet", "--unit=test-rest", *server])
    target = {"kind": "rest", "url": f"http://{keeper.address}:{PORT}", "append_only": True}
    (world.root / "inventory/targets.yaml").write_text(yaml.safe_dump({"offsite": target}))
    tiers = world.root / "inventory/tiers.yaml"
    known = yaml.safe_load(tiers.read_text())
    known["light"]["backup"] = {"targets": ["offsite"]}
    tiers.write_text(yaml.safe_dump(known))
    for name, value in (("REST_USER", "hosts"), ("REST_PASSWORD", PASSWORD)):
        world.launchpad("target", "credential", "offsite", name, stdin=value)
    yield keeper
    if not os.environ.get("LAUNCHPAD_KEEP"):
        lab.down(keeper.name)


@dataclass
class Stranger:
    """A machine that never saw the workspace: an empty home, the kit's file, and the programs that the docs want."""

    home: Path
    restic: Path
    """The folder that restic is in."""

    @property
    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:{self.restic}"
        who = dict.fromkeys(("USER", "GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "ann")
        mail = dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "ann@example.com")
        return {"PATH": path, "HOME": str(self.home), "NO_COLOR": "1", "LC_ALL": "C.UTF-8"} | who | mail

    def shell(self, script: str, *, stdin: str = "", folder: str = "", timeout: float = 600) -> Done:
        """What a shell says of it in a folder below the home."""
        done = subprocess.run(
            ["bash", "-c", script],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.home / folder,
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def launchpad(self, *words: str, stdin: str = "", check: bool = True) -> Done:
        """launchpad in the workspace that came back into ~/fleet."""
        done = subprocess.run(
            ["launchpad", *words],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.home / "fleet",
            timeout=600,
            check=False,
        )
        assert not check or done.returncode == 0, f"launchpad {' '.join(words)}: {done.stdout}\n{done.stderr}"
        return Done(done.returncode, done.stdout, done.stderr)


def run_launchpad(world: World, stranger: Stranger, *words: str, stdin: str = "", check: bool = True) -> Done:
    """launchpad as the operator on this machine, with restic."""
    argv = [sys.executable, "-m", "launchpad.cli", "-w", str(world.root), *words]
    environment = world.environment | {"PATH": stranger.environment["PATH"]}
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, env=environment, timeout=600, check=False)
    assert not check or done.returncode == 0, f"launchpad {' '.join(words)}: {done.stdout}\n{done.stderr}"
    return Done(done.returncode, done.stdout, done.stderr)
