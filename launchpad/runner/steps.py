"""The steps of a tenant's operations: data, no behaviour. `effects.py` carries them out, `plan.py` chooses them."""

from __future__ import annotations

from typing import Any

from launchpad.runner.slots import Side
from launchpad.runner.step import Step, step_name


class PlaceRelease(Step):
    """The release's files in a folder of their own, named by its digest."""

    tenant: str
    release: str


class MakeData(Step):
    """The tenant's data: a subvolume with its quota and a folder for each volume. Undo never removes data."""

    tenant: str
    slot: int
    volumes: tuple[str, ...]
    disk_mb: int


class PullImage(Step):
    """The image, by digest. Undo leaves it: housekeeping removes what nothing needs."""

    image: str


class MakeNetwork(Step):
    """The tenant's bridge network; an internal one has no way out of the host."""

    tenant: str
    slot: int
    internal: bool


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


class HoldTraffic(Step):
    """New requests to the tenant wait at Caddy, or go to the other side when that is open."""

    tenant: str
    slot: int
    side: Side
    after: int = 0
    """Seconds before that, in which Caddy finds the other side: its next check of it tells."""


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


class StopSide(Step):
    """Stop one side's containers and keep them, so that undo can start the very same ones."""

    tenant: str
    side: Side
    seconds: int


class StartSide(Step):
    """Put the release's secrets on tmpfs and start it on one side; a reboot empties tmpfs, so each start fills it.

    Undo takes the containers away that were not there before, and stops the ones that were stopped."""

    tenant: str
    slot: int
    release: str
    side: Side


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


class RestoreData(Step):
    """The data becomes that generation's again, with a folder for each volume. At most once an operation: what is
    written to it afterwards stays. The TakeGeneration before it undoes it."""

    tenant: str
    slot: int
    generation: str
    volumes: tuple[str, ...]
    disk_mb: int


class Mute(Step):
    """The side's containers reach nobody outside and nobody reaches them, so that no message leaves or comes."""

    tenant: str
    slot: int
    side: Side


class Unmute(Step):
    """The side's containers may reach the world. Undone by the Mute before it."""

    tenant: str
    slot: int
    side: Side


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


class Soak(Step):
    """Watch the release serve, for so many seconds, with unchanged container start times."""

    tenant: str
    slot: int
    release: str
    side: Side
    seconds: int
    without: tuple[str, ...] = ()


class PruneGenerations(Step):
    """Remove generations that nothing needs. Only after the commit."""

    tenant: str
    drop: tuple[str, ...]
    disk_mb: int = 0
    """The tenant's own quota, of which less is held by generations then."""


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


class Switch(Step):
    """Point `current` at the release."""

    tenant: str
    release: str


class PutSite(Step):
    """The release's site in Caddy; reloads only when it changes anything."""

    tenant: str
    release: str


class DropSite(Step):
    """No site of this tenant in Caddy."""

    tenant: str


class Record(Step):
    """What should run, as boot, watch, status and the next operation read it."""

    tenant: str
    record: dict[str, Any]


class Commit(Step):
    """From here on the operation only goes forward. The last step that is undone by undoing the ones before it."""


class OpenTraffic(Step):
    """New requests go to this side."""

    tenant: str
    slot: int
    side: Side


class RemoveSide(Step):
    """Take one side's containers away. Only after the commit."""

    tenant: str
    side: Side
    seconds: int


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

GUARDS = (TakeGeneration, KeepNew)
"""They guard data: undone at most once, and nothing before them is undone until they are."""
ONCE = (Rehearse, RestoreData)
"""Carried out at most once, whatever dies: the tenant's data is another one behind them."""


def title(step: Any) -> str:
    """What a person reads while the step goes on."""
    match step:
        case PlaceRelease():
            return f"place release {step.release}"
        case MakeData():
            return f"make room for data ({step.disk_mb} MB)"
        case PullImage():
            return f"pull {step.image.split('@')[0].rsplit('/', 1)[-1]}"
        case MakeNetwork():
            return "make its network"
        case AwaitIdle():
            return "let what is under way finish; new requests still come in"
        case HoldTraffic():
            return "hold new requests"
        case Drain():
            return f"let requests finish (at most {step.seconds} s)"
        case StopSide():
            return f"stop side {step.side}"
        case StartSide():
            return f"start release {step.release} on side {step.side}"
        case AwaitProbes():
            return "wait until its probes hold"
        case PutSite():
            return "put its site into Caddy"
        case DropSite():
            return "take its site out of Caddy"
        case OpenTraffic():
            return f"let traffic to side {step.side}"
        case RemoveSide():
            return f"remove side {step.side}"
        case Record():
            return "record what runs"
        case TakeGeneration():
            return f"keep its data as generation {step.generation}"
        case Rehearse():
            return "rehearse it on a clone of the data"
        case RestoreData():
            return f"bring back the data of generation {step.generation}"
        case Mute():
            return "keep its channels off"
        case Unmute():
            return "turn its channels on"
        case KeepNew():
            return "keep new data in case of an undo"
        case Soak():
            return f"watch it serve for {step.seconds} s"
        case PruneGenerations():
            return f"drop {len(step.drop)} old generation{'' if len(step.drop) == 1 else 's'}"
        case _:
            return getattr(step, "title", "") or step_name(type(step)).replace("-", " ")
