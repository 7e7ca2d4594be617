"""The inventory's commands: what they change, what they print, what they refuse."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal
from tests.fleet.broken import BROKEN, Broken
from tests.fleet.inventory import digest_of_folder, write
from tests.screens.terminal import on_terminal


def test_init_makes_a_workspace_that_works(empty: Terminal) -> None:
    printed = empty.ok("init", "fleet", "--git", "--example", "--json")
    assert "launchpad.yaml" in printed.json["files"]
    assert (empty.root / "fleet/.git").is_dir()
    checked = empty.ok("check", "-w", "fleet", "--json").json
    assert (checked["mistakes"], checked["tenants"], checked["hosts"]) == ([], 2, 1)
    assert not any("operators" in note["what"] or "recipients" in note["what"] for note in checked["notes"])
    assert len(empty.ok("-w", "fleet", "tenant", "list", "--json").json) == 2
    known = empty.ok("key", "show", "--json", "-w", "fleet").json["in_workspace"]
    assert known == {"ssh_key": True, "signing_key": True, "recipient": True}


@pytest.mark.parametrize(
    ("words", "second"), [((), "launchpad host add web-1 "), (("--example",), "write your VPS's address")]
)
def test_init_says_what_to_type_next(empty: Terminal, words: tuple[str, ...], second: str) -> None:
    printed = empty.ok("init", "fleet", *words)
    assert printed.out == f"made a workspace in {empty.root}/fleet\n"
    assert f"next:\n  cd fleet\n  {second}" in printed.err
    assert "\n  launchpad deploy alice\n" in printed.err
    assert max(map(len, printed.err.splitlines())) <= 80


def test_init_leaves_only_digests_to_do(empty: Terminal) -> None:
    made = empty.ok("init", "fleet", "--example", "--json")
    assert made.json["generated"] == {"alice": ["OPENCLAW_GATEWAY_TOKEN"], "bob": ["BEACON_TOKEN"]}
    notes = empty.ok("check", "-w", "fleet", "--json").json["notes"]
    assert notes
    assert [note["what"] for note in notes if "digest" not in note["what"]] == []


def test_init_makes_a_repository_unless_it_is_in_one(empty: Terminal) -> None:
    assert empty.ok("init", "fleet", "--json").json["repository_made"]
    assert (empty.root / "fleet/.git").is_dir()
    assert not empty.ok("init", "fleet/inner", "--json").json["repository_made"]
    assert not empty.ok("init", "plain", "--no-git", "--json").json["repository_made"]
    assert not (empty.root / "plain/.git").exists()


def test_init_works_without_git(empty: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "ssh-keygen").symlink_to(str(shutil.which("ssh-keygen")))
    monkeypatch.setenv("PATH", str(tools))
    printed = empty.ok("init", "fleet")
    assert "git" not in printed.err
    refused = empty("init", "other", "--git")
    assert (refused.code, refused.err) == (
        4,
        "error: the workspace is made, but git cannot be run\nhint: apt install git\n",
    )


def test_init_makes_keys_where_they_are_missing(empty: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUNCHPAD_CONFIG", str(empty.root / "config"))
    made = empty.ok("init", "fleet", "--json").json["keys_made"]
    assert sorted(Path(path).name for path in made) == ["identity", "signing_ed25519", "ssh_ed25519"]
    assert empty.ok("init", "other", "--json").json["keys_made"] == []


def test_key_make_makes_what_is_missing(empty: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUNCHPAD_CONFIG", str(empty.root / "config"))
    refused = empty("key", "show")
    assert (refused.code, "hint: launchpad key make\n" in refused.err) == (4, True)
    made = empty.ok("key", "make")
    assert sorted(Path(line).name for line in made.out.splitlines()) == ["identity", "signing_ed25519", "ssh_ed25519"]
    assert "next: launchpad --json key show > keys.json" in made.err
    assert "the new identity opens no secret that was sealed before" in made.err
    (empty.root / "config/ssh_ed25519").unlink()
    assert "identity" not in empty.ok("key", "make").err
    assert empty.ok("key", "make").out == "nothing to do: every key exists\n"
    empty.ok("key", "show")


def test_the_authority_for_logs_is_replaced_only_on_demand(terminal: Terminal) -> None:
    assert "version 1" in terminal.ok("key", "collector").out
    made = (terminal.root / "collector.pem").read_text()
    refused = terminal("key", "collector")
    assert refused.code == 4 and "Replace the authority for logs?" in refused.err and "add --yes" in refused.err
    assert (terminal.root / "collector.pem").read_text() == made
    assert "version 2" in terminal.ok("key", "collector", "--yes").out


def test_init_overwrites_nothing(empty: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.ok("init", "fleet")
    monkeypatch.setenv("LAUNCHPAD_CONFIG", str(empty.root / "config"))
    before = digest_of_folder(empty.root)
    printed = empty("init", "fleet")
    assert printed.code == 4
    assert "exists already" in printed.err
    assert digest_of_folder(empty.root) == before


def test_a_tenant_comes_and_goes(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(path.name for path in (terminal.root / "inventory/tenants").iterdir())
    added = terminal.ok(
        *("tenant", "add", "carol", "--app", "echo", "--tier", "light", "--host", "web-2"),
        *(
            "--domain",
            "carol.example.com",
            "--domain",
            "c.example.com",
            "--set",
            "count=3",
            "--set",
            "loud=true",
            "--json",
        ),
    ).json
    assert (added["slot"], added["version"], added["generated"]) == (3, "1.1.0", ["ECHO_TOKEN"])
    assert added["variables"] == {"greeting": "hello", "count": 3, "loud": True}
    shown = terminal.ok("tenant", "show", "carol", "--json").json
    assert shown["domains"] == ["carol.example.com", "c.example.com"]
    assert shown["secrets"] == {"ECHO_TOKEN": 1}
    monkeypatch.setenv("LAUNCHPAD_CONNECT_TIMEOUT", "1s")  # no host is there
    assert terminal("tenant", "remove", "carol").code == 4
    refused = terminal("tenant", "remove", "carol", "--yes")
    assert refused.code == 4 and "carol may be deployed on web-2" in refused.err, "her host could still serve her"
    removed = terminal.ok("tenant", "remove", "carol", "--host-gone", "--yes", "--json")
    assert (removed.json["removed"], removed.json["slot"], removed.json["slot_free"]) == ("carol", 3, False)
    assert sorted(removed.json["missing"]) == ["web-1", "web-2"], "nobody has said that carol is gone"
    again = terminal.ok("tenant", "remove", "carol")
    assert "carol was removed before; slot 3 stays taken" in again.out
    assert "to free slot 3: launchpad tenant remove carol" in again.err
    assert sorted(path.name for path in (terminal.root / "inventory/tenants").iterdir()) == before
    assert "BEGIN AGE" not in (terminal.root / "inventory/secrets/carol.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("tenant", "add", "Carol"), 2, "write carol"),
        (("tenant", "add", "carol", "--tier", "light", "--host", "web-9"), 3, "no host web-9"),
        (("tenant", "add", "carol", "--host", "web-1"), 2, "which tier? expected one of light, standard"),
        (("tenant", "add", "carol", "--tier", "light", "--app", "moltbot"), 3, "write openclaw"),
        (
            ("tenant", "add", "c", "--tier", "light", "--host", "web-1", "--app", "echo", "--set", "x=1"),
            3,
            "takes no variable x",
        ),
        (
            ("tenant", "add", "c", "--tier", "light", "--host", "web-1", "--app", "echo", "--set", "count"),
            2,
            "has no value",
        ),
        (
            ("tenant", "add", "c", "--tier", "light", "--host", "web-1", "--app", "echo", "--set", "count=x"),
            2,
            "whole number",
        ),
        (
            ("tenant", "add", "$(reboot)", "--tier", "light", "--host", "web-1", "--domain", "a.example.com"),
            2,
            "bad tenant name",
        ),
        (("tenant", "show", "alcie"), 3, "did you mean alice?"),
        (("tenant", "list", "--host", "web"), 3, "no host web"),
        (("host", "remove", "web-1", "--yes"), 4, "has tenants: alice, bob"),
        (
            ("host", "add", "web-1", "--address", "203.0.113.9", "--memory", "8GiB", "--cpus", "2", "--disk", "9GiB"),
            4,
            "exists",
        ),
        (
            ("host", "add", "web-3", "--address", "a b", "--memory", "8GiB", "--cpus", "2", "--disk", "9GiB"),
            2,
            "bad address",
        ),
        (
            ("host", "add", "web-3", "--address", "203.0.113.9", "--memory", "8", "--cpus", "2", "--disk", "9GiB"),
            2,
            "bad size",
        ),
        *(
            (
                tuple(f"host add web-3 --address 203.0.113.9 --memory 8GiB --cpus {cpus} --disk 9GiB".split()),
                2,
                "--cpus",
            )
            for cpus in ("inf", "nan", "-1", "x")
        ),
        (("app", "show", "openclow"), 3, "did you mean openclaw?"),
        (("secret", "set", "alice", "ANTHROPIC_KEY"), 3, "did you mean ANTHROPIC_API_KEY?"),
        (("secret", "set", "bob", "API_KEY"), 2, "API_KEY is empty"),
        (("secret", "rotate", "bob", "API_KEY"), 3, "is not generated"),
        (("secret", "remove", "bob", "API_KEY", "--yes"), 3, "bob has no secret API_KEY"),
        (("schema", "tenants"), 2, "tenants"),
        (("tenant", "add"), 2, "TENANT"),
        (("nothing",), 2, "No such command 'nothing'"),
        (("tenant", "shwo"), 2, "Did you mean 'show'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_is_refused_changes_nothing(terminal: Terminal, arguments: tuple[str, ...], code: int, said: str) -> None:
    before = digest_of_folder(terminal.root)
    printed = terminal(*arguments)
    assert printed.code == code
    assert said in printed.err
    assert "hint: " in printed.err or "expected" in printed.err or code == 3
    assert printed.out == ""
    assert digest_of_folder(terminal.root) == before
    as_json = terminal(*arguments, "--json")
    assert as_json.code == code
    assert set(as_json.json["error"]) >= {"error", "message", "hint", "exit_code", "retry"}
    assert as_json.json["error"]["exit_code"] == code


def test_a_host_comes_and_goes(terminal: Terminal) -> None:
    before = (terminal.root / "inventory/hosts.yaml").read_text()
    options = ("--address", "203.0.113.9", "--memory", "8GiB", "--cpus", "2.5", "--disk", "80GiB", "--port", "2222")
    added = terminal.ok("host", "add", "web-3", *options, "--fingerprint", "SHA256:" + "A" * 43, "--json").json
    assert (added["port"], added["resources"]["cpus"], added["storage"]["loop"]) == (2222, 2.5, "80GiB")
    assert "203.0.113.9 port 2222" in terminal.ok("host", "list").out
    terminal.ok("host", "remove", "web-3", "--yes")
    assert (terminal.root / "inventory/hosts.yaml").read_text() == before


def test_a_host_with_tenants_is_not_removed_by_forgetting_them(terminal: Terminal) -> None:
    """Who followed a hint at `tenant remove` alone forgot the secrets of a tenant that runs."""
    hint = terminal("host", "remove", "web-1", "--yes", "--json").json["error"]["hint"]
    told = "launchpad move alice --to HOST; or launchpad retire alice, then launchpad tenant remove alice"
    assert hint == told


def test_the_lists_say_what_there_is(terminal: Terminal) -> None:
    assert "alice" in terminal.ok("tenant", "list").out
    assert [tenant["name"] for tenant in terminal.ok("tenant", "list", "--host", "web-1", "--json").json] == [
        "alice",
        "bob",
    ]
    assert terminal.ok("tenant", "list", "--host", "web-2").out == "no tenants: launchpad tenant add NAME\n"
    assert "2304MiB of 7680MiB" in terminal.ok("host", "list").out
    assert "alice bob" in terminal.ok("host", "show", "web-1").out
    assert {app["name"] for app in terminal.ok("app", "list", "--json").json} == {"echo", "openclaw"}
    assert "no digest yet" in terminal.ok("app", "show", "openclaw").out
    assert "no digest yet" not in terminal.ok("app", "show", "echo").out
    assert [tier["name"] for tier in terminal.ok("tier", "list", "--json").json] == ["light", "standard"]


def test_tables_fit_eighty_columns(terminal: Terminal) -> None:
    write(
        terminal.root,
        {
            "inventory/tenants/a-tenant-with-a-name-of-32-chars.yaml": "slot: 9\napp: echo\nversion: 1.0.0\n"
            f"tier: light\nhost: web-1\ndomains: [{', '.join(f'a-long-domain-{i}.example.com' for i in range(5))}]\n"
        },
    )
    for command in (("tenant", "list"), ("host", "list"), ("app", "list"), ("tier", "list"), ("secret", "list")):
        assert max(map(len, on_terminal(command).lines)) <= 80, command
    assert "a-tenant-with-a-name-of-32-chars" in terminal.ok("tenant", "list", "--json").out


def test_check_counts_and_says_what_is_left(terminal: Terminal) -> None:
    printed = terminal.ok("check")
    counts = "2 hosts, 2 tenants, 2 apps, 2 tiers, 0 targets"
    assert printed.out.startswith(f"no mistakes, but not ready for a deploy: {counts}\n")
    assert "tenant bob: no ECHO_TOKEN\n    launchpad secret rotate bob ECHO_TOKEN\n" in printed.out


def test_check_of_an_empty_launchpad_yaml_says_first_that_nobody_can_work(terminal: Terminal) -> None:
    write(terminal.root, {"launchpad.yaml": ""})
    printed = terminal.ok("check")
    assert printed.out.startswith("no mistakes, but not ready for a deploy: ")
    assert "  launchpad.yaml: no signing_keys: hosts would reject every runner\n" in printed.out


@pytest.mark.parametrize("broken", BROKEN[::9], ids=lambda broken: broken.name)
def test_check_says_every_mistake_and_exits_three(terminal: Terminal, broken: Broken) -> None:
    write(terminal.root, broken.files)
    before = digest_of_folder(terminal.root)
    printed = terminal("check")
    assert printed.code == 3
    places = [f"{file}:{line}: " if line else f"{file}: " for file, line, _ in broken.mistakes]
    assert all(f"  {place}" in printed.err for place in places)
    found = terminal("check", "--json")
    assert found.code == 3
    assert [(item["file"], item["line"]) for item in found.json["error"]["mistakes"]] == [
        (file, line) for file, line, _ in broken.mistakes
    ]
    assert digest_of_folder(terminal.root) == before


def test_check_says_mistakes_of_secrets_and_of_tenants_together(terminal: Terminal) -> None:
    write(terminal.root, {"inventory/secrets/alice.yaml": "KEY: plain\n", "inventory/tenants/bob.yaml": "slot: 1\n"})
    files = {mistake["file"] for mistake in terminal("check", "--json").json["error"]["mistakes"]}
    assert files == {"inventory/secrets/alice.yaml", "inventory/tenants/bob.yaml"}


def test_schema_prints_one_or_all_or_writes_them(terminal: Terminal) -> None:
    kinds = set(terminal.ok("schema").json)
    assert kinds == {"launchpad", "host", "tier", "target", "app", "tenant"}
    for kind in kinds:
        assert terminal.ok("schema", kind).json["title"] == f"Launchpad: {kind}"
    assert "inventory/.schema/host.json" in terminal.ok("schema", "--write").out
    assert (terminal.root / "inventory/.schema/host.json").is_file()
    terminal.ok("check")


def test_options_stand_before_and_after_a_command(terminal: Terminal, tmp_path: Path) -> None:
    other = write(tmp_path / "other", {"inventory/tenants/bob.yaml": None})
    for arguments in (
        ("-w", str(other), "--json", "tenant", "list"),
        ("tenant", "list", "-w", str(other), "--json"),
        ("--json", "tenant", "list", f"--workspace={other}"),
    ):
        assert [tenant["name"] for tenant in terminal.ok(*arguments).json] == ["alice"]


def test_without_a_workspace_the_hint_makes_one(empty: Terminal) -> None:
    printed = empty("tenant", "list")
    assert printed.code == 3
    assert "launchpad init FOLDER" in printed.err


def test_a_slot_that_two_tenants_have_is_said_once(terminal: Terminal) -> None:
    tenants = terminal.root / "inventory/tenants"
    (tenants / "carol.yaml").write_text((tenants / "bob.yaml").read_text().replace("bob.", "carol."))
    printed = terminal.ok("tenant", "list")
    assert printed.err.count("belongs to") == 1 and "bob" in printed.out + printed.err
    assert " are skipped: " in printed.err
    drilled = terminal("drill", "--all")
    assert (drilled.code, drilled.err.count("belongs to")) == (3, 1)


def test_who_is_to_be_removed_is_looked_for_before_it_is_asked(terminal: Terminal) -> None:
    printed = terminal("operator", "remove", "zoe")
    assert printed.code == 3 and "no operator zoe in launchpad.yaml" in printed.err


@pytest.mark.parametrize(("name", "said"), [("Bob Smith", "bad operator name"), ("recovery", "another name")])
def test_a_bad_name_of_an_operator_is_not_blamed_on_the_keys(terminal: Terminal, name: str, said: str) -> None:
    printed = terminal("operator", "add", name, "--keys", "bob.json")
    assert printed.code == 2 and said in printed.err


def test_nobody_is_asked_for_what_is_refused_anyway(terminal: Terminal) -> None:
    assert "web-1 has tenants" in terminal("host", "remove", "web-1").err
    file = terminal.root.parent / "taken.txt"
    file.write_text("another")
    assert f"{file} exists already" in terminal("kit", "make", str(file)).err


def test_a_mistake_of_a_named_tenant_is_said_once(terminal: Terminal) -> None:
    write(terminal.root, {"inventory/tenants/bob.yaml": "slot: [\n"})
    for words in (("status", "bob"), ("tenant", "show", "bob"), ("drill", "bob"), ("plan", "bob"), ("deploy", "bob")):
        printed = terminal(*words)
        assert (printed.code, printed.err.count("bob.yaml:")) == (3, 1), (words, printed.err)
    assert terminal("tenant", "show", "alice").err.count("bob.yaml:") == 1, "of another one it is still said"


NOT_THERE = [
    ("kit", "test", "/nope"),
    ("kit", "open", "/nope", "new"),
    ("import", "alice", "--from", "/nope"),
    ("operator", "add", "bob", "--keys", "/nope"),
    ("provision", "web-1", "--root-key", "/nope"),
    ("import", "alice", "--from", "ann@web-9:", "--key", "/nope"),
    ("export", "alice", "--to", "/nope/alice.tgz"),
    ("kit", "make", "/nope/kit.txt"),
]
NO_VALUE = [
    ("deploy", "alice", "--after", "zzz"),
    ("drill", "alice", "--at", "zzz"),
    ("restore", "alice", "--at", "zzz"),
    ("backups", "fetch", "alice", "--at", "zzz"),
    ("backups", "download", "alice", "--at", "zzz", "--to", "new"),
    ("backups", "download", "alice", "--file", "../zzz", "--to", "new"),
    ("provision", "web-1", "--fingerprint", "zzz"),
    ("provision", "web-1", "--root-user", "zzz zzz"),
    ("trust", "web-1", "--fingerprint", "zzz"),
    ("import", "alice", "--from", "ann@web-9:", "--fingerprint", "zzz"),
    ("deploy", "alice", "--id", "zzz"),
    ("provision", "web-1", "--id", "zzz"),
    ("attach", "zzz"),
    ("cancel", "zzz"),
]


@pytest.mark.parametrize("words", NOT_THERE, ids=" ".join)
def test_a_file_that_is_not_there_exits_three(terminal: Terminal, words: tuple[str, ...]) -> None:
    printed = terminal(*words)
    assert (printed.code, "/nope" in printed.err, "hint: " in printed.err) == (3, True, True)


@pytest.mark.parametrize("words", NO_VALUE, ids=" ".join)
def test_a_value_that_is_none_is_refused_before_a_host_is_asked(terminal: Terminal, words: tuple[str, ...]) -> None:
    printed = terminal(*words)
    assert (printed.code, "zzz" in printed.err) == (2, True), printed.err


def test_an_erasure_that_is_refused_is_not_asked_about(terminal: Terminal) -> None:
    write(terminal.root, {"inventory/targets.yaml": "off: {kind: s3, url: 'https://s3.example.com/bucket'}\n"})
    for words, code, said in (
        (("alice", "--target", "off"), 4, "alice is still in the inventory"),
        (("zoe", "--target", "off"), 4, "no PRUNE_"),
        (("B B", "--target", "off"), 2, "bad tenant name"),
    ):
        printed = terminal("backups", "erase", *words)
        assert (printed.code, said in printed.err) == (code, True), printed.err


def test_a_conflict_in_one_sealed_file_leaves_the_other_secrets_listed(terminal: Terminal) -> None:
    write(terminal.root, {"inventory/secrets/alice.yaml": "<<<<<<< HEAD\n=======\n>>>>>>> theirs\n"})
    printed = terminal("secret", "list")
    assert (printed.code, "ECHO_TOKEN" in printed.out) == (3, True)
    assert "alice.yaml:1: an unresolved Git conflict (its marks: lines 1, 2, 3)" in printed.err
    assert terminal("secret", "list", "alice").code == 3


def test_a_workspace_that_cannot_be_made_is_no_bug(empty: Terminal) -> None:
    printed = empty("init", "/proc/nope")
    assert (printed.code, "/proc/nope: cannot be written" in printed.err) == (4, True)


def test_a_tenant_that_exists_is_refused_before_anything_else_is_asked(terminal: Terminal) -> None:
    write(terminal.root, {"inventory/tiers.yaml": TWO_TIERS})
    printed = terminal("tenant", "add", "bob")
    assert (printed.code, "tenant bob exists already" in printed.err) == (4, True), printed.err


def test_a_missing_file_of_tiers_is_named(terminal: Terminal) -> None:
    (terminal.root / "inventory/tiers.yaml").unlink()
    printed = terminal("check")
    assert "expected a tier in inventory/tiers.yaml, which is missing or empty" in printed.err, printed.err


TWO_TIERS = """\
light: {memory: 256MiB, cpus: 0.5, pids: 128, disk: 1GiB}
standard: {memory: 2GiB, cpus: 2, pids: 512, disk: 10GiB}
"""


def test_check_warns_when_most_slots_are_taken(terminal: Terminal) -> None:
    slots = terminal.root / "inventory/slots.yaml"
    for gone, said in ((3273, []), (3274, ["3276 of 4095 are taken"])):
        lines = "".join(f"  {slot}: zoe\n" for slot in range(11, 11 + gone))
        slots.write_text(f"highest: 4000\ngone:\n{lines}")
        assert [note["what"] for note in terminal.ok("check", "--json").json["slots"]] == said
    assert "slots: 3276 of 4095 are taken\n  to free the slots of 3274 removed tenants" in terminal.ok("check").out
