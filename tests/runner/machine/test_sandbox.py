"""The words that start the sandbox: nothing secret among them, nothing of the host in sight but what is asked for."""

from __future__ import annotations

import json

from launchpad.runner.host import Confined
from launchpad.runner.machine.sandbox import words

SECRET = "the-key-of-alice"
WORK = Confined(
    unit="launchpad-backup-alice",
    task={"do": "send", "uid": 1_010_007, "repository": {"password": SECRET, "credentials": {"SSH_KEY": SECRET}}},
    reads={"/srv/generation/state": "/srv/launchpad/tenants/alice/backup/frozen/state"},
    writes={"/srv/target/alice": "/mnt/disk/alice"},
)


def properties(work: Confined) -> list[str]:
    marked = [word.partition("--property=") for word in words(work, "/run/passwd")]
    return [rest for before, mark, rest in marked if mark and not before]


def test_no_secret_is_among_the_words() -> None:
    assert SECRET not in json.dumps(words(WORK, "/run/passwd"))
    assert SECRET not in repr(WORK)


def test_only_what_is_asked_for_is_in_sight() -> None:
    found = properties(WORK)
    assert "TemporaryFileSystem=/srv:mode=0755" in found
    assert [item for item in found if item.startswith("Bind")] == [
        "BindReadOnlyPaths=/run/passwd:/etc/passwd",
        "BindReadOnlyPaths=/srv/launchpad/tenants/alice/backup/frozen/state:/srv/generation/state",
        "BindPaths=/mnt/disk/alice:/srv/target/alice",
    ]


def test_it_may_become_somebody_else_and_nothing_more() -> None:
    found = properties(WORK)
    assert "CapabilityBoundingSet=CAP_SETUID CAP_SETGID" in found
    assert "NoNewPrivileges=yes" in found


def test_only_remote_targets_have_the_network() -> None:
    assert "PrivateNetwork=yes" in properties(WORK)
    remote = Confined(unit="launchpad-backup-alice", task=WORK.task, network=True)
    assert "PrivateNetwork=no" in properties(remote)
