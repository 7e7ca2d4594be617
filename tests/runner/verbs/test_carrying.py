"""send and receive: who can read what leaves, and what of what comes counts."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from typing import Any

import pyrage  # type: ignore[import-untyped]
import pytest

from launchpad.operations.moving.transfer import framed
from launchpad.runner import engine, generation_records, paths, slots
from launchpad.runner.caller import Caller
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.settings_record import SETTINGS, settings_from_json, stored_text
from launchpad.runner.verbs.receive import LOOK_BYTES, receive
from launchpad.runner.verbs.send import send
from launchpad.runner.verbs.submit import submit
from tests.contract.carrying import archived, attempts
from tests.memory.data import File
from tests.memory.effects import Killed
from tests.memory.host import MemoryHost
from tests.memory.releases import deploy_body, release
from tests.runner.provision.settings import settings

KEY = pyrage.x25519.Identity.generate()
SECRET = b"what alice told her assistant"
WANTED = {
    "tenant": "alice",
    "slot": 7,
    "generation": "arrived-000001",
    "app": "beacon",
    "version": "1",
    "volumes": ["state"],
    "disk_mb": 64,
}


def a_host(*, recipients: tuple[str, ...] = (str(KEY.to_public()),)) -> MemoryHost:
    host = MemoryHost()
    wanted = settings_from_json(settings(recipients=list(recipients)))
    host.files[SETTINGS] = File(stored_text(wanted, 1).encode())
    return host


def with_alice(**more: Any) -> MemoryHost:
    """A host with alice on it, and a generation of her data with a note in it."""
    host = a_host(**more)
    made = release()
    host.registry |= {service.image for service in made[0].services}
    list(submit(host, deploy_body("prepare-000001", made), Caller("ann")))
    engine.carry_out(host, "prepare-000001")
    host.files[f"{paths.data('alice')}/state/note"] = File(SECRET)
    keep(host, "generation-1")
    return host


def keep(host: MemoryHost, identifier: str) -> None:
    operation = {"kind": "snapshot", "tenant": "alice"}
    list(submit(host, {"id": identifier, "operation": operation, "follow": False}, Caller("ann")))
    engine.carry_out(host, identifier)


def sent(host: MemoryHost, **body: Any) -> tuple[bytes, dict[str, Any]]:
    lines = list(send(host, {"tenant": "alice", "generation": "generation-1"} | body, Caller("ann")))
    return b"".join(base64.b64decode(line["data"]) for line in lines[:-1]), lines[-1]["body"]


def received(host: MemoryHost, archive: bytes | Iterable[bytes], **changes: Any) -> dict[str, Any]:
    lines = framed([archive]) if isinstance(archive, bytes) else archive
    (reply,) = receive(host, WANTED | changes, Caller("ann", incoming=lines))
    return dict(reply["body"])


def test_what_leaves_is_read_by_the_recipients_alone() -> None:
    sealed, _ = sent(with_alice())
    assert sealed.startswith(b"age-encryption.org/v1") and SECRET not in sealed
    assert SECRET in pyrage.decrypt(sealed, [KEY])
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, [pyrage.x25519.Identity.generate()])


def test_a_host_that_knows_no_recipients_lets_nothing_leave() -> None:
    for host in (with_alice(recipients=()), with_alice()):
        if host.files[SETTINGS].data.count(b"age1"):
            del host.files[SETTINGS]
        with pytest.raises(Refused, match="has no recipients") as refused:
            sent(host)
        assert refused.value.hint.startswith("launchpad provision HOST")


def test_what_was_sent_is_the_same_on_another_host() -> None:
    sealed, told = sent(with_alice())
    other = a_host()
    found = received(other, pyrage.decrypt(sealed, [KEY]), slot=told["slot"], release=told["generation"]["release"])
    assert found["outcome"] == "done" and found["files"] == told["files"] == 1
    (kept,) = generation_records.kept(other, "alice")
    note = other.files[f"{paths.generation('alice', kept.id)}/state/note"]
    assert note.data == SECRET and note.uid == slots.host_uid(7)
    assert other.volumes[paths.generation("alice", kept.id)]["read_only"]
    assert other.names(paths.tenant("alice")) == ["generations"]


def test_only_the_difference_is_carried_over() -> None:
    host, other = with_alice(), a_host()
    received(other, pyrage.decrypt(sent(host)[0], [KEY]), generation="generation-1")
    del host.files[f"{paths.data('alice')}/state/note"]
    host.files[f"{paths.data('alice')}/state/later"] = File(b"later")
    keep(host, "generation-2")
    archive = pyrage.decrypt(sent(host, generation="generation-2", base="generation-1")[0], [KEY])
    assert SECRET not in archive
    received(other, archive, generation="generation-2", base="generation-1")
    for identifier in ("generation-1", "generation-2"):
        mine, there = (
            {
                path: item.data
                for path, item in each.files.items()
                if path.startswith(f"{paths.generation('alice', identifier)}/")
            }
            for each in (host, other)
        )
        assert mine == there


def test_the_same_again_changes_nothing() -> None:
    other = a_host()
    archive = pyrage.decrypt(sent(with_alice())[0], [KEY])
    received(other, archive)
    before = deepcopy(other.files)
    assert received(other, b"whatever")["outcome"] == "unchanged"
    assert other.files == before


BAD: dict[str, dict[str, Any]] = {
    "a tenant": {"tenant": "../bob"},
    "an id": {"generation": "../../../etc"},
    "a volume": {"volumes": ["../state"]},
    "no volume": {"volumes": []},
    "a volume twice": {"volumes": ["state", "state"]},
    "a slot": {"slot": 0},
    "a release": {"release": "../x"},
    "an app": {"app": "../x"},
    "a version": {"version": "x\n"},
    "no quota": {"disk_mb": 0},
    "a quota beyond the disk": {"disk_mb": 1 << 20},
    "a base that is not there": {"base": "generation-9"},
    "a key that nobody knows": {"recipients": []},
    "another's slot": {"tenant": "bob"},
    "another slot than its own": {"slot": 8},
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused_and_nothing_is_changed(name: str) -> None:
    host = with_alice()
    before = deepcopy((host.files, host.volumes))
    with pytest.raises(Refused):
        received(host, b"", **BAD[name])
    assert (host.files, host.volumes) == before


@pytest.mark.parametrize("name", attempts())
def test_what_may_not_come_in_leaves_nothing(name: str) -> None:
    host = a_host()
    with pytest.raises(Refused) as refused:
        received(host, archived(attempts()[name]))
    assert refused.value.kind == "step"
    assert host.names(paths.TENANTS) == []


def cut_lines() -> dict[str, list[bytes]]:
    whole = list(framed([pyrage.decrypt(sent(with_alice())[0], [KEY])]))
    other_end = list(framed([b"something else"]))[-1]
    return {
        "nothing": [],
        "no end": whole[:-1],
        "another end": [*whole[:-1], other_end],
        "the end alone": [whole[-1]],
        "no JSON": [whole[0], b"{"],
        "no object": [b"[]\n"],
        "no base64": [b'{"data":"!"}\n'],
        "an unknown line": [b'{"data":"","more":1}\n'],
    }


def test_what_breaks_off_counts_as_nothing() -> None:
    for name, lines in cut_lines().items():
        host = a_host()
        with pytest.raises(Refused):
            received(host, lines)
        assert host.names(paths.TENANTS) == [], name


def test_the_room_that_undos_need_stays_free_whatever_comes() -> None:
    """By what one asks for, and by what several that come at once take from one another."""
    archive = pyrage.decrypt(sent(with_alice())[0], [KEY])
    host = a_host()
    host.free = generation_records.LEAST_ROOM + (63 << 20)
    with pytest.raises(Refused, match="its data can take 64 MiB, but only 63 MiB are free for it") as refused:
        received(host, archive)
    assert "launchpad prune" in refused.value.hint
    host.free = generation_records.LEAST_ROOM + (64 << 20)

    def others_come() -> Iterator[bytes]:
        first, *rest = framed([archive])
        yield first
        host.free = generation_records.LEAST_ROOM - 1
        yield json.dumps({"data": base64.b64encode(bytes(LOOK_BYTES)).decode()}).encode()
        yield from rest

    with pytest.raises(Refused, match="only 511 MiB are free on this host, and 512 MiB must stay free"):
        received(host, others_come())
    assert host.names(paths.TENANTS) == []
    host.free = generation_records.LEAST_ROOM + (64 << 20)
    assert received(host, archive)["outcome"] == "done"


@pytest.mark.parametrize("ends", ["deploys", "is still at it"])
def test_a_tenant_that_an_operation_makes_meanwhile_stays(ends: str) -> None:
    """Somebody deploys her while her data comes, which breaks off then."""
    host = a_host()
    made = release()
    host.registry |= {service.image for service in made[0].services}

    def deploys() -> Iterator[bytes]:
        list(submit(host, deploy_body("prepare-000001", made), Caller("ann")))
        engine.carry_out(host, "prepare-000001")
        yield b"cut"

    def is_at_it() -> Iterator[bytes]:
        host.write(f"{paths.releases('alice')}/first", b"", mode=0o600)
        held.enter_context(host.lock("tenant-alice", {}))
        yield b"cut"

    with ExitStack() as held, pytest.raises(Refused):
        received(host, deploys() if ends == "deploys" else is_at_it())
    assert host.names(paths.releases("alice"))
    assert not host.has_data(paths.received("alice"))


def kill_points() -> Iterator[tuple[int, str]]:
    host = a_host()
    received(host, pyrage.decrypt(sent(with_alice())[0], [KEY]))
    for number in range(1, len(host.calls) + 1):
        yield from ((number, mode) for mode in ("before", "halfway", "after"))


def test_killed_anywhere_nothing_counts_and_the_next_one_is_whole() -> None:
    archive = pyrage.decrypt(sent(with_alice())[0], [KEY])
    for number, mode in kill_points():
        host = a_host()
        host.kill_at, host.kill_mode = number, mode
        with pytest.raises(Killed):
            received(host, archive)
        host.died()
        for item in generation_records.kept(host, "alice"):
            assert f"{paths.generation('alice', item.id)}/state/note" in host.files, (number, mode)
        received(host, archive)
        (kept,) = generation_records.kept(host, "alice")
        assert host.files[f"{paths.generation('alice', kept.id)}/state/note"].data == SECRET, (number, mode)
        assert host.volumes[paths.generation("alice", kept.id)]["volumes"], (number, mode)
        assert json.loads(host.files[paths.generation_record("alice", kept.id)].data)["why"] == "received"
