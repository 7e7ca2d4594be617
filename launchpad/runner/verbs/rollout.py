"""rollout: write a rollout's record or intent on this host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import rollout_records
from launchpad.runner.caller import Caller
from launchpad.runner.host import Busy, Host
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.rollout_bodies import WriteRollout, WriteRolloutReply

LOCK_SECONDS = 10


def rollout(host: Host, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """WriteRolloutReply, after the write to disk; body WriteRollout.

    Refused for other content under a known id, and for an intent that is not newer than the last one."""
    given = body_from_json(WriteRollout, body)
    identifier = rollout_records.checked(given.id)
    if given.rollout and given.rollout.id != identifier:
        raise Refused("rollout: the record has another id")
    owner = {"who": caller.operator, "kind": "rollout", "operation": "", "since": host.now()}
    try:
        with host.lock("rollouts", owner, seconds=LOCK_SECONDS):
            if given.rollout:
                rollout_records.put(host, given.rollout, caller)
            if given.intent:
                rollout_records.say(host, identifier, given.intent, caller)
    except Busy as busy:
        raise Refused("the rollouts are being written", code="rollouts-locked", kind="locked") from busy
    yield reply(WriteRolloutReply(id=identifier))
