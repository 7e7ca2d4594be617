"""The program in the sandbox. It starts as root with few capabilities, drops root, and only then opens a tenant's
files.

Input: one line of JSON with the task and its secrets, then an archive if the task needs one. Output: lines of JSON,
{"progress": text} and {"data": base64}, and at the end {"result": {…}} or {"failed": text, "code": restic's exit status
or 0}.
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
from launchpad.runner.hint import HERE, Next

ROOT = "/srv/generation"
"""The data's folder in the sandbox, with one folder for each volume: always the same, so that restic recognises
files."""

RETRY_LOCK = "--retry-lock=2m"
GONE = "the repository existed before and is missing now"
TRIAL = "_launchpad-trial"
"""The name of the trial repository; no tenant can have this name."""

Task = Mapping[str, Any]


def main() -> int:
    """Run the task; the exit status is 0 whenever an answer was printed."""
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
        missing = f"{error.filename} is missing on this host: " + Next("provision", HERE) + " installs it"
        answer = {"failed": missing, "code": 0}
    except OSError as error:
        answer = {"failed": _without_secrets(str(error), task), "code": 0}
    _say(answer)
    return 0


def become(uid: int) -> None:
    """Switch to the uid for good."""
    os.umask(0o077)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if os.getresuid() != (uid, uid, uid) or not _keep_nothing():
        raise PermissionError(f"cannot become uid {uid}")


def _keep_nothing() -> bool:
    """Drop every capability, inheritable ones too: systemd leaves those of the bounding set inheritable."""
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
    """Send the data to one repository, and create the repository the first time: the wrapped key first, so that no
    repository exists whose key could be lost. "known": the repository existed before, so a missing one is a failure (an
    unmounted disk). "wrap" is empty when the repository already has the wrapped key. "cut": an earlier backup was
    interrupted; remove its lock first."""
    tenant, given = task["tenant"], task["repository"]
    where = restic.repository(given, tenant)
    there = where.exists() if task["wrap"] or not task["known"] else True  # otherwise the backup itself will show
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
        if error.code < 0:  # the process was killed
            restic.unlock(where)
        raise
    return sent | made


def snapshots(task: Task) -> dict[str, Any]:
    """{"snapshots": […], "there"}, oldest first; empty without a repository. With "known", a missing one is a
    failure."""
    where = restic.repository(task["repository"], task["tenant"])
    there = where.exists()
    if not there and task.get("known"):
        raise restic.ResticFailed(GONE, restic.NO_REPOSITORY)
    return {"snapshots": restic.snapshots_of(where) if there else [], "there": there}


def wraps(task: Task) -> dict[str, Any]:
    """{"wraps": [armoured age]}, the newest first."""
    return {"wraps": restic.wraps(restic.repository(task["repository"], task["tenant"], public=True))}


def verify(task: Task) -> dict[str, Any]:
    """Check the repository's structure, read the `part` (n/m) of its data, and read all of the small repository with
    its key; ResticFailed for damage."""
    given, tenant = task["repository"], task["tenant"]
    where = restic.repository(given, tenant)
    restic.unlock(where)
    where.run("check", RETRY_LOCK, f"--read-data-subset={task['part']}")
    beside = restic.repository(given, tenant, public=True)
    restic.unlock(beside)
    beside.run("check", RETRY_LOCK, "--read-data")
    return {"part": task["part"]}


def fetch(task: Task) -> dict[str, Any]:
    """Restore a backup's files into the empty volumes; {"files", "bytes"}."""
    where = restic.repository(task["repository"], task["tenant"])
    root = _root(task)
    said = where.run(
        "restore", "--no-lock", "--sparse", f"--target={root}", f"{task['snapshot']}:{root}", on_message=_restored
    )
    summary = next((item for item in said if item.get("message_type") == "summary"), {})
    return {"files": summary.get("files_restored", 0), "bytes": summary.get("bytes_restored", 0)}


def trial(task: Task) -> dict[str, Any]:
    """Write to the target, then try to delete and to overwrite the written file, as a thief with the host's credentials
    would: {"delete", "overwrite"}, each `refused`, `done` or `untried`. Uses a repository of its own."""
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
    """Delete the backups that no `keep` rule keeps, and their data: {"removed": [id], "left", "seen": what to remember,
    see `order`, "odd": [id]}. The backup of the generation `spare` stays. With `dry`, only list.

    With `before` (what was remembered the last time), nothing is deleted when backups are out of order: they are listed
    as "odd". `odd` decides about them: "keep" trusts their dates, "delete" deletes them first.

    ResticFailed when the target refuses, and when a backup is dated in the future: a thief with the host's credentials
    could use such dates to have real backups deleted."""
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
    """The backups that restic's rules keep and those that they delete. Backups are deleted by id, so that a backup made
    after this list displaces no other."""
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
    """Delete these backups; the ids of the deleted ones."""
    if meant:
        where.run("forget", RETRY_LOCK, "--prune", *meant)
    if refused := set(meant) & {item["id"] for item in restic.snapshots_of(where)}:
        raise restic.ResticFailed(f"the target refused to delete {len(refused)} backups", 1)
    return meant


def pack(task: Task) -> dict[str, Any]:
    """Send the data, or the differences from an earlier generation; see `packing.pack`."""
    return packing.pack(task, _say)


def encrypt(task: Task) -> dict[str, Any]:
    """Send the task's text, encrypted; see `saying.encrypt`."""
    return saying.encrypt(task, _say)


def unpack(task: Task) -> dict[str, Any]:
    """Unpack the archive that follows the task into the volumes; see `unpacking.unpack`."""
    return unpacking.unpack(task, sys.stdin.buffer)


def wrap(task: Task) -> dict[str, Any]:
    """Store the wrapped key beside the repository as the newest one; {}."""
    where = restic.repository(task["repository"], task["tenant"], public=True)
    restic.put_wrap(where, task["wrap"], tenant=task["tenant"])
    return {}


def erase(task: Task) -> dict[str, Any]:
    """Delete every backup of the tenant, then its wrapped keys: {"removed": [id]}. ResticFailed when the target
    refuses. A missing repository is no error."""
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
    """Write a backup's files to the new folder `to`; with `path`, one file's content to the new file `to`; with
    `archive`, everything as a tar. {"bytes"}."""
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
    """Add one text to the repository named `tenant`, which is created when missing; {}."""
    where = restic.repository(task["repository"], task["tenant"])
    if not where.exists():
        where.run("init")
    restic.put_file(where, task["text"], file=task["file"], host=task["tenant"])
    return {}


def read(task: Task) -> dict[str, Any]:
    """{"text"}: the text that `put` added, from a snapshot."""
    where = restic.repository(task["repository"], task["tenant"])
    return {"text": where.raw("dump", "--no-lock", task["snapshot"], f"/{task['file']}").decode()}


def _root(task: Task) -> str:
    """The data's folder; only tests, which have no sandbox, use another one."""
    return str(task.get("root", ROOT))


def _restored(status: dict[str, Any]) -> None:
    _progress(f"{int(100 * float(status.get('percent_done', 0)))} % of {int(status.get('total_bytes', 0)) >> 20} MiB")


def _poured(total: int) -> None:
    if total >> 20 and not (total >> 20) % 16:
        _progress(f"{total >> 20} MiB")


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
    """A program's output without the task's secrets."""
    given = task.get("repository", {})
    for secret in (given.get("password", ""), *given.get("credentials", {}).values()):
        if secret:
            text = text.replace(secret, "[secret]")
    return text
