"""What docs/screens shows: a command, the fleet in memory that it runs against, and the width of the terminal."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from launchpad.cli.session import Session
from launchpad.fleet.words.names import SecretName, TargetName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.backups.backup import backup_all
from launchpad.operations.backups.fetch import drill
from launchpad.operations.generations.snapshot import snapshot
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.requests.outcome import OperationFailed
from launchpad.operations.rollouts.rollout import RolloutRequest, plan_rollout, rollout
from launchpad.operations.tenants.deploy import deploy
from launchpad.operations.tenants.restart import restart
from launchpad.operations.tenants.stop import stop
from launchpad.operations.versions.upgrade import UpgradeRequest, plan_upgrade, upgrade
from launchpad.runner import paths
from launchpad.runner.account import RUN_PROVISION, Account, Finding
from launchpad.runner.facts import GameDay, Returned
from launchpad.runner.host import Failed
from launchpad.runner.metering.usage_log import Amounts, append_hour
from launchpad.runner.protocol import canonical, record_as_json
from launchpad.runner.view import ContainerLine
from tests.memory import fleet as memory
from tests.memory.data import File
from tests.memory.fleet import MemoryFleet, commit, memory_fleet
from tests.operations.places import environment_of, settle_by
from tests.runner.verbs.view import stamp
from tests.screens.terminal import END_OF_FULL_SCREEN, Printed, on_terminal

PLACE = "/home/ann/launchpad-ops"
"""Stands for the folder of a scene, whose name has the same length: the same lines break."""
DAY, HOUR = 86400, 3600
TENANTS = {"alice": "web-1", "bob": "web-1", "carol": "web-2"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExnqFyqFnMLmfsTZRbPGwY6jUsJwGDdMVR9gyHSwSi1 ann@laptop"
CADDY = f"docker.io/library/caddy:2.11.1@sha256:{'c' * 64}"
SETTINGS = f"""\
operators: [{{name: ann, keys: [{KEY}], signing_keys: [{KEY}]}}]
caddy: {{image: '{CADDY}'}}
rollout: {{rings: [30%, all], soak: 60s, tenant_soak: 5s, patience: 1s}}
"""
TARGET = "offsite: {kind: rest, url: 'https://backup.example.net/fleet', append_only: true}\n"
TIER = "light: {memory: 128MiB, cpus: 0.5, pids: 64, disk: 1GiB, backup: {targets: [offsite]}}\n"
ADDRESSES = {"alice.example.com": "192.0.2.1", "bob.example.com": "192.0.2.1", "carol.example.com": "198.51.100.9"}
FRAME = re.compile("[⠁-⣿] ")

Before = Callable[[MemoryFleet], None]


def nothing(_fleet: MemoryFleet) -> None:
    """It is as it was."""


@dataclass(frozen=True)
class Scene:
    """One screen. `before` is what happens first; `halfway`: the screen while the command still runs."""

    name: str
    command: str
    before: Before = nothing
    columns: int = 80
    answers: tuple[str, ...] = ()
    halfway: bool = False
    rows: int = 40
    keys: tuple[tuple[str, str], ...] = ()
    """For a command that takes the whole screen: what must stand there first, and the keys to press then."""
    encoding: str = "utf-8"
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> list[str]:
        import shlex

        return shlex.split(self.command)

    def play(self, first: MemoryFleet) -> Printed:
        """Run the command against a fleet of its own, which begins as the first one."""
        place = Path(tempfile.mkdtemp(prefix="launchpad-", dir="/tmp"))
        try:
            shutil.copytree(first.root.parent, place, dirs_exist_ok=True, symlinks=True)
            return on_terminal(
                self.words,
                session=lambda: self._session(replace(first, root=place / first.root.name)),
                columns=self.columns,
                rows=self.rows,
                answers=self.answers,
                keys=self.keys,
                encoding=self.encoding,
                variables=self.variables,
            )
        finally:
            shutil.rmtree(place)

    def _session(self, fleet: MemoryFleet) -> Session:
        os.chdir(fleet.root)
        socket.getaddrinfo = _looked_up
        environment = environment_of(fleet.root) | {"LAUNCHPAD_CONFIG": str(fleet.root.parent / "own")}
        session = Session(environment={**os.environ, **environment})
        self.before(fleet)
        session.workspace = fleet.workspace(operator="ann")
        return session

    def document(self, first: MemoryFleet) -> str:
        """The content of its file in docs/screens."""
        printed = self.play(first)
        if self.halfway:
            cut = max(found.start() for found in FRAME.finditer(printed.text))
            printed = Printed(printed.code, printed.text[:cut] + printed.text[cut:].partition("\r")[0])
        if self.keys:
            printed = Printed(printed.code, printed.text.rpartition(END_OF_FULL_SCREEN)[0])
        lines = "\n".join(printed.lines)
        end = "still running" if self.halfway else f"exit code {printed.code}"
        return masked(f"$ launchpad {self.command}\n{lines}\n\n[{self.columns} columns, {end}]\n")


def masked(text: str) -> str:
    """The text without what differs from run to run: the folder, random digits of ids, digests, the spinner's frame."""
    text = re.sub(r"/tmp/launchpad-(?!bug)\w{8}\b", PLACE, text)
    text = re.sub(r"launchpad-bug-\w{8}", "launchpad-bug-00000001", text)
    found: dict[str, str] = {}
    text = re.sub(
        r"\b([0-9a-z]{9})-([0-9a-z]{5})\b",
        lambda match: found.setdefault(match[0], f"{match[1]}-{len(found) + 1:05}"),
        text,
    )
    text = re.sub(r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{12}\b", lambda match: found.setdefault(match[0], _digest(found)), text)
    return FRAME.sub("⠋ ", text)


def _digest(found: Mapping[str, str]) -> str:
    return f"{len(found) + 1:x}" * 12 if len(found) < 15 else f"{len(found):012x}"


def first_fleet(folder: Path) -> MemoryFleet:
    """Three tenants on two hosts. They were deployed nine days ago, and backed up and proven this night."""
    fleet = memory_fleet(folder, TENANTS, settings=SETTINGS, operator="ann")
    (fleet.root / "inventory/targets.yaml").write_text(TARGET)
    (fleet.root / "inventory/tiers.yaml").write_text(TIER)
    commit(fleet.root)
    workspace = fleet.workspace(operator="ann")
    for name, value in (("REST_USER", "hosts"), ("REST_PASSWORD", "a-password")):
        workspace.target_secrets.set(TargetName("offsite"), SecretName(name), Secret(value))
    for host in fleet.hosts.values():
        settle_by(workspace, host)
        host.system = UnknownMachine()
    later(fleet, 6 * DAY)
    play(fleet)
    later(fleet, 3 * DAY)
    backup_all(workspace)
    for name in TENANTS:
        drill(workspace, name)
    later(fleet, 5 * HOUR)
    return fleet


def play(fleet: MemoryFleet) -> None:
    """Each host had a game day, as its record says."""
    for name, other in (("web-1", "web-2"), ("web-2", "web-1")):
        own = [tenant for tenant, at in TENANTS.items() if at == name]
        tenants = tuple(Returned(tenant=tenant, host=other, seconds=70.0) for tenant in own)
        host = fleet.hosts[name]
        record = GameDay(seconds=75.0 * len(own), tenants=tenants, at=host.clock, by="ann")
        host.files[paths.GAMEDAY] = File(canonical(record_as_json(record)))


def shared(fleet: MemoryFleet) -> None:
    """The hosts reach the same target, and have room."""
    certified(fleet)
    repositories = {key: item for host in fleet.hosts.values() for key, item in host.repositories.items()}
    for host in fleet.hosts.values():
        host.repositories = repositories


def broken(fleet: MemoryFleet) -> None:
    """The same, and bob's backup cannot be read."""
    shared(fleet)
    for (_, tenant), item in fleet.hosts["web-1"].repositories.items():
        if tenant == "bob":
            item.content.clear()


def later(fleet: MemoryFleet, seconds: float) -> None:
    now = max(host.clock for host in fleet.hosts.values())
    for host in fleet.hosts.values():
        host.clock = now + seconds


def _looked_up(name: str, port: int, *_more: Any, **_named: Any) -> list[tuple[Any, ...]]:
    if name not in ADDRESSES:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ADDRESSES[name], port))]


