"""Data on its way off a host and onto one."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Iterable, Iterator
from typing import Any

from launchpad.runner import slots
from launchpad.runner.host import Confined, Failed, Host
from tests.contract.data import some_data
from tests.contract.world import World, failure


def pack(host: Host, world: World, folder: str, **more: Any) -> tuple[bytes, dict[str, Any]]:
    """What comes out of the generation in the folder, and what is said of it."""
    reads = {f"/srv/generation/{name}": f"{folder}/{name}" for name in host.names(folder)}
    if base := more.get("base"):
        reads |= {f"/srv/base/{name}": f"{base}/{name}" for name in host.names(base)}
    task = {"do": "pack", "uid": slots.host_uid(world.slot), "recipients": [], "most": 64 << 20, **more}
    lines = host.streamed(Confined(unit=f"launchpad-pack-{world.tenant}", task=task, reads=reads, seconds=60))
    pieces = []
    while True:
        try:
            pieces.append(base64.b64decode(next(lines)["data"]))
        except StopIteration as end:
            return b"".join(pieces), end.value


def unpack(host: Host, world: World, folder: str, incoming: Iterable[bytes]) -> dict[str, Any]:
    """Have it come into the data in the folder."""
    writes = {"/srv/generation/state": f"{folder}/state"}
    task = {"do": "unpack", "uid": slots.host_uid(world.slot), "volumes": ["state"]}
    asked = Confined(unit=f"launchpad-unpack-{world.tenant}", task=task, writes=writes, seconds=60)
    lines = host.streamed(asked, incoming)
    while True:
        try:
            next(lines)
        except StopIteration as end:
            return dict(end.value)


def filled(host: Host, world: World) -> tuple[str, str, str]:
    """A generation with a few things in it, the data that it is of, and empty data for what comes."""
    data, kept = some_data(host, world)
    host.write(f"{data}/state/folder/large", bytes(range(256)) * 1024, mode=0o640)
    host.write(f"{data}/state/ünïcode and spaces", b"kept")
    host.link(f"{data}/state/link", "../../../etc/passwd")
    for path in ("folder/large", "ünïcode and spaces", "file"):
        host.write(f"{data}/state/{path}", host.read(f"{data}/state/{path}") or b"", mode=0o640, uid=world.uid)
    host.folder(f"{data}/state/folder", mode=0o750, uid=world.uid)
    host.snapshot(data, kept)
    fresh = f"{world.root}/fresh"
    host.make_data(fresh, volumes=["state"], disk_mb=32, uid=world.uid)
    return kept, data, fresh


def contract_what_was_packed_is_the_same_where_it_is_unpacked(host: Host, world: World) -> None:
    kept, _, fresh = filled(host, world)
    packed, said = pack(host, world, kept)
    came = unpack(host, world, fresh, [packed[:1000], packed[1000:]])
    assert came == {"files": 3, "bytes": said["bytes"]} and said["files"] == 3 and not said["unread"]
    for path in ("file", "folder/large", "ünïcode and spaces"):
        assert host.read(f"{fresh}/state/{path}") == host.read(f"{kept}/state/{path}")
    assert host.target(f"{fresh}/state/link") == "../../../etc/passwd"
    assert host.names(f"{fresh}/state") == host.names(f"{kept}/state")
    assert pack(host, world, kept)[1]["digest"] == said["digest"], "the same content makes another tar"


def contract_only_what_differs_is_carried_and_what_is_gone_goes(host: Host, world: World) -> None:
    kept, data, fresh = filled(host, world)
    unpack(host, world, fresh, [pack(host, world, kept)[0]])
    host.write(f"{data}/state/file", b"after", uid=world.uid)
    host.write(f"{data}/state/new/one", b"new", uid=world.uid)
    host.folder(f"{data}/state/new", mode=0o700, uid=world.uid)
    host.remove(f"{data}/state/folder")
    host.remove(f"{data}/state/link")
    host.write(f"{data}/state/link/file", b"a folder now", uid=world.uid)
    host.folder(f"{data}/state/link", mode=0o700, uid=world.uid)
    later = f"{world.root}/generations/two"
    host.snapshot(data, later)
    packed, said = pack(host, world, later, base=kept, base_at=0.0)
    assert said["gone"] == 2
    unpack(host, world, fresh, [packed])
    assert host.names(f"{fresh}/state") == host.names(f"{later}/state")
    for path in ("file", "new/one", "link/file", "ünïcode and spaces"):
        assert host.read(f"{fresh}/state/{path}") == host.read(f"{later}/state/{path}")


def contract_what_breaks_off_is_a_failure(host: Host, world: World) -> None:
    kept, _, fresh = filled(host, world)
    packed, _ = pack(host, world, kept)
    failure(lambda: unpack(host, world, fresh, [packed[: len(packed) // 2]]))


def contract_what_the_sender_raises_comes_up_and_ends_it(host: Host, world: World) -> None:
    kept, _, fresh = filled(host, world)
    packed, _ = pack(host, world, kept)

    def cut() -> Iterator[bytes]:
        yield packed[:2000]
        raise KeyError("cut")

    try:
        unpack(host, world, fresh, cut())
    except KeyError:
        return
    raise AssertionError("it went on")


def contract_nothing_but_files_folders_and_links_comes_in(host: Host, world: World) -> None:
    _, _, fresh = filled(host, world)
    unpack(host, world, fresh, [archived([_entry("state/good", data=b"good")])])
    assert host.read(f"{fresh}/state/good") == b"good", "nothing comes in at all"
    for name, attempt in attempts().items():
        try:
            unpack(host, world, fresh, [archived(attempt)])
        except Failed as failed:
            assert failed.message, name
        else:
            raise AssertionError(f"{name} came in")
    assert set(host.names(f"{fresh}/state")) <= {"good", "link"}


Entry = tuple[tarfile.TarInfo, bytes]
"""What stands in the archive, and its content."""


def attempts() -> dict[str, list[Entry]]:
    """Archives with something in them that must not come in."""
    return {
        "an absolute name": [_entry("/etc/cron.d/eve")],
        "a name that climbs": [_entry("state/../../eve")],
        "another volume": [_entry("secrets/eve")],
        "no volume": [_entry("eve")],
        "a device": [_entry("state/eve", kind=tarfile.BLKTYPE)],
        "a pipe": [_entry("state/eve", kind=tarfile.FIFOTYPE)],
        "a hard link": [_entry("state/eve", kind=tarfile.LNKTYPE, link="/etc/shadow")],
        "a setuid file": [_entry("state/eve", mode=0o4755)],
        "a setgid folder": [_entry("state/eve", kind=tarfile.DIRTYPE, mode=0o2755)],
        "a file behind a link": [
            _entry("state/link", kind=tarfile.SYMTYPE, link="/tmp"),
            _entry("state/link/eve"),
        ],
        "a volume that is a link": [_entry("state", kind=tarfile.SYMTYPE, link="/etc")],
        "a list of what is gone that climbs": [_entry(".launchpad-gone", data=b'["state/../../eve"]')],
        "a list of what is gone that is none": [_entry(".launchpad-gone", data=b"[" * 100_000)],
    }


def _entry(name: str, *, kind: bytes = tarfile.REGTYPE, mode: int = 0o600, link: str = "", data: bytes = b"") -> Entry:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname, entry.size = kind, mode, link, len(data)
    return entry, data


def archived(entries: Iterable[Entry]) -> bytes:
    """The entries as a tar, as they stand."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry, data in entries:
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
