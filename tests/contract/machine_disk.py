"""What only a real disk can answer: modes, owners, links that somebody planted, a disk that is full, quotas."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launchpad.runner import generation_records, paths
from launchpad.runner.machine import Machine, btrfs
from tests.contract.world import World, failure

MEGABYTE = 1 << 20


def machine_a_file_has_just_the_mode_and_owner_that_were_asked(host: Machine, world: World) -> None:
    before = os.umask(0o077)
    try:
        host.write(f"{world.root}/new/file", b"", mode=0o640, uid=world.uid)
        host.folder(f"{world.root}/run", mode=0o711, uid=world.uid)
    finally:
        os.umask(before)
    file, folder, parent = (Path(world.root, name).stat() for name in ("new/file", "run", "new"))
    assert (stat.S_IMODE(file.st_mode), file.st_uid, file.st_gid) == (0o640, world.uid, world.uid)
    assert (stat.S_IMODE(folder.st_mode), folder.st_uid) == (0o711, world.uid)
    assert (stat.S_IMODE(parent.st_mode), parent.st_uid) == (0o755, 0), "a parent is root's, whatever the umask"


def machine_a_secret_never_lies_under_a_wider_mode(host: Machine, world: World) -> None:
    host.write(f"{world.root}/secret", b"old", mode=0o644)
    reader = os.open(f"{world.root}/secret", os.O_RDONLY)
    host.write(f"{world.root}/secret", b"new", mode=0o400, uid=world.uid)
    assert os.read(reader, 9) == b"old", "the content was changed in place, under the old mode"
    os.close(reader)


def machine_a_link_in_the_last_place_is_never_read(host: Machine, world: World) -> None:
    host.folder(world.root)
    Path(world.root, "link").symlink_to("/etc/shadow")
    assert "link" in failure(lambda: host.read(f"{world.root}/link"))


def machine_a_link_on_the_way_is_never_followed(host: Machine, world: World) -> None:
    outside = Path(world.root, "outside")
    host.folder(str(outside))
    host.write(f"{outside}/file", b"untouched")
    Path(world.root, "way").symlink_to(outside)
    failure(lambda: host.read(f"{world.root}/way/file"))
    failure(lambda: host.write(f"{world.root}/way/file", b"changed"))
    failure(lambda: host.append(f"{world.root}/way/file", b"changed"))
    failure(lambda: host.folder(f"{world.root}/way/new"))
    failure(lambda: host.remove(f"{world.root}/way/file"))
    failure(lambda: host.names(f"{world.root}/way"))
    failure(lambda: host.link(f"{world.root}/way/link", "x"))
    assert [item.name for item in outside.iterdir()] == ["file"]
    assert (outside / "file").read_bytes() == b"untouched"


def machine_writing_over_a_link_replaces_the_link(host: Machine, world: World) -> None:
    host.write(f"{world.root}/target", b"untouched")
    Path(world.root, "link").symlink_to("target")
    host.write(f"{world.root}/link", b"new")
    assert not Path(world.root, "link").is_symlink()
    assert Path(world.root, "target").read_bytes() == b"untouched"
    Path(world.root, "link").unlink()
    Path(world.root, "link").symlink_to("target")
    failure(lambda: host.append(f"{world.root}/link", b"more"))
    assert Path(world.root, "target").read_bytes() == b"untouched"


def machine_a_link_planted_where_the_new_file_is_prepared_is_not_written_through(host: Machine, world: World) -> None:
    host.write(f"{world.root}/target", b"untouched")
    Path(world.root, ".file.launchpad-partial").symlink_to("target")
    host.write(f"{world.root}/file", b"new")
    assert Path(world.root, "target").read_bytes() == b"untouched"
    assert host.names(world.root) == ["file", "target"]


def machine_a_pipe_is_no_file_and_holds_nobody_up(host: Machine, world: World) -> None:
    host.folder(world.root)
    os.mkfifo(f"{world.root}/pipe")
    failure(lambda: host.read(f"{world.root}/pipe"))
    failure(lambda: host.append(f"{world.root}/pipe", b"x"))


def machine_a_path_with_dots_is_refused(host: Machine, world: World) -> None:
    for path in (f"{world.root}/../file", f"{world.root}//file", "relative", f"{world.root}/a\0b"):
        failure(lambda path=path: host.write(path, b""))  # type: ignore[misc]


def machine_what_a_killed_writer_left_is_not_seen_and_goes_with_the_next_write(host: Machine, world: World) -> None:
    host.folder(world.root)
    Path(world.root, ".file.launchpad-partial").write_bytes(b"half")
    assert host.names(world.root) == []
    assert host.read(f"{world.root}/file") is None
    host.write(f"{world.root}/file", b"whole")
    assert entries(world.root) == ["file"]


def entries(folder: str) -> list[str]:
    """Everything in the folder, also what `names` does not show."""
    return sorted(item.name for item in Path(folder).iterdir())


@contextmanager
def tiny_disk(world: World, size: int = 256 * 1024) -> Iterator[str]:
    """A file system of its own that is soon full."""
    folder = f"{paths.RUN}/{world.tenant}/tiny"
    Path(folder).mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def machine_a_full_disk_leaves_the_old_file_whole_and_no_rest(host: Machine, world: World) -> None:
    with tiny_disk(world) as folder:
        host.write(f"{folder}/file", b"old")
        assert "No space left" in failure(lambda: host.write(f"{folder}/file", b"x" * MEGABYTE))
        assert host.read(f"{folder}/file") == b"old"
        assert entries(folder) == ["file"]


def machine_a_full_disk_leaves_no_half_of_an_appended_line(host: Machine, world: World) -> None:
    with tiny_disk(world) as folder:
        host.append(f"{folder}/journal", b"1\n")
        assert "No space left" in failure(lambda: host.append(f"{folder}/journal", b"x" * MEGABYTE + b"\n"))
        assert host.read(f"{folder}/journal") == b"1\n"


def machine_a_volume_belongs_to_the_tenant_and_data_to_root(host: Machine, world: World) -> None:
    data = Path(world.root, "data")
    host.make_data(str(data), volumes=["state"], disk_mb=32, uid=world.uid)
    assert (data.stat().st_uid, stat.S_IMODE(data.stat().st_mode) & 0o022) == (0, 0), "the tenant could write there"
    volume = (data / "state").stat()
    assert (volume.st_uid, volume.st_gid, stat.S_IMODE(volume.st_mode)) == (world.uid, world.uid, 0o700)


def machine_what_a_volume_holds_is_kept(host: Machine, world: World) -> None:
    data = Path(world.root, "data")
    host.make_data(str(data), volumes=["state"], disk_mb=32, uid=world.uid)
    (data / "state/file").write_bytes(b"kept")
    (data / "state").chmod(0o750)
    host.make_data(str(data), volumes=["state"], disk_mb=64, uid=world.uid)
    assert (data / "state/file").read_bytes() == b"kept"
    assert stat.S_IMODE((data / "state").stat().st_mode) == 0o750, "the tenant's own mode was changed"


def machine_a_link_in_the_place_of_a_volume_is_refused(host: Machine, world: World) -> None:
    data = Path(world.root, "data")
    host.make_data(str(data), volumes=[], disk_mb=32, uid=world.uid)
    victim = Path(world.root, "victim")
    victim.mkdir(mode=0o755)
    (data / "state").symlink_to(victim)
    failure(lambda: host.make_data(str(data), volumes=["state"], disk_mb=32, uid=world.uid))
    assert victim.stat().st_uid == 0, "a link was followed"


def machine_a_plain_folder_in_the_place_of_data_is_refused_and_kept(host: Machine, world: World) -> None:
    host.write(f"{world.root}/data/state/file", b"kept")
    failure(lambda: host.make_data(f"{world.root}/data", volumes=["state"], disk_mb=32, uid=world.uid))
    assert host.read(f"{world.root}/data/state/file") == b"kept"


def write_megabytes(path: Path, count: int) -> int:
    """How many megabytes could be written to the file before the disk was full."""
    with path.open("wb") as file:
        for done in range(count):
            try:
                file.write(os.urandom(MEGABYTE))
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                assert error.errno in (errno.EDQUOT, errno.ENOSPC), error
                return done
    return count


def machine_a_quota_holds_and_can_be_raised(host: Machine, world: World) -> None:
    data = Path(world.root, "data")
    host.make_data(str(data), volumes=["state"], disk_mb=32, uid=world.uid)
    assert 24 <= write_megabytes(data / "state/file", 48) <= 32
    host.make_data(str(data), volumes=["state"], disk_mb=64, uid=world.uid)
    assert 24 <= write_megabytes(data / "state/more", 48) <= 32


def machine_a_quota_holds_for_subvolumes_that_the_tenant_makes_inside(host: Machine, world: World) -> None:
    data = Path(world.root, "data")
    host.make_data(str(data), volumes=["state"], disk_mb=32, uid=world.uid)
    escape_into_a_subvolume(data / "state")
    assert write_megabytes(data / "state/escape/file", 48) <= 32, "a nested subvolume is outside of the quota"


def machine_data_with_subvolumes_that_the_tenant_made_inside_is_removed(host: Machine, world: World) -> None:
    data = Path(world.root, "data")
    host.make_data(str(data), volumes=["state"], disk_mb=32, uid=world.uid)
    escape_into_a_subvolume(data / "state")
    escape_into_a_subvolume(data / "state/escape")
    host.remove(world.root)
    assert not data.exists()


def machine_read_only_snapshots_are_removed_with_their_folder(host: Machine, world: World) -> None:
    data = Path(world.root, "data")
    host.make_data(str(data), volumes=["state"], disk_mb=32, uid=world.uid)
    (data / "state/file").write_bytes(b"x")
    host.folder(f"{world.root}/generations")
    words = ["btrfs", "subvolume", "snapshot", "-r", str(data), f"{world.root}/generations/1"]
    subprocess.run(words, check=True, capture_output=True)
    host.remove(f"{world.root}/generations")
    assert host.names(world.root) == ["data"]


def taken(host: Machine, world: World) -> tuple[str, str]:
    """Data with 8 MiB in it, and a snapshot of it."""
    data, kept = f"{world.root}/data", f"{world.root}/generations/one"
    host.make_data(data, volumes=["state"], disk_mb=32, uid=world.uid)
    write_megabytes(Path(data, "state/file"), 8)
    host.snapshot(data, kept)
    return data, kept


def machine_a_quota_holds_for_restored_data_and_for_a_clone(host: Machine, world: World) -> None:
    data, kept = taken(host, world)
    host.restore(kept, data, disk_mb=16)
    assert 8 <= write_megabytes(Path(data, "state/more"), 48) <= 16
    host.clone(kept, f"{world.root}/clone", disk_mb=16)
    assert 8 <= write_megabytes(Path(world.root, "clone/state/more"), 48) <= 16


def machine_a_snapshot_keeps_owners_and_modes(host: Machine, world: World) -> None:
    data, kept = taken(host, world)
    host.restore(kept, data, disk_mb=32)
    for path in (Path(kept, "state"), Path(data, "state")):
        assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (world.uid, 0o700)


def machine_what_a_killed_restore_left_goes_with_the_next(host: Machine, world: World) -> None:
    data, kept = taken(host, world)
    subprocess.run(
        ["btrfs", "subvolume", "snapshot", kept, f"{world.root}/.data.launchpad-partial"],
        check=True,
        capture_output=True,
    )
    host.restore(kept, data, disk_mb=32)
    assert entries(world.root) == ["data", "generations"]


def machine_restoring_leaves_no_quota_group_of_what_went(host: Machine, world: World) -> None:
    data, kept = taken(host, world)
    before = groups()
    for _ in range(3):
        host.restore(kept, data, disk_mb=32)
    assert len([group for group in groups() - before if group.startswith("1/")]) == 1


def machine_data_is_restored_while_somebody_still_has_it_open(host: Machine, world: World) -> None:
    data, kept = taken(host, world)
    with Path(data, "state/file").open("ab") as file:
        host.restore(kept, data, disk_mb=32)
        file.write(b"into what is gone")
    assert Path(data, "state/file").stat().st_size == 8 * MEGABYTE


def machine_data_is_restored_on_a_full_disk(host: Machine, world: World) -> None:
    with small_btrfs(world) as folder:
        host.make_data(f"{folder}/data", volumes=["state"], disk_mb=64, uid=world.uid)
        Path(folder, "data/state/file").write_bytes(b"before")
        host.snapshot(f"{folder}/data", f"{folder}/kept")
        Path(folder, "data/state/file").write_bytes(b"after")
        write_megabytes(Path(folder, "fill"), 256)
        host.restore(f"{folder}/kept", f"{folder}/data", disk_mb=64)
        assert Path(folder, "data/state/file").read_bytes() == b"before"


def machine_data_is_restored_where_btrfs_has_no_room_for_another_name(host: Machine, world: World) -> None:
    with small_btrfs(world) as folder:
        host.make_data(f"{folder}/data", volumes=["state"], disk_mb=64, uid=world.uid)
        Path(folder, "data/state/file").write_bytes(b"before")
        host.snapshot(f"{folder}/data", f"{folder}/kept")
        Path(folder, "data/state/file").write_bytes(b"after")
        host.set_aside(f"{folder}/reserve", 16 * MEGABYTE)
        write_megabytes(Path(folder, "fill"), 256)
        fill_metadata(Path(folder, "many"))
        assert host.room(folder) == 0, "an upgrade would be begun"
        failure(lambda: host.restore(f"{folder}/kept", f"{folder}/data", disk_mb=64))
        host.remove(f"{folder}/reserve")
        host.restore(f"{folder}/kept", f"{folder}/data", disk_mb=64)
        assert Path(folder, "data/state/file").read_bytes() == b"before"


def fill_metadata(folder: Path) -> None:
    """Files without content but with as many attributes as fit, until Btrfs takes no more."""
    folder.mkdir()
    for number in itertools.count():
        try:
            file = folder / str(number)
            file.touch()
            os.setxattr(file, "user.filling", os.urandom(15_000))
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
            return


@contextmanager
def small_btrfs(world: World) -> Iterator[str]:
    """A Btrfs of its own with simple quotas, soon full."""
    folder, image = Path(paths.RUN, world.tenant, "btrfs"), Path(world.root, "disk")
    folder.mkdir(parents=True)
    image.parent.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(200 * MEGABYTE)
    words = ["mkfs.btrfs", "--quiet", str(image)], ["mount", "-o", "loop", str(image), str(folder)]
    for argv in (*words, ["btrfs", "quota", "enable", "--simple", str(folder)]):
        subprocess.run(argv, check=True, capture_output=True)
    try:
        yield str(folder)
    finally:
        subprocess.run(["umount", folder], check=True)


def machine_every_snapshot_of_a_database_that_is_written_to_is_whole(host: Machine, world: World) -> None:
    data = f"{world.root}/data"
    host.make_data(data, volumes=["state"], disk_mb=32, uid=world.uid)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, f"{data}/state/db.sqlite"], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None and writer.stdout.readline(), "the writer never began"
        for number in range(SNAPSHOTS):
            host.snapshot(data, f"{world.root}/generations/{number}")
    finally:
        writer.kill()
        writer.communicate()
    counts = [rows(Path(world.root, f"generations/{number}/state"), world) for number in range(SNAPSHOTS)]
    assert counts == sorted(counts) and counts[0] > 0, counts
    assert counts[-1] > counts[0], "nobody wrote meanwhile"


SNAPSHOTS = 20
WRITER = """
import itertools, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("CREATE TABLE t (n INTEGER, filling TEXT)")
for number in itertools.count():
    database.execute("INSERT INTO t VALUES (?, ?)", (number, "x" * 2000))
    if number == 5: print("begun", flush=True)
