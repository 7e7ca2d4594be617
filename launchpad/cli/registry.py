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
        Entry("check", "Report every mistake in the inventory.", "check"),
        Entry("schema", "Print the JSON Schema of the inventory's files, for editors.", "schema"),
        Entry("key", "Show and make this operator's keys.", "keys", group=True),
        Entry("operator", "Add, list and remove who operates the fleet.", "operators", group=True),
    ),
    "Inventory": (
        Entry("tenant", "Add, show, list and remove tenants.", "tenants", group=True),
        Entry("host", "Add, show, list and remove hosts.", "hosts", group=True),
        Entry("secret", "Set, list, show, rotate and remove tenants' secrets.", "secrets", group=True),
        Entry("app", "Show what can be hosted, and pin its images.", "apps", group=True),
        Entry("versions", "Show an app's versions, and who is to run which.", "versions"),
        Entry("tier", "Show what tenants can get.", "tiers", group=True),
        Entry("dns", "Show where tenants' names lead, and have them lead to their hosts.", "dns", group=True),
        Entry("target", "Show and try the places for backups.", "targets", group=True),
    ),
    "Operations": (
        Entry("provision", "Make a bare VPS a host, or bring one up to date.", "provisioning"),
        Entry("render", "Print the files of a tenant's release.", "planning"),
        Entry("plan", "Show what apply would do.", "planning"),
        Entry("apply", "Bring hosts to what the inventory says.", "planning"),
        Entry("deploy", "Bring one tenant to what the inventory says.", "running"),
        Entry("upgrade", "Bring a tenant to a newer version, data and all.", "upgrading"),
        Entry("rollback", "Bring a tenant back to what ran before, data and all.", "upgrading"),
        Entry("rollout", "Bring an app's tenants to a newer version, ring after ring.", "rollout"),
        Entry("rollouts", "List the rollouts that the hosts know of.", "rollout"),
        Entry("move", "Bring a tenant to another host, data and all.", "moving"),
        Entry("adopt", "Write the version that a tenant runs into the inventory.", "versions"),
        Entry("import", "Make somebody's own installation a tenant.", "importing"),
        Entry("export", "Write a tenant's data as its app's own archive.", "importing"),
        Entry("snapshot", "Keep a tenant's data as it is now.", "generations"),
        Entry("restore", "Put a tenant's data back to what was kept.", "generations"),
        Entry("stop", "Stop a tenant.", "running"),
        Entry("start", "Start a stopped tenant.", "running"),
        Entry("restart", "Stop and start a tenant.", "running"),
        Entry("retire", "Take a tenant off its host.", "running"),
        Entry("prune", "Remove what nothing on a host needs any more.", "pruning"),
        Entry("attach", "Come back to a running operation.", "running"),
        Entry("cancel", "Have a running operation undone.", "running"),
    ),
    "Backups": (
        Entry("backup", "Send tenants' data to the targets of their tiers.", "backing_up"),
        Entry("backups", "List, fetch, verify and thin out tenants' backups.", "backups", group=True),
        Entry("drill", "Prove tenants' newest backups by booting them.", "backing_up"),
        Entry("kit", "Make, test and open the emergency kit, which brings everything back.", "kit", group=True),
    ),
    "Observation": (
        Entry("status", "Show how tenants and hosts stand.", "standing"),
        Entry("logs", "Print what tenants wrote.", "standing"),
        Entry("generations", "Show what is kept of a tenant's data.", "generations"),
        Entry("certificates", "Show the certificates of tenants' names.", "standing"),
        Entry("usage", "Show who has a host's room.", "standing"),
        Entry("history", "Show what was done, by whom.", "standing"),
        Entry("open", "Print a link that lets a browser in.", "standing"),
        Entry("trust", "Remember a host's key.", "standing"),
    ),
}


def entries() -> dict[str, Entry]:
    """Every entry by name, in the order of the help."""
    return {entry.name: entry for section in SECTIONS.values() for entry in section}
