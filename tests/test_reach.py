"""What a watched operation touches: files by the functions that are called, and programs that are started."""

from __future__ import annotations

import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path

import pytest
from reach import watched

FILES = {
    "called": "def f():\n    return 1\n",
    "by_thread": "def f():\n    return 1\n",
    "imported": "from __future__ import annotations\nclass A:\n    b = 1\nX = 1\n",
    "lazy": "def f():\n    from watched_files import imported\n    return imported.X\n",
    "generator": "def f():\n    yield 1\n    yield 2\n",
    "not_called": "def f():\n    return 1\n",
}


def test_a_file_counts_when_a_function_of_it_is_called_and_a_program_when_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "watched_files"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    modules = {name: import_module(f"watched_files.{name}") for name in FILES if name != "imported"}
    with watched(f"{folder}/") as found:
        modules["called"].f()
        modules["called"].f()
        modules["lazy"].f()
        assert list(modules["generator"].f()) == [1, 2]
        thread = threading.Thread(target=modules["by_thread"].f)
        thread.start()
        thread.join()
        subprocess.run([sys.executable, "-c", ""], check=True)
    modules["not_called"].f()
    assert found.files == {"called.py", "lazy.py", "generator.py", "by_thread.py"}
    assert found.times("f") == 2 + 1 + 3 + 1  # a generator is entered once more than it yields
    assert found.programs == [Path(sys.executable).name]
