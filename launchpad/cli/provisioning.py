"""launchpad provision: a bare VPS becomes a host, and a host what the inventory says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.parsed import host_key_fingerprint, operation_id, present
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.operations.hosts.provision import ProvisionPlan
    from launchpad.operations.hosts.trust import Offer

app = typer.Typer(help="Hosts.")


@app.command("provision", epilog="Example: launchpad provision web-1 --root-key ~/.ssh/id_ed25519")
def provision(
    ctx: typer.Context,
    host: Annotated[str, typer.Argument(metavar="HOST", autocompletion=complete.hosts)],
    root_key: Annotated[
        Path | None,
        typer.Option("--root-key", metavar="FILE", callback=present, help="The key that logs in to the bare VPS."),
    ] = None,
    root_user: Annotated[
        str, typer.Option("--root-user", metavar="USER", help="Who logs in to the bare VPS; sudo without password.")
    ] = "root",
    fingerprint: Annotated[
        str,
        typer.Option(
            "--fingerprint",
            metavar="SHA256:…",
            callback=host_key_fingerprint,
            help="Accept this host key without asking.",
        ),
    ] = "",
    only_plan: Annotated[bool, typer.Option("--plan", help="Show what would change, and change nothing.")] = False,
    identifier: Annotated[
        str,
        typer.Option(
            "--id", metavar="ID", callback=operation_id, help="The operation's id; the same one again attaches to it."
        ),
    ] = "",
) -> None:
    """Bring HOST from a bare Debian 13 to one that Launchpad may use, or back to what the inventory says.

    The first contact is root's, with the host's key confirmed; afterwards operators' keys can run Launchpad's runner
    and nothing else, and root cannot log in. A change of sshd or the firewall that locks everybody out is undone by
    the host itself within a minute. Run again, it changes only what differs.
    """
    from launchpad.operations.hosts.provision import HowToProvision, plan_provision, provision

    session = Session.of(ctx)

    def confirm_key(offer: Offer) -> bool:
        return confirmed(session, offer, fingerprint)

    how = HowToProvision(identifier=identifier, root_user=root_user, root_key=root_key, confirm_key=confirm_key)
    if only_plan:
        made = plan_provision(session.workspace, host, how=how)
        session.output.result(made.as_json(), described(made))
        return
    from launchpad.cli.running import carry_out

    carry_out(session, lambda on_event: provision(session.workspace, host, how=how, on_event=on_event))


def confirmed(session: Session, offer: Offer, fingerprint: str) -> bool:
    """Whether that is the host's key: as the option says, or as the person does."""
    if fingerprint:
        return offer.key.fingerprint == fingerprint
    if not session.interactive:
        return False
    session.output.say(f"{offer.host} ({offer.address}) offers {offer.key.kind} {offer.key.fingerprint}")
    session.output.say("compare it with what your provider's console shows, or `ssh-keygen -lf` on the host")
    return typer.confirm("Is that its key?", err=True)


def described(made: ProvisionPlan) -> str:
    """The plan for people: the steps, and a diff for each file."""
    if not made.steps:
        return f"{made.host}: nothing to do, everything is as it should be"
    lines = [f"{made.host}: {'a bare host; ' if made.bare else ''}{len(made.steps)} steps"]
    lines += [f"  {step['title']}" for step in made.steps]
    return "\n".join([*lines, *(f"\n{diff.rstrip()}" for diff in made.diffs)])
