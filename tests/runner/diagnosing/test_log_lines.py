"""What somebody wrote to the app is not in a line that goes into a bundle; what happened is."""

from __future__ import annotations

import json

import pytest

from launchpad.runner.diagnosing.log_lines import LONGEST, without_bodies

PRIVATE = "my mother's diagnosis came back"


@pytest.mark.parametrize(
    "line",
    [
        f'[telegram] inbound from 4711 text="{PRIVATE}"',
        f"[telegram] inbound from 4711 text='{PRIVATE.replace(chr(39), '')}'",
        f"[whatsapp] Inbound message +4915112345 -> +49 (direct): body: {PRIVATE}",
        f"inbound message from alice: {PRIVATE}",
        f"user prompt: {PRIVATE}",
        json.dumps({"level": "info", "msg": "inbound", "text": PRIVATE}),
        json.dumps({"level": "info", "event": {"from": 4711, "content": [{"type": "text", "text": PRIVATE}]}}),
        f'[agent] prompt="{PRIVATE}" model=claude',
        f"reply={PRIVATE}",
        f'tool exec args={{"command": "{PRIVATE}"}}',
        f'said "{PRIVATE * 4}" to me',
        "x" * LONGEST + PRIVATE,
    ],
)
def test_a_message_is_left_out(line: str) -> None:
    assert "mother" not in without_bodies(line)
    assert "characters]" in without_bodies(line)


@pytest.mark.parametrize(
    "line",
    [
        "[gateway] listening on ws://0.0.0.0:18789",
        '[agent] 401 {"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}',
        "[telegram] getUpdates conflict: Call to 'getUpdates' failed! (409: Conflict: terminated by other "
        "getUpdates request; "
        "make sure that only one bot instance is running); retrying in 30s.",
        json.dumps(
            {
                "level": "error",
                "logger": "tls.obtain",
                "msg": "will retry",
                "error": "HTTP 403 caa",
                "identifier": "a.b",
            }
        ),
        "Error: ENOSPC: no space left on device, write",
    ],
)
def test_what_happened_stays(line: str) -> None:
    assert without_bodies(line) == line
