"""doctor: check the operator's own machine and workspace, before a host is to blame."""

from __future__ import annotations

import platform
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from launchpad import __version__
from launchpad.errors import InventoryError, LaunchpadError, StateError
from launchpad.fleet.keeping.git import Git
from launchpad.fleet.keeping.unstaged import is_ignored, private_files
from launchpad.fleet.keeping.workspace_files import state_folder
from launchpad.fleet.model.fleet import Defaults, Fleet, readers, signers
from launchpad.fleet.model.recovery import kit_test
from launchpad.fleet.reading.inventory_files import INVENTORY, SETTINGS_FILE
from launchpad.fleet.sealing.keys import Keys
from launchpad.fleet.words.mistakes import InventoryMistakes
from launchpad.operations.backups.reseal import stale
from launchpad.operations.hosts.install_runner import is_newer, look_at
from launchpad.operations.hosts.judged import every_mistake
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.ssh.archive import runner_archive
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

MOST_SKEW_SECONDS = 2.0
KIT_TEST_DAYS = 90
DAY = 86_400.0
PROGRAMS = {"git": "--version", "ssh": "-V", "ssh-keygen": "", "restic": "version", "age": "--version"}
"""Program → the argument with which it prints its version; empty for a program without one."""
NEEDED = {
    "git": ("git", "the inventory's history"),
    "ssh": ("openssh-client", "backups over SFTP"),
    "ssh-keygen": ("openssh-client", "signing runners and settings"),
    "restic": ("restic", "pruning backups, and backups of the workspace"),
}
"""Program → Debian's package, and what needs it. Only a fleet with targets needs restic and ssh."""


@dataclass(frozen=True, kw_only=True)
class DoctorFinding:
    """One problem of the operator's machine or workspace, and the command to type."""

    about: str
    message: str
    hint: str
    fixed: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class DoctorReport:
    """The result of the check."""

    findings: tuple[DoctorFinding, ...]
    versions: Mapping[str, str]
    """Program or host → its version; empty when it is missing or unknown."""

    @property
    def good(self) -> bool:
        """Whether nothing is left to do."""
        return all(item.fixed for item in self.findings)

    def as_json(self) -> dict[str, Any]:
        found = [item.as_json() for item in self.findings]
        return {"good": self.good, "findings": found, "versions": dict(self.versions)}


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """A finding, and its safe automatic repair, if there is one."""

    about: str
    message: str
    hint: str
    repair: Callable[[], object] | None = None


def doctor(workspace: Workspace, keys: Keys, *, environment: Mapping[str, str], fix: bool = False) -> DoctorReport:
    """Check everything on the operator's side; with `fix`, repair what is safe to repair: file modes, missing folders.
    An unreadable file is a finding, not an error."""
    versions = {"launchpad": __version__, "python": platform.python_version(), **_versions(environment)}
    found = [*_inventory(workspace), *_folders(workspace), *_private(keys), *_in_git_by_mistake(workspace, keys)]
    with suppress(InventoryError):  # its mistakes were found above
        fleet = workspace.fleet.load()
        found += [*_own_keys(fleet.defaults, keys), *_sealed(workspace), *_programs(fleet, versions)]
        found += _kit(workspace, fleet)
        for name, said in _hosts(workspace, fleet).items():
            if isinstance(said, LaunchpadError):
                message = said.message.removeprefix(f"{name}: ")
                found.append(_Problem(about=f"host {name}", message=message, hint=said.hint))
            else:
                versions[f"host {name}"], findings = said
                found += findings
    found += _git(workspace, environment)
    return DoctorReport(findings=tuple(_fixed(item, fix=fix) for item in found), versions=versions)


def known_keys(defaults: Defaults, keys: Mapping[str, str]) -> dict[str, bool]:
    """Which public keys of an operator launchpad.yaml has: {"ssh_key", "signing_key", "recipient"}, those given."""
    enters = {tuple(text.split()[:2]) for operator in defaults.operators for text in operator.keys}
    signs = {tuple(text.split()[:2]) for texts in signers(defaults).values() for text in texts}
    judges: dict[str, Callable[[str], bool]] = {
        "ssh_key": lambda text: tuple(text.split()[:2]) in enters,
        "signing_key": lambda text: tuple(text.split()[:2]) in signs,
        "recipient": lambda text: text in readers(defaults),
    }
    return {name: judges[name](text) for name, text in keys.items()}


def _fixed(found: _Problem, *, fix: bool) -> DoctorFinding:
    fixed = False
    if fix and found.repair:
        with suppress(OSError, LaunchpadError):  # the finding stays, with the command that prints the reason
            found.repair()
            fixed = True
    return DoctorFinding(about=found.about, message=found.message, hint=found.hint, fixed=fixed)


