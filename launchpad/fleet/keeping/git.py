"""Read-only Git queries for a workspace. No program of the repository is run."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from launchpad.errors import StateError

SECONDS = 60


def blob_id(content: bytes) -> str:
    """Git's id of a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Upstream:
    """The remote branch of the present branch."""

    remote: str
    branch: str
    """As the remote names it: `refs/heads/main`."""

    def __str__(self) -> str:
        return f"{self.remote}/{self.branch.removeprefix('refs/heads/')}"


@dataclass(frozen=True)
class Checkout:
    """What is checked out, and what differs from it."""

    commit: str
    """Empty when there is no commit yet."""
    changed: frozenset[str]
    """The files in Git's index that differ, by their paths from the folder."""
    untracked: frozenset[str]


Ancestry = Mapping[str, Sequence[str]]
"""Commits, newest first, each with its parents."""


class Git:
    """The repository of a folder, if there is one; StateError when git is missing or fails."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root = root
        # Git's environment variables could select another repository
        self.environment = {name: value for name, value in environment.items() if not name.startswith("GIT_")}
        self.present = any((folder / ".git").exists() for folder in (root, *root.parents))

    def tracks(self, file: str) -> bool:
        """Whether the file is in Git's index; False without Git and without commits."""
        if not self.present or not self._ask("ls-files", "--", file):
            return False
        return bool(self._ask("rev-list", "--max-count=1", "--all"))

    def is_empty(self) -> bool:
        """Whether there is a repository, and no commit in it."""
        return self.present and not self._ask("rev-list", "--max-count=1", "--all")

    def remotes(self) -> list[str]:
        """The names of the repository's remotes."""
        return self._ask("remote").split()

    def commits(self, most: int, *, paths: Sequence[str] = ()) -> list[str]:
        """The checked-out commit and its ancestors, newest first, at most that many (-1: all); with paths, only commits
        that changed the paths."""
        return self._ask("rev-list", f"--max-count={most}", "HEAD", "--", *paths).split()

    def changed(self, paths: Sequence[str]) -> list[str]:
        """The files below these paths that differ from the checked-out commit, by their paths from the folder."""
        said = self._ask("status", "--porcelain", "--no-renames", "--untracked-files=all", "-z", "--", *paths)
        prefix = self._ask("rev-parse", "--show-prefix") if said else ""
        return [entry[3:].removeprefix(prefix) for entry in said.split("\0") if entry]

    def checkout(self, paths: Sequence[str]) -> Checkout:
        """The checked-out commit, and the files below these paths that differ from it; by one process."""
        how = ("--porcelain=v2", "--branch", "--no-ahead-behind", "--no-renames", "--untracked-files=all", "-z")
        entries = self._ask("status", *how, "--", *paths).split("\0")
        commit = next(entry.split()[2] for entry in entries if entry.startswith("# branch.oid "))
        top = next(folder for folder in (self.root, *self.root.parents) if (folder / ".git").exists())
        prefix = f"{self.root.relative_to(top).as_posix()}/".removeprefix("./")
        words_before = {"1": 8, "u": 10}
        changed = [entry.split(" ", most)[most] for entry in entries if (most := words_before.get(entry[:1]))]
        untracked = [entry[2:] for entry in entries if entry.startswith("? ")]
        return Checkout(
            commit="" if commit == "(initial)" else commit,
            changed=frozenset(name.removeprefix(prefix) for name in changed),
            untracked=frozenset(name.removeprefix(prefix) for name in untracked),
        )

    def ancestry(self, commit: str, most: int) -> Ancestry:
        """The commit and its ancestors, at most that many."""
        lines = self._ask("rev-list", "--parents", f"--max-count={most}", commit, "--").splitlines()
        return {words[0]: words[1:] for words in map(str.split, lines)}

    def is_ancestor(self, commit: str, of: str) -> bool:
        """Whether the one commit is the other or an ancestor of it; False for an unknown commit."""
        with suppress(StateError):
            self._ask("merge-base", "--is-ancestor", commit, of)
            return True
        return False

    def since(self, commit: str, until: str, paths: Sequence[str]) -> list[str]:
        """The later commits that changed something below the paths, oldest first, on every way to the last one."""
        return self._ask("rev-list", "--reverse", "--full-history", f"{commit}..{until}", "--", *paths).split()

    def upstream(self) -> Upstream | None:
        """What the present branch follows; None when it follows nothing, or no branch is checked out."""
        with suppress(StateError):
            own = self._ask("symbolic-ref", "--short", "HEAD")
            found = [self._ask("config", "--get", f"branch.{own}.{key}") for key in ("remote", "merge")]
            return Upstream(*found)
        return None

    def tip_of(self, upstream: Upstream) -> str:
        """The commit that the remote has there now; StateError when the remote cannot be asked, without a question."""
        said = self._ask("ls-remote", "--exit-code", upstream.remote, upstream.branch, asks_nobody=True)
        return said.split()[0]

    def has(self, commit: str) -> bool:
        """Whether the commit was fetched."""
        with suppress(StateError):
            self._ask("cat-file", "-e", f"{commit}^{{commit}}")
            return True
        return False

    def apart(self) -> tuple[int, int]:
        """How many commits are here and not upstream, and upstream and not here, as of the last fetch."""
        try:
            here, there = self._ask("rev-list", "--left-right", "--count", "HEAD...@{upstream}").split()
        except StateError:
            return 0, 0  # never fetched
        return int(here), int(there)

    def contents(self, commits: Sequence[str], paths: Sequence[str]) -> dict[str, dict[str, str]]:
        """Each commit's files below these paths, with their blobs' ids; read by one process."""
        with self._objects() as objects:
            return {commit: objects.below(commit, paths) for commit in commits}

    def introduced(self, ancestry: Ancestry, paths: Sequence[str], most: int) -> dict[str, dict[str, str]]:
        """The first of these commits, and the newest ones that changed something below the paths, at most that many,
        with their files and the blobs' ids; read by one process."""
        found: dict[str, dict[str, str]] = {}
        with self._objects() as objects:
            for commit, parents in ancestry.items():
                if not found or all(objects.tops(parent, paths) != objects.tops(commit, paths) for parent in parents):
                    found[commit] = objects.below(commit, paths)
                if len(found) == most:
                    break
        return found

    def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        """The contents of the blobs with these ids; read by one process."""
        with self._objects() as objects:
            return {name: objects.blob(name) for name in ids}

    def bundle(self) -> bytes:
        """A bundle of every commit, for `git clone`."""
        done = subprocess.run(
            self.command("bundle", "create", "--quiet", "-", "HEAD", "--all"),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise StateError(
                f"{self.root}: git bundle failed",
                code="git-bundle-failed",
                hint=f"git -C {self.root} bundle create /tmp/x --all",
            )
        return done.stdout

    @contextmanager
    def _objects(self) -> Iterator[_Objects]:
        with subprocess.Popen(
            self.command("cat-file", "--batch"),
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            yield _Objects(process.stdin, process.stdout)

    def _ask(self, *arguments: str, asks_nobody: bool = False) -> str:
        alone = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=10"}
        try:
            done = subprocess.run(
                self.command(*arguments),
                env={**self.environment, **(alone if asks_nobody else {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="surrogateescape",  # file names may have any bytes
                check=False,
                timeout=SECONDS,
            )
        except FileNotFoundError as error:
            raise StateError(
                f"{self.root} is in a Git repository, and git is not installed",
                code="git-not-installed",
                hint="apt install git",
            ) from error
        except subprocess.TimeoutExpired as error:
            raise StateError(
                f"{self.root}: git does not answer", code="git-does-not-answer", hint=f"git -C {self.root} status"
            ) from error
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise StateError(
                f"{self.root}: git {arguments[0]} failed: {reason}",
                code="git-failed",
                hint=f"git -C {self.root} status",
            )
        return done.stdout.strip("\n")

    def command(self, *arguments: str) -> list[str]:
        # Git would start a repository's file monitor, which is a program
        return ["git", "-c", "core.fsmonitor=false", "-C", str(self.root), *arguments]


class _Objects:
    """Reads objects from `git cat-file --batch` one after the other; a tree that two commits share is read once."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._trees: dict[str, dict[str, str]] = {}
        self._tops: dict[str, list[tuple[str, str, bytes]]] = {}

    def tops(self, commit: str, paths: Sequence[str]) -> list[tuple[str, str, bytes]]:
        """The kind, id and content of what the commit has at each of the paths."""
        if commit not in self._tops:
            self._tops[commit] = [self._read(f"{commit}:./{path}") for path in paths]
        return self._tops[commit]

    def below(self, commit: str, paths: Sequence[str]) -> dict[str, str]:
        """The commit's files below the paths; none for a path that the commit does not have."""
        found: dict[str, str] = {}
        for path, (kind, name, content) in zip(paths, self.tops(commit, paths), strict=True):
            if kind == "blob":
                found[path] = name
            elif kind == "tree":
                found |= {f"{path}/{inner}": blob for inner, blob in self._tree(name, content).items()}
        return found

    def blob(self, name: str) -> bytes:
        """The content of an id; empty for an unknown id."""
        return self._read(name)[2]

    def _tree(self, name: str, content: bytes) -> dict[str, str]:
        if name in self._trees:
            return self._trees[name]
        found: dict[str, str] = {}
        for mode, entry, inner in _entries(content, len(name) // 2):
            if mode == "40000":
                below = self._trees.get(inner) or self._tree(inner, self._read(inner)[2])
                found |= {f"{entry}/{path}": blob for path, blob in below.items()}
            elif mode.startswith("100"):
                found[entry] = inner
        self._trees[name] = found
        return found

    def _read(self, name: str) -> tuple[str, str, bytes]:
        """An object's kind, id and content; an empty kind for an unknown name."""
        self._stdin.write(name.encode() + b"\n")
        self._stdin.flush()
        head = self._stdout.readline().decode().split()
        if len(head) != 3 or not head[2].isdigit():
            return "", "", b""
        content = self._stdout.read(int(head[2]) + 1)
        return head[1], head[0], content[:-1]


def _entries(tree: bytes, length: int) -> list[tuple[str, str, str]]:
    """The mode, name and id of each entry of a tree; ids of that many bytes."""
    found, at = [], 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, _, name = tree[at:end].decode(errors="surrogateescape").partition(" ")
        at = end + 1 + length
        found.append((mode, name, tree[end + 1 : at].hex()))
    return found
