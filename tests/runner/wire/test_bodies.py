"""Each verb's request and reply as they lie on the wire: one golden file a verb.

A field that is gone, renamed or of another type is red here: the golden file is what another version sends. A field
that is new, with a default, is added to the file.
"""

from __future__ import annotations

import json
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from launchpad.runner import wire
from launchpad.runner.protocol import Refused, record_as_json, record_from_json, reply_from_json
from launchpad.runner.wire.body import Body, body_from_json

GOLDEN = Path(__file__).with_name("golden")


def bodies() -> dict[str, Any]:
    for module in pkgutil.iter_modules(wire.__path__):
        import_module(f"launchpad.runner.wire.{module.name}")
    return {kind.VERB: kind for kind in Body.__subclasses__()}


def golden(verb: str) -> dict[str, Any]:
    return dict(json.loads((GOLDEN / f"{verb}.json").read_text()))


@pytest.mark.parametrize("verb", sorted(bodies()))
def test_what_lies_on_the_wire_is_read_and_written_as_it_is(verb: str) -> None:
    kind, lies = bodies()[verb], golden(verb)
    assert record_as_json(body_from_json(kind, lies["request"])) == lies["request"]
    assert record_as_json(record_from_json(kind.REPLY, lies["reply"], verb)) == lies["reply"]


@pytest.mark.parametrize("verb", sorted(bodies()))
def test_a_host_refuses_a_key_of_the_future_and_an_operator_passes_over_it(verb: str) -> None:
    kind, lies = bodies()[verb], golden(verb)
    with pytest.raises(Refused, match="of-the-future"):
        body_from_json(kind, lies["request"] | {"of-the-future": 1})
    assert reply_from_json(kind.REPLY, with_a_future(lies["reply"]), verb) == reply_from_json(
        kind.REPLY, lies["reply"], verb
    )


@pytest.mark.parametrize("verb", sorted(bodies()))
def test_a_field_with_its_default_is_not_sent(verb: str) -> None:
    """So a runner from before the field accepts the request."""
    kind = bodies()[verb]
    given = body_from_json(kind, golden(verb)["request"])
    required = {name for name in kind.FIELDS if name in least(kind, given)}
    assert set(least(kind, given)) == required
    assert body_from_json(kind, given.sent()) == given


def least(kind: Any, given: Body) -> dict[str, Any]:
    """What is sent when each field that has a default has it."""
    missing = object()
    needed = {name: given.plain()[name] for name in kind.FIELDS if getattr(kind, name, missing) is missing}
    return dict(kind(**needed).sent())


def with_a_future(value: Any) -> Any:
    """The reply with an unknown key beside the known ones."""
    return value | {"of-the-future": {"more": [1]}} if isinstance(value, dict) else value


def test_no_golden_file_is_of_nothing() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(bodies())
