"""What becomes a tenant's data, as tables: layouts, places, old paths, secrets, databases."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from launchpad.archives.carrying import Carried, JudgedArchive, carry
from launchpad.archives.judging import judge
from launchpad.archives.opening import ArchiveRefused, opened
from launchpad.archives.recognising import Recognised, is_marker, recognise
from launchpad.archives.secret_files import Finder
from launchpad.archives.texts import parsed
from launchpad.fleet.model.app import App
from launchpad.fleet.words.names import SecretName
from tests.archives.packing import CONFIG, database, member, of, openclaw, pack

MOST = 1 << 24


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return openclaw(tmp_path_factory.mktemp("workspace"))


def recognised(path: Path, app: App) -> Recognised:
    with opened(path, most_bytes=MOST) as tar:
        content = judge(tar, archive=path.name, wanted=lambda name: is_marker(app, name))
    return recognise(content, app, archive=path.name)


class Result:
    """An archive carried over: what came along by its place, and what was told."""

    def __init__(self, app: App, path: Path, *, take: bool = False, homes: tuple[str, ...] = ()) -> None:
        with opened(path, most_bytes=MOST) as tar:
            content = judge(tar, archive=path.name, wanted=lambda name: is_marker(app, name))
        found = recognise(content, app, archive=path.name)
        source = JudgedArchive(
            path=path, name=path.name, content=content, recognised=found, most_bytes=MOST, homes=homes
        )
        self.finder = Finder(app)
        made, scratch = path.with_suffix(".made"), path.parent / "scratch"
        scratch.mkdir()
        with made.open("wb") as out:
            self.told: Carried = carry(source, app, self.finder, out=out, scratch=scratch, take=take)
        self.files: dict[str, bytes] = {}
        self.modes: dict[str, int] = {}
        with tarfile.open(made) as tar:
            for entry in tar:
                self.modes[entry.name] = entry.mode
                if entry.isreg():
                    stream = tar.extractfile(entry)
                    self.files[entry.name] = stream.read() if stream else b""

    def json(self, path: str) -> Any:
        return json.loads(self.files[path])


LAYOUTS: dict[str, tuple[list[str], str, dict[str, str]]] = {
    "a home of Clawdbot's": (
        [".clawdbot/clawdbot.json", ".clawdbot/cron/jobs.json", "clawd/SOUL.md", "Documents/taxes.pdf"],
        "Clawdbot",
        {"state/openclaw.json": "clawdbot.json", "state/cron/jobs.json": "jobs.json", "state/workspace/SOUL.md": ""},
    ),
    "its folder alone": (
        ["clawdbot.json", "cron/jobs.json"], "Clawdbot", {"state/openclaw.json": "", "state/cron/jobs.json": ""},
    ),
    "its folder alone, by name": ([".clawdbot/clawdbot.json"], "Clawdbot", {"state/openclaw.json": ""}),
    "a home of today's": (
        [".openclaw/openclaw.json", ".openclaw/workspace/SOUL.md"],
        "OpenClaw",
        {"state/openclaw.json": "", "state/workspace/SOUL.md": ""},
    ),
    "all homes of a machine": (["home/bob/.openclaw/openclaw.json"], "OpenClaw", {"state/openclaw.json": ""}),
    "its own backup": (
        ["2026-openclaw-backup/manifest.json", "2026-openclaw-backup/payload/posix/home/bob/.openclaw/openclaw.json"],
        "OpenClaw",
        {"state/openclaw.json": ""},
    ),
    "of the time between": (
        [".moltbot/moltbot.json", "clawd/x"], "Moltbot", {"state/openclaw.json": "", "state/workspace/x": ""},
    ),
    "one that was migrated": (
        [".openclaw/openclaw.json", ".clawdbot/clawdbot.json"], "OpenClaw", {"state/openclaw.json": ""},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name: str, app: App, tmp_path: Path) -> None:
    names, layout, places = LAYOUTS[name]
    path = pack(tmp_path / "a.tgz", of(dict.fromkeys(names, CONFIG)))
    found = recognised(path, app)
    assert (found.layout.name, found.version) == (layout, "2026.1.24-3")
    assert set(Result(app, path).files) == set(places)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"x": b"", "y/z": b""}, "not an archive of openclaw: it has x, y, y/z; expected .openclaw/openclaw.json"),
        ({"a/.openclaw/openclaw.json": {}, "b/.openclaw/openclaw.json": {}}, "two installations"),
        ({".clawdbot/clawdbot.json": b'{\n "a": 1,\n oops'}, r"clawdbot.json:3: the text is neither JSON"),
        ({".clawdbot/clawdbot.json": {}, ".clawdbot/openclaw.json": {}}, "would both become state/openclaw.json"),
    ],
)
def test_what_cannot_be_told_is_refused(files: dict[str, Any], said: str, app: App, tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match=said):
        Result(app, pack(tmp_path / "a.tgz", of(files)))


OLD_PATHS = [
    ("/home/bob/clawd", "/home/node/.openclaw/workspace"),
    ("/home/bob/clawd/notes.md", "/home/node/.openclaw/workspace/notes.md"),
    ("/home/bob/.clawdbot/agents", "/home/node/.openclaw/agents"),
    ("~/.clawdbot", "/home/node/.openclaw"),
    ("~/clawd/x y", "/home/node/.openclaw/workspace/x y"),
    ("/home/bob/clawd2", "/home/bob/clawd2"),
    ("/home/bob/.clawdbot-dev", "/home/bob/.clawdbot-dev"),
    ("/srv/clawd", "/srv/clawd"),
    ("/mnt/home/bob/clawd", "/mnt/home/bob/clawd"),
    ("https://clawd.bot/clawd", "https://clawd.bot/clawd"),
]


def test_old_paths_become_the_new_ones(app: App, tmp_path: Path) -> None:
    files = {".clawdbot/clawdbot.json": CONFIG | {"paths": [old for old, _ in OLD_PATHS]}}
    files["clawd/notes.md"] = {"not": "/home/bob/clawd"}
    result = Result(app, pack(tmp_path / "a.tgz", of(files)))
    assert result.json("state/openclaw.json")["paths"] == [new for _, new in OLD_PATHS]
    assert result.json("state/workspace/notes.md") == {"not": "/home/bob/clawd"}, "people's own files stay as they are"
    assert result.told.rewritten == ["state/openclaw.json"]


def test_a_home_that_is_known_counts_where_no_text_tells_of_it(app: App, tmp_path: Path) -> None:
    files = {".clawdbot/clawdbot.json": CONFIG | {"a": "/data/clawd", "b": "/srv/clawd"}}
    result = Result(app, pack(tmp_path / "a.tgz", of(files)), homes=("/data",))
    told = result.json("state/openclaw.json")
    assert (told["a"], told["b"]) == ("/home/node/.openclaw/workspace", "/srv/clawd")


def test_what_is_of_no_use_elsewhere_is_left_out(app: App, tmp_path: Path) -> None:
    files = of(
        {
            ".openclaw/openclaw.json": CONFIG,
            ".openclaw/openclaw.json.bak.2": CONFIG,
            ".openclaw/cache/x": b"",
            ".openclaw/state/gateway.lock": b"",
            ".openclaw/extensions/x/node_modules/y/z.js": b"",
            ".openclaw/extensions/x/index.js": b"",
            "photos/1.jpg": b"",
        }
    )
    files += [
        member(".openclaw/skill", type=tarfile.SYMTYPE, linkname="/home/bob/skill"),
        member(".openclaw/run.sh", b"#!", mode=0o4755),
        member(".openclaw/same.sh", type=tarfile.LNKTYPE, linkname=".openclaw/run.sh", mode=0o755),
    ]
    result = Result(app, pack(tmp_path / "a.tgz", files))
    assert set(result.files) == {
        "state/openclaw.json", "state/extensions/x/index.js", "state/run.sh", "state/same.sh",
    }  # fmt: skip
    assert (result.modes["state/run.sh"], result.files["state/same.sh"]) == (0o700, b"#!")
    assert result.modes["state/openclaw.json"] == 0o600
    assert (result.told.links, result.told.left_out, result.told.elsewhere) == (["state/skill"], 4, 1)


CONFIGURED = CONFIG | {
    "gateway": {"auth": {"mode": "token", "token": "the-gateway-token"}},
    "channels": {"telegram": {"botToken": "the-bots-token"}, "discord": {"token": "${DISCORD_BOT_TOKEN}"}},
}
PROFILES = {
    "profiles": {
        "anthropic:default": {"type": "api_key", "provider": "anthropic", "key": "the-key"},
        "anthropic:other": {"type": "api_key", "provider": "anthropic", "key": "another-key"},
        "elsewhere": {"type": "api_key", "provider": "elsewhere", "key": "nobodys-key"},
    }
}
KEEPING = {
    ".openclaw/openclaw.json": CONFIGURED,
    ".openclaw/agents/main/agent/auth-profiles.json": PROFILES,
    ".openclaw/.env": b"# mine\nOPENAI_API_KEY='the-openai-key'\nHOME_TOWN=Graz\nexport SLACK_BOT_TOKEN=xoxb # bot\n",
}
VALUES = ("the-gateway-token", "the-bots-token", "the-key", "the-openai-key", "xoxb")


def test_secrets_are_found_and_stay_unless_they_are_taken(app: App, tmp_path: Path) -> None:
    result = Result(app, pack(tmp_path / "a.tgz", of(KEEPING)))
    assert {str(name): item.file for name, item in result.finder.found.items()} == {
        "OPENCLAW_GATEWAY_TOKEN": "state/openclaw.json",
        "TELEGRAM_BOT_TOKEN": "state/openclaw.json",
        "ANTHROPIC_API_KEY": "state/agents/main/agent/auth-profiles.json",
        "OPENAI_API_KEY": "state/.env",
        "SLACK_BOT_TOKEN": "state/.env",
    }
    assert result.json("state/openclaw.json") == CONFIGURED
    assert result.finder.found[SecretName("SLACK_BOT_TOKEN")].value.reveal() == "xoxb", "the comment is no part of it"
    assert not any(value in repr(result.finder.found) for value in VALUES)


def test_secrets_that_are_taken_are_in_no_file_any_more(app: App, tmp_path: Path) -> None:
    result = Result(app, pack(tmp_path / "a.tgz", of(KEEPING)), take=True)
    everything = b"".join(result.files.values()).decode()
    assert not [value for value in VALUES if f'"{value}"' in everything or f"={value}" in everything]
    config = result.json("state/openclaw.json")
    assert config["gateway"]["auth"] == {"mode": "token", "token": "${OPENCLAW_GATEWAY_TOKEN}"}
    assert config["channels"]["telegram"]["botToken"] == "${TELEGRAM_BOT_TOKEN}"
    profiles = result.json("state/agents/main/agent/auth-profiles.json")["profiles"]
    assert profiles["anthropic:default"]["keyRef"]["id"] == "ANTHROPIC_API_KEY"
    assert "key" not in profiles["anthropic:default"]
    assert profiles["anthropic:other"]["key"] == "another-key", "one value for each name"
    assert profiles["elsewhere"]["key"] == "nobodys-key"
    assert [str(name) for name, _ in result.finder.others] == ["ANTHROPIC_API_KEY"]
    assert result.files["state/.env"] == b"# mine\nHOME_TOWN=Graz\n"


def test_a_damaged_database_is_refused_and_a_sound_one_counted(app: App, tmp_path: Path) -> None:
    files = {".openclaw/openclaw.json": CONFIG, ".openclaw/state/openclaw.sqlite": database(tmp_path)}
    result = Result(app, pack(tmp_path / "a.tgz", of(files)))
    assert result.told.databases == 1
    assert result.files["state/state/openclaw.sqlite"] == files[".openclaw/state/openclaw.sqlite"]
    (tmp_path / "b").mkdir()
    files[".openclaw/state/openclaw.sqlite"] = database(tmp_path, damaged=True)
    with pytest.raises(ArchiveRefused, match=r"\.openclaw/state/openclaw\.sqlite is a damaged database"):
        Result(app, pack(tmp_path / "b/a.tgz", of(files)))


DOCUMENTS = [
    ("{a: 1}", {"a": 1}),
    ("// mine\n{'it\\'s': \"x\", b: [1, -2.5e3,],} // end", {"it's": "x", "b": [1, -2500.0]}),
    ('{/* {not: "this"} */ url: "https://x//y", t: true, n: null}', {"url": "https://x//y", "t": True, "n": None}),
    ('{"a": "one \\\n line", $b_1: \'"quoted"\'}', {"a": "one  line", "$b_1": '"quoted"'}),
    ('\ufeff{"a": "\\u00e9\\n"}', {"a": "é\n"}),
]


@pytest.mark.parametrize(("text", "document"), DOCUMENTS)
def test_what_people_use_of_json5_is_read(text: str, document: Any) -> None:
    assert parsed(text.encode(), where="x") == document


@pytest.mark.parametrize(
    "text", ["", "{", "{a:", "[1,,2]", "{'a': 'b\nc'}", "hello there", '{"a": "the-secret}', "[" * 9000]
)
def test_what_is_neither_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ArchiveRefused) as refused:
        parsed(text.encode(), where="x.json")
    assert refused.value.message.startswith("x.json") and "secret" not in refused.value.message
