"""submit: judge an operation, write it to disk, start it, and follow it.

The same id attaches to the running or ended operation; the same id with another intent is refused. A refused request
has changed nothing. Under the subject's lock, an open operation of a dead process is finished or undone first, so that
the plan is made from the real state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from launchpad.runner import engine, standing_plans
from launchpad.runner import plan as plans
from launchpad.runner.caller import Caller
from launchpad.runner.hint import Next
from launchpad.runner.host import Busy, Failed, Host
from launchpad.runner.journal import Journal, subject
from launchpad.runner.protocol import (
    FOR_ANOTHER_HOST,
    Refused,
)
from launchpad.runner.same_operation import differences, intent_digest, label, words
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import only

KEYS = {
    "deploy": {"kind", "tenant", "release", "files", "inventory", "replaces", "after"},
    "stop": {"kind", "tenant"},
    "start": {"kind", "tenant"},
    "restart": {"kind", "tenant"},
    "retire": {"kind", "tenant", "purge"},
    "backup": {"kind", "tenant", "targets"},
    "verify": {"kind", "tenant", "targets", "part"},
    "fetch": {"kind", "tenant", "targets", "snapshot", "source"},
    "drill": {"kind", "tenant", "targets", "snapshot"},
    "forget": {"kind", "tenant", "targets", "keep"},
    "rewrap": {"kind", "tenant", "targets", "recipients"},
    "provision": {"kind", "settings", "signature"},
    "upgrade": {
        "kind", "tenant", "release", "files", "inventory", "replaces", "soak", "rehearse", "rehearsed", "may_shrink",
    },
    "rollback": {"kind", "tenant", "to", "keep_data", "soak", "replaces"},
    "restore": {"kind", "tenant", "generation", "replaces"},
    "import": {
        "kind", "tenant", "release", "files", "inventory", "replaces", "generation", "soak", "rehearse", "may_shrink",
    },
    "rehearse": {"kind", "tenant", "release", "files", "inventory", "generation", "may_shrink"},
    "rehearse-here": {"kind", "tenant", "release", "files", "generation", "without", "may_shrink"},
    "drill-here": {"kind", "tenant", "release", "files", "targets", "snapshot"},
    "snapshot": {"kind", "tenant", "rehearsal", "copy"},
    "drop": {"kind", "tenant", "generations"},
    "prune": {"kind"},
    "update": {"kind"},
    "reboot": {"kind"},
    "prepare": {"kind", "tenant", "release", "files", "inventory"},
    "depart": {"kind", "tenant", "to", "address", "above", "replaces", "ahead"},
    "arrive": {"kind", "tenant", "release", "files", "inventory", "receipt", "from"},
    "forward": {"kind", "tenant", "epoch"},
    "decline": {"kind", "tenant", "receipt", "to", "address"},
}  # fmt: skip
OPTIONAL = {
    "may_shrink", "rehearsed", "rehearsal", "replaces", "purge", "signature", "source", "ahead", "copy", "after",
}  # fmt: skip
TYPES = {
    "to": str, "keep_data": bool, "soak": int, "rehearse": bool, "generation": str, "source": str,
    "address": str, "above": int, "epoch": int, "from": str, "may_shrink": list,
    "rehearsed": dict, "rehearsal": str, "without": list, "ahead": bool,
    "copy": bool, "generations": list, "after": str,
}  # fmt: skip
"""The types of the values that have no parser of their own."""
OF_WHO_LEFT = FOR_ANOTHER_HOST | {"retire", "depart", "forward", "prepare", "arrive", "decline", "provision"}
"""The operations that a host still accepts for a tenant that has left it."""
MOST_SOAK_SECONDS = 3600
CLONING = FOR_ANOTHER_HOST | {"upgrade", "import", "rehearse", "drill"}
WATCH_SECONDS = 60
"""Seconds for which the watch may hold a tenant to restart it."""
ROOM, ROOM_SECONDS = "room", 120
"""A lock for the judgement of memory and CPUs, held until the operation is on disk and counts, so that two operations
at the same instant never take the same resources. Taken after the tenant's lock."""

IDS, IDS_SECONDS = "ids", 20
"""A lock for the look whether an id is free: another subject's operation may want the same id at the same instant."""


