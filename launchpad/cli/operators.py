"""launchpad operator: the fleet's operators."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.prompts import confirm
from launchpad.cli.session import Session
from launchpad.cli.tenants import YesOption
from launchpad.errors import InventoryError

if TYPE_CHECKING:
    from launchpad.fleet.model.host import Operator
    from launchpad.fleet.words.references import Recipient
    from launchpad.operations.hosts.operators import Followed

app = typer.Typer(help="Add, list and remove the fleet's operators.", epilog="Example: launchpad operator list")


@app.callback()
def operator() -> None:
    """Add, list and remove the fleet's operators."""


@app.command("list", epilog="Example: launchpad operator list")
def list_operators(ctx: typer.Context) -> None:
    """List the operators, and each host whose access differs from launchpad.yaml.

    This command contacts the hosts. A host that was unreachable when an operator was removed is listed until the host
    is provisioned.
    """
    from launchpad.fleet.model.fleet import further_readers
    from launchpad.operations.hosts.operators import access

    session = Session.of(ctx)
    defaults = session.workspace.fleet.load().defaults
    people = defaults.operators
    hosts = access(session.workspace)
    rows = tuple((item.name, str(len(item.keys)), _signs(item), "yes" if item.recipients else "no") for item in people)
    data: dict[str, Any] = {"operators": [item.model_dump(mode="json") for item in people], "hosts": hosts}
    others = further_readers(defaults)
    data["recipients"] = [*map(str, others)]
    session.output.result(data, Table(("operator", "ssh keys", "signs", "reads secrets"), rows, "no operators"))
    _tell_of_others(session, others)
    behind = {host: why for host, why in hosts.items() if why}
    for host, why in behind.items():
        session.output.warn(f"{host}: {why}")
    if behind:
        raise typer.Exit(8)


@app.command("add", epilog="Example: launchpad operator add bob --keys bob.json")
def add_operator(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The operator's name in histories.")],
    keys: Annotated[
        Path,
        typer.Option(
            "--keys", metavar="FILE", help="A file with the output of `launchpad --json key show` on NAME's machine."
        ),
    ],
    signs: Annotated[
        bool, typer.Option(help="Whether NAME may sign at all: without, NAME reads, and does what cron does.")
    ] = True,
    admin: Annotated[bool, typer.Option(help="Whether NAME may sign new runners and host settings too.")] = True,
    reads: Annotated[bool, typer.Option(help="Whether NAME can read secrets.")] = True,
) -> None:
    """Add NAME as an operator: in launchpad.yaml, on every host, for every secret and every backup key.

    Steps that failed, such as an unreachable host, are listed with the command to type later. The exit code is then 8.
    """
    from launchpad.cli.progress import telling
    from launchpad.cli.running import interrupted_kindly
    from launchpad.operations.hosts.operators import add_operator

    session = Session.of(ctx)
    made = _operator(name, keys, signs=signs, admin=admin, reads=reads)
    with interrupted_kindly(session), telling(session.output) as on_event:
        done = add_operator(session.workspace, made, on_event=on_event)
    _report(session, done, f"{name} is now an operator of the fleet", "so that the new operator can clone it")


@app.command("remove", epilog="Example: launchpad operator remove bob")
def remove_operator(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The operator's name, from `launchpad operator list`.",
            autocompletion=complete.operators,
        ),
    ],
    yes: YesOption = False,
) -> None:
    """Remove NAME's access: in launchpad.yaml, on every host, for every secret and every backup key.

    Ends NAME's open logins. Lists every secret that NAME could read, with the command that rotates the secret, and each
    unreachable host. `launchpad operator list` lists an unreachable host until the host is provisioned. The exit code
    is 8 while something is left to do.
    """
    from launchpad.cli.progress import telling
    from launchpad.cli.running import interrupted_kindly
    from launchpad.operations.hosts.operators import removable, remove_operator

    session = Session.of(ctx)
    removable(session.workspace, session.workspace.fleet.load(), name)
    confirm(session, f"Remove {name}'s access on every host?", yes=yes)
    with interrupted_kindly(session), telling(session.output) as on_event:
        done = remove_operator(session.workspace, name, on_event=on_event)
    _report(
        session,
        done,
        f"{name} is no longer an operator of the fleet",
        f"so that no clone of the inventory gives {name} access again",
    )


