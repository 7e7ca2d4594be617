"""What a customer's program can reach from inside its container: itself, and the world. Nothing else.

Where a test could pass because nothing was there to be reached, the same question is put to somebody who may: the host,
the neighbour itself.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from launchpad.runner import slots
from launchpad.runner.machine.traffic import PROBE_MARK
from tests.lab.cells import INTERNAL, PUBLIC, Cell, ask_host, outside
from tests.lab.world import World
from tests.tally import Tally, tallied

PIDS = 80
TIER = {
    "memory": "192MiB",
    "cpus": 0.8,
    "pids": PIDS,
    "disk": "128MiB",
    "tmp": "16MiB",
    "log": {"size": "2MiB", "files": 2},
}
WEB_PORT, STORE_PORT = 8080, 8081
DEVICES = {f"/dev/{name}" for name in ("full", "null", "pts/ptmx", "random", "tty", "urandom", "zero")}
NO_WAY = {"silent", "ENETUNREACH", "EHOSTUNREACH", "EACCES", "EPERM", "EADDRNOTAVAIL", "EAFNOSUPPORT"}
"""No answer at all. `refused` is one: it tells that somebody is there."""


@pytest.fixture(scope="module")
def holds(request: pytest.FixtureRequest) -> Iterator[Tally]:
    with tallied("isolation", request) as tally:
        yield tally


@pytest.fixture(scope="module")
def neighbours(world: World) -> World:
    """alice and bob on one host, and beyond the host a world in which everything answers."""
    tiers = world.root / "inventory/tiers.yaml"
    tiers.write_text(yaml.safe_dump(yaml.safe_load(tiers.read_text()) | {"cell": TIER}))
    for name in ("alice", "bob"):
        world.add_tenant(name, tier="cell")
        world.deploy(name)
        world.wait_for(name)
    return world


@pytest.fixture
def alice(neighbours: World) -> Cell:
    return Cell.of(neighbours, "alice")


@pytest.fixture
def bob(neighbours: World) -> Cell:
    return Cell.of(neighbours, "bob")


@pytest.fixture(scope="module")
def beyond(neighbours: World) -> Iterator[None]:
    with outside(neighbours.host):
        yield


# --- who it is, and what it may ---------------------------------------------------------------------------------------


def test_it_is_nobody_on_the_host(neighbours: World, alice: Cell, bob: Cell, holds: Tally) -> None:
    slot = slot_of(neighbours, "alice")
    mine, outer, other = alice.ask("status", "self"), alice.status(), bob.ask("status", "self")
    uid = str(slots.inner_uid(slot))
    holds("its uid is its slot's, in every form", mine["Uid"].split() == [uid] * 4, mine["Uid"])
    holds("its gid is its slot's, in every form", mine["Gid"].split() == [uid] * 4, mine["Gid"])
    holds("it is in no other group", set(mine["Groups"].split()) <= {uid}, mine["Groups"])
    holds("no neighbour has its uid", other["Uid"] != mine["Uid"], mine["Uid"])
    holds("on the host its uid is its slot's, above 1,000,000", outer["Uid"].split() == [str(slots.host_uid(slot))] * 4)
    spaces = {name: neighbours.host.exec(["readlink", f"/proc/{alice.pid}/ns/{name}"]).stdout for name in NAMESPACES}
    hosts = {name: neighbours.host.exec(["readlink", f"/proc/1/ns/{name}"]).stdout for name in NAMESPACES}
    shared = [name for name in NAMESPACES if spaces[name] == hosts[name]]
    holds("it shares no namespace with the host", not shared, shared)


NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts")


def test_it_has_no_privilege(neighbours: World, alice: Cell, holds: Tally) -> None:
    mine = alice.ask("status", "self")
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        holds(f"{name} is empty", int(mine[name], 16) == 0, mine[name])
    holds("it can gain no privilege by a program's set-uid bit", mine["NoNewPrivs"] == "1", mine["NoNewPrivs"])
    holds("its system calls are filtered", mine["Seccomp"] == "2", mine["Seccomp"])
    everywhere = [Cell.of(neighbours, name, service) for name in ("alice", "bob") for service in ("web", "store")]
    first = [cell.status() for cell in everywhere]
    empty = all(int(one[name], 16) == 0 for one in first for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb"))
    holds("so it is for the first process of every service", empty and all(one["NoNewPrivs"] == "1" for one in first))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="system calls are asked by their numbers on x86_64")
def test_the_kernel_refuses_what_would_be_a_way_out(neighbours: World, alice: Cell, holds: Tally) -> None:
    inside, root = alice.ask("calls"), ask_host(neighbours.host, "calls")
    nobody = ask_host(neighbours.host, "calls", uid=65534)
    for name in inside:
        assert root[name] != "EPERM", f"the control: root on the host may not {name} either ({root[name]})"
        holds(f"the kernel refuses {name}", inside[name] == "EPERM", inside[name])
    assert nobody["unshare-user"] == "allowed", "the control: on the host anybody may make a user namespace"


# --- files ------------------------------------------------------------------------------------------------------------


def test_it_writes_nowhere_but_in_its_own_places(alice: Cell, holds: Tally) -> None:
    folders = ("/", "/etc", "/usr/bin", "/var", "/run", "/launchpad", "/run/secrets")
    files = ("/etc/passwd", "/launchpad/entrypoint.sh", "/run/secrets/BEACON_TOKEN", "/usr/local/bin/beacon")
    said = alice.ask("writes", [*folders, *files])
    holds("its root file system is read-only", not allowed(said), said)
    own = alice.ask("writes", ["/data", "/tmp"])
    assert len(allowed(own)) == 2, f"the control: its own places: {own}"
    options = {mount[1]: set(mount[2].split(",")) for mount in alice.ask("mounts")}
    holds("/tmp honours no set-uid bits and no devices", {"nosuid", "nodev"} <= options["/tmp"], options["/tmp"])
    holds("its volume honours no set-uid bits and no devices", {"nosuid", "nodev"} <= options["/data"])
    holds("nothing in /tmp can be run", alice.ask("runs_from", "/tmp") == "EACCES")
    assert alice.ask("runs_from", "/data") == "allowed", "the control: the same program in the volume"
    full = alice.ask("fill", "/tmp/full", 64)
    alice.ask("remove", "/tmp/full")
    holds("/tmp holds what the tier says", full["why"] == "ENOSPC" and 12 <= full["mb"] <= 16, full)


def test_it_changes_nothing_of_the_kernels_files(alice: Cell, holds: Tally) -> None:
    kernel = ["/proc/sys/kernel/core_pattern", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/vm/overcommit_memory"]
    said = alice.ask("writes", [*kernel, "/proc/sysrq-trigger", "/sys/kernel/uevent_helper", "/proc/1/oom_score_adj"])
    said.pop("/proc/1/oom_score_adj")  # its own process's
    holds("/proc/sys, /proc/sysrq-trigger and /sys are closed", not allowed(said), said)
    groups = [mount[1] for mount in alice.ask("mounts") if mount[1].startswith("/sys/fs/cgroup")]
    files = ("", "cgroup.procs", "tasks", "release_agent", "memory.limit_in_bytes", "memory.max", "pids.max")
    said = alice.ask("writes", [f"{group}/{name}".rstrip("/") for group in groups for name in files])
    holds("its limits are not its to change", groups and not allowed(said), allowed(said))
    hidden = alice.ask("reads", ["/proc/kcore", "/proc/keys", "/sys/firmware", "/dev/kmsg", "/proc/timer_list"])
    known = {path: why for path, why in hidden.items() if why == "allowed" and not empty(alice, path)}
    holds("the kernel's memory, keys and messages are hidden", not known, known)


def test_it_sees_only_what_is_mounted_for_it(neighbours: World, alice: Cell, holds: Tally) -> None:
    strange = [mount for mount in alice.ask("mounts") if not is_its_own(mount, alice)]
    holds("everything mounted is its own or Docker's", not strange, strange)
    seen = alice.ask("walk")
    holds("there is no socket of Docker, Caddy or anybody", not seen["sockets"], seen["sockets"])
    holds("there are only the usual devices", set(seen["devices"]) <= DEVICES, seen["devices"])
    assert neighbours.host.exists("/run/docker.sock"), "the control: the host has one"
    uid = slots.inner_uid(slot_of(neighbours, "alice"))
    strangers = [pid for pid, owner in alice.ask("processes") if owner != uid]
    holds("every process that it sees is its own", not strangers, strangers)


def test_files_of_others_stay_closed_even_outside_the_container(neighbours: World, alice: Cell, holds: Tally) -> None:
    """As if it had broken out of its mounts: the host's own permissions stand as a second wall."""
    host, secret = neighbours.host, "/run/secrets/BEACON_TOKEN"
    holds("it reads its own secret", alice.ask("reads", [secret])[secret] == "allowed")
    release = json.loads(host.read("/srv/launchpad/tenants/bob/tenant.json"))["release"]
    theirs = [
        f"/run/launchpad/bob/{release}/BEACON_TOKEN",
        "/srv/launchpad/tenants/bob/data/marker",
        "/srv/launchpad/tenants/bob/data/marker/beacon.sqlite",
        "/srv/launchpad/tenants/bob/secrets",
        "/srv/launchpad/tenants/bob/tenant.json",
        "/var/lib/launchpad/operations",
        "/var/lib/docker",
        "/etc/shadow",
        "/run/docker.sock",
    ]
    mine = slots.host_uid(slot_of(neighbours, "alice"))
    said = ask_host(host, "reads", theirs, uid=mine)
    holds("with its uid on the host it reads nothing of a neighbour's or the host's", not allowed(said), said)
    their = ask_host(host, "reads", theirs[:1], uid=slots.host_uid(slot_of(neighbours, "bob")))
    assert allowed(their), f"the control: bob's uid reads bob's secret: {their}"


