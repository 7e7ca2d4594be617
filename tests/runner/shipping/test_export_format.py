"""Entries: nothing that a tenant writes leaves its field, and time never goes back."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner.protocol import Refused
from launchpad.runner.shipping.export_format import ExportFormat
from launchpad.runner.shipping.remote_journal import entries_in
from tests.runner.shipping.entries import read_entries

LINE = {"type": "log", "tenant": "alice", "service": "web", "source": "alice/c0ffee", "release": "0123456789ab"}


def entries(*lines: dict[str, Any]) -> list[dict[str, str]]:
    form = ExportFormat(host="web-1", boot="0123-4567", began=1_700_000_000.0)
    return [entry for line in lines for entry in read_entries(form.entry(LINE | line))]


def test_whatever_a_tenant_writes_is_its_message() -> None:
    for text in ("", "a\r\n\nLAUNCHPAD_TENANT=bob\n\n", "MESSAGE=x", "\x00\x1b[31m", "ünï"):
        (entry,) = entries({"at": "2026-11-22T10:00:01.5Z", "text": text})
        assert (entry["MESSAGE"], entry["LAUNCHPAD_TENANT"]) == (text, "alice")


def test_an_entrys_time_never_goes_back_and_the_lines_own_time_is_kept() -> None:
    first, second = entries(
        {"at": "2026-11-22T10:00:05.000001234Z", "text": "a"}, {"at": "2026-11-22T10:00:01Z", "text": "b", "n": 2}
    )
    assert first["__REALTIME_TIMESTAMP"] == second["__REALTIME_TIMESTAMP"] == "1795341605000001"
    assert second["_SOURCE_REALTIME_TIMESTAMP"] == "1795341601000000"
    assert int(first["__MONOTONIC_TIMESTAMP"]) == 1795341605000001 - 1_700_000_000_000_000
    assert second["LAUNCHPAD_LINE"] == "alice/c0ffee 2026-11-22T10:00:01Z 2"
    assert first["_BOOT_ID"] == "01234567"


def test_the_collector_reads_what_a_host_writes_and_refuses_the_rest() -> None:
    form = ExportFormat(host="web-1", boot="0123-4567", began=1_700_000_000.0)
    made = [
        form.entry(LINE | {"at": f"2026-11-22T10:00:0{number}Z", "text": text, "n": number})
        for number, text in enumerate(("one", "a\n\n_HOSTNAME=web-2\n\n", "", "=\n"), start=1)
    ]
    whole = b"".join(made)
    found = list(entries_in(whole, of="web-1"))
    assert [entry for _, entry in found] == made
    assert [line.rpartition(" ")[2] for line, _ in found] == ["1", "2", "3", "4"]
    for bad in (whole[:-1], whole[:-5], b"MESSAGE=x\n\n", b"garbage\n\n", whole + b"MESSAGE\n\xff", b"\n\n"):
        with pytest.raises(Refused):
            list(entries_in(bad, of="web-1"))
    with pytest.raises(Refused):
        list(entries_in(whole, of="web-2"))
