"""take_back: undo a rollout: return every upgraded tenant to its earlier release and data."""

from __future__ import annotations

from dataclasses import replace

from launchpad.errors import StateError
from launchpad.events import OnEvent, WaveStarted, ignore
from launchpad.operations.rollouts.rollout_tenant import Wards, back
from launchpad.operations.rollouts.rollouts import Progress, following, look, say
from launchpad.operations.rollouts.waves import Stop, carried, merged, tell, write_down
from launchpad.plan.rollout_waves import MemberState, to_take_back
from launchpad.runner.hint import Next
from launchpad.runner.protocol import Rollout
from launchpad.workspace import Workspace


def take_back(workspace: Workspace, rollout: Rollout, *, on_event: OnEvent = ignore) -> Progress:
    """Undo the waves, the last wave first, hosts in parallel; return the progress. If a tenant cannot be returned now,
    the rollout stays `being undone`, and a second call continues. StateError when the rollout never started, or another
    operator has changed its intent."""
    progress = look(workspace, rollout)
    if progress.intent is None:
        raise StateError(
            f"rollout {rollout.id} has not started",
            code="rollout-not-started",
            hint=Next("rollout", rollout.app, "--resume"),
        )
    intent = progress.intent
    if intent.what not in ("undo", "undone"):
        intent = following(intent, "undo")
        say(workspace, rollout, intent)
        progress = look(workspace, rollout)  # upgrades that started before every host had the intent
    wards = Wards(workspace, rollout, on_event)
    members = {member.tenant: member for wave in rollout.waves for member in wave.members}
    ended: dict[str, MemberState] = {}
    for wave, found in to_take_back(rollout, progress.states):
        told = WaveStarted(ring=wave.ring, tenants=len(found), hosts=len({item.host for item in found}), back="back")
        tell(wards, told)
        stop = Stop(wave, progress.states, unlimited=True)
        todo = [members[item.tenant] for item in found]
        ended |= carried(wards, todo, progress.states, change=back, stop=stop)
    progress = merged(look(workspace, rollout), {name: item for name, item in ended.items() if item.outcome != "left"})
    unwritten = write_down(workspace, progress)
    left = list(to_take_back(rollout, progress.states))
    if not left and not progress.having("unknown") and intent.what != "undone":
        intent = following(intent, "undone")
        say(workspace, rollout, intent)
    return replace(progress, intent=intent, unwritten=unwritten)
