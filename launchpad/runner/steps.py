"""The steps of a tenant's operations: data, no behaviour. `plan.py` chooses them, `effects.py` runs them."""

from __future__ import annotations

from typing import Any

from launchpad.runner.slots import Side
from launchpad.runner.step import Step


class PlaceRelease(Step):
    """Write the release's files to a folder named by its digest."""

    tenant: str
    release: str

    @property
    def title(self) -> str:
        return f"place release {self.release}"


class MakeData(Step):
    """Create the tenant's data: a subvolume with its quota and a folder for each volume. Undo never removes data."""

    tenant: str
    slot: int
    volumes: tuple[str, ...]
    disk_mb: int
    undone = False

    @property
    def title(self) -> str:
        return f"prepare the data volume ({self.disk_mb} MiB)"


class PullImage(Step):
    """Pull the image by its digest. Undo leaves the image; a prune removes images that nothing needs."""

    image: str
    undone = False

    @property
    def title(self) -> str:
        return f"pull {self.image.split('@')[0].rsplit('/', 1)[-1]}"


class MakeNetwork(Step):
    """Create the tenant's bridge network; an internal network has no way out of the host."""

    tenant: str
    slot: int
    internal: bool
    title = "create the network"


class AwaitIdle(Step):
    """Wait at most so many seconds, while new requests are still accepted, until the open requests have ended and the
    app reports no work. Skipped for an unhealthy side."""

    tenant: str
    slot: int
    release: str
    """The release whose action `quiet` reports work."""
    side: Side
    seconds: int
    quiet: int
    title = "wait for open requests; new requests are still accepted"
    undone = False


class HoldTraffic(Step):
    """Hold new requests to this side: they wait at Caddy, or go to the other side if it is open."""

    tenant: str
    slot: int
    side: Side
    after: int = 0
    """Seconds to wait first, so that Caddy's next health check finds the other side."""
    title = "hold new requests"


class Drain(Step):
    """Wait at most so many seconds until the open requests are answered.

    A connection without traffic for the quiet seconds is an idle WebSocket, which never ends by itself. If requests
    take longer, new requests are accepted again until they have ended, at most `again` times."""

    tenant: str
    slot: int
    side: Side
    seconds: int
    quiet: int
    release: str = ""
    """The release whose action `quiet` reports work; empty: do not ask."""
    again: int = 0
    idle_seconds: int = 0
    """Seconds for each of these times."""
    undone = False

    @property
    def title(self) -> str:
        return f"wait for open requests (at most {self.seconds} s)"


class StopSide(Step):
    """Stop one side's containers without removing them, so that undo can start the same containers."""

    tenant: str
    side: Side
    seconds: int
    superseded = True

    @property
    def title(self) -> str:
        return f"stop side {self.side}"


class StartSide(Step):
    """Write the release's secrets to tmpfs (which a reboot empties) and start the release on one side.

    Undo removes containers that did not exist before, and stops those that were stopped."""

    tenant: str
    slot: int
    release: str
    side: Side

    @property
    def title(self) -> str:
        return f"start release {self.release} on side {self.side}"


class TakeGeneration(Step):
    """Keep the tenant's present data as a generation. If it guards, undo restores the data and removes the generation;
    otherwise undo only removes the generation."""

    tenant: str
    generation: str
    why: str
    release: str
    """The release that the data belongs to, with its version and app."""
    version: str
    app: str
    disk_mb: int
    guards: bool = False
    quota_mb: int = 0
    """The tenant's new quota in MiB; 0: unchanged."""
    barrier = True

    @property
    def title(self) -> str:
        return f"keep the data as generation {self.generation}"


class Rehearse(Step):
    """Try the release on an isolated clone of the data while the tenant serves. Undo removes the clone."""

    tenant: str
    release: str
    generation: str
    """The generation to take for the clone: the data of the running release `before`, with its version and app."""
    before: str
    version: str
    app: str
    disk_mb: int
    without: tuple[str, ...] = ()
    """The ready probes to ignore."""
    data: str = ""
    """An existing generation to clone instead; it stays."""
    may_shrink: tuple[str, ...] = ()
    """The tables that may lose rows, as shell patterns."""
    title = "rehearse the release on a clone of the data"
    once = True


