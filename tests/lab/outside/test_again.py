"""Words that are typed twice, inventories that parted, and what is said of it; judged on a real host from outside."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.pair import Pair
from tests.lab.test_operating import eventually, wait_for_event
from tests.lab.world import PROJECT, World, write
from tests.tally import tallied

LONG = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
WHO = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
JOURNALS = "cat /var/lib/launchpad/operations/*/operation.json"
TENANTS = "/srv/launchpad/tenants"


@pytest.fixture(scope="module")
def here(world: World) -> World:
    """Alice on 1.0.0, then 1.1.0, then 2.0.0, each with a mark in her data; the workspace is in Git."""
    write(world.root / "inventory/apps/beacon.yaml", timings={"start": "15s", "steady": "1s", "stop": "3s"})
    (world.root / ".gitignore").open("a").write(".config/\n")
    git(world, "init", "--quiet", "--initial-branch=main")
    world.add_tenant("alice")
    world.deploy("alice")
    mark(world, "on 1.0.0")
    commit(world, "alice")
    return world


def git(world: World, *words: str) -> str:
    argv = ["git", *WHO, "-C", str(world.root), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def commit(world: World, message: str) -> None:
    git(world, "add", "--all")
    git(world, "commit", "--quiet", "--allow-empty", "--message", message)


def clone(world: World, to: Path) -> World:
    """Another operator's checkout of what is committed, with keys of the same fleet."""
    subprocess.run(["git", "clone", "--quiet", str(world.root), str(to)], check=True)
    shutil.copytree(world.root / ".config", to / ".config")
    return replace(world, root=to)


def mark(world: World, text: str, tenant: str = "alice") -> None:
    world.wait_for(tenant)
    assert world.request(tenant, "POST", "/marker", body=text.encode()).status == 200


def serves(world: World, tenant: str = "alice") -> tuple[str, str]:
    """The version and the mark that a visitor gets."""
    answer = world.wait_for(tenant, "/").json
    return answer["version"], answer["marker"]


def written(world: World, tenant: str = "alice") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((world.root / f"inventory/tenants/{tenant}.yaml").read_text())
    return found


def begun(world: World, kind: str, tenant: str = "alice") -> int:
    """How many operations of that kind the host was ever asked for, by its own files."""
    text, decoder, found = world.host.exec(["sh", "-c", JOURNALS]).stdout, json.JSONDecoder(), []
    while text := text.strip():
        value, end = decoder.raw_decode(text)
        found.append(value["operation"])
        text = text[end:]
    return len([item for item in found if (item["kind"], item.get("tenant")) == (kind, tenant)])


def over(world: World) -> None:
    eventually(lambda: not world.host.exec(["ls", "/var/lib/launchpad/open"], check=False).stdout.strip(), 60)


def killed(world: World, *words: str, at: str) -> None:
    """Type the command and kill its client when that step begins; the host goes on."""
    operator = world.start("--json", *words)
    wait_for_event(operator, "step-started", step=at)
    operator.kill()
    operator.wait(10)


def runs(world: World, tenant: str) -> str:
    """The Compose file of what runs, by the host."""
    return str(world.host.exec(["cat", f"{TENANTS}/{tenant}/current/compose.yaml"]).stdout)


def state(world: World, tenant: str) -> dict[str, Any]:
    """What a refused request must leave as it is."""
    files = world.host.exec(["find", f"{TENANTS}/{tenant}", "-not", "-path", "*/data/*", "-printf", "%p %s %T@ %l\n"])
    return {"containers": world.containers(tenant), "files": sorted(files.stdout.splitlines())}


UP = ("upgrade", "alice", "--yes", "--soak", "0s", "--no-rehearsal", "--to")


def test_the_same_words_are_the_same_operation(here: World, request: pytest.FixtureRequest) -> None:
    with tallied("outside-a4", request) as holds:
        killed(here, *UP, "1.1.0", at="stop-side")
        done = here.launchpad(*UP, "1.1.0")
        holds("an upgrade typed again: one upgrade", begun(here, "upgrade") == 1, done)
        holds("an upgrade typed again: its line is written", written(here)["version"] == "1.1.0")
        mark(here, "on 1.1.0")
        here.launchpad(*UP, "2.0.0")
        mark(here, "on 2.0.0")

        killed(here, "rollback", "alice", "--yes", at="start-side")
        done = here.launchpad("rollback", "alice", "--yes")
        holds("a rollback typed again while it goes on: one step back", serves(here) == ("1.1.0", "on 1.1.0"), done)
        holds("a rollback typed again: one rollback", begun(here, "rollback") == 1)
        holds("a rollback typed again: its line is written", written(here)["version"] == "1.1.0")
        holds(
            "a rollback typed again: it is said",
            "this command follows it and starts no second one" in done.err,
            done.err,
        )

        killed(here, "rollback", "alice", "--yes", at="stop-side")  # meant this time
        over(here)
        holds("a second one, meant as one, is begun", serves(here) == ("1.0.0", "on 1.0.0"))
        done = here.launchpad("rollback", "alice", "--yes")
        holds("typed again when it is just over: no third one", begun(here, "rollback") == 2, done)
        holds("typed again when it is just over: its line is written", written(here)["version"] == "1.0.0")
        holds("typed again when it is just over: it is said", "has ended, and you have not seen the result" in done.err)
        refused = here.launchpad("rollback", "alice", "--yes", check=False)
        holds("after its end was shown the words mean another one", "no release ran before" in refused.err, refused)
    commit(here, "alice went back")


