"""operator: who joins is let in everywhere, who leaves nowhere, and what could not be done is listed by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from launchpad.errors import HostError, InventoryError, StateError
from launchpad.fleet.model.host import Operator
from launchpad.fleet.sealing.age import AgeIdentity, new_identity
from launchpad.fleet.words.names import SecretName, TargetName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.hosts.operators import access, add_operator, removable, remove_operator
from launchpad.operations.hosts.provision import provision
from launchpad.workspace import Workspace
from tests.operations.hosts.test_provision import change, hosts_in, make_key, workspace

__all__ = ["workspace"]


@pytest.fixture
def bob(workspace: Workspace, tmp_path: Path) -> Operator:
    """bob, who is let in; and a secret that both read."""
    content, mine = new_identity()
    workspace.settings.identity.parent.mkdir(exist_ok=True, parents=True)
    workspace.settings.identity.write_text(content)
    change(workspace.root / "launchpad.yaml", recipients=[str(mine)])
    identity, recipient = new_identity()
    (tmp_path / "bobs-identity").write_text(identity)
    keys = (make_key(tmp_path / "bob"),)
    made = Operator.model_validate({"name": "bob", "keys": keys, "signing_keys": keys, "recipients": (str(recipient),)})
    workspace.target_secrets.set(TargetName("offsite"), SecretName("REST_PASSWORD"), Secret("the password"))
    return made


def sealed(workspace: Workspace) -> str:
    entries = yaml.safe_load((workspace.root / "inventory/secrets/targets/offsite.yaml").read_text())
    return str(entries["REST_PASSWORD"]["value"])


def test_who_joins_gets_in_and_reads(workspace: Workspace, bob: Operator, tmp_path: Path) -> None:
    done = add_operator(workspace, bob)
    assert done.complete and done.hosts == {"web-1": ""} and list(done.resealed) == ["target offsite"]
    assert hosts_in(workspace).hosts["web-1"].gets_in("bob")
    assert AgeIdentity(tmp_path / "bobs-identity").open(sealed(workspace), what="it").reveal() == "the password"
    assert provision(workspace, "web-1").outcome == "unchanged" and access(workspace) == {"web-1": ""}
    assert add_operator(workspace, bob).complete, "typed again after it was cut off: what was left of it"
    with pytest.raises(StateError, match="bob exists already"):
        add_operator(workspace, bob.model_copy(update={"recipients": ()}))
    with pytest.raises(StateError, match="operator bob already has a key of bobby"):
        add_operator(workspace, bob.model_copy(update={"name": "bobby", "recipients": ()}))


def test_who_leaves_is_let_in_nowhere_and_what_they_read_is_named(
    workspace: Workspace, bob: Operator, tmp_path: Path
) -> None:
    add_operator(workspace, bob)
    host = hosts_in(workspace).hosts["web-1"]
    host.system.logins = {700: str(bob.keys[0]).rsplit(" ", 1)[0]}
    done = remove_operator(workspace, "bob")
    assert done.complete and not host.gets_in("bob") and host.gets_in("alice") and host.system.logins == {}
    assert [item.rotate for item in done.rotate] == ["launchpad target credential offsite REST_PASSWORD"]
    with pytest.raises(StateError, match="not sealed for you"):
        AgeIdentity(tmp_path / "bobs-identity").open(sealed(workspace), what="it")


def test_a_host_that_was_not_reached_is_listed_until_it_was(workspace: Workspace, bob: Operator) -> None:
    add_operator(workspace, bob)
    hosts_in(workspace).failures = [HostError("web-1: connection refused")] * 9
    done = remove_operator(workspace, "bob")
    assert not done.complete and done.hosts == {"web-1": "connection refused; next: launchpad provision web-1"}
    hosts_in(workspace).failures = []
    assert access(workspace) == {"web-1": "settings or access differ from the inventory: launchpad provision web-1"}
    provision(workspace, "web-1")
    assert access(workspace) == {"web-1": ""}


@pytest.mark.parametrize(("name", "says"), [("alice", "you are alice"), ("carl", "no operator carl")])
def test_who_may_not_be_removed(workspace: Workspace, bob: Operator, name: str, says: str) -> None:
    add_operator(workspace, bob)
    with pytest.raises((StateError, InventoryError), match=says):
        remove_operator(workspace, name)


def test_the_key_says_who_is_typing_where_two_have_one_login_name(
    workspace: Workspace, bob: Operator, tmp_path: Path
) -> None:
    add_operator(workspace, bob)
    other = replace(workspace, settings=replace(workspace.settings, ssh_key=tmp_path / "bob"))
    assert removable(other, other.fleet.load(), "alice").name == "alice"
    with pytest.raises(StateError, match="you are bob"):
        removable(other, other.fleet.load(), "bob")


def test_the_last_who_signs_stays(workspace: Workspace, bob: Operator) -> None:
    add_operator(workspace, bob)
    people = yaml.safe_load((workspace.root / "launchpad.yaml").read_text())["operators"]
    alone = [item | {"signing_keys": []} if item["name"] == "alice" else item for item in people]
    change(workspace.root / "launchpad.yaml", operators=alone)
    with pytest.raises(StateError, match="nobody could sign"):
        remove_operator(workspace, "bob")


def test_who_stands_under_recipients_too_reads_nothing_any_more(
    workspace: Workspace, bob: Operator, tmp_path: Path
) -> None:
    add_operator(workspace, bob)
    file = workspace.root / "launchpad.yaml"
    mine = yaml.safe_load(file.read_text())["recipients"]
    change(file, recipients=[*mine, str(bob.recipients[0])])
    done = remove_operator(workspace, "bob")
    assert yaml.safe_load(file.read_text())["recipients"] == mine
    assert [*done.others] == mine, "whose these are nobody can tell: they are named"
    with pytest.raises(StateError, match="not sealed for you"):
        AgeIdentity(tmp_path / "bobs-identity").open(sealed(workspace), what="it")


def test_who_is_the_last_to_read_by_both_lists_stays(workspace: Workspace, bob: Operator) -> None:
    add_operator(workspace, bob)
    change(workspace.root / "launchpad.yaml", recipients=[str(bob.recipients[0])])
    with pytest.raises(StateError, match="nobody could read"):
        remove_operator(workspace, "bob")


def test_who_shares_a_key_is_named_and_can_be_removed(workspace: Workspace, bob: Operator) -> None:
    add_operator(workspace, bob)
    file = workspace.root / "launchpad.yaml"
    people = yaml.safe_load(file.read_text())["operators"]
    twin = next(item for item in people if item["name"] == "bob") | {"name": "bobby"}
    change(file, operators=[*people, twin])
    (wrong,) = {item.what.split(" (")[0] for item in workspace.fleet.load().amiss}
    assert wrong == "bobby has a key that bob has too"
    remove_operator(workspace, "bobby")
    assert workspace.fleet.load().amiss == ()
