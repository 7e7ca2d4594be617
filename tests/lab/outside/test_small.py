"""The way to a host that ~/.ssh/config knows: an alias, a jump host, a program; and what no config may change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from labkit import Host, Lab

from tests.lab.world import Done, World
from tests.tally import tallied


@pytest.fixture
def jump(lab: Lab) -> Iterator[Host]:
    """A bare host between."""
    name = f"t{os.getpid() % 1000}-jump"
    yield lab.up(name, fresh=True)
    lab.down(name)


def test_the_way_to_a_host_is_the_one_that_ssh_takes(
    world: World, jump: Host, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    key = shutil.copy(jump.key_path, home / ".ssh/jump_key")
    Path(key).chmod(0o600)
    (home / ".ssh/known").write_text(f"{jump.address} {jump.host_key}\n")
    config = home / ".ssh/config"
    hosts = world.root / "inventory/hosts.yaml"
    known = yaml.safe_load(hosts.read_text())
    between = (
        f"Host between\n HostName {jump.address}\n User root\n IdentityFile {key}\n IdentitiesOnly yes\n"
        f" UserKnownHostsFile {home}/.ssh/known\n"
    )

    def status(address: str, text: str, **changes: object) -> Done:
        config.write_text(text)
        config.chmod(0o600)
        hosts.write_text(yaml.safe_dump({"web-1": known["web-1"] | {"address": address} | changes}))
        argv = [sys.executable, "-m", "launchpad.cli", "-w", str(world.root), "status", "web-1"]
        environment = world.environment | {"HOME": str(home)}
        done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=120, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    def came_through(who: Host) -> bool:
        log = who.exec(["journalctl", "-u", "ssh", "-o", "cat", "--since", "-2min"], check=False).stdout
        return "Accepted publickey for root" in log

    real = world.host.address
    try:
        with tallied("outside-d4", request) as holds:
            before = status("web-1-alias", "")
            holds("a name that nobody knows is no host", before.code == 6, before)
            said = status("web-1-alias", f"Host web-1-alias\n HostName {real}\n User nobody\n")
            holds("an alias leads there, and names no other user", said.code == 0, said)
            (home / ".ssh/more").write_text(f"Host inc\n HostName {real}\n")
            said = status("inc", f"Include {home}/.ssh/more\n")
            holds("also one of an included file", said.code == 0, said)
            said = status("far", f"{between}Host far\n HostName {real}\n ProxyJump between\n")
            holds("a jump host leads there", said.code == 0, said)
            holds("by way of that host", came_through(jump))
            relay = f"ssh -F {config} -oBatchMode=yes -W %h:%p between"
            said = status("far", f"{between}Host far\n HostName {real}\n ProxyCommand {relay}\n")
            holds("a program leads there", said.code == 0, said)
            wrong = "SHA256:" + "A" * 43
            loose = f"Host web-1-alias\n HostName {real}\n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n"
            said = status("web-1-alias", loose, fingerprints=[wrong])
            holds("no config accepts another host key", said.code != 0 and "host key" in said.err, said)
            (home / ".ssh/known").write_text("")
            said = status("far", f"{between}Host far\n HostName {real}\n ProxyJump between\n")
            holds(
                "a jump host with an unknown key is refused, and why is said", "verification failed" in said.err, said
            )
            said = status("far", "Host far\n HostName [\n Nonsense yes\n")
            holds("a config that is wrong is said by its name", str(config) in said.err, said)
    finally:
        hosts.write_text(yaml.safe_dump(known))
