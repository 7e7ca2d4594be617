"""What is judged while the words are parsed, before a file is read or a host is asked."""

from __future__ import annotations

from pathlib import Path


def operation_id(value: str) -> str:
    """An operation's id, or nothing; Malformed else."""
    from launchpad.fleet.words.names import OperationName

    return value and OperationName(value)


def host_key_fingerprint(value: str) -> str:
    """A host key's fingerprint, or nothing; Malformed, which names the option, else."""
    from launchpad.cli.wording import read
    from launchpad.fleet.words.references import Fingerprint

    return value and read("--fingerprint", Fingerprint, value)


def present(value: Path | None) -> Path | None:
    """A file that is there, or nothing; InventoryError else."""
    from launchpad.errors import InventoryError

    if value is not None and not value.expanduser().is_file():
        raise InventoryError(f"{value}: there is no such file", hint=f"ls -l {value}")
    return value
