"""Edits touch the lines they change and no other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.errors import StateError
from launchpad.fleet.keeping.edit import (
    new_text,
    with_entry,
    with_list_item,
    with_value,
    without_entry,
    without_list_item,
)
from launchpad.fleet.reading.tree import read_tree

HOSTS = b"""\
# The hosts. This comment is the file's.

web-1:   # the first
    address: 203.0.113.7   # its address
    labels: {"zone": 'a'}

# about web-2
# and more about it
web-2:
    address: 203.0.113.8
    # inside, at the end

# about web-3
web-3: {address: 203.0.113.9}
"""

RECORD = {"address": "203.0.113.10", "resources": {"memory": "8GiB", "cpus": 4}}


def test_a_value_changes_and_nothing_else() -> None:
    before = b"# top\r\nslot: 1\r\nversion:   '1.0'   # keep me\r\nhost: web-1\r\n"
    after = with_value("f", before, key="version", value="1.10")
    assert after == before.replace(b"'1.0'", b"'1.10'")


@pytest.mark.parametrize("value", ["1.10", "2026.9.6", "7", "true", "null", "0123", "1e3", "a-b_c.d"])
def test_a_value_stays_text(value: str) -> None:
    after = with_value("f", b"version: x\n", key="version", value=value)
    assert read_tree("f", after).plain() == {"version": value}


def test_an_entry_is_added_at_the_end() -> None:
    after = with_entry("f", HOSTS, key="web-4", record=RECORD)
    assert after.startswith(HOSTS + b"\nweb-4:\n  address: 203.0.113.10\n")


def test_an_entry_goes_into_an_empty_file_below_its_comment() -> None:
    assert with_entry("f", b"# hosts", key="a", record={"b": "c"}) == b"# hosts\n\na:\n  b: c\n"


def test_a_byte_order_mark_and_windows_line_ends_stay() -> None:
    before = b"\xef\xbb\xbfa:\r\n  b: c\r\n"
    after = with_entry("f", before, key="d", record={"e": "f"})
    assert after == before + b"\r\nd:\r\n  e: f\r\n"
    assert without_entry("f", after, key="d") == before


def test_an_entry_goes_with_the_comment_above_it() -> None:
    after = without_entry("f", HOSTS, key="web-2")
    assert after == HOSTS.replace(
        b"# about web-2\n# and more about it\nweb-2:\n    address: 203.0.113.8\n    # inside, at the end\n\n", b""
    )


def test_the_comment_at_the_top_is_the_file_s_and_stays() -> None:
    assert without_entry("f", b"# hosts\na: {b: c}\nd: {e: f}\n", key="a") == b"# hosts\nd: {e: f}\n"


def test_the_next_entry_keeps_its_comment() -> None:
    after = without_entry("f", HOSTS, key="web-1")
    assert b"# about web-2\n# and more about it\nweb-2:" in after
    assert b"# The hosts. This comment is the file's." in after


@pytest.mark.parametrize("key", ["web-1", "web-2", "web-3"])
def test_what_was_added_can_be_removed_without_a_trace(key: str) -> None:
    added = with_entry("f", HOSTS, key="web-4", record=RECORD)
    assert without_entry("f", added, key="web-4") == HOSTS
    rest = without_entry("f", HOSTS, key=key)
    assert set(read_tree("f", rest).plain()) == {"web-1", "web-2", "web-3"} - {key}


@pytest.mark.parametrize(
    "before",
    [b"{a: {b: c}, d: {e: f}}\n", b"{\n  a: {b: c}, d: {e: f},\n}\n", b"a: &x {b: c}\nd: *x\n"],
)
def test_a_layout_that_cannot_be_cut_is_left_alone(before: bytes) -> None:
    with pytest.raises(StateError) as raised:
        without_entry("inventory/hosts.yaml", before, key="a")
    assert raised.value.hint == "edit inventory/hosts.yaml by hand"


def test_an_alias_is_not_edited_where_it_points() -> None:
    with pytest.raises(StateError):
        with_value("f", b"a: &v one\nversion: *v\n", key="version", value="two")


NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=15)
RECORDS = st.dictionaries(NAMES, TEXTS | st.integers(-99, 99) | st.lists(TEXTS, max_size=3), max_size=4)


@given(st.dictionaries(NAMES, RECORDS, max_size=4), NAMES, RECORDS)
def test_adding_and_removing_is_no_change(records: dict[str, dict[str, Any]], key: str, record: dict[str, Any]) -> None:
    records.pop(key, None)
    before = b"# top\n\n" + (new_text(records) if records else b"")
    added = with_entry("f", before, key=key, record=record)
    assert list(read_tree("f", added).plain()) == [*records, key]
    removed = without_entry("f", added, key=key)
    assert removed == before or not records


PEOPLE = b"""\
# Who operates it.
operators:
  - name: ann   # the founder
    keys:
      - ssh-ed25519 AAAA
  - name: bob
    keys: [ssh-ed25519 BBBB]
    # bob's remark

# what follows
caddy: {}
"""
CARL = {"name": "carl", "keys": ["ssh-ed25519 CCCC"]}


def test_a_record_joins_a_list_and_leaves_it_without_a_trace() -> None:
    with_carl = with_list_item("f", PEOPLE, key="operators", record=CARL)
    added = b"  - name: carl\n    keys:\n      - ssh-ed25519 CCCC\n"
    assert with_carl.replace(added, b"") == PEOPLE and with_carl.count(added) == 1
    assert without_list_item("f", with_carl, key="operators", index=2) == PEOPLE


def test_a_record_goes_with_its_comments_and_no_other() -> None:
    without_bob = without_list_item("f", PEOPLE, key="operators", index=1)
    assert (
        b"bob" not in without_bob and b"# the founder" in without_bob and b"\n# what follows\ncaddy: {}" in without_bob
    )


LAYOUTS = [b"operators: []\ncaddy: {}\n", b"caddy: {}\n", b"operators:\n- name: ann\n  keys: [a]\n"]


@pytest.mark.parametrize("before", LAYOUTS)
def test_a_record_goes_into_a_list_however_it_is_laid_out(before: bytes) -> None:
    after = with_list_item("f", before, key="operators", record=CARL)
    plain = read_tree("f", after).plain()
    assert [item["name"] for item in plain["operators"]][-1] == "carl"


@pytest.mark.parametrize(
    ("before", "index", "after"),
    [
        (b"operators: [{name: ann}, {name: bob}]  # us\n", 0, b"operators: [{name: bob}]  # us\n"),
        (b"recipients: [age1a, age1b, age1c]\n", 1, b"recipients: [age1a, age1c]\n"),
        (b"recipients: [\n  age1a,\n  age1b,\n]\ncaddy: {}\n", 1, b"recipients: [\n  age1a,\n]\ncaddy: {}\n"),
        (b"caddy: {}\nrecipients: [age1a]\n", 0, b"caddy: {}\n"),
        (b"recipients:\n  - age1a\ncaddy: {}\n", 0, b"caddy: {}\n"),
    ],
)
def test_an_item_goes_however_the_list_is_laid_out(before: bytes, index: int, after: bytes) -> None:
    key = "operators" if before.startswith(b"operators") else "recipients"
    assert without_list_item("f", before, key=key, index=index) == after
