"""The program in the sandbox. It is started as root with hardly a capability, gives root up, and only then looks at
anything of a tenant's.

One line of JSON on standard input says what to do, with the secrets that it takes, and an archive may follow it; lines
of JSON come back: {"progress": text}, {"data": base64} of what is sent away, and at the end {"result": {…}} or
{"failed": text, "code": restic's exit status or 0}.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any

from launchpad.runner.backups import order, restic, sqlite_files
from launchpad.runner.carrying import packing, saying, unpacking
from launchpad.runner.carrying.unpacking import BadArchive

ROOT = "/srv/generation"
"""Where the data lies in the sandbox, a folder a volume: always there, so that restic knows a file again."""

RETRY_LOCK = "--retry-lock=2m"
GONE = "the repository existed before and is missing now"
TRIAL = "_launchpad-trial"
"""No tenant has such a name."""

Task = Mapping[str, Any]


def main() -> int:
    """Do what the line says; the exit status is 0 whenever an answer was given."""
    task = json.loads(sys.stdin.buffer.readline())
    become(task["uid"])
    try:
        if "repository" in task:
            restic.reach(task["repository"])
        answer: dict[str, Any] = {"result": TASKS[task["do"]](task)}
    except restic.ResticFailed as error:
        answer = {"failed": _without_secrets(error.message, task), "code": error.code}
    except (BadArchive, packing.TooLarge) as error:
        answer = {"failed": str(error), "code": 0}
    except FileNotFoundError as error:
        missing = f"{error.filename} is missing on this host: launchpad provision HOST installs it"
        answer = {"failed": missing, "code": 0}
    except OSError as error:
        answer = {"failed": _without_secrets(str(error), task), "code": 0}
    _say(answer)
    return 0


def become(uid: int) -> None:
    """Be that uid and nobody else, with no way back."""
    os.umask(0o077)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if os.getresuid() != (uid, uid, uid) or not _keep_nothing():
        raise PermissionError(f"cannot become uid {uid}")


def _keep_nothing() -> bool:
    """No capability is left, nor one that a program might inherit: systemd leaves those of the bounding set there."""
    header = struct.pack("=Ii", 0x20080522, 0)  # linux/capability.h: version 3, this process
    return int(ctypes.CDLL(None, use_errno=True).capset(header, bytes(24))) == 0


def check(task: Task) -> dict[str, Any]:
    """{"checked", "damaged": [{"path", "said"}], "unchecked" and "unreadable": [the same], "foreign": [{"path",
    "kind"}], "more": {kind: how many beside those}}; TooLarge
    as of `packing.judge_sizes`."""
    packing.judge_sizes(_root(task), int(task["most"]))
    return sqlite_files.check(_root(task)).as_json()


def count(task: Task) -> dict[str, Any]:
    """See `sqlite_files.count`; of `only` these tables where the task names some."""
    return sqlite_files.count(_root(task), seconds=float(task["seconds"]), only=task.get("only"))


def send(task: Task) -> dict[str, Any]:
    """Send the data to one repository. The first time it is made, the wrapped key first, so that there is no repository
    whose key could be lost. With "known", one that is not there is a failure: a disk that is not mounted, or somebody's
    hand. "wrap" is empty when it is known to lie there. With "cut", an earlier sending was cut off, and its lock goes
    first: others would wait for it."""
    tenant, given = task["tenant"], task["repository"]
    where = restic.repository(given, tenant)
    there = where.exists() if task["wrap"] or not task["known"] else True  # otherwise the sending itself will tell
    if task["known"] and not there:
        raise restic.ResticFailed(GONE, restic.NO_REPOSITORY)
    if task["wrap"]:
        restic.put_wrap(restic.repository(given, tenant, public=True), task["wrap"], tenant=tenant)
    if not there:
        where.run("init")
    elif task.get("cut"):
        restic.unlock(where)
    made = {"made": not there}
    try:
        sent = restic.back_up(where, [_root(task)], tenant=tenant, tags=task["tags"], progress=_progress)
    except restic.ResticFailed as error:
        if error.code < 0:  # somebody killed it
            restic.unlock(where)
        raise
    return sent | made


def snapshots(task: Task) -> dict[str, Any]:
    """{"snapshots": […], "there"}, oldest first; none when there is no repository, which is a failure with "known"."""
    where = restic.repository(task["repository"], task["tenant"])
    there = where.exists()
    if not there and task.get("known"):
        raise restic.ResticFailed(GONE, restic.NO_REPOSITORY)
    return {"snapshots": restic.snapshots_of(where) if there else [], "there": there}


def wraps(task: Task) -> dict[str, Any]:
    """{"wraps": [armoured age]}, the newest first."""
    return {"wraps": restic.wraps(restic.repository(task["repository"], task["tenant"], public=True))}


def verify(task: Task) -> dict[str, Any]:
    """Check the repository's structure, and read the `part` (n/m) of its data, and all of the small one beside it, in
    which its key lies; ResticFailed when there is damage."""
    given, tenant = task["repository"], task["tenant"]
    where = restic.repository(given, tenant)
    restic.unlock(where)
    where.run("check", RETRY_LOCK, f"--read-data-subset={task['part']}")
    beside = restic.repository(given, tenant, public=True)
    restic.unlock(beside)
    beside.run("check", RETRY_LOCK, "--read-data")
    return {"part": task["part"]}


def fetch(task: Task) -> dict[str, Any]:
    """Bring a backup's files back into the empty volumes; {"files", "bytes"}."""
    where = restic.repository(task["repository"], task["tenant"])
    root = _root(task)
    said = where.run(
        "restore", "--no-lock", "--sparse", f"--target={root}", f"{task['snapshot']}:{root}", on_message=_restored
    )
    summary = next((item for item in said if item.get("message_type") == "summary"), {})
    return {"files": summary.get("files_restored", 0), "bytes": summary.get("bytes_restored", 0)}


