"""The file of the assigned slots. The slot of a removed tenant is given again only after a receipt: every host of the
fleet answered that it has nothing of the tenant. The slot's next tenant has a higher epoch than any tombstone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace

import yaml

from launchpad.fleet.reading.inventory_files import INVENTORY
from launchpad.fleet.words.mistakes import Mistake, Place
from launchpad.fleet.words.names import TenantName
from launchpad.runner.slots import FIRST_EPOCH, LAST_SLOT

SLOTS_FILE = f"{INVENTORY}/slots.yaml"
_HEADER = "# Written by launchpad. The highest slot ever assigned, and the slots of removed tenants.\n"
_NEEDED, _LATER = {"highest", "gone"}, {"free", "epochs"}


@dataclass(frozen=True)
class Slots:
    """Which slots were assigned."""

    highest: int = 0
    """The highest slot ever assigned by `tenant add`."""
    gone: Mapping[int, str] = field(default_factory=dict)
    """Slot → the removed tenant whose deletion not every host has confirmed."""
    free: Set[int] = frozenset()
    """The slots that may be assigned again."""
    epochs: Mapping[int, int] = field(default_factory=dict)
    """Slot → the epoch of its present or next tenant, once the slot was freed."""

    def given(self, slot: int) -> Slots:
        """The slots after this slot was assigned."""
        return replace(self, highest=max(self.highest, slot), free=self.free - {slot})

    def left(self, slot: int, name: TenantName) -> Slots:
        """The slots after the slot's tenant was removed."""
        return replace(self.given(slot), gone={**self.gone, slot: str(name)})

    def freed(self, slot: int, *, above: int) -> Slots:
        """The slots after every host has deleted the slot's tenant; no host knows an epoch above this one."""
        gone = {key: name for key, name in self.gone.items() if key != slot}
        epochs = {**self.epochs, slot: max(above, self.epochs.get(slot, FIRST_EPOCH)) + 1}
        return replace(self, gone=gone, free=self.free | {slot}, epochs=epochs)

    def as_yaml(self) -> bytes:
        """The file's content."""
        record: dict[str, object] = {"highest": self.highest, "gone": dict(sorted(self.gone.items()))}
        if self.epochs:
            record |= {"free": sorted(self.free), "epochs": dict(sorted(self.epochs.items()))}
        return (_HEADER + yaml.safe_dump(record, sort_keys=False)).encode()


def read_slots(content: bytes | None, mistakes: list[Mistake]) -> Slots:
    """Parse the file, empty when there is no file; mistakes are added to `mistakes`. In a Git conflict both sides
    count: a slot that either side assigned is assigned, and a slot is free only when it is free on both sides."""
    one, other = (_read(side, mistakes) for side in _sides(content))
    gone = {**one.gone, **other.gone}
    epochs = {slot: max(one.epochs.get(slot, 0), other.epochs.get(slot, 0)) for slot in {*one.epochs, *other.epochs}}
    return Slots(max(one.highest, other.highest), gone, (one.free & other.free) - gone.keys(), epochs)


def _sides(content: bytes | None) -> tuple[bytes | None, bytes | None]:
    """Both sides of the file's Git conflicts; twice the same text without a conflict."""
    if content is None or re.search(rb"^<<<<<<< ", content, re.MULTILINE) is None:
        return content, content
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    into: tuple[int, ...] = (0, 1)
    for line in content.splitlines(keepends=True):
        marks = {b"<<<<<<<": (0,), b"|||||||": (), b"=======": (1,), b">>>>>>>": (0, 1)}
        if line[:7] in marks:
            into = marks[line[:7]]
            continue
        for side in into:
            sides[side].append(line)
    return b"".join(sides[0]), b"".join(sides[1])


def _read(content: bytes | None, mistakes: list[Mistake]) -> Slots:
    if content is None:
        return Slots()
    place = Place(SLOTS_FILE, 1)
    hint = "take the file's last good version from Git"
    try:
        record = yaml.load(content, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        record = None
    if not isinstance(record, dict) or not _NEEDED <= set(record) <= _NEEDED | _LATER:
        mistakes.append(Mistake(place, "not the format that Launchpad writes", "highest: and gone:", hint))
        return Slots()
    highest, gone, free, epochs = (
        record["highest"],
        record["gone"],
        record.get("free", []),
        record.get("epochs", {}),
    )
    right = type(highest) is int and 0 <= highest <= LAST_SLOT and isinstance(free, list) and _maps(epochs, int)
    if not right or not _maps(gone, str) or not set(free) <= epochs.keys():
        mistakes.append(Mistake(place, "not the format that Launchpad writes", "slots as whole numbers", hint))
        return Slots()
    return Slots(highest, gone, frozenset(free), epochs)


def _maps(value: object, to: type) -> bool:
    """Whether the value maps slots to values of that type."""
    return isinstance(value, dict) and all(type(key) is int and type(item) is to for key, item in value.items())
