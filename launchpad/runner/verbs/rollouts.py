"""rollouts: the rollouts that include this host, and the operations of one of them. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import rollout_records as kept
from launchpad.runner.caller import Caller
from launchpad.runner.host import Host
from launchpad.runner.verbs import only, reply


def rollouts(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"rollouts": [{"rollout", "who", "from", "at", "intent": {"intent", "who", "at"} or null}], "operations": [those
    of the requested rollout: {"id", "kind", "tenant", "who", "at", "outcome" (null: running), "message",
    "seconds"}], "changing": [the ids of running operations that change a tenant's version]}.

    body {"id": of one rollout; default: all}."""
    wanted = only(body, id=str)["id"] or ""
    found = kept.records(host, wanted)
    told = [item | {"intent": kept.intent(host, item["rollout"]["id"])} for item in found]
    begun = list(kept.operations(host, wanted)) if wanted else []
    yield reply({"rollouts": told, "operations": begun, "changing": kept.changing(host)})
