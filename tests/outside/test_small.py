"""Small things that outside use found, and what is private: typed as a newcomer would, judged by Git and by files."""

from __future__ import annotations

import base64
import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from launchpad.archives.opening import ArchiveRefused
from launchpad.cli.output import Output
from launchpad.cli.progress import telling
from launchpad.events import HeardEvent, StepProgress
from launchpad.fleet.keeping.unstaged import keep_out
from launchpad.fleet.words.quantities import Duration, Size
from tests.archives.packing import CONFIG, member, of, openclaw, pack
from tests.archives.test_carrying import Result
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
            holds(f"by the name of the place ({file[-17:]})", "would be in" in said.err, said.err)
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
    hosts = terminal.root / "inventory/hosts.yaml"
    document = yaml.safe_load(hosts.read_text())
    found = said(hosts, yaml.safe_dump({name: item | {"port": 443} for name, item in document.items()}))
    small("an SSH server on Caddy's port is said", "port 443 is Caddy's" in found and "hosts.yaml:" in found, found)
    key = f"ssh-rsa {base64.b64encode(wire(b'ssh-rsa') + wire(bytes([1, 0, 1])) + wire(bytes(380 * [255]))).decode()}"
    settings = terminal.root / "launchpad.yaml"
    before = settings.read_text()
    known = "SHA256:" + "A" * 43
    own = {"name": "eve", "keys": [key], "signing_keys": [key]}
    for item in document.values():
        item |= {"fingerprints": [known], "caddy": {"image": f"docker.io/library/caddy:2@sha256:{'1' * 64}"}}
    hosts.write_text(yaml.safe_dump(document))
    found = said(settings, yaml.safe_dump((yaml.safe_load(before) or {}) | {"operators": [own]}))
    small("an RSA key that a host finds weak is said", "RSA key of fewer than 3072 bits" in found, found)


def wire(data: bytes) -> bytes:
    """A string as SSH writes it."""
    return len(data).to_bytes(4, "big") + data


