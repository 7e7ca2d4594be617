"""Launchpad: run other people's containers safely on plain VPS hosts."""

__version__ = "0.1.0"
