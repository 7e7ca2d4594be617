"""Small things that outside use found, and what is private: typed as a newcomer would, judged by Git and by files."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.cli.output import Output
from launchpad.cli.progress import telling
from launchpad.events import Heard, StepProgress
from launchpad.fleet.quantities import Duration, Size
from launchpad.fleet.unstaged import keep_out
from tests.cli.conftest import empty, home, terminal
from tests.cli.terminal import Terminal
from tests.tally import Tally, tallied

__all__ = ["empty", "home", "terminal"]

DOMAINS = "domains:\n  - alice.example.com\n"


def staged(root: Path, *but: str) -> list[str]:
    """What `git add -A` would put into the next commit; without repositories inside, which Git takes no files of."""
    subprocess.run(["git", "-C", str(root), "init", "--quiet"], check=True)
    said = subprocess.run(
        ["git", "-C", str(root), "add", "--all", "--dry-run", "--", ".", *(f":!{name}" for name in but)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.removeprefix("add '").removesuffix("'") for line in said.stdout.splitlines()]


def private(names: list[str], root: Path) -> list[str]:
    """Those of the files that hold a private key."""
    files = [(name, (root / name).read_bytes()) for name in names if (root / name).is_file()]
    return [name for name, data in files if b"PRIVATE KEY" in data or b"AGE-SECRET" in data]


def test_a_private_key_is_never_staged(
    empty: Terminal, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = empty.root / "home"
    (own / "deep").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(own))
    monkeypatch.delenv("LAUNCHPAD_CONFIG")
    with tallied("outside-d2", request) as holds:
        for root in (own, empty.root, own / "deep/../"):
            said = empty("init", str(root))
            holds(f"init in {root.relative_to(empty.root)} is refused", said.code == 4, said)
            holds(f"and says where instead ({root.name})", f"hint: launchpad init {own}/fleet" in said.err, said.err)
        holds("nothing was made there", not (own / ".git").exists() and not list(own.rglob("*.yaml")))
        (own / "fleet").mkdir()
        (own / "fleet/backup.key").write_text("x\n-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n")
        said = empty("init", str(own / "fleet"))
        holds("a folder with a private key is refused by its name", "backup.key is a private key" in said.err, said.err)
        (own / "fleet/backup.key").unlink()
        empty.ok("init", str(own / "fleet"))
        found = staged(own / "fleet")
        holds(
            "the workspace itself is staged, and no key",
            "launchpad.yaml" in found and not private(found, own / "fleet"),
        )
        found = staged(own, "fleet")
        holds("a home that is a repository stages no key", not private(found, own), found)
        holds("it does stage other files", any(name.endswith("ssh_ed25519.pub") for name in found), found)
        monkeypatch.setenv("LAUNCHPAD_CONFIG", str(own / "other/.keys"))
        empty.ok("init", str(own / "other"))
        found = staged(own / "other")
        holds("keys inside the workspace are left out", "launchpad.yaml" in found and not private(found, own / "other"))
        monkeypatch.chdir(own / "fleet")
        passphrase = "correct horse battery staple"
        for file in ("kit.txt", "inventory/kit.txt", str(own / "kit.txt")):
            said = empty("kit", "make", file, stdin=f"{passphrase}\n")
            holds(f"a kit in {file.replace(str(own), 'a repository')} is refused", said.code == 4, said)
            holds(f"by the name of the place ({file[-17:]})", "would lie in" in said.err, said.err)
        holds("no kit was written, and none is named", "recovery" not in (own / "fleet/launchpad.yaml").read_text())
        export = own / "fleet/alice [1].tgz"
        keep_out(export)
        export.write_text("credentials")
        (own / "fleet/.alice [1].tgz.partial").write_text("credentials")
        found = staged(own / "fleet")
        holds("an export with credentials is left out", not [name for name in found if "tgz" in name], found)
        (own / "fleet/.gitignore").write_text("!*.tgz\n")
        with pytest.raises(Exception, match="git add would stage it"):
            keep_out(own / "fleet/bob.tgz")


@pytest.fixture(scope="module")
def small(request: pytest.FixtureRequest) -> Iterator[Tally]:
    with tallied("outside-d4", request) as tally:
        yield tally


def test_small_things(terminal: Terminal, small: Tally) -> None:
    tenant = terminal.root / "inventory/tenants/alice.yaml"
    right = tenant.read_text()

    def said_of(domain: str) -> str:
        tenant.write_text(right.replace(DOMAINS, f"domains: [{domain}]\n"))
        printed = terminal("check")
        tenant.write_text(right)
        return printed.err

    for typed, meant in (
        ("straße.example.com", "xn--strae-oqa.example.com"),
        ("Büro.Example.com", "xn--bro-hoa.example.com"),
        ("faß。example.com", "xn--fa-hia.example.com"),
        ("παράδειγμα.example.com", "xn--hxajbheg2az3al.example.com"),
    ):
        small(f"the hint for {typed} is the domain that a browser asks", f"write {meant})" in said_of(typed))
    for typed, meant in (("Ältere", "aeltere"), ("Café No 1", "cafe-no-1"), ("Łódź", "lodz"), ("SØREN", "soeren")):
        said = terminal("tenant", "add", typed, "--tier", "light")
        small(f"{typed} is offered as {meant}", f"hint: write {meant}\n" in said.err, said.err)
    said = terminal("tenant", "add", "Яn", "--tier", "light")
    small("what has no Latin spelling is offered as nothing", "hint: write" not in said.err, said.err)
    small("no size is 0TiB", [str(Size(0)), str(Size(1 << 20)), str(Duration(0))] == ["0MiB", "1TiB", "0s"])
    folder = terminal.root / "inventory/tenants/x.yaml"
    folder.mkdir()
    said = terminal("check")
    small("a folder named x.yaml is a mistake", "tenants/x.yaml: a folder; expected a file" in said.err, said.err)
    folder.rmdir()


def test_what_a_host_would_refuse_check_says(terminal: Terminal, small: Tally) -> None:
    tenant, app = terminal.root / "inventory/tenants/alice.yaml", terminal.root / "inventory/apps/echo.yaml"
    right, known = tenant.read_text(), app.read_text()

    def said(path: Path, text: str) -> str:
        before = path.read_text()
        path.write_text(text)
        printed = terminal("check")
        path.write_text(before)
        return f"{printed.code}\n{printed.err}"

    many = ", ".join(f"d{number}.example.com" for number in range(62))
    volumes = ", ".join(f"v{number}" for number in range(17))
    actions = "".join(f"\n  - {{name: a{number}, service: web, argv: [x]}}" for number in range(17))
    found = said(tenant, right.replace(DOMAINS, f"domains: [{many}]\n"))
    small("62 domains are said with file and line", "alice.yaml:" in found and "at most 50" in found, found)
    found = said(tenant, right.replace(DOMAINS, "domains: [alice.4you]\n"))
    small("a domain whose end no host takes is said", "bad domain 'alice.4you'" in found, found)
    for what, more, limit in (
        ("17 volumes", f"volumes: [{volumes}]", "at most 16"),
        ("17 actions", f"actions:{actions}", "at most 16"),
        ("a start of 2 h", "timings: {start: 2h}", "at most 1h"),
        ("a stop of 20 min", "timings: {stop: 20m}", "at most 15m"),
        ("a steady time of 11 min", "timings: {steady: 11m}", "at most 10m"),
        ("an action of 2 h", "actions: [{name: a, service: web, argv: [x], timeout: 2h}]", "at most 1h"),
    ):
        key = more.partition(":")[0]
        text = re.sub(rf"^{key}:.*\n(?:[ -].*\n)*", "", known, flags=re.MULTILINE)
        found = said(app, text + more + "\n")
        small(f"{what} are said", found.startswith("3") and limit in found and "echo.yaml:" in found, found)


def test_a_terminal_that_lacks_our_marks_gets_others(small: Tally) -> None:
    program = (
        "from launchpad.cli.output import Output, make_legible; make_legible();"
        "o = Output(json=False, color=False); o.result({}, '\\u2713 \\u2192 a\\tb \\u4e2d');"
        "o.say('\\u2717 \\u21b6 \\u2022 \\u2026')"
    )
    for encoding in ("latin-1", "ascii", "utf-8"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            env=dict(os.environ) | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
            check=False,
        )
        out, err = done.stdout.decode(encoding), done.stderr.decode(encoding)
        wanted = ("✓ → a\tb 中\n", "✗ ↶ • …\n") if encoding == "utf-8" else ("+ -> a\tb \\u4e2d\n", "x < * ...\n")
        small(f"in {encoding}", (out, err) == wanted, (out, err))
    output = Output(json=False, color=False, stderr=(stderr := io.StringIO()))
    with telling(output) as hear:
        for text in ("3 of 9 MB", "9 of 9 MB", "9 of 9 MB", "9 of 9 MB"):
            hear(Heard(host="web-1", operation="o", tenant="alice", event=StepProgress(index=0, text=text)))
    lines = stderr.getvalue().splitlines()
    small("off a terminal nothing is said twice", len(lines) == 2, lines)