# --- what happens before


def edited(path: str, before: str, after: str) -> Before:
    """Somebody edited a file of the inventory, and committed it."""

    def edit(fleet: MemoryFleet) -> None:
        file = fleet.root / path
        text = file.read_text()
        assert before in text, text
        file.write_text(text.replace(before, after))
        commit(fleet.root)

    return edit


def both(*steps: Before) -> Before:
    def do(fleet: MemoryFleet) -> None:
        for step in steps:
            step(fleet)

    return do


changed = edited("templates/compose/echo/compose.yaml.j2", "command: [echo]", "command: [echo, --quiet]")


class UnknownMachine:
    """Nothing can be said of it."""

    def __getattr__(self, name: str) -> Any:
        raise Failed("these hosts in memory have no machine")


def sick(tenant: str, version: str) -> Before:
    return lambda fleet: next(iter(fleet.hosts.values())).sick.add((tenant, version))


def dead(*hosts: str) -> Before:
    def die(fleet: MemoryFleet) -> None:
        for name in hosts:
            fleet.hosts[name].dead = True

    return die


def interrupted(after: int) -> Before:
    """Ctrl-C after so many lines from the host."""

    def arrange(_fleet: MemoryFleet) -> None:
        exchange = memory.FleetRunner.exchange

        def cut(self: Any, verb: str, body: Any, **more: Any) -> Iterator[dict[str, Any]]:
            for number, line in enumerate(exchange(self, verb, body, **more)):
                if verb == "submit" and number == after:
                    raise KeyboardInterrupt
                yield line

        memory.FleetRunner.exchange = cut  # type: ignore[method-assign]

    return arrange


