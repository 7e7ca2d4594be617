"""scripts/reference: write docs/reference.md from the code alone, so that the reference always matches the code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codes import PASSED_ON, sites
from counting import read

from launchpad import errors, settings
from launchpad.cli.app import load
from launchpad.cli.registry import SECTIONS
from launchpad.fleet.keeping.schema import KINDS, schema
from launchpad.fleet.words.quantities import Duration, Size
from launchpad.plan.standing import STATES

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/reference.md"
EXAMPLES = {
    "launchpad": "launchpad.yaml",
    "host": "inventory/hosts.yaml",
    "tier": "inventory/tiers.yaml",
    "target": "inventory/targets.yaml",
    "app": "inventory/apps/notes.yaml",
    "tenant": "inventory/tenants/alice.yaml",
}
"""The example files below docs/examples/, with every key and a comment."""
EVERYWHERE = {"workspace", "json", "no_color", "help"}


def reference() -> str:
    """The whole document."""
    lines = ["# Reference", "", "Made by `scripts/reference` from the code.", "", "## Commands", ""]
    lines += ["Every command takes `-w FOLDER` (the workspace), `--json`, `--no-color` and `--help`.", ""]
    for title, section in SECTIONS.items():
        lines += [f"### {title}", ""]
        for entry in section:
            lines += described(f"launchpad {entry.name}", load(entry))
    lines += ["## Files", ""]
    for kind in KINDS:
        made = schema(kind)
        lines += [f"### {kind}", "", f"Annotated: [{EXAMPLES[kind]}](examples/{EXAMPLES[kind]})", ""]
        lines += [*keys(made, made.get("$defs", {})), ""]
    lines += ["## Environment", "", *block(settings.__doc__ or ""), ""]
    lines += ["## States of a tenant", "", "The words of `launchpad status`.", "", *states(), ""]
    lines += ["## Exit codes", "", *exits(), ""]
    lines += ["## Codes of errors", "", *named()]
    return "\n".join(lines).rstrip() + "\n"


def block(docstring: str) -> list[str]:
    """The lines of a docstring, with its table unchanged."""
    return [line.rstrip() for line in docstring.strip().splitlines()]


def states() -> Iterator[str]:
    """A row for each word."""
    yield from ("| state | the tenant |", "| --- | --- |")
    yield from (f"| `{state}` | {meaning} |" for state, meaning in STATES.items())


def exits() -> Iterator[str]:
    """A row for each exit code without an error class, and for each class of error."""
    yield from ("| exit code | error | worth a retry | meaning |", "| --- | --- | --- | --- |")
    rows = [(code, "", "", meaning) for code, meaning in errors.OTHER_EXITS.items()]
    for kind in deliberate(errors.LaunchpadError):
        meaning = " ".join((kind.__doc__ or "").split())
        rows.append((kind.exit_code, f"`{kind.__name__}`", "yes" if kind.retry else "no", meaning))
    yield from (f"| {' | '.join(map(str, row))} |" for row in sorted(rows, key=lambda row: row[0]))
    yield ""
    yield 'With `--json` an error is one document on standard output, `{"error": {…}}`: `error` (the class), `code`'
    yield "(the cause), `host`, `message`, `hint`, `next` (the commands in the hint, each with its arguments),"
    yield "`exit_code`, `retry`, and for several failures `failures`. Match the exit code, the class or the code, never"
    yield "the message."
    yield ""
    yield "One command has other codes: `launchpad health` exits as monitoring plugins do, with 0 (ok), 1 (warning),"
    yield "2 (critical) or 3 (unknown), and with 3 for every error."


def named() -> Iterator[str]:
    """A row for each code of an error; of a code with several texts, the first."""
    yield "The `code` of an error with `--json`. A code stands for one cause and for one thing to do next, and stays."
    yield from ("", "| code | message | next |", "| --- | --- | --- |")
    listed: set[str] = set()
    for site in sites(read(DOCUMENT.parent.parent).trees):
        if site.code in {"", PASSED_ON, *listed}:
            continue
        listed.add(site.code)
        yield f"| `{site.code}` | {one_cell(site.text)} | {one_cell(site.hint)} |"


def one_cell(text: str) -> str:
    """The text in a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


def deliberate(kind: type[errors.LaunchpadError]) -> Iterator[type[errors.LaunchpadError]]:
    """The subclasses of a class in launchpad/errors.py, each after its parent."""
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield below
        yield from deliberate(below)


def described(path: str, command: Any) -> Iterator[str]:
    """The section of a command, and of its subcommands."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from described(f"{path} {name}", inner)
        return
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    options = [item for item in command.params if item.param_type_name == "option" and item.name not in EVERYWHERE]
    words = " ".join(piece for item in arguments for piece in item.get_usage_pieces(None))
    yield from (
        f"#### `{path}{' ' + words if words else ''}`",
        "",
        " ".join((command.help or "").split("\n\n")[0].split()),
        "",
    )
    for paragraph in (command.help or "").split("\n\n")[1:]:
        yield from (" ".join(paragraph.split()), "")
    for option in options:
        names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
        yield f"- {names}: {' '.join((option.help or '').split())}"
    yield from ([""] if options else [])
    if command.epilog:
        yield from (f"    {' '.join(command.epilog.removeprefix('Example: ').split())}", "")


def keys(made: dict[str, Any], definitions: dict[str, Any], above: str = "") -> Iterator[str]:
    """A line for each key of a file, with its meaning."""
    made = resolved(made, definitions)
    if (each := by_name(made)) is not None and not made.get("properties"):
        yield from keys(each, definitions, f"{above}NAME.")
        return
    for name, item in made.get("properties", {}).items():
        inner = resolved(item, definitions)
        left_out = written(item.get("default"))
        default = f" (default {left_out})" if left_out else ""
        meaning = " ".join((item.get("description") or inner.get("description") or "").split())
        yield f"- `{above}{name}`{default}{': ' + meaning if meaning else ''}"
        listed = resolved(inner.get("items", {}), definitions)
        if inner.get("properties") or by_name(inner) is not None:
            yield from keys(inner, definitions, f"{above}{name}.")
        elif listed.get("properties"):
            yield from keys(listed, definitions, f"{above}{name}[].")


def by_name(made: dict[str, Any]) -> dict[str, Any] | None:
    """The schema below each name, for mappings whose names the operator chooses."""
    below = [made.get("additionalProperties"), *made.get("patternProperties", {}).values()]
    return next((item for item in below if isinstance(item, dict)), None)


def written(default: Any) -> str:
    """A default as people write it; empty for a structure, whose keys have their own defaults."""
    if isinstance(default, dict) and set(default) == {"seconds"}:
        return str(Duration(default["seconds"]))
    if isinstance(default, dict) and set(default) == {"mb"}:
        return str(Size(default["mb"]))
    return "" if default in (None, "") or isinstance(default, dict | list) else repr(default)


def resolved(item: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema behind a reference or an optional."""
    choices = [choice for choice in item.get("anyOf", []) if choice.get("type") != "null"]
    if choices:  # a schema with keys has more content than a single value
        item = next((choice for choice in choices if "$ref" in choice or "properties" in choice), choices[0])
    reference = item.get("$ref", "")
    return resolved(definitions[reference.rsplit("/", 1)[-1]], definitions) if reference else item


def main() -> int:
    text = reference()
    if "--check" in sys.argv[1:]:
        return 0 if DOCUMENT.is_file() and DOCUMENT.read_text() == text else 1
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
