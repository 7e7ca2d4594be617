"""A change is kept only by a connection that was made after it, and only in time."""

from __future__ import annotations

import pytest

from launchpad.runner.caller import Caller
from launchpad.runner.protocol import Refused, record_as_json
from launchpad.runner.provision import reverts
from launchpad.runner.provision.file_text import text
from launchpad.runner.provision.wanted_steps import UNIT_FILES
from launchpad.runner.verbs.confirm import confirm
from tests.memory.effects import Killed
from tests.memory.host import File
from tests.memory.system import RUNNER, BareHost

OLD = "/usr/local/lib/launchpad/runner-old/start"
LINK = "/usr/local/sbin/launchpad-runner"


def waiting() -> tuple[BareHost, reverts.Revert]:
    """A host whose runner was switched just now."""
    host = BareHost(operator_listens=False)
    host.links[LINK] = OLD
    revert = reverts.arm(host, reverts.of_runner(f"{RUNNER}/start"), "runner", links={LINK: OLD})
    reverts.start_timer(host, revert)
    host.link(LINK, f"{RUNNER}/start")
    return host, reverts.in_force(host, revert)


def test_a_new_connection_keeps_the_change() -> None:
    host, revert = waiting()
    host.clock += 1
    host.system.connected = host.clock
    (reply,) = confirm(host, {"nonce": revert.nonce}, Caller("alice"))
    assert reply["body"] == {}
    host.pass_time(60)
    host.reboot()
    assert host.target(LINK) == f"{RUNNER}/start"
    list(confirm(host, {"nonce": revert.nonce}, Caller("alice")))  # said twice, because an answer was lost


def test_an_older_connection_proves_nothing() -> None:
    host, revert = waiting()
    for connected in (revert.since - 0.1, None):
        host.system.connected = connected
        with pytest.raises(Refused, match="older"):
            list(confirm(host, {"nonce": revert.nonce}, Caller("alice")))
    host.pass_time(60)
    assert host.target(LINK) == OLD


def test_too_late_is_refused() -> None:
    host, revert = waiting()
    host.pass_time(60)
    host.system.connected = host.clock
    with pytest.raises(Refused, match="may have been reverted"):
        list(confirm(host, {"nonce": revert.nonce}, Caller("alice")))
    assert host.target(LINK) == OLD


def test_a_change_that_is_not_in_force_yet_cannot_be_confirmed() -> None:
    host = BareHost()
    revert = reverts.arm(host, "install-1", "runner", links={LINK: OLD})
    host.system.connected = host.clock
    with pytest.raises(Refused):
        reverts.confirm(host, revert.nonce)


@pytest.mark.parametrize("nonce", ["", "../../etc", "0" * 16, "x" * 16, 7])
def test_what_is_no_nonce_is_refused(nonce: object) -> None:
    host, _ = waiting()
    with pytest.raises(Refused):
        list(confirm(host, {"nonce": nonce}, Caller("alice")))


def test_a_reboot_takes_it_back_before_anything_starts() -> None:
    host, _ = waiting()
    host.system.enabled.add("launchpad-revert-boot.service")
    host.reboot()
    assert host.target(LINK) == OLD


def test_a_record_that_is_damaged_stops_nobody() -> None:
    host, revert = waiting()
    host.files[f"{reverts.folder('f' * 16)}/revert.json"] = File(b"{")
    assert reverts.revert(host, "boot") == 0
    assert host.target(LINK) == OLD
    assert [item.nonce for item in reverts.pending(host)] == [revert.nonce]


def test_a_revert_that_could_not_be_written_down_takes_no_later_runner_back() -> None:
    """The disk was full: the link went back, and the record says that the change still waits."""
    newer = "/usr/local/lib/launchpad/runner-fedcba9876543210/start"
    for settled in (False, True):
        host, revert = waiting()
        host.system.enabled.add("launchpad-revert-boot.service")
        host.kill_at, host.kill_mode = len(host.calls) + 2, "before"
        with pytest.raises(Killed):
            reverts.take_back(host, revert.nonce)
        host.died()
        assert (host.target(LINK), reverts.state_of(host, revert.nonce)) == (OLD, "waiting")
        if settled:  # what an installation does first
            reverts.settle(host, "runner")
            assert reverts.state_of(host, revert.nonce) == "reverted"
        host.link(LINK, newer)
        host.reboot()
        assert host.target(LINK) == newer, "a boot put an older runner in place"


def test_another_change_is_made_only_once_what_nobody_confirmed_is_taken_back() -> None:
    host, revert = waiting()
    access = reverts.arm(host, "operation-1", "access", files={"/etc/x": record_as_json(reverts.File(text="before"))})
    host.write("/etc/x", b"after")
    reverts.in_force(host, access)
    reverts.settle(host, "runner")
    assert host.target(LINK) == OLD
    assert (host.text("/etc/x"), reverts.state_of(host, access.nonce)) == ("after", "waiting")
    reverts.settle(host, "access")
    assert (host.text("/etc/x"), reverts.state_of(host, access.nonce)) == ("before", "reverted")
    assert reverts.state_of(host, revert.nonce) == "reverted"


def test_one_that_cannot_be_taken_back_at_a_boot_keeps_no_other_and_is_tried_again() -> None:
    host, _ = waiting()
    host.system.active.discard("ssh.service")  # before sshd starts
    first = reverts.arm(host, "operation-1", "access", files={"/etc/x": {"text": 7}})  # damaged
    reverts.in_force(host, first)
    last = reverts.arm(host, "operation-2", "access", files={"/etc/y": record_as_json(reverts.File(text="before"))})
    host.write("/etc/y", b"after")
    reverts.in_force(host, last)
    assert reverts.revert(host, "boot") == 1
    assert host.text("/etc/y") == "before" and host.target(LINK) == OLD
    assert host.system.table is None, "nothing is told at a boot what it reads when it starts"


@pytest.mark.parametrize("unit", [path for path in UNIT_FILES if "launchpad-" in path])
def test_systemd_refuses_none_of_our_units_for_being_started_often(unit: str) -> None:
    assert "\nStartLimitIntervalSec=0\n" in text(unit).partition("[Service]")[0].partition("[Timer]")[0]


def test_what_is_over_is_forgotten_by_the_next_change() -> None:
    host, revert = waiting()
    reverts.take_back(host, revert.nonce)
    reverts.arm(host, "install-2", "runner", links={})
    assert [item.operation for item in reverts.pending(host)] == ["install-2"]