def troubled(fleet: MemoryFleet) -> None:
    """One tenant is not ready, one is stopped, one has no certificate; a host's firewall was changed."""
    workspace = fleet.workspace(operator="ann")
    stop(workspace, "bob")
    later(fleet, HOUR)
    fleet.hosts["web-1"].sick.add(("alice", "1.0.0"))
    web_1, web_2 = fleet.hosts["web-1"], fleet.hosts["web-2"]
    firewall = Finding("firewall", "the table launchpad was changed: chain tenants", RUN_PROVISION, since=web_1.clock)
    Account(web_1, ["firewall"]).see("firewall", [firewall], {"owned": True})
    why = "DNS problem: NXDOMAIN looking up A for carol.example.com"
    certificates = {"carol.example.com": {"tenant": "carol", "until": None, "since": web_2.clock - DAY, "why": why}}
    missing = Finding(
        "certificate",
        f"carol.example.com has no certificate ({why})",
        "launchpad certificates carol --retry",
        tenant="carol",
        since=web_2.clock - DAY,
    )
    Account(web_2, ["certificates"]).see("certificates", [missing], certificates)


def watched(fleet: MemoryFleet) -> None:
    """The same, while somebody upgrades bob."""
    troubled(fleet)
    fleet.hosts["web-1"].locks["tenant-bob"] = {"who": "ben", "kind": "start", "operation": "0mupz23nj-7f3k9"}


def certified(fleet: MemoryFleet) -> None:
    """Every name has a certificate but one; each tenant uses some room."""
    for name, host in fleet.hosts.items():
        own = [tenant for tenant, at in TENANTS.items() if at == name]
        until = {"until": host.clock + 61 * DAY, "since": 0, "why": ""}
        host.quotas = {paths.data(tenant): ((210 + 40 * len(tenant)) << 20, 1 << 30) for tenant in own}
        host.disk = lambda: (64 << 30, 41 << 30)  # type: ignore[method-assign]
        host.used = dict.fromkeys(host.boxes, (61 << 20, 128 << 20))
        account = Account(host, ["certificates", "room"])
        account.see("certificates", [], {f"{tenant}.example.com": until | {"tenant": tenant} for tenant in own})
        account.see(
            "room",
            [],
            {
                tenant: {"disk": [(210 + 40 * len(tenant)) << 20, 1 << 30], "memory": [61 << 20, 128 << 20]}
                for tenant in own
            },
        )


def metered(fleet: MemoryFleet) -> None:
    """Three weeks of September; alice was on web-2 before."""
    for name, tenant, hours in (
        ("web-1", "alice", 300),
        ("web-1", "bob", 500),
        ("web-2", "carol", 500),
        ("web-2", "alice", 200),
    ):
        used = Amounts(
            cpu_seconds=41.5 * hours,
            memory_gib_hours=0.84 * hours,
            disk_gib_hours=1.31 * hours,
            received_bytes=hours * 3_800_000,
            sent_bytes=hours * 19_100_000,
            restarts=hours // 200,
            observed_seconds=hours * 3600.0,
        )
        append_hour(fleet.hosts[name], "2026-09-21T12:00Z", 1_790_000_000.0, {tenant: used})