def test_a_terminal_that_lacks_our_marks_gets_others(small: Tally) -> None:
    program = (
        "from launchpad.cli.legible import make_legible; from launchpad.cli.output import Output; make_legible();"
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
        for text in ("3 of 9 MiB", "9 of 9 MiB", "9 of 9 MiB", "9 of 9 MiB"):
            hear(HeardEvent(host="web-1", operation="o", tenant="alice", event=StepProgress(index=0, text=text)))
    lines = stderr.getvalue().splitlines()
    small("off a terminal nothing is said twice", len(lines) == 2, lines)


def linked(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.SYMTYPE, linkname=target)


WORKSPACE = {".openclaw/workspace/SOUL.md": b"who I am", ".openclaw/cron/jobs.json": {}}
FILES = {"state/openclaw.json", "state/workspace/SOUL.md", "state/cron/jobs.json"}
PLACES: dict[str, list[tuple[tarfile.TarInfo, bytes]]] = {
    "its configuration is a link to dotfiles": [
        linked(".openclaw/openclaw.json", "../dotfiles/openclaw/openclaw.json"),
        *of(WORKSPACE | {"dotfiles/openclaw/openclaw.json": CONFIG, "dotfiles/vimrc": b""}),
    ],
    "the same, behind what it leads to, by another name": [
        *of(WORKSPACE | {"dotfiles/oc.json": CONFIG}),
        linked(".openclaw/openclaw.json", "../dotfiles/oc.json"),
    ],
    "the state itself is a link": [
        linked(".openclaw", "data/oc"),
        *of({name.replace(".openclaw", "data/oc"): text for name, text in WORKSPACE.items()}),
        *of({"data/oc/openclaw.json": CONFIG}),
    ],
    "an absolute link into the home": [
        linked(".openclaw", "/home/bob/data/oc"),
        *of({name.replace(".openclaw", "data/oc"): text for name, text in WORKSPACE.items()}),
        *of({"data/oc/openclaw.json": CONFIG}),
    ],
    "its workspace is a link": [
        linked(".openclaw/workspace", "../clawd"),
        *of({".openclaw/openclaw.json": CONFIG, ".openclaw/cron/jobs.json": {}, "clawd/SOUL.md": b"who I am"}),
    ],
    "a link to a link, and a loop": [
        linked(".openclaw/openclaw.json", "config"),
        linked(".openclaw/config", "../dot/files.json"),
        linked(".openclaw/itself", "."),
        *of(WORKSPACE | {"dot/files.json": CONFIG}),
    ],
}
LEADING_OUT: dict[str, tuple[list[tuple[tarfile.TarInfo, bytes]], str]] = {
    "the configuration": (
        [linked(".openclaw/openclaw.json", "../dotfiles/x.json"), *of(WORKSPACE)],
        ".openclaw/openclaw.json is a link to '../dotfiles/x.json', which is not in the archive",
    ),
    "the state": ([linked(".openclaw", "/mnt/oc"), *of({"Documents/x": b""})], ".openclaw is a link to '/mnt/oc'"),
    "the state, an old backup beside it": (
        [linked(".openclaw", "/mnt/oc"), *of({"old/.openclaw/openclaw.json": CONFIG})], ".openclaw is a link",
    ),
    "the workspace": (
        [linked(".openclaw/workspace", "/mnt/ws"), *of({".openclaw/openclaw.json": CONFIG})],
        ".openclaw/workspace is a link to '/mnt/ws', which is not in the archive",
    ),
    "its own folder alone": ([linked("openclaw.json", "../x"), *of({"cron/jobs.json": {}})], "openclaw.json is a link"),
}  # fmt: skip
TOKEN = "abcdefgh12345678ABCDEFGH"
TOKENS: dict[str, str] = {
    "gateway.auth.password": "correct horse",
    "gateway.remote.token": TOKEN,
    "hooks.token": TOKEN + "1",
    "channels.msteams.appPassword": TOKEN + "2",
    "channels.telegram.webhookSecret": TOKEN + "3",
    "channels.irc.nickserv.password": TOKEN + "4",
    "models.providers.groq.apiKey": TOKEN + "5",
    "models.providers.own.headers.Authorization": f"Bearer {TOKEN}",
    "tools.web.search.apiKey": TOKEN + "6",
    "talk.apiKey": TOKEN + "7",
    "skills.entries.notes.env.NOTES_KEY": TOKEN + "8",
    "messages.tts.elevenlabs.apiKey": TOKEN + "9",
    "plugins.entries.odd.config.where": "ghp_" + TOKEN,
}
HARMLESS = {
    "agents.defaults.model": "anthropic/claude-sonnet-4-5",
    "session.mainKey": "agent:main:main-123456789",
    "hooks.sessionKey": "hook:ingress-1234567890",
    "gateway.auth.mode": "password",
    "channels.x.tokenFile": "/run/x",
    "channels.y.token": "${Y_TOKEN}",
}


def nested(values: Mapping[str, str]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for path, value in values.items():
        *above, last = path.split(".")
        at = document
        for part in above:
            at = at.setdefault(part, {})
        at[last] = value
    return document


def test_links_and_tokens_of_an_archive(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    app = openclaw(tmp_path / "workspace")
    with tallied("outside-d3", request) as holds:
        for index, (what, members) in enumerate(PLACES.items()):
            (folder := tmp_path / str(index)).mkdir()
            made = Result(app, pack(folder / "a.tgz", members))
            same = set(made.files) - {"state/config"} == FILES and made.files["state/workspace/SOUL.md"] == b"who I am"
            holds(f"{what}: all of it is found", same, set(made.files))
            holds(f"{what}: with its own configuration", made.json("state/openclaw.json") == CONFIG)
        for index, (what, (members, said)) in enumerate(LEADING_OUT.items()):
            (folder := tmp_path / f"out-{index}").mkdir()
            with pytest.raises(ArchiveRefused) as refused:
                Result(app, pack(folder / "a.tgz", members))
            holds(f"a link that leads out is refused by its name: {what}", said in str(refused.value), refused.value)
            holds(f"and says how to pack ({what})", "tar -chzf" in refused.value.hint, refused.value.hint)
        profiles = {
            "a:key": {"type": "api_key", "provider": "groq", "key": TOKEN + "a"},
            "b:oauth": {"type": "oauth", "provider": "openai-codex", "access": TOKEN + "b", "refresh": TOKEN + "c"},
            "c:token": {"type": "token", "provider": "anthropic", "token": TOKEN + "d"},
            "d:key": {"type": "api_key", "provider": "openai", "key": "sk-" + TOKEN},
        }
        config = nested(TOKENS | HARMLESS) | {"meta": CONFIG["meta"]}
        config["channels"]["telegram"]["accounts"] = {"main": {"botToken": "123456789:" + "t" * 35}}
        files = {
            ".openclaw/openclaw.json": config,
            ".openclaw/.env": f"GEMINI_API_KEY={TOKEN}e\nLANG=de_DE.UTF-8\nOPENROUTER_API_KEY={TOKEN}f\n".encode(),
            ".openclaw/agents/main/agent/auth-profiles.json": {"version": 1, "profiles": profiles},
            ".openclaw/credentials/whatsapp/creds.json": {"noiseKey": {"private": "x"}, "advSecretKey": TOKEN + "g"},
            ".openclaw/devices/paired.json": b"not JSON",
        }
        (folder := tmp_path / "tokens").mkdir()
        made = Result(app, pack(folder / "a.tgz", of(files)), take=True)
        named = {key for key, file in made.finder.plain if file == "state/openclaw.json"}
        holds("each kind of token that stays in the configuration is named", named == set(TOKENS), named ^ set(TOKENS))
        rest = {key for key, file in made.finder.plain if file != "state/openclaw.json"}
        wanted = {"profiles.a:key.key", "profiles.b:oauth.access", "profiles.b:oauth.refresh", "profiles.c:token.token"}
        wanted |= {"GEMINI_API_KEY", "advSecretKey"}
        holds("and in the other files", rest == wanted, rest ^ wanted)
        taken = set(map(str, made.finder.found))
        wanted = {"TELEGRAM_BOT_TOKEN", "OPENAI_API_KEY", "OPENROUTER_API_KEY"}
        holds("those that are the app's secrets here are taken, of an account too", taken == wanted, taken)
        text = b"".join(made.files.values())
        gone = [item.value.reveal().encode() for item in made.finder.found.values()]
        holds("and are in no file any more", not [value for value in gone if value in text])
