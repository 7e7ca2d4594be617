"""The sections about the host itself, a function each; `collectors.py` lists them."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from typing import Any

import launchpad
from launchpad.runner import paths
from launchpad.runner.account import done_by_watch, read_account
from launchpad.runner.diagnosing.collected import in_order
from launchpad.runner.diagnosing.desk import TEXT_BYTES, Desk, Examined, lines_of, newest
from launchpad.runner.diagnosing.log_lines import without_bodies
from launchpad.runner.host import Failed
from launchpad.runner.protocol import PROTOCOL

CADDY = "launchpad-caddy"
SAMPLE_SECONDS = 0.5


def versions(desk: Desk) -> dict[str, Any]:
    release = dict(
        line.split("=", 1)
        for line in (desk.host.read("/usr/lib/os-release") or b"").decode().splitlines()
        if "=" in line
    )
    programs = ("docker.io", "docker-compose", "restic", "systemd", "nftables", "openssh-server", "chrony", "apprise")
    shown = desk.host.looked(["dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *programs], seconds=3)
    return {
        "launchpad": launchpad.__version__,
        "protocol": PROTOCOL,
        "runner": RUNNER_FOLDER,
        "system": release.get("PRETTY_NAME", "").strip('"'),
        "kernel": " ".join(os.uname()[2:]),
        "packages": dict(line.split(" ", 1) for line in shown.splitlines() if " " in line),
    }


RUNNER_FOLDER = str(launchpad.__file__).split("/")[-3]


def settings(desk: Desk) -> Any:
    return json.loads(desk.host.read(f"{paths.ETC}/settings.json") or b"{}")


def machine(desk: Desk) -> dict[str, Any]:
    host = desk.host
    before, begun = _waits(host), host.elapsed()
    load = (host.read("/proc/loadavg") or b"").decode().split()[:3]
    found = {
        "cpus": os.cpu_count(),
        "load": [float(item) for item in load],
        "uptime": float((host.read("/proc/uptime") or b"0").split()[0]),
        "memory": _memory(host),
        "disks": {path: disk for path in DISKS if (disk := _disk(host, path))},
        "pressure": {name: _pressure(host, name) for name in ("cpu", "io", "memory")},
        "largest": host.looked(["ps", "-eo", "pid,user:20,rss,etimes,comm", "--sort=-rss"], seconds=3).splitlines()[
            :16
        ],
    }
    host.wait(max(0.0, begun + SAMPLE_SECONDS - host.elapsed()))
    after = _waits(host)
    waits = {
        name: (asked - before[name][0], waited - before[name][1])
        for name, (asked, waited) in after.items()
        if name in before
    }
    return found | {
        "wait_ms": {name: waited / asked for name, (asked, waited) in waits.items() if asked >= LEAST_ASKED}
    }


DISKS = ("/", paths.DOCKER, paths.ROOT)
LEAST_ASKED = 5


def _disk(host: Examined, path: str) -> dict[str, int]:
    """Bytes and inodes of the disk that the path lies on; nothing without the path."""
    said = host.looked(["df", "--block-size=1", "--output=size,avail,itotal,iavail", path], seconds=3)
    numbers = [int(item) if item.isdigit() else 0 for item in said.split("\n")[1].split()] if "\n" in said else []
    return dict(zip(("total", "free", "inodes", "inodes_free"), numbers, strict=False))


def _memory(host: Examined) -> dict[str, int]:
    found = dict(re.findall(r"^(\w+): +(\d+) kB$", (host.read("/proc/meminfo") or b"").decode(), re.MULTILINE))
    names = {"total_mb": "MemTotal", "available_mb": "MemAvailable", "swap_mb": "SwapTotal", "swap_free_mb": "SwapFree"}
    return {name: int(found[key]) // 1024 for name, key in names.items() if key in found}


def _pressure(host: Examined, name: str) -> dict[str, float]:
    text = ""
    with suppress(Failed):  # not in every kernel
        text = (host.read(f"/proc/pressure/{name}") or b"").decode()
    return {
        f"{kind}_avg60": float(value)
        for kind, value in re.findall(r"^(some|full) .*avg60=([\d.]+)", text, re.MULTILINE)
    }


def _waits(host: Examined) -> dict[str, tuple[int, int]]:
    """Disk → how many requests it answered, and how many milliseconds they waited for that together."""
    found = {}
    for line in (host.read("/proc/diskstats") or b"").decode().splitlines():
        words = line.split()
        if len(words) > 10 and not words[2].startswith(("loop", "ram", "dm-", "zram")):
            found[words[2]] = (int(words[3]) + int(words[7]), int(words[6]) + int(words[10]))
    return found


def clock(desk: Desk) -> dict[str, Any]:
    state = desk.host.clock_state()
    return state.plain() | {"now": desk.host.now()}


def resolver(desk: Desk) -> dict[str, Any]:
    return {"servers": dict(desk.host.name_servers())}


def docker(desk: Desk) -> dict[str, Any]:
    host = desk.host
    unit = host.looked(["systemctl", "is-active", "docker.service"], seconds=3).strip()
    version, answering = "", True
    try:
        version = host.docker_version()
    except Failed:
        answering = False
    failure = [] if answering else list(host.docker_failure())[-20:]
    images = {}
    if answering:
        with suppress(Failed):
            images = host.images()
    return {"answers": answering, "version": version, "unit": unit, "failure": failure, "images": images}


def caddy(desk: Desk) -> dict[str, Any]:
    host = desk.host
    answering = True
    try:
        host.running_sites()
    except Failed:
        answering = False
    lines: list[str] = []
    with suppress(Failed):
        lines = newest(lines_of(desk, CADDY), TEXT_BYTES)
    return {"answers": answering, "lines": lines, "reloads": host.reload_count()}


def account(desk: Desk) -> dict[str, Any]:
    """What the watch found: its findings, and its facts that are not well."""
    findings, about, facts = read_account(desk.host)
    found = [item.as_json() | {"grade": "critical"} for item in findings]
    told = {(item["tenant"], item["message"]) for item in found}
    for fact in facts:
        if fact.get("grade") != "ok" and (fact.get("tenant", ""), fact["message"]) not in told:
            found.append({"subject": fact["layer"], "tenant": "", "hint": "", "since": 0.0} | _own(fact))
    kept = [item for item in found if not item["tenant"] or item["tenant"] in desk.tenants]
    return {"findings": kept, "about": {name: about[name] for name in ("firewall", "the host") if name in about}}


def _own(fact: dict[str, Any]) -> dict[str, Any]:
    return {name: fact[name] for name in ("tenant", "message", "hint", "since", "grade") if name in fact}


def network(desk: Desk) -> dict[str, Any]:
    host = desk.host
    shown = json.loads(host.looked(["ip", "-json", "address"], seconds=3) or "[]")
    own = [item["local"] for link in shown for item in link.get("addr_info", ()) if item.get("scope") == "global"]
    return {
        "addresses": sorted({*own, *desk.addresses}),
        "gate": host.gate()[0],
        "bridges": [f"{link['ifname']} {link.get('operstate')}" for link in shown if "ifname" in link],
        "routes": host.looked(["ip", "route"], seconds=3).splitlines()[:60],
        "sockets": host.looked(["ss", "-Htulnp"], seconds=3).splitlines()[:80],
        "rules": host.looked(["nft", "list", "ruleset"], seconds=4)[:TEXT_BYTES].splitlines(),
    }


def units(desk: Desk) -> dict[str, Any]:
    words = ["systemctl", "list-units", "--failed", "--no-legend", "--plain", "--no-pager"]
    return {"failed": desk.host.looked(words, seconds=4).splitlines()[:40]}


def updates(desk: Desk) -> dict[str, Any]:
    waits = desk.host.read("/run/reboot-required") is not None
    names = (desk.host.read("/run/reboot-required.pkgs") or b"").decode(errors="replace").split()
    return {"reboot": waits, "packages": sorted(set(names))}


def journal(desk: Desk) -> list[str]:
    """What Launchpad's units and Docker wrote, and what anybody warned of."""
    words = ["journalctl", "--quiet", "--no-pager", "--output=short-iso", "--since=-48h", "--lines=250"]
    own = [f"--unit={name}" for name in ("launchpad-*", "docker.service", "ssh.service", "chrony.service")]
    lines = [*desk.host.looked([*words, *own], seconds=4).splitlines()]
    lines += desk.host.looked([*words, "--priority=warning"], seconds=4).splitlines()
    return newest(map(without_bodies, in_order(dict.fromkeys(lines))), TEXT_BYTES)


def kernel(desk: Desk) -> list[str]:
    words = [
        "journalctl",
        "--quiet",
        "--no-pager",
        "--output=short-iso",
        "--dmesg",
        "--priority=warning",
        "--since=-48h",
        "--lines=200",
    ]
    return desk.host.looked(words, seconds=4).splitlines()


def history(desk: Desk) -> list[Any]:
    """What the watch did by itself."""
    done = [item.plain() for item in done_by_watch(desk.host) if not item.tenant or item.tenant in desk.tenants]
    return done[-60:]
