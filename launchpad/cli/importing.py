"""launchpad import, export: import a self-hosted installation into a tenant, and export a tenant as a self-hosted
one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli.parsed import host_key_fingerprint, present
from launchpad.cli.running import OperationId, Tenant, Yes, carry_out, earlier, errors_as_lines
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.operations.importing.export import Exported
    from launchpad.operations.importing.import_tenant import Checked, Import
    from launchpad.operations.importing.self_hosted import SshLogin
    from launchpad.operations.requests.again import Wish
    from launchpad.operations.requests.outcome import Outcome

app = typer.Typer(help="Import tenants from self-hosted installations, and export them.")

MOST_PLAIN = 30
MOST_SHOWN = 6


@app.command("import", epilog="Example: launchpad import alice --from bob@203.0.113.9: --stop-with 'pkill openclaw'")
def import_(
    ctx: typer.Context,
    tenant: Tenant,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="ARCHIVE|USER@HOST:PATH",
            help="A tar archive of the files, or the home folder of the old installation.",
        ),
    ],
    take_secrets: Annotated[
        bool, typer.Option("--take-secrets", help="Move the secrets in the imported files into the inventory, sealed.")
    ] = False,
    stop_with: Annotated[
        str,
        typer.Option(
            "--stop-with",
            metavar="COMMAND",
            help="The command that stops the old installation, run over the same SSH login.",
        ),
    ] = "",
    stopped: Annotated[bool, typer.Option("--stopped", help="The old installation is already stopped.")] = False,
    no_rehearsal: Annotated[
        bool, typer.Option("--no-rehearsal", help="Do not rehearse the release on a clone of the imported data.")
    ] = False,
    soak: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="How long the release must stay healthy before the import is final; at least the app's steady time.",
        ),
    ] = "0s",
    port: Annotated[
        int, typer.Option(min=1, max=65535, metavar="PORT", help="The SSH port of the old installation's machine.")
    ] = 22,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="FILE",
            callback=present,
            help="The SSH key that logs in to the old installation's machine. Default: your own.",
        ),
    ] = None,
    fingerprint: Annotated[
        str,
        typer.Option(
            "--fingerprint",
            metavar="SHA256:…",
            callback=host_key_fingerprint,
            help="Accept the host key with this fingerprint without a prompt.",
        ),
    ] = "",
    yes: Yes = False,
    identifier: OperationId = "",
) -> None:
    """Import a self-hosted installation as the data of TENANT. TENANT must be in the inventory and may already run.

    Launchpad checks the imported data on this machine and sends the data to TENANT's host. The host rehearses TENANT's
    release on a clone of the imported data and then starts the release on that data. If the release does not become
    healthy, the import is undone. TENANT's present data is kept as a generation.

    From another machine (USER@HOST:PATH): Launchpad copies and rehearses the files while the old installation runs.
    Then the old installation must stop: by --stop-with, by hand at a prompt, or beforehand (--stopped). Launchpad
    copies what changed since and starts TENANT. Nothing else changes on the old machine.
    """
    from launchpad.cli.prompts import confirm
    from launchpad.cli.wording import lasted
    from launchpad.cli.wording import soak as read_soak
    from launchpad.operations.importing.import_tenant import HowToImport, checked, import_tenant
    from launchpad.operations.requests.again import Wish
    from launchpad.operations.requests.confirmation import Confirmation

    session = Session.of(ctx)
    words = {"from": source, "take_secrets": take_secrets}
    how = HowToImport(take_secrets=take_secrets, rehearse=not no_rehearsal, soak_seconds=read_soak(soak))
    with errors_as_lines(session):
        where = _where(session, source, port=port, key=key, fingerprint=fingerprint)
        _judge_options(session, where, stop_with=stop_with, stopped=stopped)
        if _came_back(session, Wish(kind="import", tenant=tenant, words=words), identifier):
            return
        with checked(session.workspace, tenant, where, how, tell=session.output.say) as found:
            what = found.what
            session.output.say(_described(what))
            _say_secrets(session, what)
            confirm(session, _question(what), yes=yes)
            sure = Confirmation(digest=what.digest, identifier=identifier, words=words)
            stop = _stopping(session, found, command=stop_with, stopped=stopped)
            done = carry_out(
                session,
                lambda on_event: import_tenant(session.workspace, found, confirm=sure, stop=stop, on_event=on_event),
                words=_ended,
            )
    for name in done.sealed:
        session.output.say(f"{name} is now sealed in inventory/secrets/{tenant}.yaml; commit the file")
    if done.silent_seconds is not None:
        session.output.say(
            f"visitors were not served for {lasted(done.silent_seconds)}, from the stop of the old installation to "
            "the first request on the host"
        )
    if what.replaces:
        session.output.say(f"to restore the earlier data: launchpad restore {tenant} --generation {done.id}")


def _came_back(session: Session, wish: Wish, identifier: str) -> bool:
    """Follow the operation of an earlier, identical command whose cut-over began; return whether there was one. The
    source is not read again, because its old data would replace what visitors wrote since."""
    from launchpad.operations.requests.again import come_back

    found = earlier(session, wish, identifier)
    if found is None:
        return False
    carry_out(session, lambda on_event: come_back(session.workspace, found, on_event=on_event), words=_ended)
    if wish.words["take_secrets"]:
        session.output.say(
            f"the secrets of the imported files are sealed in inventory/secrets/{wish.tenant}.yaml; commit the file"
        )
    session.output.say(f"the earlier data of {wish.tenant} is a generation: launchpad generations {wish.tenant}")
    return True


def _where(session: Session, source: str, *, port: int, key: Path | None, fingerprint: str) -> Path | SshLogin:
    from launchpad.cli.provisioning import confirmed
    from launchpad.errors import InventoryError
    from launchpad.operations.importing.self_hosted import login_of

    login = login_of(source, port=port, key=key, confirm_key=lambda offer: confirmed(session, offer, fingerprint))
    if login is not None:
        return login
    path = Path(source).expanduser()
    if path.is_dir():
        raise InventoryError(
            f"{source} is a folder; expected an archive",
            code="folder-expected-archive",
            hint=f"tar -czf state.tgz -C {source} .",
        )
    if not path.is_file():
        raise InventoryError(
            f"{source}: file not found", code="file-not-found", hint="give an archive, or USER@HOST:PATH"
        )
    return path


def _judge_options(session: Session, where: Path | SshLogin, *, stop_with: str, stopped: bool) -> None:
    from launchpad.cli.boundary import UsageError
    from launchpad.errors import StateError

    if stop_with and stopped:
        raise UsageError("give --stop-with or --stopped, not both", hint="launchpad import --help")
    if not isinstance(where, Path) and not (stop_with or stopped or session.interactive):
        raise StateError(
            "cannot ask whether the old installation is stopped: no terminal",
            code="cannot-ask-if-stopped",
            hint="add --stop-with, or --stopped",
        )
    if isinstance(where, Path) and (stop_with or stopped):
        raise UsageError("an archive takes neither --stop-with nor --stopped", hint="--stop-with is for USER@HOST:PATH")


def _stopping(session: Session, found: Checked, *, command: str, stopped: bool) -> Callable[[], float] | None:
    """The function that stops the old installation and returns the monotonic time of the stop; None for an archive."""
    import time

    from launchpad.cli.prompts import confirm
    from launchpad.operations.importing import self_hosted

    login = found.login
    if login is None:
        return None

    def stop() -> float:
        if command:
            session.output.say(f"stopping the old installation: {command}")
            return self_hosted.stop(session.workspace, login, command)
        if not stopped:
            session.output.say(f"ready to cut over: stop the old installation on {login.address} now")
            confirm(
                session, "Is the old installation stopped?", yes=False, hint="add --stop-with COMMAND, or --stopped"
            )
        return time.monotonic()

    return stop


def _described(what: Import) -> str:
    from launchpad.cli.wording import size

    version = f" {what.source_version}" if what.source_version else ""
    plural = "" if what.databases == 1 else "s"
    databases = f", {what.databases} intact SQLite database{plural}" if what.databases else ""
    lines = [f"{what.source} is {what.layout}{version}: {what.files} files, {size(what.bytes)}{databases}"]
    if what.left_out:
        lines.append(f"  not imported: {what.left_out} files that the tenant does not need (caches, logs, locks)")
    if what.followed:
        lines.append(f"  copied in place of links: {_few(what.followed)}")
    if what.links:
        lines.append(
            f"  not imported: {_few(what.links)}, which {'is a link' if len(what.links) == 1 else 'are links'}"
        )
    if what.elsewhere:
        lines.append(f"  not imported: {what.elsewhere} files that do not belong to {what.app}")
    if what.rewritten:
        lines.append(f"  old paths are replaced by the new paths in {_few(what.rewritten)}")
    if not what.rehearse:
        lines.append("  without a rehearsal")
    return "\n".join(lines)


def _say_secrets(session: Session, what: Import) -> None:
    for name, file in what.secrets:
        if what.take_secrets:
            session.output.say(f"  {name} moves from {file} into the inventory, sealed")
        else:
            session.output.warn(
                f"{file} has {name} in plain text; --take-secrets seals {name} in the inventory instead"
            )
    for key, file in what.plain_secrets[:MOST_PLAIN]:
        session.output.warn(f"{file} has {key} in plain text and keeps it: {what.app} has no secret for {key}")
    if (more := len(what.plain_secrets) - MOST_PLAIN) > 0:
        session.output.warn(f"{more} more values look like credentials in plain text")
    for name, file in what.other_secrets:
        session.output.warn(f"{file} has another value of {name}, which stays in the file")


def _question(what: Import) -> str:
    if what.replaces:
        return f"Replace {what.tenant}'s data with the imported data? The present data is kept as a generation."
    return f"Start {what.tenant} on the imported data as {what.app} {what.version}?"


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more


def _ended(done: Outcome) -> str:
    from launchpad.cli.wording import lasted

    return f"{done.tenant}: imported in {lasted(done.seconds or 0.0)}"


@app.command("export", epilog="Example: launchpad export alice --to alice.tgz")
def export(
    ctx: typer.Context,
    tenant: Tenant,
    generation: Annotated[
        str,
        typer.Option(
            "--generation",
            metavar="ID",
            help="A generation's id, from `launchpad generations`. Default: the present data.",
        ),
    ] = "",
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="FILE", help="The archive to write. Default: TENANT-GENERATION.tgz in this folder."
        ),
    ] = None,
    encrypt_for: Annotated[
        list[str] | None,
        typer.Option("--encrypt-for", metavar="age1…", help="Encrypt the archive for this age recipient. Repeatable."),
    ] = None,
    no_secrets: Annotated[
        bool, typer.Option("--no-secrets", help="Do not export the tenant's secrets; the app then asks for them.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    identifier: OperationId = "",
) -> None:
    """Export TENANT's data as an archive for a self-hosted installation of its app.

    A self-hosted installation starts on the unpacked archive. The archive holds TENANT's data as of one instant, taken
    while TENANT runs. The archive has credentials in plain text unless --encrypt-for is given.
    """
    from launchpad.cli.wording import read
    from launchpad.fleet.words.references import Recipient
    from launchpad.operations.importing.export import HowToExport, export

    session = Session.of(ctx)
    recipients = tuple(read("--encrypt-for", Recipient, text) for text in encrypt_for or ())
    ending = ".tgz.age" if recipients else ".tgz"
    file = to or Path(f"{tenant}-{generation or _now(session)}{ending}")
    how = HowToExport(
        to=file,
        generation=generation,
        force=force,
        encrypt_for=recipients,
        identifier=identifier,
        secrets=not no_secrets,
    )
    with errors_as_lines(session):
        from launchpad.cli.progress import telling

        with telling(session.output) as on_event:
            done = export(session.workspace, tenant, how, on_event=on_event)
    session.output.item(done.as_json(), _exported(done))
    for name in done.left_out:
        session.output.warn(
            f"{name} is not exported: programs would read its value in different ways; give {name} to the app by hand"
        )
    if not done.encrypted and done.secrets:
        session.output.warn(f"{file} has credentials in plain text; --encrypt-for age1… encrypts the archive")


def _now(session: Session) -> str:
    import time

    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(session.workspace.clock.now()))


def _exported(done: Exported) -> str:
    from launchpad.cli.wording import size

    secrets = f", with {', '.join(done.secrets)}" if done.secrets else ""
    data = f"{done.files} files, {size(done.bytes)}, of {done.app} {done.version}{secrets}"
    return f"{done.tenant}: {done.file} has {data}"
