"""Programs are run without a shell, without the caller's environment, and not for ever."""

from __future__ import annotations

import shutil

import pytest

from launchpad.runner.host import Failed
from launchpad.runner.machine.command import ProgramOutput, run, succeed

pytestmark = pytest.mark.skipif(shutil.which("setpriv") is None, reason="util-linux is not installed")


def test_words_are_never_read_by_a_shell() -> None:
    assert run(["printf", "%s|", "$(id)", "a b", ";x"]).out == b"$(id)|a b|;x|"


def test_standard_input_is_the_only_way_in_and_nothing_of_it_is_shown() -> None:
    said = run(["cat"], stdin=b"sesame")
    assert said.out == b"sesame"
    assert "sesame" not in repr(said)


def test_the_callers_environment_stays_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "leaked")
    names = {line.split(b"=")[0] for line in run(["env"], environment={"GIVEN": "1"}).out.splitlines()}
    assert names == {b"PATH", b"LC_ALL", b"HOME", b"GIVEN"}


def test_a_failure_says_the_programs_last_words() -> None:
    with pytest.raises(Failed) as failed:
        succeed(["sh", "-c", "for i in 1 2 3 4 5; do echo line $i >&2; done; exit 3"])
    assert failed.value.message == "sh: line 3; line 4; line 5"
    assert failed.value.lines[0] == "line 1"


def test_a_failure_without_words_says_its_status() -> None:
    with pytest.raises(Failed, match="false: exit status 1"):
        succeed(["false"])


def test_a_program_that_does_not_end_is_ended() -> None:
    with pytest.raises(Failed, match=r"0\.1 s"):
        run(["sleep", "60"], seconds=0.1)


def test_a_status_is_for_the_caller_to_judge() -> None:
    assert run(["false"]) == ProgramOutput(1, b"", b"")
