"""Keep private files out of Git: `git add -A` must never stage a private key, an emergency kit, or an export with
credentials in plain text."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from launchpad.errors import StateError
from launchpad.fleet.keeping.git import SECONDS, Git
from launchpad.fleet.keeping.workspace_files import replace_file
from launchpad.runner.hint import Next

IGNORED = ".gitignore"
PRIVATE = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|AGE-SECRET-KEY-1|PuTTY-User-Key-File")
MOST_FILES, MOST_BYTES = 20_000, 64 * 1024
"""The number of files of a folder that are checked, and the largest size of a checked file."""


def ignore(file: Path) -> None:
    """Make Git ignore the file in any repository that contains its folder, now or later; and temporary files of a
    killed writer beside it."""
    path = file.parent / IGNORED
    there = path.read_bytes() if path.exists() else b""
    wanted = [f"/{_pattern(file.name)}", f"/.{_pattern(file.name)}.*"]
    missing = [line for line in wanted if line.encode() not in there.splitlines()]
    if missing:
        before = there if there.endswith(b"\n") or not there else there + b"\n"
        replace_file(path, before + "".join(f"{line}\n" for line in missing).encode())


def refuse_home(root: Path, home: Path) -> None:
    """StateError when a repository in the folder would contain a whole home folder with its private keys."""
    root, home = root.resolve(), home.resolve()
    if root == home or root in home.parents:
        what = "your home folder" if root == home else "above your home folder"
        raise StateError(
            f"{root} is {what}: git add would stage private keys",
            code="private-keys-in-repository",
            hint=Next("init", home / "fleet"),
        )


def refuse_private_files(root: Path, *, own: Path) -> None:
    """StateError when the folder has a private key that Git would stage; `own` is the folder of this operator's keys,
    which Git ignores by name."""
    for file in private_files(root, without=own):
        if not is_ignored(file):
            raise StateError(
                f"{file} is a private key, and git add would stage it",
                code="private-key-in-repository",
                hint=Next("init") + " another-folder",
            )


def private_files(root: Path, *, without: Path) -> Iterator[Path]:
    """The files below the folder that begin like private keys."""
    for file in islice(_files(root, without.resolve()), MOST_FILES):
        try:
            if file.stat().st_size <= MOST_BYTES and PRIVATE.search(file.read_bytes()):
                yield file
        except OSError:
            continue


def refuse_in_git(file: Path, root: Path) -> None:
    """StateError when the file would be in the workspace or in any Git repository: even an ignored file is copied with
    the folder."""
    folder = file.expanduser().absolute().parent.resolve()
    for place in (folder, *folder.parents):
        if place == root.resolve() or (place / ".git").exists():
            what = "the workspace" if place == root.resolve() else "a Git repository"
            raise StateError(
                f"{file} would be in {what}, {place}",
                code="kit-in-repository",
                hint=Next("kit make") + " /media/stick/kit.txt",
            )


def keep_out(file: Path) -> None:
    """Make the file's repository ignore the file, in this checkout only. StateError when this fails."""
    if not in_repository(file) or is_ignored(file):
        return
    said = _git(file.parent, "rev-parse", "--show-prefix", "--git-path", "info/exclude").stdout.split("\n")
    exclude = file.parent / said[1]
    there = exclude.read_bytes() if exclude.exists() else b""
    folder, name = _pattern(said[0]), _pattern(file.name)
    lines = f"/{folder}{name}\n/{folder}.{name}.*\n".encode()
    replace_file(exclude, (there if there.endswith(b"\n") or not there else there + b"\n") + lines)
    if not is_ignored(file):
        raise StateError(
            f"{file} has credentials in plain text, and git add would stage it",
            code="credentials-in-repository",
            hint="give another place: --to FILE",
        )


def in_repository(file: Path) -> bool:
    folder = file.absolute().parent.resolve()
    return any((place / ".git").exists() for place in (folder, *folder.parents))


def is_ignored(file: Path) -> bool:
    """Whether Git ignores the file; False without a repository."""
    return in_repository(file) and _git(file.parent, "check-ignore", "--quiet", "--", file.name).returncode == 0


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    git = Git(folder, os.environ)
    try:
        return subprocess.run(
            git.command(*words), env=git.environment, capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StateError(
            f"{folder} is in a Git repository, but git cannot be run",
            code="git-cannot-run-here",
            hint="apt install git",
        ) from error


def _files(root: Path, without: Path) -> Iterator[Path]:
    for above, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".git" and (Path(above) / name).resolve() != without]
        yield from (path for name in names if not (path := Path(above) / name).is_symlink() and path.is_file())


def _pattern(name: str) -> str:
    """A .gitignore pattern that matches only this name."""
    return re.sub(r"([\\*?\[ !#])", r"\\\1", name)
