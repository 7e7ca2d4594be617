"""How often an upgrade reads what does not change meanwhile: the inventory, and Git's history."""

from __future__ import annotations

from pathlib import Path

import pytest
from reach import upgraded


@pytest.mark.programs
def test_an_upgrade_loads_the_fleet_three_times_and_asks_git_four_times(tmp_path: Path) -> None:
    """For the plan, for the upgrade, and for the revision that the host is told at the end."""
    found = upgraded(tmp_path)
    assert found.times("FolderStore.load") <= 3
    assert found.programs.count("git") <= 4
