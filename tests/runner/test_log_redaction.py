"""Known secrets are taken out of lines, whatever stands around them."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from launchpad.runner.log_redaction import SHORTEST, LogRedaction
from launchpad.runner.view import ContainerLine

SECRETS = st.text(min_size=SHORTEST, max_size=40).filter(lambda value: len(value.strip()) >= SHORTEST)


@given(st.text(max_size=30), SECRETS.filter(lambda value: len(value.splitlines()) == 1), st.text(max_size=30))
def test_a_known_value_never_stands_in_the_text(before: str, secret: str, after: str) -> None:
    known = LogRedaction([secret])
    part = secret.strip()
    for form in (part, json.dumps(part)[1:-1], quote(part, safe="-._~"), base64.b64encode(part.encode()).decode()):
        assert form not in known.text(f"{before}{form}{after}").replace("[secret]", "")


def test_the_longer_of_two_values_that_begin_alike_is_taken_out_whole() -> None:
    known = LogRedaction(["sesame", "sesame-open-up"])
    assert known.text("say sesame-open-up or sesame") == "say [secret] or [secret]"


def test_each_line_of_a_value_of_several_lines_is_known() -> None:
    known = LogRedaction(["-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END KEY-----\n"])
    assert known.text("MIIEvQIBADAN") == "[secret]"


def test_short_values_are_left_because_they_stand_in_too_much_that_is_no_secret() -> None:
    assert LogRedaction(["true", "1"]).text("it is true: 1") == "it is true: 1"


def test_without_values_nothing_changes() -> None:
    assert LogRedaction([]).text("as it was") == "as it was"


def test_a_line_that_was_cut_loses_an_end_as_long_as_the_longest_value() -> None:
    known = LogRedaction(["a-secret-of-some-length"])
    assert known.line(ContainerLine("", "text a-secret-of-some-l", cut=True)).endswith("…")
    assert "a-secret" not in known.line(ContainerLine("", "text a-secret-of-some-l", cut=True))
    assert known.line(ContainerLine("", "text a-secret-of-some-length")) == "text [secret]"


def test_it_never_shows_what_it_knows() -> None:
    assert "sesame" not in repr(LogRedaction(["sesame-open-up"]))