# --- the network ------------------------------------------------------------------------------------------------------


def test_a_neighbour_cannot_be_reached(neighbours: World, alice: Cell, holds: Tally) -> None:
    own = str(slots.address(slot_of(neighbours, "alice"), 1, "a"))
    assert alice.ask("dial", [[own, STORE_PORT]]) == {f"{own} {STORE_PORT}": "reached"}, "the control: its own store"
    sides: dict[str, slots.Side] = {"1.0.0": "a", "1.1.0": "b"}
    for version, side in sides.items():
        neighbours.deploy("bob", version=version)
        slot = slot_of(neighbours, "bob")
        targets = [[str(slots.address(slot, index, side)), port] for index, port in ((0, WEB_PORT), (1, STORE_PORT))]
        assert set(from_host(neighbours, targets).values()) == {"reached"}, "the control: the host does"
        said = alice.ask("dial", [*targets, [str(slots.gateway(slot)), 443]])
        holds(f"a neighbour on side {side} cannot be reached", no_way(said), said)


def test_the_host_cannot_be_reached(neighbours: World, alice: Cell, holds: Tally) -> None:
    gateway = str(slots.gateway(slot_of(neighbours, "alice")))
    for name, address in {"its gateway": gateway, "the host's own address": neighbours.host.address}.items():
        services = [[address, port] for port in (22, 80, 443)]
        assert set(from_host(neighbours, services).values()) == {"reached"}, "the control: the host does"
        said = alice.ask("dial", services)
        holds(f"22, 80 and 443 at {name} cannot be reached", no_way(said), said)
    ports = [*range(1, 1025), 2019, 2375, 2376, 3128, 5000, 5432, 6379, 8080, 8443, 9090, 9100, 10250]
    scan = alice.ask("dial", [[gateway, port] for port in ports], 0.7)
    answers = {target: word for target, word in scan.items() if word not in NO_WAY}
    holds(f"a scan of {len(ports)} ports of its gateway finds nothing", not answers, answers)
    open_here = set(from_host(neighbours, [[gateway, port] for port in ports]).values())
    assert open_here == {"reached", "refused"}, f"the control: to the host every port answers: {open_here}"
    docker = from_host(neighbours, [["172.17.0.1", 22]])
    said = alice.ask("dial", [["172.17.0.1", 22], ["172.17.0.1", 80]])
    holds("nor by the address of Docker's own bridge", no_way(said) and not no_way(docker), (said, docker))


