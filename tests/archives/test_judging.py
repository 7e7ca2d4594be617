"""What a plain archive of somebody's files does not have is refused by name, before anything of it is used."""

from __future__ import annotations

import gzip
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from launchpad.archives import judging, opening
from launchpad.archives.judging import Content, judge
from launchpad.archives.opening import ArchiveRefused, opened
from tests.archives.packing import member, of, pack

MOST = 1 << 20
Members = list[tuple[tarfile.TarInfo, bytes]]


def judged(path: Path, most: int = MOST) -> Content:
    with opened(path, most_bytes=most) as tar:
        return judge(tar, archive=path.name, wanted=lambda name: name.endswith(".json"))


SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a/x", "GNU.sparse.realsize": "1"}
HOSTILE: dict[str, tuple[Members, str]] = {
    "an absolute name": ([member("/etc/cron.d/x", b"x")], "is an absolute name"),
    "a way out": ([member("a/../../x", b"x")], "points outside the archive"),
    "a way out by its first part": ([member("../x", b"x")], "points outside the archive"),
    "a block device": ([member("a/sda", type=tarfile.BLKTYPE)], "is a device"),
    "a character device": ([member("a/mem", type=tarfile.CHRTYPE)], "is a device"),
    "a pipe": ([member("a/pipe", type=tarfile.FIFOTYPE)], "is a pipe"),
    "an unknown kind": ([member("a/x", type=b"Z")], "neither a file nor a folder|tar archive"),
    "a hard link out of it": ([member("a/x", type=tarfile.LNKTYPE, linkname="/etc/shadow")], "is a hard link to"),
    "a hard link to what comes later": (
        [member("a/x", type=tarfile.LNKTYPE, linkname="a/y"), member("a/y", b"y")],
        "which is not in the archive",
    ),
    "a file below a link": (
        [member("a", type=tarfile.SYMTYPE, linkname="/etc"), member("a/passwd", b"x")],
        "is below 'a', which is a link",
    ),
    "a file below a file": ([member("a", b"x"), member("a/b", b"x")], "is below 'a', which is a file"),
    "the same file twice": ([member("a/x", b"1"), member("a/x", b"2")], "is in the archive twice"),
    "the same name otherwise": (
        [member("a/x", b"1"), member("./a/x/", type=tarfile.DIRTYPE)],
        "is in the archive twice",
    ),
    "a line break in a name": ([member("a/x\ny", b"x")], "not a plain name"),
    "a terminal's command in a name": ([member("a/\x1b[2J", b"x")], "not a plain name"),
    "an empty part": ([member("a//x", b"x")], "not a plain name"),
    "a name that is too long": ([member("a/" + "x" * 300, b"x")], "too long or too deep"),
    "folders that are too deep": ([member("/".join("a" * 80), b"x")], "too long or too deep"),
    "a name that is not UTF-8": ([member("a/\udcff", b"x")], "not UTF-8|not a plain name|tar archive"),
    "nothing": ([], "is empty"),
    "a file for a top": ([member(".", b"x")], "is not a file name"),
    "more than fits": ([member("a/x", bytes(2 * MOST))], "unpacks to more than 1 MiB"),
    "a header without end": (
        [member("a/x", b"x", pax_headers={"comment": "x" * (3 << 20)})],
        "header of more than 1 MiB|unpacks to more",
    ),
    "a sparse file": ([member("a/x", b"1\n0\n1\n".ljust(512, b"\0") + b"x", pax_headers=SPARSE)], "a sparse file"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused_by_name(name: str, tmp_path: Path) -> None:
    members, said = HOSTILE[name]
    path = pack(tmp_path / "hostile.tgz", members)
    with pytest.raises(ArchiveRefused, match=said) as refused:
        judged(path)
    assert refused.value.message.startswith("hostile.tgz: ")
    assert "\x1b" not in refused.value.message and "\n" not in refused.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"hello" * 400, "not a tar"),
        (b"PK\x03\x04" + bytes(99), "a zip file"),
        (b"BZh9" + bytes(99), "is bzip2"),
        (b"\xfd7zXZ\x00" + bytes(99), "is xz"),
        (b"age-encryption.org/v1\n", "encrypted with age"),
        (gzip.compress(b"hello" * 400, mtime=0), "not a tar"),
    ],
)
def test_what_is_no_tar_is_refused_for_what_it_is(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "state.tgz"
    path.write_bytes(content)
    with pytest.raises(ArchiveRefused, match=said):
        judged(path)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_one_that_was_cut_is_refused(mode: str, tmp_path: Path) -> None:
    path = pack(tmp_path / "state.tar", of({"a/x": os.urandom(90_000), "a/y": b"y"}), mode=mode)
    whole = path.read_bytes()
    path.write_bytes(whole[:50_000])
    with pytest.raises(ArchiveRefused, match="or incomplete"):
        judged(path)


def test_a_bomb_is_given_up_at_its_bound(tmp_path: Path) -> None:
    """A gigabyte in a megabyte: what is beyond the bound is never unpacked."""
    path = tmp_path / "bomb.tgz"
    entry = tarfile.TarInfo("a/x")
    entry.size = 1 << 30
    with gzip.open(path, "wb") as file:
        file.write(entry.tobuf())
        for _ in range(8):
            file.write(bytes(1 << 20))
    with pytest.raises(ArchiveRefused, match="unpacks to more than 4 MiB"):
        judged(path, 4 << 20)


def test_more_entries_than_anybody_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MOST_ENTRIES", 3)
    path = pack(tmp_path / "many.tgz", of({f"x{number}": b"" for number in range(5)}))
    with pytest.raises(ArchiveRefused, match="more than 3 entries"):
        judged(path)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_plain_one_is_read_whole(mode: str, tmp_path: Path) -> None:
    members = [
        *of({"./home/a.json": b"{}", "home/b": b"bb"}),
        member("home/same", type=tarfile.LNKTYPE, linkname="home/b"),
        member("home/link", type=tarfile.SYMTYPE, linkname="/anywhere"),
    ]
    content = judged(pack(tmp_path / "plain.tar", members, mode))
    assert {entry.name: entry.kind for entry in content.entries.values()} == {
        "home": "folder", "home/a.json": "file", "home/b": "file", "home/same": "file", "home/link": "link",
    }  # fmt: skip
    assert content.texts == {"home/a.json": b"{}"}
    assert content.entries["home/same"].source == "home/b"


def test_one_that_zstd_packed_is_read_where_zstd_is_there(tmp_path: Path) -> None:
    path = pack(tmp_path / "plain.tar", of({"a.json": b"{}"}), "w")
    try:
        subprocess.run(["zstd", "-q", str(path)], check=True)
    except FileNotFoundError:
        path.with_name("plain.tar.zst").write_bytes(opening.ZSTD + bytes(64))
        with pytest.raises(ArchiveRefused, match="not installed here"):
            judged(path.with_name("plain.tar.zst"))
        return
    assert "a.json" in judged(path.with_name("plain.tar.zst")).entries
