"""target: test what this host's credentials can do to a target: connect, add, delete, overwrite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.backups import work
from launchpad.runner.backups.finding import judged_targets
from launchpad.runner.caller import Caller
from launchpad.runner.host import Busy, Failed, Host
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs import only, reply


def target(host: Host, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """{"reached", "problem", "delete", "overwrite"}, the last two `refused`, `done` or `untried`.

    body {"target": one of the host's settings}. If the target refuses to delete, each test leaves one small file
    there."""
    (meant,) = judged_targets(host, [only(body, target=dict)["target"]])
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
        yield reply({"reached": False, "problem": failed.message, "delete": "untried", "overwrite": "untried"})
        return
    yield reply({"reached": True, "problem": ""} | found)
