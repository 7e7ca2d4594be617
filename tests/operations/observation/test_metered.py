"""A month's usage over a fleet: summed for who moved, complete or said not to be."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import InventoryError
from launchpad.operations.observation.metered import metered
from launchpad.operations.observation.metrics import merged, metrics
from launchpad.workspace import Workspace
from tests.cli.test_operations import launchpad
from tests.operations.places import behave, open_workspace, replies, requests
from tests.operations.places import write_workspace as write
from tests.ssh.sshd import Sshd, free_port

Answers = Callable[..., None]
MONTH = "2026-11"
USED = {
    "period": MONTH, "cpu_seconds": 7200.5, "memory_gib_hours": 360.25, "disk_gib_hours": 720.0,
    "received_bytes": 5 << 30, "sent_bytes": 1 << 20, "restarts": 1, "observed_seconds": 3600.0 * 360,
}  # fmt: skip
HEAD = (
    "period,tenant,hosts,cpu_seconds,memory_gib_hours,disk_gib_hours,received_bytes,sent_bytes,restarts,observed_hours"
)
TEXT = """# HELP launchpad_a A.
# TYPE launchpad_a gauge
launchpad_a{{host="{0}"}} 1
# HELP launchpad_b B.
# TYPE launchpad_b counter
launchpad_b{{host="{0}"}} 2
"""


@pytest.fixture
def other(tmp_path: Path, sshd: Sshd) -> Iterator[Sshd]:
    """A second host, which the same key enters."""
    server = Sshd(tmp_path / "other")
    server.folder.mkdir()
    for end in ("", ".pub"):
        shutil.copy(f"{sshd.key}{end}", f"{server.key}{end}")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def workspace(tmp_path: Path, sshd: Sshd, other: Sshd) -> Workspace:
    root = write(tmp_path / "fleet", {"web-1": sshd, "web-2": other}, {"alice": "web-1", "bob": "web-2"})
    return open_workspace(root, sshd)


@pytest.fixture
def answers(sshd: Sshd, other: Sshd) -> Answers:
    """Both hosts say the same."""

    def answer(*used: dict[str, Any]) -> None:
        told = [
            {"tenant": item.pop("tenant"), "period": item.pop("period"), "amounts": item} for item in map(dict, used)
        ]
        lines = [{"type": "used", "used": told}, *replies({"clock": 1.0})["lines"]]
        for number, host in enumerate((sshd, other), start=1):
            behave(
                host, metered={"lines": lines}, metrics=replies({"lines": TEXT.format(f"web-{number}").splitlines()})
            )

    return answer


def test_who_moved_has_the_sum_of_its_hosts_and_every_host_is_asked(
    workspace: Workspace, answers: Answers, sshd: Sshd, other: Sshd
) -> None:
    answers(USED | {"tenant": "alice"})
    found = metered(workspace, MONTH, ["alice"])
    (use,) = found.uses
    assert (use.hosts, use.cpu_seconds, use.restarts, use.observed_hours) == (("web-1", "web-2"), 14401.0, 2, 720.0)
    assert not found.unreachable
    for host in (sshd, other):
        assert [item["body"] for item in requests(host)] == [{"month": MONTH, "tenants": ["alice"]}]


def test_a_host_s_name_is_that_host_alone_and_a_name_that_nobody_knows_is_a_mistake(
    workspace: Workspace, answers: Answers
) -> None:
    answers(USED | {"tenant": "gone"})
    assert metered(workspace, MONTH, ["web-1"]).uses[0].hosts == ("web-1",)
    assert metered(workspace, MONTH, ["gone"]).uses[0].tenant == "gone", "it is not in the inventory any more"
    with pytest.raises(InventoryError, match="no tenant or host alcie"):
        metered(workspace, MONTH, ["alcie"])


def test_table_csv_and_json_have_the_same_numbers(workspace: Workspace, answers: Answers) -> None:
    answers(USED | {"tenant": "alice"}, USED | {"tenant": "bob", "cpu_seconds": 0.25})
    shown = launchpad(workspace, "usage", "--month", MONTH)
    assert shown.code == 0
    assert shown.out.splitlines()[0].split("  ")[0] == "TENANT"
    assert "4.00 h" in shown.out and "10 GiB" in shown.out and "720.0 h" in shown.out
    lines = launchpad(workspace, "usage", "--all", "--month", MONTH, "--csv").out.splitlines()
    assert lines[0] == HEAD
    assert lines[1] == "2026-11,alice,web-1 web-2,14401.0,720.5,1440.0,10737418240,2097152,2,720.0"
    data = launchpad(workspace, "--json", "usage", "--month", MONTH).json
    assert [(item["tenant"], item["cpu_seconds"]) for item in data] == [("alice", 14401.0), ("bob", 0.5)]
    hours = [USED | {"tenant": "alice", "period": f"2026-11-30T{hour}:00Z"} for hour in (18, 19)]
    answers(*hours)
    table = launchpad(workspace, "usage", "alice", "--month", MONTH, "--hours").out
    assert table.startswith("HOUR") and "2026-11-30T19:00Z" in table


@pytest.mark.parametrize(
    "words",
    [("--csv",), ("--hours",), ("--month", "2026-13"), ("--month", "november"), ("alice", "--all", "--month", MONTH)],
)
def test_words_that_make_no_sense(workspace: Workspace, words: tuple[str, ...]) -> None:
    assert launchpad(workspace, "usage", *words).code == 2


def test_a_host_that_does_not_answer_is_said_and_never_a_smaller_bill_in_silence(
    tmp_path: Path, sshd: Sshd, answers: Answers
) -> None:
    root = write(tmp_path / "fleet", {"web-1": sshd, "web-2": free_port()}, {"alice": "web-1"})
    workspace = open_workspace(root, sshd)
    answers(USED | {"tenant": "alice"})
    shown = launchpad(workspace, "usage", "--month", MONTH)
    assert shown.code == 8 and "web-2" in shown.err and "alice" in shown.out
    text = launchpad(workspace, "metrics")
    assert text.code == 8 and 'launchpad_up{host="web-2"} 0' in text.out and 'launchpad_up{host="web-1"} 1' in text.out
    file = tmp_path / "node-exporter/launchpad.prom"
    assert launchpad(workspace, "metrics", "--all", "--output", str(file)).code == 0
    assert file.read_text() == text.out
    assert file.stat().st_mode & 0o777 == 0o644


def test_the_metrics_of_several_hosts_stand_together_by_name(workspace: Workspace, answers: Answers) -> None:
    answers()
    lines = metrics(workspace).text.splitlines()
    assert lines[1:4] == ["# TYPE launchpad_up gauge", 'launchpad_up{host="web-1"} 1', 'launchpad_up{host="web-2"} 1']
    both = merged([TEXT.format("web-1"), TEXT.format("web-2")]).splitlines()
    assert both == [
        "# HELP launchpad_a A.", "# TYPE launchpad_a gauge",
        'launchpad_a{host="web-1"} 1', 'launchpad_a{host="web-2"} 1',
        "# HELP launchpad_b B.", "# TYPE launchpad_b counter",
        'launchpad_b{host="web-1"} 2', 'launchpad_b{host="web-2"} 2',
    ]  # fmt: skip
    assert lines[4:] == both, "as the hosts sent them"
    assert launchpad(workspace, "--json", "metrics", "web-1").json["metrics"].count("launchpad_up{") == 1
