"""Validate options while the command line is parsed, before a file is read or a host is contacted."""

from __future__ import annotations

from pathlib import Path


def operation_id(value: str) -> str:
    """Validate an operation's id, or an empty text; raise Malformed otherwise."""
    from launchpad.fleet.words.names import OperationName

    return value and OperationName(value)


def host_key_fingerprint(value: str) -> str:
    """Validate a host key's fingerprint, or an empty text; raise Malformed, which names the option, otherwise."""
    from launchpad.cli.wording import read
    from launchpad.fleet.words.references import Fingerprint

    return value and read("--fingerprint", Fingerprint, value)


def linux_user(value: str) -> str:
    """A Linux user's name as `admins:` of a host may have one, or root; Malformed, which names the option, else."""
    from launchpad.cli.wording import read
    from launchpad.fleet.words.names import OperatorName

    return read("--root-user", OperatorName, value)


def present(value: Path | None) -> Path | None:
    """Validate the path of an existing file, or None; raise InventoryError otherwise."""
    from launchpad.errors import InventoryError

    if value is not None and not value.expanduser().is_file():
        raise InventoryError(f"{value}: file not found", code="file-not-found", hint=f"ls -l {value}")
    return value
