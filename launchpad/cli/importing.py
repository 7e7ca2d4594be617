"""launchpad import, export: somebody's own installation becomes a tenant, and a tenant an installation of one's own."""

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

app = typer.Typer(help="Into the fleet and out of it.")

MOST_PLAIN = 30
MOST_SHOWN = 6


@app.command("import", epilog="Example: launchpad import alice --from bob@203.0.113.9: --stop-with 'pkill openclaw'")
def import_(
    ctx: typer.Context,
    tenant: Tenant,
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="ARCHIVE|USER@HOST:PATH", help="A tar of the files, or the home where they lie."
        ),
    ],
    take_secrets: Annotated[
        bool, typer.Option("--take-secrets", help="Seal the secrets in its files into the inventory instead.")
    ] = False,
    stop_with: Annotated[
        str, typer.Option("--stop-with", metavar="COMMAND", help="What stops the old one, run over the same login.")
    ] = "",
    stopped: Annotated[bool, typer.Option("--stopped", help="The old one is stopped already.")] = False,
    no_rehearsal: Annotated[
        bool, typer.Option("--no-rehearsal", help="Do not try it first on a clone of what came.")
    ] = False,
    soak: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="How long it must serve well to be final; never less than the app's steady time."
        ),
    ] = "0s",
    port: Annotated[
        int, typer.Option(min=1, max=65535, metavar="PORT", help="Where the old one's host answers SSH.")
    ] = 22,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", callback=present, help="The key that logs in there; else your own."),
    ] = None,
    fingerprint: Annotated[
        str,
        typer.Option(
            "--fingerprint",
            metavar="SHA256:…",
            callback=host_key_fingerprint,
            help="Accept this host key without asking.",
        ),
    ] = "",
    yes: Yes = False,
    identifier: OperationId = "",
) -> None:
    """Make somebody's own installation the data of TENANT, which is in the inventory and may run already.

    What comes is judged here and brought to the host; the tenant's release is rehearsed on a clone of it, and then
    started on it. If it does not come up, everything is as it was. The tenant's present data is kept as a generation.

    From another machine, the files are copied and rehearsed while the old one runs. Then it has to stop: by
    --stop-with, by hand when you are asked, or before (--stopped); what it wrote meanwhile is copied, and the tenant
    starts on it. Nothing else is changed there.
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
        session.output.say(f"{name} is sealed in inventory/secrets/{tenant}.yaml now; commit it")
    if done.silent_seconds is not None:
        session.output.say(f"it was silent for {lasted(done.silent_seconds)}, from the stop to the first open door")
    if what.replaces:
        session.output.say(f"launchpad restore {tenant} --generation {done.id} brings back what it was")


def _came_back(session: Session, wish: Wish, identifier: str) -> bool:
    """Whether the command was typed before, and its cut-over began: that is followed then. The source is not read: what
    visitors wrote since would be replaced by it once more."""
    from launchpad.operations.requests.again import come_back

    found = earlier(session, wish, identifier)
    if found is None:
        return False
    carry_out(session, lambda on_event: come_back(session.workspace, found, on_event=on_event), words=_ended)
    if wish.words["take_secrets"]:
        session.output.say(f"secrets of its files are sealed in inventory/secrets/{wish.tenant}.yaml; commit it")
    session.output.say(f"launchpad generations {wish.tenant} lists the data that it had before")
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
        raise InventoryError(f"{source} is a folder; expected an archive", hint=f"tar -czf state.tgz -C {source} .")
    if not path.is_file():
        raise InventoryError(f"{source}: there is no such file", hint="an archive, or USER@HOST:PATH")
    return path


def _judge_options(session: Session, where: Path | SshLogin, *, stop_with: str, stopped: bool) -> None:
    from launchpad.cli.boundary import UsageError
    from launchpad.errors import StateError

    if stop_with and stopped:
        raise UsageError("give --stop-with or --stopped, not both", hint="launchpad import --help")
    if not isinstance(where, Path) and not (stop_with or stopped or session.interactive):
        raise StateError("nobody is there to say that the old one is stopped", hint="add --stop-with, or --stopped")
    if isinstance(where, Path) and (stop_with or stopped):
        raise UsageError("an archive has nothing to stop", hint="--stop-with is for USER@HOST:PATH")


def _stopping(session: Session, found: Checked, *, command: str, stopped: bool) -> Callable[[], float] | None:
    """What stops the old one, and says when that was, by the monotonic clock; None for an archive."""
    import time

    from launchpad.cli.prompts import confirm
    from launchpad.operations.importing import self_hosted

    login = found.login
    if login is None:
        return None

    def stop() -> float:
        if command:
            session.output.say(f"stopping it: {command}")
            return self_hosted.stop(session.workspace, login, command)
        if not stopped:
            session.output.say(f"all is ready: stop the old one on {login.address} now")
            confirm(session, "Is it stopped?", yes=False, hint="add --stop-with COMMAND, or --stopped")
        return time.monotonic()

    return stop


def _described(what: Import) -> str:
    from launchpad.cli.wording import size

    version = f" {what.source_version}" if what.source_version else ""
    plural = "" if what.databases == 1 else "s"
    databases = f", {what.databases} sound SQLite database{plural}" if what.databases else ""
    lines = [f"{what.source} is {what.layout}{version}: {what.files} files, {size(what.bytes)}{databases}"]
    if what.left_out:
        lines.append(f"  left out: {what.left_out} files that are of no use elsewhere")
    if what.followed:
        lines.append(f"  by links, in the links' places: {_few(what.followed)}")
    if what.links:
        lines.append(f"  left out: {_few(what.links)}, which {'is a link' if len(what.links) == 1 else 'are links'}")
    if what.elsewhere:
        lines.append(f"  left out: {what.elsewhere} files that are nothing of {what.app}'s")
    if what.rewritten:
        lines.append(f"  its old paths become the new ones in {_few(what.rewritten)}")
    if not what.rehearse:
        lines.append("  it is not rehearsed")
    return "\n".join(lines)


def _say_secrets(session: Session, what: Import) -> None:
    for name, file in what.secrets:
        if what.take_secrets:
            session.output.say(f"  {name} leaves {file} and is sealed in the inventory")
        else:
            session.output.warn(f"{name} stands in {file} in plain; --take-secrets seals it in the inventory instead")
    for key, file in what.plain_secrets[:MOST_PLAIN]:
        session.output.warn(f"{file} has {key} in plain, and keeps it: it is none of {what.app}'s secrets here")
    if (more := len(what.plain_secrets) - MOST_PLAIN) > 0:
        session.output.warn(f"and {more} more that look like credentials")
    for name, file in what.other_secrets:
        session.output.warn(f"{file} has another {name}, which stays where it is")


def _question(what: Import) -> str:
    if what.replaces:
        return f"Replace {what.tenant}'s data by it? The present data is kept as a generation."
    return f"Start {what.tenant} on it as {what.app} {what.version}?"


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
        str, typer.Option("--generation", metavar="ID", help="One that launchpad generations shows; else of now.")
    ] = "",
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="TENANT-GENERATION.tgz here when left out.")
    ] = None,
    encrypt_for: Annotated[
        list[str] | None, typer.Option("--encrypt-for", metavar="age1…", help="Who alone can read it, once for each.")
    ] = None,
    no_secrets: Annotated[
        bool, typer.Option("--no-secrets", help="Leave the tenant's secrets out; the app asks for them then.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write TENANT's data to an archive in its app's own form: unpacked in a home, a plain install starts on it.

    It is of one instant, taken while the tenant runs. It holds credentials in plain, unless it is encrypted.
    """
    from launchpad.cli.wording import read
    from launchpad.fleet.words.references import Recipient
    from launchpad.operations.importing.export import HowToExport, export

    session = Session.of(ctx)
    recipients = tuple(read("--encrypt-for", Recipient, text) for text in encrypt_for or ())
    ending = ".tgz.age" if recipients else ".tgz"
    file = to or Path(f"{tenant}-{generation or _now(session)}{ending}")
    how = HowToExport(to=file, generation=generation, force=force, encrypt_for=recipients, secrets=not no_secrets)
    with errors_as_lines(session):
        from launchpad.cli.progress import telling

        with telling(session.output) as on_event:
            done = export(session.workspace, tenant, how, on_event=on_event)
    session.output.item(done.as_json(), _exported(done))
    for name in done.left_out:
        session.output.warn(
            f"{name} is left out: readers of such files differ on its value; give it to the app by hand"
        )
    if not done.encrypted and done.secrets:
        session.output.warn(f"{file} holds credentials in plain; --encrypt-for age1… writes it for one reader")


def _now(session: Session) -> str:
    import time

    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(session.workspace.clock.now()))


def _exported(done: Exported) -> str:
    from launchpad.cli.wording import size

    secrets = f", with {', '.join(done.secrets)}" if done.secrets else ""
    data = f"{done.files} files, {size(done.bytes)}, of {done.app} {done.version}{secrets}"
    return f"{done.tenant}: {done.file} has {data}"
