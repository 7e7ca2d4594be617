"""The interface between the runner's decisions and the machine: everything that an operation may read or do on a host.

`launchpad.runner.machine` is the real machine; the tests' in-memory host passes the same contract suite and can be
killed at every call. Every changing method is idempotent: a state that already exists is no error. A method that fails
raises `Failed` with a cause that a person can read, and no other exception.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from launchpad.runner.hint import HERE, Next
from launchpad.runner.record import Record

if TYPE_CHECKING:
    from typing import Protocol as Protocol
else:
    Protocol = object  # protocols are for the type checker; creating them takes 2 ms of every start

Progress = Callable[[str], None]
"""Takes one short line about the progress, for the events."""


RUN_PROVISION = Next("provision", HERE)
"""The hint for a problem that a provision repairs."""


class Failed(Exception):
    """The machine failed: `message` says what failed and why, `code` the same for programs; `lines` are the related
    log lines."""

    hint = ""
    """The command to type next, for errors that always have the same."""
    code = "step-failed"

    def __init__(self, message: str, *, code: str = "", lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.lines = tuple(lines)


class NoDocker(Failed):
    """Docker does not answer."""

    code = "docker-does-not-answer"
    hint = RUN_PROVISION


class HalfNetwork(Failed):
    """Docker knows the bridge of a network and not the network, as a power cut can leave it: only without its record of
    networks it makes the network again."""

    code = "half-network"
    hint = "as root on the host: systemctl reboot"


class Busy(Exception):
    """Another process holds a lock; `owner` is what the holder wrote into it."""

    def __init__(self, name: str, owner: Mapping[str, Any]) -> None:
        super().__init__(name)
        self.name = name
        self.owner = dict(owner)

    def holder(self, now: float) -> str:
        """Who holds the lock, for what and for how long: "bob (upgrade) for 40 s"."""
        since = self.owner.get("since")
        seconds = max(0, int(now - since)) if isinstance(since, int | float) else -1
        lasting = f" for {seconds} s" if seconds < 120 else f" for {seconds // 60} min"
        return (
            f"{self.owner.get('who', 'somebody')} ({self.owner.get('kind', 'an operation')}){lasting * (seconds >= 0)}"
        )


class Container(Record):
    """A tenant's container as Docker reports it now."""

    name: str
    tenant: str
    service: str
    side: str
    release: str
    """The release that started it (12 hex), from its label."""
    image: str
    state: Literal["created", "running", "restarting", "paused", "exited", "dead", "removing"]
    """Docker's state; `dead` when Docker has not noticed that the process is gone."""
    started_at: str
    """Docker's time stamp; it changes with every start, so it shows a restart."""
    exit_code: int
    oom_killed: bool
    address: str
    """The container's IPv4 address on the tenant's network; empty when it does not run."""
    process: int = 0
    """The pid of its first process on the host; 0 when it does not run."""
    ill: bool = False
    """Whether the image's own health check reports `unhealthy`."""
    log: str = ""
    """How Docker keeps its log: the driver, the largest size of a file, how many files; `local 10m 3`."""


class Announced(Record):
    """What a registry reports about an image before the pull."""

    size: int
    """Compressed bytes of the layers that this host would fetch."""
    architectures: tuple[str, ...]
    """The architectures that the image is built for, in Docker's words; empty when not reported."""
    fits: bool
    """Whether this host's architecture is among them, or none is reported."""


class EstablishedConnection(Record):
    """An established connection from the host (Caddy) to a tenant's address, as the kernel reports it."""

    end: str
    """The host's address and port of the connection: unique among open connections."""
    sent: int
    """Bytes sent to the tenant."""
    received: int
    """Bytes received from the tenant."""
    silent: float
    """Seconds since the last bytes were received."""
    queued: bool
    """Whether bytes wait because one side is slow."""


class CommandOutput(Record):
    """A command's output."""

    code: int
    out: str
    err: str


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since 1970, for dates: the clock may be wrong and may be changed at any time."""

    def elapsed(self) -> float:
        """Seconds of a monotonic clock, for durations; the same for all processes of a boot."""

    def wait(self, seconds: float) -> None:
        """Sleep, for conditions that can only be polled."""

    def boot_id(self) -> str:
        """Changes with every boot."""


class Files(Protocol):
    def read(self, path: str) -> bytes | None:
        """The file's bytes; None when it is absent. Never follows a link in the last place."""

    def write(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0) -> None:
        """Replace the file in one step; on disk when this returns. A reader sees the old or the new content, never
        half.

        Missing parent folders are created (0755, root)."""

    def set_aside(self, path: str, size: int) -> None:
        """Reserve so many bytes of the disk as a file, and on Btrfs also space for metadata; removing the file frees
        both."""

    def append(self, path: str, data: bytes) -> None:
        """Append; on disk when this returns. After a crash only the last write can be incomplete."""

    def remove(self, path: str) -> None:
        """Remove a file, a link, or a folder with its content (including Btrfs subvolumes)."""

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted; empty when the folder is missing."""

    def folder(self, path: str, *, mode: int = 0o755, uid: int = 0) -> None:
        """Create the folder and its parents; set the folder's mode and owner."""

    def link(self, path: str, target: str) -> None:
        """Point the symbolic link to the target in one step, by rename."""

    def target(self, path: str) -> str | None:
        """The link's target; None when there is no link."""


