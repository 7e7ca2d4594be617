"""The collector of logs, and the unit that sends to it: as the settings want, and off without a collector."""

from __future__ import annotations

from typing import Any

from launchpad.runner.provision.plan import planned_provision
from launchpad.runner.step import step_name
from tests.memory.system import BareHost
from tests.runner.provision.settings import CERTIFICATE, collector, settings
from tests.runner.provision.test_kill_points import body, run
from tests.runner.provision.test_plan import provisioned

SHIPPER, COLLECTOR = "launchpad-ship.service", "launchpad-collect.service"


def steps_of(host: BareHost, wanted: dict[str, Any]) -> dict[str, str]:
    return {step_name(type(step)): step.title for step in planned_provision(host, wanted)}


def test_a_host_sends_where_there_is_a_collector_and_stops_without_one() -> None:
    host, wanted = provisioned(), settings(logs=collector("web-2"))
    assert SHIPPER not in host.system.active
    assert steps_of(host, wanted)["enable-units"] == f"enable {SHIPPER}"
    assert run(host, body(wanted, "operation-000002", secrets=CERTIFICATE)) == "done"
    assert SHIPPER in host.system.active & host.system.enabled and COLLECTOR not in host.system.active
    assert planned_provision(host, wanted) == []
    assert steps_of(host, settings())["disable-units"].startswith(f"stop and disable {SHIPPER}, ")
    assert run(host, body(settings(), "operation-000003")) == "done"
    assert SHIPPER not in host.system.active | host.system.enabled
    assert planned_provision(host, settings()) == []


def test_the_collector_listens_for_its_fleet_alone() -> None:
    host, wanted = provisioned(), settings(logs=collector())
    found = steps_of(host, wanted)
    assert "systemd-journal-remote" in found["install-packages"]
    assert found["enable-units"] == f"enable {SHIPPER}, {COLLECTOR}"
    assert run(host, body(wanted, "operation-000002", secrets=CERTIFICATE)) == "done"
    assert {SHIPPER, COLLECTOR} <= host.system.active
    assert "ip saddr { 203.0.113.7, 203.0.113.8 } tcp dport 19532 accept" in str(
        host.text("/etc/launchpad/firewall.nft")
    )
    assert [path for path, file in host.files.items() if b"the-private-key" in file.data] == []
    assert planned_provision(host, wanted) == []


def test_a_lost_certificate_is_sent_again() -> None:
    host, wanted = provisioned(), settings(logs=collector("web-2"))
    assert run(host, body(wanted, "operation-000002", secrets=CERTIFICATE)) == "done"
    del host.files["/etc/launchpad/logs/host@1.cred"]
    assert "record-settings" in steps_of(host, wanted)