@LONG
def test_the_same_words_of_other_verbs(here: World, request: pytest.FixtureRequest) -> None:
    with tallied("outside-a4", request) as holds:
        mark(here, "to be kept")
        kept = here.launchpad("--json", "snapshot", "alice").json["id"]
        mark(here, "not to be kept")
        words = ("restore", "alice", "--generation", kept, "--yes")
        killed(here, *words, at="stop-side")
        over(here)
        mark(here, "written since")
        here.launchpad(*words)
        holds("a restore typed again loses nothing that was written since", serves(here)[1] == "written since")

        killed(here, "restart", "alice", at="stop-side")
        over(here)
        before = here.containers("alice")
        here.launchpad("restart", "alice")
        holds("a restart typed again stops nobody again", here.containers("alice") == before)
        here.launchpad("restart", "alice")
        holds("a second restart, meant as one, is one", here.containers("alice") != before)

        here.launchpad(*UP, "1.1.0")
        words = ("rollback", "alice", "--yes", "--id", "my-own-rollback")
        killed(here, *words, at="start-side")
        shutil.rmtree(here.root / ".launchpad/begun")  # as on another machine
        here.launchpad(*words)
        holds("with --id it is found by its host alone", (serves(here)[0], written(here)["version"]) == ("1.0.0",) * 2)
        refused = here.launchpad("restart", "alice", "--id", "my-own-rollback", check=False)
        holds(
            "an id of something else is refused",
            refused.code == 4
            and ("is a different operation" in refused.err or "exists already, and differs" in refused.err),
            refused,
        )
    commit(here, "alice again")


