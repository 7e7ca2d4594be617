"""The real app through its real versions: its state is migrated in place, and a rollback brings it back as it was.

Takes a quarter of an hour, so only when evidence is taken.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from tests.lab.world import World, write

pytestmark = pytest.mark.skipif(
    not os.environ.get("LAUNCHPAD_EVIDENCE"),
    reason="OpenClaw's own upgrades take a quarter of an hour: scripts/evidence",
)
VERSIONS = ("2026.7.35", "2026.9.5", "2026.9.6")
STATE = "/srv/launchpad/tenants/dora/data/state"


def cron_jobs(world: World) -> set[str]:
    """The names of our scheduled jobs (OpenClaw adds some of its own), by its own command line inside the container."""
    shown = inside(world, "cron", "list", "--json")
    names = {job["name"] for job in json.loads(shown[shown.index("{") :])["jobs"]}
    return {name for name in names if name.startswith("in-the-")}


def inside(world: World, *words: str) -> str:
    """What OpenClaw's own command line says in dora's container."""
    found = world.host.exec(["docker", "ps", "-q", "--filter", "label=launchpad.tenant=dora"]).stdout.split()[0]
    entry = ["/bin/sh", "/launchpad/entrypoint.sh", "/bin/sh", "/launchpad/openclaw.sh"]
    return world.host.exec(["docker", "exec", found, *entry, *words], timeout=120).stdout


def remember(world: World, phase: str) -> None:
    """Leave something of this phase behind: a scheduled job of OpenClaw's own, and a file beside its state."""
    inside(world, "cron", "add", "--name", phase, "--cron", "0 4 1 1 *", "--system-event", phase, "--json")
    world.host.exec(["sh", "-c", f"cd {STATE} && touch {phase}.marker && chown --reference=. {phase}.marker"])


def found(world: World) -> set[str]:
    """The phases that both the jobs and the files tell of."""
    listed = world.host.exec(["sh", "-c", f"cd {STATE} && ls *.marker 2>/dev/null || true"]).stdout.split()
    files = {name.removesuffix(".marker") for name in listed}
    jobs = cron_jobs(world)
    assert files == jobs, f"the files tell of {sorted(files)}, OpenClaw's own jobs of {sorted(jobs)}"
    return files


def test_up_two_versions_and_back_two(world: World, measured: Callable[..., None]) -> None:
    first, second, third = VERSIONS
    pinned = {
        image.version: {"gateway": image.reference}
        for name in VERSIONS
        for image in world.lab.images(f"openclaw:{name}")
    }
    write(world.root / "inventory/apps/openclaw.yaml", images=pinned)
    world.add_tenant("dora", app="openclaw", version=first, tier="standard")
    world.deploy("dora")
    world.wait_for("dora", seconds=180)
    remember(world, "in-the-first")

    upgrade(world, second)
    assert found(world) == {"in-the-first"}
    remember(world, "in-the-second")

    upgrade(world, third)
    assert found(world) == {"in-the-first", "in-the-second"}
    remember(world, "in-the-third")

    rollback(world, second)
    assert found(world) == {"in-the-first", "in-the-second"}
    rollback(world, first)
    assert found(world) == {"in-the-first"}
    measured("openclaw-rolled-back", 0, n=2, detail="versions back, with the data of each")


def upgrade(world: World, version: str) -> None:
    done = world.launchpad("--json", "upgrade", "dora", "--to", version, "--soak", "20s", "--yes", timeout=2400)
    assert done.json["outcome"] == "done", done
    world.wait_for("dora", seconds=300)
    assert version in inside(world, "--version")


def rollback(world: World, version: str) -> None:
    done = world.launchpad("--json", "rollback", "dora", "--to", version, "--yes", timeout=2400)
    assert done.json["outcome"] == "done", done
    world.wait_for("dora", seconds=300)
    assert version in inside(world, "--version")
