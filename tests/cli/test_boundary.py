"""Every error ends as one message, a hint and an exit code; no traceback and no secret reaches anyone."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from launchpad import errors
from launchpad.cli import boundary
from launchpad.cli.output import Output
from launchpad.cli.unwritable import Unwritable
from launchpad.errors import HostError, LaunchpadError, LockedError, PartialError, StateError, StepFailed
from launchpad.fleet.words.secret import Secret
from launchpad.runner.hint import Next
from tests.cli.terminal import Terminal

CODES = {
    errors.InventoryError: 3,
    errors.StateError: 4,
    errors.LockedError: 5,
    errors.HostError: 6,
    errors.StepFailed: 6,
    errors.ServiceError: 7,
    errors.PartialError: 8,
}


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run(arguments: list[str], session: object) -> int:
        raise error

    monkeypatch.setattr(boundary, "_run", run)


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_each_kind_has_its_exit_code(
    kind: type[LaunchpadError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, kind("web-1: cannot connect", hint="launchpad host show web-1"))
    assert boundary.run(["status"]) == CODES[kind]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: web-1: cannot connect\nhint: launchpad host show web-1\n"


def test_under_json_the_error_is_the_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hint = "wait, or " + Next("attach", "x", "--host", "web-1")
    raising(monkeypatch, LockedError("busy", code="tenant-locked", hint=hint, host="web-1"))
    assert boundary.run(["deploy", "--json"]) == 5
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out)["error"] == {
        "error": "LockedError",
        "code": "tenant-locked",
        "host": "web-1",
        "message": "busy",
        "hint": "wait, or launchpad attach x --host web-1",
        "next": [{"command": "attach", "arguments": ["x", "--host", "web-1"]}],
        "exit_code": 5,
        "retry": True,
    }


def test_each_of_many_failures_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failures = {"web-1": HostError("web-1: away"), "web-2": StepFailed("web-2: no disk")}
    raising(monkeypatch, PartialError("2 of 3 hosts failed", failures=failures))
    assert boundary.run(["status"]) == 8
    assert capsys.readouterr().err == "error: 2 of 3 hosts failed\n  web-1: away\n  web-2: no disk\n"


def test_a_bug_is_one_line_and_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    key = Secret("sk-correct-horse")

    def run(arguments: list[str], session: object) -> int:
        local = key.reveal()
        raise ValueError(f"wrong with {key}" + local[:0])

    monkeypatch.setattr(boundary, "_run", run)
    assert boundary.run(["status"]) == 1
    lines = capsys.readouterr().err.splitlines()
    (file,) = tmp_path.iterdir()
    assert lines == [f"error: bug: ValueError: please report it with {file}", f"hint: less {file}"]
    text = file.read_text()
    assert "Traceback" in text
    assert "sk-correct-horse" not in text
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (BrokenPipeError(), 141)])
def test_an_end_from_outside_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    raising(monkeypatch, error)
    assert boundary.run(["status"]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "interrupted\n" if code == 130 else "")


def test_no_text_of_an_error_steers_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, StateError("host says \x1b]0;title\x07\x1b[2Jhello\r\n  second line"))
    boundary.run(["status"])
    assert capsys.readouterr().err == "error: host says \\x1b]0;title\\x07\\x1b[2Jhello\\r\n  second line\n"


@pytest.mark.parametrize("words", [("drill", "nobody"), ("backup", "nobody"), ("backups", "rewrap", "nobody")])
def test_under_json_what_failed_of_several_has_a_line_too(terminal: Terminal, words: tuple[str, ...]) -> None:
    printed = terminal(*words, "--json")
    assert printed.code == 3
    assert [json.loads(line)["error"]["message"] for line in printed.out.splitlines()] == [
        "no tenant nobody in the inventory"
    ]


@pytest.mark.programs
@pytest.mark.parametrize("size", [1, 2000])
def test_a_reader_that_goes_away_is_no_error(terminal: Terminal, size: int) -> None:
    command = f"'{sys.executable}' -c 'from launchpad.cli import main; main()' schema | head -c {size} >/dev/null"
    command += '; echo "${PIPESTATUS[0]}"'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, cwd=terminal.root)
    assert done.stderr == ""
    assert done.stdout.strip() in {"141", "0"}


CLOSED = ["check >&-", "check 2>&-", "check >&- 2>&-", "check <&- >&-", "nothing 2>&-", "--json x >&-", "--help >&-"]
FULL = ["check", "--json check", "--help", "schema"]


def in_bash(folder: Path, words: str) -> subprocess.CompletedProcess[str]:
    """Run launchpad with these words and redirections."""
    command = f"'{sys.executable}' -c 'from launchpad.cli import main; main()' {words}"
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=folder)


@pytest.mark.programs
@pytest.mark.parametrize("buffered", ["", "PYTHONUNBUFFERED"])
@pytest.mark.parametrize("words", FULL)
def test_a_full_output_is_an_error_with_its_cause(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, words: str, buffered: str
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    monkeypatch.setenv(buffered or "UNUSED", "1")
    done = in_bash(terminal.root, f"{words} >/dev/full")
    assert (done.returncode, done.stderr) == (74, "error: cannot write: No space left on device\nhint: df -h\n")


@pytest.mark.programs
@pytest.mark.parametrize("words", ["check", "nothing", "--json nothing"])
def test_where_nobody_can_be_told_the_exit_code_is_left(terminal: Terminal, words: str) -> None:
    assert in_bash(terminal.root, f"{words} >/dev/full 2>&1").returncode in {2, 74}


@pytest.mark.programs
@pytest.mark.parametrize("words", CLOSED)
def test_a_closed_output_is_as_good_as_none(terminal: Terminal, words: str) -> None:
    done, plain = in_bash(terminal.root, words), in_bash(terminal.root, words.replace("&-", "/dev/null"))
    assert done.returncode == plain.returncode
    assert "Traceback" not in done.stderr and "bug" not in done.stderr


def test_an_output_that_fails_is_no_broken_connection() -> None:
    full = io.TextIOWrapper(Path("/dev/full").open("wb", buffering=0), write_through=True)  # noqa: SIM115
    with full, pytest.raises(Unwritable):  # an OSError would be retried as a lost connection
        Output(json=True, color=False, stdout=full).item({"event": "step"}, "")


def test_an_interrupt_at_the_terminal_ends_it(terminal: Terminal) -> None:
    program = (
        "import os, signal, launchpad.cli.boundary as b; b._run = lambda *a: os.kill(os.getpid(), signal.SIGINT); "
    )
    program += "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a job in the background inherits none
    program += "raise SystemExit(b.run(['check']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_no_colour_off_a_terminal(terminal: Terminal) -> None:
    printed = [terminal("check"), terminal("tenant", "list"), terminal("nothing")]
    assert all("\x1b" not in one.out + one.err for one in printed)


PLAIN = [({"NO_COLOR": "1"}, ()), ({}, ("--no-color",)), ({"TERM": "dumb"}, ())]


@pytest.mark.programs
@pytest.mark.parametrize(("variables", "options"), PLAIN)
def test_no_colour_in_an_error_either(terminal: Terminal, variables: dict[str, str], options: tuple[str, ...]) -> None:
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", **variables}
    command = [sys.executable, "-c", "from launchpad.cli import main; main()", "tenant", "show", "nobody", *options]
    done = subprocess.run(
        command, stdout=child, stderr=child, stdin=subprocess.DEVNULL, env=environment, check=False, cwd=terminal.root
    )
    os.close(child)
    printed = os.read(parent, 65536)
    os.close(parent)
    assert done.returncode == 3 and b"error:" in printed
    assert b"\x1b" not in printed


@pytest.mark.programs
@pytest.mark.parametrize(
    ("variables", "options", "coloured"),
    [({}, (), True), ({"NO_COLOR": "1"}, (), False), ({}, ("--no-color",), False), ({"TERM": "dumb"}, (), False)],
)
@pytest.mark.parametrize("words", [("tenant", "list"), ("check",)])
def test_colour_on_a_terminal(
    terminal: Terminal, words: tuple[str, ...], variables: dict[str, str], options: tuple[str, ...], coloured: bool
) -> None:
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", **variables}
    command = [sys.executable, "-c", "from launchpad.cli import main; main()", *words, *options]
    subprocess.run(command, stdout=child, stdin=subprocess.DEVNULL, env=environment, check=True, cwd=terminal.root)
    os.close(child)
    printed = os.read(parent, 65536)
    os.close(parent)
    assert b"alice" in printed
    assert ((b"\x1b[" in printed), rb"\x1b" in printed) == (coloured, False)


@pytest.mark.parametrize("words", ["backup", "drill", "backups forget", "backups rewrap", "backups verify"])
def test_what_was_asked_for_by_name_and_cannot_be_done_is_an_error(terminal: Terminal, words: str) -> None:
    printed = terminal(*words.split(), "alice")
    assert printed.code == 3
    assert printed.err.splitlines() == [
        "error: alice: tier standard has no backups",
        "hint: write backup: {targets: [TARGET]} under standard in inventory/tiers.yaml",
    ]


@pytest.mark.parametrize("words", ["backup", "drill", "backups forget", "backups rewrap", "backups verify"])
def test_all_says_whom_it_is_nothing_for(terminal: Terminal, words: str) -> None:
    printed = terminal(*words.split(), "--all")
    nothing = "nothing to do: no tenant's tier has backups\n"
    assert (printed.code, printed.err) == (0, f"{nothing}warning: tenants whose tier has no backups: alice, bob\n")
