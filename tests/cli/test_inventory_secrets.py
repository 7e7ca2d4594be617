"""launchpad secret: values come in unseen, and never go out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from reach import watched

from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.settings import Settings
from launchpad.workspace import Workspace
from tests.cli.terminal import Terminal

VALUE = "sk-correct-horse-battery-staple"


def revealed(terminal: Terminal, tenant: str) -> dict[str, str]:
    settings = Settings.of({"LAUNCHPAD_CONFIG": str(terminal.home)}, home=terminal.home)
    secrets = Workspace.open(terminal.root, settings=settings, environment={}).secrets
    return {str(name): value.reveal() for name, (_, value) in secrets.reveal(TenantName(tenant)).items()}


@pytest.mark.parametrize("stdin", [VALUE, f"{VALUE}\n", f"{VALUE}\r\n"])
def test_a_value_comes_from_standard_input(terminal: Terminal, stdin: str) -> None:
    printed = terminal.ok("secret", "set", "bob", "API_KEY", stdin=stdin)
    assert "API_KEY of bob is at version 1" in printed.out
    assert VALUE not in printed.out + printed.err
    assert revealed(terminal, "bob") == {"API_KEY": VALUE}


def test_only_the_last_line_break_goes(terminal: Terminal) -> None:
    terminal.ok("secret", "set", "bob", "API_KEY", stdin="one\ntwo\n\n")
    assert revealed(terminal, "bob") == {"API_KEY": "one\ntwo\n"}


def test_the_same_value_again_changes_nothing(terminal: Terminal) -> None:
    terminal.ok("secret", "set", "bob", "API_KEY", stdin=VALUE)
    assert terminal.ok("secret", "set", "bob", "API_KEY", "--json", stdin=VALUE).json == {
        "tenant": "bob",
        "name": "API_KEY",
        "version": 1,
        "changed": False,
    }


def test_what_is_no_text_is_not_quoted(terminal: Terminal) -> None:
    printed = terminal("secret", "set", "bob", "API_KEY", stdin=b"\xff" + VALUE.encode())
    assert printed.code == 4
    assert "not UTF-8" in printed.err
    assert VALUE not in printed.out + printed.err


def test_rotating_makes_another_value(terminal: Terminal) -> None:
    terminal.ok("secret", "rotate", "bob", "ECHO_TOKEN")
    first = revealed(terminal, "bob")["ECHO_TOKEN"]
    printed = terminal.ok("secret", "rotate", "bob", "ECHO_TOKEN", "--json")
    second = revealed(terminal, "bob")["ECHO_TOKEN"]
    assert printed.json["version"] == 2
    assert len(first) == len(second) == 40
    assert first != second
    assert second not in printed.out + printed.err


def test_the_list_has_names_and_versions_alone(terminal: Terminal) -> None:
    terminal.ok("secret", "set", "bob", "API_KEY", stdin=VALUE)
    printed = terminal.ok("secret", "list", "bob", "--json")
    assert {record["name"]: record["version"] for record in printed.json} == {"ECHO_TOKEN": None, "API_KEY": 1}
    text = terminal.ok("secret", "list").out
    assert "missing" in text
    assert VALUE not in text + printed.out


def test_removing_asks(terminal: Terminal) -> None:
    terminal.ok("secret", "set", "bob", "API_KEY", stdin=VALUE)
    refused = terminal("secret", "remove", "bob", "API_KEY")
    assert (refused.code, revealed(terminal, "bob")) == (4, {"API_KEY": VALUE})
    assert "add --yes" in refused.err
    terminal.ok("secret", "remove", "bob", "API_KEY", "--yes")
    assert revealed(terminal, "bob") == {}


def test_resealing_follows_launchpad_yaml(terminal: Terminal) -> None:
    terminal.ok("secret", "set", "bob", "API_KEY", stdin=VALUE)
    assert terminal.ok("secret", "reseal", "--json").json == {}
    from launchpad.fleet.sealing.age import new_identity

    _, other = new_identity()
    path = terminal.root / "launchpad.yaml"
    path.write_text(path.read_text().replace("[age", f"[{other}, age"))
    assert "launchpad secret reseal" in terminal.ok("secret", "list").err
    assert terminal.ok("secret", "reseal", "--json").json == {"bob": ["API_KEY"]}
    assert terminal.ok("secret", "list").err == ""
    assert revealed(terminal, "bob") == {"API_KEY": VALUE}


def test_no_command_takes_a_value_as_an_argument(terminal: Terminal) -> None:
    assert terminal("secret", "set", "bob", "API_KEY", VALUE).code == 2


def test_another_process_never_sees_the_value(terminal: Terminal, tmp_path: Path) -> None:
    """Seen from outside: neither the arguments nor the environment of the process that seals it have it."""
    program = "import sys, launchpad.cli.boundary as b, pathlib; "
    program += (
        "seen = pathlib.Path('/proc/self/cmdline').read_bytes() + pathlib.Path('/proc/self/environ').read_bytes(); "
    )
    program += f"assert {VALUE[:8].encode()!r} + {VALUE[8:].encode()!r} not in seen; sys.exit(b.run(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "secret", "set", "bob", "API_KEY", "-w", str(terminal.root)]
    done = subprocess.run(command, input=VALUE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert SecretName("API_KEY") in revealed(terminal, "bob")


NEW_BOB = ("tenant", "add", "bob", "--app", "echo", "--tier", "light", "--host", "web-1", "--domain", "b.example.com")


def test_a_new_tenant_never_gets_the_secrets_of_an_earlier_one_of_that_name(terminal: Terminal) -> None:
    terminal.ok("secret", "set", "bob", "API_KEY", stdin=VALUE)
    terminal.ok("secret", "rotate", "bob", "ECHO_TOKEN")
    before = revealed(terminal, "bob")["ECHO_TOKEN"]
    (terminal.root / "inventory/tenants/bob.yaml").unlink()
    printed = terminal.ok(*NEW_BOB)
    now = revealed(terminal, "bob")
    assert (list(now), now["ECHO_TOKEN"] != before) == (["ECHO_TOKEN"], True)
    assert "removed API_KEY of an earlier tenant bob" in printed.err + printed.out
    assert terminal.ok("tenant", "show", "bob", "--json").json["secrets"] == {"ECHO_TOKEN": 2}, "versions count on"


def test_an_existing_tenant_keeps_its_secrets_when_its_name_is_added_again(terminal: Terminal) -> None:
    terminal.ok("secret", "set", "bob", "API_KEY", stdin=VALUE)
    assert terminal(*NEW_BOB).code == 4
    assert revealed(terminal, "bob") == {"API_KEY": VALUE}


def test_a_tenant_whose_secrets_cannot_be_read_is_neither_removed_nor_added(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.ok("secret", "set", "bob", "API_KEY", stdin=VALUE)
    sealed, tenant = terminal.root / "inventory/secrets/bob.yaml", terminal.root / "inventory/tenants/bob.yaml"
    sealed.write_text(f"<<<<<<< HEAD\n{sealed.read_text()}")
    monkeypatch.setenv("LAUNCHPAD_CONNECT_TIMEOUT", "1s")  # no host is there
    printed = terminal("tenant", "remove", "bob", "--host-gone", "--yes")
    assert (printed.code, tenant.exists(), "secrets/bob.yaml" in printed.err) == (3, True, True), printed
    tenant.unlink()
    printed = terminal(*NEW_BOB)
    assert (printed.code, tenant.exists(), "secrets/bob.yaml" in printed.err) == (3, False, True), printed


@pytest.mark.parametrize(
    ("name", "url", "why"),
    [
        ("team", "not a url", "the value is not a URL"),
        ("team", "://x", "the value is not a URL"),
        ("dm", "http://x", "the URL of a heartbeat does not begin with https://"),
        ("dm", "http://127.0.0.1.example.com/id", "the URL of a heartbeat does not begin with https://"),
    ],
)
def test_a_url_that_no_host_could_use_is_refused_when_typed(terminal: Terminal, name: str, url: str, why: str) -> None:
    settings = terminal.root / "launchpad.yaml"
    settings.write_text(f"{settings.read_text()}alerts: [{{name: team}}, {{name: dm, kind: heartbeat}}]\n")
    printed = terminal("alerts", "credential", name, stdin=url)
    assert printed.code == 3 and f"error: {name}: {why}\n" in printed.err and url not in printed.err
    terminal.ok("alerts", "credential", "team", stdin="mailto://user:password@example.com")
    terminal.ok("alerts", "credential", "dm", stdin="https://hc.example.com/id")
    terminal.ok("alerts", "credential", "dm", stdin="http://127.0.0.1:8080/a-relay-on-the-host")


def test_a_list_reads_the_inventory_once_however_many_tenants_there_are(terminal: Terminal) -> None:
    terminal.ok("secret", "set", "alice", "OPENAI_API_KEY", stdin=VALUE)
    terminal.ok("secret", "set", "bob", "API_KEY", stdin=VALUE)
    with watched() as found:
        listed = terminal.ok("secret", "list", "--json").json
    assert {(item["tenant"], item["name"]) for item in listed if item["version"]} >= {
        ("alice", "OPENAI_API_KEY"), ("bob", "API_KEY"),
    }  # fmt: skip
    assert found.times("Snapshot.take") == 1
    assert found.times("read_entries") == 2, "one file a tenant"
