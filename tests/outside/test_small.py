"""Small things that outside use found, and what is private: typed as a newcomer would, judged by Git and by the files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from launchpad.fleet.unstaged import keep_out
from tests.cli.conftest import empty, home, terminal
from tests.cli.terminal import Terminal
from tests.tally import tallied

__all__ = ["empty", "home", "terminal"]


def staged(root: Path, *but: str) -> list[str]:
    """What `git add -A` would put into the next commit; without repositories inside, which Git takes no files of."""
    subprocess.run(["git", "-C", str(root), "init", "--quiet"], check=True)
    said = subprocess.run(
        ["git", "-C", str(root), "add", "--all", "--dry-run", "--", ".", *(f":!{name}" for name in but)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.removeprefix("add '").removesuffix("'") for line in said.stdout.splitlines()]


def private(names: list[str], root: Path) -> list[str]:
    """Those of the files that hold a private key."""
    files = [(name, (root / name).read_bytes()) for name in names if (root / name).is_file()]
    return [name for name, data in files if b"PRIVATE KEY" in data or b"AGE-SECRET" in data]


def test_a_private_key_is_never_staged(
    empty: Terminal, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = empty.root / "home"
    (own / "deep").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(own))
    monkeypatch.delenv("LAUNCHPAD_CONFIG")
    with tallied("outside-d2", request) as holds:
        for root in (own, empty.root, own / "deep/../"):
            said = empty("init", str(root))
            holds(f"init in {root.relative_to(empty.root)} is refused", said.code == 4, said)
            holds(f"and says where instead ({root.name})", f"hint: launchpad init {own}/fleet" in said.err, said.err)
        holds("nothing was made there", not (own / ".git").exists() and not list(own.rglob("*.yaml")))
        (own / "fleet").mkdir()
        (own / "fleet/backup.key").write_text("x\n-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n")
        said = empty("init", str(own / "fleet"))
        holds("a folder with a private key is refused by its name", "backup.key is a private key" in said.err, said.err)
        (own / "fleet/backup.key").unlink()
        empty.ok("init", str(own / "fleet"))
        found = staged(own / "fleet")
        holds(
            "the workspace itself is staged, and no key",
            "launchpad.yaml" in found and not private(found, own / "fleet"),
        )
        found = staged(own, "fleet")
        holds("a home that is a repository stages no key", not private(found, own), found)
        holds("it does stage other files", any(name.endswith("ssh_ed25519.pub") for name in found), found)
        monkeypatch.setenv("LAUNCHPAD_CONFIG", str(own / "other/.keys"))
        empty.ok("init", str(own / "other"))
        found = staged(own / "other")
        holds("keys inside the workspace are left out", "launchpad.yaml" in found and not private(found, own / "other"))
        monkeypatch.chdir(own / "fleet")
        passphrase = "correct horse battery staple"
        for file in ("kit.txt", "inventory/kit.txt", str(own / "kit.txt")):
            said = empty("kit", "make", file, stdin=f"{passphrase}\n")
            holds(f"a kit in {file.replace(str(own), 'a repository')} is refused", said.code == 4, said)
            holds(f"by the name of the place ({file[-17:]})", "would lie in" in said.err, said.err)
        holds("no kit was written, and none is named", "recovery" not in (own / "fleet/launchpad.yaml").read_text())
        export = own / "fleet/alice [1].tgz"
        keep_out(export)
        export.write_text("credentials")
        (own / "fleet/.alice [1].tgz.partial").write_text("credentials")
        found = staged(own / "fleet")
        holds("an export with credentials is left out", not [name for name in found if "tgz" in name], found)
        (own / "fleet/.gitignore").write_text("!*.tgz\n")
        with pytest.raises(Exception, match="git add would stage it"):
            keep_out(own / "fleet/bob.tgz")
