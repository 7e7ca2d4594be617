"""The store of a fleet: read as a whole, edited one change at a time, never on top of an unseen change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from launchpad.errors import StateError
from launchpad.fleet.keeping.edit import (
    new_text,
    with_entry,
    with_item,
    with_list_item,
    with_value,
    without_entry,
    without_list_item,
)
from launchpad.fleet.keeping.image_places import ImageChange, image_at, with_image
from launchpad.fleet.keeping.workspace_files import remove_file, replace_file, writing
from launchpad.fleet.model.fleet import Defaults, Fleet, UnreadablePart
from launchpad.fleet.model.host import Host, Operator
from launchpad.fleet.model.recovery import RECOVERY, Recovery
from launchpad.fleet.model.tenant import Tenant, Value
from launchpad.fleet.reading.inventory_files import (
    SETTINGS_FILE,
    FileMemory,
    SeenFile,
    Snapshot,
    schema_line,
    seen_file,
)
from launchpad.fleet.reading.parse import HOSTS_FILE, TENANTS, Parsed, defaults_of, parse
from launchpad.fleet.reading.slots_file import SLOTS_FILE, Slots, read_slots
from launchpad.fleet.words.mistakes import InventoryMistakes
from launchpad.fleet.words.names import AppName, DomainName, HostName, OperatorName, TenantName, TierName, VersionName
from launchpad.runner.hint import Next

Changes = dict[str, bytes | None]
"""New contents by path from the workspace, in the order of writing; None removes a file."""


@dataclass(frozen=True, kw_only=True)
class NewTenant:
    """A tenant without a slot yet; without a version the tenant gets the app's newest."""

    name: TenantName
    app: AppName
    tier: TierName
    host: HostName
    domains: tuple[DomainName, ...] = ()
    version: VersionName | None = None
    variables: Mapping[str, Value] = field(default_factory=dict)


class FleetStore(Protocol):
    """The interface of a fleet's store; a change is made completely, or raises an error and changes nothing."""

    def load(self) -> Fleet:
        """Read the fleet. Tenants with mistakes in their own files, or in their apps' files, are in `unreadable`.
        InventoryMistakes with every mistake when another file has a mistake."""

    def defaults(self) -> Defaults:
        """Read launchpad.yaml alone; InventoryMistakes with every mistake in it."""

    @property
    def left_out(self) -> Mapping[str, UnreadablePart]:
        """The tenants and apps that the last `load` skipped, and its other tolerated mistakes; nothing is read."""

    def check(self) -> Fleet:
        """Read the fleet; InventoryMistakes with every mistake."""

    def add_tenant(self, new: NewTenant) -> Tenant:
        """Assign the next slot to the tenant and write the tenant's file."""

    def renumber_tenant(self, name: TenantName) -> Tenant:
        """Assign the next slot to a tenant that was never deployed; StateError when no other tenant has its slot."""

    def remove_tenant(self, name: TenantName) -> Tenant:
        """Remove the tenant; its slot is not assigned again before `free_slot`."""

    def free_slot(self, slot: int, *, above: int, replaces: str) -> None:
        """Let the slot of the removed tenant `replaces` be assigned again, with an epoch above this one; StateError
        when the slot does not wait for this tenant's deletion."""

    def set_tenant_version(self, name: TenantName, version: VersionName, *, replaces: VersionName) -> Tenant:
        """Write another version; StateError when the tenant's version is no longer `replaces`."""

    def set_tenant_host(self, name: TenantName, host: HostName, *, replaces: HostName) -> Tenant:
        """Write another host; StateError when the tenant's host is no longer `replaces`."""

    def judge_tenant_host(self, name: TenantName, host: HostName) -> None:
        """Check only; InventoryMistakes when the inventory would have mistakes with the tenant on that host."""

    def set_images(self, changes: Sequence[ImageChange]) -> None:
        """Replace image references, all or none; StateError when one is no longer `before`."""

    def set_recovery(self, recovery: Recovery) -> None:
        """Write the emergency kit's public keys; StateError when there is a kit already."""

    def add_operator(self, operator: Operator) -> None:
        """Write an operator into launchpad.yaml, unless the same entry exists; StateError for an operator of that name
        with other keys, or of another name with one of the keys."""

    def remove_operator(self, name: OperatorName) -> None:
        """Remove the operator from launchpad.yaml, and the operator's recipients from `recipients:`."""

    def add_host(self, name: HostName, record: Mapping[str, Any]) -> Host:
        """Add a host; `record` has the keys of its YAML."""

    def remove_host(self, name: HostName) -> Host:
        """Remove the host; StateError while the host has tenants."""


