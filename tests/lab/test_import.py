"""Out of the fleet and into it, on real hosts: an archive of one tenant becomes another, from a file and over SSH."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from labkit import Host, Lab

from tests.lab.world import World


@pytest.fixture(scope="module")
def exported(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of alice, who runs and has said something."""
    world.add_tenant("alice")
    world.deploy("alice")
    world.wait_for("alice")
    mark(world, "alice", "from-alice")
    file = tmp_path_factory.mktemp("exported") / "alice.tgz"
    world.launchpad("export", "alice", "--to", str(file))
    return file


@pytest.fixture(scope="module")
def old_one(lab: Lab, world: World, exported: Path) -> Iterator[Host]:
    """A machine that is none of the fleet's, with the archive unpacked in root's home."""
    name = f"{world.host.name[:20]}-old"
    try:
        host = lab.up(name, fresh=True)
        host.exec(["tar", "-xzf", "-", "-C", "/root"], stdin=exported.read_bytes())
        yield host
    finally:
        lab.down(name)


def mark(world: World, name: str, text: str) -> None:
    assert world.request(name, "POST", "/marker", body=text.encode()).status == 200


def marker(world: World, name: str) -> str:
    world.wait_for(name)
    return world.get(name, "/marker").body.decode()


def bring_in(world: World, source: str, *words: str, check: bool = True, name: str = "bob"):
    return world.launchpad("--json", "import", name, "--from", source, "--yes", *words, check=check)


def test_an_archive_is_its_owners_alone_and_has_the_marker(world: World, exported: Path, tmp_path: Path) -> None:
    assert exported.stat().st_mode & 0o777 == 0o600
    with tarfile.open(exported) as tar:
        names = tar.getnames()
        for name in names:
            if name.startswith("beacon/marker/beacon.sqlite") and (file := tar.extractfile(name)) is not None:
                (tmp_path / Path(name).name).write_bytes(file.read())
    assert {"beacon/marker/beacon.sqlite", "beacon/store/store.sqlite", "beacon/.env"} <= set(names)
    connection = sqlite3.connect(tmp_path / "beacon.sqlite")
    assert connection.execute("SELECT text FROM marker").fetchone() == ("from-alice",)
    again = world.launchpad("export", "alice", "--to", str(exported), check=False)
    assert (again.code, "exists already" in again.err) == (4, True)


def test_it_becomes_a_tenant_that_was_never_deployed(world: World, exported: Path) -> None:
    world.add_tenant("bob")
    done = bring_in(world, str(exported)).json
    assert done["outcome"] == "done"
    assert marker(world, "bob") == "from-alice"
    kept = world.launchpad("--json", "generations", "bob").json_document["generations"]
    assert [item["why"] for item in kept] == ["received"]


def test_it_takes_the_place_of_data_that_can_come_back(world: World, exported: Path) -> None:
    mark(world, "bob", "bobs-own")
    done = bring_in(world, str(exported)).json
    assert marker(world, "bob") == "from-alice"
    world.launchpad("restore", "bob", "--generation", done["id"], "--yes")
    assert marker(world, "bob") == "bobs-own"


def test_what_the_app_does_not_start_on_is_undone(world: World, exported: Path, tmp_path: Path) -> None:
    """State of a schema that this version refuses for good: it is found in the rehearsal, and bob never notices."""
    before = world.containers("bob")
    done = bring_in(world, str(newer(exported, tmp_path)), check=False)
    assert done.code == 6, done
    assert "in the rehearsal" in done.json["error"]["message"]
    assert world.containers("bob") == before
    assert marker(world, "bob") == "bobs-own"


def newer(archive: Path, folder: Path) -> Path:
    """The same archive, with a database of a schema that nobody knows yet."""
    made = folder / "newer.tgz"
    with tarfile.open(archive) as tar, tarfile.open(made, "w:gz") as out:
        for entry in tar:
            stream = tar.extractfile(entry) if entry.isreg() else None
            content = stream.read() if stream else b""
            if entry.name.endswith("marker/beacon.sqlite"):
                (folder / "x.sqlite").write_bytes(content)
                connection = sqlite3.connect(folder / "x.sqlite")
                connection.execute("PRAGMA user_version = 9")
                connection.commit()
                connection.close()
                content = (folder / "x.sqlite").read_bytes()
            entry.size = len(content)
            out.addfile(entry, io.BytesIO(content) if entry.isreg() else None)
    return made


def test_over_ssh_from_a_machine_that_is_left_as_it_is(world: World, old_one: Host) -> None:
    world.add_tenant("carol")
    before = files_of(old_one)
    source, login = f"root@{old_one.address}:", ("--key", str(old_one.key_path))
    unknown = bring_in(world, source, *login, "--stopped", name="carol", check=False)
    assert unknown.code == 6 and old_one.fingerprint in unknown.json["error"]["hint"], unknown
    trusted = (*login, "--fingerprint", old_one.fingerprint)
    nobody = bring_in(world, source, *trusted, "--stop-with", "echo it goes on; exit 3", name="carol", check=False)
    assert nobody.code == 6 and "it goes on" in nobody.json["error"]["message"], nobody
    assert "carol" not in world.launchpad("--json", "status").json_document["tenants"]
    done = bring_in(world, source, *login, "--stop-with", "date > /tmp/stopped", name="carol").json
    assert marker(world, "carol") == "from-alice"
    assert 0 < done["silent_seconds"] < 60
    assert old_one.exec(["cat", "/tmp/stopped"]).stdout
    assert files_of(old_one) == before


def files_of(host: Host) -> str:
    """A digest of all that the old one has: names, modes, times, content."""
    shown = host.exec(["sh", "-c", "cd /root/beacon && find . -printf '%p %m %T@ ' -type f -exec sha256sum {} ';'"])
    return hashlib.sha256(shown.stdout.encode()).hexdigest()
