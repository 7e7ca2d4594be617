"""What an operator's own machine does, against a real host: smoke tests, doctor, and timers that systemd runs."""

from __future__ import annotations

import json
import os
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launchpad.operations.observation.schedule import OwnMachine, install_timers, remove_schedule
from launchpad.plan.timetable import JOBS, Timetable
from tests.cli.test_junit import SCHEMA
from tests.lab.world import World

MINUTES = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")


@pytest.fixture(scope="module", autouse=True)
def tenants(world: World) -> None:
    world.add_tenant("alice")
    world.deploy("alice")
    world.wait_for("alice")  # its certificate comes after the deploy
    assert world.request("alice", "POST", "/marker", body=b"kept").status == 200


def smoke(world: World, *words: str) -> dict[str, Any]:
    """Every case by its title, asked where the host is: this machine's DNS does not know the lab's names."""
    outside = ("--at", world.host.address, "--cacert", str(world.lab.acme_root_pem()))
    done = world.launchpad("--json", "smoke", *words, *outside, check=False)
    found = done.json_document
    assert done.code == (0 if found["good"] else 4)
    return {f"{item['subject']}: {item['title']}": item for item in found["cases"]}


def failed(cases: dict[str, Any]) -> dict[str, str]:
    return {title: item["message"] for title, item in cases.items() if item["verdict"] == "failed"}


def test_a_whole_host_passes_and_its_tenant_survives_a_restart(world: World, tmp_path: Path) -> None:
    report = tmp_path / "smoke.xml"
    cases = smoke(world, "web-1", "--restart", "--yes", "--junit", str(report))
    assert failed(cases) == {}
    assert "with its data" in cases["tenant alice: restart"]["message"]
    assert {title.partition(" alice.")[0] for title in cases} == {
        *(f"host web-1: {kind}" for kind in ("port 22", "port 80", "port 443", "other ports", "SSH host key")),
        *(f"tenant alice: {kind}" for kind in ("DNS", "port 443", "certificate", "HTTP", "headers", "WebSocket")),
        *(f"tenant alice: {kind}" for kind in ("latency", "ready", "restart")),
    }
    assert [title for title, item in cases.items() if item["verdict"] == "skipped"] == [
        f"tenant alice: DNS {world.domain('alice')}"
    ]
    SCHEMA.validate(report.read_text())


@MINUTES
def test_a_tenant_that_stands_still_is_told_and_the_firewall_keeps_a_listening_port_closed(world: World) -> None:
    world.launchpad("stop", "alice")
    words = [
        *("python3", "-c"),
        "import socket; s = socket.create_server(('', 2375)); print('on', flush=True); s.accept(); s.accept()",
    ]
    listener = world.host.popen(words)
    try:
        told = failed(smoke(world, "web-1"))
    finally:
        listener.kill()
        listener.wait()
    world.launchpad("start", "alice")
    assert sorted(told) == [f"tenant alice: HTTP {world.domain('alice')}", "tenant alice: ready"], told
    assert "Caddy answers 503 for / after 28 s" in told[f"tenant alice: HTTP {world.domain('alice')}"]
    assert told["tenant alice: ready"].startswith("stopped: ")
    world.wait_for("alice")
    assert failed(smoke(world, "alice")) == {}


def test_doctor_reaches_the_host_and_finds_its_runner_and_clock_right(world: World) -> None:
    found = world.launchpad("--json", "doctor", check=False).json_document
    assert [item for item in found["findings"] if item["about"].startswith("host")] == []
    assert found["versions"]["host web-1"]


def timers(world: World, table: Timetable) -> list[dict[str, Any]]:
    """The workspace's timers that systemd knows."""
    words = ["systemctl", "list-timers", "--all", "--output=json", f"{table.prefix}-*"]
    found: list[dict[str, Any]] = json.loads(world.host.exec(words).stdout)
    return found


def test_systemd_runs_the_timers_and_remove_leaves_nothing(world: World, tmp_path: Path) -> None:
    """The units as they are installed, in the host's systemd; the jobs write down that they ran."""
    tool = tmp_path / "systemctl"
    tool.write_text(f'#!/bin/sh\nexec {shlex.join(world.host._enter())} systemctl "$@"\n')
    tool.chmod(0o755)
    world.host.write("/usr/local/bin/noting", '#!/bin/sh\necho "$@" >>/run/noted\n')
    world.host.exec(["chmod", "755", "/usr/local/bin/noting"])
    units = world.host.root / "etc/systemd/system"
    machine = OwnMachine(units=units, system=True, environment={"PATH": f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"})
    soon = tuple(replace(job, calendar="*:*:0/3", jitter_seconds=1) if job.name == "health" else job for job in JOBS)
    table = Timetable(
        root=Path("/home/ops/our fleet"), jobs=soon, program=("/usr/local/bin/noting",), environment={}, user="root"
    )
    before = set(units.iterdir())
    install_timers(table, machine)
    assert {item["unit"] for item in timers(world, table)} == set(table.timers())
    end = time.monotonic() + 30
    while not world.host.exists("/run/noted"):
        assert time.monotonic() < end, world.host.exec(
            ["systemctl", "status", f"{table.prefix}-health.timer"], check=False
        )
        time.sleep(0.2)
    assert world.host.read("/run/noted").splitlines()[0] == "--no-color -w /home/ops/our fleet schedule run health"
    world.host.exec(["systemctl", "start", f"{table.prefix}-backup.service"])
    assert "schedule run backup" in world.host.read("/run/noted")
    install_timers(table, machine)
    assert set(remove_schedule(table, machine).removed) == set(table.units())
    assert set(units.iterdir()) == before
    assert timers(world, table) == []
