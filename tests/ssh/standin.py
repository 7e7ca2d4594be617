"""A stand-in for the runner: speaks its protocol, keeps its state in a folder, and fails when a test asks for it.

Run by sshd as `python3 -I standin.py STATE`. In STATE a test writes `behaviour.json`:

    {"VERB": {"lines": [...], "raw": "...", "bytes": n, "exit": code, "stderr": "...", "wait": "file"}}

`lines` are sent as JSON; `raw` as it stands; `bytes` many of one endless line; then it ends with the exit code. `wait`
holds the answer back until the file is in STATE. Without a behaviour: `submit` begins an operation that goes on when
the connection is cut, `follow` comes back to it, other verbs answer {"verb", "body"}. Every request is appended to
`requests.jsonl`. An operation has three steps; while there is a file `hold-N` in STATE it waits before step N.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(sys.argv[1])
STEPS = ("pull-images", "start", "let-traffic-in")


def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def reply(body, protocol=1):
    say({"type": "reply", "protocol": protocol, "runner": "0.1.0", "body": body})


def refuse(kind, message, hint=""):
    say({"type": "error", "error": kind, "message": message, "hint": hint})
    sys.exit(1)


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("the stand-in waited for a minute")
        time.sleep(0.005)


def behave(asked):
    if "wait" in asked:
        until((STATE / asked["wait"]).exists)
    for line in asked.get("lines", ()):
        say(line)
    sys.stdout.write(asked.get("raw", ""))
    left = asked.get("bytes", 0)
    while left > 0:
        sys.stdout.write("x" * min(left, 65536))
        left -= 65536
    sys.stdout.flush()
    sys.stderr.write(asked.get("stderr", ""))
    sys.exit(asked.get("exit", 0))


def submit(body):
    folder = STATE / "operations" / body["id"]
    told = {key: body[key] for key in ("id", "operation")}
    if folder.exists():
        if json.loads((folder / "operation.json").read_text()) != told:
            refuse("state", f"operation {body['id']} is another one")
    else:
        folder.mkdir(parents=True)
        (folder / "operation.json").write_text(json.dumps(told))
        subprocess.Popen(
            [sys.executable, "-I", __file__, str(STATE), "work", body["id"]],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    if body.get("follow", True):
        follow({"id": body["id"], "after": 0})
    else:
        reply({"id": body["id"], "outcome": "running"})


def follow(body):
    folder = STATE / "operations" / body["id"]
    if not folder.exists():
        refuse("state", f"there is no operation {body['id']}", "launchpad history")
    sent = body.get("after", 0)
    journal = folder / "journal.jsonl"
    deadline = time.monotonic() + 90  # longer than its work can last: nobody is left to follow it then
    while time.monotonic() < deadline:
        done = (folder / "outcome.json").exists()
        lines = journal.read_text().splitlines() if journal.exists() else []
        for line in lines[sent:]:
            say(json.loads(line))
            sent += 1
        if done:
            reply(json.loads((folder / "outcome.json").read_text()))
            break
        time.sleep(0.005)


def work(identifier):
    folder = STATE / "operations" / identifier
    operation = json.loads((folder / "operation.json").read_text())["operation"]
    number = 0

    def event(name, **fields):
        nonlocal number
        number += 1
        line = {"type": "event", "number": number, "at": time.time(), "event": name, **fields}
        with (folder / "journal.jsonl").open("a") as journal:
            journal.write(json.dumps(line) + "\n")

    event(
        "operation-started",
        operation=identifier,
        kind=operation["kind"],
        tenant=operation.get("tenant", ""),
        who="alice",
        **{"from": "127.0.0.1"},
        steps=[{"step": step, "title": step.replace("-", " ")} for step in STEPS],
    )
    outcome = "done"
    for index, step in enumerate(STEPS):
        event("step-started", index=index, step=step, title=step.replace("-", " "), before=None)
        until(lambda index=index: not (STATE / f"hold-{index}").exists() or (folder / "cancel").exists())
        if (folder / "cancel").exists():
            event("undo-started", reason="cancelled by alice")
            outcome = "cancelled"
            break
        event("step-done", index=index, step=step, seconds=0.01)
    event("operation-finished", outcome=outcome, message="", seconds=0.03)
    body = {"id": identifier, "outcome": outcome, "message": "", "lines": [], "release": "0" * 12, "seconds": 0.03}
    (folder / "outcome.part").write_text(json.dumps(body))
    (folder / "outcome.part").rename(folder / "outcome.json")


def cancel(body):
    (STATE / "operations" / body["id"] / "cancel").touch()
    reply({"id": body["id"]})


def main():
    if sys.argv[2:3] == ["work"]:
        return work(sys.argv[3])
    line = sys.stdin.readline()
    request = json.loads(line)
    with (STATE / "requests.jsonl").open("a") as log:
        log.write(line)
    try:
        behaviour = json.loads((STATE / "behaviour.json").read_text())
    except FileNotFoundError:
        behaviour = {}
    if request["verb"] in behaviour:
        behave(behaviour[request["verb"]])
    verbs = {"submit": submit, "follow": follow, "cancel": cancel}
    answer = verbs.get(request["verb"])
    if answer:
        return answer(request["body"])
    return reply({"verb": request["verb"], "body": request["body"], "command": os.environ.get("SSH_ORIGINAL_COMMAND")})


main()
