"""import and export from the files to a host in memory and back: what is told, what is put back, what nobody sees."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launchpad.archives.environment import entries
from launchpad.errors import StateError
from launchpad.events import CameBack, Committed, HeardEvent
from launchpad.fleet.sealing.age import AgeIdentity, new_identity
from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.journal.begun import BegunFolder
from launchpad.operations.importing.export import Exported, HowToExport, export
from launchpad.operations.importing.import_tenant import HowToImport, ImportOutcome, checked, import_tenant
from launchpad.operations.importing.self_hosted import login_of
from launchpad.operations.requests.again import Wish, come_back, find, reported
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.requests.outcome import OperationFailed
from launchpad.operations.tenants.deploy import deploy
from launchpad.operations.tenants.retire import plan_retirement, retire
from launchpad.runner import generation_records, paths
from launchpad.runner.journal import Journal
from launchpad.runner.plan import read_record
from launchpad.workspace import Workspace
from tests.archives.packing import of, pack
from tests.memory.data import File
from tests.memory.hosts import MemoryHosts
from tests.operations.moving.test_transfer import know
from tests.operations.places import TOKEN, environment_of, open_workspace, tenant_yaml, write_workspace
from tests.runner.verbs.view import MemoryView

OLD_TOKEN = "the-token-that-the-old-one-had"
APP = f"""
template: echo
strategy: swap
services: {{web: {{}}}}
volumes: [state]
secrets:
  - name: ECHO_TOKEN
    required: true
probes: [{{kind: process}}, {{kind: ready, service: web, port: 8080, path: /startupz}}]
timings: {{start: 20s, steady: 2s, stop: 10s}}
imports:
  layouts:
    - {{name: Echo, marker: .echo/echo.json, version: version, into: [1.0.0], places: {{.echo: state}}}}
  secrets:
    - {{secret: ECHO_TOKEN, file: state/echo.json, key: token, instead: {{token: '${{ECHO_TOKEN}}'}}}}
exports:
  places: {{state: .echo}}
  environment: .echo/.env
versions:
  - {{version: 1.0.0, images: {{web: 'registry.example.com/echo:1.0.0@sha256:{"1" * 64}'}}}}
  - {{version: 1.1.0, images: {{web: 'registry.example.com/echo:1.1.0@sha256:{"2" * 64}'}}}}
"""
COMPOSE = 'services:\n  web:\n    command: [echo]\n    volumes: [{{ volume("state", at="/data") }}]\n'
STATE = {"schema": 1, "log": ["from the old one"]}
FILES: dict[str, Any] = {".echo/echo.json": {"version": "0.9", "token": OLD_TOKEN}, ".echo/state.json": STATE}


class Composing(MemoryView):
    """With Compose's own reading of sizes, as the judge wants them."""

    def resolve(self, folder: str, project: str, environment: Mapping[str, str]) -> dict[str, Any]:
        found = super().resolve(folder, project, environment)
        for service in found["services"].values():
            for name in ("mem_limit", "memswap_limit"):
                service[name] = str(int(service[name].removesuffix("m")) << 20)
        return found


@pytest.fixture
def host() -> MemoryView:
    made = Composing()
    made.registry |= {f"registry.example.com/echo:1.{minor}.0@sha256:{str(minor + 1) * 64}" for minor in (0, 1)}
    return made


@pytest.fixture
def workspace(tmp_path: Path, host: MemoryView) -> Workspace:
    root = write_workspace(tmp_path / "fleet", {"web-1": 22}, {"alice": "web-1"})
    (root / "inventory/apps/echo.yaml").write_text(APP)
    (root / "inventory/tenants/alice.yaml").write_text(tenant_yaml(1, "web-1", "alice", domains=[]))
    (root / "templates/compose/echo/compose.yaml.j2").write_text(COMPOSE)
    opened = open_workspace(root)
    know(host, list(map(str, opened.fleet.load().defaults.recipients)))
    environment, hosts = environment_of(root), {"web-1": host}
    return Workspace.open(
        root,
        settings=opened.settings,
        environment=environment,
        hosts=MemoryHosts(hosts, digest=""),  # type: ignore[arg-type]
    )


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return pack(tmp_path / "old.tgz", of(FILES))


