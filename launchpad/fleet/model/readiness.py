"""The steps that are left before a valid inventory can be deployed. Pure. `check` reports the steps; each operation
rejects a tenant with open steps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass

from launchpad.errors import InventoryError
from launchpad.fleet.model.fleet import Fleet, readers, signers
from launchpad.fleet.model.host import Host
from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.fleet.words.quantities import Size
from launchpad.runner.hint import Next
from launchpad.runner.slots import LAST_SLOT

SCARCE = 0.8
"""The part of all slots from which on `scarce` warns."""


@dataclass(frozen=True)
class ToDo:
    """One thing that is still to do: about what, and what to type."""

    about: str
    what: str
    hint: str

    def as_dict(self) -> dict[str, str]:
        """The note as JSON."""
        return asdict(self)


def readiness(fleet: Fleet, secrets: Mapping[TenantName, Collection[SecretName]]) -> list[ToDo]:
    """Every such note; `secrets` are the names of those that each tenant has."""
    return [*_keys(fleet), *_hosts(fleet), *_images(fleet), *_secrets(fleet, secrets)]


def protected(fleet: Fleet) -> list[str]:
    """The tenants whose tier has backups."""
    return [str(name) for name, tenant in sorted(fleet.tenants.items()) if fleet.backup_targets(tenant)]


def unprotected(fleet: Fleet) -> list[str]:
    """The tenants whose tier has no backups."""
    return [str(name) for name, tenant in sorted(fleet.tenants.items()) if not fleet.backup_targets(tenant)]


def crowded(fleet: Fleet) -> list[ToDo]:
    """The hosts that may lack memory for a clone of the largest tenant that is rehearsed there. This is no mistake,
    because tenants rarely use all their memory, and an upgrade without memory for its rehearsal is rejected."""
    return [note for name in sorted(fleet.hosts) for note in _crowded(fleet, fleet.hosts[name])]


def scarce(fleet: Fleet) -> list[ToDo]:
    """A note when most of the fleet's slots are taken, by tenants and by removed tenants that no receipt confirms as
    deleted."""
    used = len({tenant.slot for tenant in fleet.tenants.values()} | fleet.gone_slots.keys())
    if used < LAST_SLOT * SCARCE:
        return []
    gone = sorted(fleet.gone_slots.values())
    hint = (
        f"to free the slots of {len(gone)} removed tenants ({', '.join(gone[:3])}{', …' if gone[3:] else ''}): "
        + Next("tenant remove", "TENANT")
        if gone
        else "make another fleet for new tenants: " + Next("init") + " in another folder"
    )
    return [ToDo("slots", f"{used} of {LAST_SLOT} are taken", hint)]


def _crowded(fleet: Fleet, host: Host) -> Iterator[ToDo]:
    promised = sum(fleet.tiers[tenant.tier].memory.mb for tenant in fleet.tenants_of(host.name))
    free = host.resources.memory_for_tenants_mb - promised
    sending = [name for name in sorted(fleet.hosts) if fleet.hosts[name].drill_host == host.name]
    for name in ([] if host.drill_host else [str(host.name)]) + [str(name) for name in sending]:
        clone = max((fleet.tiers[tenant.tier].memory.mb for tenant in fleet.tenants_of(name)), default=0)
        if clone > free:
            whose = "its" if name == host.name else f"{name}'s"
            what = (
                f"has {Size(max(free, 0))} of unallocated memory, but a clone of {whose} largest tenant may need "
                f"{Size(clone)}"
            )
            hint = (
                f"write a drill_host with enough memory for {name} into inventory/hosts.yaml, or upgrade with "
                "--rehearse-on HOST"
            )
            yield ToDo(f"host {host.name}", what, hint)


def _keys(fleet: Fleet) -> list[ToDo]:
    file = "launchpad.yaml"
    notes = []
    if not readers(fleet.defaults):
        notes.append(ToDo(file, "no recipients: nobody could read a secret", "to print yours: " + Next("key show")))
    if not signers(fleet.defaults):
        notes.append(
            ToDo(file, "no signing_keys: hosts would reject every runner", "to print yours: " + Next("key show"))
        )
    return notes


def _hosts(fleet: Fleet) -> list[ToDo]:
    notes = []
    for host in fleet.hosts.values():
        if not host.operators:
            hint = "write your key under operators: in launchpad.yaml; to print your key: " + Next("key show")
            notes.append(ToDo(f"host {host.name}", "no operators: nobody could log in", hint))
        if not host.caddy.image.pinned:
            hint = Next("app pin", "--caddy")
            notes.append(ToDo(f"host {host.name}", "no digest for Caddy's image", hint))
    return notes


def _images(fleet: Fleet) -> list[ToDo]:
    notes = []
    for app, version in sorted({(tenant.app, tenant.version) for tenant in fleet.tenants.values()}):
        try:
            fleet.apps[app].images(version)
        except InventoryError as error:
            notes.append(ToDo(f"app {app}", error.message, error.hint))
    return notes


def _secrets(fleet: Fleet, secrets: Mapping[TenantName, Collection[SecretName]]) -> list[ToDo]:
    notes = []
    for tenant in fleet.tenants.values():
        present = secrets.get(tenant.name, ())
        for spec in fleet.apps[tenant.app].secrets:
            if spec.required and spec.name not in present:
                verb = "rotate" if spec.generate else "set"
                hint = Next(f"secret {verb}", tenant.name, spec.name)
                notes.append(ToDo(f"tenant {tenant.name}", f"no {spec.name}", hint))
        known = {spec.name for spec in fleet.apps[tenant.app].secrets}
        for name in sorted(set(present) - known):
            hint = Next("secret remove", tenant.name, name)
            notes.append(ToDo(f"tenant {tenant.name}", f"{tenant.app} takes no secret {name}", hint))
    return notes
