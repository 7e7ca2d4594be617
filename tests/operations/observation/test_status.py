"""What `status` tells programs."""

from __future__ import annotations

import dataclasses
import json

from launchpad.operations.observation.status import Status
from launchpad.runner.facts import Fact, Grade, Layer
from tests.plan.examples import host


def test_what_one_host_sees_of_another_is_json_too() -> None:
    fact = Fact(Layer.peer, Grade.ok, "answers web-2 on port 443", host="web-1")
    said = dataclasses.replace(host(name="web-2")["web-2"], outside=(fact,))
    shown = json.loads(json.dumps(Status(tenants=(), hosts={"web-2": said}).as_json()))
    assert shown["hosts"]["web-2"]["outside"][0]["message"] == fact.message