def submit(host: Host, body: Mapping[str, Any], caller: Caller) -> Iterator[dict[str, Any]]:
    """Start the operation (or attach to it), and send its events until it ends."""
    given = only(body, id=str, operation=dict, secrets=dict, follow=bool, words=dict, on_behalf_of=str)
    journal = Journal(host, given["id"] or "")
    operation = parsed(given["operation"])
    if not is_known(journal, operation):
        caller = caller.but(on_behalf_of=label(given["on_behalf_of"]), words=words(given["words"]))
        unchanged = accept(host, journal, operation, given["secrets"] or {}, caller)
        if unchanged is not None:
            yield {"type": "reply", "body": unchanged}
            return
        host.begin(journal.identifier)  # a unit that runs already is not started again
    if given["follow"] is not False:
        from launchpad.runner.verbs.follow import follow

        yield from follow(host, {"id": journal.identifier}, caller)
    else:
        yield {"type": "reply", "body": {"id": journal.identifier, "outcome": "running"}}


def is_known(journal: Journal, operation: Mapping[str, Any]) -> bool:
    """Whether the id belongs to this operation already; Refused when it belongs to another one."""
    asked = journal.asked()
    if asked is not None and asked["digest"] != intent_digest(operation):
        differs = ", ".join(differences(asked["operation"], operation)) or "its file is damaged"
        raise Refused(
            f"operation {journal.identifier} exists already, and differs from this request: {differs}",
            code="operation-id-taken",
            kind="state",
            hint="to follow the existing operation: "
            + Next("attach", journal.identifier)
            + "; for another operation use another id",
        )
    return asked is not None


def parsed(operation: Any) -> Mapping[str, Any]:
    """The operation; Refused unless it has exactly the keys of its kind and a valid tenant's name."""
    if not isinstance(operation, dict) or operation.get("kind") not in KEYS:
        raise Refused(f"an operation's kind is one of {', '.join(KEYS)}")
    known = KEYS[operation["kind"]]
    if unknown := set(operation) - known:
        raise Refused(f"{operation['kind']}: unknown key {min(unknown)!r}")
    if missing := known - set(operation) - OPTIONAL:
        raise Refused(f"{operation['kind']}: missing key {min(missing)!r}")
    if "tenant" in known and not (isinstance(operation["tenant"], str) and is_tenant_name(operation["tenant"])):
        raise Refused(f"{operation['kind']}: not a tenant's name: {str(operation['tenant'])[:60]!r}")
    for name, wanted in TYPES.items():
        if name in operation and type(operation[name]) is not wanted:
            raise Refused(f"{operation['kind']}: {name}: expected {wanted.__name__}")
    if not 0 <= operation.get("soak", 0) <= MOST_SOAK_SECONDS:
        raise Refused(f"{operation['kind']}: soak: expected 0 to {MOST_SOAK_SECONDS} seconds")
    return operation


def accept(
    host: Host, journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any], caller: Caller
) -> dict[str, Any] | None:
    """Judge and plan the operation, and write it to disk; returns the reply when there is nothing to do, else None."""
    name = subject(operation)
    owner = {"operation": journal.identifier, "who": caller.operator, "since": host.now(), "kind": operation["kind"]}
    try:
        with _locked(host, name, owner):
            engine.settle(host, name, before=operation["kind"])
            with host.lock(ROOM, owner, seconds=ROOM_SECONDS) if operation["kind"] in CLONING else nullcontext():
                plan, final = planned(host, journal, operation, secrets, caller)
                if not plan:
                    return {
                        "id": journal.identifier,
                        "outcome": "unchanged",
                        "message": "nothing to do",
                        "lines": [],
                    } | final
                with host.lock(IDS, owner, seconds=IDS_SECONDS):
                    if is_known(journal, operation):
                        return None
                    journal.create(operation, caller, plan)
                if operation["kind"] in FOR_ANOTHER_HOST:
                    from launchpad.runner.guests.plan import keep_secrets

                    keep_secrets(host, operation, secrets)
                return None
    except Busy as busy:
        held = "room on this host" if busy.name == ROOM else name.partition("-")[2] or name
        raise Refused(
            f"{held}: locked by {busy.holder(host.now())}",
            code="tenant-locked",
            kind="locked",
            hint=Next("attach", found) if (found := busy.owner.get("operation")) else "run the same command again",
        ) from busy
    except engine.NotSettled as error:
        message, hint = f"an earlier operation has not ended: {error}", error.way_on or Next("status")
        raise Refused(message, code="earlier-operation-open", kind="locked", hint=hint) from error
    except Failed as error:
        raise Refused(error.message, code=error.code, kind="step", hint=error.hint or Next("status")) from error


@contextmanager
def _locked(host: Host, name: str, owner: Mapping[str, Any]) -> Iterator[None]:
    """The subject's lock. The watch holds one for seconds only, and is waited for."""
    with ExitStack() as held:
        try:
            held.enter_context(host.lock(name, owner))
        except Busy as busy:
            if busy.owner.get("who") != "watch":
                raise
            held.enter_context(host.lock(name, owner, seconds=WATCH_SECONDS))
        yield


