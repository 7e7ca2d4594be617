"""launchpad runbook: the page about an alert, as text for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Annotated

import typer

from launchpad.cli import complete
from launchpad.cli.session import Session

app = typer.Typer(help="Read the runbooks.")

_LINK = re.compile(r"\[([^]]+)\]\(([^)]+)\)")
_CELL = re.compile(r" \|(?= )")
_ITEM = re.compile(r"- |[0-9]+\. ")


@app.command("runbook", epilog="Example: launchpad runbook host-docker")
def runbook(
    ctx: typer.Context,
    page: Annotated[
        str,
        typer.Argument(
            metavar="PAGE",
            autocompletion=complete.runbooks,
            show_default=False,
            help="The page that an alert names, or the layer alone, such as docker. Default: the overview.",
        ),
    ] = "",
) -> None:
    """Print the runbook of an alert: what the alert means, what to look at, what to type, and whom to wake.

    The overview lists every page, and has severity levels, the work on call, and a checklist for incidents.
    """
    from launchpad.operations.observation.runbook import runbook

    session = Session.of(ctx)
    name, text = runbook(page)
    session.output.result({"page": name, "markdown": text}, readable(text))


def readable(markdown: str) -> str:
    """The page without Markdown's marks: a block of lines for each row of a table, one line for each paragraph."""
    blocks = [list(lines) for blank, lines in groupby(markdown.splitlines(), lambda line: not line) if not blank]
    text = "\n\n".join("\n".join(_rows(lines) if lines[0][0] == "|" else _joined(lines)) for lines in blocks)
    return _LINK.sub(_where, text.replace("**", ""))


def _rows(lines: list[str]) -> Iterator[str]:
    """Each row of a table: the first cell, and below it the others with their headings."""
    headings, _, *rows = ([cell.strip() for cell in _CELL.split(line.strip("|"))] for line in lines)
    for row in rows:
        yield row[0]
        yield from (f"  {heading}: {cell}" for heading, cell in zip(headings[1:], row[1:], strict=True) if cell)


def _joined(lines: list[str]) -> Iterator[str]:
    """The lines of a paragraph as one; headings, list items and commands stay lines of their own."""
    whole = ""
    for line in lines:
        code, heading = line.startswith("    "), line.lstrip("#")
        if code or heading != line or _ITEM.match(line):
            yield from filter(None, (whole,))
            whole = heading.strip().upper() if line.startswith("##") else heading.strip() if not code else ""
            if code:
                yield line
        else:
            whole = f"{whole} {line.strip()}".strip()
    yield from filter(None, (whole,))


def _where(link: re.Match[str]) -> str:
    """The link's text and the command that prints the page, or the place of the file in the project."""
    text, (path, _, _) = link[1], link[2].partition("#")
    if "/" not in path:
        return f"{text} (`launchpad runbook {path.removesuffix('.md')}`)"
    file = path.removeprefix("../").removeprefix("../")
    return f"{text} ({file if path.startswith('../../') else f'docs/{file}'} of the project)"
