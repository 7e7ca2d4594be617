"""The ring: each host looks at exactly one other, and each is looked at by exactly one."""

from __future__ import annotations

import pytest

from launchpad.fleet.model.peers import others_after


@pytest.mark.parametrize("count", [2, 3, 7])
def test_each_host_looks_at_one_other_and_is_looked_at_by_one(count: int) -> None:
    hosts = [f"web-{number}" for number in range(count)]
    looks = {name: others_after(reversed(hosts), name)[0] for name in hosts}
    assert sorted(looks.values()) == hosts and all(name != other for name, other in looks.items())
    assert all(others_after(hosts, other)[-1] == name for name, other in looks.items()), "the last looks at this one"


def test_a_host_alone_has_nobody() -> None:
    assert others_after(["web-1"], "web-1") == ()
    assert others_after(["web-1", "web-2"], "web-9") == ()
