"""Every command by name, with its module and one line of help, so that `--help` imports no command.

A command is added here and in its module, which has `app`, a Typer. A group (`launchpad tenant add`) is the whole of
its module's `app`; any other command is the one of that name in it, so a module may have several.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CommandEntry:
    """A command or a command group: the word after `launchpad`."""

    name: str
    help: str
    module: str
    """The module's name below launchpad.cli."""
    group: bool = False


SECTIONS: dict[str, tuple[CommandEntry, ...]] = {
    "Workspace": (
        CommandEntry("init", "Make a workspace: settings, tiers and your keys.", "init"),
        CommandEntry("doctor", "Check your own side: workspace, keys, programs, Git, hosts.", "doctoring"),
        CommandEntry("check", "Report every mistake in the inventory.", "check"),
        CommandEntry("schema", "Print the JSON Schema of the inventory's files, for editors.", "schema"),
        CommandEntry("key", "Show and make this operator's keys.", "keys", group=True),
        CommandEntry("operator", "Add, list and remove the fleet's operators.", "operators", group=True),
    ),
    "Inventory": (
        CommandEntry("tenant", "Add, show, list and remove tenants.", "tenants", group=True),
        CommandEntry("host", "Add, show, list and remove hosts.", "hosts", group=True),
        CommandEntry("secret", "Set, list, show, rotate and remove tenants' secrets.", "secrets", group=True),
        CommandEntry("app", "List and show apps, and pin their images by digest.", "apps", group=True),
        CommandEntry("versions", "Show an app's versions and which tenants use each version.", "versions"),
        CommandEntry("tier", "List the tiers: memory, CPU and disk limits for tenants.", "tiers", group=True),
        CommandEntry("dns", "Show and set the DNS records of tenants' domains.", "dns", group=True),
        CommandEntry("target", "List and test the backup targets.", "targets", group=True),
    ),
    "Operations": (
        CommandEntry("provision", "Turn a bare VPS into a host, or update a host.", "provisioning"),
        CommandEntry("render", "Print the files of a tenant's release.", "planning"),
        CommandEntry("plan", "Show what `launchpad apply` would change.", "planning"),
        CommandEntry("apply", "Deploy every difference between the inventory and the hosts.", "planning"),
        CommandEntry("deploy", "Deploy one tenant as the inventory describes it.", "running"),
        CommandEntry("upgrade", "Upgrade a tenant to a newer version, with its data.", "upgrading"),
        CommandEntry("rollback", "Return a tenant to an earlier release, with its earlier data.", "upgrading"),
        CommandEntry("rollout", "Upgrade an app's tenants ring by ring.", "rollout"),
        CommandEntry("rollouts", "List the fleet's rollouts.", "rollout"),
        CommandEntry("move", "Move a tenant to another host, with its data.", "moving"),
        CommandEntry("adopt", "Write the version that a tenant runs into the inventory.", "versions"),
        CommandEntry("import", "Import a self-hosted installation into a tenant.", "importing"),
        CommandEntry("export", "Export a tenant's data as an archive for a self-hosted installation.", "importing"),
        CommandEntry("snapshot", "Take a generation (a snapshot of a tenant's data) on its host.", "generations"),
        CommandEntry("restore", "Restore a tenant's data from a generation or a backup.", "generations"),
        CommandEntry("stop", "Stop a tenant.", "running"),
        CommandEntry("start", "Start a stopped tenant.", "running"),
        CommandEntry("restart", "Stop and start a tenant.", "running"),
        CommandEntry("retire", "Remove a tenant from its host.", "running"),
        CommandEntry("prune", "Remove unused images, releases, generations and journals from hosts.", "pruning"),
        CommandEntry("maintain", "Install hosts' updates, and reboot hosts, one host after another.", "maintaining"),
        CommandEntry("runner", "Upgrade Launchpad's own program on hosts, in waves.", "runners", group=True),
        CommandEntry("attach", "Follow a running operation to its end.", "running"),
        CommandEntry("cancel", "Cancel a running operation and undo its changes.", "running"),
    ),
    "Backups": (
        CommandEntry("backup", "Back up tenants' data to the targets of their tiers.", "backing_up"),
        CommandEntry("backups", "List, fetch, download, verify and prune tenants' backups.", "backups", group=True),
        CommandEntry("drill", "Prove tenants' backups: restore each into a clone and boot the clone.", "backing_up"),
        CommandEntry("gameday", "Prove that a host may be lost: bring its tenants back on other hosts.", "gamedays"),
        CommandEntry("kit", "Make, test and open the emergency kit, which restores a lost fleet.", "kit", group=True),
    ),
    "Observation": (
        CommandEntry("status", "Show the state of tenants and hosts.", "standing"),
        CommandEntry("health", "Print the fleet's health as one line, for monitoring and cron.", "monitoring"),
        CommandEntry("top", "Watch the fleet live: hosts, tenants, operations, alerts.", "top"),
        CommandEntry("smoke", "Test tenants and hosts from outside, for CI.", "smoking"),
        CommandEntry("alerts", "Show, test and silence alerts.", "alerts", group=True),
        CommandEntry("runbook", "Print what to do about an alert.", "runbooks"),
        CommandEntry("schedule", "Run health checks, backups and more by timers.", "scheduling", group=True),
        CommandEntry("logs", "Print the logs of tenants' containers.", "reading_logs"),
        CommandEntry("diagnose", "Name the cause of a problem, and write a bundle for support.", "diagnosing"),
        CommandEntry("generations", "List and drop a tenant's generations (snapshots of its data).", "generations"),
        CommandEntry("certificates", "Show the TLS certificates of tenants' domains.", "standing"),
        CommandEntry("usage", "Show what tenants use now, or used in a month.", "usage"),
        CommandEntry("metrics", "Print metrics of hosts and tenants for Prometheus.", "usage"),
        CommandEntry("history", "Show past operations and who ran them.", "records"),
        CommandEntry("open", "Print a login link for a tenant, and approve its devices.", "entering"),
        CommandEntry("act", "Run an action that a tenant's app offers.", "acting"),
        CommandEntry("trust", "Confirm and store a host's SSH key.", "entering"),
    ),
}


def entries() -> dict[str, CommandEntry]:
    """Every entry by name, in the order of the help."""
    return {entry.name: entry for section in SECTIONS.values() for entry in section}
