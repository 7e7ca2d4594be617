"""What a stream gets: whole words on a terminal of whatever width, plain lines elsewhere, and nothing that steers."""

from __future__ import annotations

import io

import pytest

from launchpad.cli.output import Output, Table, fields
from launchpad.cli.screen import RED
from launchpad.cli.typed import apart, glued, unglued
from launchpad.errors import HostError, PartialError
from tests.cli.terminal import Tty

HEADINGS = ("when", "host", "tenant", "what", "who", "outcome", "operation")
USUAL = ("11-22 14:03", "web-1", "alice", "deploy", "sebastian", "incomplete", "0mhcq2k3a-7f3k9")
LONG = ("11-22 14:03", "frankfurt-web-12", "a-customer-of-some-length", "provision", "sebastian", "done", USUAL[-1])


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A terminal of eighty columns."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    return monkeypatch


def output(*, color: bool = False, terminal: bool = True) -> Output:
    stdout, stderr = (Tty(), Tty()) if terminal else (io.StringIO(), io.StringIO())
    return Output(json=False, color=color, stdout=stdout, stderr=stderr)


def out(of: Output) -> list[str]:
    assert isinstance(of.out.stream, io.StringIO)
    return of.out.stream.getvalue().splitlines()


def err(of: Output) -> list[str]:
    assert isinstance(of.err.stream, io.StringIO)
    return of.err.stream.getvalue().splitlines()


def table(*rows: tuple[str, ...], terminal: bool = True) -> list[str]:
    printed = output(terminal=terminal)
    printed.result(None, Table(HEADINGS, rows, firm=("when", "operation")))
    return out(printed)


def test_a_usual_history_is_one_line_an_operation(wide: object) -> None:
    assert len(table(USUAL, USUAL)) == 3


def test_what_does_not_fit_stands_in_two_lines_and_no_word_is_broken(wide: object) -> None:
    lines = table(LONG, USUAL)
    assert max(map(len, lines)) <= 80
    assert [line.split("  ") for line in (lines[2], lines[3].strip().replace("done        ", "done  "))] == [
        list(LONG[:2]),
        list(LONG[2:]),
    ]


MESSAGE = "watch: web:8080/startupz does not answer for 47 s; the watch restarted it, and the tenant answers again"


def test_the_last_cell_of_a_short_row_has_the_room_that_is_left(wide: object) -> None:
    head, usual, *message = table(USUAL, (*USUAL[:3], MESSAGE))
    assert len(message) == 2 and max(map(len, message)) <= 80
    at = head.index("WHAT")
    assert message[0].startswith("11-22 14:03  web-1  alice   watch: web:8080/startupz") and usual[at:].startswith(
        "deploy"
    )
    assert " ".join(line[at:].strip() for line in message) == MESSAGE and message[1][:at].strip() == ""


def test_a_short_row_is_one_line_off_a_terminal_and_a_line_a_cell_on_a_narrow_one(wide: pytest.MonkeyPatch) -> None:
    assert table(USUAL, (*USUAL[:3], MESSAGE), terminal=False)[2].endswith(f"alice   {MESSAGE}")
    wide.setenv("COLUMNS", "30")
    lines = table(LONG, (*USUAL[:3], MESSAGE))
    assert lines[lines.index("tenant  alice") + 1] == "what    watch:"


def test_a_narrow_terminal_gets_a_line_a_cell(wide: pytest.MonkeyPatch) -> None:
    wide.setenv("COLUMNS", "30")
    lines = table(LONG, USUAL)
    assert lines[1] == "host       frankfurt-web-12"
    assert lines[6:9] == ["operation  0mhcq2k3a-7f3k9", "", "when       11-22 14:03"]


def test_prose_in_a_table_goes_on_below(wide: object) -> None:
    printed = output()
    printed.result(None, Table(("name", "purpose"), (("A_TOKEN", "word " * 30),)))
    assert max(map(len, out(printed))) <= 80
    assert out(printed)[2].startswith("         word")