def planned(
    host: Host, journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any], caller: Caller
) -> tuple[list[Any], dict[str, Any]]:
    """The plan, and the reply's fields for an empty plan beside the outcome."""
    if "tenant" in operation and operation["kind"] not in OF_WHO_LEFT:
        refuse_who_left(host, operation)
    match operation["kind"]:
        case "deploy" | "upgrade" | "import" | "rehearse":
            from launchpad.runner.deploy_plan import planned_deploy

            return planned_deploy(host, journal, operation, secrets, caller)
        case "rollback" | "restore" | "snapshot" | "drop":
            from launchpad.runner import rollback_plan

            match operation["kind"]:
                case "rollback":
                    return rollback_plan.planned_rollback(host, journal, operation, caller)
                case "restore":
                    return rollback_plan.planned_restore(host, journal, operation, caller)
                case "drop":
                    return rollback_plan.planned_drop(host, operation)
            return rollback_plan.planned_snapshot(host, journal, operation)
        case "backup" | "verify" | "fetch" | "drill" | "forget" | "rewrap":
            from launchpad.runner.backups import plan as backups

            return list(backups.PLANNERS[operation["kind"]](host, journal, operation, secrets)), {}
        case "prepare" | "depart" | "arrive" | "forward" | "decline":
            return planned_move(host, journal, operation, secrets, caller)
        case "provision":
            from launchpad.runner.alerting import addresses
            from launchpad.runner.backups import credentials
            from launchpad.runner.judge.alert_texts import LOGS_CERTIFICATE, URL_PREFIX
            from launchpad.runner.provision.plan import planned_provision
            from launchpad.runner.provision.settings_signers import judge_trust
            from launchpad.runner.shipping import host_certificate

            machine: Any = host  # a provision also needs the machine's system
            vouched = judge_trust(machine, operation, secrets)
            steps = list(planned_provision(machine, operation["settings"]))
            if vouched is not None and steps:
                alerts = {name: item for name, item in secrets.items() if name.startswith(URL_PREFIX)}
                logs = {name: item for name, item in secrets.items() if name == LOGS_CERTIFICATE}
                others = secrets.keys() - alerts.keys() - logs.keys()
                credentials.seal(host, vouched, {name: secrets[name] for name in others})
                addresses.seal(host, vouched, alerts)
                host_certificate.seal(host, vouched, logs)
            return steps, {}
        case "rehearse-here":
            from launchpad.runner.guests.plan import planned_guest

            return planned_guest(host, operation, secrets)
        case "drill-here":
            from launchpad.runner.guests.drill_plan import planned_drill_here

            return planned_drill_here(host, operation, secrets), {}
        case "prune":
            from launchpad.runner.pruning.plan import planned_prune

            return list(planned_prune(host)), {}
        case "update" | "reboot":
            from launchpad.runner.maintaining.plan import accepted

            with_system: Any = host
            return accepted(with_system, operation), {}
    tenant = operation["tenant"]
    seen = plans.see(host, tenant)
    match operation["kind"]:
        case "stop":
            return list(standing_plans.plan_stop(seen, tenant)), {}
        case "start":
            return list(standing_plans.plan_start(seen, tenant)), {}
        case "restart":
            return list(standing_plans.plan_restart(seen, tenant)), {}
        case _:
            return list(standing_plans.plan_retire(seen, tenant, purge=bool(operation.get("purge")))), {}


def planned_move(
    host: Host, journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any], caller: Caller
) -> tuple[list[Any], dict[str, Any]]:
    """The plan of one of a move's operations."""
    from launchpad.runner.moving import plan as moving

    match operation["kind"]:
        case "prepare":
            return moving.planned_prepare(host, operation, secrets)
        case "depart":
            return moving.planned_depart(host, journal, operation, caller)
        case "arrive":
            return moving.planned_arrive(host, journal, operation, secrets, caller)
        case "forward":
            return moving.planned_forward(host, operation)
        case _:
            return moving.planned_decline(host, journal, operation, caller)


def refuse_who_left(host: Host, operation: Mapping[str, Any]) -> None:
    """Refused when the tenant has moved to another host."""
    from launchpad.runner.moving import tombstone

    tenant = operation["tenant"]
    record = plans.read_record(host, tenant)
    release = operation.get("release")
    of = release if isinstance(release, dict) else record or {}
    slot, epoch = of.get("slot"), of.get("epoch", 0)
    if isinstance(slot, int) and isinstance(epoch, int):
        tombstone.refuse_if_gone(host, record, tenant=tenant, slot=slot, epoch=epoch, kind=operation["kind"])
