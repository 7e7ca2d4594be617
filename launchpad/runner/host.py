"""The one seam between the runner's deciding and the machine: everything an operation may see or do on a host.

`launchpad.runner.machine` is the real one; the tests' in-memory host passes the same contract suite and can be killed
at every call. Every changing method is idempotent: what is already so is fine, what is already gone is fine. A method
that fails raises `Failed` with a cause that a person can read; nothing else crosses the seam.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from launchpad.runner.record import Record

if TYPE_CHECKING:
    from typing import Protocol as Protocol
else:
    Protocol = object  # these are for the type checker, and making them takes 2 ms of every start

Progress = Callable[[str], None]
"""Takes one short line about what goes on, for the events."""


RUN_PROVISION = "launchpad provision HOST"
"""The hint of what a provision brings back; the operator's side puts the host's name in the place of HOST."""


class Failed(Exception):
    """The machine could not do it: `message` says what and why; `lines` are the log lines that belong to it."""

    hint = ""
    """What to type next, where that is always the same."""

    def __init__(self, message: str, *, lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.lines = tuple(lines)


class NoDocker(Failed):
    """Docker does not answer."""

    hint = RUN_PROVISION


class Busy(Exception):
    """A lock is held; `owner` is what its holder wrote into it."""

    def __init__(self, name: str, owner: Mapping[str, Any]) -> None:
        super().__init__(name)
        self.name = name
        self.owner = dict(owner)


class Container(Record):
    """A container of a tenant as Docker has it now."""

    name: str
    tenant: str
    service: str
    side: str
    release: str
    """The release that started it (12 hex), from its label."""
    image: str
    state: Literal["created", "running", "restarting", "paused", "exited", "dead", "removing"]
    """Docker's word; but `dead` where Docker has not noticed that the process is gone."""
    started_at: str
    """Docker's own time stamp; changes with every start, so it tells a restart."""
    exit_code: int
    oom_killed: bool
    address: str
    """The container's IPv4 address on the tenant's network; empty when it does not run."""
    process: int = 0
    """Its first process, by the host's number; 0 when it does not run."""
    ill: bool = False
    """Whether the image's own health check says `unhealthy`."""


class Announced(Record):
    """What a registry says of an image before it is pulled."""

    size: int
    """Bytes of the layers that this host would fetch, as they travel."""
    architectures: tuple[str, ...]
    """Those that it is made for, in Docker's words; none where it does not say."""
    fits: bool
    """Whether this host's is among them, or none is named."""


class EstablishedConnection(Record):
    """An established connection of the host's (Caddy's) to a tenant's address, as the kernel tells of it."""

    end: str
    """Its own end, address and port: no other connection has it meanwhile."""
    sent: int
    """Bytes that went to the tenant."""
    received: int
    """Bytes that came from the tenant."""
    silent: float
    """For how many seconds nothing came."""
    queued: bool
    """Whether bytes wait because one of its ends is slow."""


