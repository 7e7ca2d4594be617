"""launchpad operator: who operates the fleet."""

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
    from launchpad.fleet.words.references import Recipient
    from launchpad.operations.hosts.operators import Followed

app = typer.Typer(help="Add, list and remove who operates the fleet.", epilog="Example: launchpad operator list")


@app.callback()
def operator() -> None:
    """Add, list and remove who operates the fleet."""


@app.command("list", epilog="Example: launchpad operator list")
def list_operators(ctx: typer.Context) -> None:
    """List the operators, and each host that does not let in just them yet.

    Hosts are asked: a host that was not reached when somebody left is listed until it was provisioned.
    """
    from launchpad.fleet.model.fleet import further_readers
    from launchpad.operations.hosts.operators import access

    session = Session.of(ctx)
    defaults = session.workspace.fleet.load().defaults
    people = defaults.operators
    hosts = access(session.workspace)
    rows = tuple(
        (item.name, str(len(item.keys)), "yes" if item.signing_keys else "no", "yes" if item.recipients else "no")
        for item in people
    )
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
    name: Annotated[str, typer.Argument(metavar="NAME", help="What histories call the person.")],
    keys: Annotated[
        Path, typer.Option("--keys", metavar="FILE", help="What `launchpad --json key show` printed on NAME's machine.")
    ],
    signs: Annotated[bool, typer.Option(help="Whether NAME may sign runners and changes of hosts.")] = True,
    reads: Annotated[bool, typer.Option(help="Whether NAME can read secrets.")] = True,
) -> None:
    """Let NAME operate the fleet: launchpad.yaml, every secret, every host, every key of backups.

    What could not be done, such as a host that was not reached, is listed with the command for later; exit code 8.
    """
    from launchpad.cli.progress import telling
    from launchpad.cli.running import interrupted_kindly
    from launchpad.operations.hosts.operators import add_operator

    session = Session.of(ctx)
    made = _operator(name, keys, signs=signs, reads=reads)
    with interrupted_kindly(session), telling(session.output) as on_event:
        done = add_operator(session.workspace, made, on_event=on_event)
    _report(session, done, f"{name} operates the fleet", "so that the new operator can clone it")


@app.command("remove", epilog="Example: launchpad operator remove bob")
def remove_operator(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="As `launchpad operator list` has it.", autocompletion=complete.operators),
    ],
    yes: YesOption = False,
) -> None:
    """Take NAME's access away: launchpad.yaml, every secret, every host and its open logins, every key of backups.

    Lists every secret that NAME could read, with the command that rotates it, and each host that was not reached:
    `launchpad operator list` lists those until they were. Exit code 8 while something is left to do.
    """
    from launchpad.cli.progress import telling
    from launchpad.cli.running import interrupted_kindly
    from launchpad.operations.hosts.operators import removable, remove_operator

    session = Session.of(ctx)
    removable(session.workspace, session.workspace.fleet.load(), name)
    confirm(session, f"Take {name}'s access away, on every host?", yes=yes)
    with interrupted_kindly(session), telling(session.output) as on_event:
        done = remove_operator(session.workspace, name, on_event=on_event)
    _report(session, done, f"{name} does not operate the fleet any more", f"so that no clone lets {name} in again")


def _operator(name: str, keys: Path, *, signs: bool, reads: bool) -> Any:
    from pydantic import ValidationError

    from launchpad.fleet.model.host import Operator
    from launchpad.fleet.model.recovery import RECOVERY
    from launchpad.fleet.words.malformed import Malformed
    from launchpad.fleet.words.names import OperatorName

    if OperatorName(name) == RECOVERY:
        raise Malformed(f"{RECOVERY} is what the emergency kit's operator is called", expected="another name")
    try:
        found = json.loads(keys.read_text())
        own = {"keys": (found["ssh_key"],)}
        own |= {"signing_keys": (found["signing_key"],)} if signs else {}
        own |= {"recipients": (found["recipient"],)} if reads else {}
        return Operator.model_validate({"name": name, **own})
    except OSError as error:
        raise InventoryError(f"{keys}: cannot be read: {error.strerror}", hint=f"ls -l {keys}") from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        hint = f"on {name}'s machine: launchpad --json key show > {keys.name}"
        raise InventoryError(f"{keys}: not what `launchpad --json key show` prints", hint=hint) from error


def _tell_of_others(session: Session, others: Sequence[Recipient]) -> None:
    """Name the recipients that no operator has: who leaves may be one of them."""
    for key in others:
        session.output.say(f"launchpad.yaml lets {key} read every secret too; it is no operator's key")
    if others:
        session.output.say("  remove the keys of those who left, under recipients:, then: launchpad secret reseal")


def _report(session: Session, done: Followed, first: str, why: str) -> None:
    lines = [first]
    if done.resealed:
        lines.append(f"sealed anew: {', '.join(done.resealed)}")
    good = [host for host, why in done.hosts.items() if not why]
    if good:
        lines.append(f"follows launchpad.yaml now: {', '.join(good)}")
    if done.rotate:
        lines.append(f"{done.operator} could read {len(done.rotate)} secrets; rotate each where it comes from, then:")
        lines += [f"  {item.rotate}" for item in done.rotate]
        lines.append(
            "and deploy each tenant, and provision each host, whose secret changed. Backups that were sent before can"
        )
        lines.append(f"be read by {done.operator} wherever the credentials of a target still work for them.")
        lines.append("launchpad check lists the secrets that have not been changed yet.")
    session.output.result(done.as_json(), "\n".join(lines))
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
