"""A change is kept only by a connection that was made after it, and only in time."""

from __future__ import annotations

import pytest

from launchpad.runner.caller import Caller
from launchpad.runner.protocol import Refused
from launchpad.runner.provision import reverts
from launchpad.runner.verbs.confirm import confirm
from tests.memory.host import File
from tests.memory.system import RUNNER, BareHost

OLD = "/usr/local/lib/launchpad/runner-old/start"
LINK = "/usr/local/sbin/launchpad-runner"


def waiting() -> tuple[BareHost, reverts.Revert]:
    """A host whose runner was switched just now."""
    host = BareHost(operator_listens=False)
    host.links[LINK] = OLD
    revert = reverts.arm(host, "install-1", "runner", links={LINK: OLD})
    reverts.start_timer(host, revert)
    host.link(LINK, f"{RUNNER}/start")
    return host, reverts.in_force(host, revert)


def test_a_new_connection_keeps_the_change() -> None:
    host, revert = waiting()
    host.clock += 1
    host.system.connected = host.clock
    (reply,) = confirm(host, {"nonce": revert.nonce}, Caller("alice"))
    assert reply["body"]["outcome"] == "confirmed"
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


def test_what_is_over_is_forgotten_by_the_next_change() -> None:
    host, revert = waiting()
    reverts.take_back(host, revert.nonce)
    reverts.arm(host, "install-2", "runner", links={})
    assert [item.operation for item in reverts.pending(host)] == ["install-2"]
