"""The lab as a whole: hosts by name, and the servers around them."""

import contextlib
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from labkit import authority, base, cgroups, disks, images, loops, network, outer, services, snapshots
from labkit.errors import LabError
from labkit.guest import Guest
from labkit.host import Host
from labkit.images import Image
from labkit.paths import Paths, read_json, write_json
from labkit.shell import run

BARE = "bare"


class Lab:
    """Real hosts on this machine. Everything is idempotent, and safe from several processes at once."""

    registry = services.REGISTRY
    acme_directory = services.ACME_DIRECTORY

    def __init__(self, paths: Paths | None = None) -> None:
        self.paths = paths or Paths()
        self._prepared = False

    def prepare(self) -> None:
        """Have all that a host needs around it: packages, authority, bridge, names and the package mirror."""
        if self._prepared:
            return
        outer.require(self.paths)
        outer.install(self.paths)
        authority.ssh_key(self.paths)
        with self.paths.lock("network"):
            network.up()
        services.start_names(self.paths, self._addresses())
        services.start_mirror(self.paths)
        self._prepared = True

    def start_services(self) -> None:
        """Have the registry and the ACME server too, which only tenants need."""
        self.prepare()
        services.start_registry(self.paths)
        services.start_acme(self.paths)

    # Hosts

    def host(self, name: str) -> Host:
        """The host with this name, running or not; LabError when there is none."""
        if not Guest(self.paths, network.check_name(name)).exists():
            raise LabError(f"there is no host {name}", hint=f"scripts/lab up {name}", exit_code=4)
        return Host(self.paths, name)

    def hosts(self) -> list[Host]:
        """Every host, running or not, by name."""
        folders = sorted(self.paths.machines.glob("*")) if self.paths.machines.exists() else []
        return [Host(self.paths, folder.name) for folder in folders if Guest(self.paths, folder.name).exists()]

    def up(self, name: str, *, source: str = BARE, keep_keys: bool = False, fresh: bool = False) -> Host:
        """Make and boot a host, bare or from a snapshot's label, and wait for SSH.

        One that is there stays as it is, and is started when it is off; with `fresh` it is removed and made anew.
        """
        network.check_name(name)
        self.start_services()
        if fresh:
            self.down(name)
        guest = Guest(self.paths, name)
        with self.paths.lock(f"create-{name}"):
            if not guest.exists():
                self._create(guest, source, keep_keys=keep_keys)
        services.start_names(self.paths, self._addresses())
        host = Host(self.paths, name)
        host.start()
        return host

    def up_all(
        self, names: Sequence[str], *, source: str = BARE, keep_keys: bool = False, fresh: bool = False
    ) -> list[Host]:
        """`up` for several hosts at once; every failure is told, not only the first."""
        self.start_services()
        with ThreadPoolExecutor(max_workers=4) as pool:
            made = partial(self.up, source=source, keep_keys=keep_keys, fresh=fresh)
            waiting = [pool.submit(made, name) for name in names]
        failures = [error for error in (task.exception() for task in waiting) if error]
        if len(failures) == 1:
            raise failures[0]
        if failures:
            raise LabError("\n".join(str(error) for error in failures))
        return [task.result() for task in waiting]

    def down(self, name: str) -> None:
        """Pull the plug on a host and remove all of it; nothing happens when there is none."""
        guest = Guest(self.paths, network.check_name(name))
        if guest.exists():
            guest.kill()
            network.heal(guest.address)
        with self.paths.lock(f"create-{name}"):
            self._remove(guest)

    def _remove(self, guest: Guest) -> None:
        disks.detach(guest.folder)
        run(["rm", "-rf", "--one-file-system", str(guest.folder)])

    def down_all(self) -> None:
        """Remove every host, the servers, the bridge and the rules: all that the lab made, except the cache."""
        for folder in sorted(self.paths.machines.glob("*")):
            self.down(folder.name)
        services.stop_all(self.paths)
        with contextlib.suppress(LabError):
            network.down()
        cgroups.remove_parent()
        (self.paths.state / "addresses.json").unlink(missing_ok=True)
        self._prepared = False

    # Snapshots

    def snapshot(self, host: Host, label: str, *, key: str = "") -> None:
        """Shut `host` down, keep a copy of its disk under `label`, start it again; `key` says what it was made from."""
        snapshots.check_label(label)
        was_running = host.running()
        host.power_off()
        snapshots.keep(self.paths, host.root, label, key=key)
        if was_running:
            host.start()

    def has_snapshot(self, label: str, *, key: str = "") -> bool:
        """True when there is a snapshot of this label that was made from the same `key`."""
        return snapshots.key_of(self.paths, label) == key

    # Images

    def images(self, *words: str) -> list[Image]:
        """Have app images in the registry (`caddy`, `beacon:1.0.0`; none: the usual); instant when they are there."""
        self.start_services()
        return images.provide(self.paths, words)

    def warm(self) -> None:
        """Do once all that takes long: packages on this machine, the bare host, the images."""
        self.start_services()
        base.bare_root(self.paths)
        self.images()

    # Facts

    def resolve(self, name: str) -> str:
        """The address that the lab's DNS gives for `name`, for this machine, whose own resolver knows nothing of it."""
        labels = name.rstrip(".").removesuffix(f".{network.DOMAIN}").split(".")
        if labels[-1] in services.OWN_NAMES:
            return network.GATEWAY
        return self.host(labels[-1]).address

    def ca_pem(self) -> Path:
        """The file with the root certificate that every host trusts."""
        return authority.root_certificate(self.paths)

    def acme_root_pem(self) -> Path:
        """The file with the root that signs what the ACME server issues now; it is new after `down --all`."""
        self.start_services()
        return services.acme_root(self.paths)

    def _addresses(self) -> dict[str, str]:
        indexes = read_json(self.paths.state / "addresses.json")
        return {name: network.address_of(int(index)) for name, index in indexes.items()}

    def _index(self, name: str) -> int:
        file = self.paths.state / "addresses.json"
        with self.paths.lock("addresses"):
            indexes = read_json(file)
            if name not in indexes:
                if len(indexes) == network.MOST_HOSTS:
                    # A name keeps its address for as long as there is room, so that a host that comes back has its own.
                    indexes = {name: at for name, at in indexes.items() if Guest(self.paths, name).exists()}
                taken = set(indexes.values())
                free = next((index for index in range(network.MOST_HOSTS) if index not in taken), None)
                if free is None:
                    raise LabError("every address of the lab is taken", hint="scripts/lab down --all")
                indexes[name] = free
                write_json(file, indexes)
            return int(indexes[name])

    def _create(self, guest: Guest, source: str, *, keep_keys: bool) -> None:
        origin = base.bare_root(self.paths) if source == BARE else snapshots.root_of(self.paths, source)
        index = self._index(guest.name)
        self._remove(guest)
        guest.folder.mkdir(parents=True)
        if source == BARE:
            disks.copy(origin, guest.root)
        else:
            with self.paths.lock("snapshots"):
                # Asked again under the lock: a newer snapshot may have taken this one's place just now.
                disks.lay_over(snapshots.root_of(self.paths, source), guest.folder)
                disks.attach(guest.folder)
        address = network.address_of(index)
        base.personalise(guest.root, name=guest.name, address=address, machine_id=secrets.token_hex(16))
        if source == BARE:
            base.let_root_in(guest.root, authority.ssh_key(self.paths).with_suffix(".pub").read_text())
        elif not keep_keys:
            base.renew_host_keys(guest.root)
        loops.make(index)
        network.heal(address)
        guest.create(index)
