"""The revision of an inventory: the state from which a release was rendered, and the ancestors of that state.

A host rejects a deploy from a revision that does not descend from the running revision, so that an old checkout never
undoes newer work. A tenant's revision does not include other tenants' files: two tenants can be upgraded one after the
other and committed together, and both upgrades are ancestors for every clone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from launchpad.errors import StateError
from launchpad.fleet.keeping.git import Git, blob_id
from launchpad.fleet.keeping.workspace_files import STATE, replace_file, writing
from launchpad.fleet.reading.inventory_files import INVENTORY, SECRETS, SETTINGS_FILE, FileMemory, Snapshot, is_read
from launchpad.fleet.reading.parse import TENANTS
from launchpad.fleet.reading.slots_file import SLOTS_FILE
from launchpad.runner.protocol import Inventory

TEMPLATES = "templates"
MOST_ANCESTORS = 500
_MOST_REMEMBERED = 100
"""The number of commits in a list of ancestors, so that uncommitted revisions always fit."""
_MOST_LINES = 20_000
_CONTENTS = 20
"""The number of earlier contents that may have been deployed before they were committed …"""
_BASES = 10
"""… on top of one of this many earlier commits."""
_MOST_LATER = 200
"""The number of commits after a revision in which its uncommitted content is looked for."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
PATHS = (SETTINGS_FILE, INVENTORY, TEMPLATES)
Counts = Callable[[str], bool]
"""Decides whether a file counts, by its path from the workspace."""


@dataclass(frozen=True)
class _Past:
    """What a commit descends from, which never changes."""

    commits: tuple[str, ...]
    """The commit and its ancestors, newest first."""
    contents: Mapping[str, Mapping[str, str]]
    """The commit, and the newest commits that changed the inventory: commit → path → Git's blob id."""

    @property
    def files(self) -> Set[str]:
        """The files of the commit itself."""
        return self.contents[self.commits[0]].keys()


class Revisions:
    """The revisions of one workspace, from Git and from this checkout's record in .launchpad/revisions."""

    def __init__(self, root: Path, *, environment: Mapping[str, str], memory: FileMemory | None = None) -> None:
        self.root = root
        self._git = Git(root, environment)
        self._file = root / STATE / "revisions"
        self._memory = memory or FileMemory()
        self._past: tuple[str, _Past] | None = None

    def now(self, tenant: str = "") -> Inventory:
        """The revision of the present files, of one tenant or of all: a Git commit, with `+` and 8 digits of the
        content's digest when something is not committed; without Git the content's digest. A revision without a commit
        is recorded here, so that it stays an ancestor. A revision that was deployed before its commit is an ancestor
        for every clone with that commit."""
        counts = _counting(tenant)
        content = _digest(_files(self.root, self._memory), counts)
        checkout = self._git.checkout(PATHS) if self._git.present else None
        past = self._past_of(checkout.commit) if checkout and checkout.commit else None
        if checkout is None or past is None or SETTINGS_FILE not in past.files | checkout.changed:
            return Inventory(revision=content, ancestors=_unique(self._remember(content, tenant)))
        now = checkout.commit
        if any(counts(path) for path in checkout.changed | checkout.untracked):
            now = f"{now}+{content[:8]}"
            remembered = self._remember(now, tenant)
        else:
            remembered = _of(tenant, self._read())
        own = _descended(remembered, past.commits)
        return Inventory(revision=now, ancestors=_unique([now, *own, *_committed_later(past, counts), *past.commits]))

    def descends(self, now: str, earlier: str, *, tenant: str = "") -> bool:
        """Whether the revision `now` descends from an earlier one, however many commits ago that was. A revision with
        uncommitted files is included when this checkout made it, or when those files were committed later."""
        remembered = _of(tenant, self._read())
        base, uncommitted, digits = earlier.partition("+")
        head = now.partition("+")[0]
        if not uncommitted and earlier in remembered:
            return True  # from before Git, or without it
        if not all(map(_COMMIT.fullmatch, (base, head))) or not self._git.present:
            return False
        if not self._git.is_ancestor(base, head):
            return False
        return not uncommitted or earlier in remembered or self._committed(base, head, digits, tenant)

    def _committed(self, base: str, head: str, digits: str, tenant: str) -> bool:
        """Whether the content with this digest was committed after the base; the oldest commits are looked at."""
        of_tenant = [f"{TENANTS}/{tenant}.yaml", f"{SECRETS}/{tenant}.yaml"]
        shared = [*PATHS, f":(exclude){TENANTS}", f":(exclude){SECRETS}", f":(exclude){SLOTS_FILE}"]
        for paths in (of_tenant, shared) if tenant else (PATHS,):
            commits = self._git.since(base, head, paths)[:_MOST_LATER]
            found = self._git.contents(commits, PATHS).values()
            if any(_digest(files, _counting(tenant))[:8] == digits for files in found):
                return True
        return False

    def _past_of(self, commit: str) -> _Past:
        if self._past is None or self._past[0] != commit:
            ancestry = self._git.ancestry(commit, MOST_ANCESTORS)
            self._past = (commit, _Past(tuple(ancestry), self._git.introduced(ancestry, PATHS, _CONTENTS)))
        return self._past[1]

    def _remember(self, now: str, tenant: str) -> list[str]:
        """Record `now` as the newest revision of the tenant in this checkout, and return the tenant's revisions."""
        with writing(self.root):
            lines = self._read()
            if _of(tenant, lines)[:1] != [now]:
                line = f"{now} {tenant}".rstrip()
                lines = list(dict.fromkeys([line, *lines]))[:_MOST_LINES]
                replace_file(self._file, "".join(f"{line}\n" for line in lines).encode())
            return _of(tenant, lines)

    def _read(self) -> list[str]:
        """This checkout's revisions, newest first: one revision in each line, followed by its tenant."""
        try:
            return self._file.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise StateError(
                f"{self._file}: cannot be read", code="inventory-file-unreadable", hint=f"rm {self._file}"
            ) from error


