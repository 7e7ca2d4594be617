"""provision from the operator's side: what is asked of a host, what is signed, and what nobody is asked for."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from launchpad.errors import HostError, InventoryError, StateError
from launchpad.events import CameBack, ConfirmNeeded, HeardEvent, ignore
from launchpad.fleet.model.alert import URL
from launchpad.fleet.model.host import Host
from launchpad.fleet.words.names import DestinationName
from launchpad.fleet.words.secret import Secret
from launchpad.journal.begun import BegunFolder
from launchpad.operations.hosts.confirming import answering
from launchpad.operations.hosts.host_settings import host_settings
from launchpad.operations.hosts.log_authority import FILE, host_certificate, make_authority
from launchpad.operations.hosts.provision import HowToProvision, plan_provision, provision
from launchpad.operations.requests.again import reported
from launchpad.runner.alerting.addresses import url
from launchpad.runner.journal import Journal
from launchpad.runner.protocol import canonical, digest_of
from launchpad.runner.provision.settings_record import settings_from_json, stored_settings
from launchpad.runner.shipping.host_certificate import certificate
from launchpad.runner.shipping.upload import tls
from launchpad.settings import Settings
from launchpad.ssh.archive import runner_archive
from launchpad.ssh.problems import HostKeyUnknown, LoginRefused, OfferedKey, if_never_provisioned
from launchpad.workspace import Runner, Workspace
from tests.memory.hosts import MemoryHosts
from tests.memory.system import BareHost
from tests.operations.places import write_workspace
from tests.runner.alerting.told import MAIL
from tests.runner.provision.settings import IMAGE, key
from tests.runner.provision.test_kill_points import body, run


def make_key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "laptop", "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text().strip()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with host web-1, which is provisioned as it says."""
    config = tmp_path / "config"
    config.mkdir()
    root = write_workspace(tmp_path / "fleet", {"web-1": 22}, {})
    change(
        root / "launchpad.yaml",
        operators=[
            {
                "name": "alice",
                "keys": [make_key(config / "ssh_ed25519")],
                "signing_keys": [make_key(config / "signing_ed25519")],
            }
        ],
        caddy={"image": IMAGE},
    )
    environment = {"LAUNCHPAD_CONFIG": str(config), "LAUNCHPAD_OPERATOR": "alice"}
    settings = Settings.of(environment, home=tmp_path)
    opened = Workspace.open(root, settings=settings, environment=environment)
    host = BareHost(registry={IMAGE})
    fleet = opened.fleet.load()
    assert run(host, body(host_settings(opened, fleet, fleet.host("web-1")))) == "done"
    host.system.root_asks = False
    digest = runner_archive().digest.removeprefix("sha256:")[:16]
    return replace(opened, hosts=MemoryHosts({"web-1": host}, digest))


def change(path: Path, **values: Any) -> None:
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | values))


def hosts_in(workspace: Workspace) -> MemoryHosts:
    assert isinstance(workspace.hosts, MemoryHosts)
    return workspace.hosts


def add_bob(workspace: Workspace, folder: Path) -> None:
    written = yaml.safe_load((workspace.root / "launchpad.yaml").read_text())
    bob = {"name": "bob", "keys": [make_key(folder / "bob")]}
    change(workspace.root / "launchpad.yaml", operators=[*written["operators"], bob])


def test_both_sides_name_the_settings_alike(workspace: Workspace) -> None:
    fleet = workspace.fleet.load()
    made = host_settings(workspace, fleet, fleet.host("web-1"))
    assert settings_from_json(made).digest == digest_of(canonical(made))


def test_alert_destinations_come_with_their_urls_sealed(workspace: Workspace, tmp_path: Path) -> None:
    workspace.settings.identity.write_text((tmp_path / "identity").read_text())
    change(workspace.root / "launchpad.yaml", alerts=[{"name": "team", "grade": "critical", "quiet": "22:00-07:00"}])
    with pytest.raises(StateError) as raised:
        provision(workspace, "web-1")
    assert raised.value.hint == "launchpad alerts credential team"
    workspace.alert_secrets.set(DestinationName("team"), URL, Secret(MAIL))
    assert provision(workspace, "web-1").outcome == "done"
    host = hosts_in(workspace).hosts["web-1"]
    settings = stored_settings(host).settings
    assert settings is not None
    (destination,) = settings.alerts
    assert (destination.name, destination.grade, destination.quiet) == ("team", "critical", "22:00-07:00")
    assert url(host, destination) == MAIL
    assert "apprise" in host.system.packages
    assert [path for path, item in host.files.items() if b"the-password" in item.data] == []
    assert "the-password" not in (workspace.root / "inventory/secrets/alerts/team.yaml").read_text()
    assert provision(workspace, "web-1").outcome == "unchanged"


