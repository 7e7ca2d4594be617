"""The root of the command line: a group that imports a command's module only when the command runs."""

from __future__ import annotations

import difflib
import importlib
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from launchpad import __version__
from launchpad.cli.complete import folders
from launchpad.cli.registry import SECTIONS, CommandEntry, entries
from launchpad.cli.session import Session

_STUBS = "launchpad.stubs"
_HYPHEN = "\ue001"
"""Stands for a hyphen while help is laid out, which would break lines there."""


class LazyGroup(typer.core.TyperGroup):
    """The commands of the registry. A command's module is imported when the command runs, and not for a list of
    commands."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (Typer's signature)
        return list(entries())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = entries().get(cmd_name)
        if entry is None:
            return None
        if ctx.meta.get(_STUBS):
            return typer.core.TyperCommand(entry.name, help=entry.help)
        return load(entry)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if name not in entries() and not name.startswith("-") and not ctx.resilient_parsing:
            guess = difflib.get_close_matches(name, entries(), n=1)
            ctx.fail(f"No such command '{name}'." + (f" Did you mean '{guess[0]}'?" if guess else ""))
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete command names from the registry alone, without importing a command."""
        ctx.meta[_STUBS] = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            del ctx.meta[_STUBS]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 (Typer's signature)
        width = max(map(len, entries()))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(entry.name.ljust(width), entry.help) for entry in section])


HELP = ["-h", "--help"]


@cache
def load(entry: CommandEntry) -> Any:
    """The command of a registry entry, with the options that every command takes."""
    module = importlib.import_module(f"launchpad.cli.{entry.module}")
    group = typer.main.get_group(module.app)
    command = group if entry.group else group.commands[entry.name]
    command.name = entry.name
    _add_shared_options(command)
    return command


def _add_shared_options(command: Any) -> None:
    """Accept the global options, such as `--json`, after a command as well as before it."""
    command.context_settings = {**command.context_settings, "help_option_names": HELP}  # also where nobody runs it
    command.rich_markup_mode = None  # Click's plain help: the same for every command, and faster than Rich
    command.format_help = lambda ctx, formatter: _format_help(command, ctx, formatter)
    command.format_epilog = lambda ctx, formatter: _show_example(command, formatter)  # noqa: ARG005 Click's
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                _show_plainly(parameter)
        command.params.extend(typer.main.get_command(_shared).params)
        return
    command.no_args_is_help = True
    command.format_commands = lambda ctx, formatter: _list_commands(command, formatter)  # noqa: ARG005 Click's
    for subcommand in subcommands.values():
        _add_shared_options(subcommand)


def _list_commands(group: Any, formatter: Any) -> None:
    """List the commands of a group, each with the whole first sentence of its help."""
    with formatter.section("Commands"):
        rows = [(name, " ".join(item.help.split())) for name, item in group.commands.items()]
        formatter.write_dl([(name, text.split(". ")[0].removesuffix(".") + ".") for name, text in rows])


def _format_help(command: Any, ctx: Any, formatter: Any) -> None:
    """Click's help, in which no line breaks at a hyphen or within a command to type."""
    from launchpad.cli.typed import glued, unglued

    write, write_text, write_dl = formatter.write, formatter.write_text, formatter.write_dl

    def whole(text: str) -> str:
        return glued(text).replace("-", _HYPHEN)

    formatter.write = lambda text: write(unglued(text).replace(_HYPHEN, "-"))
    formatter.write_text = lambda text: write_text(whole(text))
    formatter.write_dl = lambda rows, **more: write_dl([(left, whole(right)) for left, right in rows], **more)
    type(command).format_help(command, ctx, formatter)


def _show_example(command: Any, formatter: Any) -> None:
    """The example on a line of its own and whole, to be copied."""
    formatter.write(f"\nExample:\n  {(command.epilog or '').removeprefix('Example: ')}\n")


def _show_plainly(argument: Any) -> None:
    """Show only an argument's metavar in usage and help, without Typer's braces and type names."""
    name, more = argument.metavar, "" if argument.nargs == 1 else "..."
    whole = argument.get_help_record
    argument.get_usage_pieces = lambda ctx: [(name if argument.required else f"[{name}]") + more]  # noqa: ARG005 Click's
    argument.get_help_record = lambda ctx: (name + more, (whole(ctx) or ("", ""))[1])


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"launchpad {__version__}")
        raise typer.Exit


def _set_workspace(ctx: typer.Context, value: Path | None) -> None:
    if value is not None:
        Session.of(ctx).named = value


def _set_json(ctx: typer.Context, value: bool) -> None:
    if value:
        Session.of(ctx).json = True


def _set_no_color(ctx: typer.Context, value: bool) -> None:
    if value:
        Session.of(ctx).color = False


WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        metavar="FOLDER",
        callback=_set_workspace,
        expose_value=False,
        autocompletion=folders,
        help="The workspace. Default: LAUNCHPAD_WORKSPACE, else the nearest parent folder that has a launchpad.yaml.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", callback=_set_json, expose_value=False, help="Print JSON, for programs.")
]
NoColorOption = Annotated[
    bool, typer.Option("--no-color", callback=_set_no_color, expose_value=False, help="Print no colours.")
]
_shared = typer.Typer(add_completion=False)
app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": HELP, "max_content_width": 100},
    epilog="launchpad COMMAND --help prints the command's options and an example.",
)


# The options' callbacks do the work. Typer finds the options in this function's parameters.
@_shared.command()
def shared(workspace: WorkspaceOption = None, json: JsonOption = False, no_color: NoColorOption = False) -> None:
    """Declare the global options; this function is never called."""
    del workspace, json, no_color


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    no_color: NoColorOption = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run other people's containers safely on plain VPS hosts."""
    del workspace, json, no_color, version
    ctx.call_on_close(Session.of(ctx).warn_of_left_out)
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
