"""Shell completion of the inventory's names, from file names and the starts of lines: fast, and never an error."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

_SECRET_NAME = re.compile(r"^(?:  - name: )?([A-Z][A-Z0-9_]+):?$", re.MULTILINE)
_OPERATOR = re.compile(r"^ *- name: ([a-z][a-z0-9-]*)$", re.MULTILINE)
_TOP_KEY = re.compile(r"([a-z][a-z0-9-]*):")


def tenants(ctx: Any, incomplete: str) -> list[str]:
    """Complete tenants' names."""
    return _stems(ctx, "inventory/tenants", incomplete)


def hosts(ctx: Any, incomplete: str) -> list[str]:
    """Complete hosts' names."""
    return _top_keys(ctx, "inventory/hosts.yaml", incomplete)


def jobs(ctx: Any, incomplete: str) -> list[str]:  # noqa: ARG001 (Typer's signature)
    """The jobs of `launchpad schedule`."""
    from launchpad.plan.timetable import JOBS

    return [job.name for job in JOBS if job.name.startswith(incomplete)]


def runbooks(ctx: Any, incomplete: str) -> list[str]:  # noqa: ARG001 (Typer's signature)
    """The pages of `launchpad runbook`."""
    from launchpad.operations.observation.runbook import runbooks

    return [name for name in runbooks() if name.startswith(incomplete)]


def tiers(ctx: Any, incomplete: str) -> list[str]:
    """Complete tiers' names."""
    return _top_keys(ctx, "inventory/tiers.yaml", incomplete)


def operators(ctx: Any, incomplete: str) -> list[str]:
    """Complete operators' names in launchpad.yaml."""
    root = next(_root(ctx), None)
    found: list[str] = []
    if root is not None:
        with suppress(OSError, UnicodeDecodeError):
            found = _OPERATOR.findall((root / "launchpad.yaml").read_text(encoding="utf-8"))
    return sorted(name for name in found if name.startswith(incomplete))


def targets(ctx: Any, incomplete: str) -> list[str]:
    """Complete targets' names."""
    return _top_keys(ctx, "inventory/targets.yaml", incomplete)


def apps(ctx: Any, incomplete: str) -> list[str]:
    """Complete apps' names, including the apps that Launchpad ships."""
    shipped = Path(__file__).parents[1] / "templates" / "compose"
    names = {path.parent.name for path in shipped.glob("*/app.yaml")}
    return sorted(
        {name for name in names if name.startswith(incomplete)} | set(_stems(ctx, "inventory/apps", incomplete))
    )


def secrets(ctx: Any, incomplete: str) -> list[str]:
    """Complete secrets' names, from the tenants' sealed files and from the apps."""
    root = next(_root(ctx), None)
    sources = [Path(__file__).parents[1].glob("templates/compose/*/app.yaml")]
    if root is not None:
        sources += [(root / "inventory/apps").glob("*.yaml"), (root / "inventory/secrets").glob("*.yaml")]
    found: set[str] = set()
    for source in sources:
        for path in source:
            with suppress(OSError, UnicodeDecodeError):
                found.update(_SECRET_NAME.findall(path.read_text(encoding="utf-8")))
    return sorted(name for name in found if name.startswith(incomplete))


def tenants_and_hosts(ctx: Any, incomplete: str) -> list[str]:
    """Complete names of tenants and of hosts."""
    return tenants(ctx, incomplete) + hosts(ctx, incomplete)


def folders(incomplete: str) -> list[str]:
    """Complete folders on this machine."""
    start, _, rest = incomplete.rpartition("/")
    above = Path(f"{start}/" if start or incomplete.startswith("/") else ".").expanduser()
    prefix = f"{start}/" if incomplete.find("/") >= 0 else ""
    try:
        return sorted(f"{prefix}{p.name}/" for p in above.iterdir() if p.is_dir() and p.name.startswith(rest))
    except OSError:
        return []


def _stems(ctx: Any, folder: str, incomplete: str) -> list[str]:
    return sorted(
        path.stem for root in _root(ctx) for path in (root / folder).glob("*.yaml") if path.stem.startswith(incomplete)
    )


def _top_keys(ctx: Any, file: str, incomplete: str) -> list[str]:
    for root in _root(ctx):
        try:
            lines = (root / file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return []
        found = [match[1] for line in lines if (match := _TOP_KEY.match(line))]
        return sorted(name for name in found if name.startswith(incomplete))
    return []


def _root(ctx: Any) -> Iterator[Path]:
    """The workspace's folder, or None: the same rule as workspace.find_root, without its imports."""
    named = ctx.find_root().params.get("workspace") or os.environ.get("LAUNCHPAD_WORKSPACE")
    if named:
        yield Path(named).expanduser()
        return
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "launchpad.yaml").is_file():
            yield folder
            return
