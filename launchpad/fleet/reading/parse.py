"""Parse a snapshot of files into a fleet, or into the list of every mistake. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TypeVar

from launchpad.fleet.model.app import App
from launchpad.fleet.model.base import Model
from launchpad.fleet.model.fleet import Defaults, Fleet, UnreadablePart
from launchpad.fleet.model.host import Host, StorageOptions
from launchpad.fleet.model.target import Target
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.model.tier import Tier
from launchpad.fleet.reading.extend import extend_all
from launchpad.fleet.reading.inventory_files import (
    ALERT_SECRETS,
    DNS_SECRETS,
    INVENTORY,
    LOG_SECRETS,
    SECRETS,
    SETTINGS_FILE,
    TARGET_SECRETS,
    Snapshot,
)
from launchpad.fleet.reading.judge import Trees, judge, over_committed, shared_keys
from launchpad.fleet.reading.one_collector import collector_mistakes
from launchpad.fleet.reading.slots_file import SLOTS_FILE, read_slots
from launchpad.fleet.reading.tree import Tree, conflict_in, read_tree
from launchpad.fleet.reading.tree import UnreadableFile as NotYaml
from launchpad.fleet.reading.validate import validate
from launchpad.fleet.words.malformed import Malformed
from launchpad.fleet.words.mistakes import InventoryMistakes, Mistake, Place
from launchpad.fleet.words.names import AppName, HostName, Name, TargetName, TenantName, TierName

HOSTS_FILE = f"{INVENTORY}/hosts.yaml"
TIERS_FILE = f"{INVENTORY}/tiers.yaml"
TARGETS_FILE = f"{INVENTORY}/targets.yaml"
APPS = f"{INVENTORY}/apps"
TENANTS = f"{INVENTORY}/tenants"
READ = frozenset({APPS, TENANTS, SECRETS, TARGET_SECRETS, DNS_SECRETS, ALERT_SECRETS, LOG_SECRETS})
"""The folders whose .yaml files are read."""
SINGLE = frozenset({SETTINGS_FILE, HOSTS_FILE, TIERS_FILE, TARGETS_FILE, SLOTS_FILE})

Named = TypeVar("Named", bound=Name)
Record = TypeVar("Record", bound=Model)


@dataclass(frozen=True)
class Parsed:
    """A fleet, and the files that it was parsed from."""

    snapshot: Snapshot
    apps: Mapping[str, bytes]
    """The shipped apps: name → its app.yaml."""
    fleet: Fleet


def parse(
    snapshot: Snapshot, shipped_apps: Mapping[str, bytes], *, strict: bool = True, before: Parsed | None = None
) -> Fleet:
    """Parse the fleet; InventoryMistakes with every mistake. `shipped_apps`: name → its app.yaml. Unless `strict`, a
    mistake in a tenant's own file makes only this tenant unreadable. Tenants whose files did not change since `before`
    are taken from there, and are only compared with the others."""
    return _Parser(snapshot, shipped_apps, before).parse(strict=strict)


def defaults_of(content: bytes | None) -> Defaults:
    """The settings in the text of launchpad.yaml alone; InventoryMistakes with every mistake in it."""
    parser = _Parser(Snapshot({} if content is None else {SETTINGS_FILE: content}), {})
    found = parser.defaults()
    if parser.mistakes:
        raise InventoryMistakes(parser.mistakes)
    return found or Defaults()


@dataclass
class _Parser:
    snapshot: Snapshot
    shipped_apps: Mapping[str, bytes]
    before: Parsed | None = None
    mistakes: list[Mistake] = field(default_factory=list)
    own_apps: dict[str, Tree] = field(default_factory=dict)
    """The workspace's own apps, as written."""
    settings_tree: Tree = field(default_factory=lambda: Tree(Place(SETTINGS_FILE), None))
    """launchpad.yaml, as written."""

    def defaults(self) -> Defaults | None:
        """The settings; None when they cannot be read."""
        self.settings_tree = self._tree(SETTINGS_FILE)
        if self.settings_tree.value is None:
            return None  # the file's mistake is reported already
        return validate(Defaults, self.settings_tree, self.mistakes)

    def parse(self, *, strict: bool) -> Fleet:
        self.mistakes += self.snapshot.mistakes
        self._refuse_strangers()
        settings = self.defaults()
        hosts_tree, tiers_tree = self._tree(HOSTS_FILE), self._tree(TIERS_FILE)
        targets_tree = self._tree(TARGETS_FILE)
        trees = Trees(
            hosts=None if hosts_tree.value is None else hosts_tree.entries(),
            tiers=None if tiers_tree.value is None else tiers_tree.entries(),
            targets=None if targets_tree.value is None else targets_tree.entries(),
            apps=self._app_trees(),
            tenants={name: self._tree(f"{TENANTS}/{name}.yaml") for name in self._stems(TENANTS)},
            rings=settings.rollout.names if settings else None,
            settings=self.settings_tree,
        )
        defaults = settings or Defaults()
        hosts = self._records(Host, HostName, hosts_tree.entries(), hosts_tree.keys)
        tiers = self._records(Tier, TierName, tiers_tree.entries(), tiers_tree.keys)
        targets = self._records(Target, TargetName, targets_tree.entries(), targets_tree.keys)
        apps = self._records(App, AppName, trees.apps, _files(APPS, trees.apps))
        at = _files(TENANTS, trees.tenants)
        tenants = self._records(Tenant, TenantName, trees.tenants, at, known=self._unchanged())
        slots = read_slots(self.snapshot.files.get(SLOTS_FILE), self.mistakes)
        if strict and (conflict := conflict_in(SLOTS_FILE, self._text(SLOTS_FILE))):
            self.mistakes.append(
                replace(
                    conflict,
                    expected="the higher of the two numbers, every removed tenant, and what is free on both sides",
                )
            )
        hosts = {name: _completed(host, defaults) for name, host in hosts.items()}
        fleet = Fleet(
            defaults=defaults,
            hosts=hosts,
            apps=apps,
            tiers=tiers,
            targets=targets,
            tenants=tenants,
            highest_slot=max(slots.highest, *(_slot(tree) for tree in trees.tenants.values()), 0),
            gone_slots=slots.gone,
            free_slots={slot: slots.epochs[slot] for slot in sorted(slots.free)},
        )
        self.mistakes += [*judge(fleet, trees), *collector_mistakes(trees.hosts or {})]
        amiss = (*over_committed(fleet, trees), *shared_keys(trees))
        if not self.mistakes and not amiss:
            return fleet
        of_apps = _broken_apps(self.mistakes, self.own_apps)
        unreadable = _unreadable(self.mistakes, fleet, trees.tenants, of_apps)
        if strict or unreadable is None:
            raise InventoryMistakes([*self.mistakes, *amiss])
        found: dict[str, object] = {"unreadable": unreadable, "amiss": amiss}
        found["tenants"] = {name: tenant for name, tenant in tenants.items() if name not in unreadable}
        found["apps"] = {name: app for name, app in apps.items() if name not in of_apps}
        found["unreadable_apps"] = {name: UnreadablePart(tuple(told)) for name, told in of_apps.items()}
        return fleet.model_copy(update=found)

    def _text(self, file: str) -> str:
        return self.snapshot.files.get(file, b"").decode(errors="replace")

    def _tree(self, file: str) -> Tree:
        content = self.snapshot.files.get(file)
        if content is None:
            return Tree(Place(file), {})
        try:
            tree = read_tree(file, content)
        except NotYaml as error:
            self.mistakes += error.mistakes
            return Tree(Place(file), None)
        if not isinstance(tree.value, dict):
            self.mistakes.append(Mistake(tree.place, "not a mapping", "lines of key: value"))
            return Tree(tree.place, None)
        return tree

    def _app_trees(self) -> dict[str, Tree]:
        shipped: dict[str, Tree] = {}
        for name, content in self.shipped_apps.items():
            try:
                shipped[name] = read_tree(f"templates/compose/{name}/app.yaml", content)
            except NotYaml as error:
                self.mistakes += error.mistakes
        self.own_apps = {name: self._tree(f"{APPS}/{name}.yaml") for name in self._stems(APPS)}
        return extend_all(self.own_apps, shipped, self.mistakes)

    def _unchanged(self) -> dict[str, Tenant]:
        """The tenants whose files are as before."""
        if self.before is None:
            return {}
        then, now = self.before.snapshot.files, self.snapshot.files
        found: dict[str, Tenant] = {}
        for name, tenant in self.before.fleet.tenants.items():
            file = f"{TENANTS}/{name}.yaml"
            if then[file] == now.get(file):
                found[name] = tenant
        return found

    def _records(
        self,
        kind: type[Record],
        name_kind: type[Named],
        trees: Mapping[str, Tree],
        names_at: Mapping[str, Place],
        *,
        known: Mapping[str, Record] | None = None,
    ) -> dict[Named, Record]:
        """The valid records; the mistakes of the others are added to `mistakes`. A `known` one is not judged again."""
        records: dict[Named, Record] = {}
        for text, tree in trees.items():
            place = names_at[text]
            try:
                name = name_kind(text)
            except Malformed as error:
                self.mistakes.append(Mistake(place, error.what, error.expected, error.hint))
                continue
            if tree.value is None:
                if place.line:  # a file that is None was reported already
                    self.mistakes.append(Mistake(place, f"{name} is empty", "lines of key: value"))
                continue
            record = (known or {}).get(text) or validate(kind, tree, self.mistakes, name=name)
            if record is not None:
                records[name] = record
        return records

    def _stems(self, folder: str) -> list[str]:
        places = (name.rpartition("/") for name in self.snapshot.files)
        return sorted(file.removesuffix(".yaml") for at, _, file in places if at == folder and file.endswith(".yaml"))

    def _refuse_strangers(self) -> None:
        """Report a file that is not read: it probably has a wrong name or folder."""
        for name in self.snapshot.files:
            if name in SINGLE or (name.endswith(".yaml") and name.rpartition("/")[0] in READ):
                continue
            path = PurePosixPath(name)
            hint = f"rename it to {path.with_suffix('.yaml').name}" if path.suffix in {".yml", ".json"} else ""
            expected = "hosts.yaml, tiers.yaml, targets.yaml, apps/APP.yaml, tenants/TENANT.yaml"
            self.mistakes.append(Mistake(Place(name), "this file is not part of the inventory", expected, hint))