class FolderStore:
    """The fleet in the YAML files of a workspace."""

    def __init__(self, root: Path, *, templates: Iterable[Path] = (), memory: FileMemory | None = None) -> None:
        self.root = root
        self._templates = tuple(templates)
        self._memory = memory or FileMemory()
        self._last: Parsed | None = None
        self._settings: tuple[SeenFile | None, Defaults | None] = (None, None)

    def load(self) -> Fleet:
        return self._parse(self._snapshot())

    def defaults(self) -> Defaults:
        before, found = self._settings
        file = seen_file(self.root, SETTINGS_FILE, before)
        if found is None or file is not before:
            found = defaults_of(file.content if file else None)
            self._settings = (file, found)  # one assignment: threads see the old or the new
        return found

    @property
    def left_out(self) -> Mapping[str, UnreadablePart]:
        if self._last is None:
            return {}
        fleet = self._last.fleet
        told = {mistake for item in fleet.unreadable.values() for mistake in item.mistakes}
        apps = {f"app {name}": item for name, item in fleet.unreadable_apps.items() if not told & {*item.mistakes}}
        amiss = {"the fleet": UnreadablePart(fleet.amiss)} if fleet.amiss else {}
        return {**fleet.unreadable, **apps, **amiss}

    def check(self) -> Fleet:
        return parse(self._snapshot(), shipped_apps(self._templates))

    def add_tenant(self, new: NewTenant) -> Tenant:
        def change(snapshot: Snapshot, fleet: Fleet) -> Changes:
            if new.name in fleet.known:
                raise StateError(
                    f"tenant {new.name} exists already",
                    code="tenant-exists-in-inventory",
                    hint=Next("tenant show", new.name),
                )
            slot, epoch = fleet.next_slot
            record: dict[str, Any] = {
                "slot": slot,
                **({"epoch": epoch} if epoch else {}),
                "app": str(new.app),
                "version": str(new.version or fleet.app(new.app).versions[-1].version),
                "tier": str(new.tier),
                "host": str(new.host),
                "domains": [str(domain) for domain in new.domains],
                "variables": {str(name): value for name, value in new.variables.items()},
            }
            content = new_text(
                {key: value for key, value in record.items() if value != {}}, header=schema_line("tenant")
            )
            return {
                SLOTS_FILE: _slots(snapshot).given(slot).as_yaml(),
                f"{TENANTS}/{new.name}.yaml": content,
            }

        return self._edit(change).tenants[new.name]

    def renumber_tenant(self, name: TenantName) -> Tenant:
        def change(snapshot: Snapshot, fleet: Fleet) -> Changes:
            found = fleet.unreadable.get(name)
            if found is None or found.tenant is None:
                slot = fleet.tenant(name).slot
                raise StateError(
                    f"no other tenant has slot {slot} of {name}", code="slot-has-no-other-tenant", hint=Next("check")
                )
            file, (slot, epoch) = f"{TENANTS}/{name}.yaml", fleet.next_slot
            content = with_value(file, snapshot.files[file], key="slot", value=slot)
            if epoch:
                content = with_item(file, content, path=["epoch"], value=epoch)
            return {SLOTS_FILE: _slots(snapshot).given(slot).as_yaml(), file: content}

        return self._edit(change, despite=True).tenant(name)

    def remove_tenant(self, name: TenantName) -> Tenant:
        gone: list[Tenant] = []

        def change(snapshot: Snapshot, fleet: Fleet) -> Changes:
            tenant = fleet.tenant(name)
            gone.append(tenant)
            slots = _slots(snapshot).left(tenant.slot, tenant.name)
            return {SLOTS_FILE: slots.as_yaml(), f"{TENANTS}/{name}.yaml": None}

        self._edit(change)
        return gone[0]

    def free_slot(self, slot: int, *, above: int, replaces: str) -> None:
        def change(snapshot: Snapshot, fleet: Fleet) -> Changes:
            if fleet.gone_slots.get(slot) != replaces:
                raise StateError(
                    f"slot {slot} no longer waits for the deletion of {replaces}",
                    code="slot-not-waiting",
                    hint=Next("check"),
                )
            return {SLOTS_FILE: _slots(snapshot).freed(slot, above=above).as_yaml()}

        self._edit(change)

    def set_tenant_version(self, name: TenantName, version: VersionName, *, replaces: VersionName) -> Tenant:
        return self._set(name, "version", version, replaces=replaces)

    def set_tenant_host(self, name: TenantName, host: HostName, *, replaces: HostName) -> Tenant:
        return self._set(name, "host", host, replaces=replaces)

    def judge_tenant_host(self, name: TenantName, host: HostName) -> None:
        file, before = f"{TENANTS}/{name}.yaml", self._snapshot()
        changes = {file: with_value(file, before.files[file], key="host", value=host)}
        try:
            apps = shipped_apps(self._templates)
            was = self._parse(before)
            after = parse(before.with_changes(changes), apps, strict=False, before=self._last)
            _refuse_newly_wrong(was, after)
            if wrong := [item for item in after.amiss if item.overfull == host]:
                raise InventoryMistakes(wrong)
        except InventoryMistakes as error:
            hint = f"nothing was changed: {name} cannot be on {host}"
            raise InventoryMistakes(error.mistakes, hint=hint) from error

    def _set(self, name: TenantName, key: str, value: str, *, replaces: str) -> Tenant:
        """Replace the value of a key in the tenant's file, by compare and swap."""
        file = f"{TENANTS}/{name}.yaml"

        def change(snapshot: Snapshot, fleet: Fleet) -> Changes:
            current = str(getattr(fleet.tenant(name), key))
            if current != replaces:
                message = f"{file} has {key}: {current} instead of {replaces}: somebody changed the file meanwhile"
                raise StateError(message, code="value-changed-meanwhile", hint=Next("tenant show", name))
            if current == value:
                return {}
            return {file: with_value(file, snapshot.files[file], key=key, value=value)}

        return self._edit(change, despite=True).tenants[name]

    def set_images(self, changes: Sequence[ImageChange]) -> None:
        def change(snapshot: Snapshot, fleet: Fleet) -> Changes:
            edited: dict[str, bytes] = {}
            for item in changes:
                current = image_at(fleet, item.use)
                if current != item.before:
                    message = (
                        f"{item.use.file}: the image of {item.use} is now {current}: somebody changed the file "
                        "meanwhile"
                    )
                    raise StateError(message, code="image-changed-meanwhile", hint="try again")
                edited[item.use.file] = with_image({**snapshot.files, **edited}, item.use, item.after)
            return dict(edited)

        self._edit(change)

    def set_recovery(self, recovery: Recovery) -> None:
        def change(snapshot: Snapshot, fleet: Fleet) -> Changes:
            if fleet.defaults.recovery is not None:
                raise StateError(
                    f"{SETTINGS_FILE} has a recovery already", code="recovery-already", hint=Next("kit test", "FILE")
                )
            before = snapshot.files[SETTINGS_FILE]
            record = recovery.model_dump(mode="json")
            return {SETTINGS_FILE: with_entry(SETTINGS_FILE, before, key=RECOVERY, record=record)}

        self._edit(change)

    def add_operator(self, operator: Operator) -> None:
        def change(snapshot: Snapshot, fleet: Fleet) -> Changes:
            if operator in fleet.defaults.operators:
                return {}
            if any(item.name == operator.name for item in fleet.defaults.operators):
                raise StateError(
                    f"operator {operator.name} exists already", code="operator-exists", hint=Next("operator list")
                )
            other = next((item for item in fleet.defaults.operators if item.public & operator.public), None)
            if other is not None:  # otherwise the key would keep its access after one of the two operators is removed
                raise StateError(
                    f"operator {other.name} already has a key of {operator.name}",
                    code="operator-already-key",
                    hint=f"each operator needs keys of their own; on {operator.name}'s machine: " + Next("key make"),
                )
            record = {key: item for key, item in operator.model_dump(mode="json").items() if item}
            before = snapshot.files[SETTINGS_FILE]
            return {SETTINGS_FILE: with_list_item(SETTINGS_FILE, before, key="operators", record=record)}

        self._edit(change)

    def remove_operator(self, name: OperatorName) -> None:
        def change(snapshot: Snapshot, fleet: Fleet) -> Changes:
            people, others = fleet.defaults.operators, fleet.defaults.recipients
            own = {recipient for item in people if item.name == name for recipient in item.recipients}
            places = [("operators", index) for index, item in enumerate(people) if item.name == name]
            if not places:
                raise StateError(
                    f"no operator {name} in {SETTINGS_FILE}", code="no-such-operator", hint=Next("operator list")
                )
            places += [("recipients", index) for index, item in enumerate(others) if item in own]
            content = snapshot.files[SETTINGS_FILE]
            for key, index in reversed(places):
                content = without_list_item(SETTINGS_FILE, content, key=key, index=index)
            return {SETTINGS_FILE: content}

        self._edit(change, despite=True)

    def add_host(self, name: HostName, record: Mapping[str, Any]) -> Host:
        def change(snapshot: Snapshot, fleet: Fleet) -> Changes:
            if name in fleet.hosts:
                raise StateError(f"host {name} exists already", code="host-exists", hint=Next("host show", name))
            before = snapshot.files.get(HOSTS_FILE, schema_line("host").encode())
            return {HOSTS_FILE: with_entry(HOSTS_FILE, before, key=name, record=dict(record))}

        return self._edit(change).hosts[name]

    def remove_host(self, name: HostName) -> Host:
        gone: list[Host] = []

        def change(snapshot: Snapshot, fleet: Fleet) -> Changes:
            gone.append(fleet.host(name))
            tenants = fleet.tenants_of(name)
            if tenants:
                names, first = ", ".join(tenant.name for tenant in tenants), tenants[0].name
                hint = (
                    Next("move", first, "--to", "HOST")
                    + "; or "
                    + Next("retire", first)
                    + ", then "
                    + Next("tenant remove")
                )
                raise StateError(f"host {name} has tenants: {names}", code="host-has-tenants", hint=f"{hint} {first}")
            return {HOSTS_FILE: without_entry(HOSTS_FILE, snapshot.files[HOSTS_FILE], key=name)}

        self._edit(change)
        return gone[0]

    def _parse(self, snapshot: Snapshot) -> Fleet:
        """Parse the fleet; unchanged files are not parsed again."""
        apps, last = shipped_apps(self._templates), self._last
        if last is not None and last.snapshot == snapshot and last.apps == apps:
            return last.fleet
        fleet = parse(snapshot, apps, strict=False, before=last)
        self._last = Parsed(snapshot, apps, fleet)  # one assignment: threads see the old or the new
        return fleet

    def _snapshot(self) -> Snapshot:
        return Snapshot.take(self.root, self._memory)

    def _edit(self, change: Callable[[Snapshot, Fleet], Changes], *, despite: bool = False) -> Fleet:
        """Edit a valid inventory; with `despite`, mistakes in other tenants' files are tolerated, for edits that record
        a tenant's present state."""
        with writing(self.root):
            before = self._snapshot()
            was = self._parse(before) if despite else parse(before, shipped_apps(self._templates), before=self._last)
            changes, last = change(before, was), self._last
            try:
                fleet = self._parse(before.with_changes(changes))
                _refuse_newly_wrong(was, fleet)
            except InventoryMistakes as error:
                self._last = last  # a rejected edit is no inventory, so it leaves nothing out
                raise InventoryMistakes(error.mistakes, hint="nothing was changed") from error
            self._commit(before, changes)
            return fleet

    def _commit(self, before: Snapshot, changes: Changes) -> None:
        """Write the changes, if the files did not change since they were read."""
        if self._snapshot().files != before.files:
            raise StateError(
                f"{self.root}: somebody else changed the inventory meanwhile",
                code="inventory-changed-meanwhile",
                hint="try again",
            )
        for name, content in changes.items():
            if content is None:
                remove_file(self.root / name)
            else:
                replace_file(self.root / name, content)


def shipped_apps(templates: Iterable[Path]) -> dict[str, bytes]:
    """The apps that come with the templates: name → content of its app.yaml; an earlier folder wins."""
    apps: dict[str, bytes] = {}
    for folder in templates:
        for path in sorted((folder / "compose").glob("*/app.yaml")):
            if path.is_file():
                apps.setdefault(path.parent.name, path.read_bytes())
    return apps


def _refuse_newly_wrong(before: Fleet, after: Fleet) -> None:
    """InventoryMistakes when an edit causes a mistake that did not exist before."""
    new = after.unreadable.keys() - before.unreadable.keys()
    wrong = [mistake for name in new for mistake in after.unreadable[name].mistakes]
    known = {
        item.place for item in before.amiss
    }  # removing a tenant from an overcommitted host may leave the host overcommitted
    if wrong := [*wrong, *(item for item in after.amiss if item.place not in known)]:
        raise InventoryMistakes(wrong)


def _slots(snapshot: Snapshot) -> Slots:
    """Parse the slots' file, which was validated before."""
    return read_slots(snapshot.files.get(SLOTS_FILE), [])
