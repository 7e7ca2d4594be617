"""The steps of a rehearsal for another host: data, no behaviour. The trying itself is a `Rehearse` like any other."""

from __future__ import annotations

from launchpad.runner.step import Step


class AwaitData(Step):
    """Wait until the generation has come. Undo takes everything of the tenant away, with what is only just coming."""

    tenant: str
    generation: str
    title = "wait for a copy of the data"
    expected = True


class SendAway(Step):
    """Take everything of the tenant away. Before the commit: one that cannot be taken away yet is undone until it
    can."""

    tenant: str
    title = "remove everything of the rehearsal"
    undone = False


GuestStep = AwaitData | SendAway
