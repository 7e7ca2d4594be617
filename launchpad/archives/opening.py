"""Open an archive as a tar with any supported compression; each time from its beginning."""

from __future__ import annotations

import errno
import gzip
import os
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from launchpad.errors import StateError

GZIP, ZSTD, BZIP2, XZ = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00"
AGE = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")
ZIP = b"PK\x03\x04"
LARGEST_READ = 1 << 20
"""Bytes of one read. Only a header's attributes could be larger, and tarfile would read them into memory without a
limit."""
EXPECTED = "a tar, tar.gz or tar.zst archive"
_CHUNK = 256 * 1024


class ArchiveRefused(StateError):
    """The archive cannot be imported; the message has what was found and what was expected."""


class _Bounded:
    """A stream with limits for its total size and for a single read."""

    def __init__(self, stream: Any, *, most: int, name: str) -> None:
        self._stream = stream
        self._most = most
        self._name = name

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LARGEST_READ:
            raise ArchiveRefused(
                f"{self._name}: the archive has a header of more than {LARGEST_READ >> 20} MiB",
                code="archive-header-too-large",
            )
        data: bytes = self._stream.read(size)
        self._judge(self._stream.tell())
        return data

    def seek(self, position: int) -> int:
        self._judge(position)
        return int(self._stream.seek(position))

    def tell(self) -> int:
        return int(self._stream.tell())

    def _judge(self, position: int) -> None:
        if position > self._most:
            raise ArchiveRefused(
                f"{self._name}: the archive unpacks to more than {self._most >> 20} MiB", code="archive-too-large"
            )


@contextmanager
def opened(path: Path, *, most_bytes: int) -> Iterator[tarfile.TarFile]:
    """The archive's entries. ArchiveRefused when the file is not an archive, is damaged, or unpacks to more than the
    limit."""
    try:
        with path.open("rb") as file, _decompressed(file, path, most_bytes) as stream:
            bounded: Any = _Bounded(stream, most=most_bytes, name=path.name)
            with tarfile.open(fileobj=bounded, mode="r:", errorlevel=2) as tar:
                yield tar
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError) as error:
        raise ArchiveRefused(
            f"{path.name}: not {EXPECTED}, or incomplete: {error}", code="archive-incomplete", hint=f"tar -tf {path}"
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ArchiveRefused(
            f"{path}: cannot be read: {error.strerror or error}", code="input-file-unreadable", hint=f"ls -l {path}"
        ) from error


@contextmanager
def _decompressed(file: BinaryIO, path: Path, most_bytes: int) -> Iterator[Any]:
    head = file.read(64)
    file.seek(0)
    if head.startswith(GZIP):
        with gzip.open(file) as stream:
            yield stream
    elif head.startswith(ZSTD):
        with tempfile.TemporaryFile() as plain:
            _unzstd(file, plain, path, most_bytes)
            yield plain
    elif head.startswith(AGE):
        hint = f"age -d -i IDENTITY {path} > plain.tar.gz"
        raise ArchiveRefused(
            f"{path.name}: encrypted with age; expected {EXPECTED}", code="archive-encrypted", hint=hint
        )
    elif head.startswith((BZIP2, XZ, ZIP)):
        kind = "bzip2" if head.startswith(BZIP2) else "xz" if head.startswith(XZ) else "a zip file"
        raise ArchiveRefused(
            f"{path.name}: this is {kind}; expected {EXPECTED}",
            code="archive-of-other-kind",
            hint="pack the files again with tar -czf",
        )
    elif not head:
        raise ArchiveRefused(f"{path.name}: the file is empty; expected {EXPECTED}", code="archive-file-empty")
    else:
        yield file


def _unzstd(file: BinaryIO, plain: Any, path: Path, most_bytes: int) -> None:
    """Decompress into the file up to just beyond the limit; the reader then refuses a file over the limit."""
    os.lseek(file.fileno(), 0, os.SEEK_SET)  # Python has read ahead only into its own buffer
    try:
        process = subprocess.Popen(
            ["zstd", "-dcq"], stdin=file.fileno(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise ArchiveRefused(
            f"{path.name}: compressed with zstd, which is not installed here",
            code="archive-needs-zstd",
            hint="apt install zstd",
        ) from error
    with process:
        assert process.stdout is not None
        while plain.tell() <= most_bytes and (chunk := process.stdout.read(_CHUNK)):
            plain.write(chunk)
        process.kill()
    plain.seek(0)
