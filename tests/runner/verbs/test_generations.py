"""The verb `generations`: what a rollback or a restore could bring back."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.generations import generations
from tests.memory.host import MemoryHost
from tests.memory.living import CALLER, a_host, rollback, run, simple, upgrade, version

ONE, TWO, THREE = (version(number)[0].short for number in (1, 2, 3))


def asked(host: MemoryHost, tenant: Any = "alice") -> dict[str, Any]:
    (answer,) = generations(host, {"tenant": tenant}, CALLER)
    return dict(answer["body"])


def test_what_is_kept_is_told_newest_first() -> None:
    host = a_host(1, 2)
    run(host, simple("operation-000001", "snapshot"))
    run(host, upgrade("operation-000002", version(2)))
    host.snapshot(paths.data("alice"), paths.generation("alice", "half"))
    said = asked(host)
    told = said["generations"]
    assert [item["id"] for item in told] == ["operation-000002", "operation-000001"]
    assert said["incomplete"] == ["half"]
    assert set(told[0]) == {"id", "tenant", "release", "version", "app", "at", "why", "operation", "disk_mb", "number"}


def test_releases_are_told_with_the_data_that_a_rollback_brings() -> None:
    host = a_host(1, 2, 3)
    run(host, upgrade("operation-000001", version(2)))
    run(host, upgrade("operation-000002", version(3)))
    run(host, rollback("operation-000003"))
    assert asked(host)["releases"] == [
        {"release": TWO, "version": "2", "kept": True, "running": True, "generation": "operation-000002"},
        {"release": THREE, "version": "3", "kept": True, "running": False, "generation": "operation-000003"},
        {"release": ONE, "version": "1", "kept": True, "running": False, "generation": "operation-000001"},
    ]


@pytest.mark.parametrize("tenant", ["bob", "../alice", ""])
def test_a_tenant_that_is_not_here_is_refused(tenant: str) -> None:
    with pytest.raises(Refused, match="no such tenant"):
        asked(a_host(1), tenant)
