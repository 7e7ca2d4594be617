"""A program is asked again when a file that it reads was changed, and each time where nobody can tell."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from launchpad.runner.machine.remembered import _ELSEWHERE, Remembered


def counted(remembered: Remembered, *places: Path) -> int:
    """How often the program was started for three questions in a row."""
    started: list[int] = []
    for _ in range(3):
        remembered.ask("rules", map(str, places), lambda: started.append(1))
    return len(started)


def test_an_answer_stands_until_a_file_is_changed_added_or_removed(tmp_path: Path) -> None:
    remembered = Remembered()
    file, folder = tmp_path / "file", tmp_path / "folder"
    folder.mkdir()
    file.write_text("a")
    assert [counted(remembered, file, folder) for _ in range(2)] == [1, 0]
    file.write_text("b")
    os.utime(file, ns=(0, 0))  # whoever puts the time back changes the inode's own
    assert counted(remembered, file, folder) == 1
    (folder / "more").write_text("c")
    assert counted(remembered, file, folder) == 1
    (folder / "more").chmod(0o600)
    assert counted(remembered, file, folder) == 1
    (folder / "more").unlink()
    file.unlink()
    assert [counted(remembered, file, folder) for _ in range(2)] == [1, 0]


def test_what_failed_is_asked_again(tmp_path: Path) -> None:
    remembered, asked = Remembered(), []

    def fails() -> None:
        asked.append(1)
        raise OSError

    for _ in range(2):
        with pytest.raises(OSError):
            remembered.ask("rules", [str(tmp_path)], fails)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("line", "elsewhere"),
    [
        ("Include /etc/ssh/sshd_config.d/*.conf", False),
        ("Include /opt/more.conf", True),
        ("  include sshd_config.d/*.conf /opt/more.conf", True),
        ("Match User launchpad", False),
        ('Match exec "test -e /tmp/x" User root', True),
        ("@includedir /etc/sudoers.d", False),
        ("#includedir /etc/sudoers.d", False),
        ("@include /etc/sudoers.local", True),
        ("#include /opt/rules", True),
        ("# to include the operators, see the manual", False),
    ],
)
def test_a_file_that_names_another_one_is_never_remembered(line: str, elsewhere: bool) -> None:
    assert (_ELSEWHERE.search(f"Port 22\n{line}\nUsePAM yes\n") is not None) is elsewhere
