"""Every command by name, with its module and one line of help: so that `--help` imports none of them.

A command is added here and in its module, which has `app`, a Typer. A group (`launchpad tenant add`) is the whole of
its module's `app`; any other command is the one of that name in it, so a module may have several.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CommandEntry:
    """One word after `launchpad`."""

    name: str
    help: str
    module: str
    """Below launchpad.cli."""
    group: bool = False


SECTIONS: dict[str, tuple[CommandEntry, ...]] = {
    "Workspace": (
        CommandEntry("init", "Make a workspace that works as it stands.", "init"),
        CommandEntry("check", "Report every mistake in the inventory.", "check"),
        CommandEntry("schema", "Print the JSON Schema of the inventory's files, for editors.", "schema"),
        CommandEntry("key", "Show and make this operator's keys.", "keys", group=True),
        CommandEntry("operator", "Add, list and remove who operates the fleet.", "operators", group=True),
    ),
    "Inventory": (
        CommandEntry("tenant", "Add, show, list and remove tenants.", "tenants", group=True),
        CommandEntry("host", "Add, show, list and remove hosts.", "hosts", group=True),
        CommandEntry("secret", "Set, list, show, rotate and remove tenants' secrets.", "secrets", group=True),
        CommandEntry("app", "Show what can be hosted, and pin its images.", "apps", group=True),
        CommandEntry("versions", "Show an app's versions, and who is to run which.", "versions"),
        CommandEntry("tier", "Show what tenants can get.", "tiers", group=True),
        CommandEntry("dns", "Show where tenants' names lead, and have them lead to their hosts.", "dns", group=True),
        CommandEntry("target", "Show and try the places for backups.", "targets", group=True),
    ),
    "Operations": (
        CommandEntry("provision", "Make a bare VPS a host, or bring one up to date.", "provisioning"),
        CommandEntry("render", "Print the files of a tenant's release.", "planning"),
        CommandEntry("plan", "Show what apply would do.", "planning"),
        CommandEntry("apply", "Bring hosts to what the inventory says.", "planning"),
        CommandEntry("deploy", "Bring one tenant to what the inventory says.", "running"),
        CommandEntry("upgrade", "Bring a tenant to a newer version, data and all.", "upgrading"),
        CommandEntry("rollback", "Bring a tenant back to what ran before, data and all.", "upgrading"),
        CommandEntry("rollout", "Bring an app's tenants to a newer version, ring after ring.", "rollout"),
        CommandEntry("rollouts", "List the rollouts that the hosts know of.", "rollout"),
        CommandEntry("move", "Bring a tenant to another host, data and all.", "moving"),
        CommandEntry("adopt", "Write the version that a tenant runs into the inventory.", "versions"),
        CommandEntry("import", "Make somebody's own installation a tenant.", "importing"),
        CommandEntry("export", "Write a tenant's data as its app's own archive.", "importing"),
        CommandEntry("snapshot", "Keep a tenant's data as it is now.", "generations"),
        CommandEntry("restore", "Put a tenant's data back to what was kept.", "generations"),
        CommandEntry("stop", "Stop a tenant.", "running"),
        CommandEntry("start", "Start a stopped tenant.", "running"),
        CommandEntry("restart", "Stop and start a tenant.", "running"),
        CommandEntry("retire", "Take a tenant off its host.", "running"),
        CommandEntry("prune", "Remove what nothing on a host needs any more.", "pruning"),
        CommandEntry("attach", "Come back to a running operation.", "running"),
        CommandEntry("cancel", "Have a running operation undone.", "running"),
    ),
    "Backups": (
        CommandEntry("backup", "Send tenants' data to the targets of their tiers.", "backing_up"),
        CommandEntry("backups", "List, fetch, verify and thin out tenants' backups.", "backups", group=True),
        CommandEntry("drill", "Prove tenants' newest backups by booting them.", "backing_up"),
        CommandEntry("kit", "Make, test and open the emergency kit, which brings everything back.", "kit", group=True),
    ),
    "Observation": (
        CommandEntry("status", "Show how tenants and hosts stand.", "standing"),
        CommandEntry("logs", "Print what tenants wrote.", "standing"),
        CommandEntry("generations", "Show what is kept of a tenant's data.", "generations"),
        CommandEntry("certificates", "Show the certificates of tenants' names.", "standing"),
        CommandEntry("usage", "Show who has a host's room.", "standing"),
        CommandEntry("history", "Show what was done, by whom.", "standing"),
        CommandEntry("open", "Print a link that lets a browser in.", "standing"),
        CommandEntry("trust", "Remember a host's key.", "standing"),
    ),
}


def entries() -> dict[str, CommandEntry]:
    """Every entry by name, in the order of the help."""
    return {entry.name: entry for section in SECTIONS.values() for entry in section}
