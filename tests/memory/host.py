"""A whole host in memory, behind the runner's one seam: stateful, can fail, can be killed and rebooted at every call.

It passes the same contract suite as the real machine. What it knows of an app stands in `behaviours`, by image:
`good`, `slow` (ready after 5 s), `never` (never ready), `crash` (exits 1), `permanent` (exits 78),
`dying` (good for 6 s, then exits 1), `flash` (the same after 2 s), `unsound` (good, and finds itself not well),
`forgetful` (good, and loses some of its state when it migrates).
A tenant's data and what apps write there: `data.py`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from ipaddress import IPv4Address, IPv4Network
from itertools import chain
from typing import Any

from launchpad.runner import paths
from launchpad.runner.host import (
    Announced,
    Busy,
    CommandOutput,
    Container,
    EstablishedConnection,
    Failed,
    HalfNetwork,
    NoDocker,
    Progress,
)
from launchpad.runner.judge.volumes import uncovered
from launchpad.runner.reviving import NETWORKS
from tests.memory.data import PARTIAL, File, kept, zeros
from tests.memory.effects import Killed, Moment, effect, moments
from tests.memory.filter import MemoryFilter
from tests.memory.restic import MemoryRestic, Repository

__all__ = ["File", "Killed", "MemoryHost", "effect", "moments"]

READY_AFTER = {"good": 1.0, "slow": 5.0, "dying": 1.0, "flash": 1.0, "unsound": 1.0, "forgetful": 1.0}
DIES_AFTER = {"crash": (0.5, 1), "permanent": (0.5, 78), "dying": (6.0, 1), "flash": (2.0, 1)}
"""Seconds, and with which exit status."""
CONTRADICTION = (
    'failed to start daemon: Error initializing network controller: error creating default "bridge" network: cannot '
    "create network 1b2c (docker0): conflicts with network 9f8e (docker0): networks have same bridge name"
)


def stamp(at: float) -> str:
    """A time as Docker writes it."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1e9):09d}Z"


def moment(text: str) -> float:
    """The time again, to the microsecond."""
    return datetime.fromisoformat(text).timestamp()


