"""metrics: the host's metrics in Prometheus' text format. Reads only, and measures nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.caller import Caller
from launchpad.runner.metering.exposition import metrics_text
from launchpad.runner.verbs import only, reply
from launchpad.runner.view import View


def metrics(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"lines"}: the text's lines.

    body {}."""
    only(body)
    yield reply({"lines": metrics_text(host).splitlines()})
