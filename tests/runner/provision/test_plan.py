"""What is to do, from what is: empty when nothing is, and each difference shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.families import kinds_of, step_from_json
from launchpad.runner.host import Failed
from launchpad.runner.provision.plan import differences, planned_provision
from launchpad.runner.provision.steps import HostStep
from launchpad.runner.step import step_as_json, step_name
from launchpad.runner.system import Other
from launchpad.runner.verbs.plan import plan
from launchpad.runner.watching.host_check import look_at_host
from tests.memory.host import File
from tests.memory.system import BareHost
from tests.runner.provision.settings import IMAGE, key, settings
from tests.runner.provision.test_kill_points import body, run


def provisioned() -> BareHost:
    host = BareHost(registry={IMAGE})
    assert run(host, body(settings())) == "done"
    host.calls.clear()
    return host


def steps_of(host: BareHost, **changes: object) -> list[str]:
    names = [step_name(type(step)) for step in planned_provision(host, settings(**changes))]
    assert names[-1:] in ([], ["look-again"]), "the watch looks again whenever something was changed"
    return names[:-1]


def test_a_plan_changes_nothing() -> None:
    host = BareHost(registry={IMAGE})
    (reply,) = plan(host, {"operation": {"kind": "provision", "settings": settings()}}, Caller("alice"))
    assert len(reply["body"]["steps"]) > 20
    assert any("+PermitRootLogin no" in diff for diff in reply["body"]["diffs"])
    assert host.calls == []


def test_nothing_is_to_do_on_a_host_that_is_as_it_should_be() -> None:
    assert steps_of(provisioned()) == []


@pytest.mark.parametrize("unit", ["docker.service", "launchpad-watch.service"])
def test_what_is_active_and_does_nothing_is_restarted(unit: str) -> None:
    host = provisioned()
    host.system.hung.add(unit)
    assert steps_of(host) == ["enable-units"]
    assert run(host, body(settings(), "operation-000002")) == "done"
    assert steps_of(host) == [] and not host.system.hung


def test_a_watch_of_an_older_runner_is_restarted() -> None:
    host = provisioned()
    older = json.loads(host.read(paths.ACCOUNT) or b"") | {"runner": "/usr/local/lib/launchpad/runner-older"}
    host.write(paths.ACCOUNT, json.dumps(older).encode())
    assert steps_of(host) == ["enable-units"]


def test_a_caddy_that_runs_and_does_not_answer_is_started_anew() -> None:
    class Silent(BareHost):
        silent = False

        def adapt(self, caddyfile: str) -> dict[str, Any]:
            if self.silent:
                raise Failed("Caddy does not answer")
            return super().adapt(caddyfile)

        def stop(self, project: str, seconds: int) -> None:
            self.silent = False

    host = Silent(registry={IMAGE})
    assert run(host, body(settings())) == "done"
    host.silent = True
    assert steps_of(host) == ["run-caddy"]
    assert run(host, body(settings(), "operation-000002")) == "done"
    assert not host.silent and steps_of(host) == []


def test_another_line_that_wins_in_sshd_and_another_user_who_is_root_have_their_steps_and_words() -> None:
    host = provisioned()
    host.files["/etc/ssh/sshd_config"].data = b"PermitRootLogin yes\nInclude /etc/ssh/sshd_config.d/*.conf\n"
    assert steps_of(host) == ["change-access"]
    assert told(host) == ["sshd has `PermitRootLogin yes`"]
    assert run(host, body(settings(), "operation-000002")) == "done"
    assert steps_of(host) == []
    assert (host.text("/etc/ssh/sshd_config") or "").startswith("# Written by Launchpad")
    host.system.strangers += [
        Other("eve", "keys", "eve can log in with keys"),
        Other("bob", "sudo", "sudo makes bob root"),
    ]
    assert steps_of(host) == ["keep-others-out"]
    assert told(host) == ["eve can log in with keys", "sudo makes bob root"]
    assert steps_of(host, admins=["bob", "eve"]) == ["record-settings"]
    assert run(host, body(settings(), "operation-000003")) == "done"
    assert told(host) == []


def told(host: BareHost) -> list[str]:
    """Everything that is otherwise than a provision makes it, as `status` says it."""
    return [item.message for item in look_at_host(host)]


def test_other_name_servers_are_told_by_their_addresses_and_let_through_by_a_provision() -> None:
    host = provisioned()
    host.system.resolvers = ("192.0.2.54", "192.0.2.55")
    assert told(host) == [
        "the firewall lets tenants use the name servers 192.0.2.53, but the host uses 192.0.2.54, 192.0.2.55"
    ], "and no word of the rules that follow from it"
    assert run(host, body(settings(), "operation-000002")) == "done"
    assert told(host) == []


def test_everything_that_a_provision_would_bring_back_is_told() -> None:
    host = provisioned()
    assert told(host) == []
    host.files["/etc/docker/daemon.json"].data = b"{}"
    host.files["/etc/sudoers.d/launchpad"].mode = 0o666
    del host.files["/etc/launchpad/authorized_keys"]
    host.system.packages.remove("fail2ban")
    host.system.active -= {"fail2ban.service", "apt-daily-upgrade.timer"}
    host.system.enabled -= {"chrony.service"}
    host.system.hung.add("docker.service")
    host.system.values["kernel.sysrq"] = "1"
    host.folders["/srv/launchpad/caddy/run"] = (0o777, 0)
    assert sorted(told(host)) == [
        "/etc/docker/daemon.json was changed",
        "/etc/launchpad/authorized_keys is missing",
        "/etc/sudoers.d/launchpad was changed",
        "apt-daily-upgrade.timer does not run",
        "chrony.service is not enabled at boot",
        "docker.service runs and does not answer",
        "fail2ban.service does not run",
        "the folder /srv/launchpad/caddy/run has another mode or owner",
        "the kernel's kernel.sysrq is 1, not 0",
        "the package fail2ban is not installed",
    ]
    assert run(host, body(settings(), "operation-000002")) == "done"
    assert told(host) == []


def test_each_change_by_hand_has_its_step() -> None:
    host = provisioned()
    host.files["/etc/docker/daemon.json"].data = b"{}"
    assert steps_of(host) == ["put-files"]
    host = provisioned()
    host.files["/etc/sudoers.d/launchpad"].mode = 0o666
    assert steps_of(host) == ["change-access"]
    host = provisioned()
    host.system.table = None
    assert steps_of(host) == ["change-access"]
    host = provisioned()
    host.system.packages.remove("fail2ban")
    host.system.active.discard("fail2ban.service")
    assert steps_of(host) == ["install-packages", "enable-units"]
    host = provisioned()
    host.system.caddy = None
    assert steps_of(host) == ["run-caddy"]
    host = provisioned()
    host.system.values["kernel.sysrq"] = "1"
    assert steps_of(host) == ["set-kernel"]
    host = provisioned()
    host.folders["/srv/launchpad/caddy/run"] = (0o777, 0)
    assert steps_of(host) == ["make-folders"]


def test_another_operator_changes_who_gets_in_and_what_is_recorded() -> None:
    host = provisioned()
    two = [{"name": "alice", "keys": [key(1)]}, {"name": "bob", "keys": [key(2)]}]
    assert steps_of(host, operators=two) == ["change-access", "record-settings"]
    (diff,) = differences(host, planned_provision(host, settings(operators=two)))
    added = [line for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
    assert len(added) == 1
    assert "operator=bob" in added[0]


def test_a_diff_says_what_comes_and_what_goes() -> None:
    host = provisioned()
    host.files["/etc/fail2ban/jail.d/launchpad.local"] = File(b"[sshd]\nenabled = false\n")
    (diff,) = differences(host, planned_provision(host, settings()))
    assert diff.startswith("--- /etc/fail2ban/jail.d/launchpad.local\n+++ /etc/fail2ban/jail.d/launchpad.local\n")
    assert "-enabled = false\n" in diff
    assert "+enabled = true\n" in diff


def test_storage_only_grows() -> None:
    host = provisioned()
    assert steps_of(host, storage={"loop_mb": 8192, "device": ""})[0] == "make-storage"
    assert "make-storage" not in steps_of(host, storage={"loop_mb": 1024, "device": ""})


def test_every_step_comes_back_from_its_journal() -> None:
    host = BareHost(registry={IMAGE})
    host.system.logins = {700: "of a key that is accepted no more"}
    host.system.enabled.add("launchpad-ship.service")
    steps = planned_provision(host, settings())
    assert [step_from_json(step_as_json(step)) for step in steps] == steps
    assert {type(step) for step in steps} == set(kinds_of(HostStep).values())


def test_a_kernel_value_that_is_tighter_already_is_left() -> None:
    host = provisioned()
    host.system.values["kernel.yama.ptrace_scope"] = "3"
    assert steps_of(host) == []
    host.system.values["kernel.yama.ptrace_scope"] = "0"
    assert steps_of(host) == ["set-kernel"]