def _inventory(workspace: Workspace) -> Iterator[_Problem]:
    try:
        every_mistake(workspace)
    except InventoryMistakes as error:
        for mistake in error.mistakes:
            yield _Problem(about="inventory", message=str(mistake), hint=Next("check"))


def _folders(workspace: Workspace) -> Iterator[_Problem]:
    """Git keeps no empty folder: a fresh clone of a small fleet lacks some."""
    for name in ("apps", "tenants"):
        folder = workspace.root / INVENTORY / name
        if not folder.is_dir():
            yield _Problem(
                about="workspace",
                message=f"{folder} is missing",
                hint=f"mkdir {folder}",
                repair=partial(folder.mkdir, parents=True),
            )
    ignored = workspace.state / ".gitignore"
    if workspace.state.is_dir() and not ignored.exists():
        yield _Problem(
            about="workspace",
            message=f"{ignored} is missing, so Git would include this checkout's own state",
            hint=f"echo '*' >{ignored}",
            repair=partial(state_folder, workspace.root),
        )


def _private(keys: Keys) -> Iterator[_Problem]:
    """Keys exist, and only their owner can read them."""
    for purpose, path in keys.paths().items():
        if not path.exists():
            yield _Problem(about="keys", message=f"{path} ({purpose}) is missing", hint=Next("key make"))
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield _Problem(
                about="keys",
                message=f"others can read {path} ({purpose}): its mode is {mode:04o}",
                hint=f"chmod 600 {path}",
                repair=partial(path.chmod, 0o600),
            )
    for folder in sorted({path.parent for path in keys.paths().values() if path.exists()}):
        mode = stat.S_IMODE(folder.stat().st_mode)
        if mode & 0o022:
            yield _Problem(
                about="keys",
                message=f"others can replace keys in {folder}: its mode is {mode:04o}",
                hint=f"chmod go-w {folder}",
                repair=partial(folder.chmod, mode & ~0o022),
            )


def _in_git_by_mistake(workspace: Workspace, keys: Keys) -> Iterator[_Problem]:
    for file in private_files(workspace.root, without=keys.identity.parent):
        if not is_ignored(file):
            hint = f"move {file} out of the workspace, and make a new key if it was ever committed"
            yield _Problem(about="workspace", message=f"{file} is a private key that `git add` would stage", hint=hint)


def _own_keys(defaults: Defaults, keys: Keys) -> Iterator[_Problem]:
    readable: dict[str, str] = {}
    for name, path, read in (
        ("ssh_key", keys.ssh, lambda: keys.ssh_public),
        ("signing_key", keys.signing, lambda: keys.signing_public),
        ("recipient", keys.identity, lambda: keys.recipient),
    ):
        if not path.exists():
            continue  # reported before
        try:
            readable[name] = str(read())
        except StateError as error:
            yield _Problem(about="keys", message=error.message, hint=error.hint)
    hint = (
        "launchpad --json key show >keys.json; an operator types: "
        + Next("operator add", "NAME", "--keys")
        + " keys.json"
    )
    for name, known in known_keys(defaults, readable).items():
        if not known:
            what = name.replace("_", " ")
            yield _Problem(about="keys", message=f"launchpad.yaml does not have this operator's {what}", hint=hint)


def _sealed(workspace: Workspace) -> Iterator[_Problem]:
    for owner, names in stale(workspace).items():
        message = f"{owner}: {', '.join(names)} not sealed for every recipient in launchpad.yaml"
        yield _Problem(about="recipients", message=message, hint=Next("secret reseal"))


def _versions(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: _version(name, word, environment) for name, word in PROGRAMS.items()}


