"""The file of the assigned slots: a slot is never assigned to another tenant, even after its tenant was removed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from launchpad.fleet.reading.inventory_files import INVENTORY
from launchpad.fleet.words.mistakes import Mistake, Place
from launchpad.fleet.words.names import TenantName
from launchpad.runner.slots import LAST_SLOT

SLOTS_FILE = f"{INVENTORY}/slots.yaml"
_HEADER = "# Written by launchpad. The highest slot ever assigned, and the slots of removed tenants.\n"


@dataclass(frozen=True)
class Slots:
    """The highest slot ever assigned by `tenant add`, and slot → name of removed tenants."""

    highest: int = 0
    gone: Mapping[int, str] = field(default_factory=dict)

    def given(self, slot: int) -> Slots:
        """The slots after this slot was assigned."""
        return Slots(max(self.highest, slot), self.gone)

    def freed(self, slot: int, name: TenantName) -> Slots:
        """The slots after the slot's tenant was removed."""
        return Slots(max(self.highest, slot), {**self.gone, slot: str(name)})

    def as_yaml(self) -> bytes:
        """The file's content."""
        record = {"highest": self.highest, "gone": dict(sorted(self.gone.items()))}
        return (_HEADER + yaml.safe_dump(record, sort_keys=False)).encode()


def read_slots(content: bytes | None, mistakes: list[Mistake]) -> Slots:
    """Parse the file, empty when there is no file; mistakes are added to `mistakes`. In a Git conflict both sides
    count: a slot that either side assigned is assigned."""
    one, other = (_read(side, mistakes) for side in _sides(content))
    return Slots(max(one.highest, other.highest), {**one.gone, **other.gone})


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
        mistakes.append(Mistake(place, "not the format that Launchpad writes", "highest: and gone:", hint))
        return Slots()
    if not isinstance(record, dict) or set(record) != {"highest", "gone"}:
        mistakes.append(Mistake(place, "not the format that Launchpad writes", "highest: and gone:", hint))
        return Slots()
    highest, gone = record["highest"], record["gone"]
    right = type(highest) is int and 0 <= highest <= LAST_SLOT and isinstance(gone, dict)
    if not right or not all(type(slot) is int and isinstance(name, str) for slot, name in gone.items()):
        mistakes.append(Mistake(place, "not the format that Launchpad writes", "slots as whole numbers", hint))
        return Slots()
    return Slots(highest, gone)