@pytest.mark.usefixtures("beyond")
def test_of_the_world_only_the_public_part_can_be_reached(neighbours: World, alice: Cell, holds: Tally) -> None:
    everything = [[address, 80] for address in (PUBLIC, *INTERNAL.values())]
    control = from_host(neighbours, everything)
    assert set(control.values()) == {"reached"}, f"the control: the host reaches all of it: {control}"
    said = alice.ask("dial", everything)
    holds("a public address can be reached", said[f"{PUBLIC} 80"] == "reached", said)
    for name, address in INTERNAL.items():
        holds(f"{name} cannot be reached", said[f"{address} 80"] in NO_WAY, said[f"{address} 80"])
    lab = [["10.77.0.1", 80], ["10.77.0.1", 5000]]
    assert set(from_host(neighbours, lab).values()) == {"reached"}, "the control: the host reaches the lab"
    said = alice.ask("dial", lab)
    holds("the host's own network cannot be reached", no_way(said), said)


@pytest.mark.usefixtures("beyond")
def test_names_are_asked_of_the_hosts_resolvers_alone(neighbours: World, alice: Cell, holds: Tally) -> None:
    holds("names resolve", alice.ask("resolves", "registry.lab.test") == "10.77.0.1")
    name = "registry.lab.test"
    assert ask_host(neighbours.host, "ask_dns", PUBLIC, name) == "reached", "the control: the host gets an answer"
    said = alice.ask("ask_dns", PUBLIC, name)
    holds("no other name server answers over UDP", said in NO_WAY, said)
    control = from_host(neighbours, [[PUBLIC, 53], [PUBLIC, 853]])
    assert set(control.values()) == {"reached"}, "the control: the host reaches both ports"
    said = alice.ask("dial", [[PUBLIC, 53], [PUBLIC, 853], [PUBLIC, 443]])
    assert said.pop(f"{PUBLIC} 443") == "reached", "the control: the same machine answers on 443"
    holds("nor over TCP, nor over TLS", no_way(said), said)


