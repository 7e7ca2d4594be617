"""Write what is rendered now as what shall be rendered: `python -m tests.golden.write`, then read the diff.

Also records what the real Compose and Caddy make of it, for machines that have neither.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from launchpad.render.caddyfile import render_caddyfile
from launchpad.render.templates import TemplateSource
from launchpad.runner.protocol import release_as_json
from tests.render.example import TEMPLATES, fleet_of, rendered
from tests.render.tools import adapt, compose_command, resolve

GOLDEN = Path(__file__).parent
TENANTS = ("alice", "bea")


def as_text(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def rendered_files() -> Iterator[tuple[str, str]]:
    """Every golden file that rendering makes, by its path below this folder."""
    host = fleet_of().host("web-1")
    yield "web-1/Caddyfile", render_caddyfile(host, templates=TemplateSource(shipped=TEMPLATES))
    for tenant in TENANTS:
        result = rendered(tenant)
        yield f"{tenant}/release.json", as_text(release_as_json(result.release))
        for path, text in result.files.items():
            if text not in _shipped():
                yield f"{tenant}/files/{path}", text


def _shipped() -> set[str]:
    """The files that go to hosts as they are in the repository: a golden copy would only be written anew."""
    return {path.read_text() for path in (TEMPLATES / "compose").rglob("*") if path.suffix in (".mjs", ".sh")}


def recorded_files() -> Iterator[tuple[str, str]]:
    """What the real programs make of the releases."""
    for tenant in TENANTS:
        result = rendered(tenant)
        yield f"{tenant}/adapted.json", as_text(adapt(result.files["site.caddy"]))
        for side in ("a", "b"):
            resolved = resolve(result.files["compose.yaml"], result.release, side)
            yield f"{tenant}/resolved-{side}.json", as_text(resolved)


def main() -> None:
    if compose_command() is None:
        raise SystemExit("Compose 2 is not here: set LAUNCHPAD_COMPOSE to its program")
    files = dict(rendered_files()) | dict(recorded_files())
    for folder in ("web-1", *TENANTS):
        shutil.rmtree(GOLDEN / folder, ignore_errors=True)
    for name, text in files.items():
        path = GOLDEN / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    print(f"{len(files)} golden files written")


if __name__ == "__main__":
    main()
