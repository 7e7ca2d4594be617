"""The operations' commands, from the words typed to the bytes printed, against a real sshd."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.testing

from launchpad.cli.app import app, load
from launchpad.cli.provisioning import described
from launchpad.cli.registry import SECTIONS
from launchpad.cli.session import Session
from launchpad.errors import LaunchpadError
from launchpad.operations.hosts.provision import ProvisionPlan
from launchpad.operations.requests.render import render
from launchpad.operations.tenants.plan_fleet import plan_fleet
from launchpad.runner.wire.host_bodies import StepOutline
from launchpad.workspace import Workspace
from tests.operations.places import TOKEN, behave, environment_of, observed, open_workspace, replies, requests
from tests.operations.places import write_workspace as write
from tests.ssh.sshd import Sshd, free_port


@dataclass
class Ran:
    code: int
    out: str
    err: str
    error: BaseException | None

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def workspace(tmp_path: Path, sshd: Sshd) -> Workspace:
    root = write(tmp_path / "fleet", {"web-1": sshd}, {"alice": "web-1", "bob": "web-1"})
    return open_workspace(root, sshd)


def launchpad(workspace: Workspace, *words: str) -> Ran:
    """One run of the command line; an error that the boundary would print is in `error`."""
    session = Session(environment=environment_of(workspace.root))
    session.workspace = workspace
    runner = typer.testing.CliRunner()
    result = runner.invoke(app, list(words), obj=session)
    error = result.exception
    code = error.exit_code if isinstance(error, LaunchpadError) else result.exit_code
    return Ran(code, result.stdout, result.stderr, error)


def healthy(workspace: Workspace, *names: str, **more: Any) -> dict[str, Any]:
    return observed({name: {"record": {"release": render(workspace, name).release.short}} | more for name in names})


def test_a_deploy_says_its_steps_with_their_times_and_how_it_ended(workspace: Workspace) -> None:
    ran = launchpad(workspace, "deploy", "alice")
    assert ran.code == 0
    assert ran.out == "alice: deploy done in 0.0 s\n"
    assert "✓ alice: pull images  0.0 s" in ran.err
    assert TOKEN not in ran.out + ran.err


def test_under_json_every_line_is_an_object_and_the_last_is_the_outcome(workspace: Workspace) -> None:
    lines = launchpad(workspace, "deploy", "alice", "--json").lines
    assert [line.get("event") for line in lines[:2]] == ["operation-started", "step-started"]
    assert (lines[-1]["outcome"], lines[-1]["tenant"]) == ("done", "alice")


def test_a_failed_deploy_exits_6_and_says_what_to_type(workspace: Workspace, sshd: Sshd) -> None:
    body = {"id": "x", "outcome": "undone", "message": "web exited with 1", "lines": ["boom"], "seconds": 1}
    behave(sshd, submit=replies(body))
    ran = launchpad(workspace, "deploy", "alice")
    assert ran.code == 6
    assert "web exited with 1" in str(ran.error)
    (line,) = launchpad(workspace, "deploy", "alice", "--json").lines
    assert line["error"]["exit_code"] == 6
    assert line["error"]["operation"]["lines"] == ["boom"]


def test_nothing_to_do_is_said(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, submit=replies({"id": "x", "outcome": "unchanged", "message": "", "lines": [], "release": "0"}))
    assert "nothing to do" in launchpad(workspace, "deploy", "alice").out


def test_status_is_a_table_of_eighty_columns(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=replies(healthy(workspace, "alice")))
    ran = launchpad(workspace, "status")
    assert ran.code == 0
    assert ran.out.splitlines()[0].split() == [
        "TENANT",
        "HOST",
        "STATE",
        "VERSION",
        "PROBES",
        "AGE",
        "BACKUP",
        "PROVEN",
    ]
    assert "alice   web-1  healthy  1.0.0    1/1     16 min" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
    assert launchpad(workspace, "status", "--json").json["tenants"][1]["state"] == "absent"


def test_a_broken_tenant_has_the_command_that_names_the_cause(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=replies(healthy(workspace, "alice", breaker={"reason": "web died 5 times"})))
    assert launchpad(workspace, "status", "alice").err.splitlines() == [
        "alice: web died 5 times",
        "alice: to see the cause: launchpad diagnose alice",
    ]


def test_the_worst_alert_stands_first(workspace: Workspace, sshd: Sshd) -> None:
    alert = {"tenant": "", "layer": "clock", "grade": "warning", "message": "m", "hint": "", "since": 0.0, "told": 0.0}
    alert |= {"ends": False}
    body = {"clock": 60.0, "destinations": [{"name": "team", "version": 1}], "silences": [], "waiting": []}
    behave(sshd, alerts=replies(body | {"alerts": [alert, alert | {"tenant": "alice", "grade": "critical"}]}))
    rows = launchpad(workspace, "alerts", "list").out.splitlines()[1:]
    assert ["critical" in row for row in rows] == [True, False]


def test_check_tells_cron_whether_somebody_has_to_look(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=replies(healthy(workspace, "alice", "bob")))
    assert launchpad(workspace, "status", "--check").code == 0
    behave(sshd, observe=replies(healthy(workspace, "alice")))
    assert launchpad(workspace, "status").code == 0
    assert launchpad(workspace, "status", "--check").code == 4
    behave(sshd, observe=replies(healthy(workspace, "alice", "bob", drift=["a file was changed"])))
    ran = launchpad(workspace, "status", "alice", "--check")
    assert ran.code == 4
    assert "changed by hand: a file was changed" in ran.err


def test_a_hosts_warnings_are_told_in_one_line(workspace: Workspace, sshd: Sshd) -> None:
    body = healthy(workspace, "alice", "bob")
    clock = {"layer": "clock", "grade": "warning", "message": "chrony has no time server that answers"}
    load = {"layer": "load", "grade": "warning", "message": "9.1 programs want 2 CPUs"}
    body["host"]["health"] = [clock, load, {"layer": "disk", "grade": "ok", "message": "40 GB are free"}]
    behave(sshd, observe=replies(body))
    ran = launchpad(workspace, "status", "--check")
    assert ran.code == 0
    warnings = "load: 9.1 programs want 2 CPUs; clock: chrony has no time server that answers"
    assert f"web-1: warning: {warnings}: launchpad health web-1\n" in ran.err


def test_a_host_without_destinations_is_not_called_free_of_problems(workspace: Workspace, sshd: Sshd) -> None:
    body = {"clock": 0.0, "destinations": [], "alerts": [], "silences": [], "waiting": []}
    behave(sshd, alerts=replies(body))
    ran = launchpad(workspace, "alerts", "list")
    assert ran.out == "not known: a host without a destination lists no problems; to see them: launchpad health\n"
    behave(sshd, alerts=replies(body | {"destinations": [{"name": "team", "version": 1}]}))
    assert launchpad(workspace, "alerts", "list").out == "no problems\n"


TEAM = {"name": "team", "version": 1}


def test_a_silence_is_told_to_the_minute(workspace: Workspace, sshd: Sshd) -> None:
    quiet = {"tenant": "alice", "until": 7195.0, "who": "bob", "why": ""}
    body = {
        "clock": 0.0,
        "destinations": [{"name": "team", "version": 1}],
        "alerts": [],
        "silences": [quiet],
        "waiting": [],
    }
    behave(sshd, alerts=replies(body))
    assert "alice: silent for 119 min 55 s more, by bob\n" in launchpad(workspace, "alerts", "list").err


def test_each_open_alert_has_the_command_to_type_and_its_runbook(workspace: Workspace, sshd: Sshd) -> None:
    alert = {"tenant": "", "layer": "docker", "grade": "critical", "message": "Docker does not answer", "since": 0.0}
    alert |= {"hint": [["provision", "@HOST"]], "told": 0.0, "ends": False}
    alerts = [
        alert,
        alert | {"tenant": "alice", "layer": "ready", "hint": ""},
        alert | {"layer": "caddy", "ends": True},
    ]
    body = {
        "clock": 60.0,
        "destinations": [{"name": "team", "version": 1}],
        "alerts": alerts,
        "silences": [],
        "waiting": [],
    }
    behave(sshd, alerts=replies(body))
    assert launchpad(workspace, "alerts", "list").err.splitlines() == [
        "web-1 docker: launchpad provision web-1; launchpad runbook host-docker",
        "alice ready: launchpad runbook tenant-ready",
    ]


def test_a_plan_of_a_provision_counts_the_steps_that_do_something() -> None:
    steps = tuple(StepOutline(step=step, title=step) for step in ("packages", "commit", "caddy"))
    told = described(ProvisionPlan(host="web-1", bare=True, steps=steps, diffs=()))
    assert told.splitlines() == ["web-1: a bare host; 2 steps", "  packages", "  caddy"]


def test_what_the_watch_found_is_told_with_since_when_and_what_to_type_and_somebody_has_to_look(
    workspace: Workspace, sshd: Sshd
) -> None:
    since = time.time() - 60
    when = time.strftime("%m-%d %H:%M", time.localtime(since))
    found = {"subject": "watch", "message": "not watched", "hint": [["provision", "@HOST"]], "since": since}
    body = healthy(workspace, "alice", "bob")
    body["host"]["findings"] = [found]
    behave(sshd, observe=replies(body))
    ran = launchpad(workspace, "status", "--check")
    assert ran.code == 4
    assert f"web-1: not watched (since {when}): launchpad provision web-1\n" in ran.err
    told = launchpad(workspace, "status", "--json").json
    assert not told["good"] and told["hosts"]["web-1"]["findings"] == [found | {"hint": "launchpad provision web-1"}]
    body["host"]["findings"] = []
    body["tenants"]["alice"]["findings"] = [found | {"message": "web is ill", "hint": "", "since": 0}]
    behave(sshd, observe=replies(body))
    ran = launchpad(workspace, "status", "--check")
    assert ran.code == 4 and "alice: web is ill\n" in ran.err


def test_status_of_hosts_that_do_not_answer_exits_6_or_8(tmp_path: Path, sshd: Sshd) -> None:
    root = write(tmp_path / "x", {"web-1": sshd, "web-2": free_port()}, {"alice": "web-1", "carol": "web-2"})
    workspace = open_workspace(root, sshd)
    behave(sshd, observe=replies(healthy(workspace, "alice")))
    ran = launchpad(workspace, "status")
    assert ran.code == 8
    assert "healthy" in ran.out
    assert "web-2: cannot connect" in ran.err
    sshd.stop()
    assert launchpad(workspace, "status").code == 8
    assert launchpad(workspace, "status", "web-2").code == 6
    assert launchpad(workspace, "status", "carol", "--json").json["tenants"][0]["state"] == "unreachable"


def test_one_silent_host_of_several_exits_8_and_the_only_host_6(tmp_path: Path, sshd: Sshd) -> None:
    root = write(tmp_path / "x", {"web-1": sshd, "web-2": free_port()}, {"alice": "web-1", "carol": "web-2"})
    workspace = open_workspace(root, sshd)
    empty = {"clock": 0.0, "destinations": [], "alerts": [], "silences": [], "waiting": []}
    answers = {"observe": healthy(workspace, "alice"), "history": {"operations": []}, "rollouts": {"rollouts": []}}
    answers |= {"metrics": {"lines": []}, "alerts": empty, "silence": {"silences": []}}
    answers |= {"usage": {"tenants": {}, "images": {}, "disk": {"free": 1, "total": 2}, "images_free": 1}}
    behave(sshd, **{verb: replies(body) for verb, body in answers.items()})
    for command in ("plan", "history", "certificates", "metrics", "usage", "alerts list"):
        words = command.split()
        assert launchpad(workspace, *words).code == 8, words
        assert launchpad(workspace, *words, "web-2").code == 6, words
    assert launchpad(workspace, "rollouts").code == 8


def test_a_silence_that_no_host_took_is_not_told_as_one(tmp_path: Path, sshd: Sshd) -> None:
    workspace = open_workspace(write(tmp_path / "x", {"web-1": free_port()}, {"alice": "web-1"}), sshd)
    ran = launchpad(workspace, "alerts", "silence", "alice")
    assert (ran.code, ran.out) == (6, "")


def test_plan_shows_what_apply_does_after_a_yes(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=replies(healthy(workspace, "bob")))
    planned = launchpad(workspace, "plan")
    assert "web-1  deploy alice: is not on the host yet" in planned.out
    digest = plan_fleet(workspace).digest
    assert f"plan {digest}: 1 change" in planned.out

    asked = launchpad(workspace, "apply")
    assert asked.code == 4, "there is nobody to ask in a test"
    assert "submit" not in [request["verb"] for request in requests(sshd)]
    ran = launchpad(workspace, "apply", "--yes")
    assert (ran.code, ran.out) == (0, "1 change applied\n")


def test_a_host_that_does_not_answer_has_not_nothing_to_do(tmp_path: Path, sshd: Sshd) -> None:
    root = write(tmp_path / "x", {"web-1": sshd, "web-2": free_port()}, {"alice": "web-1", "carol": "web-2"})
    workspace = open_workspace(root, sshd)
    behave(sshd, observe=replies(healthy(workspace, "alice")))
    planned = launchpad(workspace, "plan")
    assert (planned.code, planned.out.splitlines()[-1]) == (8, "nothing to do on any other host")
    alone = launchpad(workspace, "plan", "web-2")
    assert (alone.code, "nothing to do" in alone.out) == (6, False)
    ran = launchpad(workspace, "apply", "web-2")
    assert (ran.code, ran.out, "nothing to do" in ran.err) == (6, "nothing was changed\n", False)


def test_apply_takes_the_digest_of_a_plan_as_its_confirmation(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=replies(healthy(workspace, "bob")))
    digest = launchpad(workspace, "plan", "--json").json["digest"]
    assert launchpad(workspace, "apply", "--confirm", "0" * 12).code == 4
    lines = launchpad(workspace, "apply", "--confirm", digest, "--json").lines
    assert lines[-1]["results"]["alice"]["outcome"] == "done"


def test_retire_does_not_happen_without_a_yes(workspace: Workspace, sshd: Sshd) -> None:
    assert launchpad(workspace, "retire", "alice").code == 4
    assert requests(sshd) == []
    assert launchpad(workspace, "retire", "alice", "--yes", "--purge").code == 0
    assert requests(sshd)[0]["body"]["operation"]["purge"] is True


def test_render_prints_files_and_no_secret(workspace: Workspace, sshd: Sshd) -> None:
    everything = launchpad(workspace, "render", "alice")
    assert "--- compose.yaml" in everything.out
    assert TOKEN not in everything.out
    one = launchpad(workspace, "render", "alice", "--file", "site.caddy")
    assert "alice.example.com" in one.out
    assert launchpad(workspace, "render", "alice", "--file", "nothing").code == 4
    assert launchpad(workspace, "render", "alice", "--json").json["release"] == render(workspace, "alice").release.short
    assert requests(sshd) == []


def test_logs_name_the_tenant_only_where_there_are_several(workspace: Workspace, sshd: Sshd) -> None:
    line = {
        "type": "log",
        "tenant": "alice",
        "source": "alice/1",
        "service": "web",
        "at": "2026-11-22T10:00:01.5Z",
        "text": "\x1b[31mhello\x1b[2J",
    }
    end = {"type": "reply", "protocol": 1, "runner": "0.1.0", "body": {}}
    behave(sshd, logs={"lines": [line, end]})
    one = launchpad(workspace, "logs", "alice", "--since", "10m")
    assert one.error is None
    assert one.out == "2026-11-22 10:00:01 web | hello\\x1b[2J\n", "nothing steers the terminal"
    assert "alice web | hello" in launchpad(workspace, "logs", "alice", "bob").out
    assert launchpad(workspace, "logs", "alice", "--since", "soon").code == 2
    assert "lines" not in requests(sshd)[0]["body"]


def test_a_gap_is_a_line_for_people_and_a_record_for_programs(workspace: Workspace, sshd: Sshd) -> None:
    named = {"tenant": "alice", "service": "web", "source": "alice/abc", "at": "2026-11-22T10:00:05.500000000Z"}
    gap = named | {"type": "gap", "after": "2026-11-22T10:00:01.250000000Z"}
    end = {"type": "reply", "protocol": 1, "runner": "0.1.0", "body": {}}
    behave(sshd, logs={"lines": [gap, named | {"type": "log", "text": "five"}, end]})
    first, second = launchpad(workspace, "logs", "alice").out.splitlines()
    assert first.startswith(
        "2026-11-22 10:00:05 web | --- gap: between 2026-11-22 10:00:01.250 and 2026-11-22 10:00:05.5"
    )
    assert second == "2026-11-22 10:00:05 web | five"
    records = [json.loads(line) for line in launchpad(workspace, "logs", "alice", "--json").out.splitlines()]
    assert [(item["host"], item["tenant"], item.get("after", "")[:19]) for item in records] == [
        ("web-1", "alice", "2026-11-22T10:00:01"),
        ("web-1", "alice", ""),
    ]


def test_the_words_of_logs_reach_the_host(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, logs={"lines": [{"type": "reply", "protocol": 1, "runner": "0.1.0", "body": {}}]})
    words = ("--level", "warning", "--service", "web", "--service", "store", "--grep", "a|b")
    assert launchpad(workspace, "logs", "--host", "web-1", *words).error is None
    asked = requests(sshd)[-1]["body"]
    assert (asked["level"], asked["services"], asked["grep"]) == ("warning", ["web", "store"], "a|b")
    assert "alice" in asked["tenants"]


@pytest.mark.parametrize(
    "words",
    [(), ("alice", "--all"), ("alice", "--grep", "("), ("alice", "--grep", "x" * 201), ("alice", "--level", "loud")],
)
def test_words_of_logs_that_mean_nothing_are_wrong_usage(workspace: Workspace, words: tuple[str, ...]) -> None:
    assert launchpad(workspace, "logs", *words).code == 2


def test_history_is_a_table_and_has_steps_on_demand(workspace: Workspace, sshd: Sshd) -> None:
    step = {"step": "drain", "title": "wait for open requests", "result": "done", "seconds": 0.5}
    entry: dict[str, object] = {
        "id": "op-0000000001",
        "kind": "deploy",
        "tenant": "alice",
        "who": "bob",
        "source": "198.51.100.4",
    }
    entry |= {"at": 1790000000.0, "outcome": "done", "message": "", "seconds": 2.0, "steps": [step]}
    behave(sshd, history=replies({"operations": [entry]}))
    assert "alice" in launchpad(workspace, "history").out
    detailed = launchpad(workspace, "history", "alice", "--steps").out
    assert "by bob from 198.51.100.4" in detailed
    assert "done     wait for open requests  0.5 s" in detailed
    assert launchpad(workspace, "history", "--json").json["operations"][0]["id"] == "op-0000000001"


def test_history_names_what_it_does_not_show_of_a_tenant_that_was_moved(workspace: Workspace, sshd: Sshd) -> None:
    entry = {"id": "op-0000000001", "kind": "arrive", "tenant": "alice", "who": "bob", "source": "", "at": 1.0}
    behave(sshd, history=replies({"operations": [entry | {"outcome": "done", "message": "", "seconds": 2.0}]}))
    told = "alice came from another host, which has the earlier operations; to see them: launchpad history\n"
    assert told in launchpad(workspace, "history", "alice").err
    assert told not in launchpad(workspace, "history").err
    assert told not in launchpad(workspace, "history", "alice", "--json").err


def test_a_step_that_never_ran_is_not_said_to_wait_for_something(workspace: Workspace, sshd: Sshd) -> None:
    entry: dict[str, object] = {"id": "op-0000000001", "kind": "deploy", "tenant": "alice", "who": "bob", "source": ""}
    steps = [
        {"step": "a", "title": "place release", "result": "undone", "seconds": 0.1},
        {"step": "b", "title": "start", "result": "failed", "seconds": None},
        {"step": "c", "title": "switch", "result": "waiting", "seconds": None},
    ]
    entry |= {"at": 1.0, "outcome": "undone", "message": "", "seconds": 2.0, "steps": steps}
    behave(sshd, history=replies({"operations": [entry]}))
    lines = launchpad(workspace, "history", "alice", "--steps").out.splitlines()
    assert lines[1:4] == ["  undone   place release  0.1 s", "  failed   start", "  not run  switch"]
    entry["outcome"] = None
    behave(sshd, history=replies({"operations": [entry]}))
    assert "  waiting  switch" in launchpad(workspace, "history", "alice", "--steps").out


def test_history_shows_what_the_watch_did_by_itself_among_what_was_asked_for(workspace: Workspace, sshd: Sshd) -> None:
    entry = {"id": "op-0000000001", "kind": "deploy", "who": "bob", "source": "", "outcome": "done"}
    did = {"at": 1790000050.0, "subject": "apps", "tenant": "alice", "message": "web died; started again"}
    operations = [entry | {"at": 1790000000.0}, entry | {"id": "op-0000000002", "at": 1790000100.0}]
    behave(sshd, history=replies({"operations": operations, "watch": [did]}))
    rows = launchpad(workspace, "history").out.splitlines()
    assert ["watch" in row and "web died" in row for row in rows].index(True) == 2, rows
    assert launchpad(workspace, "history", "--json").json["watch"] == [did | {"host": "web-1", "who": "watch"}]
    assert "web died; started again: alice on web-1" in launchpad(workspace, "history", "--steps").out
    assert "web died" not in launchpad(workspace, "history", "--limit", "1").out


def test_open_prints_the_link_alone(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, act=replies({"code": 0, "out": '{"browserUrl": "http://127.0.0.1:1/?t=x"}', "err": ""}))
    assert launchpad(workspace, "open", "alice").out == "https://alice.example.com/?t=x\n"


def test_trust_takes_the_fingerprint_that_is_the_host_s(tmp_path: Path, sshd: Sshd) -> None:
    root = write(tmp_path / "new", {"web-1": sshd.port}, {"alice": "web-1"})
    workspace = open_workspace(root, sshd)
    refused = launchpad(workspace, "deploy", "alice")
    assert refused.code == 6
    assert getattr(refused.error, "hint", "").startswith("launchpad trust web-1")
    assert launchpad(workspace, "trust", "web-1", "--fingerprint", "SHA256:" + "x" * 43).code == 6
    assert launchpad(workspace, "trust", "web-1", "--fingerprint", sshd.fingerprint).code == 0
    assert launchpad(workspace, "deploy", "alice").code == 0


def test_a_terminal_gets_a_short_account_and_no_live_line_is_left_behind(workspace: Workspace) -> None:
    from launchpad.cli.output import Output
    from launchpad.cli.progress import telling
    from launchpad.operations.tenants.deploy import deploy

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    with telling(Output(json=False, color=True, stdout=io.StringIO(), stderr=screen)) as on_event:
        deploy(workspace, "alice", on_event=on_event)
    assert "✓\x1b[0m alice: deploy, 3 steps in 0.0 s\n" in screen.getvalue()
    assert "\x1b[?25h" in screen.getvalue(), "the cursor is shown again"


@pytest.mark.parametrize("name", [entry.name for title in ("Operations", "Observation") for entry in SECTIONS[title]])
def test_every_command_has_help_with_an_example(name: str) -> None:
    entry = next(entry for section in SECTIONS.values() for entry in section if entry.name == name)
    command = load(entry)
    assert command.help
    assert command.epilog.startswith(f"Example: launchpad {name}")


@pytest.mark.parametrize(
    "words",
    [
        ("logs", "alice", "--since", "foo"),
        ("upgrade", "alice", "--to", "1.1.0", "--soak", "foo"),
        ("move", "alice", "--to", "web-2", "--wait", "foo"),
        ("export", "alice", "--encrypt-for", "foo"),
    ],
    ids=" ".join,
)
def test_a_value_that_is_none_of_its_option_is_a_usage_error(workspace: Workspace, words: tuple[str, ...]) -> None:
    ran = launchpad(workspace, *words)
    assert ran.code == 2 and str(ran.error).startswith(f"{words[-2]}: bad ")
    assert launchpad(workspace, *words, "--json").code == 2


def test_with_nobody_to_answer_a_question_every_command_leaves_alike(workspace: Workspace) -> None:
    for words in (("retire", "alice"), ("import", "alice", "--from", "bob@127.0.0.1:")):
        ran = launchpad(workspace, *words)
        assert ran.code == 4 and "annot ask" in str(ran.error), ran
