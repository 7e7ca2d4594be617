"""What is written into openclaw.json before each start: the operator's decisions over the customer's own text."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.render.example import TEMPLATES, rendered

pytestmark = [pytest.mark.skipif(shutil.which("node") is None, reason="Node is not here"), pytest.mark.programs]

FOLDER = TEMPLATES / "compose/openclaw"
DECIDED = json.loads(rendered("alice").files["openclaw.json"])
JSON5 = "exports.parse = text => new Function(`return (${text})`)();\n"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "decided.json").write_text(json.dumps(DECIDED))
    return tmp_path / "openclaw.json"


def run(state: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    words = ["node", str(FOLDER / "configure.mjs"), str(state.parent / "decided.json"), str(state)]
    environment = {"PATH": f"{state.parent}/bin:/usr/bin:/bin"} | environment
    return subprocess.run(words, capture_output=True, text=True, cwd=state.parent, env=environment)


def configured(state: Path, before: object) -> Any:
    state.write_text(before if isinstance(before, str) else json.dumps(before))
    done = run(state)
    assert done.returncode == 0, done.stderr
    return json.loads(state.read_text())


def with_openclaw(state: Path) -> None:
    """A package with its reader of JSON5, as npm lays it out."""
    package = state.parent / "lib/node_modules/openclaw"
    (package / "node_modules/json5").mkdir(parents=True)
    (package / "node_modules/json5/index.js").write_text(JSON5)
    (package / "openclaw.mjs").write_text("")
    (state.parent / "bin").mkdir()
    (state.parent / "bin/openclaw").symlink_to(package / "openclaw.mjs")


def test_a_new_customer_starts_with_everything(state: Path) -> None:
    assert run(state).returncode == 0
    found = json.loads(state.read_text())
    assert found["gateway"]["trustedProxies"] == ["10.200.0.113", "10.201.0.113"]
    assert found["gateway"]["controlUi"]["allowedOrigins"] == [
        "https://alice.example.com",
        "https://gateway.alice.example",
    ]
    assert found["agents"]["defaults"] == {"heartbeat": {"every": "0m"}, "model": "anthropic/claude-sonnet-4-5"}
    assert state.stat().st_mode & 0o777 == 0o600


def test_the_operator_wins_and_the_rest_is_the_customers(state: Path) -> None:
    found = configured(
        state,
        {
            "gateway": {"auth": {"mode": "none", "rateLimit": {}}, "trustedProxies": ["0.0.0.0/0"], "port": 1},
            "update": {"checkOnStart": True, "channel": "beta"},
            "agents": {"defaults": {"model": {"primary": "x/y"}, "heartbeat": {"every": "30m"}}, "list": [{"id": "a"}]},
            "channels": {"telegram": {"enabled": True}},
        },
    )
    assert found["gateway"]["auth"] == {"mode": "token", "rateLimit": {}}
    assert found["gateway"]["trustedProxies"] == ["10.200.0.113", "10.201.0.113"]
    assert found["gateway"]["port"] == 1
    assert found["update"] == {"checkOnStart": False, "channel": "beta"}
    assert found["agents"]["defaults"] == {"model": "anthropic/claude-sonnet-4-5", "heartbeat": {"every": "30m"}}
    assert found["agents"]["list"] == [{"id": "a"}]
    assert found["channels"] == {"telegram": {"enabled": True}}


def test_a_second_start_writes_nothing(state: Path) -> None:
    run(state)
    before = state.stat()
    assert run(state).returncode == 0
    assert (state.stat().st_ino, state.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_keys_that_reach_for_prototypes_are_only_keys(state: Path) -> None:
    found = configured(state, '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}')
    assert found["gateway"]["mode"] == "local" and "polluted" not in found["gateway"]


def test_json5_is_read_by_openclaws_own_reader(state: Path) -> None:
    with_openclaw(state)
    found = configured(state, "// mine\n{channels: {telegram: {enabled: true,},}, gateway: {mode: 'remote'}}\n")
    assert found["channels"] == {"telegram": {"enabled": True}}
    assert found["gateway"]["mode"] == "local"


@pytest.mark.parametrize("before", ["{", "[]", "null", "// mine\n{a: 1}"])
def test_what_cannot_be_read_stops_the_start_for_good_and_stays(state: Path, before: str) -> None:
    state.write_text(before)
    done = run(state)
    assert done.returncode == 78
    assert "openclaw.json" in done.stderr and "at file:" not in done.stderr, "one line, no traceback"
    assert state.read_text() == before


def test_openclaw_is_started_wherever_the_image_has_it(tmp_path: Path) -> None:
    """npm's program on the PATH goes first; a gateway's configuration comes before it."""
    (tmp_path / "bin").mkdir()
    for name, text in {"openclaw": 'echo "openclaw $*"', "node": 'echo "node $*"'}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    folders = {"XDG_CACHE_HOME": "cache", "npm_config_cache": "cache/npm", "NODE_COMPILE_CACHE": "cache/node"}
    environment = {name: str(tmp_path / folder) for name, folder in folders.items()}
    environment |= {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "OPENCLAW_STATE_DIR": str(tmp_path)}
    environment |= {"LAUNCHPAD_VERSION": "2026.9.6"}

    def said(*words: str) -> list[str]:
        program = ["sh", str(FOLDER / "openclaw.sh"), *words]
        done = subprocess.run(program, capture_output=True, text=True, env=environment, check=True)
        return done.stdout.splitlines()

    configure = f"node /launchpad/configure.mjs /launchpad/openclaw.json {tmp_path}/openclaw.json"
    assert said("gateway", "--bind", "lan") == [configure, "openclaw gateway --bind lan"]
    assert (tmp_path / "cache/npm").is_dir()
    assert said("devices", "list") == ["openclaw devices list"]
    (tmp_path / "bin/openclaw").unlink()
    assert said("devices", "list") == ["node /app/dist/index.js devices list"]


GATEWAY = """#!/bin/sh
echo "$*" >>"$OPENCLAW_STATE_DIR/asked"
case "$1" in
doctor) touch "$OPENCLAW_STATE_DIR/migrated" ;;
gateway)
    [ -e "$OPENCLAW_STATE_DIR/migrated" ] || exit 78
    trap 'exit 3' TERM
    touch "$OPENCLAW_STATE_DIR/up"
    while true; do sleep 0.05; done
    ;;