def trial(task: Task) -> dict[str, Any]:
    """Write to the target, then try to delete and to overwrite what was written, as a thief with the host's credentials
    would: {"delete", "overwrite"}, each `refused`, `done` or `untried`. A repository of its own is used."""
    given = task["repository"]
    where = restic.repository(given, TRIAL, public=True)
    if not where.exists():
        where.run("init")
    said = where.run("backup", "--stdin", "--stdin-filename=trial", "--host=launchpad", stdin=os.urandom(64))
    made = next(item["snapshot_id"] for item in said if item.get("message_type") == "summary")
    overwrite = "untried"
    if given["kind"] == "rest":
        from launchpad.runner.backups import thief

        done = thief.overwrites(f"{given['url']}/{TRIAL}.key/snapshots/{made}", given["credentials"])
        overwrite = "done" if done else "refused"
    elif given["kind"] == "s3":
        from launchpad.runner.backups import s3

        done = s3.overwrites(f"{given['url']}/{TRIAL}.key/trial", given["credentials"])
        overwrite = "done" if done else "refused"
    try:
        where.run("forget", made)  # exits with 0 also when the server refuses
        left = [item["id"] for item in restic.snapshots_of(where)]
        delete = "refused" if made in left else "done"
    except restic.ResticFailed:
        delete = "untried"
    return {"delete": delete, "overwrite": overwrite}


def forget(task: Task) -> dict[str, Any]:
    """Delete the backups that none of the `keep` rules keeps, and what only they needed: {"removed": [id], "left",
    "seen": what to remember, see `order`, "odd": [id]}. That of the generation `spare` stays. With `dry` it is told
    what would be removed, and nothing is.

    With `before`, what was remembered the last time, nothing is deleted when there are backups out of order, which are
    told as "odd", unless `odd` says what with them: "keep" believes their dates, "delete" deletes them first.

    ResticFailed when the target refuses, and when a backup is dated in the future, by which whoever has the host's
    credentials could push the real ones out, too."""
    where = restic.repository(task["repository"], task["tenant"])
    restic.unlock(where)
    kept, gone = _sorted(where, task)
    before, todo = task.get("before"), task.get("odd", "")
    odd = order.out_of_order(before, kept + gone) if before and todo != "keep" else []
    removed: list[str] = []
    if odd and todo == "delete":
        removed = _removed(where, odd)
        odd = []
        kept, gone = _sorted(where, task)
    if odd:
        return {"removed": [], "left": len(kept) + len(gone), "seen": before, "odd": odd}
    meant = [str(item["id"]) for item in gone]
    if task.get("dry"):
        return {"removed": meant, "left": len(kept), "seen": order.remembered(kept + gone), "odd": []}
    removed += _removed(where, meant)
    return {"removed": removed, "left": len(kept), "seen": order.remembered(kept), "odd": []}


def _sorted(where: restic.Repository, task: Task) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the rules keep and what they do not, by restic's own word for it. What is deleted is named by its id, so
    that a backup which comes after this look pushes nothing out."""
    rules = [f"--keep-{name}={count}" for name, count in task["keep"].items() if count]
    if task.get("spare"):
        rules.append(f"--keep-tag=generation={task['spare']}")
    groups = where.run("forget", RETRY_LOCK, "--group-by=host", "--dry-run", *rules)
    kept, gone = ([item for group in groups for item in group.get(name) or ()] for name in ("keep", "remove"))
    for item in kept + gone:
        if order.moment(item) > task["now"] + order.AHEAD:
            raise restic.ResticFailed(
                f"backup {item['id'][:8]} is dated in the future ({item['time'][:16]}); nothing was deleted", 1
            )
    return kept, gone


def _removed(where: restic.Repository, meant: list[str]) -> list[str]:
    """These, deleted."""
    if meant:
        where.run("forget", RETRY_LOCK, "--prune", *meant)
    if refused := set(meant) & {item["id"] for item in restic.snapshots_of(where)}:
        raise restic.ResticFailed(f"the target refused to delete {len(refused)} backups", 1)
    return meant


def pack(task: Task) -> dict[str, Any]:
    """Send the data, or what differs from an earlier generation, as the lines' data; see `packing.pack`."""
    return packing.pack(task, _say)


