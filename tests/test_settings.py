"""Settings come from the environment, or say which variable is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.errors import InventoryError
from launchpad.settings import Settings

HOME = Path("/home/ann")


def test_what_holds_without_any_variable() -> None:
    settings = Settings.of({"USER": "ann"}, home=HOME)
    assert settings.operator == "ann"
    assert settings.config == HOME / ".config/launchpad"
    assert settings.identity == HOME / ".config/launchpad/identity"
    assert settings.signing_key == HOME / ".config/launchpad/signing_ed25519"
    assert settings.ssh_key is None
    assert settings.workspace is None
    assert (settings.parallel, settings.connect_timeout.seconds) == (32, 10)


def test_every_variable_is_heard(tmp_path: Path) -> None:
    settings = Settings.of(
        {
            "LAUNCHPAD_WORKSPACE": str(tmp_path / "fleet"),
            "LAUNCHPAD_CONFIG": str(tmp_path / "config"),
            "LAUNCHPAD_OPERATOR": "ben",
            "LAUNCHPAD_IDENTITY": str(tmp_path / "age"),
            "LAUNCHPAD_SSH_KEY": str(tmp_path / "ssh"),
            "LAUNCHPAD_SIGNING_KEY": str(tmp_path / "sign"),
            "LAUNCHPAD_PARALLEL": "8",
            "LAUNCHPAD_CONNECT_TIMEOUT": "1m",
        },
        home=HOME,
    )
    assert settings.workspace == tmp_path / "fleet"
    assert settings.config == tmp_path / "config"
    assert settings.operator == "ben"
    assert (settings.identity, settings.ssh_key, settings.signing_key) == (
        tmp_path / "age",
        tmp_path / "ssh",
        tmp_path / "sign",
    )
    assert (settings.parallel, settings.connect_timeout.seconds) == (8, 60)


def test_every_variable_is_documented() -> None:
    import launchpad.settings as module

    source = Path(module.__file__).read_text()
    names = {word.strip('"') for word in source.split('"') if word.startswith("LAUNCHPAD_") and " " not in word}
    assert len(names) == 10
    for name in names:
        assert f"    {name} " in (module.__doc__ or "")


def test_the_key_that_init_made_is_used(tmp_path: Path) -> None:
    (tmp_path / "ssh_ed25519").write_text("")
    assert Settings.of({"LAUNCHPAD_CONFIG": str(tmp_path)}, home=HOME).ssh_key == tmp_path / "ssh_ed25519"


def test_keys_go_where_the_desktop_says() -> None:
    assert Settings.of({"XDG_CONFIG_HOME": "/xdg"}, home=HOME).identity == Path("/xdg/launchpad/identity")
    assert Settings.of({"XDG_CONFIG_HOME": "relative"}, home=HOME).config == HOME / ".config/launchpad"


@pytest.mark.parametrize(
    ("login", "operator"), [("Ann W.", "ann-w"), ("root", "root"), ("42", "operator"), ("", "operator")]
)
def test_a_login_name_becomes_an_operator_s_name(login: str, operator: str) -> None:
    assert Settings.of({"USER": login}, home=HOME).operator == operator


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LAUNCHPAD_OPERATOR", "Ann W."),
        ("LAUNCHPAD_PARALLEL", "0"),
        ("LAUNCHPAD_PARALLEL", "257"),
        ("LAUNCHPAD_PARALLEL", "many"),
        ("LAUNCHPAD_PARALLEL", "9" * 5000),
        ("LAUNCHPAD_CONNECT_TIMEOUT", "10"),
    ],
)
def test_a_wrong_one_is_named(name: str, value: str) -> None:
    with pytest.raises(InventoryError, match=f"^{name}: ") as raised:
        Settings.of({name: value}, home=HOME)
    assert len(raised.value.message) < 300
