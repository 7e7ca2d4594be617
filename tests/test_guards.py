"""The registry of guards is not behind the code: scripts/mutate finds what it takes out, and the tests for it."""

from __future__ import annotations

from mutation import PROJECT, guards


def test_every_guard_stands_where_the_registry_says() -> None:
    stale = [guard.name for guard in guards("") if (PROJECT / guard.file).read_text().count(guard.find) != 1]
    assert stale == []


def test_every_guard_s_tests_are_there() -> None:
    named = {test for guard in guards("") for test in guard.tests}
    for test in named:
        file, _, name = test.partition("::")
        assert (PROJECT / file).exists(), test
        if name:
            assert f"def {name.rpartition('::')[2].partition('[')[0]}(" in (PROJECT / file).read_text(), test
