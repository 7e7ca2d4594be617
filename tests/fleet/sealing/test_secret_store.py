"""The contract of a SecretStore, on a folder: sealed at rest, versions that never repeat, values that never show."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from launchpad.errors import InventoryError, LaunchpadError, StateError
from launchpad.fleet.sealing.age import new_identity
from launchpad.fleet.sealing.secret_store import FolderSecrets, ListedSecret
from launchpad.fleet.words.mistakes import InventoryMistakes
from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.fleet.words.references import Recipient
from launchpad.fleet.words.secret import Secret
from tests.fleet.inventory import digest_of_folder, store, write

ALICE, BOB = TenantName("alice"), TenantName("bob")
KEY, OTHER = SecretName("API_KEY"), SecretName("OTHER_KEY")
VALUE = "sk-correct-horse-battery"


class Operator:
    """Someone with an identity of their own, in front of a workspace."""

    def __init__(self, home: Path, name: str) -> None:
        self.identity = home / name
        content, self.recipient = new_identity()
        self.identity.write_text(content)

    def secrets(self, root: Path, *recipients: Recipient) -> FolderSecrets:
        return FolderSecrets(root, recipients=lambda: recipients or (self.recipient,), identity=self.identity)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "workspace")


@pytest.fixture
def ann(tmp_path: Path) -> Operator:
    return Operator(tmp_path, "ann")


@pytest.fixture
def ben(tmp_path: Path) -> Operator:
    return Operator(tmp_path, "ben")


def test_what_was_set_is_revealed(root: Path, ann: Operator) -> None:
    secrets = ann.secrets(root)
    assert secrets.set(ALICE, KEY, Secret(VALUE)) == 1
    assert secrets.versions(ALICE) == {KEY: 1}
    assert secrets.reveal(ALICE) == {KEY: (1, Secret(VALUE))}
    assert (secrets.versions(BOB), secrets.reveal(BOB)) == ({}, {})


@pytest.mark.parametrize(
    "value", ["x", "ends with spaces  ", "two\nlines\n", "-----BEGIN KEY-----\nab\n", "é→🔑", "a: b # c"]
)
def test_any_text_comes_back_as_it_was(root: Path, ann: Operator, value: str) -> None:
    ann.secrets(root).set(ALICE, KEY, Secret(value))
    assert ann.secrets(root).reveal(ALICE)[KEY][1].reveal() == value


def test_at_rest_there_is_no_value_in_any_file(root: Path, ann: Operator) -> None:
    ann.secrets(root).set(ALICE, KEY, Secret(VALUE))
    kept = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    assert VALUE.encode() not in kept
    assert b"BEGIN AGE ENCRYPTED FILE" in kept
    entry = yaml.safe_load((root / "inventory/secrets/alice.yaml").read_text())["API_KEY"]
    assert set(entry) == {"version", "recipients", "value"}


def test_the_same_value_is_no_new_version_and_touches_nothing(root: Path, ann: Operator) -> None:
    secrets = ann.secrets(root)
    secrets.set(ALICE, KEY, Secret(VALUE))
    before = digest_of_folder(root)
    assert secrets.set(ALICE, KEY, Secret(VALUE)) == 1
    assert digest_of_folder(root) == before
    assert secrets.set(ALICE, KEY, Secret("another")) == 2


def test_a_version_never_comes_again(root: Path, ann: Operator) -> None:
    secrets = ann.secrets(root)
    secrets.set(ALICE, KEY, Secret(VALUE))
    secrets.remove(ALICE, KEY)
    assert secrets.versions(ALICE) == {}
    assert secrets.set(ALICE, KEY, Secret(VALUE)) == 2
    secrets.remove_tenant(ALICE)
    assert (secrets.versions(ALICE), secrets.reveal(ALICE)) == ({}, {})
    assert secrets.set(ALICE, KEY, Secret(VALUE)) == 3


def test_what_is_not_there_cannot_be_removed(root: Path, ann: Operator) -> None:
    with pytest.raises(StateError, match="alice has no secret API_KEY"):
        ann.secrets(root).remove(ALICE, KEY)


def test_missing_tokens_are_generated_once(root: Path, ann: Operator) -> None:
    secrets, app = ann.secrets(root), store(root).load().app("echo")
    assert secrets.generate_missing(BOB, app) == {"ECHO_TOKEN": 1}
    token = secrets.reveal(BOB)[SecretName("ECHO_TOKEN")][1]
    assert len(token.reveal()) == 40
    assert secrets.generate_missing(BOB, app) == {}
    assert secrets.reveal(BOB)[SecretName("ECHO_TOKEN")][1] == token


def test_every_recipient_can_read_and_nobody_else(root: Path, ann: Operator, ben: Operator, tmp_path: Path) -> None:
    ann.secrets(root, ann.recipient, ben.recipient).set(ALICE, KEY, Secret(VALUE))
    assert ben.secrets(root).reveal(ALICE)[KEY][1].reveal() == VALUE
    eve = Operator(tmp_path, "eve")
    with pytest.raises(StateError, match="alice: API_KEY is not sealed for you") as raised:
        eve.secrets(root).reveal(ALICE)
    assert "secret reseal" in raised.value.hint


def test_a_new_recipient_reads_after_resealing(root: Path, ann: Operator, ben: Operator) -> None:
    ann.secrets(root).set(ALICE, KEY, Secret(VALUE))
    ann.secrets(root).set(ALICE, OTHER, Secret("other"))
    both = ann.secrets(root, ann.recipient, ben.recipient)
    assert set(both.stale(ALICE)) == {KEY, OTHER}
    assert both.listed(ALICE)[KEY] == ListedSecret(version=1, stale=True)
    assert set(both.reseal(ALICE)) == {KEY, OTHER}
    assert both.stale(ALICE) == both.reseal(ALICE) == ()
    assert both.listed(ALICE)[KEY] == ListedSecret(version=1, stale=False)
    assert ben.secrets(root).reveal(ALICE) == {KEY: (1, Secret(VALUE)), OTHER: (1, Secret("other"))}


def test_one_who_cannot_read_can_still_set(root: Path, ann: Operator, ben: Operator) -> None:
    ann.secrets(root).set(ALICE, KEY, Secret(VALUE))
    blind = FolderSecrets(root, recipients=lambda: (ann.recipient,), identity=root / "nowhere")
    assert blind.set(ALICE, KEY, Secret(VALUE)) == 2
    assert ann.secrets(root).reveal(ALICE) == {KEY: (2, Secret(VALUE))}


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        (None, "no age identity"),
        (b"nothing\n", "not a readable age identity"),
        (b"AGE-SECRET-KEY-1QQQ\n", "not a readable age"),
    ],
)
def test_an_identity_that_is_none(root: Path, ann: Operator, identity: bytes | None, said: str) -> None:
    ann.secrets(root).set(ALICE, KEY, Secret(VALUE))
    if identity is None:
        ann.identity.unlink()
    else:
        ann.identity.write_bytes(identity)
    with pytest.raises(StateError, match=said) as raised:
        ann.secrets(root).reveal(ALICE)
    assert "QQQ" not in raised.value.message


def test_nothing_is_sealed_for_nobody(root: Path, ann: Operator) -> None:
    before = digest_of_folder(root)
    secrets = FolderSecrets(root, recipients=tuple, identity=ann.identity)
    with pytest.raises(InventoryError, match="no recipients"):
        secrets.set(ALICE, KEY, Secret(VALUE))
    assert digest_of_folder(root) == before


AGE = "-----BEGIN AGE ENCRYPTED FILE-----"


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("API_KEY: sk-plain\n", 1, "not a sealed secret"),
        (f"# x\nAPI_KEY: {{version: 1, recipients: a, value: {VALUE}}}\n", 2, "a value that is not sealed"),
        (f"API_KEY: {{version: 0, recipients: a, value: '{AGE}'}}\n", 1, "not a sealed secret"),
        (f"API_KEY: {{version: true, recipients: a, value: '{AGE}'}}\n", 1, "not a sealed secret"),
        (f"API_KEY: {{version: 1, recipients: a, value: '{AGE}', x: 1}}\n", 1, "not a sealed secret"),
        (f"api-key: {{version: 1, recipients: a, value: '{AGE}'}}\n", 1, "bad secret name"),
        (f"PATH: {{version: 1, recipients: a, value: '{AGE}'}}\n", 1, "would change how"),
        ("API_KEY: {version: 1}\n", 1, "not a sealed secret"),
        ("- API_KEY\n", 1, "not a sealed secret"),
        ("API_KEY: [\n", 2, "not the format that Launchpad writes"),
        ("a: !!python/object/apply:os.system [x]\n", 1, "not the format"),
    ],
)
def test_a_file_of_another_kind_is_told_of_and_not_quoted(
    root: Path, ann: Operator, content: str, line: int, said: str
) -> None:
    write(root, {"inventory/secrets/alice.yaml": content})
    with pytest.raises(InventoryMistakes, match=said) as raised:
        ann.secrets(root).versions(ALICE)
    assert [mistake.place.line for mistake in raised.value.mistakes] == [line]
    assert VALUE not in raised.value.message
    assert "sk-plain" not in raised.value.message
    assert ann.secrets(root).mistakes() == raised.value.mistakes


def test_a_damaged_value_says_which(root: Path, ann: Operator) -> None:
    ann.secrets(root).set(ALICE, KEY, Secret(VALUE))
    path = root / "inventory/secrets/alice.yaml"
    lines = path.read_text().splitlines(keepends=True)
    lines[7] = lines[7].swapcase()
    path.write_text("".join(lines))
    with pytest.raises(LaunchpadError, match="alice: API_KEY"):
        ann.secrets(root).reveal(ALICE)


def test_a_conflict_that_git_left_is_its_owners_own(root: Path, ann: Operator) -> None:
    secrets = ann.secrets(root)
    for owner in (ALICE, BOB):
        secrets.set(owner, KEY, Secret(VALUE))
    file = root / "inventory/secrets/alice.yaml"
    file.write_text(f"<<<<<<< HEAD\n{file.read_text()}=======\n>>>>>>> theirs\n")
    with pytest.raises(
        InventoryMistakes, match=r"secrets/alice.yaml:1: an unresolved Git conflict .*git checkout --ours"
    ):
        secrets.reveal(ALICE)
    assert secrets.reveal(BOB)[KEY][1].reveal() == VALUE
    assert [mistake.place.line for mistake in secrets.mistakes()] == [1]