def imported(workspace: Workspace, source: Path, **how: Any) -> ImportOutcome:
    heard: list[HeardEvent] = []
    with checked(workspace, "alice", source, HowToImport(**how)) as found:
        sure = Confirmation(digest=found.what.digest)
        done = import_tenant(workspace, found, confirm=sure, on_event=heard.append)
        assert OLD_TOKEN not in json.dumps(found.what.as_json()) + repr(found) + repr(heard) + repr(done)
    return done


def state_of(host: MemoryView, folder: str = "") -> dict[str, Any]:
    return dict(json.loads(host.files[f"{folder or paths.data('alice')}/state/state.json"].data))


def serving(host: MemoryView) -> str:
    """The release that runs, by its containers."""
    (release,) = {box.release for box in host.boxes.values() if box.tenant == "alice" and box.state == "running"}
    return release


def test_a_tenant_that_never_ran_starts_on_it(workspace: Workspace, host: MemoryView, archive: Path) -> None:
    done = imported(workspace, archive)
    assert (done.outcome, done.silent_seconds) == ("done", None)
    assert state_of(host)["log"][0] == "from the old one"
    assert serving(host)
    assert [item.why for item in generation_records.kept(host, "alice")] == ["received"], (
        "the empty data is no generation"
    )
    assert steps_of(host, done.id).count("rehearse") == 1


def steps_of(host: MemoryView, identifier: str) -> list[str]:
    return [event["step"] for event in Journal(host, identifier).events() if event["event"] == "step-done"]


def test_the_data_of_one_that_runs_is_kept_and_comes_back(
    workspace: Workspace, host: MemoryView, archive: Path
) -> None:
    deploy(workspace, "alice")
    write_state(host, "alices own")
    done = imported(workspace, archive, rehearse=False)
    assert state_of(host)["log"][0] == "from the old one"
    kept = generation_records.read(host, "alice", done.id)
    assert kept is not None and (kept.why, kept.version) == ("import", "1.0.0")
    assert state_of(host, paths.generation("alice", done.id))["log"] == ["alices own"]
    again = imported(workspace, archive)
    assert [item.id for item in generation_records.kept(host, "alice") if item.why == "received"] == [f"{again.id}-in"]


def write_state(host: MemoryView, text: str) -> None:
    found = json.dumps({"schema": 1, "log": [text]}).encode()
    host.files[f"{paths.data('alice')}/state/state.json"] = File(found)


def test_secrets_that_are_taken_are_sealed_and_reach_the_app(
    workspace: Workspace, host: MemoryView, archive: Path
) -> None:
    done = imported(workspace, archive, take_secrets=True)
    assert done.sealed == ("ECHO_TOKEN",)
    version, value = workspace.secrets.reveal(TenantName("alice"))[SecretName("ECHO_TOKEN")]
    assert (version, value.reveal()) == (2, OLD_TOKEN)
    config = json.loads(host.files[f"{paths.data('alice')}/state/echo.json"].data)
    assert config["token"] == "${ECHO_TOKEN}"
    record = read_record(host, "alice")
    assert record is not None and record["secrets"] == {"ECHO_TOKEN": 2}
    mentions = [path for path, item in host.files.items() if OLD_TOKEN.encode() in item.data and "/run/" not in path]
    assert all("/vault/" in path or "/secrets/" in path for path in mentions), mentions


def test_what_is_undone_leaves_the_inventory_s_secrets_as_they_were(
    workspace: Workspace, host: MemoryView, archive: Path
) -> None:
    (image,) = {item for item in host.registry if "1.0.0" in item}
    host.behaviours[image] = "crash"
    with pytest.raises(OperationFailed, match="import failed and was undone: in the rehearsal"):
        imported(workspace, archive, take_secrets=True)
    _, value = workspace.secrets.reveal(TenantName("alice"))[SecretName("ECHO_TOKEN")]
    assert value.reveal() == TOKEN
    assert not host.boxes and read_record(host, "alice") is None