def test_a_commit_that_is_lost_locks_nobody(here: World, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with tallied("outside-b3", request) as holds:
        here.add_tenant("bob")
        here.deploy("bob")
        here.wait_for("bob")
        commit(here, "bob")
        first = runs(here, "bob")
        stale = clone(here, tmp_path / "stale")
        write(here.root / "inventory/tiers.yaml", wide={"memory": "160MiB", "cpus": 0.5, "pids": 64, "disk": "256MiB"})
        here.set_tenant("bob", tier="wide")
        here.deploy("bob")  # and its commit never comes

        before = state(here, "bob")
        plan = stale.launchpad("plan", "bob", "--json").json_document
        holds("a plan does not offer to take it back", plan["changes"] == [], plan)
        holds("a plan shows what it would take back", "mem_limit" in plan["diffs"]["bob"]["compose.yaml"], plan)
        stale.launchpad("apply", "--yes")
        refused = stale.launchpad("deploy", "bob", check=False)
        told = "memory_mb of web " in refused.err and "deployed the running release from revision" in refused.err
        holds("a deploy is refused, and names who, when and what", refused.code == 4 and told, refused)
        up = stale.launchpad("upgrade", "bob", "--to", "1.1.0", "--yes", "--no-rehearsal", check=False)
        holds("an upgrade is refused, with the way on", up.code == 4 and "launchpad deploy bob --after " in up.err, up)
        wrong = stale.launchpad("deploy", "bob", "--after", "0" * 12, check=False)
        holds("another revision is refused", wrong.code == 4 and "--after names 000000000000" in wrong.err, wrong)
        holds("whatever is refused has changed nothing", state(here, "bob") == before)
        stale.launchpad("stop", "bob")
        stale.launchpad("start", "bob")
        holds("what sends no inventory is not refused", stale.wait_for("bob").status == 200)

        shown = refused.err.rpartition("--after ")[2].split()[0]
        done = stale.launchpad("deploy", "bob", "--after", shown, "--json").json
        holds("whoever has seen it goes on", done["outcome"] == "done" and runs(here, "bob") == first, done)
        holds("it stands in the history", f"deploy --after {shown}" in stale.launchpad("history", "bob", "--steps").out)
        commit(stale, "bob as he was")
        stale.launchpad("deploy", "bob")
    git(here, "checkout", "--quiet", ".")
    git(here, "pull", "--quiet", str(stale.root), "HEAD")


@LONG
def test_an_amended_commit_locks_nobody(here: World, request: pytest.FixtureRequest) -> None:
    with tallied("outside-b3", request) as holds:
        commit(here, "said badly")
        here.launchpad("deploy", "bob")
        git(here, "commit", "--quiet", "--amend", "--allow-empty", "--message", "said well")
        refused = here.launchpad("deploy", "bob", check=False)
        holds("an amended commit: nothing but the revision differs", "nothing but the revision" in refused.err, refused)
        shown = refused.err.rpartition("--after ")[2].split()[0]
        here.launchpad("deploy", "bob", "--after", shown)
        holds("an amended commit: it goes on", here.deploy("bob")["outcome"] == "unchanged")


def test_two_operators_and_one_git(here: World, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    file = here.root / "inventory/tenants/bob.yaml"
    with tallied("outside-d1", request) as holds:
        right = file.read_text()
        other = clone(here, tmp_path / "other")
        file.write_text(f"<<<<<<< HEAD\n{right}=======\n{right}>>>>>>> theirs\n")
        found = here.launchpad("--json", "status", check=False)
        states = {item["tenant"]: (item["state"], item["good"]) for item in json.loads(found.out)["tenants"]}
        holds("a conflict: the others' status is shown", states["alice"] == ("healthy", True), states)
        holds("a conflict: its own tenant runs and is not good", states["bob"] == ("healthy", False), states)
        holds(
            "a conflict: text and exit code say it",
            found.code == 3 and "bob.yaml:1: an unresolved Git conflict" in found.err,
            found,
        )
        starts = here.containers("alice")
        done = here.launchpad("restart", "alice")
        holds("a conflict: others are operated on", here.containers("alice") != starts, done)
        holds("a conflict: others' logs are read", here.launchpad("logs", "alice", "-n", "5").code == 0)
        plan = here.launchpad("plan", check=False)
        holds("a conflict: nobody is told to retire it", plan.code == 3 and "retire bob" not in plan.out, plan)
        refused = here.launchpad("stop", "bob", check=False)
        holds("a conflict: its own tenant is let alone", refused.code == 3 and here.get("bob").status == 200, refused)
        file.write_text(right)
        secrets = here.root / "inventory/secrets/bob.yaml"
        sealed = secrets.read_text()
        secrets.write_text(f"<<<<<<< HEAD\n{sealed}")
        holds("a conflict in its secrets: others are deployed", here.deploy("alice")["outcome"] == "unchanged")
        secrets.write_text(sealed)

        here.add_tenant("carol")
        here.deploy("carol")
        commit(here, "carol")
        other.add_tenant("dave")
        commit(other, "dave")
        git(here, "fetch", "--quiet", str(other.root), "HEAD")
        git(here, "merge", "--quiet", "FETCH_HEAD")
        refused = here.launchpad("deploy", "dave", check=False)
        holds("two in one slot: the hint names what mends it", "launchpad tenant renumber" in refused.err, refused)
        wrong = here.launchpad("tenant", "renumber", "carol", check=False)
        holds("two in one slot: who is deployed keeps it", wrong.code == 4 and "renumber dave" in wrong.err, wrong)
        here.launchpad("tenant", "renumber", "dave")
        here.deploy("dave")
        both = [here.wait_for(name).status for name in ("carol", "dave")]
        holds("two in one slot: both are served", both == [200, 200] and written(here, "dave")["slot"] != 3, both)
        holds("two in one slot: nothing is wrong any more", here.launchpad("check").code == 0)

        app = here.root / "inventory/apps/beacon.yaml"
        versions = yaml.safe_load(app.read_text())["versions"]
        missing = versions[0]["images"]["beacon"].partition("@")[0] + "@sha256:" + "0" * 64
        write(app, versions=[*versions, {"version": "9.0.0", "images": {"beacon": missing}}])
        here.set_tenant("alice", version="9.0.0")
        here.set_tenant("carol", version="1.1.0")
        done = here.launchpad("apply", "--yes", check=False)
        holds("apply: one that fails is told", done.code != 0 and "alice" in done.err, done)
        holds("apply: and stops no neighbour", here.wait_for("carol", "/").json["version"] == "1.1.0", done)
        holds("apply: and serves on as it was", here.get("alice").status == 200)
    here.set_tenant("alice", version="1.0.0")
    write(app, versions=versions)
    commit(here, "carol and dave")


@pytest.fixture
def cron(here: World, tmp_path: Path) -> Iterator[list[str]]:
    """A place for launchpad, and the command of the line for cron."""
    tools = tmp_path / "home/.local/bin"
    tools.mkdir(parents=True)
    (tools / "launchpad").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m launchpad.cli "$@"\n')
    (tools / "launchpad").chmod(0o755)
    (line,) = (line for line in (PROJECT / "scripts/cron/health").read_text().splitlines() if line.startswith("*/"))
    path = f"{tools}:/usr/local/bin:/usr/bin:/bin"
    yield ["env", f"PATH={path}", f"LAUNCHPAD_WORKSPACE={here.root}", "sh", "-c", line.split(maxsplit=6)[6]]


def test_a_remark_ends_with_its_cause(here: World, cron: list[str], request: pytest.FixtureRequest) -> None:
    def mailed() -> str:
        return subprocess.run(cron, env=here.environment, capture_output=True, text=True, check=False).stdout

    with tallied("outside-c6", request) as holds:
        mailed()  # whatever was before
        here.launchpad("stop", "carol")
        mails = [mailed() for _ in range(3)]
        holds("cron mails once that something is wrong", "carol on web-1 process: stopped" in mails[0], mails)
        holds("cron mails nothing of it while it stays so", not any("carol" in mail for mail in mails[1:]), mails)
        here.launchpad("start", "carol")
        here.wait_for("carol")
        mails = [mailed() for _ in range(2)]
        told = "resolved: carol on web-1 process: stopped" in mails[0] and "carol" not in mails[1]
        holds("cron mails once that the problem is resolved", told, mails)
        refused = here.launchpad("tenant", "remove", "dave", "--yes", check=False)
        told = refused.code == 4 and "dave is deployed on web-1" in refused.err
        holds(
            "who is deployed is not taken out", told and (here.root / "inventory/tenants/dave.yaml").exists(), refused
        )
        holds("who is deployed serves on", here.get("dave").status == 200)
        here.launchpad("retire", "dave", "--yes")
        done = here.launchpad("tenant", "remove", "dave", "--yes")
        holds(
            "who is retired is, with a word on its data", "launchpad retire dave --host web-1 --purge" in done.err, done
        )
    commit(here, "dave is gone")


def test_a_plan_shows_what_differs(here: World, request: pytest.FixtureRequest) -> None:
    value = "a-new-value-that-nobody-may-see"
    with tallied("outside-c7", request) as holds:
        write(here.root / "inventory/tiers.yaml", third={"memory": "144MiB", "cpus": 0.5, "pids": 64, "disk": "256MiB"})
        here.set_tenant("carol", tier="third")
        plan = here.launchpad("plan", "carol")
        went, comes = (
            [
                line.strip()[1:].strip()
                for line in plan.out.splitlines()
                if line.strip().startswith(f'{sign}      "mem_')
            ]
            for sign in "-+"
        )
        holds("what goes is what stands on the host", went and all(line in runs(here, "carol") for line in went), plan)
        holds("what comes does not", comes and not any(line in runs(here, "carol") for line in comes), plan)
        (secret,) = written_secrets(here, "carol")[:1]
        here.launchpad("secret", "set", "carol", secret, stdin=value)
        plan = here.launchpad("plan", "carol")
        both = f"secrets changed: {secret}" in plan.out and all(line in plan.out for line in comes)
        holds("so it is when a secret changed too", both, plan)
        shown = plan.out + plan.err + here.launchpad("--json", "plan", "carol").out
        old = here.host.exec(["sh", "-c", "cat /run/launchpad/carol/*/*"]).stdout.split()
        holds("no value of a secret is shown", value not in shown and not any(item in shown for item in old if item))
        here.launchpad("apply", "carol", "--yes")
        holds("what was shown is done", all(line in runs(here, "carol") for line in comes))
        holds("then nothing differs", here.launchpad("plan", "carol").out == "nothing to do\n")


def written_secrets(world: World, tenant: str) -> list[str]:
    return [item["name"] for item in world.launchpad("--json", "secret", "list", tenant).json_document]


@LONG
def test_the_remark_on_a_move_ends_with_it(pair: Pair, request: pytest.FixtureRequest) -> None:
    with tallied("outside-c6", request) as holds:
        pair.add("erin")
        pair.move("erin")
        said = pair.world.launchpad("status", check=False).err
        holds("a move that is not finished is said to be", "launchpad move erin --finish" in said, said)
        pair.world.launchpad("move", "erin", "--finish", "--despite-dns")
        found = pair.world.launchpad("status", check=False)
        holds("a finished one is not", "erin --finish" not in found.err, found)
        holds("it is served by the new host", pair.get_from(pair.new, "erin").status == 200)
