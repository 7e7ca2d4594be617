"""Workspaces are found, hold their own parts, and do not know of each other."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from launchpad.errors import InventoryError
from launchpad.fleet.sealing.age import new_identity
from launchpad.fleet.sealing.keys import Keys
from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.settings import Settings
from launchpad.workspace import SHIPPED_TEMPLATES, LocalClock, Workspace, find_root
from tests.fleet.inventory import RIGHT, write

ALICE, KEY = TenantName("alice"), SecretName("ANTHROPIC_API_KEY")


def settings(home: Path, **environment: str) -> Settings:
    return Settings.of({"LAUNCHPAD_CONFIG": str(home), "USER": "ann", **environment}, home=home)


def open_with_identity(root: Path, home: Path) -> Workspace:
    """A workspace whose only recipient is the identity in `home`."""
    home.mkdir(parents=True, exist_ok=True)
    content, recipient = new_identity()
    (home / "identity").write_text(content)
    write(root, {"launchpad.yaml": f"recipients: [{recipient}]\n"})
    return Workspace.open(root, settings=settings(home), environment={})


def test_the_nearest_upward_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outer = write(tmp_path / "outer")
    inner = write(outer / "inner")
    deep = inner / "inventory/tenants"
    monkeypatch.chdir(deep)
    assert Workspace.open(settings=settings(tmp_path), environment={}).root == inner
    monkeypatch.chdir(outer / "inventory")
    assert Workspace.open(settings=settings(tmp_path), environment={}).root == outer


def test_the_one_that_was_named_goes_before_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, named, given = (write(tmp_path / name) for name in ("here", "named", "given"))
    monkeypatch.chdir(here)
    of_environment = settings(tmp_path, LAUNCHPAD_WORKSPACE=str(named))
    assert Workspace.open(settings=of_environment, environment={}).root == named
    assert Workspace.open(given, settings=of_environment, environment={}).root == given


def test_where_there_is_none_the_hint_makes_one(tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as raised:
        find_root(None, start=tmp_path)
    assert "launchpad init" in raised.value.hint
    with pytest.raises(InventoryError, match="is no workspace") as raised:
        find_root(tmp_path, start=tmp_path)
    assert (
        raised.value.hint == f"name the folder of your launchpad.yaml; a new one: launchpad init {tmp_path / 'fleet'}"
    )
    (tmp_path / "passwd").touch()
    with pytest.raises(InventoryError, match="passwd is no workspace: it is a file") as raised:
        find_root(tmp_path / "passwd", start=tmp_path)
    assert (
        raised.value.hint == f"name the folder of your launchpad.yaml; a new one: launchpad init {tmp_path / 'fleet'}"
    )
    new = tmp_path / "new"
    with pytest.raises(InventoryError, match="there is no such folder") as raised:
        find_root(new, start=tmp_path)
    assert raised.value.hint == f"name the folder of your launchpad.yaml; a new one: launchpad init {new}"


def test_a_folder_below_a_named_one_is_not_searched_upward(tmp_path: Path) -> None:
    root = write(tmp_path)
    with pytest.raises(InventoryError, match="is no workspace"):
        find_root(root / "inventory", start=root)


def test_own_templates_come_before_the_shipped_ones(tmp_path: Path) -> None:
    root = write(tmp_path / "workspace")
    assert Workspace.open(root, settings=settings(tmp_path), environment={}).templates == (SHIPPED_TEMPLATES,)
    (root / "templates").mkdir()
    opened = Workspace.open(root, settings=settings(tmp_path), environment={})
    assert opened.templates == (root / "templates", SHIPPED_TEMPLATES)


def test_two_in_one_process_know_nothing_of_each_other(tmp_path: Path) -> None:
    one = open_with_identity(tmp_path / "one", tmp_path / "home-one")
    two = open_with_identity(tmp_path / "two", tmp_path / "home-two")
    (two.root / "inventory/tenants/bob.yaml").unlink()
    one.secrets.set(ALICE, KEY, Secret("of one"))
    two.secrets.set(ALICE, KEY, Secret("of two"))
    assert one.secrets.reveal(ALICE)[KEY][1].reveal() == "of one"
    assert two.secrets.reveal(ALICE)[KEY][1].reveal() == "of two"
    assert set(one.fleet.load().tenants) == {"alice", "bob"}
    assert set(two.fleet.load().tenants) == {"alice"}
    assert one.revision().revision != two.revision().revision
    assert one.revision().revision not in two.revision().ancestors


def test_threads_share_one(tmp_path: Path) -> None:
    workspace = open_with_identity(tmp_path / "one", tmp_path / "home")
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            name = SecretName(f"KEY_{number}")
            workspace.secrets.set(ALICE, name, Secret(f"value {number}"))
            assert workspace.secrets.reveal(ALICE)[name][1].reveal() == f"value {number}"
            assert workspace.fleet.load().tenant("alice").slot == 1
            workspace.revision()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(workspace.secrets.versions(ALICE)) == 8


def test_a_change_on_disk_is_seen_by_the_next_load(tmp_path: Path) -> None:
    workspace = Workspace.open(write(tmp_path), settings=settings(tmp_path), environment={})
    first = workspace.fleet.load()
    assert workspace.fleet.load() is first
    write(tmp_path, {"inventory/tenants/bob.yaml": RIGHT["inventory/tenants/bob.yaml"].replace("1.0.0", "1.1.0")})
    assert workspace.fleet.load().tenant("bob").version == "1.1.0"
    assert first.tenant("bob").version == "1.0.0"


def test_the_clock_goes_forward() -> None:
    clock = LocalClock()
    before = clock.monotonic()
    clock.sleep(0)
    assert clock.monotonic() >= before
    assert clock.now() > 1_700_000_000


def test_keys_of_settings_are_where_keys_are_made(tmp_path: Path) -> None:
    found = settings(tmp_path / "config")
    keys = Keys(found.identity, found.config / "ssh_ed25519", found.signing_key)
    keys.make_missing(comment="ann")
    assert settings(tmp_path / "config").ssh_key == keys.ssh