def encrypt(task: Task) -> dict[str, Any]:
    """Send a text that came with the task, encrypted; see `saying.encrypt`."""
    return saying.encrypt(task, _say)


def unpack(task: Task) -> dict[str, Any]:
    """Take the archive that follows the task into the volumes; see `unpacking.unpack`."""
    return unpacking.unpack(task, sys.stdin.buffer)


def wrap(task: Task) -> dict[str, Any]:
    """Lay the wrapped key beside the repository, as the newest one; {}."""
    where = restic.repository(task["repository"], task["tenant"], public=True)
    restic.put_wrap(where, task["wrap"], tenant=task["tenant"])
    return {}


def erase(task: Task) -> dict[str, Any]:
    """Delete every backup of the tenant, and then its wrapped keys: {"removed": [id]}. ResticFailed when the target
    refuses; a repository that is not there is fine."""
    given, tenant = task["repository"], task["tenant"]
    removed: list[str] = []
    for where in (restic.repository(given, tenant), restic.repository(given, tenant, public=True)):
        if not where.exists():
            continue
        restic.unlock(where)
        meant = [item["id"] for item in restic.snapshots_of(where)]
        if meant:
            where.run("forget", RETRY_LOCK, "--prune", *meant)
        if left := restic.snapshots_of(where):
            raise restic.ResticFailed(f"the target refused to delete {len(left)} backups", 1)
        removed = removed or meant
    return {"removed": removed}


def download(task: Task) -> dict[str, Any]:
    """A backup's files in the new folder `to`, or in the new file `to`: with `path` that file's content, with `archive`
    all as a tar; {"bytes"}."""
    where, to = restic.repository(task["repository"], task["tenant"]), task["to"]
    place, path = f"{task['snapshot']}:{_root(task)}", str(task.get("path", ""))
    if not path and not task["archive"]:
        said = where.run("restore", "--no-lock", "--sparse", f"--target={to}", place, on_message=_restored)
        summary = next((item for item in said if item.get("message_type") == "summary"), {})
        return {"bytes": summary.get("total_bytes", 0)}
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        words = [task["snapshot"], f"{_root(task)}/{path}"] if path else ["--archive=tar", place, "/"]
        where.pour("dump", "--no-lock", *words, into=file, on_bytes=_poured)
        file.flush()
        os.fsync(file.fileno())
        return {"bytes": file.tell()}


def put(task: Task) -> dict[str, Any]:
    """Add one text to the repository that is named `tenant`, made when it is not there; {}."""
    where = restic.repository(task["repository"], task["tenant"])
    if not where.exists():
        where.run("init")
    restic.put_file(where, task["text"], file=task["file"], host=task["tenant"])
    return {}


def read(task: Task) -> dict[str, Any]:
    """{"text"} of the file in a snapshot, as `put` added it."""
    where = restic.repository(task["repository"], task["tenant"])
    return {"text": where.raw("dump", "--no-lock", task["snapshot"], f"/{task['file']}").decode()}


def _root(task: Task) -> str:
    """Where the data lies: elsewhere only without a sandbox, in tests."""
    return str(task.get("root", ROOT))


def _restored(status: dict[str, Any]) -> None:
    _progress(f"{int(100 * float(status.get('percent_done', 0)))} % of {int(status.get('total_bytes', 0)) >> 20} MB")


def _poured(total: int) -> None:
    if total >> 20 and not (total >> 20) % 16:
        _progress(f"{total >> 20} MB")


TASKS: dict[str, Callable[[Task], dict[str, Any]]] = {
    "check": check,
    "count": count,
    "send": send,
    "snapshots": snapshots,
    "wraps": wraps,
    "verify": verify,
    "fetch": fetch,
    "trial": trial,
    "forget": forget,
    "pack": pack,
    "unpack": unpack,
    "wrap": wrap,
    "erase": erase,
    "download": download,
    "put": put,
    "read": read,
    "encrypt": encrypt,
}


def _progress(text: str) -> None:
    _say({"progress": text})


def _say(value: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _without_secrets(text: str, task: Task) -> str:
    """What a program said, without what it was told in confidence."""
    given = task.get("repository", {})
    for secret in (given.get("password", ""), *given.get("credentials", {}).values()):
        if secret:
            text = text.replace(secret, "[secret]")
    return text