"""


def rows(folder: Path, world: World) -> int:
    """How many rows the snapshot's database has; AssertionError when it is not whole. Reading a WAL takes writing."""
    copy = Path(paths.RUN, world.tenant, "copy")
    shutil.copytree(folder, copy)
    try:
        database = sqlite3.connect(copy / "db.sqlite")
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        count, last = database.execute("SELECT count(*), max(n) FROM t").fetchone()
        database.close()
        assert count == last + 1, "a write before another one is missing"
        return int(count)
    finally:
        shutil.rmtree(copy)


def machine_a_deep_tree_of_a_tenant_is_removed_with_its_data(host: Machine, world: World) -> None:
    data = Path(world.root, "data")
    host.make_data(str(data), volumes=["state"], disk_mb=32, uid=world.uid)
    folder = os.open(data / "state", os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    host.remove(world.root)
    assert not data.exists()


def machine_removed_data_leaves_no_quota_group(host: Machine, world: World) -> None:
    data = Path(world.root, "data")
    host.make_data(str(data), volumes=["state"], disk_mb=32, uid=world.uid)
    folder = os.open(data, os.O_RDONLY)
    group = f"1/{btrfs.identity(folder)}"
    os.close(folder)
    assert group in groups()
    host.remove(world.root)
    assert group not in groups()


def escape_into_a_subvolume(folder: Path) -> None:
    """What a tenant may do: `btrfs subvolume create escape`."""
    file = os.open(folder, os.O_RDONLY)
    btrfs.create(file, "escape")
    os.close(file)


def groups() -> set[str]:
    said = subprocess.run(["btrfs", "qgroup", "show", paths.ROOT], check=True, capture_output=True, text=True)
    return {line.split()[0] for line in said.stdout.splitlines() if line and line[0].isdigit()}


def machine_data_may_be_written_anew_while_a_generation_has_it(host: Machine, world: World) -> None:
    data = f"{world.root}/data"
    host.make_data(data, volumes=["state"], disk_mb=32, uid=world.uid)
    assert write_megabytes(Path(data, "state/file"), 24) == 24
    assert host.usage(data) >= 24 * MEGABYTE
    for number in range(2):
        host.snapshot(data, f"{world.root}/generations/{number}")
        generation_records.allow(host, world.tenant, disk_mb=32)
        assert write_megabytes(Path(data, "state/file"), 24) == 24, "the quota counts what a generation has"
    for number in range(2):
        host.remove(f"{world.root}/generations/{number}")
    host.reclaim(paths.ROOT, seconds=60)
    generation_records.allow(host, world.tenant, disk_mb=32)
    assert write_megabytes(Path(data, "state/more"), 48) <= 8, "more than its own disk was left to it"