def test_off_a_terminal_a_line_is_a_line(wide: object) -> None:
    assert len(table(LONG, USUAL, terminal=False)) == 3
    printed = output(terminal=False)
    printed.result(None, "word " * 60)
    printed.say(f"next: launchpad check {'x' * 90}")
    assert (len(out(printed)), len(err(printed))) == (1, 1)


def test_sentences_break_between_words_and_go_on_indented(wide: object) -> None:
    printed = output()
    printed.result(None, "  " + "a-word-of-some-length " * 10)
    assert max(map(len, out(printed))) <= 80
    assert {line[:4] for line in out(printed)[1:]} == {"    "}
    assert set("".join(out(printed)).split()) == {"a-word-of-some-length"}


def test_the_value_of_a_field_goes_on_below_itself(wide: object) -> None:
    printed = output()
    printed.result(None, fields([("tenant", "alice"), ("note", "word " * 30), ("nothing", None)]))
    assert out(printed)[1:3] == ["note    " + ("word " * 14).strip(), "        " + ("word " * 14).strip()]


def test_a_command_stands_on_its_own_line_and_is_whole(wide: pytest.MonkeyPatch) -> None:
    wide.setenv("COLUMNS", "40")
    command = "launchpad provision a-host-of-some-length --root-key ~/.ssh/id_ed25519"
    printed = output()
    printed.error(HostError("web-1: cannot connect to launchpad@192.0.2.1: Connection timed out", hint=command))
    assert err(printed)[-2:] == ["hint:", f"  {command}"]
    assert max(map(len, err(printed)[:-1])) <= 40
    printed.warn(f"web-1: away ({command})")
    assert err(printed)[-2:] == ["warning: web-1: away", f"  {command}"]


def test_an_error_stands_out_by_its_subject_and_its_cause(wide: object) -> None:
    printed = output(color=True)
    printed.error(HostError("web-1: cannot connect to launchpad@192.0.2.1: Connection timed out"))
    (line,) = err(printed)
    assert line.startswith("\x1b[1;31merror:\x1b[0m \x1b[1mweb-1:\x1b[0m cannot")
    assert line.endswith("\x1b[31mConnection timed out\x1b[0m")


def test_each_failure_of_several_is_a_line(wide: object) -> None:
    printed = output()
    printed.error(PartialError("2 of 3 failed", failures={"web-1": HostError("web-1: away"), "b": HostError("no")}))
    assert err(printed) == ["error: 2 of 3 failed", "  web-1: away", "  b: no"]


@pytest.mark.parametrize("terminal", [True, False])
def test_no_text_from_elsewhere_steers_or_is_markup(wide: object, terminal: bool) -> None:
    text = "[bold]x[/bold] :smile: \x1b[2J\x07\r\u202e\ue000 launchpad"
    shown = "[bold]x[/bold] :smile: \\x1b[2J\\x07\\r\\u202e\\ue000 launchpad"
    printed = output(terminal=terminal)
    printed.result(None, Table(("text",), ((text,),)))
    printed.result(None, text)
    printed.item(None, text)
    printed.say(text)
    printed.warn(text)
    printed.error(HostError(text, hint=text))
    with printed.asking(text):
        pass
    for line in out(printed)[1:] + err(printed):
        assert shown in line
    assert "\x1b" not in "".join(out(printed) + err(printed))


@pytest.mark.parametrize(
    ("hint", "lines"),
    [
        ("launchpad check", ["  launchpad check"]),
        (
            "write alerts: into launchpad.yaml; launchpad provision web-1",
            ["  write alerts: into launchpad.yaml", "    launchpad provision web-1"],
        ),
        ("", []),
    ],
)
def test_a_warning_has_its_hint_below_it_and_elsewhere_in_its_line(wide: object, hint: str, lines: list[str]) -> None:
    printed, plain = output(), output(terminal=False)
    for each in (printed, plain):
        each.warn("web-1: this host has no alert destination", hint=hint)
    assert err(printed) == ["warning: web-1: this host has no alert destination", *lines]
    beside = f" ({hint})" if hint else ""
    assert err(plain) == [f"warning: web-1: this host has no alert destination{beside}"]


