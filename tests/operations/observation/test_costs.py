"""usage --costs: what the apps say, marked as what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.errors import InventoryError, StateError
from launchpad.operations.observation.costs import costs
from launchpad.workspace import Workspace
from tests.cli.test_operations import launchpad
from tests.operations.places import behave, open_workspace, replies, requests
from tests.operations.places import write_workspace as write
from tests.ssh.sshd import Sshd, free_port

MONTH = "2026-12"
DAYS = {
    "2026-12-01": {"cost_usd": 0.33, "tokens": 102_000, "unpriced": 0},
    "2026-12-02": {"cost_usd": 1.5, "tokens": 2_500_000, "unpriced": 3},
}
ALICE = {"tenant": "alice", "costs": {"asked": 1_796_000_000.0, "problem": "", "days": DAYS}}
BOB = {"tenant": "bob", "costs": {"asked": 0.0, "problem": "ends with exit status 2", "days": {}}}


@pytest.fixture
def workspace(tmp_path: Path, sshd: Sshd) -> Workspace:
    behave(sshd, costs=replies({"tenants": [ALICE, BOB]}))
    return open_workspace(write(tmp_path / "fleet", {"web-1": sshd}, {"alice": "web-1", "bob": "web-1"}), sshd)


def test_a_table_by_day_says_whose_words_they_are(workspace: Workspace, sshd: Sshd) -> None:
    shown = launchpad(workspace, "usage", "--month", MONTH, "--costs")
    assert shown.code == 0
    head, *_, last = shown.out.splitlines()
    assert head.split("  ")[0] == "DAY" and "SAYS THE APP" in head
    assert last.split() == ["2026-12-02", "alice", "1.50", "2,500,000", "3"]
    assert "alice: 1.83 USD in 2026-12 according to its app, which Launchpad cannot verify" in shown.err
    assert "bob: its app's last answer is missing: usage-cost ends with exit status 2" in shown.err
    assert [item["body"] for item in requests(sshd)] == [{"month": MONTH}]


def test_csv_and_json_mark_each_number(workspace: Workspace) -> None:
    lines = launchpad(workspace, "usage", "alice", "--month", MONTH, "--costs", "--csv").out.splitlines()
    assert lines[0] == "day,tenant,host,app_cost_usd,app_tokens,app_unpriced,asked"
    assert lines[1] == "2026-12-01,alice,web-1,0.33,102000,0,1796000000.0"
    data = launchpad(workspace, "--json", "usage", "alice", "--month", MONTH, "--costs").json
    assert [(item["day"], item["app_cost_usd"]) for item in data] == [("2026-12-01", 0.33), ("2026-12-02", 1.5)]


def test_a_name_that_nobody_knows_is_a_mistake(workspace: Workspace) -> None:
    with pytest.raises(InventoryError, match="no tenant or host alcie"):
        costs(workspace, MONTH, ["alcie"])


def test_no_costs_are_no_table(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, costs=replies({"tenants": []}))
    assert "no app reported costs in 2026-12" in launchpad(workspace, "usage", "--month", MONTH, "--costs").out


@pytest.mark.parametrize("words", [("--costs",), ("--month", MONTH, "--costs", "--hours")])
def test_words_that_make_no_sense(workspace: Workspace, words: tuple[str, ...]) -> None:
    assert launchpad(workspace, "usage", *words).code == 2


def test_a_host_that_does_not_answer_or_says_nonsense_is_said(tmp_path: Path, workspace: Workspace, sshd: Sshd) -> None:
    root = write(tmp_path / "two", {"web-1": sshd, "web-2": free_port()}, {"alice": "web-1"})
    shown = launchpad(open_workspace(root, sshd), "usage", "--month", MONTH, "--costs")
    assert shown.code == 8 and "web-2" in shown.err and "alice" in shown.out
    behave(sshd, costs=replies({"tenants": [{"tenant": "alice", "costs": 3}]}))
    found = costs(workspace, MONTH).unreachable["web-1"]
    assert isinstance(found, StateError) and "tenants[0].costs" in found.message
