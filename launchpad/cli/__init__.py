"""The command line: Typer commands, output for people and for programs, every prompt, and the error boundary."""

from __future__ import annotations


def main() -> None:
    """Run the command line of this process, and exit with its exit code."""
    import sys

    from launchpad.cli.boundary import run

    sys.exit(run(sys.argv[1:]))