def test_there_is_no_ipv6(neighbours: World, alice: Cell, holds: Tally) -> None:
    seen = alice.ask("interfaces")
    holds("it has one interface beside its loopback", seen["all"] == ["eth0", "lo"], seen)
    holds("it has no IPv6 address", set(seen["six"]) <= {"lo"}, seen)
    bridge = slots.bridge(slot_of(neighbours, "alice"))
    shown = json.loads(neighbours.host.exec(["ip", "-j", "-6", "addr", "show", "dev", bridge]).stdout)
    local = shown[0]["addr_info"][0]["local"]
    control = from_host(neighbours, [[f"{local}%{bridge}", 22]])
    assert set(control.values()) == {"reached"}, f"the control: the host's sshd listens there: {control}"
    said = alice.ask("dial", [[f"{local}%eth0", 22], ["2620:fe::fe", 443]])
    holds("there is no way over IPv6", no_way(said), said)


@pytest.mark.usefixtures("beyond")
def test_an_app_without_egress_has_no_way_out_and_is_served(neighbours: World, alice: Cell, holds: Tally) -> None:
    write_hermit(neighbours)
    neighbours.add_tenant("carol", app="hermit")
    neighbours.deploy("carol")
    holds("Caddy reaches an app without egress", neighbours.wait_for("carol").status == 200)
    carol = Cell.of(neighbours, "carol")
    everything = [[address, 443] for address in (PUBLIC, *INTERNAL.values())]
    services = [[str(slots.gateway(slot_of(neighbours, "carol"))), 443], [neighbours.host.address, 443]]
    assert alice.ask("dial", everything)[f"{PUBLIC} 443"] == "reached", "the control: alice has a way out"
    said = carol.ask("dial", [*everything, *services, [alice.address, WEB_PORT]])
    holds("an app without egress reaches nothing", no_way(said), said)
    names = [carol.ask("ask_dns", server, "registry.lab.test") for server in ("10.77.0.1", PUBLIC)]
    holds("nor can it carry anything out by asking for names", set(names) <= NO_WAY, names)
    resolved = carol.ask("resolves", "registry.lab.test")
    holds("nor by asking Docker for them", resolved == "", resolved)
    neighbours.launchpad("retire", "carol", "--purge", "--yes")


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_its_own(neighbours: World, alice: Cell, holds: Tally) -> None:
    full = alice.ask("fill", "/data/full", 400)
    holds("its disk ends where the tier says", full["why"] in ("EDQUOT", "ENOSPC") and 64 <= full["mb"] <= 128, full)
    written = neighbours.request("bob", "POST", "/marker", body=b"there is room")
    holds("while it is full the neighbour writes", written.status == 200 and written.body == b"there is room", written)
    alice.ask("remove", "/data/full")
    again = neighbours.request("alice", "POST", "/marker", body=b"room again")
    assert again.status == 200, "the control: it writes again once it has made room"


def test_a_memory_hog_dies_alone(neighbours: World, alice: Cell, bob: Cell, holds: Tally) -> None:
    before = neighbours.containers("bob"), neighbours.reloads()
    hog = alice.start("hog", 2000)
    hog.wait(60)
    holds("a memory hog is killed", hog.returncode == 137, hog.returncode)
    holds("the neighbour never noticed", (neighbours.containers("bob"), neighbours.reloads()) == before)
    holds("and answers", neighbours.get("bob", "/readyz").status == 200)
    assert bob.ask("hog", 20) == 20, "the control: memory within the limit is given"
    neighbours.wait_for("alice")