def uncertified(fleet: MemoryFleet) -> None:
    """The name of carol has no certificate since yesterday."""
    certified(fleet)
    host = fleet.hosts["web-2"]
    why = "DNS problem: NXDOMAIN looking up A for carol.example.com"
    Account(host, ["certificates"]).see(
        "certificates",
        [],
        {"carol.example.com": {"tenant": "carol", "until": None, "since": host.clock - DAY, "why": why}},
    )


def logged(fleet: MemoryFleet) -> None:
    host = fleet.hosts["web-1"]
    name = next(box.name for box in host.boxes.values() if box.tenant == "alice")
    said = [
        "listening on 0.0.0.0:8080",
        "session 41 opened for a browser in Lisbon, which had been away for eleven days and brings its queue along",
        "warning: provider answered 529 (overloaded), will be asked again in 4 s; 2 requests wait for the answer",
        "\x1b[31mprovider answers again\x1b[0m",
    ]
    host.written[name] = [
        ContainerLine(at=stamp(host.clock - 60 + number), text=text) for number, text in enumerate(said)
    ]


def asked_for(fleet: MemoryFleet) -> None:
    """A history of some days."""
    workspace = fleet.workspace(operator="ann")
    restart(workspace, "alice")
    later(fleet, DAY)
    snapshot(fleet.workspace(operator="ben"), "alice")
    later(fleet, HOUR)
    changed(fleet)
    fleet.hosts["web-1"].sick.add(("bob", "1.0.0"))
    with suppress(OperationFailed):
        deploy(fleet.workspace(operator="ann"), "bob")
    Account(fleet.hosts["web-1"], []).note("apps", "web died (exit code 1); started again", tenant="alice")


