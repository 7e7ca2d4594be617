"""The verb `release`: the files of what runs, with no secret in them."""

from __future__ import annotations

import pytest

from launchpad.runner import paths
from launchpad.runner.protocol import Refused, record_as_json
from launchpad.runner.verbs.release import release
from tests.memory.living import CALLER, a_host, version


def test_the_running_release_is_told_file_by_file() -> None:
    host = a_host(1)
    made, files = version(1)
    (answer,) = release(host, {"tenant": "alice"}, CALLER)
    assert answer["body"] == {"release": record_as_json(made), "files": files}


def test_a_value_of_a_secret_that_got_into_a_file_is_taken_out() -> None:
    host = a_host(1)
    made, _ = version(1)
    (value,) = {host.read(path) for path in host.files if path.startswith(f"{paths.RUN}/alice/")}
    assert value is not None
    path = f"{paths.release('alice', made.short)}/compose.yaml"
    host.write(path, b"token: " + value, mode=0o755)
    (answer,) = release(host, {"tenant": "alice"}, CALLER)
    assert answer["body"]["files"]["compose.yaml"] == "token: [secret]"


@pytest.mark.parametrize("damage", ["nothing", "gone"])
def test_where_nothing_can_be_told_nothing_is(damage: str) -> None:
    host = a_host(1)
    if damage == "gone":
        host.remove(f"{paths.release('alice', version(1)[0].short)}/release.json")
    (answer,) = release(host, {"tenant": "alice" if damage == "gone" else "bob"}, CALLER)
    assert answer["body"] == {"release": None, "files": None}


def test_no_name_is_refused() -> None:
    with pytest.raises(Refused, match="not a tenant's name"):
        list(release(a_host(1), {"tenant": "../etc"}, CALLER))