class CommandOutput(Record):
    """What a command said."""

    code: int
    out: str
    err: str


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch, by a clock that may be wrong and may be set at any time: for dates."""

    def elapsed(self) -> float:
        """Seconds of a clock that nobody sets, for how long something takes; all processes of a boot have the same."""

    def wait(self, seconds: float) -> None:
        """Let time pass, for polling something that can only be polled."""

    def boot_id(self) -> str:
        """Changes with every boot."""


class Files(Protocol):
    def read(self, path: str) -> bytes | None:
        """The file's bytes; None when it is absent. Never follows a link in the last place."""

    def write(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0) -> None:
        """Replace the file in one step, on disk when this returns: a reader sees the old or the new, never half.

        Missing parents are made (0755, root)."""

    def set_aside(self, path: str, size: int) -> None:
        """Take so many bytes of the disk, and where names and the like have room of their own (Btrfs), of that too, so
        that removing the file gives both."""

    def append(self, path: str, data: bytes) -> None:
        """Add to the end, on disk when this returns; a torn last write is possible, a torn earlier one is not."""

    def remove(self, path: str) -> None:
        """Remove a file, a link, or a folder with all that is in it (also Btrfs subvolumes inside)."""

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted; empty when it is absent."""

    def folder(self, path: str, *, mode: int = 0o755, uid: int = 0) -> None:
        """Make the folder and its parents; set its own mode and owner."""

    def link(self, path: str, target: str) -> None:
        """Point the symbolic link at the target in one step, by rename."""

    def target(self, path: str) -> str | None:
        """What the link points at; None when there is no link."""


class Data(Protocol):
    def make_data(self, path: str, *, volumes: Sequence[str], disk_mb: int, uid: int) -> None:
        """A Btrfs subvolume with a quota, one folder a volume (0700, owned by uid). Existing data is kept as it is;
        the quota is set to what is asked."""

    def has_data(self, path: str) -> bool:
        """Whether the subvolume is there."""

    def usage(self, path: str) -> int:
        """How many bytes count towards the quota of the data: what was written to it and is still kept, by it or by a
        snapshot of it. Restored data begins at none."""

    def set_quota(self, path: str, disk_mb: int) -> None:
        """Let the data that is there count so much at most. What it has beyond that stays."""

    def snapshot(self, data: str, to: str) -> None:
        """A read-only snapshot of the subvolume: one instant over all its files, on disk when this returns, while
        others write. One that is there already stays as it is. Failed when there is no data.

        A subvolume that somebody made inside the data is another one, and comes as an empty folder."""

    def restore(self, source: str, data: str, *, disk_mb: int) -> None:
        """`data` becomes a writable copy of the snapshot, in one step and with its quota: whoever looks finds the old
        data or the new, never none (but for a moment, where the disk has no room left to exchange two names). What was
        there before is gone. Failed, and the data stays, without the snapshot."""

    def clone(self, source: str, to: str, *, disk_mb: int) -> None:
        """A writable copy of the snapshot with a quota of its own. One that is there already stays as it is."""

    def room(self, path: str) -> int:
        """How many bytes are free on the disk that the path's folder is on."""

    def reclaim(self, path: str, *, seconds: float) -> None:
        """Wait, at most so long, until the room of what was removed from that file system is free."""

    def seal(self, path: str, name: str, value: bytes) -> None:
        """Encrypt the value with systemd-creds under its name and write it to the path (0600, root)."""

    def unseal(self, path: str, name: str) -> bytes:
        """The value again. Failed when the file is absent or was sealed under another name or on another host."""


class Containers(Protocol):
    def docker_failure(self) -> Sequence[str]:
        """What Docker printed before it ended at its last start, where it does not run for that; none otherwise."""

    def start_docker(self) -> None:
        """Start Docker, also where systemd has given it up, and wait until it answers. Failed when it does not."""

    def resolve(self, folder: str, project: str, environment: Mapping[str, str]) -> dict[str, Any]:
        """The Compose file in the folder as Compose itself understands it (`config --format json`)."""

    def has_image(self, image: str) -> bool:
        """Whether the image, named with its digest, is on the host."""

    def pull(self, image: str, progress: Progress) -> None:
        """Fetch the image by its digest; nothing to do when it is there."""

    def declared_volumes(self, image: str) -> tuple[str, ...]:
        """The paths for which the image, named with its digest, declares volumes; none when it is not on the host."""

    def loose_volumes(self) -> tuple[str, ...]:
        """The names of Docker's anonymous volumes that no container has: nobody can get at them any more."""

    def remove_volume(self, name: str) -> None:
        """Remove one of Docker's volumes with what is in it; one that a container has stays."""

    def announced(self, image: str) -> Announced | None:
        """What the image's registry says of it now; None when it does not answer soon, or does not have it."""

    def images(self) -> dict[str, int]:
        """Every image that is named by a digest, as `repository@sha256:…`, with its bytes on disk; layers that several
        share are counted for each."""

    def remove_image(self, image: str) -> bool:
        """Remove the image of that name, with the layers that nothing else has; whether it is gone. It stays while a
        container has it, and its layers while another name has them."""

    def make_network(
        self, name: str, *, bridge: str, subnet: IPv4Network, gateway: IPv4Address, internal: bool = False
    ) -> None:
        """A bridge network just so (internal: no way out); one that is otherwise is Failed, never changed."""

    def has_network(self, name: str) -> bool: ...

    def remove_network(self, name: str) -> None: ...

    def up(self, folder: str, project: str, environment: Mapping[str, str]) -> None:
        """Create what is missing and start every service of the project; never pulls or builds. What already runs with
        the same configuration is left running."""

    def start(self, project: str) -> None:
        """Start the project's existing, stopped containers again. Failed when there are none."""

    def stop(self, project: str, seconds: int) -> None:
        """Stop the project's containers, keep them; SIGKILL after the seconds."""

    def down(self, project: str, seconds: int) -> None:
        """Stop and remove the project's containers, each with its anonymous volumes."""

    def containers(self, tenant: str = "") -> list[Container]:
        """Every Launchpad container, stopped ones too, or one tenant's."""

    def log_lines(self, project: str, lines: int) -> list[str]:
        """The last so many lines of each of the project's containers: one that talks hides none that failed."""

    def execute(self, container: str, argv: Sequence[str], *, seconds: float) -> CommandOutput:
        """Run the words inside the container as its own user. Failed, and killed, after the seconds."""


