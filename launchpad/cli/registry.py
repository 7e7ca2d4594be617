"""Every command by name, with its module and one line of help: so that `--help` imports none of them.

A command is added here and in its module, which has `app`, a Typer. A group (`launchpad tenant add`) is the whole of
its module's `app`; any other command is the one of that name in it, so a module may have several.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One word after `launchpad`."""

    name: str
    help: str
    module: str
    """Below launchpad.cli."""
    group: bool = False


SECTIONS: dict[str, tuple[Entry, ...]] = {
    "Workspace": (
        Entry("init", "Make a workspace that works as it stands.", "init"),
        Entry("check", "Say every mistake in the inventory.", "check"),
        Entry("schema", "Print the JSON Schema of the inventory's files, for editors.", "schema"),
        Entry("key", "This operator's keys.", "keys", group=True),
    ),
    "Inventory": (
        Entry("tenant", "Add, show, list and remove tenants.", "tenants", group=True),
        Entry("host", "Add, show, list and remove hosts.", "hosts", group=True),
        Entry("secret", "Set, list, rotate and remove tenants' secrets.", "secrets", group=True),
        Entry("app", "Show what can be hosted.", "apps", group=True),
        Entry("tier", "Show what tenants can get.", "tiers", group=True),
    ),
}


def entries() -> dict[str, Entry]:
    """Every entry by name, in the order of the help."""
    return {entry.name: entry for section in SECTIONS.values() for entry in section}