class Data(Protocol):
    def make_data(self, path: str, *, volumes: Sequence[str], disk_mb: int, uid: int) -> None:
        """Create a Btrfs subvolume with a quota and one folder for each volume (0700, owned by uid). Existing data is
        kept; its quota is set."""

    def has_data(self, path: str) -> bool:
        """Whether the subvolume exists."""

    def usage(self, path: str) -> int:
        """The bytes that count against the data's quota: everything written to it that it or one of its snapshots still
        holds. Restored data starts at 0."""

    def set_quota(self, path: str, disk_mb: int) -> None:
        """Set the quota of existing data. Data above the quota stays."""

    def snapshot(self, data: str, to: str) -> None:
        """Take a read-only snapshot of the subvolume: all files at one instant, also during writes; on disk when this
        returns. An existing snapshot stays as it is. Failed when there is no data.

        A nested subvolume inside the data becomes an empty folder."""

    def restore(self, source: str, data: str, *, disk_mb: int) -> None:
        """Replace `data` with a writable copy of the snapshot, in one step and with the quota: a reader finds the old
        or the new data (on a full disk, for a moment neither). The old data is removed. Failed, with the data
        unchanged, when the snapshot is missing."""

    def clone(self, source: str, to: str, *, disk_mb: int) -> None:
        """Create a writable copy of the snapshot with its own quota. An existing copy stays as it is."""

    def room(self, path: str) -> int:
        """The free bytes on the disk of the path's folder."""

    def reclaim(self, path: str, *, seconds: float) -> None:
        """Wait at most so long until the space of removed data on that file system is free."""

    def seal(self, path: str, name: str, value: bytes) -> None:
        """Encrypt the value with systemd-creds under its name and write it to the path (0600, root)."""

    def unseal(self, path: str, name: str) -> bytes:
        """The sealed value. Failed when the file is missing or was sealed under another name or on another host."""


class Containers(Protocol):
    def docker_failure(self) -> Sequence[str]:
        """Docker's log lines from its last start, when Docker failed to start; empty otherwise."""

    def start_docker(self, *, anew: bool = False) -> None:
        """Start Docker, also after systemd has stopped restarting it, and wait until it answers; `anew`: restart a
        Docker that runs. Failed when it does not start."""

    def resolve(self, folder: str, project: str, environment: Mapping[str, str]) -> dict[str, Any]:
        """The folder's Compose file as Compose resolves it (`config --format json`)."""

    def has_image(self, image: str) -> bool:
        """Whether the image (with its digest) is on the host."""

    def pull(self, image: str, progress: Progress) -> None:
        """Pull the image by its digest, unless it is on the host."""

    def declared_volumes(self, image: str) -> tuple[str, ...]:
        """The paths for which the image declares volumes; empty when the image is not on the host."""

    def loose_volumes(self) -> tuple[str, ...]:
        """The names of Docker's anonymous volumes that no container uses."""

    def remove_volume(self, name: str) -> None:
        """Remove one of Docker's volumes with its content, unless a container uses it."""

    def announced(self, image: str) -> Announced | None:
        """What the image's registry reports about it now; None when the registry does not answer soon, or lacks the
        image."""

    def images(self) -> dict[str, int]:
        """Every image with a digest, as `repository@sha256:…`, with its bytes on disk; shared layers count for each
        image."""

    def remove_image(self, image: str) -> bool:
        """Remove the image of that name with its unshared layers; whether it is gone. The image stays while a container
        uses it, and its layers while another name uses them."""

    def make_network(
        self, name: str, *, bridge: str, subnet: IPv4Network, gateway: IPv4Address, internal: bool = False
    ) -> None:
        """Create a bridge network (internal: without a way out). Failed when it exists with other properties. A network
        whose bridge is gone is created again, and its containers are disconnected from it. HalfNetwork when Docker
        knows only the bridge."""

    def has_network(self, name: str) -> bool:
        """Whether there is one, with its bridge."""

    def remove_network(self, name: str) -> None: ...

    def up(self, folder: str, project: str, environment: Mapping[str, str]) -> None:
        """Create missing containers and start every service of the project; never pulls or builds. A container with the
        same configuration keeps running."""

    def start(self, project: str) -> None:
        """Start the project's stopped containers. Failed when the project has none."""

    def stop(self, project: str, seconds: int) -> None:
        """Stop the project's containers without removing them; SIGKILL after the seconds."""

    def down(self, project: str, seconds: int) -> None:
        """Stop and remove the project's containers, each with its anonymous volumes."""

    def containers(self, tenant: str = "") -> list[Container]:
        """Every Launchpad container, or one tenant's; including stopped ones."""

    def log_lines(self, project: str, lines: int) -> list[str]:
        """The last lines of each of the project's containers, so that a busy container does not hide a failed one."""

    def execute(self, container: str, argv: Sequence[str], *, seconds: float) -> CommandOutput:
        """Run a command inside the container as the container's user. Killed, and Failed, after the seconds."""


