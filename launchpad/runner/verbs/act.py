"""act: run an action of a tenant's app inside the app's container."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from launchpad.runner import cell
from launchpad.runner.caller import Caller
from launchpad.runner.hint import Next
from launchpad.runner.host import Failed
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Action, Refused, Release
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import reply
from launchpad.runner.view import View
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.tenant_bodies import Act, ActReply

ARGUMENT = re.compile(r"[A-Za-z0-9_.:][A-Za-z0-9_.:-]{0,127}")
"""No hyphen at the beginning, so that an argument is never an option of the app's program."""
PLACE = re.compile(r"\{(\d)\}")
MOST_SECONDS = 600


def act(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """ActReply, unredacted: a one-time link is a secret that the operator asked for; body Act.

    Refused for an action that the running release does not offer."""
    given = body_from_json(Act, body)
    tenant = given.tenant
    release, side = _running(host, tenant)
    action = _offered(release, given.action)
    argv = filled(action, given.arguments)
    container = next((item for item in cell.side_of(host, tenant, side) if item.service == action.service), None)
    if container is None or container.state != "running":
        raise Refused(
            f"{tenant}: {action.service} does not run",
            code="service-does-not-run",
            kind="state",
            hint=Next("start", tenant),
        )
    try:
        said = host.execute(container.name, argv, seconds=min(action.timeout_seconds, MOST_SECONDS))
    except Failed as failed:
        hint = Next("logs", tenant)
        raise Refused(
            f"{tenant}: {action.name}: {failed.message}", code="action-failed", kind="step", hint=hint
        ) from failed
    yield reply(ActReply(code=said.code, out=said.out, err=said.err))


def filled(action: Action, arguments: Sequence[str]) -> list[str]:
    """The action's command with the caller's arguments in its placeholders. Refused unless the numbers match and each
    argument is of [A-Za-z0-9_.:-]."""
    places = {int(found) for word in action.argv for found in PLACE.findall(word)}
    if places != set(range(len(arguments))):
        raise Refused(f"{action.name} takes {len(places)} arguments, not {len(arguments)}", code="action-arguments")
    for argument in arguments:
        if ARGUMENT.fullmatch(argument) is None:
            raise Refused(
                f"{action.name}: not an argument: {argument[:60]!r}",
                code="action-argument",
                hint="1 to 128 of A-Z a-z 0-9 _ . : -",
            )
    return [PLACE.sub(lambda found: arguments[int(found[1])], word) for word in action.argv]


def _running(host: View, tenant: str) -> tuple[Release, str]:
    record = read_record(host, tenant) if is_tenant_name(tenant) else None
    if record is None or record["retired"]:
        raise Refused(
            f"{tenant[:60]} is not deployed on this host", code="not-deployed", kind="state", hint=Next("status")
        )
    try:
        return cell.read_release(host, tenant, record["release"]), record["side"]
    except Failed as failed:
        raise Refused(failed.message, code="release-unusable", kind="state", hint=Next("deploy", tenant)) from failed


def _offered(release: Release, name: str) -> Action:
    for action in release.actions:
        if action.name == name:
            return action
    offers = ", ".join(action.name for action in release.actions) or "none"
    raise Refused(
        f"{release.app} has no action {name[:60]!r}", code="no-such-action", kind="state", hint=f"actions: {offers}"
    )
