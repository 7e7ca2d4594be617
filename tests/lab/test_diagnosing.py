"""A bundle of a real host: complete, small, in time, without secrets; and three real faults named, the root first."""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from measurement import record

from tests.lab.test_watching import until
from tests.lab.world import World
from tests.runner.diagnosing.seeding import ENCODINGS, holds

SECONDS, BYTES = 15.0, 5 << 20
DATA = "/srv/launchpad/tenants/{}/data"
WEB = "lp-alice-a-web-1"


@pytest.fixture(scope="module", autouse=True)
def tenants(world: World) -> None:
    for name, version in (("alice", "1.0.0"), ("carol", "3.7.0")):
        world.add_tenant(name, version=version)
        world.deploy(name)
        world.wait_for(name)


def diagnosed(world: World, name: str, *words: str) -> dict[str, Any]:
    """What the command says, and the bundle's text under `text`."""
    told: dict[str, Any] = world.launchpad("--json", "diagnose", name, *words).json_document
    return told | {"text": gzip.decompress(Path(told["bundle"]).read_bytes()).decode()}


def causes(world: World, name: str) -> list[str]:
    return [item["cause"] for item in diagnosed(world, name)["diagnoses"]]


def secret_of(world: World, tenant: str) -> str:
    return world.host.exec(["sh", "-c", f"cat /run/launchpad/{tenant}/*/BEACON_TOKEN"]).stdout.strip()


def test_a_healthy_host_gives_a_whole_bundle_in_time_and_no_finding(world: World, say: Callable[[str], None]) -> None:
    for name in ("alice", "web-1"):
        begun = time.monotonic()
        found = diagnosed(world, name)
        took, size = time.monotonic() - begun, Path(found["bundle"]).stat().st_size
        inside = found["manifest"]["seconds"]
        say(f"diagnose {name}: {took:.1f} s, of that {inside:.1f} s on the host; {size} bytes")
        record("ops-bundle-seconds", round(took, 1))
        record("ops-bundle-megabytes", round(size / (1 << 20), 2))
        of_the_lab = ("unknown: load: ", "nothing keeps the host's clock right (chrony has no time server")
        told = [item["message"] for item in found["diagnoses"]]
        assert [text for text in told if not text.startswith(of_the_lab)] == [], told
        assert found["manifest"]["missing"] == {} and found["manifest"]["unread"] == []
        assert took < SECONDS and size < BYTES
        assert Path(found["bundle"]).stat().st_mode & 0o777 == 0o600
        document = json.loads(found["text"])
        assert document["sections"]["tenants"]["alice"]["log"]["web"]
        assert world.domain("alice") not in found["text"] and world.host.address not in found["text"]


def test_secrets_in_logs_arguments_environments_and_names_of_files_are_not_in_the_bundle(world: World) -> None:
    secret = secret_of(world, "alice")
    for encode in (str.__str__, *ENCODINGS.values()):
        form = encode(secret).replace("\0", "")
        line = f"printf '%s\\n' 'sent {form} away' > /proc/1/fd/1"
        world.host.exec(["docker", "exec", WEB, "sh", "-c", line])
        words = [
            "systemd-run",
            "--collect",
            f"--setenv=TOKEN={form}",
            "sh",
            "-c",
            f": {form}; logger token {form}; sleep 1",
        ]
        world.host.exec(words)
    name = base64.urlsafe_b64encode(secret.encode()).decode()
    world.host.exec(["touch", f"{DATA.format('alice')}/marker/{name}", f"{DATA.format('alice')}/marker/{secret[:12]}"])
    world.host.exec(["journalctl", "--sync"])
    for asked in ("alice", "web-1"):
        found = diagnosed(world, asked)
        assert holds(found["text"], secret) == "" and secret[:12] not in found["text"]
        assert found["manifest"]["removed"]["secrets"] >= 13


def test_a_full_quota_is_named_and_again_from_the_file(world: World) -> None:
    fill = f"{DATA.format('alice')}/marker/fill"
    world.host.exec(["sh", "-c", f"head -c 4G /dev/zero > {fill}; sync -f {fill}; true"])
    try:
        found = diagnosed(world, "alice")
        assert [item["cause"] for item in found["diagnoses"]][:1] == ["quota-full"], found["diagnoses"]
        read = world.launchpad("--json", "diagnose", "read", found["bundle"]).json_document
        assert [item["cause"] for item in read["diagnoses"]][:1] == ["quota-full"]
    finally:
        world.host.exec(["sh", "-c", f"rm {fill}; sync -f {DATA.format('alice')}"])
    until(lambda: causes(world, "alice") == [], "alice is well again", seconds=90)


def test_exit_78_is_named_before_the_crash_loop_that_it_causes(world: World) -> None:
    plugin = f"{DATA.format('carol')}/marker/new.plugin"
    world.host.exec(["sh", "-c", f"echo 9.0.0 > {plugin} && chmod 644 {plugin}"])
    world.host.exec(["docker", "kill", "lp-carol-a-web-1"])
    until(lambda: world.host.exists("/srv/launchpad/tenants/carol/breaker.json"), "the breaker trips", seconds=90)
    found = diagnosed(world, "carol")
    assert [item["cause"] for item in found["diagnoses"]] == ["exit-78"], found["diagnoses"]
    world.host.exec(["rm", plugin])
    world.launchpad("start", "carol")
    until(lambda: causes(world, "carol") == [], "carol is well again", seconds=60)


def test_a_failed_deploy_prints_the_likely_cause_below_its_error(world: World) -> None:
    world.set_tenant("alice", version="1.4.0")
    try:
        begun = time.monotonic()
        done = world.launchpad("deploy", "alice", check=False)
        assert done.code == 6
        assert "likely cause: " in done.err and "78" in done.err, done.err
        assert "alice serves as before" in done.err and "launchpad deploy alice" in done.err, done.err
        assert time.monotonic() - begun < 90
    finally:
        world.set_tenant("alice", version="1.0.0")


@pytest.fixture
def no_docker(world: World) -> Iterator[None]:
    world.host.exec(["systemctl", "stop", "docker.socket", "docker.service"])
    yield
    world.host.exec(["systemctl", "start", "docker.socket", "docker.service"])


@pytest.mark.usefixtures("no_docker")
def test_a_docker_that_is_down_is_named_first_and_the_bundle_is_made(world: World) -> None:
    begun = time.monotonic()
    found = diagnosed(world, "web-1")
    assert [item["cause"] for item in found["diagnoses"]][:1] == ["docker-down"], found["diagnoses"]
    assert time.monotonic() - begun < SECONDS
