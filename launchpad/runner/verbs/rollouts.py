"""rollouts: the rollouts that include this host, and the operations of one of them. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import rollout_records as kept
from launchpad.runner.caller import Caller
from launchpad.runner.host import Host
from launchpad.runner.verbs import reply
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.rollout_bodies import Rollouts, RolloutsReply


def rollouts(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """RolloutsReply; body Rollouts."""
    wanted = body_from_json(Rollouts, body).id
    told = tuple(item.but(intent=kept.intent(host, item.rollout.id)) for item in kept.records(host, wanted))
    begun = tuple(kept.operations(host, wanted)) if wanted else ()
    yield reply(RolloutsReply(rollouts=told, operations=begun, changing=tuple(kept.changing(host))))
