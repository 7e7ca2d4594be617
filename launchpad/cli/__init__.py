"""The command line: Typer commands, output for people and programs, every prompt, and the boundary where errors end."""

from __future__ import annotations


def main() -> None:
    """Run the command line that the process was started with, and exit as its outcome says."""
    import sys

    from launchpad.cli.boundary import run

    sys.exit(run(sys.argv[1:]))
