"""Whether an inventory includes the revision that runs: an older checkout would silently revert another operator's
change."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.cell import read_release
from launchpad.runner.hint import Next
from launchpad.runner.host import Failed, Host
from launchpad.runner.protocol import Inventory, Refused, Release, Service, shown_revision

MOST_SHOWN = 12


class StaleInventory(Refused):
    """The inventory names no ancestor that is the running revision. An operator whose Git knows better sends the
    request again, with that revision among the ancestors."""

    code = "inventory-does-not-descend"

    def __init__(self, message: str, *, hint: str, revision: str) -> None:
        super().__init__(message, kind="state", hint=hint)
        self.revision = revision

    def as_line(self) -> dict[str, Any]:
        return super().as_line() | {"revision": self.revision}


def check_descent(
    host: Host, record: Mapping[str, Any] | None, release: Release, inventory: Inventory, *, after: str = ""
) -> None:
    """Refused unless the inventory descends from the running revision, or `after` names that revision: then the
    operator has seen the differences."""
    if record is None or not record["revision"] or record["revision"] in inventory.ancestors:
        return
    runs = shown_revision(record["revision"])
    if after and shown_revision(after) == runs:
        return
    tenant = record["tenant"]
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(record["at"]))
    how = "before a commit, " if "+" in record["revision"] else ""
    wrong = f" (--after names {shown_revision(after)})" if after else ""
    raise StaleInventory(
        f"{tenant}: {record['by']} deployed the running release from revision {runs}, {how}on {when}; "
        f"this inventory ({shown_revision(inventory.revision)}) does not descend from that revision{wrong}; "
        f"a deploy from here would change {_listed(host, record, release)}",
        revision=record["revision"],
        hint="git pull, then run the command again; if the revision is lost: "
        + Next("deploy", tenant, "--after", runs),
    )


def _listed(host: Host, record: Mapping[str, Any], release: Release) -> str:
    try:
        found = list(differing(read_release(host, record["tenant"], record["release"]), release))
    except Failed:
        return "something that cannot be listed: the files of the running release are damaged"
    more = f", and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
    return ", ".join(found[:MOST_SHOWN]) + more if found else "nothing but the revision"


def differing(before: Release, after: Release) -> Iterator[str]:
    """The differences between two releases of a tenant: fields with both values, secrets with their versions, files by
    path."""
    for name in Release.FIELDS:
        one, other = getattr(before, name), getattr(after, name)
        if one == other:
            continue
        if name in ("secrets", "files"):
            noun = name.removesuffix("s")
            for key in sorted({*one, *other}):
                if one.get(key) != other.get(key):
                    versions = f" (version {one.get(key, 'none')} → {other.get(key, 'none')})"
                    yield f"{noun} {key}{versions if noun == 'secret' else ''}"
        elif name == "services":
            yield from _services({item.name: item for item in one}, {item.name: item for item in other})
        elif isinstance(one, (str, int)):
            yield f"{name} {one or 'none'} → {other or 'none'}"
        elif name in ("domains", "volumes"):
            yield f"{name} {', '.join(one) or 'none'} → {', '.join(other) or 'none'}"
        else:
            yield name


def _services(before: Mapping[str, Service], after: Mapping[str, Service]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            yield f"service {name} {'added' if one is None else 'removed'}"
            continue
        for key in Service.FIELDS:
            if (was := getattr(one, key)) != (will := getattr(other, key)):
                yield f"image of {name}" if key == "image" else f"{key} of {name} {was} → {will}"
