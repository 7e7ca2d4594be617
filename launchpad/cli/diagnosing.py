"""launchpad diagnose: find the cause of a problem of a tenant or a host, and write a bundle for support."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.output import Table
from launchpad.cli.session import Session

if TYPE_CHECKING:
    from launchpad.operations.observation.diagnose import Diagnosed

app = typer.Typer(help="Find the causes of problems.")
READ = "read"
LONGEST = 160
"""Characters of a line that a cause was seen by."""


@app.command("diagnose", epilog="Example: launchpad diagnose alice --share")
def diagnose(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="TENANT|HOST",
            autocompletion=complete.tenants_and_hosts,
            help="A tenant or a host; or the word `read`, followed by a FILE.",
        ),
    ],
    file: Annotated[
        str, typer.Argument(metavar="FILE", show_default=False, help="After `read`: the bundle to analyse.")
    ] = "",
    case: Annotated[
        str,
        typer.Option(metavar="ID", help="Use the same pseudonyms in all bundles of this case; a name of your choice."),
    ] = "",
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what the bundle would contain; write no file.")
    ] = False,
    share: Annotated[
        bool, typer.Option("--share", help="Also write the bundle as an age file, for the workspace's recipients.")
    ] = False,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="RECIPIENT", help="With --share: encrypt for this age recipient. Repeatable."),
    ] = None,
) -> None:
    """Name the cause of a problem and the command that fixes it, and write a bundle for support.

    The host collects its versions, configuration, logs of 48 hours, network and resources, removes secrets, and
    replaces addresses and names by pseudonyms. The host does not send a bundle that contains a secret of its tenants.
    Message bodies stay on the host. `diagnose read FILE` analyses an existing bundle.
    """
    from launchpad.operations.observation import diagnose as asking

    session = Session.of(ctx)
    if file and name != READ:
        raise typer.BadParameter("name one TENANT or HOST, or: read FILE", ctx=ctx)
    if file:
        _print(session, asking.read_bundle(Path(file), identity=session.settings.identity))
        return
    if to and not share:
        raise typer.BadParameter("--to needs --share", ctx=ctx)
    found = asking.diagnose(session.workspace, name, case=case, preview=preview)
    if preview:
        _print(session, found, preview=True)
        session.output.say(f"no bundle was written; for the causes and the bundle: launchpad diagnose {name}")
        return
    bundle = asking.save(session.workspace, found)
    shared = asking.share(session.workspace, found, bundle, recipients=to or ()) if share else None
    _print(session, found, bundle=bundle, shared=shared)


def _print(
    session: Session, found: Diagnosed, *, preview: bool = False, bundle: Path | None = None, shared: Path | None = None
) -> None:
    about = {"bundle": bundle and str(bundle), "shared": shared and str(shared)}
    if preview and not session.json:
        session.output.result(None, _sections(found))
    else:
        session.output.result(found.as_json() | about, "\n".join(_lines(found)))
    for line in _about_bundle(found, bundle, shared):
        session.output.say(line)


def _lines(found: Diagnosed) -> list[str]:
    """Each cause with the line to type, the root first."""
    whose = f"{found.tenant} on {found.host}" if found.tenant else found.host
    if not found.diagnoses:
        return [f"{whose}: no cause of a problem was found"]
    count = len(found.diagnoses)
    lines = [f"{whose}: 1 cause found" if count == 1 else f"{whose}: {count} causes found; fix the first one first"]
    for number, item in enumerate(found.diagnoses, 1):
        lines += ["", f"{number}. {_one(item.message)}", f"   type: {_one(item.hint)}"]
        lines += [f"   seen: {_shortened(_one(text))}" for text in list(dict.fromkeys(item.evidence))[:3]]
    return lines


def _one(text: str) -> str:
    """The text on one line, because the author of the bundle controls the text."""
    return " ".join(text.split())


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _sections(found: Diagnosed) -> Table:
    from launchpad.cli.wording import size

    there = found.manifest.get("sections", {})
    rows = [(name, size(int(count))) for name, count in there.items()]
    rows += [(name, f"missing: {why}") for name, why in found.manifest.get("missing", {}).items()]
    return Table(("section", "size"), tuple(rows), "the bundle would be empty")


def _about_bundle(found: Diagnosed, bundle: Path | None, shared: Path | None) -> list[str]:
    """How much was taken out, and where the file is."""
    from launchpad.cli.wording import size

    manifest = found.manifest
    removed = manifest.get("removed", {})
    taken = ", ".join(f"{removed.get(kind, 0)} {kind}" for kind in ("secrets", "tokens", "addresses", "names"))
    lines = [f"taken out or replaced: {taken}; searched for {manifest.get('searched', 0)} secrets of the host"]
    if unread := manifest.get("unread"):
        lines.append(
            f"these sealed secrets could not be opened, so the bundle was not searched for them: {', '.join(unread)}"
        )
    if missing := manifest.get("missing"):
        lines += [f"not collected: {name}: {why}" for name, why in missing.items() if bundle]
    if bundle:
        lines.append(f"bundle: {bundle} ({size(len(found.data))}); read the file (zless) before you send it")
    if shared:
        lines.append(f"to send: {shared}; the recipient types: launchpad diagnose read {shared.name}")
    return lines