class Traffic(Protocol):
    def open_traffic(self, addresses: Sequence[IPv4Address]) -> None:
        """Let new connections from the host to these addresses pass. A tenant's address is closed by default: it resets
        a new connection at once, and Caddy holds the request and tries again."""

    def close_traffic(self, addresses: Sequence[IPv4Address]) -> None:
        """Reset new connections from the host to these addresses, except the runner's own probes."""

    def open_addresses(self) -> frozenset[IPv4Address]: ...

    def mute(self, addresses: Sequence[IPv4Address]) -> None:
        """Block all traffic between these addresses and everything outside the tenants' bridges, in both directions,
        including open connections. Blocked connections are reset at once, so that apps try again. After a boot no
        address is muted. The gate, not the mute, controls the host's own connections (Caddy, probes)."""

    def unmute(self, addresses: Sequence[IPv4Address]) -> None:
        """Let the traffic pass again."""

    def muted_addresses(self) -> frozenset[IPv4Address]: ...

    def let_out(self, addresses: Sequence[IPv4Address], ports: Sequence[int]) -> None:
        """Let these addresses reach the internet on exactly these of the mail submission ports (EGRESS_PORTS), which
        are closed for all others. After a boot they are closed for everybody."""

    def connections(self, addresses: Sequence[IPv4Address]) -> list[EstablishedConnection]:
        """The established connections from the host (Caddy) to these addresses: one for each request, because sites
        keep no connections open, and one for each WebSocket."""

    def get(self, address: IPv4Address, port: int, path: str, *, seconds: float) -> int:
        """The status of a GET to a tenant's address, also through a closed gate; 0 without an answer."""

    def adapt(self, caddyfile: str) -> dict[str, Any]:
        """The Caddyfile as Caddy's JSON (through its admin socket); Failed when Caddy rejects it."""

    def load_sites(self, *, again: bool = False) -> None:
        """Load the Caddyfile and sites/ into Caddy. A site that Caddy rejects is set aside, so that it blocks no other
        site. Failed, with the old configuration still running, when Caddy is down or rejects the rest too. Does nothing
        when Caddy already runs this configuration, unless `again`: then Caddy reads the files that its configuration
        names again, and requests missing certificates at once. New connections wait during the load."""


class Confined(Record):
    """A task on a tenant's files for a program that has only the tenant's uid and sees nothing else."""

    unit: str
    """The systemd unit's name; only one task runs under a name."""
    task: Mapping[str, Any]
    """The input of `launchpad.runner.backups.inside`; contains secrets."""
    reads: Mapping[str, str] = MappingProxyType({})
    """Path in the sandbox → folder of the host, read-only."""
    writes: Mapping[str, str] = MappingProxyType({})
    network: bool = False
    seconds: int = 3600

    def __repr__(self) -> str:
        return f"Confined(unit={self.unit!r})"


class Sandbox(Protocol):
    def streamed(
        self, work: Confined, incoming: Iterable[bytes] = ()
    ) -> Generator[dict[str, Any], None, dict[str, Any]]:
        """Yields the program's lines ({"progress"} and {"data"}) while it runs; returns its result. The program gets
        `incoming` on standard input after its task, and prints nothing before the end of the input. Failed as in
        `confined`. An exception from `incoming`, or closing the generator, ends the program."""

    def confined(self, work: Confined, progress: Progress) -> dict[str, Any]:
        """The program's result. Failed when it reports a failure, or still runs after the seconds. An earlier program
        under the unit's name is ended first; an exception from `progress` ends the program."""

    def end_confined(self, unit: str) -> None:
        """End the program if it still runs: a killed runner may have left it."""


class Operations(Protocol):
    def lock(self, name: str, owner: Mapping[str, Any], *, seconds: float = 0) -> AbstractContextManager[None]:
        """Hold the kernel's lock of that name until the block or the process ends; Busy when another process holds it
        for longer than the seconds."""

    def begin(self, operation: str) -> None:
        """Start `launchpad-operation@<operation>.service`; it outlives this process and the connection."""


class Host(Clock, Files, Data, Containers, Traffic, Sandbox, Operations, Protocol):
    """The whole interface."""
