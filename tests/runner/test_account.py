"""The watch's account: what stands in it, when it is too old to be believed, and what the watch did by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from launchpad.runner import paths
from launchpad.runner.account import (
    MOST_BYTES,
    RUN_PROVISION,
    RUNNER,
    STALE_SECONDS,
    Account,
    Finding,
    done_by_watch,
    is_watched,
    read_account,
)
from launchpad.runner.facts import Fact, Grade, Layer, fact_from_json
from launchpad.runner.host import Failed
from launchpad.runner.watching import look_once
from launchpad.runner.watching.check import Check
from tests.runner.verbs.view import MemoryView

FULL = Fact(Layer.data, Grade.warning, "90 % of its quota is used", tenant="alice", subject="quota")
OPEN = Finding("firewall", "the table inet launchpad is missing", RUN_PROVISION)


def at(host: MemoryView) -> float:
    """When the account was written."""
    return float(json.loads(host.read(paths.ACCOUNT) or b"")["at"])


def messages(host: MemoryView) -> list[str]:
    return [item.message for item in read_account(host)[0]]


def test_what_was_found_is_read_back_with_since_when_and_with_the_facts() -> None:
    host = MemoryView()
    account = Account(host, ("firewall",))
    account.see("firewall", [OPEN], {"owner": True})
    began = at(host)
    host.wait(30)
    account.see("firewall", [OPEN, OPEN.but(tenant="alice")], {"owner": False})
    found, facts, _ = read_account(host)
    assert found == [OPEN.but(since=began), OPEN.but(tenant="alice", since=at(host))]
    assert facts == {"firewall": {"owner": False}}
    account.see("firewall", [], {})
    assert read_account(host) == ([], {"firewall": {}}, [])


def facts(host: MemoryView) -> list[Fact]:
    return [fact_from_json(item) for item in read_account(host)[2]]


def test_facts_keep_since_when_they_have_their_grade_also_over_a_restart_of_the_watch() -> None:
    host = MemoryView()
    account = Account(host, ("room",))
    account.see("room", [], {}, [FULL.but(grade=Grade.ok, value=1.0)])
    began = at(host)
    host.wait(30)
    account.see("room", [], {}, [FULL.but(grade=Grade.ok, value=2.0)])
    (found,) = facts(host)
    assert (found.value, found.at, found.since) == (2.0, at(host), began)
    host.wait(30)
    account.see("room", [], {}, [FULL])
    worse = at(host)
    assert [item.since for item in facts(host)] == [worse]
    host.wait(30)
    Account(host, ("room",)).see("room", [], {}, [FULL.but(at=7.0)])
    (found,) = facts(host)
    assert (found.at, found.since) == (7.0, worse), "whoever looked earlier says so"


def test_words_of_another_runner_are_forgotten() -> None:
    host = MemoryView()
    Account(host, ("room",)).see("room", [], {}, [FULL])
    kept = json.loads(host.read(paths.ACCOUNT) or b"")
    for damaged in ({"layer": "mood"}, {"colour": "red"}):
        host.write(paths.ACCOUNT, json.dumps(kept | {"health": [damaged]}).encode())
        Account(host, ("room",)).see("room", [], {}, [FULL])
        assert [item.message for item in facts(host)] == [FULL.message]


def test_a_finding_is_a_fact_too_unless_the_check_has_one_of_its_own() -> None:
    host = MemoryView()
    mine = Finding("quota", "its data fills its quota", tenant="alice")
    Account(host, ("room",)).see("room", [OPEN, mine], {}, [FULL])
    assert [(item.layer, item.grade, item.message, item.since) for item in facts(host)] == [
        (Layer.data, Grade.warning, FULL.message, at(host)),
        (Layer.firewall, Grade.critical, OPEN.message, at(host)),
    ]


def test_what_one_check_finds_stays_while_another_looks() -> None:
    host = MemoryView()
    account = Account(host, ("firewall", "apps"))
    account.see("firewall", [OPEN], {})
    account.see("apps", [], {})
    assert messages(host) == [OPEN.message]


def test_a_host_that_nobody_watches_says_so_and_since_when() -> None:
    host = MemoryView(watched=False)
    assert read_account(host) == ([Finding("watch", "not watched", RUN_PROVISION)], {}, [])
    Account(host, ("apps",)).see("apps", [], {})
    host.wait(STALE_SECONDS - 1)
    assert messages(host) == []
    host.wait(2)
    (found,) = read_account(host)[0]
    assert found == Finding("watch", "not watched", RUN_PROVISION, since=found.since)
    assert found.since == pytest.approx(at(host), abs=0.1)
    for text in (b"{torn", b"{}", b'{"boot_id": "boot-1", "at": 1}'):
        host.write(paths.ACCOUNT, text)
        assert messages(host) == ["not watched"] and not is_watched(host, by=RUNNER)
    Account(host, ("apps",)).see("apps", [], {})
    assert is_watched(host, by=RUNNER) and not is_watched(host, by="/usr/local/lib/launchpad/runner-older")


def test_the_age_is_counted_by_a_clock_that_nobody_sets() -> None:
    host = MemoryView()
    Account(host, ("apps",)).see("apps", [], {})
    host.skew = 86_400
    assert messages(host) == []


def test_an_account_of_another_boot_is_none() -> None:
    host = MemoryView()
    Account(host, ("apps",)).see("apps", [OPEN], {})
    kept = host.read(paths.ACCOUNT) or b""
    host.reboot()
    host.write(paths.ACCOUNT, kept)
    assert messages(host) == ["not watched"]


def test_a_check_that_hangs_is_named_though_the_others_go_on() -> None:
    host = MemoryView()
    account = Account(host, ("firewall", "apps"))
    account.see("firewall", [OPEN], {})
    host.wait(STALE_SECONDS + 1)
    account.see("apps", [], {})
    assert messages(host) == [OPEN.message, "firewall is not watched"]


def test_a_check_that_fails_is_a_finding_and_the_watch_goes_on() -> None:
    class Broken(Check):
        name = "firewall"

        def look(self) -> Iterator[Finding]:
            yield OPEN
            raise Failed("nft does not answer")

    host = MemoryView()
    account = Account(host, ("firewall",))
    look_once(Broken(host, account), account)
    assert messages(host) == ["firewall cannot be checked: nft does not answer"]


@pytest.mark.parametrize("torn", [False, True])
def test_what_the_watch_did_is_kept_in_its_order_and_never_grows_for_ever(torn: bool) -> None:
    host = MemoryView()
    account = Account(host, ())
    if torn:
        host.append(paths.DONE_BY_WATCH, b'{"at": 1, "subj\n')
    for number in range(4000):
        account.note("apps", f"web died; the watch restarted it, for the {number}th time", tenant="alice")
    kept = list(done_by_watch(host))
    assert len(host.read(paths.DONE_BY_WATCH) or b"") < MOST_BYTES + 1000
    assert [item.message for item in kept[-2:]] == [
        f"web died; the watch restarted it, for the {number}th time" for number in (3998, 3999)
    ]
    assert (kept[0].tenant, kept[0].subject) == ("alice", "apps")
