"""target: test what this host's credentials can do to a target: connect, add, delete, overwrite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.backups import work
from launchpad.runner.backups.finding import judged_targets
from launchpad.runner.caller import Caller
from launchpad.runner.host import Busy, Failed, Host
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs import reply
from launchpad.runner.wire.backup_bodies import TargetTrial, TryTarget
from launchpad.runner.wire.body import body_from_json


def target(host: Host, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """TargetTrial; body TryTarget. If the target refuses to delete, each test leaves one small file there."""
    (meant,) = judged_targets(host, [body_from_json(TryTarget, body).target])
    owner = {"who": caller.operator, "kind": "target", "operation": "", "since": host.now()}
    try:
        with host.lock(f"target-{meant.name}", owner):
            found = host.confined(work.trial(host, meant), lambda _text: None)
    except Busy as busy:
        raise Refused(
            f"{meant.name}: {busy.owner.get('who', 'somebody')} is testing the target",
            code="target-locked",
            kind="locked",
        ) from busy
    except Failed as failed:
        yield reply(TargetTrial(reached=False, problem=failed.message))
        return
    yield reply(TargetTrial(reached=True, **found))
