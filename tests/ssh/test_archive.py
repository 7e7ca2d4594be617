"""The runner's archive: the same bytes each time, whole, and signed so that ssh-keygen says so."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from launchpad.errors import StateError
from launchpad.runner.protocol import digest_of
from launchpad.runner.provision.unpack import Version, folder_of, unpack, version_in, version_of
from launchpad.ssh.archive import runner_archive, sign


def names(data: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.namelist()


def test_it_is_the_same_each_time() -> None:
    first = runner_archive().data
    runner_archive.cache_clear()
    assert runner_archive().data == first
    assert runner_archive().digest == digest_of(first)


def test_it_has_the_runner_and_nothing_of_the_rest() -> None:
    found = names(runner_archive().data)
    assert "launchpad/runner/provision/files/etc/launchpad/firewall.nft" in found
    rest = [name for name in found if name.startswith("launchpad/") and not name.startswith("launchpad/runner/")]
    assert rest == ["launchpad/__init__.py"]
    assert not [name for name in found if "__pycache__" in name or name.endswith(".pyc")]


def test_it_says_hello_to_any_python_without_site_packages(tmp_path: Path) -> None:
    file = tmp_path / "runner.pyz"
    file.write_bytes(runner_archive().data)
    request = b'{"protocol":1,"client":"test","verb":"hello","body":{}}\n'
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(file), "operator=alice"], input=request, capture_output=True, check=True
    )
    assert b'"type":"reply"' in done.stdout


def test_unpacked_it_starts_from_compiled_files(tmp_path: Path) -> None:
    archive = runner_archive()
    folder = Path(unpack(archive.data, library=str(tmp_path)))
    assert folder.name == folder_of(archive.data).rpartition("/")[2]
    assert unpack(archive.data, library=str(tmp_path)) == str(folder), "twice is once"
    assert [item.name for item in tmp_path.iterdir()] == [folder.name], "nothing half is left"
    assert list(folder.glob("launchpad/runner/__pycache__/protocol.*.pyc"))
    assert (folder / "start").stat().st_mode & 0o777 == 0o755
    assert version_in(str(folder)) == Version(archive.version, archive.protocol)
    request = b'{"protocol":1,"client":"test","verb":"hello","body":{}}\n'
    words = [sys.executable, "-I", "-S", str(folder / "start"), "operator=alice"]
    assert b'"type":"reply"' in subprocess.run(words, input=request, capture_output=True, check=True).stdout


def test_versions_have_an_order() -> None:
    assert version_of(runner_archive().data).version
    assert Version("0.10.0", 1).order > Version("0.9.3", 1).order
    assert Version("0.1.0", 2).order > Version("1.0.0", 1).order


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path


def test_a_signature_holds_for_its_namespace_and_no_other(key: Path, tmp_path: Path) -> None:
    signers = tmp_path / "signers"
    signers.write_text(f'fleet namespaces="launchpad-runner" {key.with_suffix(".pub").read_text()}')
    (tmp_path / "signature").write_text(sign(b"data", key=key))

    def verify(namespace: str, data: bytes) -> bool:
        words = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", "fleet", "-n", namespace]
        words += ["-s", str(tmp_path / "signature")]
        return subprocess.run(words, input=data, capture_output=True, check=False).returncode == 0

    assert verify("launchpad-runner", b"data")
    assert not verify("launchpad-runner", b"other data")
    assert not verify("launchpad-settings", b"data")


def test_a_key_that_cannot_sign_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot sign") as error:
        sign(b"data", key=tmp_path / "missing")
    assert error.value.hint