def _signs(person: Operator) -> str:
    if not person.signing_keys:
        return "no"
    return "all" if person.admin else "tenants"


def _operator(name: str, keys: Path, *, signs: bool, admin: bool, reads: bool) -> Any:
    from pydantic import ValidationError

    from launchpad.fleet.model.host import Operator
    from launchpad.fleet.model.recovery import RECOVERY
    from launchpad.fleet.words.malformed import Malformed
    from launchpad.fleet.words.names import OperatorName

    if OperatorName(name) == RECOVERY:
        raise Malformed(f"the name {RECOVERY} belongs to the emergency kit", expected="another name")
    try:
        found = json.loads(keys.read_text())
        own: dict[str, Any] = {"keys": (found["ssh_key"],), "admin": admin}
        own |= {"signing_keys": (found["signing_key"],)} if signs else {}
        own |= {"recipients": (found["recipient"],)} if reads else {}
        return Operator.model_validate({"name": name, **own})
    except OSError as error:
        raise InventoryError(
            f"{keys}: cannot be read: {error.strerror}", code="keys-file-unreadable", hint=f"ls -l {keys}"
        ) from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        hint = f"on {name}'s machine: launchpad --json key show > {keys.name}"
        raise InventoryError(
            f"{keys}: not the output of `launchpad --json key show`", code="not-output-of-key-show", hint=hint
        ) from error


def _tell_of_others(session: Session, others: Sequence[Recipient]) -> None:
    """Warn of recipients that belong to no operator: the removed operator may own one of them."""
    for key in others:
        session.output.say(
            f"launchpad.yaml also lists the recipient {key}, which can read every secret and belongs to no operator"
        )
    if others:
        session.output.say("  remove the keys of former operators from recipients:, then: launchpad secret reseal")


def _report(session: Session, done: Followed, first: str, why: str) -> None:
    from launchpad.operations.hosts.exposed import unlisted

    lines, missing = [first], 0
    could_read = [(item.owner, item.name) for item in done.rotate]
    if done.resealed:
        lines.append(f"resealed: {', '.join(done.resealed)}")
    good = [host for host, why in done.hosts.items() if not why]
    if good:
        lines.append(f"hosts that now match launchpad.yaml: {', '.join(good)}")
    if done.rotate:
        lines.append(
            f"{done.operator} could read {len(done.rotate)} secrets; rotate each secret at its source, then type:"
        )
        lines += [f"  {item.rotate}" for item in done.rotate]
        lines.append(
            "then deploy each tenant and provision each host whose secret changed. Backups that were sent earlier "
            "can still"
        )
        lines.append(f"be read by {done.operator} while the credentials of their target stay valid.")
        if not (missing := unlisted(session.workspace, session.environment, person=done.operator, secrets=could_read)):
            lines.append("launchpad check lists the secrets that were not rotated yet.")
    session.output.result(done.as_json(), "\n".join(lines))
    if missing:
        session.output.warn(
            f"keep this list: launchpad check cannot list {missing} of these secrets later, because no Git commit of "
            f"this workspace has {done.operator} among their readers"
        )
    _tell_of_others(session, done.others)
    session.output.say(f"next: git add -A; git commit; git push, {why}")
    left = [
        *(f"{host}: {why}" for host, why in done.hosts.items() if why),
        *(f"the key of {tenant}'s backups: {why}" for tenant, why in done.rewrapped.items() if why),
        *(f"the secrets of {owner}: {why}; then launchpad secret reseal" for owner, why in done.unsealed.items()),
    ]
    for line in left:
        session.output.warn(line)
    if left:
        raise typer.Exit(8)
