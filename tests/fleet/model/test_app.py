"""Apps as data: limits split by service, images pinned, one app made from another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.errors import InventoryError
from launchpad.fleet.model.app import App
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tier import Tier
from launchpad.fleet.words.quantities import Size
from tests.fleet.inventory import DIGEST, store, write

VERSION = {"version": "1", "images": {}}


def app(**changes: object) -> App:
    record = {"name": "a", "template": "a", "strategy": "swap", "services": {"web": {}}, "versions": (VERSION,)}
    return App.model_validate({**record, **changes})


def tier(memory: str = "1000MiB", cpus: float = 2, pids: int = 100) -> Tier:
    return Tier.model_validate({"name": "t", "memory": memory, "cpus": float(cpus), "pids": pids, "disk": "1GiB"})


def test_one_service_gets_it_all() -> None:
    limits = app().limits(tier())["web"]  # type: ignore[index]
    assert (limits.memory_mb, limits.cpus, limits.pids) == (1000, 2, 100)


def test_what_is_not_written_is_split_equally() -> None:
    limits = app(services={"a": {"memory": 0.5}, "b": {}, "c": {}}).limits(tier())
    assert [limit.memory_mb for limit in limits.values()] == [500, 250, 250]
    assert [limit.pids for limit in limits.values()] == [33, 33, 33]


@given(
    st.lists(st.none() | st.floats(0.01, 1), min_size=1, max_size=6),
    st.integers(64, 100_000),
    st.floats(0.1, 64),
)
def test_the_services_never_get_more_than_the_tier(shares: list[float | None], memory: int, cpus: float) -> None:
    total = sum(share for share in shares if share is not None)
    if total > 0.999:
        return
    services = {f"s{i}": {} if share is None else {"memory": share, "cpus": share} for i, share in enumerate(shares)}
    limits = app(services=services).limits(tier(str(Size(memory)), cpus)).values()
    assert sum(limit.memory_mb for limit in limits) <= memory + 6 * len(shares)
    assert sum(limit.cpus for limit in limits) <= cpus + 0.01 * len(shares)


def test_an_image_without_a_digest_is_listed_and_not_deployed(tmp_path: Path) -> None:
    openclaw = store(write(tmp_path)).load().app("openclaw")
    with pytest.raises(InventoryError) as raised:
        openclaw.images("2026.9.6")
    assert raised.value.message == "no digest for image gateway of openclaw 2026.9.6"
    assert raised.value.hint == "launchpad app pin openclaw:2026.9.6"


def test_extends_takes_the_rest_from_the_base(tmp_path: Path) -> None:
    override = f"extends: openclaw\nimages:\n  2026.9.6:\n    gateway: registry.example.com/openclaw@{DIGEST}\n"
    root = write(tmp_path, {"inventory/apps/openclaw.yaml": override})
    base = store(write(tmp_path / "base")).load().app("openclaw")
    openclaw = store(root).load().app("openclaw")
    assert openclaw.images("2026.9.6") == {"gateway": f"registry.example.com/openclaw@{DIGEST}"}
    assert [v.version for v in openclaw.versions] == [v.version for v in base.versions]
    assert openclaw.version("2026.9.5") == base.version("2026.9.5")
    assert (openclaw.secrets, openclaw.probes, openclaw.template) == (base.secrets, base.probes, base.template)


def test_extends_adds_and_replaces_versions(tmp_path: Path) -> None:
    override = f"""\
extends: echo
summary: another
timings: {{start: 5s}}
versions:
  - version: 1.1.0
    notes: replaced
    images: {{web: registry.example.com/echo@{DIGEST}}}
  - version: 2.0.0
    images: {{web: registry.example.com/echo:2}}
images:
  2.0.0: {{web: registry.example.com/echo:2@{DIGEST}}}
"""
    loud = store(write(tmp_path, {"inventory/apps/loud.yaml": override})).load().app("loud")
    assert [version.version for version in loud.versions] == ["1.0.0", "1.1.0", "2.0.0"]
    assert (loud.version("1.1.0").notes, loud.summary, loud.timings.start.seconds) == ("replaced", "another", 5)
    assert loud.images("2.0.0")["web"].pinned  # type: ignore[index]
    assert loud.template == "echo"


def test_extends_goes_on_from_what_was_extended_here(tmp_path: Path) -> None:
    override = f"extends: openclaw\nimages: {{2026.9.6: {{gateway: registry.example.com/openclaw@{DIGEST}}}}}\n"
    files = {"inventory/apps/openclaw.yaml": override, "inventory/apps/claw.yaml": "extends: openclaw\nsummary: mine\n"}
    claw = store(write(tmp_path, files)).load().app("claw")
    assert claw.summary == "mine"
    assert claw.images("2026.9.6") == {"gateway": f"registry.example.com/openclaw@{DIGEST}"}


def test_a_mistake_of_an_override_is_told_at_its_own_line(tmp_path: Path) -> None:
    root = write(tmp_path, {"inventory/apps/loud.yaml": "extends: echo\nweb:\n  service: wep\n  port: 80\n"})
    with pytest.raises(InventoryError, match=r"inventory/apps/loud\.yaml:3: unknown service wep"):
        store(root).check()


def test_variables_come_with_the_app_s_defaults(tmp_path: Path) -> None:
    fleet = store(write(tmp_path)).load()
    assert fleet.variables(fleet.tenant("bob")) == {"greeting": "hello", "count": 1}


def test_a_fleet_comes_back_from_its_json(tmp_path: Path) -> None:
    fleet = store(write(tmp_path)).load()
    assert Fleet.model_validate_json(json.dumps(fleet.as_json())) == fleet


def test_ports_of_mail_are_opened_by_the_apps_own_word_alone() -> None:
    assert app().egress_ports == ()
    assert app(egress_ports=(465, 587)).egress_ports == (465, 587)
    for wrong in ((25,), (22,), ("587",), 587):
        with pytest.raises(ValueError, match="egress_ports"):
            app(egress_ports=wrong)


def test_an_app_without_egress_reaches_no_port_of_mail() -> None:
    with pytest.raises(ValueError, match="egress_ports need egress: open"):
        app(egress="none", egress_ports=(587,))
