"""What an image declares: a volume that no mount covers is beyond quota, generations and backups."""

from __future__ import annotations

import pytest

from launchpad.runner.journal import Journal
from launchpad.runner.judge.volumes import judge_volumes, uncovered
from launchpad.runner.protocol import Refused
from tests.memory.host import MemoryHost
from tests.runner.test_kill_points import NEW, OLD, Scenario, deploy, prepared, run, upgrade

MOUNTS = {"volumes": [{"type": "bind", "target": "/data"}], "tmpfs": ["/tmp:size=64m,noexec,nosuid,nodev"]}
WEB = NEW[0].services[0].image
SWAP = Scenario("swap", deploy(NEW), (OLD,))


@pytest.mark.parametrize(
    ("declared", "left"),
    [
        ((), set()),
        (("/data",), set()),
        (("/data/", "//data", "data"), set()),
        (("/tmp",), set()),
        (("/cache",), {"/cache"}),
        (("/data/inner",), {"/data/inner"}),
        (("/",), {"/"}),
        (("/data", "/a", "/b"), {"/a", "/b"}),
    ],
)
def test_only_a_mount_just_there_covers_it(declared: tuple[str, ...], left: set[str]) -> None:
    assert uncovered(MOUNTS, declared) == left


def a_host(*, on_it: bool) -> MemoryHost:
    host = prepared(SWAP)
    host.declared[WEB] = ("/cache",)
    if on_it:
        host.stored.add(WEB)
    return host


def test_what_is_on_the_host_is_refused_before_anything_happens() -> None:
    host = a_host(on_it=True)
    host.calls.clear()
    with pytest.raises(Refused, match="image beacon:2-web of web declares the volume /cache") as refused:
        run(host, SWAP.operation)
    assert "/cache" in refused.value.hint
    assert "stop" not in host.calls and "pull" not in host.calls


@pytest.mark.parametrize("body", [SWAP.operation, upgrade(NEW), upgrade(NEW, rehearse=True)])
def test_what_is_seen_after_the_pull_stops_nothing(body: dict[str, object]) -> None:
    host = a_host(on_it=False)
    before = dict(host.boxes)
    assert run(host, body) == "undone"
    message = (Journal(host, str(body["id"])).outcome() or {})["message"]
    assert message.startswith(
        "alice: image beacon:2-web of web declares the volume /cache, and nothing is mounted there"
    ), message
    assert host.boxes == before and not host.anonymous
    assert "close_traffic" not in host.calls


def test_a_first_deploy_leaves_nothing_running() -> None:
    host = MemoryHost(registry={service.image for service in NEW[0].services}, declared={WEB: ("/cache",)})
    assert run(host, deploy(NEW)) == "undone"
    assert not host.boxes and not host.anonymous


def test_a_service_that_compose_lacks_is_for_the_judge_of_compose_to_refuse() -> None:
    judge_volumes('{"services": {}}', NEW[0], {WEB: ("/cache",)})