def test_what_may_go_on_keeps_the_secrets_that_it_goes_on_with(workspace: Workspace, archive: Path) -> None:
    """Whoever leaves while the host works must not take from the inventory what the host commits to."""

    def leave(_heard: HeardEvent) -> None:
        raise KeyboardInterrupt

    with checked(workspace, "alice", archive, HowToImport(take_secrets=True)) as found:
        sure = Confirmation(digest=found.what.digest)
        with pytest.raises(KeyboardInterrupt):
            import_tenant(workspace, found, confirm=sure, on_event=leave)
    _, value = workspace.secrets.reveal(TenantName("alice"))[SecretName("ECHO_TOKEN")]
    assert value.reveal() == OLD_TOKEN


def test_what_came_and_never_ran_can_be_purged(workspace: Workspace, host: MemoryView, archive: Path) -> None:
    (image,) = {item for item in host.registry if "1.0.0" in item}
    host.behaviours[image] = "crash"
    with pytest.raises(OperationFailed):
        imported(workspace, archive)
    assert generation_records.kept(host, "alice")
    what = plan_retirement(workspace, "alice", purge=True)
    assert retire(workspace, what, confirm=what.digest).outcome == "done"
    assert not host.names(paths.TENANTS)


@pytest.mark.parametrize(
    ("version", "found", "said", "hint"),
    [
        (
            "1.1.0",
            "0.9",
            "Echo 0.9 can be imported only into version 1.0.0, but the inventory has version 1.1.0",
            "write version: 1.0.0",
        ),
        ("1.0.0", "1.0.1", "the data is of Echo 1.0.1, and the older version echo 1.0.0", "write version: 1.0.1"),
    ],
)
def test_a_version_that_does_not_take_it_over_is_refused(
    version: str, found: str, said: str, hint: str, workspace: Workspace, tmp_path: Path
) -> None:
    record = tenant_yaml(1, "web-1", "alice", domains=[], version=version)
    (workspace.root / "inventory/tenants/alice.yaml").write_text(record)
    files = FILES | {".echo/echo.json": {"version": found}}
    with pytest.raises(StateError, match=said) as refused:
        imported(workspace, pack(tmp_path / "old.tgz", of(files)))
    assert hint in refused.value.hint


def test_more_than_fits_the_tier_is_refused_before_anything_is_sent(
    workspace: Workspace, host: MemoryView, tmp_path: Path
) -> None:
    tiers = workspace.root / "inventory/tiers.yaml"
    tiers.write_text(tiers.read_text().replace("1GiB", "1MiB"))
    files = FILES | {".echo/large": bytes(1 << 20)}
    with pytest.raises(StateError, match="1 MiB, too much for the disk of tier light"):
        imported(workspace, pack(tmp_path / "old.tgz", of(files)))
    assert not host.names(paths.TENANTS)


def test_a_plan_that_was_not_confirmed_is_not_carried_out(
    workspace: Workspace, host: MemoryView, archive: Path
) -> None:
    with (
        checked(workspace, "alice", archive, HowToImport()) as found,
        pytest.raises(StateError, match="import was not confirmed"),
    ):
        import_tenant(workspace, found, confirm=Confirmation(digest="0" * 12))
    assert not host.names(paths.TENANTS)


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ("bob@203.0.113.9:", ("bob", "203.0.113.9", "")),
        ("bob@vps.example.com:~/.openclaw", ("bob", "vps.example.com", ".openclaw")),
        ("bob@[2001:db8::1]:/home/bob", ("bob", "2001:db8::1", "/home/bob")),
        ("state.tgz", None),
        ("bob@host", None),
        ("-oProxyCommand=x@host:y", None),
    ],
)
def test_where_an_old_one_runs(text: str, login: tuple[str, str, str] | None) -> None:
    found = login_of(text)
    assert (found and (found.user, found.address, found.path)) == login


# --- export


def exported(workspace: Workspace, file: Path, **how: Any) -> Exported:
    return export(workspace, "alice", HowToExport(to=file, **how))


def archive_members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        streams = {entry.name: tar.extractfile(entry) for entry in tar if entry.isreg()}
        return {name: stream.read() if stream else b"" for name, stream in streams.items()}