def test_a_fork_bomb_ends_at_the_tiers_limit(neighbours: World, alice: Cell, holds: Tally) -> None:
    before = neighbours.containers("bob")
    bomb = alice.start("fork_bomb", 2000, "/data/stop")
    assert bomb.stdout is not None
    started = int(bomb.stdout.readline())
    begun = time.monotonic()
    login = neighbours.launchpad("status", "bob")
    answer = neighbours.get("bob", "/readyz")
    seconds = time.monotonic() - begun
    held = bomb.poll() is None
    neighbours.host.write("/srv/launchpad/tenants/alice/data/marker/stop", "")
    bomb.communicate(timeout=60)
    holds("a fork bomb ends at its limit of processes", 10 <= started <= PIDS, started)
    holds("while it lasts the host lets the operator in", held and login.code == 0, (held, login))
    holds("and the neighbour is served", answer.status == 200 and seconds < 10, (answer.status, seconds))
    assert neighbours.containers("bob") == before


def test_a_spinning_program_gets_the_share_it_pays_for(neighbours: World, alice: Cell, holds: Tally) -> None:
    share = json.loads(neighbours.host.exec(["docker", "inspect", alice.container]).stdout)[0]["HostConfig"]["NanoCpus"]
    got = alice.ask("spin", 3, 5)
    holds("three spinning processes get the CPU of one limit", got <= share / 1e9 * 1.15, (got, share))
    assert got >= share / 1e9 * 0.3, f"the control: they did spin ({got:.2f})"


def test_a_flood_of_log_lines_stays_small_on_disk(neighbours: World, alice: Cell, holds: Tally) -> None:
    logs = f"/var/lib/docker/1000000.1000000/containers/{alice.container}"

    def kept() -> int:
        return int(neighbours.host.exec(["du", "-sm", logs]).stdout.split()[0])

    assert alice.ask("flood", 24) == 24
    most, found = TIER["log"]["size"], kept()  # type: ignore[index]
    holds("a flood of log lines is bounded on disk", 0 < found <= 2 * int(most.removesuffix("MiB")) + 2, found)
    lines = neighbours.launchpad("logs", "alice", "-n", "3").out
    assert "xxxx" in lines, "the control: the flood went into the log"


# --- what the tests are made of ---------------------------------------------------------------------------------------


def slot_of(world: World, tenant: str) -> int:
    return int(json.loads(world.host.read(f"/srv/launchpad/tenants/{tenant}/tenant.json"))["slot"])


def from_host(world: World, targets: list[list[Any]]) -> dict[str, str]:
    """What the host itself reaches, past its own gate before tenants' addresses."""
    found: dict[str, str] = ask_host(world.host, "dial", targets, 2.0, PROBE_MARK)
    return found


def allowed(said: dict[str, str]) -> list[str]:
    return [path for path, word in said.items() if word == "allowed"]


def no_way(said: dict[str, str]) -> bool:
    return bool(said) and set(said.values()) <= NO_WAY


def empty(cell: Cell, path: str) -> bool:
    """Whether Docker put nothing in its place: /dev/null, or an empty folder."""
    return (
        cell.host.exec(["docker", "exec", cell.container, "sh", "-c", f"cat {path}/* {path}"], check=False).stdout == ""
    )


def is_its_own(mount: list[str], cell: Cell) -> bool:
    """Whether a line of mountinfo is one that a tenant's container has to have."""
    root, point, options, kind, _ = mount
    if kind in ("proc", "sysfs", "devpts", "mqueue"):
        return True
    if kind in ("cgroup", "cgroup2"):
        return root == "/" or cell.container in root
    if kind == "tmpfs" and root == "/":
        return point in ("/dev", "/dev/shm", "/tmp", "/sys/fs/cgroup", "/proc/acpi", "/sys/firmware", "/proc/scsi")
    if kind == "tmpfs" and point.startswith(("/dev/", "/proc/")):
        return root in {f"/{name}" for name in ("null", "random", "full", "tty", "zero", "urandom")}
    if point in ("/etc/resolv.conf", "/etc/hostname", "/etc/hosts"):
        return root.endswith(f"/containers/{cell.container}/{point.removeprefix('/etc/')}") and "ro" in options.split(
            ","
        )
    own = (f"/tenants/{cell.tenant}/data/", f"/tenants/{cell.tenant}/releases/", f"/launchpad/{cell.tenant}/")
    if root.startswith(own):
        return "/data/" in root or "ro" in options.split(",")
    return point == "/" or (point == "/usr/sbin/docker-init" and root == "/usr/bin/tini-static")


def write_hermit(world: World) -> None:
    """An app like beacon, without a way out."""
    (world.root / "inventory/apps/hermit.yaml").write_text("extends: beacon\negress: none\n")
