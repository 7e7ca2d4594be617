"""Install the first runner on a bare host: run by root from the archive itself, it unpacks, links, and writes its
units.

The installed runner then runs the rest of the provision like every other operation.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from launchpad.runner import paths
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.file_text import text
from launchpad.runner.provision.unpack import START, unpack, version_in, version_of
from launchpad.runner.provision.wanted_steps import SCRIPTS, UNIT_FILES


def install(archive: str) -> None:
    """Install the runner from this archive. Refused when a newer runner is installed, also for root."""
    data = Path(archive).read_bytes()
    installed = version_in(os.path.realpath(paths.RUNNER).rpartition("/")[0])
    if installed is not None and installed.order > version_of(data).order:
        raise Refused(
            f"a newer runner ({installed.version}) is already installed",
            code="runner-newer-on-host",
            kind="state",
            hint="update Launchpad",
        )
    target = f"{unpack(data)}/{START}"
    for path in (*SCRIPTS, *UNIT_FILES):
        _put(path, text(path), mode=0o755 if path in SCRIPTS else 0o644)
    partial = f"{paths.RUNNER}.{os.getpid()}"
    Path(partial).unlink(missing_ok=True)
    Path(partial).symlink_to(target)
    Path(partial).rename(paths.RUNNER)
    os.sync()
    subprocess.run(["/usr/bin/systemctl", "daemon-reload"], check=True)


def _put(path: str, content: str, *, mode: int) -> None:
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f".{place.name}.{os.getpid()}")
    partial.write_text(content)
    partial.chmod(mode)
    partial.rename(place)