def test_an_export_is_what_an_import_takes(workspace: Workspace, host: MemoryView, archive: Path) -> None:
    imported(workspace, archive)
    file = archive.with_name("alice.tgz")
    done = exported(workspace, file)
    assert (done.secrets, done.version, file.stat().st_mode & 0o777) == (("ECHO_TOKEN",), "1.0.0", 0o600)
    found = archive_members(file)
    assert set(found) == {".echo/echo.json", ".echo/state.json", ".echo/.env"}
    assert found[".echo/.env"] == f"ECHO_TOKEN={TOKEN}\n".encode()
    assert json.loads(found[".echo/state.json"])["log"][0] == "from the old one"
    assert TOKEN not in json.dumps(done.as_json())
    with checked(workspace, "alice", file, HowToImport()) as again:
        assert (again.what.layout, again.what.files, again.what.replaces != "") == ("Echo", 3, True)


@pytest.mark.parametrize("value", ["a # b", 'it\'s "so"', "-----BEGIN\nKEY-----\n", "ends with \\"])
def test_a_secret_is_the_same_after_an_export_or_is_said_to_be_left_out(
    workspace: Workspace, archive: Path, value: str
) -> None:
    imported(workspace, archive)
    workspace.secrets.set(TenantName("alice"), SecretName("ECHO_TOKEN"), Secret(value))
    file = archive.with_name("alice.tgz")
    done = exported(workspace, file)
    assert done.secrets + done.left_out == ("ECHO_TOKEN",)
    read = {name: found for _, name, found in entries(archive_members(file).get(".echo/.env", b"")) if name}
    assert read == ({"ECHO_TOKEN": value} if done.secrets else {})


def test_a_file_that_is_there_stays_unless_it_is_to_go(workspace: Workspace, archive: Path) -> None:
    imported(workspace, archive)
    file = archive.with_name("alice.tgz")
    file.write_text("mine")
    with pytest.raises(StateError, match="exists already"):
        exported(workspace, file)
    assert file.read_text() == "mine"
    exported(workspace, file, force=True, secrets=False)
    assert ".echo/.env" not in archive_members(file)
    assert [path.name for path in file.parent.glob(".*partial*")] == []


def test_what_breaks_in_the_middle_leaves_no_file(workspace: Workspace, archive: Path) -> None:
    imported(workspace, archive)
    file = archive.with_name("alice.tgz")
    with pytest.raises(StateError, match="no generation nothing"):
        exported(workspace, file, generation="nothing")
    assert not [path for path in file.parent.iterdir() if "alice.tgz" in path.name]


def test_one_that_is_encrypted_opens_with_the_reader_s_identity_alone(workspace: Workspace, archive: Path) -> None:
    imported(workspace, archive)
    text, reader = new_identity()
    file, own = archive.with_name("alice.tgz.age"), archive.with_name("own")
    own.write_text(text)
    assert exported(workspace, file, encrypt_for=(reader,)).encrypted
    assert file.read_bytes().startswith(b"age-encryption.org/")
    with file.open("rb") as sealed, archive.with_name("plain.tgz").open("wb") as plain:
        AgeIdentity(own).open_stream(sealed, plain, what="the export")
    assert ".echo/state.json" in archive_members(archive.with_name("plain.tgz"))
    with file.open("rb") as sealed, archive.with_name("x").open("wb") as plain, pytest.raises(StateError):
        AgeIdentity(workspace.settings.identity).open_stream(sealed, plain, what="the export")


def test_an_import_whose_client_was_killed_is_found_and_not_done_twice(workspace: Workspace, archive: Path) -> None:
    opened = replace(workspace, begun=BegunFolder(workspace.root))
    words = {"from": str(archive), "take_secrets": False}
    wish = Wish(kind="import", tenant="alice", words=words)
    told: list[HeardEvent] = []

    def killed(heard: HeardEvent) -> None:
        if isinstance(heard.event, Committed):
            raise KeyboardInterrupt

    with checked(opened, "alice", archive, HowToImport()) as found, pytest.raises(KeyboardInterrupt):
        sure = Confirmation(digest=found.what.digest, words=words)
        import_tenant(opened, found, confirm=sure, on_event=killed)
    again = find(opened, wish)
    assert again is not None
    assert come_back(opened, again, on_event=told.append).outcome == "done"
    assert isinstance(told[0].event, CameBack)
    reported(opened, again.entry.id)
    assert find(opened, wish) is None
