"""metrics: the host's metrics in Prometheus' text format. Reads only, and measures nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.caller import Caller
from launchpad.runner.metering.exposition import metrics_text
from launchpad.runner.verbs import reply
from launchpad.runner.view import View
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.host_bodies import Metrics, MetricsReply


def metrics(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """MetricsReply; body Metrics."""
    body_from_json(Metrics, body)
    yield reply(MetricsReply(lines=tuple(metrics_text(host).splitlines())))
