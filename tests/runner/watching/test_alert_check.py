"""The watch's facts reach people: once, by every destination that wants them, also when a delivery fails first."""

from __future__ import annotations

import pytest

from launchpad.runner import paths
from launchpad.runner.account import Account, Finding
from launchpad.runner.alerting.state import Silences, alert_state, keep
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.provision.settings_record import stored_settings
from launchpad.runner.watching.alert_check import AlertCheck, try_out
from launchpad.runner.wire.alert_bodies import Silence
from tests.memory.data import File
from tests.runner.alerting.told import BEAT, MAIL, PING, TEAM, telling
from tests.runner.verbs.view import MemoryView

DOWN = Fact(layer=Layer.ready, grade=Grade.critical, message="does not answer", tenant="alice", subject="web")


class Watched:
    """A host whose watch sees facts, and tells."""

    def __init__(self, host: MemoryView) -> None:
        self.host = host
        self.account = Account(host, ("apps",))
        self.check = AlertCheck(host, self.account)

    def look(self, *facts: Fact, seconds: float = 10) -> list[Finding]:
        found: list[Finding] = []
        for _ in range(round(seconds / 10)):
            self.host.wait(10)
            self.account.see("apps", (), {}, facts)
            found = list(self.check.look())
        return found

    @property
    def subjects(self) -> list[str]:
        return [subject for _, subject, _ in self.host.told if subject]


def test_a_problem_and_its_end_are_told_once() -> None:
    watched = Watched(telling(TEAM))
    watched.look(DOWN, seconds=600)
    watched.look(seconds=600)
    assert watched.subjects == ["[critical] web-1: tenant alice, ready", "[recovered] web-1: tenant alice, ready"]
    assert {url for url, _, _ in watched.host.told} == {MAIL}
    assert "does not answer" in watched.host.told[0][2]


def test_the_next_watch_goes_on_where_the_last_one_ended() -> None:
    watched = Watched(telling(TEAM))
    watched.look(DOWN, seconds=60)
    Watched(watched.host).look(DOWN, seconds=600)
    assert len(watched.subjects) == 1


def test_nothing_is_told_and_nothing_is_written_where_no_destination_is() -> None:
    watched = Watched(telling())
    watched.look(DOWN, seconds=120)
    assert watched.host.told == []
    assert watched.host.read(paths.ALERTS) is None


def test_calm_writes_nothing() -> None:
    watched = Watched(telling(TEAM))
    watched.look(DOWN.but(grade=Grade.ok), seconds=600)
    assert watched.host.read(paths.ALERTS) is None


def test_a_message_that_cannot_be_delivered_is_tried_again_and_found() -> None:
    watched = Watched(telling(TEAM))
    watched.host.deaf[MAIL] = "apprise could not deliver it (timed out)"
    (found,) = watched.look(DOWN, seconds=600)
    assert found.subject == "alerts"
    assert "team" in found.message and "timed out" in found.message
    assert "the-password" not in found.message
    watched.host.deaf.clear()
    assert watched.look(DOWN, seconds=1000) == []
    assert len(watched.subjects) == 1


@pytest.mark.parametrize("lock", ["tenant-alice", "host"])
def test_an_operation_keeps_quiet(lock: str) -> None:
    watched = Watched(telling(TEAM))
    with watched.host.lock(lock, {"operation": "0mhcq2k3a-7f3k9", "who": "ann", "kind": "upgrade"}):
        watched.look(DOWN, seconds=600)
    assert watched.subjects == []
    watched.look(DOWN, seconds=60)
    assert len(watched.subjects) == 1


def test_a_silence_keeps_quiet_until_it_ends() -> None:
    watched = Watched(telling(TEAM))
    silence = Silence(tenant="alice", until=watched.host.now() + 600, who="ann")
    keep(watched.host, paths.SILENCES, Silences(silences=(silence,)))
    watched.look(DOWN, seconds=590)
    assert watched.subjects == []
    watched.look(DOWN, seconds=120)
    assert len(watched.subjects) == 1


@pytest.mark.parametrize("path", [paths.ALERTS, paths.SILENCES])
def test_a_damaged_file_silences_nobody(path: str) -> None:
    watched = Watched(telling(TEAM))
    watched.host.files[path] = File(b"{torn")
    watched.look(DOWN, seconds=60)
    assert len(watched.subjects) == 1
    assert alert_state(watched.host).troubles


def test_the_sign_of_life_ends_with_the_watch() -> None:
    watched = Watched(telling(BEAT))
    watched.look(seconds=600)
    beats = [url for url, _, _ in watched.host.told]
    assert set(beats) == {PING}
    assert 9 <= len(beats) <= 10
    for _ in range(30):  # the other checks hang
        watched.host.wait(10)
        watched.check.look()
    late = len(watched.host.told) - len(beats)
    assert late <= 2


def test_a_sign_of_life_that_does_not_get_through_is_found() -> None:
    watched = Watched(telling(BEAT))
    watched.host.deaf[PING] = "answered 404"
    (found,) = watched.look(seconds=70)
    assert "dead-man" in found.message and "404" in found.message


def test_every_destination_can_be_tried() -> None:
    host = telling(TEAM, BEAT)
    host.deaf[PING] = "answered 404"
    settings = stored_settings(host).settings
    assert settings is not None
    assert [(item.destination, item.problem) for item in try_out(host, settings)] == [
        ("team", ""),
        ("dead-man", "answered 404"),
    ]
    assert host.told[0][1] == "[test] web-1: alerts arrive here"
