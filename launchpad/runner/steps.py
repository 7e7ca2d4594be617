"""The steps of a tenant's operations: data, no behaviour. `effects.py` carries them out, `plan.py` chooses them."""

from __future__ import annotations

from typing import Any

from launchpad.runner.slots import Side
from launchpad.runner.step import Step


class PlaceRelease(Step):
    """The release's files in a folder of their own, named by its digest."""

    tenant: str
    release: str

    @property
    def title(self) -> str:
        return f"place release {self.release}"


class MakeData(Step):
    """The tenant's data: a subvolume with its quota and a folder for each volume. Undo never removes data."""

    tenant: str
    slot: int
    volumes: tuple[str, ...]
    disk_mb: int
    undone = False

    @property
    def title(self) -> str:
        return f"prepare the data volume ({self.disk_mb} MB)"


class PullImage(Step):
    """The image, by digest. Undo leaves it: housekeeping removes what nothing needs."""

    image: str
    undone = False

    @property
    def title(self) -> str:
        return f"pull {self.image.split('@')[0].rsplit('/', 1)[-1]}"


class MakeNetwork(Step):
    """The tenant's bridge network; an internal one has no way out of the host."""

    tenant: str
    slot: int
    internal: bool
    title = "create the network"


class AwaitIdle(Step):
    """Wait, while new requests still come in, until what was under way has ended and the app says that it is at no
    work, at most so many seconds. What is not well is not waited for."""

    tenant: str
    slot: int
    release: str
    """Whose action says whether it is at work."""
    side: Side
    seconds: int
    quiet: int
    title = "wait for open requests; new requests are still accepted"
    undone = False


class HoldTraffic(Step):
    """New requests to the tenant wait at Caddy, or go to the other side when that is open."""

    tenant: str
    slot: int
    side: Side
    after: int = 0
    """Seconds before that, in which Caddy finds the other side: its next check of it tells."""
    title = "hold new requests"


class Drain(Step):
    """Wait until the requests that are under way have been answered, at most so many seconds.

    A connection that was silent for the quiet seconds is a WebSocket at rest, which never ends by itself.
    Where that is not long enough, new requests are let in again until it has ended, at most `again` times."""

    tenant: str
    slot: int
    side: Side
    seconds: int
    quiet: int
    release: str = ""
    """Whose action says whether it is at work; nobody is asked when left out."""
    again: int = 0
    idle_seconds: int = 0
    """How long each time."""
    undone = False

    @property
    def title(self) -> str:
        return f"wait for open requests (at most {self.seconds} s)"


class StopSide(Step):
    """Stop one side's containers and keep them, so that undo can start the very same ones."""

    tenant: str
    side: Side
    seconds: int
    superseded = True

    @property
    def title(self) -> str:
        return f"stop side {self.side}"


class StartSide(Step):
    """Put the release's secrets on tmpfs and start it on one side; a reboot empties tmpfs, so each start fills it.

    Undo takes the containers away that were not there before, and stops the ones that were stopped."""

    tenant: str
    slot: int
    release: str
    side: Side

    @property
    def title(self) -> str:
        return f"start release {self.release} on side {self.side}"


class TakeGeneration(Step):
    """Keep the tenant's data as it is now. While it guards, undo brings the data back to just that, and takes the
    generation away; else undo only takes it away."""

    tenant: str
    generation: str
    why: str
    release: str
    """Whose data it is, with its version and app."""
    version: str
    app: str
    disk_mb: int
    guards: bool = False
    quota_mb: int = 0
    """The tenant's own quota from then on; the one that it has when left out."""
    barrier = True

    @property
    def title(self) -> str:
        return f"keep the data as generation {self.generation}"


class Rehearse(Step):
    """Try the release on a clone of the data that reaches nothing; the tenant itself serves on. Undo clears it away."""

    tenant: str
    release: str
    generation: str
    """What the clone is made of: of the data as `before`, of that version and app, serves with it."""
    before: str
    version: str
    app: str
    disk_mb: int
    without: tuple[str, ...] = ()
    """The ready probes that do not decide."""
    data: str = ""
    """The generation that the clone is made of instead, which is there already and stays."""
    may_shrink: tuple[str, ...] = ()
    """The tables that may have fewer rows afterwards, as shell patterns."""
    title = "rehearse the release on a clone of the data"
    once = True


class RestoreData(Step):
    """The data becomes that generation's again, with a folder for each volume. At most once an operation: what is
    written to it afterwards stays. The TakeGeneration before it undoes it."""

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
    """The side's containers reach nobody outside and nobody reaches them, so that no message leaves or comes."""

    tenant: str
    slot: int
    side: Side
    title = "keep the channels off"


class Unmute(Step):
    """The side's containers may reach the world. Undone by the Mute before it."""

    tenant: str
    slot: int
    side: Side
    title = "turn the channels on"
    undone = False


class KeepNew(Step):
    """From here on the new release may write what nobody else knows. Undo stops it in good order and keeps its data as
    a generation, before the older data comes back."""

    tenant: str
    side: Side
    generation: str
    release: str
    version: str
    app: str
    disk_mb: int
    seconds: int
    """For its stop."""
    title = "keep new data in case of an undo"
    barrier = True


class Soak(Step):
    """Watch the release serve, for so many seconds, with unchanged container start times."""

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
    """The tenant's own quota, of which less is held by generations then."""

    @property
    def title(self) -> str:
        return f"remove {len(self.drop)} old generation{'' if len(self.drop) == 1 else 's'}"


class AwaitProbes(Step):
    """Wait until the deciding probes hold, and hold for `steady_seconds` with unchanged container start times."""

    tenant: str
    slot: int
    release: str
    """Whose probes."""
    side: Side
    without: tuple[str, ...] = ()
    """Those that failed before the operation too, and do not count against the new release."""
    steady: bool = True
    """Whether they have to hold for a while; else a Soak behind the open door sees to that."""
    title = "wait until the probes pass"
    undone = False


class Switch(Step):
    """Point `current` at the release."""

    tenant: str
    release: str


class PutSite(Step):
    """The release's site in Caddy; reloads only when it changes anything."""

    tenant: str
    release: str
    title = "load the site into Caddy"


class DropSite(Step):
    """No site of this tenant in Caddy."""

    tenant: str
    title = "remove the site from Caddy"


class Record(Step):
    """What should run, as boot, watch, status and the next operation read it."""

    tenant: str
    record: dict[str, Any]
    title = "record what runs"


class Commit(Step):
    """From here on the operation only goes forward. The last step that is undone by undoing the ones before it."""

    undone = False


class OpenTraffic(Step):
    """New requests go to this side."""

    tenant: str
    slot: int
    side: Side

    @property
    def title(self) -> str:
        return f"open traffic to side {self.side}"


class RemoveSide(Step):
    """Take one side's containers away. Only after the commit."""

    tenant: str
    side: Side
    seconds: int

    @property
    def title(self) -> str:
        return f"remove side {self.side}"


class ClearSecrets(Step):
    """No secret of the tenant on tmpfs but those of one release (none when empty). Only after the commit."""

    tenant: str
    keep: str = ""


class RemoveNetwork(Step):
    """Take the tenant's network away. Only after the commit."""

    tenant: str


class PruneReleases(Step):
    """Remove release folders but the newest few and the ones in use. Only after the commit."""

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