def test_a_collector_needs_an_authority_and_its_hosts_get_certificates_of_it(
    workspace: Workspace, tmp_path: Path
) -> None:
    workspace.settings.identity.write_text((tmp_path / "identity").read_text())
    change(workspace.root / "inventory/hosts.yaml", **{"web-1": collecting(workspace)})
    with pytest.raises(StateError) as raised:
        provision(workspace, "web-1")
    assert raised.value.hint == "launchpad key collector"
    assert make_authority(workspace) == 1
    assert provision(workspace, "web-1").outcome == "done"
    host = hosts_in(workspace).hosts["web-1"]
    settings = stored_settings(host).settings
    assert settings is not None and settings.logs is not None
    assert (settings.logs.host, settings.logs.senders) == ("web-1", ("127.0.0.1",))
    pem = certificate(host, settings.logs).decode()
    tls(ssl.PROTOCOL_TLS_SERVER, settings.logs, pem.encode())
    private = pem.splitlines()[1].encode()
    assert [path for path, item in host.files.items() if private in item.data] == []
    assert provision(workspace, "web-1").outcome == "unchanged"
    assert make_authority(workspace) == 2
    assert provision(workspace, "web-1").outcome == "done"
    change(workspace.root / "inventory/hosts.yaml", **{"web-1": collecting(workspace) | {"collector": False}})
    assert provision(workspace, "web-1").outcome == "done"
    assert not {"launchpad-ship.service", "launchpad-collect.service"} & host.system.active


def collecting(workspace: Workspace) -> dict[str, Any]:
    written = yaml.safe_load((workspace.root / "inventory/hosts.yaml").read_text())
    return dict(written["web-1"]) | {"collector": True}


def test_an_operator_without_the_secret_still_plans_and_a_foreign_certificate_is_not_sent(
    workspace: Workspace, tmp_path: Path
) -> None:
    change(workspace.root / "inventory/hosts.yaml", **{"web-1": collecting(workspace)})
    make_authority(workspace)
    titles = [step.title for step in plan_provision(workspace, "web-1").steps]
    assert "enable launchpad-ship.service, launchpad-collect.service" in titles
    workspace.settings.identity.write_text((tmp_path / "identity").read_text())
    (workspace.root / FILE).write_text((workspace.root / FILE).read_text().replace("MII", "MIJ"))
    with pytest.raises(StateError, match=FILE):
        host_certificate(workspace, "web-1")


def test_a_host_that_is_as_it_should_be_is_asked_once_and_told_nothing(workspace: Workspace) -> None:
    hosts = hosts_in(workspace)
    workspace.settings.signing_key.unlink()  # nobody has to sign for that
    assert provision(workspace, "web-1").outcome == "unchanged"
    assert hosts.connections == 1
    assert hosts.asked == ["hello", "plan"]
    assert hosts.hosts["web-1"].begun == []


def test_another_operator_is_signed_for(workspace: Workspace, tmp_path: Path) -> None:
    host = hosts_in(workspace).hosts["web-1"]
    add_bob(workspace, tmp_path)
    events: list[str] = []
    outcome = provision(workspace, "web-1", on_event=lambda heard: events.append(type(heard.event).__name__))
    assert outcome.outcome == "done"
    assert host.gets_in("bob")
    assert events[0] == "OperationStarted"
    assert "ConfirmNeeded" in events
    assert provision(workspace, "web-1").outcome == "unchanged"


def test_without_the_signing_key_nothing_is_submitted(workspace: Workspace, tmp_path: Path) -> None:
    add_bob(workspace, tmp_path)
    workspace.settings.signing_key.unlink()
    with pytest.raises(StateError, match="cannot sign"):
        provision(workspace, "web-1")
    assert "submit" not in hosts_in(workspace).asked


def test_drift_is_mended_without_a_signature(workspace: Workspace) -> None:
    host = hosts_in(workspace).hosts["web-1"]
    host.files["/etc/docker/daemon.json"].data = b"{}"
    workspace.settings.signing_key.unlink()
    assert provision(workspace, "web-1").outcome == "done"
    assert b"userns-remap" in host.files["/etc/docker/daemon.json"].data


def test_who_would_shut_themselves_out_is_told_before_anything_begins(workspace: Workspace) -> None:
    refused = LoginRefused("web-1: accepts none of 1 keys")
    for command in (provision, plan_provision):
        hosts_in(workspace).failures[:] = [refused]
        with pytest.raises(StateError, match="would remove the sudo rights and SSH keys of debian") as caught:
            command(workspace, "web-1", how=HowToProvision(root_user="debian"))
        assert "admins: [debian]" in caught.value.hint
        assert hosts_in(workspace).failures == [refused], "a host was asked first"


def test_a_plan_shows_and_changes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    host = hosts_in(workspace).hosts["web-1"]
    add_bob(workspace, tmp_path)
    host.calls.clear()
    planned = plan_provision(workspace, "web-1")
    assert not planned.bare
    assert [step.step for step in planned.steps] == ["change-access", "record-settings", "look-again"]
    assert "operator=bob" in "".join(planned.diffs)
    assert host.calls == []


