"""The exporter of metrics: only where the settings want it, on loopback alone, and its file before its package."""

from __future__ import annotations

from launchpad.runner.provision.plan import planned_provision
from launchpad.runner.provision.steps import EnableUnits, InstallPackages, PutFiles
from tests.memory.host import File
from tests.memory.system import BareHost
from tests.runner.provision.settings import IMAGE, settings
from tests.runner.provision.test_kill_points import body, run
from tests.runner.provision.test_plan import provisioned

NAME = "prometheus-node-exporter"
FILE = f"/etc/systemd/system/{NAME}.service.d/launchpad.conf"


def test_it_listens_on_loopback_before_it_is_installed() -> None:
    steps = planned_provision(BareHost(registry={IMAGE}), settings(exporter=True))
    places = [
        next(number for number, step in enumerate(steps) if found(step))
        for found in (
            lambda step: isinstance(step, PutFiles) and FILE in step.files,
            lambda step: isinstance(step, InstallPackages) and NAME in step.packages,
            lambda step: isinstance(step, EnableUnits) and f"{NAME}.service" in step.units,
        )
    ]
    assert places == sorted(places)
    text = next(step.files[FILE] for step in steps if isinstance(step, PutFiles) and FILE in step.files)
    assert "--web.listen-address=127.0.0.1:9100 " in text and "ExecStart=\n" in text


def test_it_is_kept_as_it_should_be_and_absent_where_nobody_wants_it() -> None:
    host = provisioned()
    assert FILE not in host.files and NAME not in host.system.packages
    wanted = settings(exporter=True)
    assert run(host, body(wanted, "operation-000002")) == "done"
    assert NAME in host.system.packages and planned_provision(host, wanted) == []
    host.files[FILE] = File(b"[Service]\n")
    host.system.active.discard(f"{NAME}.service")
    names = [type(step).__name__ for step in planned_provision(host, wanted)]
    assert names == ["PutFiles", "EnableUnits", "LookAgain"]
