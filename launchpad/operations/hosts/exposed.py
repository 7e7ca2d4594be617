"""exposed: secrets that a removed operator or recipient could read and that were not rotated since.

Computed from Git alone: each commit has the recipients, and the version of each secret that was sealed for them. A new
value has a new version; a resealed value keeps its version. So a removed reader could read each version that is in such
a commit and is still the present version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from launchpad.errors import InventoryError, StateError
from launchpad.fleet.keeping.git import Git
from launchpad.fleet.model.fleet import Fleet, kit_recipients
from launchpad.fleet.reading.inventory_files import (
    ALERT_SECRETS,
    DNS_SECRETS,
    LOG_SECRETS,
    SECRETS,
    SETTINGS_FILE,
    TARGET_SECRETS,
)
from launchpad.fleet.reading.tree import Tree, UnreadableFile, read_tree
from launchpad.fleet.sealing.sealed_file import read_entries
from launchpad.fleet.words.names import TenantName
from launchpad.operations.backups.reseal import owners
from launchpad.operations.hosts.log_authority import HINT
from launchpad.runner.hint import Next
from launchpad.workspace import Workspace

PATHS = (SETTINGS_FILE, SECRETS)
FOLDERS = {
    "": SECRETS,
    "target ": TARGET_SECRETS,
    "dns ": DNS_SECRETS,
    "alert ": ALERT_SECRETS,
    "logs ": LOG_SECRETS,
}


@dataclass(frozen=True, kw_only=True)
class Exposed:
    """A secret, the former readers of its present value, and the command that rotates the secret."""

    owner: str
    name: str
    people: tuple[str, ...]
    """The former readers: operators by name, other recipients by age public key."""
    rotate: str


def exposed(workspace: Workspace, environment: Mapping[str, str]) -> list[Exposed]:
    """Each exposed secret, by owner and name; empty without Git, or when the commit with the former reader is
    missing."""
    git = Git(workspace.root, environment)
    if not git.tracks(SETTINGS_FILE):
        return []
    fleet = workspace.fleet.load()
    present = frozenset(map(str, kit_recipients(fleet.defaults)))
    files = git.contents(git.commits(-1, paths=PATHS), PATHS)
    settings = git.blobs({item[SETTINGS_FILE] for item in files.values() if SETTINGS_FILE in item})
    left = {blob: _readers(content, present) for blob, content in settings.items()}
    sealed: dict[str, dict[str, set[str]]] = {}
    """File → blob of a secrets file → the former readers who could read the blob."""
    for item in files.values():
        people = left.get(item.get(SETTINGS_FILE, ""), set())
        for file, blob in item.items() if people else ():
            sealed.setdefault(file, {}).setdefault(blob, set()).update(people)
    contents = git.blobs({blob for blobs in sealed.values() for blob in blobs}) if sealed else {}
    versions = {blob: _versions(content) for blob, content in contents.items()}
    found = []
    for owner, store, name in owners(workspace):
        blobs = sealed.get(f"{FOLDERS[owner.removesuffix(name)]}/{name}.yaml", {})
        for secret, version in sorted(store.versions(name).items()):
            who = {
                person for blob, people in blobs.items() if versions[blob].get(secret) == version for person in people
            }
            if who:
                how = rotation(fleet, owner, str(secret))
                found.append(Exposed(owner=owner, name=str(secret), people=tuple(sorted(who)), rotate=how))
    return found


def unlisted(
    workspace: Workspace, environment: Mapping[str, str], *, person: str, secrets: Iterable[tuple[str, str]]
) -> int:
    """How many of these secrets (owner, name) `exposed` cannot list: no commit has the person among their readers."""
    try:
        known = {(item.owner, item.name) for item in exposed(workspace, environment) if person in item.people}
    except StateError:
        known = set()
    return len(set(secrets) - known)


def rotation(fleet: Fleet, owner: str, secret: str) -> str:
    """The command that rotates the secret; `owner` as `reseal.owners` names it."""
    kind, _, name = owner.rpartition(" ")
    if kind == "target":
        return Next("target credential", name, secret)
    if kind == "dns":
        return Next("dns credential", secret)
    if kind == "alert":
        return Next("alerts credential", name)
    if kind == "logs":
        return HINT
    tenant = fleet.tenants.get(TenantName(name))
    specs = fleet.apps[tenant.app].secrets if tenant else ()
    made = any(spec.name == secret and spec.generate for spec in specs)
    return Next("secret rotate" if made else "secret set", name, secret)


def _readers(content: bytes, present: frozenset[str]) -> set[str]:
    """The readers in this launchpad.yaml who are not readers now; none when the file is not YAML."""
    try:
        settings = read_tree(SETTINGS_FILE, content)
    except UnreadableFile:
        return set()
    return {who for who, key in _recipients(settings) if key not in present}


def _recipients(settings: Tree) -> Iterator[tuple[str, str]]:
    for person in (settings.get("operators") or settings).items():
        name = person.get("name")
        for key in (person.get("recipients") or person).items():
            yield str(name.value if name else key.value), str(key.value)
    for key in (settings.get("recipients") or settings).items():
        yield str(key.value), str(key.value)


def _versions(content: bytes) -> dict[str, int]:
    try:
        entries = read_entries("", content)
    except InventoryError:
        return {}
    return {str(name): entry.version for name, entry in entries.items() if entry.value is not None}
