"""What is wrong is told once, and once when it is well again; nobody leaves the inventory while a host has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from launchpad.errors import StateError
from launchpad.operations.observation.news import News, health_news, news, remember
from launchpad.operations.tenants.remove_tenant import judge_removal
from launchpad.operations.tenants.retire import plan_retirement, retire
from launchpad.operations.tenants.start import start
from launchpad.operations.tenants.stop import stop
from launchpad.workspace import Workspace
from tests.memory.fleet import MemoryFleet, memory_fleet


@pytest.fixture
def fleet(tmp_path: Path) -> MemoryFleet:
    return memory_fleet(tmp_path, {"alice": "web-1", "bob": "web-2"})


def told(fleet: MemoryFleet) -> News:
    """What one run of the cron line prints."""
    workspace = fleet.workspace()
    found = news(workspace)
    remember(workspace, found)
    return found


def test_what_is_wrong_is_told_once_and_once_when_it_is_well_again(fleet: MemoryFleet) -> None:
    first = told(fleet)
    assert (first.wrong, first.ended, first.exit_code) == ((), (), 0)
    stop(fleet.workspace(), "alice")
    again = [told(fleet) for _ in range(3)]
    assert [item.exit_code for item in again] == [4, 4, 4]
    assert again[0].wrong == ("alice on web-1 is stopped: the inventory says running: true (launchpad start alice)",)
    assert [item.wrong for item in again[1:]] == [(), ()]
    fleet.hosts["web-2"].dead = True
    assert [len(told(fleet).wrong) for _ in range(2)] == [1, 0], "a host and not each of its tenants"
    fleet.hosts["web-2"].dead = False
    back = told(fleet)
    assert (back.wrong, len(back.ended), back.exit_code) == ((), 1, 4)
    start(fleet.workspace(), "alice")
    assert told(fleet).ended == ("alice on web-1 is stopped: the inventory says running: true (launchpad start alice)",)
    assert told(fleet).ended == ()


def test_an_inventory_that_cannot_be_read_is_news_too(fleet: MemoryFleet) -> None:
    file = fleet.root / "inventory/hosts.yaml"
    right = file.read_text()
    file.write_text("<<<<<<< HEAD\n")
    assert [(len(told(fleet).wrong), told(fleet).exit_code) for _ in range(2)] == [(1, 3), (0, 3)]
    file.write_text(right)
    assert len(told(fleet).ended) == 1


def test_what_was_not_told_is_news_the_next_time(fleet: MemoryFleet) -> None:
    stop(fleet.workspace(), "alice")
    assert len(news(fleet.workspace()).wrong) == 1, "and then it died before it was printed"
    assert len(told(fleet).wrong) == 1


def test_who_is_deployed_stays_in_the_inventory(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    for _ in range(2):
        with pytest.raises(StateError, match="alice is deployed on web-1") as refused:
            list(judge_removal(workspace, "alice"))
        assert refused.value.hint.startswith("launchpad retire alice --host web-1, then")
        stop(workspace, "alice")
    what = plan_retirement(workspace, "alice")
    assert retire(workspace, what, confirm=what.digest).outcome == "done"
    assert list(judge_removal(workspace, "alice")) == [
        "alice's data is still on web-1; to remove the data: launchpad retire alice --host web-1 --purge"
    ]
    fleet.hosts["web-2"].dead = True
    with pytest.raises(StateError, match="bob may be deployed on web-2") as unknown:
        list(judge_removal(workspace, "bob"))
    assert "once web-2 answers: launchpad tenant remove bob" in unknown.value.hint
    assert list(judge_removal(workspace, "bob", host_gone=True)) == []


def test_who_is_deployed_where_the_inventory_does_not_look_stays_too(fleet: MemoryFleet) -> None:
    file = fleet.root / "inventory/tenants/alice.yaml"
    file.write_text(file.read_text().replace("web-1", "web-2"))
    with pytest.raises(StateError, match="alice is deployed on web-1"):
        list(judge_removal(fleet.workspace(), "alice"))


@pytest.mark.parametrize("ask", [news, health_news])
def test_what_is_asked_of_one_host_resolves_nothing_of_another(
    fleet: MemoryFleet, ask: Callable[[Workspace, list[str]], News]
) -> None:
    fleet.hosts["web-1"].dead = True
    said = []
    for name in ("web-1", "web-2", "web-1"):
        found = ask(fleet.workspace(), [name])
        remember(fleet.workspace(), found)
        said.append((len(found.wrong), len(found.ended)))
    assert said == [(1, 0), (0, 0), (0, 0)]
