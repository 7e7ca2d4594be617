"""What only a real Docker can answer: what text may not do, what containers say, and a word said inside one."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from launchpad.runner import paths, slots
from launchpad.runner.machine import Machine
from launchpad.runner.machine.local_records import LONGEST_LINE
from tests.contract.machine_boundaries import running
from tests.contract.world import PORT, App, World, bring_up, eventually, failure, make_network


def says(world: World, program: str) -> App:
    """An app that runs a piece of Python and waits."""
    return App(world.good.image, ("python3", "-u", "-c", f"{program}\nimport time; time.sleep(600)"))


def machine_text_cannot_read_files_that_only_root_may(host: Machine, world: World) -> None:
    host.write(f"{world.root}/secrets/TOKEN", b"CANARY=leaked-value\n", mode=0o600)
    text = world.compose(world.good, env_file=[f"{world.root}/secrets/TOKEN"])
    host.write(f"{world.folder()}/compose.yaml", text)
    assert "leaked" not in failure(lambda: host.resolve(world.folder(), world.project(), world.environment()))


def machine_text_cannot_fetch_from_elsewhere(host: Machine, world: World) -> None:
    text = json.loads(world.compose(world.good)) | {"include": ["https://github.com/docker/awesome-compose.git"]}
    host.write(f"{world.folder()}/compose.yaml", json.dumps(text).encode())
    begun = time.monotonic()
    failure(lambda: host.resolve(world.folder(), world.project(), world.environment()))
    assert time.monotonic() - begun < 20


def machine_a_file_of_variables_beside_the_text_means_nothing(host: Machine, world: World) -> None:
    host.write(f"{world.folder()}/compose.yaml", world.compose(world.good, container_name="${CANARY:-unset}"))
    host.write(f"{world.folder()}/.env", b"CANARY=set-by-a-release\n")
    resolved = host.resolve(world.folder(), world.project(), world.environment())
    assert resolved["services"]["web"]["container_name"] == "unset"


def machine_a_kill_by_hand_and_a_want_of_memory_are_seen(host: Machine, world: World) -> None:
    hog = "import time; time.sleep(1)\nhoard = []\nwhile True: hoard.append(bytearray(1 << 20))"
    host.pull(world.good.image, lambda _: None)
    make_network(host, world)
    host.write(f"{world.folder()}/compose.yaml", world.compose(says(world, hog), mem_limit="32m", memswap_limit="32m"))
    host.up(world.folder(), world.project(), world.environment())
    eventually(host, lambda: host.containers(world.tenant)[0].state == "exited", "the kernel kills it")
    assert host.containers(world.tenant)[0].oom_killed
    bring_up(host, world, world.good)
    subprocess.run(["docker", "kill", f"{world.project()}-web-1"], check=True, capture_output=True)
    found = host.containers(world.tenant)[0]
    assert (found.state, found.exit_code, found.oom_killed) == ("exited", 137, False)


def machine_lines_come_whole_and_in_order_with_their_time(host: Machine, world: World) -> None:
    program = "import sys\nprint('one')\nprint('x' * 40000 + 'end')\nprint('three')\nsys.stdout.write('no end')"
    bring_up(host, world, says(world, program))
    name = f"{world.project()}-web-1"

    def lines() -> list[str]:
        return [line.text for line in host.log(name, since=0, tail=None, follow=False)]

    eventually(host, lambda: len(lines()) >= 3, "it has spoken")
    assert lines()[:3] == ["one", "x" * 40000 + "end", "three"]
    stamps = [line.at for line in host.log(name, since=0, tail=None, follow=False)]
    assert stamps == sorted(stamps) and stamps[0].startswith("20")
    assert [line.text for line in host.log(name, since=0, tail=1, follow=False)] == lines()[-1:]
    assert list(host.log(name, since=time.time() + 60, tail=None, follow=False)) == []
    assert list(host.log(f"{name}-absent", since=0, tail=None, follow=False)) == []


def machine_an_endless_line_is_cut(host: Machine, world: World) -> None:
    bring_up(host, world, says(world, f"print('y' * {LONGEST_LINE * 2})\nprint('after')"))
    name = f"{world.project()}-web-1"

    def lines() -> list[tuple[int, bool]]:
        return [(len(line.text), line.cut) for line in host.log(name, since=0, tail=None, follow=False)]

    eventually(host, lambda: len(lines()) == 2, "it has spoken")
    assert lines() == [(LONGEST_LINE, True), (5, False)]


def machine_a_known_secret_never_stands_in_log_lines(host: Machine, world: World) -> None:
    host.write(f"{paths.secrets(world.tenant, 'r1')}/TOKEN", b"sesame-open-up\n", mode=0o400, uid=world.uid)
    bring_up(host, world, says(world, "print('my token is sesame-open-up, keep it')"))
    eventually(host, lambda: bool(host.log_lines(world.project(), 5)), "it has spoken")
    assert host.log_lines(world.project(), 5) == ["my token is [secret], keep it"]


def machine_following_a_log_ends_with_its_container(host: Machine, world: World) -> None:
    bring_up(
        host,
        world,
        App(world.good.image, ("python3", "-u", "-c", "import time\nfor i in range(3): print(i); time.sleep(1)")),
    )
    lines = [line.text for line in host.log(f"{world.project()}-web-1", since=0, tail=None, follow=True)]
    assert lines == ["0", "1", "2"]


def machine_a_log_is_read_over_dockers_own_rotations_and_a_late_reader_sees_the_gap(
    host: Machine, world: World
) -> None:
    program = "import time\nfor i in range(3000): print(f'{i} ' + 'x' * 90); time.sleep(0.01)"
    host.pull(world.good.image, lambda _: None)
    make_network(host, world)
    small = {"driver": "local", "options": {"max-size": "50k", "max-file": "3"}}
    host.write(f"{world.folder()}/compose.yaml", world.compose(says(world, program), logging=small))
    host.up(world.folder(), world.project(), world.environment())
    name = f"{world.project()}-web-1"
    prompt, late, found = host.log_reader(name), host.log_reader(name), []
    assert prompt is not None and late is not None
    eventually(host, lambda: bool(late.read(1)), "it has spoken")

    def read() -> bool:
        found.extend(prompt.read(1 << 20))
        return len(found) == 3000

    eventually(host, read, "all of it was read", seconds=120)
    assert [line.text.split()[0] for line in found] == [str(number) for number in range(3000)]
    assert not any(line.lost_after for line in found)
    again = host.log_reader(name)
    assert again is not None
    again.after(found[-3].at, found[-3].count)
    assert again.read(1 << 20) == found[-2:]
    last, gaps = late.at, 0
    while lines := late.read(1 << 20):
        for line in lines:
            if line.lost_after:
                gaps += 1
                assert line.lost_after == last, f"a gap after {line.lost_after}, not after {last}"
            last = line.at
    assert (gaps, last) == (1, found[-1].at), f"{gaps} gaps, up to {last} of {found[-1].at}"
    assert host.log_reader(f"{name}-absent") is None


def machine_the_cpus_of_a_container_change_while_it_runs(host: Machine, world: World) -> None:
    running(host, world)
    name, started = f"{world.project()}-web-1", host.containers(world.tenant)[0].started_at
    for cpus in (0.05, 0.5, 0.01):
        host.set_cpus(name, cpus)
        assert host.cpus(name) == cpus
    assert host.containers(world.tenant)[0].started_at == started
    assert host.cpus(f"{name}-absent") == 0
    assert "No such container" in failure(lambda: host.set_cpus(f"{name}-absent", 1.0))


def machine_a_command_inside_a_container_is_its_users(host: Machine, world: World) -> None:
    running(host, world)
    code = "import os, sys; print(os.getuid()); print('wrong', file=sys.stderr); sys.exit(3)"
    said = host.execute(f"{world.project()}-web-1", ["python3", "-c", code], seconds=20)
    assert (said.code, said.out, said.err) == (3, f"{world.uid - 1_000_000}\n", "wrong\n")


def machine_a_command_that_hangs_is_killed(host: Machine, world: World) -> None:
    running(host, world)
    name = f"{world.project()}-web-1"
    begun = time.monotonic()
    failure(lambda: host.execute(name, ["python3", "-c", "import time; time.sleep(4321)"], seconds=1))
    assert time.monotonic() - begun < 5
    eventually(host, lambda: not processes("sleep(4321)"), "the command is gone", seconds=5)


def processes(words: str) -> list[str]:
    found = (path for path in Path("/proc").iterdir() if path.name.isdigit())
    return [path.name for path in found if words in command_line(path)]


def command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def machine_a_word_to_a_stopped_container_is_a_failure(host: Machine, world: World) -> None:
    running(host, world)
    host.stop(world.project(), 2)
    assert "not running" in failure(lambda: host.execute(f"{world.project()}-web-1", ["true"], seconds=5))


def machine_the_death_of_a_container_is_heard(host: Machine, world: World) -> None:
    running(host, world)
    with host.deaths() as heard:
        begun = time.monotonic()
        processes = [item.process for item in host.containers(world.tenant)]
        assert heard(0.3, processes) is False
        assert 0.2 < time.monotonic() - begun < 2
        subprocess.run(["docker", "kill", f"{world.project()}-web-1"], check=True, capture_output=True)
        assert heard(10, ()) is True
    host.start_container(f"{world.project()}-web-1")
    host.start_container(f"{world.project()}-web-1")
    assert host.containers(world.tenant)[0].state == "running"


def machine_an_internal_network_is_reached_from_the_host_and_leads_nowhere(host: Machine, world: World) -> None:
    subnet, gateway, bridge = slots.subnet(world.slot), slots.gateway(world.slot), slots.bridge(world.slot)
    host.make_network(world.network, bridge=bridge, subnet=subnet, gateway=gateway, internal=True)
    host.pull(world.good.image, lambda _: None)
    host.write(f"{world.folder()}/compose.yaml", world.compose(world.good))
    host.up(world.folder(), world.project(), world.environment())
    eventually(host, lambda: host.get(world.address(), PORT, "/", seconds=2) == 200, "the app answers")
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=2)"
    said = host.execute(f"{world.project()}-web-1", ["python3", "-c", code], seconds=20)
    assert said.code == 1 and "Network is unreachable" in said.err, said.err


def machine_a_network_whose_bridge_is_gone_is_made_anew(host: Machine, world: World) -> None:
    """Also under a container that runs: Docker itself notices nothing."""
    running(host, world)
    subprocess.run(["ip", "link", "delete", slots.bridge(world.slot)], check=True)
    assert not host.has_network(world.network) and world.network not in host.network_names()
    make_network(host, world)
    assert host.has_network(world.network) and world.network in host.network_names()
    host.down(world.project(), 1)
    running(host, world)
    subprocess.run(["ip", "link", "delete", slots.bridge(world.slot)], check=True)
    host.remove_network(world.network)
    said = subprocess.run(["docker", "network", "ls", "--format", "{{.Name}}"], check=True, capture_output=True)
    assert world.network.encode() not in said.stdout.split()


def machine_with_docker_down_everything_that_needs_it_fails_and_says_so(host: Machine, world: World) -> None:
    running(host, world)
    before = host.containers(world.tenant)
    units = ["docker.socket", "docker.service"]
    subprocess.run(["systemctl", "stop", *units], check=True)
    try:
        for ask in (
            host.containers,
            host.docker_version,
            host.network_names,
            lambda: host.has_image(world.good.image),
            lambda: host.pull(world.missing_image, print),
            lambda: host.has_network(world.network),
            lambda: host.remove_network(world.network),
            lambda: host.up(world.folder(), world.project(), world.environment()),
            lambda: host.start(world.project()),
            lambda: host.stop(world.project(), 1),
            lambda: host.down(world.project(), 1),
            lambda: host.log_lines(world.project(), 1),
        ):
            assert "docker" in failure(ask).lower()
        assert host.get(world.address(), PORT, "/", seconds=2) == 200, "what ran did not go on"
    finally:
        subprocess.run(["systemctl", "start", *units], check=True)
    assert host.containers(world.tenant) == before, "what ran was restarted"


def machine_docker_tells_its_version_and_its_networks(host: Machine, world: World) -> None:
    assert host.docker_version()[0].isdigit()
    assert "bridge" in host.network_names()
