"""The files that a host gets, as text."""

from __future__ import annotations

from pathlib import Path

import pytest

import launchpad.runner.provision
from launchpad.runner import caller
from launchpad.runner.protocol import Refused
from launchpad.runner.provision import file_text
from launchpad.runner.provision.settings_record import Person, settings_from_json
from launchpad.runner.provision.steps import ChangeAccess, PutFiles
from launchpad.runner.provision.wanted_steps import access_files, wanted_steps
from launchpad.runner.system import MachineFacts
from tests.runner.provision.settings import collector, key, settings

RANGES = {"/etc/subuid": "debian:100000:65536\n", "/etc/subgid": "debian:100000:65536\n"}
TREE = Path(str(launchpad.runner.provision.__file__)).parent / "files"


def test_a_key_may_only_run_the_runner_in_its_operators_name() -> None:
    lines = file_text.authorized_keys([Person(name="alice", keys=(key(1), key(2))), Person(name="bob", keys=(key(3),))])
    keys = [line for line in lines.splitlines() if not line.startswith("#")]
    assert len(keys) == 3
    command = 'restrict,command="sudo -n /usr/local/sbin/launchpad-runner operator='
    assert all(line.startswith(command) for line in keys)
    told = [line.removeprefix(command).split('"')[0].split(" key=") for line in keys]
    assert [name for name, _ in told] == ["alice", "alice", "bob"]
    assert len({digest for _, digest in told}) == 3 and all(len(digest) == 16 for _, digest in told)


def test_a_key_that_was_taken_out_asks_in_vain() -> None:
    """Also of somebody who keeps another: a laptop was stolen. The words are those of a login that is open."""
    alice, bob = Person(name="alice", keys=(key(1), key(2))), Person(name="bob", keys=(key(3),))
    before = {number: caller.words(name, key(number)) for number, name in ((1, "alice"), (2, "alice"), (3, "bob"))}
    for said in before.values():
        caller.refuse_revoked(said, file_text.authorized_keys([alice, bob]).encode())
    now = file_text.authorized_keys([alice.but(keys=(key(2),))]).encode()
    caller.refuse_revoked(before[2], now)
    for said, name in ((before[1], "alice"), (before[3], "bob"), ("operator=bob key=", "bob"), ("operator=", "")):
        with pytest.raises(Refused, match=f"no longer accepts the key of {name}"):
            caller.refuse_revoked(said, now)


def test_signers_sign_for_their_namespaces_only() -> None:
    admin, person = (Person(name=name, keys=(f"{key(1)} laptop",)) for name in ("ann", "bob"))
    lines = file_text.allowed_signers(
        {("launchpad-runner", "launchpad-intent"): [admin], ("launchpad-intent",): [person]}
    )
    assert lines.splitlines()[1:] == [
        f'ann namespaces="launchpad-runner,launchpad-intent" {key(1)}',
        f'bob namespaces="launchpad-intent" {key(1)}',
    ]


def test_a_line_of_ones_own_among_others() -> None:
    content = "debian:100000:65536\ndockremap:1:2\nalice:165536:65536\n"
    with_ours = file_text.with_line(content, "dockremap", "dockremap:1000000:65536")
    assert with_ours.splitlines() == ["debian:100000:65536", "alice:165536:65536", "dockremap:1000000:65536"]
    later = with_ours + "bob:231072:65536\n"
    assert file_text.with_line(later, "dockremap", "dockremap:1000000:65536") == later, "nothing to do, nothing moved"


def test_a_hole_is_never_left_unfilled() -> None:
    with pytest.raises(ValueError, match="@PORT@"):
        file_text.text("/etc/ssh/sshd_config.d/00-launchpad.conf", root_login="no")


def test_every_file_of_the_tree_is_put_somewhere() -> None:
    """Nothing lies in files/ that no host gets."""
    steps = wanted_steps(
        settings_from_json(settings(exporter=True, logs=collector())), MachineFacts(audit=True), RANGES, serial=1
    )
    put = {path for step in steps if isinstance(step, PutFiles | ChangeAccess) for path in step.files}
    by_other_steps = {"/srv/launchpad/caddy/Caddyfile", "/srv/launchpad/caddy/compose.yaml"}
    by_other_steps |= {"/etc/ssh/sshd_config", "/etc/sudoers"}
    assert {f"/{path.relative_to(TREE)}" for path in TREE.rglob("*") if path.is_file()} - by_other_steps <= put


def test_root_may_log_in_only_where_that_is_asked_for() -> None:
    def sshd(root_login: bool) -> str:
        asked = settings_from_json(settings(ssh={"port": 2200, "root_login": root_login}))
        return access_files(asked, MachineFacts())["/etc/ssh/sshd_config.d/00-launchpad.conf"]

    assert "\nPermitRootLogin no\n" in sshd(False)
    assert "\nPermitRootLogin prohibit-password\n" in sshd(True)
    assert "\nPort 2200\n" in sshd(True)


def test_the_firewall_knows_the_port_and_the_resolvers() -> None:
    asked = settings_from_json(settings(ssh={"port": 2200, "root_login": False}))
    firewall = access_files(asked, MachineFacts(resolvers=("192.0.2.53", "192.0.2.54")))["/etc/launchpad/firewall.nft"]
    assert "tcp dport 2200 ct state new jump ssh" in firewall
    assert "elements = { 192.0.2.53, 192.0.2.54 }" in firewall
    assert "flush ruleset" not in firewall


def test_only_kernel_values_that_can_be_set_are_set() -> None:
    facts = MachineFacts(kernel_keys=frozenset({"kernel.sysrq"}))
    steps = wanted_steps(settings_from_json(settings()), facts, RANGES, serial=1)
    assert [step.values for step in steps if hasattr(step, "values")] == [{"kernel.sysrq": "0"}]
