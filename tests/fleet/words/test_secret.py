"""A secret can be passed on, and cannot be shown, pickled, copied or written as JSON."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest
from pydantic import BaseModel, ConfigDict

from launchpad.errors import StateError
from launchpad.fleet.sealing.age import lock, unlock
from launchpad.fleet.words.malformed import Malformed
from launchpad.fleet.words.secret import Secret

VALUE = "sk-correct-horse"


@pytest.fixture
def secret() -> Secret:
    return Secret(VALUE)


def test_no_display_shows_it(secret: Secret, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("%s %r %s", secret, secret, {"key": secret})
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r:>20}", f"{secret:<12}", "%s" % secret, str([secret])]  # noqa: UP031
    assert all("[secret]" in text for text in shown)
    assert VALUE not in "".join(shown) + caplog.text


def test_no_traceback_shows_it(secret: Secret) -> None:
    try:
        raise RuntimeError(secret)
    except RuntimeError as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert VALUE not in text.replace(f'VALUE = "{VALUE}"', "")


@pytest.mark.parametrize("refused", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, vars, iter, len, hash])
def test_nothing_takes_it_apart(secret: Secret, refused: object) -> None:
    with pytest.raises(TypeError):
        refused(secret)  # type: ignore[operator]


def test_pydantic_does_not_write_it(secret: Secret) -> None:
    class Record(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        key: Secret

    record = Record(key=secret)
    assert VALUE not in repr(record)
    with pytest.raises(Exception, match="serialize"):
        record.model_dump_json()


def test_it_is_equal_to_the_same_secret_alone(secret: Secret) -> None:
    assert secret == Secret(VALUE)
    assert secret != Secret("another")
    assert secret != VALUE
    assert secret.reveal() == VALUE


@pytest.mark.parametrize("value", ["", "a\0b", "x" * 70_000])
def test_what_cannot_be_a_secret_is_not_quoted(value: str) -> None:
    with pytest.raises(Malformed) as raised:
        Secret(value)
    assert not value or value not in raised.value.message


def test_generated_ones_are_long_different_and_safe_in_a_url() -> None:
    made = [Secret.generated(43).reveal() for _ in range(50)]
    assert len(set(made)) == 50
    assert all(len(text) == 43 and text.replace("-", "").replace("_", "").isalnum() for text in made)
    with pytest.raises(ValueError, match="at least 32"):
        Secret.generated(31)


@pytest.mark.programs  # on a busy machine it takes seconds, as it is to
def test_the_passphrase_alone_opens_what_is_under_it() -> None:
    sealed = lock("the text", Secret("five random words are good"))
    assert "the text" not in sealed
    assert unlock(sealed, Secret("five random words are good"), what="it") == "the text"
    with pytest.raises(StateError, match="it: the passphrase is wrong"):
        unlock(sealed, Secret("five random words are bad"), what="it")