def test_an_unknown_key_needs_somebody_to_confirm_it(workspace: Workspace) -> None:
    offered = OfferedKey("ssh-ed25519", "AAAA", "SHA256:abc")
    asked: list[str] = []

    def no(offer: Any) -> bool:
        asked.append(offer.key.fingerprint)
        return False

    hosts_in(workspace).failures = [HostKeyUnknown("web-1: unknown key", key=offered)]
    with pytest.raises(HostKeyUnknown):
        provision(workspace, "web-1", how=HowToProvision(confirm_key=no))
    assert asked == ["SHA256:abc"]
    hosts_in(workspace).failures = [HostKeyUnknown("web-1: unknown key", key=offered)]
    with pytest.raises(HostKeyUnknown):
        provision(workspace, "web-1")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"operators": []}, "no operators"),
        ({"operators": [{"name": "alice", "keys": [key(1)]}]}, "no signing_keys"),
        ({"caddy": {"image": "docker.io/library/caddy:2.11.7"}}, "has no digest"),
        ({"caddy": {"image": IMAGE, "acme_ca_root": "missing.pem"}}, "missing.pem"),
    ],
)
def test_what_a_host_needs_must_be_written_down(workspace: Workspace, changes: Mapping[str, Any], says: str) -> None:
    change(workspace.root / "launchpad.yaml", **changes)
    with pytest.raises(InventoryError, match=says) as error:
        provision(workspace, "web-1")
    assert error.value.hint or "cannot read" in error.value.message
    assert hosts_in(workspace).connections == 0


@pytest.mark.parametrize("content", [b"0\x82\x03\xe8\x30\x82", "# Zertifikat für uns\n".encode("latin-1")])
def test_an_acme_root_that_is_no_text_is_not_a_pem_file(workspace: Workspace, content: bytes) -> None:
    change(workspace.root / "launchpad.yaml", caddy={"image": IMAGE, "acme_ca_root": "root.der"})
    (workspace.root / "root.der").write_bytes(content)
    with pytest.raises(InventoryError, match=r"caddy.acme_ca_root: root.der is not a PEM file") as caught:
        provision(workspace, "web-1")
    assert caught.value.hint.startswith("openssl x509 -inform der -in root.der -out root.der.pem")
    assert hosts_in(workspace).connections == 0


class Flaky:
    """Cannot be reached at first, as a host whose sshd is starting anew."""

    def __init__(self, hosts: MemoryHosts, failures: int) -> None:
        self.hosts = hosts
        self.left = failures

    def reach(self, host: Host) -> AbstractContextManager[Runner]:
        self.left -= 1
        if self.left >= 0:
            self.hosts.failures = [HostError("web-1: connection refused")]
        return self.hosts.reach(host)


def test_a_confirmation_is_tried_again(workspace: Workspace) -> None:
    from launchpad.runner.provision import reverts

    memory = hosts_in(workspace)
    machine = memory.hosts["web-1"]
    machine.operator_listens = False
    revert = reverts.arm(machine, "operation-1", "access")
    revert = reverts.in_force(machine, revert)
    machine.system.connected = machine.clock + 1
    web_1 = workspace.fleet.load().host("web-1")
    hear = answering(Flaky(memory, failures=2), web_1, ignore)
    event = ConfirmNeeded(index=0, nonce=revert.nonce, seconds=10)
    hear(HeardEvent(host="web-1", operation="operation-1", tenant="", event=event))
    assert reverts.state_of(machine, revert.nonce) == "confirmed"


def test_who_provisions_is_given_no_hint_to_provision(workspace: Workspace) -> None:
    never = f"{if_never_provisioned('web-1')}ssh -v root@web-1"
    hosts_in(workspace).failures = [HostError("web-1: connection refused", hint=never)] * 9
    with pytest.raises(HostError) as raised:
        provision(workspace, "web-1")
    assert raised.value.hint == "ssh -v root@web-1"


def test_one_that_was_cut_off_is_followed_and_no_other_begun(workspace: Workspace, tmp_path: Path) -> None:
    add_bob(workspace, tmp_path)
    opened = replace(workspace, begun=BegunFolder(workspace.root))

    def killed(_heard: HeardEvent) -> None:
        raise KeyboardInterrupt

    host = hosts_in(workspace).hosts["web-1"]
    with pytest.raises(KeyboardInterrupt):
        provision(opened, "web-1", on_event=killed)
    (begun,) = opened.begun.all() if opened.begun else []
    host.remove(f"{Journal(host, begun.id).folder}/outcome.json")  # as it is until its end
    told: list[HeardEvent] = []
    done = provision(opened, "web-1", on_event=told.append)
    assert (done.id, done.outcome) == (begun.id, "done")
    assert isinstance(told[0].event, CameBack) and host.gets_in("bob")
    reported(opened, done.id)
    assert provision(opened, "web-1").outcome == "unchanged"
