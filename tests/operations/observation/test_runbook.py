"""runbook: the page that an alert names is found."""

from __future__ import annotations

import pytest

from launchpad.errors import InventoryError
from launchpad.operations.observation.runbook import page_about, runbook, runbooks
from launchpad.runner.alerting.routes import runbook as told
from launchpad.runner.facts import Fact, Grade, Layer


def test_hosts_and_this_side_name_the_same_page() -> None:
    for layer in Layer:
        for tenant in ("", "alice"):
            fact = Fact(layer=layer, grade=Grade.critical, message="", tenant=tenant)
            assert page_about(layer, tenant=tenant) == told(fact)


def test_each_page_is_found() -> None:
    assert {name for name in runbooks() if runbook(name)[0] != name} == set()
    assert runbook("")[0] == "README" and runbook("docker")[0] == "host-docker"


@pytest.mark.parametrize("name", ["../../etc/passwd", "README", "nothing", "settings"])
def test_what_is_no_page_is_refused_with_what_to_type(name: str) -> None:
    with pytest.raises(InventoryError) as caught:
        runbook(name)
    assert caught.value.hint.startswith("launchpad runbook")
