"""The cause in a change that was undone: its last words are those of a release that does not serve, or of a clone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from launchpad.runner.diagnosing.causes.image_causes import is_refused_pull
from launchpad.runner.diagnosing.causes.process_causes import EXIT_78, HEAP, INVALID, NEWER, because
from launchpad.runner.diagnosing.collected import Collected, CollectedTenant, Diagnosis
from launchpad.runner.hint import Next
from launchpad.runner.waiting import OUT_OF_MEMORY

REHEARSAL = "in the rehearsal, "


def change_undone(collected: Collected) -> Iterator[Diagnosis]:
    """The newest change failed and was undone; who serves, serves what served before."""
    for tenant in collected.tenants():
        failed = tenant.last_undone
        message, kind = str(failed.get("message", "")), failed.get("kind")
        if not failed or is_refused_pull(message):
            continue
        serves = "" if tenant.is_ill else f"{tenant.name} serves as before: "
        why, hint = _why(tenant, message, [str(line) for line in failed.get("lines", ())])
        rehearsed = message.startswith(REHEARSAL) and why != message
        how = "failed in the rehearsal, on a clone of the data" if rehearsed else "was undone"
        yield Diagnosis(
            cause="change-undone",
            tenant=tenant.name,
            message=f"{serves}the {kind} of {tenant.name} {how}: {why}",
            hint=hint,
            evidence=(message, *(str(line) for line in failed.get("lines", ())[-3:])),
        )


def network_taken(collected: Collected) -> Iterator[Diagnosis]:
    """Another network of Docker's has the tenant's addresses."""
    for tenant in collected.tenants():
        message = str(tenant.last_failed.get("message", ""))
        if re.search(r"(?i)pool overlaps|address space[^.]{0,40}overlap", message):
            yield Diagnosis(
                cause="network-taken",
                tenant=tenant.name,
                message=f"the addresses of {tenant.name}'s network belong to another network of the host",
                hint=f"as root on {collected.host}: docker network ls; remove the network that Launchpad did not make, "
                + "then "
                + Next("deploy", tenant.name),
                evidence=(message,),
            )


def _why(tenant: CollectedTenant, message: str, lines: list[str]) -> tuple[str, str]:
    """Why the new release did not start, the message itself where nothing more is seen; and what to type next."""
    file = f"inventory/tenants/{tenant.name}.yaml"
    if said := next(filter(NEWER.search, reversed(lines)), ""):
        app = tenant.get("record", "app", otherwise="APP")
        return f"the new release refuses the state that it finds{because(said)}", Next("versions", app)
    if OUT_OF_MEMORY in message or any(map(HEAP.search, lines)):
        hint = f"a tier with more memory in {file}, then " + Next("deploy", tenant.name)
        return "the new release needs more memory than its limit", hint
    if EXIT_78.search(message):
        said = next(filter(INVALID.search, reversed(lines)), "")
        why = f"the new release's configuration is wrong: the app ends with exit status 78{because(said)}"
        return why, "mend the configuration that the message names, then " + Next("deploy", tenant.name)
    identifier = tenant.last_undone.get("id", "")
    return message, Next("attach", identifier) if identifier else Next("history", tenant.name, "--steps")
