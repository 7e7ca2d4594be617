"""The steps of a rehearsal or a drill for another host: data, no behaviour. The clone itself is run by an ordinary
`Rehearse` or `ProveBackup`."""

from __future__ import annotations

from launchpad.runner.step import Step


class AwaitData(Step):
    """Wait until the generation has arrived. Undo removes everything of the tenant, including data that is arriving."""

    tenant: str
    generation: str
    title = "wait for a copy of the data"
    expected = True


class TakeIn(Step):
    """Make the tenant's folder, which its containers must reach. Undo removes everything of the tenant."""

    tenant: str
    title = "make room for the backup"
    expected = True


class SendAway(Step):
    """Remove everything of the tenant. Runs before the commit: if the removal fails, the undo repeats it until it
    works."""

    tenant: str
    title = "remove everything of the rehearsal"
    undone = False


GuestStep = AwaitData | TakeIn | SendAway