esac
"""
"""Refuses its state until its doctor was there; at SIGTERM it drains, and exits with 3."""


class Starts:
    """The script over a gateway of this kind, on a state that stays."""

    def __init__(self, folder: Path, gateway: str = GATEWAY) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        for name, text in {"openclaw": gateway, "node": "#!/bin/sh\n"}.items():
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        self.asked = folder / "asked"

    def start(self, version: str) -> subprocess.Popen[bytes]:
        names = ("OPENCLAW_STATE_DIR", "XDG_CACHE_HOME", "npm_config_cache", "NODE_COMPILE_CACHE")
        environment = dict.fromkeys(names, str(self.folder)) | {"LAUNCHPAD_VERSION": version}
        self.asked.write_text("")
        (self.folder / "up").unlink(missing_ok=True)
        program = ["sh", str(FOLDER / "openclaw.sh"), "gateway"]
        return subprocess.Popen(program, env=environment | {"PATH": f"{self.folder}/bin:/usr/bin:/bin"})

    def ended(self, started: subprocess.Popen[bytes]) -> int:
        """The exit code at a SIGTERM, once the gateway is up."""
        end = time.monotonic() + 20
        while not (self.folder / "up").exists() and time.monotonic() < end:
            time.sleep(0.01)
        started.terminate()
        return started.wait(20)


def test_a_version_that_asks_for_its_doctor_gets_it_at_its_first_start(tmp_path: Path) -> None:
    starts = Starts(tmp_path)
    assert starts.ended(starts.start("2026.9.5")) == 3, "its own exit code, and its own time to drain"
    assert starts.asked.read_text().splitlines() == ["gateway", "doctor --fix --non-interactive", "gateway"]
    assert starts.ended(starts.start("2026.9.5")) == 3
    assert starts.asked.read_text().splitlines() == ["gateway"], "no doctor where none is asked for"
    assert starts.ended(starts.start("2026.9.6")) == 3
    assert starts.asked.read_text().splitlines() == ["gateway"]


def test_the_doctor_comes_once_for_a_version(tmp_path: Path) -> None:
    """A state that it cannot mend, or a configuration that its owner broke later, is not doctored at every start."""
    starts = Starts(tmp_path, GATEWAY.replace("touch", "true"))
    assert starts.start("2026.9.5").wait(20) == 78
    assert starts.asked.read_text().splitlines() == ["gateway", "doctor --fix --non-interactive", "gateway"]
    assert starts.start("2026.9.5").wait(20) == 78
    assert starts.asked.read_text().splitlines() == ["gateway"]


def test_a_rehearsal_answers_nobody(tmp_path: Path) -> None:
    """The program gets by which OpenClaw leaves channels and schedules off; a gateway that serves does not."""
    (tmp_path / "openclaw").write_text("#!/bin/sh\nenv\n")
    (tmp_path / "openclaw").chmod(0o755)

    def given(**environment: str) -> set[str]:
        path = f"{tmp_path}:/usr/bin:/bin"
        program = ["sh", str(FOLDER / "openclaw.sh"), "health"]
        done = subprocess.run(program, capture_output=True, text=True, env={"PATH": path, **environment}, check=True)
        return {line for line in done.stdout.splitlines() if line.startswith("OPENCLAW_SKIP_")}

    assert given() == set()
    assert given(LAUNCHPAD_REHEARSAL="0") == set()
    assert given(LAUNCHPAD_REHEARSAL="1") >= {"OPENCLAW_SKIP_CHANNELS=1", "OPENCLAW_SKIP_CRON=1"}