@pytest.mark.parametrize("terminal", [True, False])
def test_colours_of_a_log_are_left_out_and_what_is_raw_keeps_them(wide: object, terminal: bool) -> None:
    printed = output(terminal=terminal)
    for text in ("\x1b[1;31mdisk full\x1b[0m", "\\x1b[1;31mdisk full\\x1b[0m"):
        printed.item(None, text)
        printed.verbatim(None, text)
    assert out(printed) == ["disk full", "\\x1b[1;31mdisk full\\x1b[0m"] * 2


def test_a_table_that_fits_with_folded_cells_stays_a_table(wide: object) -> None:
    """The widest cells give way first, but never below their longest word."""
    printed = output()
    image = ("web-1", "image beacon@8866cf9d2077", "51 MiB", "", "of alice, bob, carol, dave")
    data = ("web-1", "data of alice", "256 MiB of 256 MiB", "39 MiB of 127 MiB", "0 generations")
    printed.result(None, Table(("host", "what", "disk", "memory", "note"), (image, data)))
    lines = out(printed)
    assert lines[0].split() == ["HOST", "WHAT", "DISK", "MEMORY", "NOTE"] and max(map(len, lines)) <= 80
    assert "beacon@8866cf9d2077" in " ".join(lines)


def test_wide_marks_count_as_they_are_shown(wide: object) -> None:
    printed = output()
    printed.result(None, Table(("a", "b"), (("東京", "x"), ("abcd", "x"))))
    assert out(printed) == ["A     B", "東京  x", "abcd  x"]


def test_what_is_raw_stays_as_it_is(wide: object) -> None:
    printed = output()
    printed.verbatim(None, f"\treverse_proxy {'x' * 90} y\n" + "word " * 40)
    assert out(printed)[0] == f"\treverse_proxy {'x' * 90} y"
    assert len(out(printed)) == 2


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("launchpad check", ["  launchpad check"]),
        ("next: launchpad check", ["next:", "  launchpad check"]),
        ("git pull, or launchpad retire a --host b", ["  git pull", "or", "  launchpad retire a --host b"]),
        ("correct it, then: launchpad check; others wait", ["correct it, then:", "  launchpad check", "others wait"]),
        ("launchpad trust web-1, after you compared it", ["  launchpad trust web-1", "after you compared it"]),
        ("  web-1: away (launchpad status web-1)", ["  web-1: away", "    launchpad status web-1"]),
        ("launchpad kit make FILE makes one", ["launchpad kit make FILE makes one"]),
        ("see launchpad.yaml", ["see launchpad.yaml"]),
        ("next:\n  launchpad check", ["next:", "  launchpad check"]),
        ("`launchpad apply` starts it", ["`launchpad apply` starts it"]),
        ("ls -ld /x; df /x", ["  ls -ld /x", "  df /x"]),
        ("add --yes", ["add --yes"]),
        ("", [""]),
    ],
)
def test_commands_stand_apart_where_the_sentence_allows_it(text: str, lines: list[str]) -> None:
    assert apart(text).split("\n") == lines


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("it took 3.4 s and 12.0 MiB of 256.0 MiB", ["3.4 s", "12.0 MiB of 256.0 MiB"]),
        ("  launchpad backup --all", ["launchpad backup --all"]),
        ("launchpad restore alice --generation x brings it back", ["launchpad restore alice --generation x"]),
        ("key ssh-ed25519 AAAAC3 ann@home, and more", ["ssh-ed25519 AAAAC3 ann@home,"]),
        ("3 days", ["3", "days"]),
    ],
)
def test_what_is_one_stays_whole(text: str, whole: list[str]) -> None:
    assert unglued(glued(text)) == text
    words = [unglued(word) for word in glued(text).split()]
    assert set(whole) <= set(words), words


def test_the_cause_is_red_only_behind_what_happened(wide: object) -> None:
    printed = output(color=True)
    printed.error(HostError("nothing: happened"))
    assert err(printed)[0].endswith("\x1b[1mnothing:\x1b[0m happened")
    assert RED == "red"