def _of(tenant: str, lines: Sequence[str]) -> list[str]:
    """The revisions in the lines of the tenant, or of all tenants."""
    words = [line.split() for line in lines]
    return [word[0] for word in words if word and (word[1:] == [tenant] or len(word) == 1)]


def _committed_later(past: _Past, counts: Counts) -> list[str]:
    """The revisions that contents had before they were committed, on top of one of the preceding commits."""
    place = {commit: index for index, commit in enumerate(past.commits)}
    found = []
    for commit, files in past.contents.items():
        index, digest = place[commit], _digest(files, counts)
        found += [f"{base}+{digest[:8]}" for base in past.commits[index + 1 : index + 1 + _BASES]]
    return found


def _counting(tenant: str) -> Counts:
    """Whether a file can change the tenant's release."""

    def counts(name: str) -> bool:
        if name.startswith(f"{INVENTORY}/") and not is_read(name):
            return False
        folder, _, file = name.rpartition("/")
        return not tenant or (name != SLOTS_FILE and (folder not in (TENANTS, SECRETS) or file == f"{tenant}.yaml"))

    return counts


def _descended(remembered: Sequence[str], commits: Sequence[str]) -> list[str]:
    """This checkout's revisions on top of these commits, and its revisions from before Git."""
    known = frozenset(commits)
    return [item for item in remembered if "+" not in item or item.partition("+")[0] in known][:_MOST_REMEMBERED]


def _unique(revisions: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(revisions))[:MOST_ANCESTORS]


def _files(root: Path, memory: FileMemory) -> dict[str, str]:
    """The settings, the inventory and the workspace's own templates: path → Git's blob id."""
    found = {name: blob_id(content) for name, content in Snapshot.take(root, memory).files.items()}
    folder = root / TEMPLATES
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file():
            try:
                found[path.relative_to(root).as_posix()] = blob_id(path.read_bytes())
            except OSError as error:
                raise StateError(
                    f"{path}: cannot be read: {error.strerror}", code="inventory-file-unreadable", hint=f"ls -l {path}"
                ) from error
    return found


def _digest(files: Mapping[str, str], counts: Counts) -> str:
    """64 hex digits over the files that count."""
    lines = sorted(f"{name}\0{blob}\n" for name, blob in files.items() if counts(name))
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()
