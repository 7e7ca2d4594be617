"""The resolved Compose project: one change at a time, each refused with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from launchpad.runner.judge.resolved_project import judge_compose
from launchpad.runner.protocol import Refused, Release, release_from_json
from tests.runner.judge.tables import GONE, changed

GOLDEN = Path(__file__).resolve().parents[2] / "golden"

GATEWAY = "services/gateway"
BIND = {"type": "bind", "source": "/srv/launchpad/tenants/alice/data/state", "target": "/more", "bind": {}}

REFUSED: list[tuple[str, Any, str]] = [
    ("x-cell", {}, "compose.x-cell: is not allowed in a release"),
    ("name", "lp-alice-b", "compose.name"),
    ("name", GONE, "compose.name"),
    ("networks", GONE, "compose.networks"),
    ("networks/other", {"name": "lp-alice", "external": True}, "compose.networks.other"),
    ("networks/default/name", "lp-bob", "compose.networks.default.name"),
    ("networks/default/external", False, "compose.networks.default.external"),
    ("networks/default/external", 1, "compose.networks.default.external"),
    ("networks/default/driver", "host", "compose.networks.default.driver"),
    ("networks/default/ipam", {"config": [{"subnet": "10.200.0.0/16"}]}, "compose.networks.default.ipam"),
    ("services", [], "compose.services: expected an object"),
    ("services/evil", {}, "compose.services.evil"),
    (GATEWAY, GONE, "compose.services.gateway: is missing"),
    (GATEWAY, None, "compose.services.gateway: expected an object"),
    (f"{GATEWAY}/privileged", True, "gateway.privileged: is not allowed in a release"),
    (f"{GATEWAY}/init", "yes", "gateway.init"),
    (f"{GATEWAY}/working_dir", "relative", "gateway.working_dir"),
    (f"{GATEWAY}/stop_signal", "9; reboot", "gateway.stop_signal"),
    (f"{GATEWAY}/command", "sh -c true", "gateway.command: expected a list"),
    (f"{GATEWAY}/entrypoint", [1], "gateway.entrypoint[0]: expected text"),
    (f"{GATEWAY}/environment", ["A=1"], "gateway.environment: expected an object"),
    (f"{GATEWAY}/environment/A B", "x", "gateway.environment: 'A B'"),
    (f"{GATEWAY}/environment/EMPTY", None, "gateway.environment.EMPTY: expected text"),
    (f"{GATEWAY}/environment/OPENCLAW_GATEWAY_TOKEN", "x", "OPENCLAW_GATEWAY_TOKEN: is a secret"),
    (f"{GATEWAY}/cpus", True, "gateway.cpus: expected a number"),
    (f"{GATEWAY}/cpus", 1.99, "gateway.cpus"),
    (f"{GATEWAY}/stop_grace_period", "5m", "gateway.stop_grace_period"),
    (f"{GATEWAY}/stop_grace_period", "5m30s ", "is not a duration"),
    (f"{GATEWAY}/shm_size", "2147483649", "gateway.shm_size"),
    (f"{GATEWAY}/shm_size", "1g", "gateway.shm_size"),
    (f"{GATEWAY}/logging/driver", "json-file", "gateway.logging.driver"),
    (f"{GATEWAY}/logging/options", GONE, "gateway.logging.options"),
    (f"{GATEWAY}/logging/options/max-size", "-1", "gateway.logging.options.max-size"),
    (f"{GATEWAY}/logging/options/max-file", "99", "gateway.logging.options.max-file"),
    (f"{GATEWAY}/logging/options/tag", "{{.DaemonName}}", "gateway.logging.options.tag"),
    (f"{GATEWAY}/logging/extra", 1, "gateway.logging.extra"),
    (f"{GATEWAY}/labels/com.docker.compose.project", "lp-bob-a", "gateway.labels"),
    (f"{GATEWAY}/labels/launchpad.side", "b", "gateway.labels"),
    (f"{GATEWAY}/networks/default/aliases", ["x"], "gateway.networks"),
    (f"{GATEWAY}/networks/default/ipv4_address", "10.200.0.120", "gateway.networks"),
    (f"{GATEWAY}/security_opt", [], "gateway.security_opt"),
    (f"{GATEWAY}/healthcheck/test", GONE, "gateway.healthcheck.test"),
    (f"{GATEWAY}/healthcheck/test", [], "gateway.healthcheck.test[0]"),
    (f"{GATEWAY}/healthcheck/test/0", "HOST", "gateway.healthcheck.test[0]"),
    (f"{GATEWAY}/healthcheck/retries", 0, "gateway.healthcheck.retries"),
    (f"{GATEWAY}/healthcheck/interval", "100ms", "gateway.healthcheck.interval"),
    (f"{GATEWAY}/healthcheck/timeout", "2h", "gateway.healthcheck.timeout"),
    (f"{GATEWAY}/healthcheck/disable", True, "gateway.healthcheck.disable"),
    (f"{GATEWAY}/depends_on", {"gateway": {"condition": "service_started"}}, "gateway.depends_on.gateway"),
    (f"{GATEWAY}/tmpfs", "/tmp", "gateway.tmpfs: expected a list"),
    (f"{GATEWAY}/tmpfs/0", "/tmp", "gateway.tmpfs[0]"),
    (f"{GATEWAY}/tmpfs/0", "/tmp:size=0,noexec,nosuid,nodev", "gateway.tmpfs[0]"),
    (f"{GATEWAY}/tmpfs/0", "/tmp:size=1m,noexec,nosuid,nodev,exec", "gateway.tmpfs[0]: 'exec'"),
    (f"{GATEWAY}/tmpfs/0", "/tmp:size=1m,noexec,nosuid,nodev,mode=4777", "gateway.tmpfs[0]: 'mode=4777'"),
    (f"{GATEWAY}/tmpfs/0", "/tmp/../proc:size=1m,noexec,nosuid,nodev", "which is not a plain path"),
    (f"{GATEWAY}/tmpfs/1", "/tmp:size=1m,noexec,nosuid,nodev", "mounts '/tmp' twice"),
    (f"{GATEWAY}/volumes", {}, "gateway.volumes: expected a list"),
    (f"{GATEWAY}/volumes/0", "./x:/y", "gateway.volumes[0]: expected an object"),
    (f"{GATEWAY}/volumes/0/type", "volume", "gateway.volumes[0].type"),
    (f"{GATEWAY}/volumes/0/source", GONE, "gateway.volumes[0].source"),
    (f"{GATEWAY}/volumes/0/target", GONE, "gateway.volumes[0].target"),
    (f"{GATEWAY}/volumes/0/target", "etc/passwd", "gateway mounts: 'etc/passwd'"),
    (f"{GATEWAY}/volumes/0/target", "/", "gateway mounts: '/'"),
    (f"{GATEWAY}/volumes/0/target", "/sys/fs/cgroup", "which is reserved for the kernel"),
    (f"{GATEWAY}/volumes/0/target", "/etc/group", "mounts '/etc/group' twice"),
    (f"{GATEWAY}/volumes/0/target", "/run/secrets/passwd", "which is reserved for secrets"),
    (f"{GATEWAY}/volumes/0/read_only", False, "gateway.volumes[0].read_only"),
    (f"{GATEWAY}/volumes/0/read_only", 1, "gateway.volumes[0].read_only: expected true or false"),
    (f"{GATEWAY}/volumes/0/read_only", GONE, "gateway.volumes[0].read_only"),
    (f"{GATEWAY}/volumes/0/consistency", "cached", "gateway.volumes[0].consistency"),
    (f"{GATEWAY}/volumes/0/bind/propagation", "rshared", "gateway.volumes[0].bind.propagation"),
    (f"{GATEWAY}/volumes/0/bind/create_host_path", True, "gateway.volumes[0].bind.create_host_path"),
    (f"{GATEWAY}/volumes/0/bind/recursive", "enabled", "gateway.volumes[0].bind.recursive"),
    (f"{GATEWAY}/volumes/8", BIND | {"source": "/srv/launchpad/tenants/alice/data/state/x"}, "volumes[8]"),
    (f"{GATEWAY}/volumes/8", BIND | {"source": "/srv/launchpad/tenants/alice/releases"}, "volumes[8]"),
    (f"{GATEWAY}/volumes/8", BIND | {"source": "/srv/launchpad/tenants/alice/data/state", "target": 1}, "volumes[8]"),
]

ACCEPTED: list[tuple[str, Any]] = [
    (f"{GATEWAY}/init", False),
    (f"{GATEWAY}/working_dir", "/home/node"),
    (f"{GATEWAY}/stop_signal", "SIGINT"),
    (f"{GATEWAY}/shm_size", "67108864"),
    (f"{GATEWAY}/command", None),
    (f"{GATEWAY}/healthcheck", GONE),
    (f"{GATEWAY}/healthcheck/test", ["CMD-SHELL", "true"]),
    (f"{GATEWAY}/environment", None),
    (f"{GATEWAY}/tmpfs/1", "/var/cache:size=64m,noexec,nosuid,nodev,uid=10007,gid=10007,mode=0700"),
    (f"{GATEWAY}/volumes/8", BIND | {"read_only": True}),
    ("networks/default/ipam", GONE),
]


def recorded(tenant: str) -> tuple[Any, Release]:
    folder = GOLDEN / tenant
    release = release_from_json(json.loads((folder / "release.json").read_text()))
    return json.loads((folder / "resolved-a.json").read_text()), release


@pytest.mark.parametrize(("path", "value", "says"), REFUSED)
def test_refuses(path: str, value: Any, says: str) -> None:
    resolved, release = recorded("alice")
    with pytest.raises(Refused) as refused:
        judge_compose(changed(resolved, path, value), release, side="a")
    assert says in refused.value.message


@pytest.mark.parametrize(("path", "value"), ACCEPTED)
def test_accepts_what_is_the_apps_own_business(path: str, value: Any) -> None:
    resolved, release = recorded("alice")
    judge_compose(changed(resolved, path, value), release, side="a")


def test_needs_every_word_of_the_cell() -> None:
    resolved, release = recorded("alice")
    cell = (
        *("image", "user", "read_only", "cap_drop", "security_opt", "mem_limit", "memswap_limit", "cpus", "pids_limit"),
        *("restart", "stop_grace_period", "logging", "labels", "networks"),
    )
    for key in cell:
        with pytest.raises(Refused, match=f"gateway.{key}: "):
            judge_compose(changed(resolved, f"{GATEWAY}/{key}", GONE), release, side="a")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"condition": "service_completed_successfully"}, "store.condition"),
        ({"condition": "service_started", "required": False}, "store.required"),
        ({"condition": "service_started", "restart": True}, "store.restart"),
        ({"condition": "service_started", "extra": 1}, "store.extra"),
        ({}, "store.condition"),
    ],
)
def test_a_service_may_only_wait_for_another_to_start(value: Any, says: str) -> None:
    resolved, release = recorded("bea")
    judge_compose(resolved, release, side="a")
    with pytest.raises(Refused, match=says):
        judge_compose(changed(resolved, "services/web/depends_on/store", value), release, side="a")


def test_the_other_side_is_another_project() -> None:
    resolved, release = recorded("alice")
    with pytest.raises(Refused, match=r"compose\.name"):
        judge_compose(resolved, release, side="b")


def test_a_folder_of_the_release_may_be_mounted() -> None:
    resolved, release = recorded("alice")
    document = json.loads((GOLDEN / "alice/release.json").read_text())
    document["files"]["conf/a.conf"] = document["files"]["passwd"]
    with_folder = release_from_json(document)
    text = json.dumps(resolved).replace(release.short, with_folder.short)
    resolved = json.loads(text)
    folder = f"/srv/launchpad/tenants/alice/releases/{with_folder.short}/conf"
    mount = {"type": "bind", "source": folder, "target": "/conf", "read_only": True, "bind": {}}
    judge_compose(changed(resolved, f"{GATEWAY}/volumes/8", mount), with_folder, side="a")
    half_a_name = changed(resolved, f"{GATEWAY}/volumes/8", mount | {"source": folder[:-1]})
    with pytest.raises(Refused, match="is not a volume, a file or the secrets"):
        judge_compose(half_a_name, with_folder, side="a")
