"""launchpad provision: turn a bare VPS into a host, and bring a host's settings up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.parsed import host_key_fingerprint, linux_user, operation_id, present
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
        typer.Option("--root-key", metavar="FILE", callback=present, help="The SSH key that logs in to the bare VPS."),
    ] = None,
    root_user: Annotated[
        str,
        typer.Option(
            "--root-user",
            metavar="USER",
            callback=linux_user,
            help="The user that logs in to the bare VPS: root, or a user with passwordless sudo.",
        ),
    ] = "root",
    fingerprint: Annotated[
        str,
        typer.Option(
            "--fingerprint",
            metavar="SHA256:…",
            callback=host_key_fingerprint,
            help="Accept the host key with this fingerprint without a prompt.",
        ),
    ] = "",
    only_plan: Annotated[bool, typer.Option("--plan", help="Show what would change, and change nothing.")] = False,
    identifier: Annotated[
        str,
        typer.Option(
            "--id",
            metavar="ID",
            callback=operation_id,
            help="The operation's id. With the id of an earlier operation, the command follows that operation.",
        ),
    ] = "",
) -> None:
    """Set HOST up from a bare Debian 13, or update HOST to the inventory's settings.

    The first login is root's, after you confirm the host's SSH key. Afterwards operators' keys can run only Launchpad's
    runner, and root cannot log in. If a change of sshd or the firewall locks everybody out, the host undoes the change
    within a minute. A second run changes only what differs.
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
    """Whether the offered key is the host's key: by --fingerprint, or by the operator's answer."""
    from launchpad.cli.prompts import answered

    if fingerprint:
        return offer.key.fingerprint == fingerprint
    if not session.interactive:
        return False
    session.output.say(f"{offer.host} ({offer.address}) offers {offer.key.kind} {offer.key.fingerprint}")
    session.output.say("compare it with what your provider's console shows, or `ssh-keygen -lf` on the host")
    return answered(session, "Is this the host's key?")


def described(made: ProvisionPlan) -> str:
    """The plan as text: the steps, and a diff for each file."""
    if not made.steps:
        return f"{made.host}: nothing to do"
    steps = [step for step in made.steps if step.step != "commit"]  # it has no work, and no event for its end
    lines = [f"{made.host}: {'a bare host; ' if made.bare else ''}{len(steps)} step{'' if len(steps) == 1 else 's'}"]
    lines += [f"  {step.title}" for step in steps]
    return "\n".join([*lines, *(f"\n{diff.rstrip()}" for diff in made.diffs)])
