"""The runbooks: each alert has its page, each page is short, and whatever a page has people type exists."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launchpad.cli.app import load
from launchpad.cli.registry import entries
from launchpad.runner.account import Finding
from launchpad.runner.alerting.routes import runbook
from launchpad.runner.alerting.troubles import HOLD_SECONDS
from launchpad.runner.diagnosing.analysis import analyse
from launchpad.runner.facts import Fact, Grade, Layer, fact_of
from tests.runner.diagnosing.cases import FAULTS, collected

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "docs/runbooks"
OVERVIEW = FOLDER / "README.md"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path != OVERVIEW)
MOST_LINES = 60
PARTS = ("The customer", "Look", "Type", "Wake", "Over")
ON_HOST = "root@web-1# "
_PROGRAMS = """
apt apt-get cat chronyc df docker dpkg du fail2ban-client getent grep head journalctl ls nft ps sort ss systemctl tail
uptime zless
"""
ON_HOSTS = frozenset(_PROGRAMS.split())
"""The programs that a page may have people run on a host: Debian's, Docker's, and what provisioning installs."""
NAMED = re.compile(r"`([^`]+)`", re.DOTALL)


def page(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text()


# --- which pages there are


def emitted() -> set[str]:
    """The page of each fact and each finding that the runner's code makes, as far as its layer stands in the code."""
    found = set()
    for path in sorted((PROJECT / "launchpad/runner").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("Fact", "Finding"):
                found |= {runbook(fact) for fact in as_facts(call, path)}
    return found


def as_facts(call: ast.Call, path: Path) -> Iterator[Fact]:
    """A fact of the layer that the call is about, of a tenant where the call names one; none where only a run tells."""
    words = {item.arg: item.value for item in call.keywords}
    kind = "layer" if "Fact" in ast.unparse(call.func) else "subject"
    said = words.get(kind, call.args[0] if call.args else None)
    about = value_of(said, path) if said is not None else None
    tenant = "alice" if "tenant" in words else ""
    if isinstance(about, Layer):
        yield Fact(layer=about, grade=Grade.warning, message="", tenant=tenant)
    elif about is not None:
        yield fact_of(Finding(str(about), ""), tenant=tenant, at=0.0)


def value_of(said: ast.expr, path: Path) -> Any:
    """What the expression is; None where only a run tells."""
    module = importlib.import_module(".".join(path.relative_to(PROJECT).with_suffix("").parts))
    try:
        return eval(compile(ast.Expression(said), str(path), "eval"), vars(module))
    except (NameError, AttributeError):
        return None


def test_what_the_watch_finds_is_seen_here() -> None:
    assert emitted() >= {"tenant-ready", "tenant-settings", "tenant-data", "host-resolver", "host-disk", "host-targets"}


def test_every_alert_has_its_page() -> None:
    assert sorted(emitted() - {path.stem for path in PAGES}) == []


def test_every_layer_has_its_page_and_every_page_its_alert() -> None:
    by_page = {
        runbook(Fact(layer=layer, grade=Grade.warning, message="", tenant=tenant)): layer
        for layer in Layer
        for tenant in ("", "alice")
    }
    there = {path.stem for path in PAGES}
    assert sorted(there - by_page.keys()) == []
    assert set(Layer) == {by_page[name] for name in there}


def test_the_overview_lists_every_page() -> None:
    listed = re.findall(r"\(([a-z-]+)\.md\)", OVERVIEW.read_text())
    assert sorted(listed) == [path.stem for path in PAGES]


# --- what a page is like


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_is_short_and_has_every_part(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= MOST_LINES
    assert lines[0] == f"# {path.stem.replace('-', ', ', 1).capitalize()}", "as the alert's subject has it"
    assert tuple(line[3:] for line in lines if line.startswith("## ")) == PARTS
    assert re.search(r"\bS[1-4]\b", path.read_text().partition("## Wake\n")[2])
    first = next(line for line in lines[lines.index("## Look") :] if line.startswith("    "))
    assert first.strip().startswith(("launchpad ", ON_HOST)), "the first thing is a command"


def test_every_cause_that_an_analyser_names_is_on_a_page() -> None:
    code = "".join(path.read_text() for path in (PROJECT / "launchpad/runner/diagnosing/causes").glob("*.py"))
    named = re.findall(r'cause="([a-z0-9-]+)"|"((?:certificate|target)-[a-z]+)",', code)
    causes = {first or second for first, second in named}
    assert causes >= {"disk-full", "certificate-caa", "certificate-refused", "target-gone", "target-failed"}
    text = "".join(path.read_text() for path in PAGES)
    assert sorted(cause for cause in causes if f"`{cause}`" not in text) == []


MESSAGES = {cause: [analyse(collected(fault))[0].message for fault in faults] for cause, faults in FAULTS.items()}
"""What `diagnose` prints for each cause."""


def rows(text: str) -> Iterator[tuple[str, str]]:
    """Cause and words of each row of a table that says what `diagnose` prints."""
    table = text.partition("| `diagnose` prints |")[2].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        cause, words, *_ = (cell.strip() for cell in line.strip("|").split(" | "))
        yield from ((name, words) for name in NAMED.findall(cause))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_says_what_diagnose_prints(path: Path) -> None:
    text = path.read_text()
    for cause, words in rows(text):
        messages = " ".join(MESSAGES.get(cause, [words]))
        assert any(part in messages for part in words.split("; ")), f"{cause}: {words}"
    known = {without_numbers(message) for messages in MESSAGES.values() for message in messages}
    for shown in re.findall(r"^ {6}1\. (?!unknown)([^…(\n;]+)", text, re.MULTILINE):
        assert any(message.startswith(without_numbers(shown)) for message in known), shown


def without_numbers(text: str) -> str:
    return re.sub(r"[0-9]+", "0", text.strip())


def test_the_overview_says_how_long_a_problem_lasts_before_it_is_sent() -> None:
    text = OVERVIEW.read_text()
    assert (HOLD_SECONDS[Grade.critical], HOLD_SECONDS[Grade.warning]) == (30.0, 300.0)
    assert "after 30 seconds" in text and "after 5 minutes" in text


# --- what a page has people type


def commands(text: str) -> Iterator[str]:
    """Each command of a page: the lines of its blocks that are one, and what a sentence names."""
    for line in text.splitlines():
        if line.startswith("    ") and line.strip().startswith(("launchpad ", ON_HOST)):
            yield line.strip()
    for name in NAMED.findall("\n".join(line for line in text.splitlines() if not line.startswith("    "))):
        if re.match(r"[a-z][a-z-]* ", name):
            yield " ".join(name.split())


def problem(command: str) -> str:
    """Why the command cannot be typed; empty when it can."""
    first, *others = parts(command.removeprefix(ON_HOST))
    if first[0] == "launchpad":
        return unknown(first[1:]) or next((f"{part[0]} is unknown" for part in others if part[0] not in ON_HOSTS), "")
    return next((f"{part[0]} is no program of a host" for part in (first, *others) if part[0] not in ON_HOSTS), "")


def parts(command: str) -> Iterator[list[str]]:
    """The words of each command of a pipe, without files that are read or written."""
    split = shlex.shlex(command, posix=True, punctuation_chars="<>|&;")
    split.whitespace_split = True
    words: list[str] = []
    for word in split:
        if word in ("|", "&&", ";"):
            yield words
            words = []
        elif words and words[-1] == "<":
            words.pop()
        else:
            words.append(word)
    yield words


def unknown(words: list[str]) -> str:
    """What Launchpad's command line does not know of the words; nothing is run."""
    if not words or words[0] not in entries():
        return f"no command {words[:1]}"
    command, rest = load(entries()[words[0]]), words[1:]
    if inner := getattr(command, "commands", None):
        if not rest or rest[0] not in inner:
            return f"no command {words[:2]}"
        command, rest = inner[rest[0]], rest[1:]
    context = command.context_class(command, **command.context_settings)
    try:
        given, left, _ = command.make_parser(context).parse_args(rest)
    except Exception as error:  # Click's own, by whatever name Typer has it
        return str(error)
    lacking = [item.name for item in command.params if item.required and not given.get(item.name)]
    return f"too many words: {left}" if left else f"lacks {lacking}" if lacking else ""


@pytest.mark.parametrize("path", [*PAGES, OVERVIEW], ids=lambda path: path.stem)
def test_every_command_on_a_page_exists(path: Path) -> None:
    typed = list(commands(path.read_text()))
    assert typed
    assert {command: why for command in typed if (why := problem(command))} == {}


@pytest.mark.parametrize(
    "command",
    [
        "launchpad statsu web-1",
        "launchpad status web-1 --chekc",
        "launchpad alerts silense alice --for 1h",
        "launchpad alerts",
        "launchpad restart",
        "launchpad restart alice bob",
        "launchpad logs alice --since",
        "launchpad logs alice | lesser",
        "root@web-1# systemctll status docker",
        "root@web-1# journalctl -b | grepp error",
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str) -> None:
    assert list(commands(f"    {command}\n")) == [command]
    assert problem(command)


@pytest.mark.parametrize(
    "command",
    ["launchpad secret set alice NAME < key.txt", "root@web-1# journalctl -k -b | grep -i -e oom -e 'I/O error'"],
)
def test_a_command_that_exists_is_not(command: str) -> None:
    assert problem(command) == ""