def _broken_apps(mistakes: Iterable[Mistake], own: Mapping[str, Tree]) -> dict[str, list[Mistake]]:
    """App → the mistakes in its file, or in the files of the apps that it extends."""
    found: dict[str, list[Mistake]] = {}
    for mistake in mistakes:
        path = PurePosixPath(mistake.place.file)
        if str(path.parent) == APPS:
            found.setdefault(path.stem, []).append(mistake)
    growing = True
    while growing:
        bases = {name: tree.get("extends") for name, tree in own.items() if name not in found}
        new = {name: found[str(base.value)] for name, base in bases.items() if base and str(base.value) in found}
        found |= new
        growing = bool(new)
    return found


def _unreadable(
    mistakes: Iterable[Mistake], fleet: Fleet, trees: Mapping[str, Tree], of_apps: Mapping[str, list[Mistake]]
) -> dict[str, UnreadablePart] | None:
    """The tenants that these mistakes, or mistakes of their apps, make unreadable; None when a mistake is in another
    file than a tenant's or an app's. Two tenants with the same slot or domain are both unreadable, because the right
    one is unknown."""
    found: dict[str, list[Mistake]] = {}
    for name, tree in trees.items():
        app = tree.get("app")
        if app is not None and (told := of_apps.get(str(app.value))):
            found[name] = [*told]
    for mistake in mistakes:
        path = PurePosixPath(mistake.place.file)
        if str(path.parent) == APPS:
            continue
        if str(path.parent) != TENANTS:
            return None
        name = path.name if path.suffix != ".yaml" and path.stem in trees else path.stem
        found.setdefault(name, []).append(mistake)
    for name in [*found]:
        mine = _claims(trees.get(name))
        for other, tree in trees.items():
            if other not in found and mine & _claims(tree):
                found[other] = found[name]
    tenants = {str(name): tenant for name, tenant in fleet.tenants.items()}
    return {name: UnreadablePart(tuple(told), tenants.get(name)) for name, told in found.items()}


def _claims(tree: Tree | None) -> Set[object]:
    """The values that only one tenant may have: the slot and the domains, as written."""
    if tree is None:
        return set()
    domains = tree.get("domains")
    written = [item.value for item in domains.items()] if domains is not None else []
    return {_slot(tree) or None, *(item.lower() for item in written if isinstance(item, str))} - {None}


def _slot(tree: Tree) -> int:
    """The written slot; 0 for none."""
    slot = tree.get("slot")
    return slot.value if slot is not None and type(slot.value) is int else 0


def _files(folder: str, names: Iterable[str]) -> dict[str, Place]:
    return {name: Place(f"{folder}/{name}.yaml") for name in names}


def _completed(host: Host, defaults: Defaults) -> Host:
    """The host with the defaults of launchpad.yaml for keys that the host does not have."""
    own = {name: getattr(host.caddy, name) for name in host.caddy.model_fields_set}
    return host.model_copy(
        update={
            "operators": host.operators or defaults.operators,
            "caddy": defaults.caddy.model_copy(update=own),
            "storage": host.storage or StorageOptions(loop=host.resources.disk),
        }
    )