def upgraded(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace(operator="ann")
    what = plan_upgrade(workspace, "alice", UpgradeRequest(version="1.1.0", soak_seconds=0, rehearse=False))
    upgrade(workspace, what, confirm=Confirmation(digest=what.digest))
    commit(fleet.root)
    later(fleet, DAY)


def rolled_out(fleet: MemoryFleet) -> None:
    """A rollout that halted at its first ring."""
    fleet.hosts["web-1"].sick.add(("alice", "1.1.0"))
    workspace = fleet.workspace(operator="ann")
    what = plan_rollout(workspace, "echo", RolloutRequest(version="1.1.0", rehearse=False))
    rollout(workspace, what, confirm=Confirmation(digest=what.digest))


def held(fleet: MemoryFleet) -> None:
    """Another operator's operation on alice is under way."""
    fleet.hosts["web-1"].locks["tenant-alice"] = {
        "who": "ben",
        "kind": "upgrade",
        "operation": "0mupz23nj-7f3k9",
        "since": fleet.hosts["web-1"].now() - 95,
    }


def unanswered(fleet: MemoryFleet) -> None:
    """A version whose image is in a registry that is not there."""
    file = fleet.root / "inventory/apps/echo.yaml"
    file.write_text(file.read_text().replace("registry.example.com/echo:1.1.0", "registry.our-company.net/echo:1.1.0"))


def broken_inventory(fleet: MemoryFleet) -> None:
    root = fleet.root / "inventory"
    (root / "tenants/alice.yaml").write_text(
        "slot: 2\napp: ecko\nversion: 9.9.9\ntier: lihgt\nhost: web-3\ndomains: [Alice.example.com, alice.example]\n"
    )
    (root / "tiers.yaml").write_text(TIER.replace("128MiB", "128"))


def buggy(fleet: MemoryFleet) -> None:
    def workspace(**_more: Any) -> Any:
        return None

    fleet.workspace = workspace  # type: ignore[method-assign]


SCENES = [
    Scene("help", "--help"),
    Scene("help-deploy", "deploy --help"),
    Scene("help-upgrade", "upgrade --help"),
    Scene("help-status", "status --help"),
    Scene("help-backups", "backups --help"),
    Scene("help-tenant-add", "tenant add --help"),
    Scene("init", "init new-fleet --no-git"),
    Scene("check-good", "check"),
    Scene("check-bad", "check", broken_inventory),
    Scene("tenant-list", "tenant list"),
    Scene("tenant-show", "tenant show alice"),
    Scene("host-list", "host list"),
    Scene("secret-list", "secret list"),
    Scene("versions", "versions echo"),
    Scene("plan", "plan", changed),
    Scene("plan-nothing", "plan"),
    Scene("apply", "apply web-1", changed, answers=("y",)),
    Scene("deploy", "deploy alice", changed),
    Scene("deploy-running", "deploy alice", both(changed, interrupted(6)), halfway=True),
    Scene("deploy-interrupted", "deploy alice", both(changed, interrupted(6))),
    Scene("deploy-failed", "deploy alice", both(changed, sick("alice", "1.0.0"))),
    Scene("deploy-nothing", "deploy alice"),
    Scene("upgrade", "upgrade alice --to 1.1.0", answers=("y",)),
    Scene("upgrade-failed", "upgrade alice --to 1.1.0 --yes", sick("alice", "1.1.0")),
    Scene("upgrade-refused", "upgrade alice --to 1.5.0"),
    Scene("rollback-list", "rollback alice --list", upgraded),
    Scene("rollback", "rollback alice", upgraded, answers=("y",)),
    Scene("retire-declined", "retire alice --purge", answers=("n",)),
    Scene("status-healthy", "status"),
    Scene("status-healthy-narrow", "status", columns=40),
    Scene("status-troubled", "status --check", troubled),
    Scene("status-long", "status --long", certified),
    Scene("status-host-down", "status", dead("web-2")),
    Scene("health", "health"),
    Scene("health-troubled", "health", troubled),
    Scene("status-news", "status --news", troubled),
    Scene("top", "top", watched, rows=24, keys=(("2 critical", "q"),)),
    Scene("top-wide", "top", watched, columns=120, rows=30, keys=(("2 critical", "/car\r"), ("1 shown", "q"))),
    Scene("history", "history", asked_for),
    Scene("history-steps", "history bob --steps --limit 1", asked_for),
    Scene("logs", "logs alice", logged),
    Scene("backup", "backup alice"),
    Scene("backups-list", "backups list alice"),
    Scene("gameday-plan", "gameday web-1 --dry-run", shared),
    Scene("gameday", "gameday web-1", shared, answers=("y",)),
    Scene("gameday-failed", "gameday web-1 --yes", broken),
    Scene("generations", "generations alice", upgraded),
    Scene("snapshot", "snapshot alice"),
    Scene("stop", "stop alice"),
    Scene("move", "move alice --to web-2", answers=("y",)),
    Scene("move-refused", "move alice --to web-1"),
    Scene("logs-narrow", "logs alice", logged, columns=60),
    Scene("restore-declined", "restore alice --at 2999-01-01", answers=("n",)),
    Scene("rollout-plan", "rollout echo --to 1.1.0 --dry-run"),
    Scene("rollout", "rollout echo --to 1.1.0 --no-rehearsal", answers=("y",)),
    Scene("rollout-halted", "rollout echo --to 1.1.0 --no-rehearsal --yes", sick("alice", "1.1.0")),
    Scene("rollout-status", "rollout echo --status", rolled_out),
    Scene("rollouts", "rollouts", rolled_out),
    Scene("certificates", "certificates", uncertified),
    Scene("dns-show", "dns show carol"),
    Scene("usage", "usage web-1", certified),
    Scene("usage-month", "usage --month 2026-09", metered),
    Scene("usage-month-csv", "usage alice --month 2026-09 --csv", metered),
    Scene("usage-200-columns", "usage web-1", certified, columns=200),
    Scene("prune-dry-run", "prune --dry-run", upgraded),
    Scene("error-1-bug", "status", buggy),
    Scene("error-2-usage", "statsu"),
    Scene("error-2-option", "apply --confirm"),
    Scene("error-3-name", "deploy alcie"),
    Scene("error-4-state", "restore alice --generation 0mhcq2k3a-7f3k9", answers=("n",)),
    Scene("error-5-locked", "restart alice", held),
    Scene("error-6-host", "restart carol", dead("web-2")),
    Scene("error-7-service", "app pin echo:1.1.0 --update", unanswered),
    Scene("error-8-partial", "status", dead("web-1", "web-2")),
]
