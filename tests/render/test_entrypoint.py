"""The program that gives a container its secrets, run by the shells that images have."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.render.example import TEMPLATES

SHELLS = [shell for shell in ("sh", "dash", "bash", "busybox") if shutil.which(shell)]


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    return tmp_path / "secrets"


def run(shell: str, secrets: Path, *program: str) -> subprocess.CompletedProcess[bytes]:
    text = (TEMPLATES / "compose/_cell/entrypoint.sh").read_text().replace("/run/secrets", str(secrets))
    script = secrets.parent / "entrypoint.sh"
    script.write_text(text)
    words = [shell, "sh", str(script)] if shell == "busybox" else [shell, str(script)]
    return subprocess.run([*words, *program], capture_output=True, env={"PATH": "/usr/bin:/bin", "KEPT": "yes"})


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("value", ["plain", "a b  c", "'\"$HOME`id`\\n", "two\nlines", "ends\n\n", "\n", "", "é漢"])
def test_every_value_arrives_to_the_byte(shell: str, secrets: Path, value: str) -> None:
    (secrets / "API_KEY").write_text(value)
    done = run(shell, secrets, "printenv", "--null", "API_KEY")
    assert done.stdout == value.encode() + b"\0", done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_the_program_takes_over_with_its_own_words_and_environment(shell: str, secrets: Path) -> None:
    (secrets / "A").write_text("1")
    done = run(shell, secrets, "sh", "-c", 'echo "$A $KEPT ${name-unset} ${value-unset} $1"; exit 7', "sh", "a  b")
    assert (done.stdout, done.returncode) == (b"1 yes unset unset a  b\n", 7)


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_is_needed(shell: str, secrets: Path) -> None:
    assert run(shell, secrets, "echo", "started").stdout == b"started\n"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["lower", "A-B", "A B", "1A", "A;reboot", "_A"])
def test_a_name_that_is_no_secrets_stops_it_for_good(shell: str, secrets: Path, name: str) -> None:
    (secrets / name).write_text("value-of-it")
    done = run(shell, secrets, "echo", "started")
    assert done.returncode == 78 and not done.stdout
    assert b"is not the name of a secret" in done.stderr and b"value-of-it" not in done.stderr