class Traffic(Protocol):
    def open_traffic(self, addresses: Sequence[IPv4Address]) -> None:
        """Let new connections from the host to these addresses pass. Closed is the default for every tenant's
        address: a closed one answers a new connection with a reset at once, which Caddy holds and tries again."""

    def close_traffic(self, addresses: Sequence[IPv4Address]) -> None:
        """Refuse new connections from the host to these addresses, but for the runner's own probes."""

    def open_addresses(self) -> frozenset[IPv4Address]: ...

    def mute(self, addresses: Sequence[IPv4Address]) -> None:
        """Let nothing pass between these addresses and whatever is outside of the tenants' own bridges, in either
        direction, connections that exist included; what tries is refused at once, so that apps try again. Nobody is
        muted after a boot. The host's own connections (Caddy, probes) are the gate's affair."""

    def unmute(self, addresses: Sequence[IPv4Address]) -> None:
        """Let it pass again."""

    def muted_addresses(self) -> frozenset[IPv4Address]: ...

    def let_out(self, addresses: Sequence[IPv4Address], ports: Sequence[int]) -> None:
        """Let these addresses reach the world on just these of the ports on which mail is handed in (EGRESS_PORTS),
        which are closed to all others. Nobody reaches them after a boot."""

    def connections(self, addresses: Sequence[IPv4Address]) -> list[EstablishedConnection]:
        """The established connections that the host (Caddy) has to these addresses: one for each request, as sites are
        written, and one for each WebSocket."""

    def get(self, address: IPv4Address, port: int, path: str, *, seconds: float) -> int:
        """The status of a GET to a tenant's address, past a closed gate; 0 when there was no answer."""

    def adapt(self, caddyfile: str) -> dict[str, Any]:
        """The Caddyfile as Caddy's own JSON (through its admin socket); Failed when Caddy refuses it."""

    def load_sites(self, *, again: bool = False) -> None:
        """Have Caddy run what the Caddyfile and sites/ say now. A site that Caddy refuses is set aside, so that it
        blocks no other. Failed, and the old configuration goes on, when Caddy is down or refuses it all the same.
        Does nothing when Caddy already runs just that, unless again: then it reads the files that its configuration
        names anew, and asks at once for the certificates that it lacks. Who comes meanwhile waits, and is not closed
        on."""


class Confined(Record):
    """Work on a tenant's files by a program that is nobody but the tenant's uid and has nothing else in sight."""

    unit: str
    """One at a time under a name."""
    task: Mapping[str, Any]
    """What `launchpad.runner.backups.inside` is told; secrets are in it."""
    reads: Mapping[str, str] = MappingProxyType({})
    """Place inside → folder of the host, read-only."""
    writes: Mapping[str, str] = MappingProxyType({})
    network: bool = False
    seconds: int = 3600

    def __repr__(self) -> str:
        return f"Confined(unit={self.unit!r})"


class Sandbox(Protocol):
    def streamed(
        self, work: Confined, incoming: Iterable[bytes] = ()
    ) -> Generator[dict[str, Any], None, dict[str, Any]]:
        """The program's lines ({"progress"} and {"data"}) as they come, while it runs; what it returns is its result.
        It gets `incoming` on its standard input behind its task, and says nothing before the end of that. Failed as of
        `confined`; what `incoming` raises ends the program, and so does letting go of the generator."""

    def confined(self, work: Confined, progress: Progress) -> dict[str, Any]:
        """The program's result. Failed when it says that it could not, or does not end within the seconds. Whatever
        an earlier process left under the unit's name is ended first; what `progress` raises ends the program."""

    def end_confined(self, unit: str) -> None:
        """End the program, if it still runs: a runner that was killed may have left it."""


class Operations(Protocol):
    def lock(self, name: str, owner: Mapping[str, Any], *, seconds: float = 0) -> AbstractContextManager[None]:
        """The kernel's lock of that name until the block or the process ends; Busy when another process has it for
        longer than the seconds."""

    def begin(self, operation: str) -> None:
        """Start `launchpad-operation@<operation>.service`; it outlives this process and the connection."""


class Host(Clock, Files, Data, Containers, Traffic, Sandbox, Operations, Protocol):
    """All of it."""
