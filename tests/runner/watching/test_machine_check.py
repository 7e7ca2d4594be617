"""The machine below the tenants, in facts: what is fine, what is short, what does not answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.account import Account, Finding
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.host import Failed
from launchpad.runner.provision.settings_record import SETTINGS
from launchpad.runner.view import ClockState
from launchpad.runner.watching.machine_check import PATIENCE_SECONDS, TARGETS_SECONDS, UPDATES_SECONDS, MachineCheck
from tests.runner.provision.settings import collector, settings
from tests.runner.verbs.view import MemoryView

MEMORY = b"MemTotal:       %d kB\nMemFree: 1 kB\nMemAvailable:   %d kB\n"


def machine(**changes: Any) -> MemoryView:
    """A host with room for everything."""
    host = MemoryView()
    host.write("/proc/meminfo", MEMORY % (4 << 20, 2 << 20))
    host.write("/proc/loadavg", b"0.50 0.40 0.30 1/200 4321\n")
    host.write("/sys/devices/system/cpu/online", b"0-1\n")
    for name, value in changes.items():
        setattr(host, name, value)
    return host


def looked(host: MemoryView) -> tuple[dict[Layer, Fact], list[Finding]]:
    """The worst fact of each layer, and the findings."""
    check = MachineCheck(host, Account(host, ("machine",)))
    found = list(check.look())
    order = list(Grade)
    return {fact.layer: fact for fact in sorted(check.health, key=lambda fact: order.index(fact.grade))}, found


def test_a_machine_that_is_well_says_so_layer_by_layer() -> None:
    facts, found = looked(machine())
    assert {layer: fact.grade for layer, fact in facts.items()} == dict.fromkeys(
        (Layer.disk, Layer.memory, Layer.load, Layer.clock, Layer.units, Layer.updates), Grade.ok
    )
    assert found == []
    assert (facts[Layer.memory].value, facts[Layer.memory].limit) == (2 << 30, 4 << 30)


def test_a_collector_that_gets_no_lines_is_a_warning_since_then() -> None:
    host = machine()
    assert Layer.targets not in looked(host)[0]
    host.write(SETTINGS, json.dumps({"serial": 1, "settings": settings(logs=collector("web-2"))}).encode())
    assert looked(host)[0][Layer.targets].message == "tenants' logs reach the collector web-2"
    host.write(paths.SHIPPED, json.dumps({"marks": {}, "problem": "Connection refused", "since": 1234.5}).encode())
    facts, findings = looked(host)
    fact = facts[Layer.targets]
    assert (fact.grade, fact.subject, fact.since) == (Grade.warning, "collector", 1234.5)
    assert fact.message == "tenants' logs do not reach the collector web-2: Connection refused"
    assert fact.hint == "launchpad provision web-2" and findings == []


@pytest.mark.parametrize(
    ("layer", "changes", "files", "grade", "words"),
    [
        (Layer.disk, {"free": 1 << 30}, {}, Grade.warning, "only 1024 MiB are free for images"),
        (Layer.disk, {"free": 100 << 20}, {}, Grade.critical, "only 100 MiB are free for images"),
        (Layer.disk, {"disk_full": True}, {}, Grade.critical, "MiB are free for"),
        (Layer.inodes, {"no_inodes": (1000, 500)}, {}, Grade.ok, "50 % of the inodes of"),
        (Layer.inodes, {"no_inodes": (1000, 90)}, {}, Grade.warning, "9 % of the inodes of"),
        (Layer.inodes, {"no_inodes": (1000, 20)}, {}, Grade.critical, "2 % of the inodes of"),
        (Layer.memory, {}, {"/proc/meminfo": MEMORY % (1 << 20, 90 << 10)}, Grade.warning, "90 of 1024 MiB"),
        (Layer.memory, {}, {"/proc/meminfo": MEMORY % (1 << 20, 20 << 10)}, Grade.critical, "20 of 1024 MiB"),
        (Layer.load, {}, {"/proc/loadavg": b"1 1 8.5 1/2 3"}, Grade.warning, "8.5 programs want 2 CPUs"),
        (Layer.load, {}, {"/proc/loadavg": b"9 9 7.9 1/2 3"}, Grade.ok, "7.9 programs"),
        (Layer.clock, {"chrony": ClockState(False)}, {}, Grade.warning, "chrony does not answer"),
        (Layer.clock, {"chrony": ClockState(True, False)}, {}, Grade.warning, "no time server"),
        (Layer.clock, {"chrony": ClockState(True, True, 0.7)}, {}, Grade.warning, "is wrong by 0.7 s"),
        (Layer.clock, {"chrony": ClockState(True, True, 7.0)}, {}, Grade.critical, "is wrong by 7.0 s"),
        (Layer.units, {"failed": ("fail2ban.service",)}, {}, Grade.warning, "failed units: fail2ban.service"),
        (Layer.updates, {"updates": (3, 1)}, {}, Grade.ok, "3 updates wait, 1 of security"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_of_its_layer_and_of_no_other(
    layer: Layer, changes: dict[str, Any], files: dict[str, bytes], grade: Grade, words: str
) -> None:
    host = machine(**changes)
    for path, data in files.items():
        host.write(path, data)
    facts, found = looked(host)
    assert facts[layer].grade is grade and words in facts[layer].message
    assert [fact.layer for fact in facts.values() if fact.grade is not Grade.ok] == (
        [] if grade is Grade.ok else [layer]
    )
    assert bool(found) == (grade is Grade.critical and layer is not Layer.disk), "`observe` looks at the disk itself"


def test_an_update_of_security_that_nobody_installs_is_a_warning_after_two_days() -> None:
    host = machine(updates=(2, 1))
    check = MachineCheck(host, Account(host, ("machine",)))

    def grade() -> Grade:
        list(check.look())
        return next(fact.grade for fact in check.health if fact.layer is Layer.updates)

    assert grade() is Grade.ok
    host.wait(PATIENCE_SECONDS + UPDATES_SECONDS)
    assert grade() is Grade.warning
    host.updates = (1, 0)
    assert grade() is Grade.warning, "it is asked once an hour"
    host.wait(UPDATES_SECONDS)
    assert grade() is Grade.ok


def test_an_apt_that_fails_is_unknown() -> None:
    host = machine()

    def fails() -> tuple[int, int]:
        raise Failed("apt-get: the lists are damaged")

    host.pending_updates = fails  # type: ignore[method-assign]
    assert looked(host)[0][Layer.updates].grade is Grade.unknown


def test_remote_targets_are_reached_every_quarter_of_an_hour_and_a_folder_is_seen_at_each_look() -> None:
    key = "ssh-ed25519 " + "A" * 68
    targets = (
        {"name": "disk", "kind": "local", "url": "/srv/backups/all", "host_keys": []},
        {"name": "sftp", "kind": "sftp", "url": "sftp://me@backup.example.com:2222/x", "host_keys": [key]},
        {"name": "s3", "kind": "s3", "url": "https://s3.example.com/bucket", "host_keys": []},
    )
    own = settings() | {"targets": [{"target": item, "credentials": {}} for item in targets]}
    host = machine(unreachable={"backup.example.com:2222": "Connection refused"})
    host.write(SETTINGS, json.dumps({"serial": 1, "settings": own}).encode())
    host.write("/srv/backups/all/config", b"")
    check = MachineCheck(host, Account(host, ("machine",)))

    def reached() -> dict[str, Grade]:
        assert list(check.look()) == []
        return {fact.subject: fact.grade for fact in check.health if fact.layer is Layer.targets}

    assert reached() == {"disk": Grade.ok, "sftp": Grade.warning, "s3": Grade.ok}
    (fact,) = [fact for fact in check.health if fact.layer is Layer.targets and fact.grade is Grade.warning]
    assert fact.message == "target sftp cannot be reached: Connection refused"
    assert fact.hint == "launchpad target show sftp --host HOST"
    host.unreachable = {"s3.example.com:443": "timed out"}
    host.remove("/srv/backups/all")
    assert reached() == {"disk": Grade.warning, "sftp": Grade.warning, "s3": Grade.ok}
    host.wait(TARGETS_SECONDS)
    assert reached() == {"disk": Grade.warning, "sftp": Grade.ok, "s3": Grade.warning}
