"""runbook: the page about an alert; the pages ship with Launchpad."""

from __future__ import annotations

from pathlib import Path

from launchpad.errors import InventoryError
from launchpad.fleet.words.nearest import nearest
from launchpad.runner.hint import Next

FOLDER = Path(__file__).resolve().parents[2] / "runbooks"
OVERVIEW = "README"


def runbooks() -> tuple[str, ...]:
    """The names of the pages, such as host-docker."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != OVERVIEW))


def page_about(layer: str, *, tenant: str) -> str:
    """The name of the page about an alert; `tenant` is empty for an alert about a host."""
    return f"{'tenant' if tenant else 'host'}-{layer}"


def runbook(name: str) -> tuple[str, str]:
    """The page's name and its text in Markdown, found by the name or by the layer alone; the overview for an empty
    name. InventoryError for a name without a page, and for a layer with two pages."""
    found = [page for page in runbooks() if name in (page, page.partition("-")[2])] if name else [OVERVIEW]
    if len(found) > 1:
        hint = ", or ".join(Next("runbook", page) for page in found)
        raise InventoryError(f"{name} has two runbooks: {' and '.join(found)}", code="two-runbooks", hint=hint)
    if not found:
        guess = nearest(name, runbooks())
        raise InventoryError(
            f"no runbook {name}", code="no-runbook", hint=Next("runbook", guess) if guess else Next("runbook")
        )
    return found[0], (FOLDER / f"{found[0]}.md").read_text(encoding="utf-8")
