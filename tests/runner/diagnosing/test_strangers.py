"""What a stranger plays and hides: faults are named first, nobody is accused wrongly, and no secret gets out."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest
from measurement import record, tabulate

from launchpad.runner import paths
from launchpad.runner.protocol import Refused
from tests.runner.diagnosing.strangers import app_situations, hiding, host_situations, unlisted_situations
from tests.runner.diagnosing.strangers.app_situations import Row
from tests.runner.diagnosing.strangers.busy import busy
from tests.runner.diagnosing.strangers.hiding import WAYS
from tests.runner.diagnosing.strangers.stage import bundle_of, causes_of, played, text_of

LISTED = (*app_situations.SITUATIONS, *host_situations.SITUATIONS)
UNLISTED = unlisted_situations.SITUATIONS


def ids(rows: tuple[Row, ...]) -> list[str]:
    return [name for name, *_ in rows]


@pytest.mark.parametrize(("name", "wanted", "situation"), LISTED, ids=ids(LISTED))
def test_a_listed_fault_is_named_first_of_its_tenant_and_of_the_host(name: str, wanted: str, situation) -> None:
    for of in ("alice", ""):
        found = causes_of(played(situation, busy=busy(len(name))), of)
        assert found and found[0] in wanted.split("|"), found
