"""What Git leaves of two clones' work: a tenant whose own file is wrong is left out, and everything else goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.errors import StateError
from launchpad.fleet.keeping.store import NewTenant
from launchpad.fleet.words.mistakes import InventoryMistakes
from launchpad.fleet.words.names import AppName, DomainName, HostName, TenantName, TierName, VersionName
from tests.fleet.inventory import RIGHT, store, write

ALICE, BOB, CAROL = (f"inventory/tenants/{name}.yaml" for name in ("alice", "bob", "carol"))
CONFLICT = "slot: 2\napp: echo\n<<<<<<< HEAD\nversion: 1.0.0\n=======\nversion: 1.1.0\n>>>>>>> theirs\ntier: light\n"


def test_a_conflict_in_one_tenants_file_leaves_the_others_in(tmp_path: Path) -> None:
    fleet = store(write(tmp_path, {BOB: CONFLICT})).load()
    assert [*map(str, fleet.tenants), *fleet.unreadable] == ["alice", "bob"]
    assert fleet.known == {"alice", "bob"}
    with pytest.raises(InventoryMistakes, match=rf"{BOB}:3: an unresolved Git conflict .*git add {BOB}"):
        fleet.tenant("bob")
    with pytest.raises(InventoryMistakes, match="an unresolved Git conflict"):
        store(tmp_path).check()


@pytest.mark.parametrize(
    "files",
    [
        {BOB: "slot: [\n"},
        {BOB: RIGHT[BOB].replace("echo", "no-such-app")},
        {BOB: RIGHT[BOB].replace("1.0.0", "9.9.9")},
        {"inventory/tenants/bob.yml": RIGHT[BOB], BOB: None},
        {BOB: RIGHT[BOB].encode() + b"\xff"},
    ],
    ids=["not YAML", "an unknown app", "an unknown version", "another suffix", "not UTF-8"],
)
def test_whatever_is_wrong_with_one_tenant_is_its_own(tmp_path: Path, files: dict[str, str | bytes | None]) -> None:
    fleet = store(write(tmp_path, files)).load()
    assert (list(fleet.tenants), list(fleet.unreadable)) == (["alice"], ["bob"])


@pytest.mark.parametrize(
    "file", ["inventory/hosts.yaml", "inventory/tiers.yaml", "inventory/targets.yaml", "launchpad.yaml"]
)
def test_what_all_tenants_need_is_everybodys(tmp_path: Path, file: str) -> None:
    written = f"# a comment\n<<<<<<< HEAD\na: 1\n||||||| 8dbd\n=======\na: 2\n>>>>>>> theirs\n{RIGHT.get(file, '')}"
    with pytest.raises(InventoryMistakes) as raised:
        store(write(tmp_path, {file: written})).load()
    assert raised.value.message.splitlines()[1:] == [
        f"  {file}:2: an unresolved Git conflict (its marks: lines 2, 4, 5, 7); expected one of the two sides "
        f"(edit the file, or: git mergetool {file}, or: git checkout --ours {file}; then: git add {file})"
    ]


def test_a_mark_that_was_left_behind_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(InventoryMistakes, match=r"launchpad.yaml:1: an unresolved Git conflict \(its marks: line 1\)"):
        store(write(tmp_path, {"launchpad.yaml": ">>>>>>> theirs\noperators: []\n"})).load()


ECHO = "inventory/apps/echo.yaml"
IN_ECHO = {ECHO: f"<<<<<<< HEAD\n{RIGHT[ECHO]}=======\n{RIGHT[ECHO]}>>>>>>> theirs\n"}


def test_a_conflict_in_an_apps_file_leaves_the_tenants_of_other_apps_in(tmp_path: Path) -> None:
    fleet = store(write(tmp_path, IN_ECHO))
    found = fleet.load()
    assert ([*found.tenants], [*found.unreadable], "echo" in found.apps) == (["alice"], ["bob"], False)
    for ask in (lambda: found.tenant("bob"), lambda: found.app("echo")):
        with pytest.raises(InventoryMistakes, match=rf"{ECHO}:1: an unresolved Git conflict"):
            ask()
    assert [*fleet.left_out] == ["bob"]
    with pytest.raises(InventoryMistakes, match=rf"{ECHO}:1: an unresolved Git conflict"):
        fleet.check()


def test_an_app_that_no_tenant_runs_is_told_of_and_ends_nothing(tmp_path: Path) -> None:
    fleet = store(write(tmp_path, {"inventory/apps/other.yaml": CONFLICT}))
    assert [*fleet.load().tenants] == ["alice", "bob"]
    assert [*fleet.left_out] == ["app other"]


def test_the_tenants_of_an_app_that_extends_it_are_out_too(tmp_path: Path) -> None:
    tenant = RIGHT[BOB].replace("echo", "louder").replace("bob.", "carol.").replace("slot: 2", "slot: 3")
    files = {**IN_ECHO, "inventory/apps/louder.yaml": "extends: echo\n", CAROL: tenant}
    found = store(write(tmp_path, files)).load()
    assert ([*found.tenants], sorted(found.unreadable)) == (["alice"], ["bob", "carol"])


@pytest.mark.parametrize(
    "files",
    [
        {ECHO: RIGHT[ECHO] + "nonsense: 1\n"},
        {ECHO: None, "inventory/apps/echo.yml": RIGHT[ECHO]},
        {ECHO: RIGHT[ECHO].encode() + b"\xff"},
    ],
    ids=["an unknown key", "another suffix", "not UTF-8"],
)
def test_whatever_is_wrong_with_an_app_is_its_tenants_own(tmp_path: Path, files: dict[str, str | bytes | None]) -> None:
    found = store(write(tmp_path, files)).load()
    assert ([*found.tenants], [*found.unreadable]) == (["alice"], ["bob"])


def test_what_became_of_the_others_is_written_and_nobody_comes_or_goes(tmp_path: Path) -> None:
    fleet = store(write(tmp_path, {ALICE: f"<<<<<<< HEAD\n{RIGHT[ALICE]}"}))
    bob, old, new = TenantName("bob"), VersionName("1.0.0"), VersionName("1.1.0")
    fleet.set_tenant_version(bob, new, replaces=old)
    assert fleet.load().tenant("bob").version == new
    for edit in (lambda: fleet.remove_tenant(bob), lambda: fleet.remove_host(HostName("web-2"))):
        with pytest.raises(InventoryMistakes):
            edit()
    with pytest.raises(InventoryMistakes, match=r"no version 9\.9\.9"):
        fleet.set_tenant_version(bob, VersionName("9.9.9"), replaces=new)
    assert fleet.load().tenant("bob").version == new


def test_two_tenants_in_one_slot_are_both_left_out_until_one_gets_another(tmp_path: Path) -> None:
    carol = RIGHT[BOB].replace("bob.example.com", "carol.example.com")
    slots = "<<<<<<< HEAD\nhighest: 2\n=======\nhighest: 3\n>>>>>>> theirs\ngone:\n  3: zoe\n"
    fleet = store(write(tmp_path, {CAROL: carol, "inventory/slots.yaml": slots}))
    found = fleet.load()
    assert (list(found.tenants), sorted(found.unreadable)) == (["alice"], ["bob", "carol"])
    with pytest.raises(
        InventoryMistakes, match="launchpad tenant renumber carol, or bob: renumber the tenant that was never"
    ):
        found.tenant("bob")
    assert fleet.renumber_tenant(TenantName("carol")).slot == 4
    assert sorted(fleet.check().tenants) == ["alice", "bob", "carol"]
    assert (tmp_path / "inventory/slots.yaml").read_text().endswith("highest: 4\ngone:\n  3: zoe\n")
    with pytest.raises(StateError, match="no other tenant has slot 2 of bob"):
        fleet.renumber_tenant(TenantName("bob"))


def test_a_host_that_two_clones_made_too_full_takes_nobody_and_ends_nothing(tmp_path: Path) -> None:
    big = RIGHT[BOB].replace("tier: light", "tier: standard")
    files = {f"inventory/tenants/{name}.yaml": big.replace("slot: 2", f"slot: {slot}").replace("bob.", f"{name}.")
             for slot, name in enumerate(("carol", "dave", "erin", "fay", "gil", "hal"), start=3)}  # fmt: skip
    fleet = store(write(tmp_path, dict(files)))
    found = fleet.load()
    assert len(found.tenants) == 8
    assert "of memory allocated" in found.amiss[0].what
    assert "the fleet" in fleet.left_out
    with pytest.raises(InventoryMistakes, match=r"host web-1: .* of memory allocated"):
        fleet.check()
    with pytest.raises(InventoryMistakes, match=r"host web-1: .* of memory allocated"):
        fleet.judge_tenant_host(TenantName("alice"), HostName("web-1"))
    host = HostName("web-2")
    fleet.judge_tenant_host(TenantName("carol"), host)
    fleet.set_tenant_host(TenantName("carol"), host, replaces=HostName("web-1"))
    assert fleet.load().tenant("carol").host == host, "who leaves it is let go"


def test_an_edit_that_is_refused_leaves_nobody_out(tmp_path: Path) -> None:
    fleet = store(write(tmp_path, {}))
    before = fleet.load()
    domain = str(before.tenant("alice").domains[0])
    new = NewTenant(
        name=TenantName("dave"), app=AppName("echo"), tier=TierName("light"), host=HostName("web-1"),
        domains=(DomainName(domain),),
    )  # fmt: skip
    with pytest.raises(InventoryMistakes, match="belongs to alice"):
        fleet.add_tenant(new)
    assert fleet.left_out == {}
