"""The shipper: every tenant's lines once, tagged and without secrets, over restarts of both sides; a gap is sent."""

from __future__ import annotations

from launchpad.runner import paths
from launchpad.runner.shipping.shipped import read_shipped
from launchpad.runner.view import ContainerLine
from tests.runner.shipping.entries import Collector, shipper
from tests.runner.verbs.view import MemoryView, deployed

WEB, STORE, BOB = "lp-alice-a-web-1", "lp-alice-a-store-1", "lp-bob-a-web-1"


def at(second: int) -> str:
    return f"2026-11-22T10:00:{second:02d}.000000000Z"


def crowded() -> MemoryView:
    host = deployed(tenant="bob", slot=8, host=deployed())
    host.written = {
        WEB: [ContainerLine(at(1), "web 1"), ContainerLine(at(4), "[ERROR] web 4")],
        STORE: [ContainerLine(at(2), "store 2")],
        BOB: [ContainerLine(at(3), "bob's")],
    }
    return host


def test_lines_of_every_tenant_arrive_once_and_tagged() -> None:
    host, collector = crowded(), Collector()
    shipping = shipper(host, collector)
    for _ in range(3):
        shipping.round()
        host.wait(20)
    assert collector.texts == ["web 1", "store 2", "bob's", "[ERROR] web 4"]
    first, *_, last = collector.entries
    assert (first["LAUNCHPAD_TENANT"], first["LAUNCHPAD_SERVICE"], first["_HOSTNAME"]) == ("alice", "web", "web-1")
    assert first["LAUNCHPAD_RELEASE"] == host.boxes[WEB].release
    assert first["SYSLOG_IDENTIFIER"] == "alice/web"
    assert (first["PRIORITY"], last["PRIORITY"]) == ("6", "3")
    assert len({entry["LAUNCHPAD_LINE"] for entry in collector.entries}) == 4


def test_a_known_secret_is_neither_sent_nor_written_to_the_disk() -> None:
    host, collector = deployed(), Collector(down=["No route to host"])
    host.write(f"{paths.secrets('alice', 'r1')}/TOKEN", b"the-customers-key")
    host.written[WEB] = [ContainerLine(at(1), "uses the-customers-key")]
    shipper(host, collector).round()
    assert collector.texts == ["uses [secret]"]
    kept = [path for path, file in host.files.items() if b"the-customers-key" in file.data]
    assert kept == [f"{paths.secrets('alice', 'r1')}/TOKEN"]


def test_a_secret_that_comes_with_a_new_container_is_known_before_its_lines_are_read() -> None:
    host, collector = deployed(), Collector()
    shipping = shipper(host, collector)
    shipping.round()
    host.write(f"{paths.secrets('alice', 'r2')}/TOKEN", b"brand-new-secret")
    host.boxes["lp-alice-b-web-1"] = host.boxes[WEB].but(name="lp-alice-b-web-1", side="b")
    host.written["lp-alice-b-web-1"] = [ContainerLine(at(2), "says brand-new-secret")]
    host.wait(20)
    shipping.round()
    assert collector.texts == ["says [secret]"]


def test_what_a_restarted_shipper_sends_begins_behind_what_was_accepted() -> None:
    host, collector = crowded(), Collector()
    shipper(host, collector).round()
    host.written[WEB] += [ContainerLine(at(4), "same time", count=2), ContainerLine(at(9), "web 9")]
    shipper(host, collector).round()
    assert collector.texts[4:] == ["same time", "web 9"]


def test_a_collector_that_is_down_gets_everything_later_and_the_watch_is_told() -> None:
    host, collector = crowded(), Collector(down=["Connection refused"] * 3)
    stopped = shipper(host, collector, stops=True)
    stopped.round()
    assert collector.uploads == [] and read_shipped(host).problem == "Connection refused"
    assert read_shipped(host).marks == {}
    since = read_shipped(host).since
    host.wait(60)
    begun = host.elapsed()
    again = shipper(host, collector)
    again.round()
    assert round(host.elapsed() - begun) == 2 + 4, "it waits longer each time"
    assert len(collector.texts) == 4 and read_shipped(host).problem == ""
    assert since > 0 and collector.again == [True] * 4
    host.written[WEB] += [ContainerLine(at(9), "web 9")]
    again.round()
    assert collector.again[-1] is False, "nothing is in doubt"


def test_a_silent_fleet_asks_whether_the_collector_is_there() -> None:
    host, collector = deployed(), Collector(down=["Connection refused"])
    host.written.clear()
    shipper(host, collector, stops=True).round()
    assert read_shipped(host).problem == "Connection refused"
    shipper(host, collector).round()
    assert collector.uploads == [b""] and read_shipped(host).problem == ""


def test_lines_that_docker_removed_are_a_gap() -> None:
    host, collector = deployed(), Collector()
    host.written[WEB] = [ContainerLine(at(1), "one")]
    shipper(host, collector).round()
    host.written[WEB] = [ContainerLine(at(5), "five")]
    shipper(host, collector).round()
    assert [text[:70] for text in collector.texts] == [
        "one",
        f"--- gap: between {at(1)} and {at(5)} lines"[:70],
        "five",
    ]
    assert collector.entries[1]["PRIORITY"] == "4"


def test_a_container_that_was_removed_meanwhile_is_a_gap_once() -> None:
    host, collector = deployed(), Collector()
    host.written[WEB] = [ContainerLine(at(1), "one")]
    shipper(host, collector).round()
    del host.boxes[WEB]
    for _ in range(2):
        shipper(host, collector).round()
    _, gap = collector.texts
    assert gap.startswith(f"--- gap: between {at(1)} and ") and "container was removed" in gap
    assert read_shipped(host).marks == {}


def test_the_last_lines_of_a_removed_tenant_are_sent_and_it_leaves_no_mark() -> None:
    host, collector = crowded(), Collector()
    shipping = shipper(host, collector)
    shipping.round()
    host.written[BOB] += [ContainerLine(at(9), "bob's last")]
    for name in [name for name, box in host.boxes.items() if box.tenant == "bob"]:
        del host.boxes[name]
    host.files = {path: file for path, file in host.files.items() if not path.startswith(paths.tenant("bob"))}
    host.wait(20)
    shipping.round()
    shipping.round()
    assert collector.texts[-1] == "bob's last"
    assert not any(mark.startswith("bob/") for mark in read_shipped(host).marks)


def test_a_flood_goes_in_several_uploads_and_the_neighbours_lines_arrive() -> None:
    host, collector = crowded(), Collector()
    host.written[WEB] = [ContainerLine(at(1), "x" * 50_000, count=number) for number in range(1, 61)]
    shipper(host, collector).round()
    assert len(collector.uploads) == 3 and max(map(len, collector.uploads)) < 1 << 21
    assert {"store 2", "bob's"} <= set(collector.texts) and len(collector.texts) == 62


def test_docker_that_is_down_is_no_removed_container() -> None:
    host, collector = crowded(), Collector()
    shipper(host, collector).round()
    marks = read_shipped(host).marks
    host.docker_down = True
    shipper(host, collector).round()
    assert read_shipped(host).marks == marks and len(collector.texts) == 4