class RestoreData(Step):
    """Restore the generation as the tenant's data, with a folder for each volume. At most once in an operation, so that
    later writes stay. The undo of the earlier TakeGeneration undoes this step."""

    tenant: str
    slot: int
    generation: str
    volumes: tuple[str, ...]
    disk_mb: int
    once = True
    undone = False

    @property
    def title(self) -> str:
        return f"restore the data of generation {self.generation}"


class Mute(Step):
    """Block all traffic between the side's containers and the outside, so that no message is sent or received."""

    tenant: str
    slot: int
    side: Side
    title = "keep the channels off"


class Unmute(Step):
    """Unblock the side's containers. The undo of the earlier Mute undoes this step."""

    tenant: str
    slot: int
    side: Side
    title = "turn the channels on"
    undone = False


class KeepNew(Step):
    """Marks the point after which the new release may receive new data. Undo stops the release and keeps its data as a
    generation, before the older data is restored."""

    tenant: str
    side: Side
    generation: str
    release: str
    version: str
    app: str
    disk_mb: int
    seconds: int
    """Seconds for the stop."""
    title = "keep new data in case of an undo"
    barrier = True


class Soak(Step):
    """Watch the release serve for so many seconds, with unchanged container start times."""

    tenant: str
    slot: int
    release: str
    side: Side
    seconds: int
    without: tuple[str, ...] = ()
    undone = False

    @property
    def title(self) -> str:
        return f"watch the release serve for {self.seconds} s"


class PruneGenerations(Step):
    """Remove generations that nothing needs. Only after the commit."""

    tenant: str
    drop: tuple[str, ...]
    disk_mb: int = 0
    """The tenant's quota in MiB, to recalculate the limit after the removal."""

    @property
    def title(self) -> str:
        return f"remove {len(self.drop)} old generation{'' if len(self.drop) == 1 else 's'}"


class AwaitProbes(Step):
    """Wait until the deciding probes have passed for the steady seconds with unchanged container start times."""

    tenant: str
    slot: int
    release: str
    """The release whose probes are checked."""
    side: Side
    without: tuple[str, ...] = ()
    """The ready probes that failed before the operation too, and are ignored."""
    steady: bool = True
    """Whether the probes must pass for the steady seconds; if not, a later Soak with open traffic checks that."""
    title = "wait until the probes pass"
    undone = False


class Switch(Step):
    """Point `current` at the release."""

    tenant: str
    release: str


class PutSite(Step):
    """Load the release's site into Caddy; reloads Caddy only for a change."""

    tenant: str
    release: str
    title = "load the site into Caddy"


class DropSite(Step):
    """Remove the tenant's site from Caddy."""

    tenant: str
    title = "remove the site from Caddy"


class Record(Step):
    """Record what should run, for boot, watch, status and the next operation."""

    tenant: str
    record: dict[str, Any]
    title = "record what runs"


class Commit(Step):
    """The commit point: after it the operation only goes forward; before it a failure undoes all earlier steps."""

    undone = False


class OpenTraffic(Step):
    """Send new requests to this side."""

    tenant: str
    slot: int
    side: Side

    @property
    def title(self) -> str:
        return f"open traffic to side {self.side}"


class RemoveSide(Step):
    """Remove one side's containers. Only after the commit."""

    tenant: str
    side: Side
    seconds: int

    @property
    def title(self) -> str:
        return f"remove side {self.side}"


class ClearSecrets(Step):
    """Remove the tenant's secrets from tmpfs, except those of one release (empty: all). Only after the commit."""

    tenant: str
    keep: str = ""


class RemoveNetwork(Step):
    """Remove the tenant's network. Only after the commit."""

    tenant: str


class PruneReleases(Step):
    """Remove release folders except the newest few and those in use. Only after the commit."""

    tenant: str
    keep: tuple[str, ...]


class Purge(Step):
    """Remove everything of the tenant from the host, its data too. Only after the commit."""

    tenant: str


TenantStep = (
    PlaceRelease | MakeData | PullImage | MakeNetwork | AwaitIdle | HoldTraffic | Drain | StopSide | StartSide
    | AwaitProbes | Switch | PutSite | DropSite | Record | Commit | OpenTraffic | RemoveSide | ClearSecrets
    | RemoveNetwork | PruneReleases | Purge
    | Rehearse | TakeGeneration | RestoreData | Mute | Unmute | KeepNew | Soak | PruneGenerations
)  # fmt: skip