def _version(name: str, word: str, environment: Mapping[str, str]) -> str:
    """The first line of what the program prints about itself; `installed` of one that prints nothing, empty where there
    is no such program."""
    program = shutil.which(name, path=environment.get("PATH"))
    if program is None:
        return ""
    if not word:
        return "installed"
    try:
        done = subprocess.run([program, word], capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "installed"
    first = ((done.stdout or done.stderr).strip().splitlines() or ["installed"])[0].removeprefix(f"{name} ")
    return first.partition(", ")[0]  # ssh names its library too


def _programs(fleet: Fleet, versions: Mapping[str, str]) -> Iterator[_Problem]:
    for name, (package, purpose) in NEEDED.items():
        if not versions[name] and (fleet.targets or name not in ("restic", "ssh")):
            yield _Problem(
                about="programs", message=f"{name} is missing: {purpose} need it", hint=f"apt install {package}"
            )


def _kit(workspace: Workspace, fleet: Fleet) -> Iterator[_Problem]:
    if fleet.defaults.recovery is None:
        if fleet.targets:
            yield _Problem(about="kit", message="there is no emergency kit", hint=Next("kit make", "FILE"))
        return
    last = kit_test(workspace.root, fleet.defaults.recovery, now=workspace.clock.now())
    if not last:
        yield _Problem(about="kit", message="the emergency kit was never tested", hint=Next("kit test", "FILE"))
    elif not last["good"]:
        message = "the emergency kit did not open everything at its last test"
        yield _Problem(about="kit", message=message, hint=Next("kit test", "FILE"))
    elif last["age_seconds"] > KIT_TEST_DAYS * DAY:
        message = f"the emergency kit was tested {last['age_seconds'] / DAY:.0f} days ago"
        yield _Problem(about="kit", message=message, hint=Next("kit test", "FILE"))


def _git(workspace: Workspace, environment: Mapping[str, str]) -> Iterator[_Problem]:
    """Changes that are not in Git, or not pushed, so that a colleague or a new machine would not get them."""
    root, git = workspace.root, Git(workspace.root, environment)
    at = f"git -C {root}"
    try:
        if git.is_empty():
            message = f"{root} has no commit yet: there is no history of changes, and nothing to push"
            yield _Problem(about="Git", message=message, hint=f"{at} add -A; {at} commit -m 'Our fleet'")
            return
        if not git.tracks(SETTINGS_FILE):
            message = f"{root} is not in Git: nobody else has this inventory, and there is no history of changes"
            yield _Problem(about="Git", message=message, hint=f"{at} init; {at} add -A; {at} commit -m 'Our fleet'")
            return
        changed = git.changed(["."])
        if changed:
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            message = f"not committed: {', '.join(changed[:3])}{more}"
            yield _Problem(about="Git", message=message, hint=f"{at} add -A; {at} commit")
        yield from _beside_upstream(git, at)
    except StateError as error:
        yield _Problem(about="Git", message=error.message, hint=error.hint)


def _beside_upstream(git: Git, at: str) -> Iterator[_Problem]:
    upstream = git.upstream()
    if upstream is None:
        message = "the branch has no upstream: its commits are only on this machine"
        push = f"{at} push --set-upstream"
        remotes = git.remotes()
        hint = f"{push} {remotes[0]} HEAD" if remotes else f"{at} remote add origin URL; {push} origin HEAD"
        yield _Problem(about="Git", message=message, hint=hint)
        return
    try:
        behind = not git.has(git.tip_of(upstream))
    except StateError as error:
        yield _Problem(about="Git", message=error.message, hint=f"{at} fetch {upstream.remote}")
        behind = False
    ahead, known_behind = git.apart()
    if behind or known_behind:
        count = "" if behind else f"{known_behind} "
        yield _Problem(
            about="Git",
            message=f"{upstream} has {count}commits that this clone does not have",
            hint=f"{at} pull --rebase",
        )
    if ahead:
        several = "1 commit is" if ahead == 1 else f"{ahead} commits are"
        yield _Problem(about="Git", message=f"{several} not pushed to {upstream}", hint=f"{at} push")


def _hosts(workspace: Workspace, fleet: Fleet) -> dict[str, tuple[str, list[_Problem]] | LaunchpadError]:
    """Host → the findings of `_host`, all hosts in parallel."""
    names = sorted(map(str, fleet.hosts))
    return fanout(names, lambda name: _host(workspace, fleet, name), threads=workspace.settings.parallel)


def _host(workspace: Workspace, fleet: Fleet, name: str) -> tuple[str, list[_Problem]]:
    """The runner's version, and the problems between this machine and the host; one exec."""
    clock, own = workspace.clock, runner_archive()
    with hosts_of(workspace).reach(fleet.host(name)) as runner:
        begun = clock.now()
        has = look_at(runner)
        ended = clock.now()
    found = []
    if is_newer(has.version, __version__):
        message = f"the host's runner {has.version} is newer than Launchpad {__version__} on this machine"
        found.append(_Problem(about=f"host {name}", message=message, hint="pipx upgrade launchpad-fleet"))
    elif not has.digest or not own.digest.removeprefix("sha256:").startswith(has.digest):
        message = f"the host's runner {has.version} differs from the runner of Launchpad {__version__} on this machine"
        found.append(_Problem(about=f"host {name}", message=message, hint=Next("provision", name)))
    skew = max(has.clock - ended, begun - has.clock)
    if has.clock and skew > MOST_SKEW_SECONDS:
        which = "ahead of" if has.clock > ended else "behind"
        message = f"its clock is {skew:.0f} s {which} this machine's"
        hint = "timedatectl; " + Next("status", name) + ": the wrong clock must follow a time server"
        found.append(_Problem(about=f"host {name}", message=message, hint=hint))
    return has.version, found