@dataclass
class MemoryHost(MemoryRestic):
    """One host. `kill_at` counts the changing calls from 1."""

    behaviours: dict[str, str] = field(default_factory=dict)
    registry: set[str] = field(default_factory=set)
    """Images that can be pulled."""
    foreign: set[str] = field(default_factory=set)
    """Those of them that are made for another architecture."""
    image_size: int = 20 << 20
    declared: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By image: the volumes that it declares."""
    anonymous: dict[str, str] = field(default_factory=dict)
    """Docker's own volumes, and the container that each was made for."""
    """Bytes of each in the registry."""
    kill_at: int = 0
    kill_mode: str = "after"
    docker_down: bool = False
    last_words: tuple[str, ...] = ()
    """What Docker printed before it ended; it ends so at every start, until its record of networks is gone."""
    caddy_down: bool = False
    registry_down: bool = False
    disk_full: bool = False
    fill_at: int = 0
    """The call from which on the disk is full."""
    struck: bool = False
    """Whether anything failed, or was seen otherwise, because of one of these: whatever asks for one says so here."""
    spare: int = 0
    """Bytes that can still be written on a full disk: what was reserved and has been removed."""
    free: int = 64 << 30
    """Bytes free on any disk."""
    charged: dict[str, int] = field(default_factory=dict)
    clock: float = 1_790_000_000.0
    skew: float = 0.0
    """How wrong the date is: somebody set it, or a battery is empty."""
    jump_at: int = 0
    """The call before which the date is set by `jump` seconds."""
    jump: float = 0.0
    boots: int = 1
    files: dict[str, File] = field(default_factory=dict)
    folders: dict[str, tuple[int, int]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    """The images that are on the host."""
    networks: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    """The bridges that Docker knows of networks that it does not know."""
    bridgeless: set[str] = field(default_factory=set)
    """The networks that Docker knows and whose bridge is gone: what hangs on one is reached by nobody."""
    boxes: dict[str, Container] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    """Which address each container asked for, also while it does not run."""
    opened: set[IPv4Address] = field(default_factory=set)
    muted: set[IPv4Address] = field(default_factory=set)
    mail: set[tuple[IPv4Address, int]] = field(default_factory=set)
    """Which addresses reach which ports of mail."""
    schemas: dict[str, int] = field(default_factory=dict)
    """By image: what its app brings its state up to."""
    mounts: dict[str, str] = field(default_factory=dict)
    """By container: the folder of its first volume."""
    lively: str = ""
    """The tenant whose app is written to whenever time passes: by visitors of <tenant>.example.com when they are let
    in, and by its channel when it is not muted."""
    told: list[str] = field(default_factory=list)
    """Everything that the lively tenant's app was told and said yes to."""
    refusals: list[str] = field(default_factory=list)
    """The releases that found a state newer than theirs."""
    sites: dict[str, bytes] = field(default_factory=dict)
    """What Caddy runs."""
    reloads: int = 0
    established: dict[IPv4Address, int] = field(default_factory=dict)
    """Requests that wait for their answer, by whom they ask."""
    at_work: float = 0.0
    """Until then every app says that it is at work."""
    locks: dict[str, dict[str, Any]] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list, compare=False)
    moments: list[Moment] | None = field(default=None, compare=False)
    """What `effects.moments` gathers."""
    halfway: bool = False
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    """By the target's URL and the tenant."""
    silent: set[str] = field(default_factory=set)
    """URLs of targets that do not answer."""
    append_only: set[str] = field(default_factory=set)
    """URLs of targets where nothing can be deleted."""
    damaged_databases: list[str] = field(default_factory=list)
    running: set[str] = field(default_factory=set)

    @cached_property
    def filter(self) -> MemoryFilter:
        return MemoryFilter(self)

    # --- what a test does to the host

    def died(self) -> None:
        """The runner's process is gone: the kernel dropped its locks, nothing else happened."""
        self.locks.clear()
        self.kill_at = 0
        self.halfway = False

    def reboot(self) -> None:
        """Power went and came back: tmpfs, the gate and what ran are gone; Caddy reads its files."""
        self.died()
        self.boots += 1
        self.clock += 20
        self.files = {path: item for path, item in self.files.items() if not path.startswith("/run/")}
        self.folders = {path: item for path, item in self.folders.items() if not path.startswith("/run/")}
        self.running.clear()
        self.opened.clear()
        self.muted.clear()
        self.mail.clear()
        self.established.clear()
        self.boxes = {
            name: item.but(state="exited", exit_code=255, address="") if item.state == "running" else item
            for name, item in self.boxes.items()
        }
        self.sites = self._site_files()

    def mend(self) -> None:
        """Whatever failed works again; a Caddy that was down has started anew, and so read its files."""
        if self.caddy_down:
            before, self.sites = self.sites, self._site_files()
            self.struck = self.struck or self.sites != before
        self.docker_down = self.disk_full = self.caddy_down = self.registry_down = False

    def contradict_itself(self) -> None:
        """Docker's record of networks is what a power cut can leave: Docker ends at each start for it."""
        self.docker_down, self.last_words = True, (CONTRADICTION,)
        self.files[NETWORKS] = File(b"contradicts itself")

    def lose_bridge(self, tenant: str) -> None:
        """The tenant's bridge is gone, and its containers, running or not, hang on nothing until they are made anew."""
        self.bridgeless.add(f"lp-{tenant}")
        for name, item in self.boxes.items():
            if item.tenant == tenant:
                self.boxes[name] = item.but(address="")

    def stop_by_hand(self, tenant: str) -> None:
        for name, item in self.boxes.items():
            if item.tenant == tenant:
                self.boxes[name] = item.but(state="exited", exit_code=137, address="")

    def request(self, domain: str) -> str:
        """What a visitor gets: the release that answers, `held`, or `refused` without a site."""
        for text in self.sites.values():
            if is_site_of(domain, text):
                return self._upstream(text)
        return "refused"

    def _upstream(self, site: bytes) -> str:
        for address in dialled(site):
            box = self._listening(address) if address in self.opened else None
            if box is not None and self._ready(box):
                return box.release
        return "held"

    # --- Clock

    def now(self) -> float:
        return self.clock + self.skew

    def elapsed(self) -> float:
        return self.clock

    def wait(self, seconds: float) -> None:
        self.clock += seconds
        if self.lively:
            self._let_crash()
            mine = [(name, box) for name, box in self.boxes.items() if box.tenant == self.lively]
            for name, box in mine:
                if box.image in self.schemas and box.state == "running" and self._ready(box):
                    self._tell(name, box)

    def _tell(self, name: str, box: Container) -> None:
        """What comes in through the channel, and by a visitor."""
        known = len(self.told)
        if IPv4Address(box.address) not in self.muted:
            self.told.append(f"message {len(self.told)}")
        if self.request(f"{box.tenant}.example.com") == box.release:
            self.told.append(f"visit {len(self.told)}")
        if self.told[known:]:
            self.put_in(name, *self.told[known:])

    def boot_id(self) -> str:
        return f"boot-{self.boots}"

    # --- Files

    def read(self, path: str) -> bytes | None:
        item = self.files.get(path)
        return None if item is None else item.data

    @effect
    def write(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0) -> None:
        if self.halfway:
            return  # the temporary file was written, the rename was not
        self._be_writable(path)
        self._room(path, len(data))
        self._parents(path)
        self.files[path] = File(kept(data), mode, uid)

    @effect
    def set_aside(self, path: str, size: int) -> None:
        if not self.halfway:
            self._room(path, size)
            self._parents(path)
            self.files[path] = File(zeros(size), 0o600)

    @effect
    def append(self, path: str, data: bytes) -> None:
        self._room(path, len(data))
        self._parents(path)
        item = self.files.setdefault(path, File(b"", 0o600))
        item.data += data[: len(data) // 2] if self.halfway else data

    @effect
    def remove(self, path: str) -> None:
        below = f"{path}/"
        is_file = path in self.files
        gone = [path] if is_file else [name for name in self.files if name.startswith(below)]
        if self.halfway:
            gone = gone[: len(gone) // 2]
        for name in gone:
            freed = self.files.pop(name).data
            self.spare += len(freed) if self.disk_full else 0
        if self.halfway or is_file:
            return
        for table in (self.folders, self.links, self.volumes):
            for name in [name for name in table if name == path or name.startswith(below)]:
                del table[name]

    def names(self, path: str) -> list[str]:
        below = f"{path}/"
        known = chain(self.files, self.folders, self.links, self.volumes)
        found = {name[len(below) :].partition("/")[0] for name in known if name.startswith(below)}
        return sorted(name for name in found if not name.endswith(PARTIAL))

    @effect
    def folder(self, path: str, *, mode: int = 0o755, uid: int = 0) -> None:
        self._parents(path)
        self.folders[path] = (mode, uid)

    @effect
    def link(self, path: str, target: str) -> None:
        if not self.halfway:
            self._room(path, 0)
            self.links[path] = target

    def target(self, path: str) -> str | None:
        return self.links.get(path)

    def _parents(self, path: str) -> None:
        parent = path.rsplit("/", 1)[0]
        while parent and parent not in self.folders:
            self.folders[parent] = (0o755, 0)
            parent = parent.rsplit("/", 1)[0]

    def _room(self, path: str, size: int) -> None:
        if not self.disk_full or path.startswith("/run/"):
            return
        self.struck = True
        if self.spare < size:
            raise Failed(f"{path}: No space left on device")
        self.spare -= size

    # --- Data

    @effect
    def seal(self, path: str, name: str, value: bytes) -> None:
        if self.halfway:
            return
        self._room(path, len(value))
        self._parents(path)
        self.files[path] = File(json.dumps([name, value[::-1].hex()]).encode(), 0o600)

    def unseal(self, path: str, name: str) -> bytes:
        data = self.read(path)
        if data is None:
            raise Failed(f"{path}: is not there")
        sealed_as, value = json.loads(data)
        if sealed_as != name:
            raise Failed(f"{path}: was sealed under another name")
        return bytes.fromhex(value)[::-1]

    # --- Containers

    def docker_failure(self) -> Sequence[str]:
        return self.last_words if self.docker_down else ()

    @effect
    def start_docker(self, *, anew: bool = False) -> None:
        if self.halfway:
            return
        if self.last_words and NETWORKS in self.files:
            raise Failed("docker.service does not start")
        if NETWORKS not in self.files:
            self.networks.clear()
            self.taken.clear()
            self.files[NETWORKS] = File(b"{}")
        self.docker_down, self.last_words = False, ()

    def resolve(self, folder: str, project: str, environment: Mapping[str, str]) -> dict[str, Any]:
        text = (self.read(f"{folder}/compose.yaml") or b"").decode()
        text = re.sub(r"\$\{([A-Z0-9_]+)\}", lambda found: environment[found[1]], text).replace("$$", "$")
        resolved: dict[str, Any] = json.loads(text)
        resolved["name"] = project
        for service in resolved["services"].values():
            for mount in service.get("volumes", []):
                if mount.get("source", "").startswith("./"):
                    mount["source"] = folder + mount["source"][1:]
        return resolved

    def has_image(self, image: str) -> bool:
        return image in self.stored

    @effect
    def pull(self, image: str, progress: Progress) -> None:
        self._docker()
        if image in self.stored or self.halfway:
            return
        self._room("/var/lib/docker", 1)
        if self.registry_down:
            self.struck = True
            raise Failed(f"{image}: the registry does not answer")
        if image not in self.registry:
            raise Failed(f"{image}: not found in the registry")
        progress("pulled 1 of 1 layers")
        self.stored.add(image)

    def declared_volumes(self, image: str) -> tuple[str, ...]:
        return self.declared.get(image, ()) if image in self.stored else ()

    def loose_volumes(self) -> tuple[str, ...]:
        self._docker()
        return tuple(sorted(name for name, box in self.anonymous.items() if box not in self.boxes))

    @effect
    def remove_volume(self, name: str) -> None:
        self._docker()
        if name in self.loose_volumes() and not self.halfway:
            del self.anonymous[name]

    def announced(self, image: str) -> Announced | None:
        if image not in self.registry:
            return None
        if image in self.foreign:
            return Announced(size=0, architectures=("arm64",), fits=False)
        return Announced(size=self.image_size, architectures=("amd64",), fits=True)

    def images(self) -> dict[str, int]:
        self._docker()
        return dict.fromkeys(sorted(self.stored), 50 << 20)

    @effect
    def remove_image(self, image: str) -> bool:
        self._docker()
        if image in {box.image for box in self.boxes.values()} or self.halfway:
            return False
        self.stored.discard(image)
        return True

    @effect
    def make_network(
        self, name: str, *, bridge: str, subnet: IPv4Network, gateway: IPv4Address, internal: bool = False
    ) -> None:
        self._docker()
        if bridge in self.taken:
            raise HalfNetwork(f"Docker: conflicts with network 9f8e ({bridge}): networks have same bridge name")
        if name in self.bridgeless:
            del self.networks[name]
            self.bridgeless.discard(name)
        just_so = (bridge, subnet, gateway, internal)
        if self.networks.get(name, just_so) != just_so:
            raise Failed(f"network {name}: exists otherwise")
        if any(other[1].overlaps(subnet) for known, other in self.networks.items() if known != name):
            raise Failed(f"network {name}: Pool overlaps with other one on this address space")
        self.networks[name] = just_so

    def has_network(self, name: str) -> bool:
        return name in self.networks.keys() - self.bridgeless

    @effect
    def remove_network(self, name: str) -> None:
        self._docker()
        self.networks.pop(name, None)
        self.bridgeless.discard(name)

    @effect
    def up(self, folder: str, project: str, environment: Mapping[str, str]) -> None:
        self._docker()
        resolved = self.resolve(folder, project, environment)
        for service, settings in resolved["services"].items():
            network = resolved["networks"]["default"]["name"]
            if network not in self.networks.keys() - self.bridgeless:
                raise Failed(f"network {network} declared as external, but could not be found")
            if settings["image"] not in self.stored:
                raise Failed(f"{settings['image']}: No such image")
            self._up_one(f"{project}-{service}-1", service, settings)
            if self.behaviours.get(settings["image"]) == "stillborn":
                raise Failed("dependency failed to start")
            if self.halfway:
                return

    def _up_one(self, name: str, service: str, settings: Mapping[str, Any]) -> None:
        labels, old = settings["labels"], self.boxes.get(name)
        release = labels["launchpad.release"]
        if old is not None and old.release == release and old.state == "running":
            return
        address = settings["networks"]["default"]["ipv4_address"]
        taken = [box for box in self.boxes.values() if box.address == address and box.name != name]
        if taken:
            raise Failed(f"{name}: Address already in use")
        if old is None or old.release != release:
            self._room("/var/lib/docker", 1)
        self.addresses[name] = address
        self.boxes[name] = Container(
            name=name,
            tenant=labels["launchpad.tenant"],
            service=service,
            side=labels["launchpad.side"],
            release=release,
            image=settings["image"],
            state="running",
            started_at=stamp(self.clock),
            exit_code=0,
            oom_killed=False,
            address=address,
        )
        loose = [str(mount["target"]) for mount in settings.get("volumes", ()) if mount.get("type") == "volume"]
        loose += uncovered(settings, self.declared.get(settings["image"], ()))
        self.anonymous |= {f"{name}{path}": name for path in loose}
        sources = [str(mount.get("source", "")) for mount in settings.get("volumes", ())]
        volumes = [source for source in sources if re.search("/(data|clone)/", source)]
        if volumes:
            self.mounts[name] = volumes[0]
        self._run_app(name)

    @effect
    def start(self, project: str) -> None:
        self._docker()
        mine = self._boxes_of(project)
        if not mine:
            raise Failed(f"{project}: has no containers")
        for name in mine:
            if self.boxes[name].state != "running":
                started, address = stamp(self.clock), self.addresses[name]
                self.boxes[name] = self.boxes[name].but(state="running", started_at=started, address=address)
                self._run_app(name)

    @effect
    def stop(self, project: str, seconds: int) -> None:
        self._docker()
        mine = self._boxes_of(project)
        for name in mine[: len(mine) // 2] if self.halfway else mine:
            if self.boxes[name].state == "running":
                self.boxes[name] = self.boxes[name].but(state="exited", address="")

    @effect
    def down(self, project: str, seconds: int) -> None:
        self._docker()
        mine = self._boxes_of(project)
        for name in mine[: len(mine) // 2] if self.halfway else mine:
            del self.boxes[name]
            self.anonymous = {volume: box for volume, box in self.anonymous.items() if box != name}

    def containers(self, tenant: str = "") -> list[Container]:
        self._docker()
        self._let_crash()
        return [box for _, box in sorted(self.boxes.items()) if tenant in ("", box.tenant)]

    def log_lines(self, project: str, lines: int) -> list[str]:
        return [f"{name}: says something" for name in self._boxes_of(project)][:lines]

    def execute(self, container: str, argv: Sequence[str], *, seconds: float) -> CommandOutput:
        self._docker()
        box = self.boxes.get(container)
        if box is None or box.state != "running":
            raise Failed(f"{container}: is not running")
        if argv == ("quiet",):
            return CommandOutput(code=int(self.clock < self.at_work), out="", err="")
        wrong = self.behaviours.get(box.image) == "unsound"
        return (
            CommandOutput(code=1, out="", err="a row is missing")
            if wrong
            else CommandOutput(code=0, out="sound", err="")
        )

    def _boxes_of(self, project: str) -> list[str]:
        return [name for name in sorted(self.boxes) if name.rsplit("-", 2)[0] == project]

    def _docker(self) -> None:
        if self.docker_down:
            self.struck = True
            raise NoDocker("Docker does not answer")

    def _let_crash(self) -> None:
        for name, box in self.boxes.items():
            if box.state != "running" or (death := DIES_AFTER.get(self.behaviours.get(box.image, "good"))) is None:
                continue
            after, code = death
            if self.clock - moment(box.started_at) > after:
                self.boxes[name] = box.but(state="exited", exit_code=code, address="")

    def _listening(self, address: IPv4Address) -> Container | None:
        self._let_crash()
        asked = _text(address)
        return next((box for box in self.boxes.values() if box.address == asked and box.state == "running"), None)

    def _ready(self, box: Container) -> bool:
        behaviour = self.behaviours.get(box.image, "good")
        return behaviour in READY_AFTER and self.clock - moment(box.started_at) >= READY_AFTER[behaviour]

    # --- Traffic

    @effect
    def open_traffic(self, addresses: Sequence[IPv4Address]) -> None:
        if not self.halfway:
            self.opened |= set(addresses)

    @effect
    def close_traffic(self, addresses: Sequence[IPv4Address]) -> None:
        if not self.halfway:
            self.opened -= set(addresses)

    def open_addresses(self) -> frozenset[IPv4Address]:
        return frozenset(self.opened)

    @effect
    def mute(self, addresses: Sequence[IPv4Address]) -> None:
        if not self.halfway:
            self.muted |= set(addresses)

    @effect
    def unmute(self, addresses: Sequence[IPv4Address]) -> None:
        if not self.halfway:
            self.muted -= set(addresses)

    def muted_addresses(self) -> frozenset[IPv4Address]:
        return frozenset(self.muted)

    @effect
    def let_out(self, addresses: Sequence[IPv4Address], ports: Sequence[int]) -> None:
        if not self.halfway:
            self.mail = {item for item in self.mail if item[0] not in addresses}
            self.mail |= {(address, port) for address in addresses for port in ports}

    def connections(self, addresses: Sequence[IPv4Address]) -> list[EstablishedConnection]:
        return [
            EstablishedConnection(end=f"{address}-{number}", sent=100, received=0, silent=0.0, queued=False)
            for address in addresses
            for number in range(self.established.get(address, 0))
        ]

    def get(self, address: IPv4Address, port: int, path: str, *, seconds: float) -> int:
        box = self._listening(address)
        if box is None:
            return 0
        return 200 if self._ready(box) else 503

    def adapt(self, caddyfile: str) -> dict[str, Any]:
        """The shape of what Caddy makes of a site of one proxy, as the tests' releases have it."""
        self._caddy()
        found = re.fullmatch(r"(?s)(.+?) \{\n\treverse_proxy ([^\n]+)\n\}\n", caddyfile)
        if found is None:
            raise Failed("Caddyfile: syntax error")
        proxy = {"handler": "reverse_proxy", "upstreams": [{"dial": dial} for dial in found[2].split()]}
        inner = {"handler": "subroute", "routes": [{"handle": [proxy]}]}
        route = {"match": [{"host": found[1].split(", ")}], "handle": [inner], "terminal": True}
        return {"apps": {"http": {"servers": {"srv0": {"listen": [":443"], "routes": [route]}}}}}

    @effect
    def load_sites(self, *, again: bool = False) -> None:
        self._caddy()
        for name, data in self._site_files().items():
            if b"broken" in data:
                del self.files[name]
        wanted = self._site_files()
        if wanted != self.sites or again:
            self.sites = wanted
            self.reloads += 1

    def _caddy(self) -> None:
        if self.caddy_down:
            self.struck = True
            raise Failed("Caddy does not answer")

    def _site_files(self) -> dict[str, bytes]:
        return {path: item.data for path, item in self.files.items() if path.startswith(f"{paths.SITES}/")}

    # --- Operations

    @contextmanager
    def lock(self, name: str, owner: Mapping[str, Any], *, seconds: float = 0) -> Iterator[None]:
        if seconds and self.locks.get(name, {}).get("who") == "watch":
            self.wait(1)  # the watch is never long at it
            del self.locks[name]
        if name in self.locks:
            raise Busy(name, self.locks[name])
        self.locks[name] = dict(owner)
        try:
            yield
        finally:
            self.locks.pop(name, None)

    @effect
    def begin(self, operation: str) -> None:
        if not self.halfway:
            self.begun.append(operation)


_text = cache(str)


@cache
def is_site_of(domain: str, site: bytes) -> bool:
    return re.search(rf"(?m)^{re.escape(domain)}[ ,]", site.decode()) is not None


@cache
def dialled(site: bytes) -> tuple[IPv4Address, ...]:
    return tuple(IPv4Address(dial) for dial in re.findall(r"(\d+\.\d+\.\d+\.\d+):\d+", site.decode()))
