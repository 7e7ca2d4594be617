"""The revision of an inventory: which state of it a release came from, and which states that one descends from.

A host refuses a deploy that does not descend from what runs there, so that an old checkout never undoes newer work. A
tenant's revision leaves the other tenants' files out: upgrades of two tenants, one after the other and then committed
together, are each known to whoever pulls.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from launchpad.errors import StateError
from launchpad.fleet.files import STATE, replace_file, writing
from launchpad.fleet.parse import TENANTS
from launchpad.fleet.slots_file import SLOTS_FILE
from launchpad.fleet.snapshot import INVENTORY, SECRETS, SETTINGS_FILE, Snapshot
from launchpad.runner.protocol import Inventory

TEMPLATES = "templates"
MOST_ANCESTORS = 500
_GIT_SECONDS = 60
_MOST_REMEMBERED = 100
"""In a list with commits, so that these always fit."""
_MOST_LINES = 20_000
_BASES = 20
"""Of how many commits it is tried whether the present content was deployed on top of them before it was committed."""


class Revisions:
    """The revisions of one workspace, from Git and from what this checkout remembers in .launchpad/revisions."""

    def __init__(self, root: Path, *, environment: Mapping[str, str]) -> None:
        self.root = root
        self._git = _Git(root, environment)
        self._file = root / STATE / "revisions"

    def now(self, tenant: str = "") -> Inventory:
        """The revision of the files as they are, of one tenant or of all: a Git commit, with `+` and 8 digits of the
        content's digest when something is not committed; without Git the content's digest. What no commit tells is
        remembered here, so that it stays an ancestor."""
        counts = _counting(tenant)
        content = _content_digest(self.root, counts)
        if not self._git.tracks(SETTINGS_FILE):
            return Inventory(revision=content, ancestors=_unique(self._remember(content, tenant)))
        commits = self._git.commits()
        if any(counts(path) for path in self._git.changed()):
            now = f"{commits[0]}+{content[:8]}"
            own = _descended(self._remember(now, tenant), commits)
            return Inventory(revision=now, ancestors=_unique([now, *own, *commits]))
        # what is committed now may have been deployed before it was
        before = [f"{commit}+{content[:8]}" for commit in commits[:_BASES]]
        own = _descended(_of(tenant, self._read()), commits)
        return Inventory(revision=commits[0], ancestors=_unique([commits[0], *before, *own, *commits]))

    def _remember(self, now: str, tenant: str) -> list[str]:
        """What this checkout was at, as far as the tenant is concerned, with `now` as the newest."""
        with writing(self.root):
            lines = self._read()
            if _of(tenant, lines)[:1] != [now]:
                line = f"{now} {tenant}".rstrip()
                lines = list(dict.fromkeys([line, *lines]))[:_MOST_LINES]
                replace_file(self._file, "".join(f"{line}\n" for line in lines).encode())
            return _of(tenant, lines)

    def _read(self) -> list[str]:
        """What this checkout was at, newest first: a revision a line, with the tenant that it is of behind it."""
        try:
            return self._file.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise StateError(f"{self._file}: cannot be read", hint=f"rm {self._file}") from error


def _of(tenant: str, lines: Sequence[str]) -> list[str]:
    """The revisions of the lines that are of the tenant, or of all tenants."""
    words = [line.split() for line in lines]
    return [word[0] for word in words if word and (word[1:] == [tenant] or len(word) == 1)]


def _counting(tenant: str) -> Callable[[str], bool]:
    """Whether a file, by its path from the workspace, is one that can change the tenant's release."""

    def counts(name: str) -> bool:
        path = PurePosixPath(name)
        if not tenant:
            return True
        return name != SLOTS_FILE and (str(path.parent) not in (TENANTS, SECRETS) or path.name == f"{tenant}.yaml")

    return counts


def _descended(remembered: Sequence[str], commits: Sequence[str]) -> list[str]:
    """Of what this checkout was at: what lay on top of these commits, and what was before there was Git."""
    known = frozenset(commits)
    return [item for item in remembered if "+" not in item or item.partition("+")[0] in known][:_MOST_REMEMBERED]


def _unique(revisions: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(revisions))[:MOST_ANCESTORS]


def _content_digest(root: Path, counts: Callable[[str], bool]) -> str:
    """Over what counts of the settings and the inventory, and the workspace's own templates."""
    snapshot = Snapshot.take(root)
    others = {name: None for name in snapshot.files if not counts(name)}
    total = hashlib.sha256(snapshot.with_changes(others).digest.encode())
    folder = root / TEMPLATES
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file():
            try:
                content = path.read_bytes()
            except OSError as error:
                raise StateError(f"{path}: cannot be read: {error.strerror}", hint=f"ls -l {path}") from error
            total.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


class _Git:
    """The few questions that a revision has for Git; nothing is changed."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root = root
        # Git's own variables would point it at another repository
        self.environment = {name: value for name, value in environment.items() if not name.startswith("GIT_")}
        self.present = any((folder / ".git").exists() for folder in (root, *root.parents))

    def tracks(self, file: str) -> bool:
        """Whether the file is in Git's index; False where there is no Git and where nothing was committed."""
        if not self.present or not self._ask("ls-files", "--", file):
            return False
        return bool(self._ask("rev-list", "--max-count=1", "--all"))

    def commits(self) -> list[str]:
        """What is checked out and what it descends from, newest first."""
        return self._ask("rev-list", f"--max-count={MOST_ANCESTORS}", "HEAD").split()

    def changed(self) -> list[str]:
        """What makes a fleet and differs from what is checked out, as paths from the workspace."""
        paths = (SETTINGS_FILE, INVENTORY, TEMPLATES)
        said = self._ask("status", "--porcelain", "--no-renames", "--untracked-files=all", "-z", "--", *paths)
        prefix = self._ask("rev-parse", "--show-prefix") if said else ""
        return [entry[3:].removeprefix(prefix) for entry in said.split("\0") if entry]

    def _ask(self, *arguments: str) -> str:
        # a repository's file monitor is a program that Git would start
        command = ["git", "-c", "core.fsmonitor=false", "-C", str(self.root), *arguments]
        try:
            done = subprocess.run(
                command, env=self.environment, capture_output=True, text=True, check=False, timeout=60
            )
        except FileNotFoundError as error:
            raise StateError(
                f"{self.root} is in a Git repository, and git is not installed", hint="apt install git"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise StateError(f"{self.root}: git does not answer", hint=f"git -C {self.root} status") from error
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise StateError(f"{self.root}: git {arguments[0]} failed: {reason}", hint=f"git -C {self.root} status")
        return done.stdout.strip("\n")
