"""Where something is to be written: told before the work for it is done."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from launchpad.errors import InventoryError, StateError
from launchpad.fleet.keeping.workspace_files import refuse_no_folder

NOBODY = 65534


@contextmanager
def not_root() -> Iterator[None]:
    """Root may write everywhere."""
    if os.getuid():
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_a_folder_that_may_not_be_written_in_is_told_before_anything_is_fetched() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o555)
        with not_root(), pytest.raises(StateError, match=f"{folder}: no permission to write") as caught:
            refuse_no_folder(folder / "alice.tar")
        assert caught.value.hint == f"ls -ld {folder}"
        folder.chmod(0o755)
        refuse_no_folder(folder / "alice.tar")
        with pytest.raises(InventoryError, match="is not a folder"):
            refuse_no_folder(folder / "none" / "alice.tar")
