"""The mistakes between files that are each valid by themselves: unknown names, values with two owners, overcommitted
hosts.

Works on the written trees, so that a tenant with a mistake of its own is still compared with all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from launchpad.fleet.model.app import App
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.recovery import RECOVERY
from launchpad.fleet.model.rings import ALL, RingName
from launchpad.fleet.model.tier import Tier
from launchpad.fleet.reading.tree import Tree
from launchpad.fleet.words.malformed import Malformed
from launchpad.fleet.words.mistakes import Mistake, Place
from launchpad.fleet.words.names import PAST_NAMES, Name
from launchpad.fleet.words.nearest import nearest
from launchpad.fleet.words.quantities import Size
from launchpad.runner.hint import Next

Found = TypeVar("Found")


@dataclass(frozen=True)
class Trees:
    """The records of an inventory as written, by name, valid or not; None for a file that cannot be read."""

    hosts: Mapping[str, Tree] | None
    tiers: Mapping[str, Tree] | None
    targets: Mapping[str, Tree] | None
    apps: Mapping[str, Tree]
    tenants: Mapping[str, Tree]
    rings: tuple[str, ...] | None
    """The rings that tenants may name."""
    settings: Tree
    """launchpad.yaml."""


def judge(fleet: Fleet, trees: Trees) -> list[Mistake]:
    """Every such mistake. `fleet` has the records that are valid by themselves."""
    return [
        *_unknown_names(trees),
        *_unknown_drill_hosts(trees),
        *_unknown_targets(trees),
        *_unknown_versions(fleet, trees),
        *_unknown_rings(trees),
        *_unknown_in_alerts(trees),
        *_two_owners(fleet, trees),
        *_two_addresses(trees),
        *_variables(fleet, trees),
        *_domains_of(fleet, trees),
    ]


def _unknown_names(trees: Trees) -> Iterator[Mistake]:
    known = {"host": trees.hosts, "app": trees.apps, "tier": trees.tiers}
    for tree in trees.tenants.values():
        for noun, records in known.items():
            named = tree.get(noun)
            if records is None or named is None or not isinstance(named.value, str) or named.value in records:
                continue
            if Name.pattern.fullmatch(named.value) is None or named.value in PAST_NAMES:
                continue  # not a valid name: the model has reported it
            guess = nearest(named.value, records)
            hint = f"did you mean {guess}?" if guess else _how_to_add(noun, named.value)
            none = f"a {noun} in inventory/{noun}s.yaml, which is missing or empty" if noun != "app" else "an app"
            expected = f"one of {', '.join(sorted(records))}" if records else none
            yield Mistake(named.place, f"unknown {noun} {named.value}", expected, hint)


def _unknown_drill_hosts(trees: Trees) -> Iterator[Mistake]:
    for name, tree in (trees.hosts or {}).items():
        named = tree.get("drill_host")
        if named is None or not isinstance(named.value, str) or named.value in (trees.hosts or {}):
            continue
        if Name.pattern.fullmatch(named.value) is None:
            continue  # not a valid name: the model has reported it
        others = sorted({*(trees.hosts or {})} - {name})
        guess = nearest(named.value, others)
        hint = f"did you mean {guess}?" if guess else _how_to_add("host", named.value)
        expected = f"one of {', '.join(others)}" if others else "another host of the fleet"
        yield Mistake(named.place, f"unknown drill_host {named.value}", expected, hint)


def _unknown_targets(trees: Trees) -> Iterator[Mistake]:
    if trees.targets is None or trees.tiers is None:
        return
    for tree in trees.tiers.values():
        named = (tree.get("backup") or Tree(tree.place, {})).get("targets")
        for index, target in enumerate(named.items() if named else ()):
            if not isinstance(target.value, str) or Name.pattern.fullmatch(target.value) is None:
                continue  # not a valid name: the model has reported it
            if target.value in [item.value for item in (named.items() if named else ())[:index]]:
                yield Mistake(target.place, f"target {target.value} appears twice", "each target once")
            elif target.value not in trees.targets:
                guess = nearest(target.value, trees.targets)
                expected = (
                    f"one of {', '.join(sorted(trees.targets))}" if trees.targets else "a target of the inventory"
                )
                hint = f"did you mean {guess}?" if guess else "add it to inventory/targets.yaml"
                yield Mistake(target.place, f"unknown target {target.value}", expected, hint)


def _how_to_add(noun: str, name: str) -> str:
    commands = {"host": Next("host add", name), "tier": "add it to inventory/tiers.yaml"}
    return commands.get(noun, f"add inventory/apps/{name}.yaml")


def _unknown_versions(fleet: Fleet, trees: Trees) -> Iterator[Mistake]:
    for tree in trees.tenants.values():
        app, version = _app(fleet, tree), tree.get("version")
        if app is None or version is None or not isinstance(version.value, str):
            continue
        known = [item.version for item in app.versions]
        if version.value not in known:
            hint = f"did you mean {guess}?" if (guess := nearest(version.value, known)) else ""
            what = f"{app.name} has no version {version.value}"
            yield Mistake(version.place, what, f"one of {', '.join(known)}", hint)


def _unknown_rings(trees: Trees) -> Iterator[Mistake]:
    for tree in trees.tenants.values():
        named = tree.get("ring")
        if trees.rings is None or named is None or not isinstance(named.value, str) or named.value in trees.rings:
            continue
        if named.value == ALL or RingName.pattern.fullmatch(named.value) is None:
            continue  # not a valid ring name: the model has reported it
        guess = nearest(named.value, trees.rings)
        hint = f"did you mean {guess}?" if guess else "write it under rollout: rings: in launchpad.yaml"
        expected = f"one of {', '.join(trees.rings)}" if trees.rings else "a ring of launchpad.yaml"
        yield Mistake(named.place, f"unknown ring {named.value}", expected, hint)


def _unknown_in_alerts(trees: Trees) -> Iterator[Mistake]:
    named = trees.settings.get("alerts")
    for destination in named.items() if named else ():
        listed = destination.get("tenants")
        for tenant in listed.items() if listed else ():
            if not isinstance(tenant.value, str) or Name.pattern.fullmatch(tenant.value) is None:
                continue  # no name at all: the model has said so
            if tenant.value not in trees.tenants:
                guess = nearest(tenant.value, trees.tenants)
                hint = f"did you mean {guess}?" if guess else Next("tenant add", tenant.value)
                yield Mistake(tenant.place, f"unknown tenant {tenant.value}", "a tenant of the inventory", hint)


def _two_owners(fleet: Fleet, trees: Trees) -> Iterator[Mistake]:
    slots: dict[int, tuple[str, Place]] = {}
    domains: dict[str, tuple[str, Place]] = {}
    for name, tree in sorted(trees.tenants.items()):
        slot = tree.get("slot")
        if slot is not None and isinstance(slot.value, int) and not isinstance(slot.value, bool):
            if slot.value in slots:
                owner, where = slots[slot.value]
                what = f"slot {slot.value} belongs to {owner} ({where})"
                hint = Next("tenant renumber", name) + f", or {owner}: renumber the tenant that was never deployed"
                yield Mistake(slot.place, what, "a slot of its own", hint)
            elif (former := fleet.gone_slots.get(slot.value, name)) != name:
                what = f"slot {slot.value} belonged to {former}, which was removed"
                yield Mistake(slot.place, what, "a slot that was never assigned", Next("tenant renumber", name))
            elif slot.value in fleet.free_slots:
                what = f"slot {slot.value} is free: its tenant was removed and deleted on every host"
                hint = f"to add {name} again: git rm {slot.place.file}, then " + Next("tenant add", name)
                yield Mistake(slot.place, what, "a slot that `launchpad tenant add` assigned", hint)
            slots.setdefault(slot.value, (name, slot.place))
        for domain in (tree.get("domains") or Tree(tree.place, ())).items():
            if not isinstance(domain.value, str):
                continue
            owner, where = domains.setdefault(domain.value.lower(), (name, domain.place))
            if owner != name:
                yield Mistake(domain.place, f"domain {domain.value} belongs to {owner} ({where})", "each domain once")


def _two_addresses(trees: Trees) -> Iterator[Mistake]:
    owners: dict[tuple[object, object], tuple[str, Place]] = {}
    for name, tree in (trees.hosts or {}).items():
        address, port = tree.get("address"), tree.get("port")
        if address is None:
            continue
        owner, where = owners.setdefault(
            (str(address.value).lower(), port.value if port else 22), (name, address.place)
        )
        if owner != name:
            what = f"address {address.value} belongs to {owner} ({where})"
            yield Mistake(address.place, what, "an address of its own, or another port")


def _variables(fleet: Fleet, trees: Trees) -> Iterator[Mistake]:
    for name, tree in trees.tenants.items():
        app = _app(fleet, tree)
        if app is None:
            continue
        written = tree.get("variables") or Tree(tree.place, {})
        for variable, value in written.entries().items():
            place = written.keys[variable]
            declared = _by_text(app.variables).get(variable)
            if declared is None:
                guess = nearest(variable, [str(key) for key in app.variables])
                hint = f"did you mean {guess}?" if guess else _secret_hint(app, variable, name)
                known = ", ".join(str(key) for key in app.variables)
                yield Mistake(
                    place, f"{app.name} takes no variable {variable}", f"one of {known}" if known else "", hint
                )
            elif isinstance(value.value, str | int | float | bool):
                try:
                    declared.parse(value.value)
                except Malformed as error:
                    yield Mistake(place, f"variables.{variable}: {error.what}", error.expected, error.hint)
        for variable, declared in app.variables.items():
            if declared.required and declared.default is None and variable not in written.entries():
                yield Mistake(written.place, f"missing variable {variable}", declared.purpose or declared.type)


def _secret_hint(app: App, variable: str, tenant: str) -> str:
    secret = next((spec.name for spec in app.secrets if spec.name == variable.upper()), None)
    return "secrets do not belong into this file: " + Next("secret set", tenant, secret) if secret else ""


def _domains_of(fleet: Fleet, trees: Trees) -> Iterator[Mistake]:
    for tree in trees.tenants.values():
        app, domains = _app(fleet, tree), tree.get("domains")
        if app is None:
            continue
        if app.web is not None and (domains is None or domains.value == ()):
            place = domains.place if domains else tree.place
            yield Mistake(
                place, "no domain", f"at least one: {app.name} is reached over HTTPS", "domains: [name.example.com]"
            )
        if app.web is None and domains is not None and domains.items():
            yield Mistake(domains.place, f"domains for {app.name}, which has no web", "no domains")


def over_committed(fleet: Fleet, trees: Trees) -> Iterator[Mistake]:
    """Overcommitted hosts: running tenants are not affected, and no tenant can be added."""
    written = trees.hosts or {}
    allocated = _tiers_by_host(fleet, trees)
    for name, host in fleet.hosts.items():
        tiers, resources = allocated.get(name, []), host.resources
        place = written[name].place_of(("resources", "memory"))
        yield from _too_much(place, name, "memory", sum(t.memory.mb for t in tiers), resources.memory_for_tenants_mb)
        place = written[name].place_of(("resources", "disk"))
        yield from _too_much(place, name, "disk", sum(t.disk.mb for t in tiers), resources.disk_for_tenants_mb)
        dedicated = sum(tier.cpus for tier in tiers if tier.kind == "dedicated")
        shared = sum(tier.cpus for tier in tiers if tier.kind == "shared") / resources.cpu_overcommit
        if dedicated + shared > resources.cpus + 1e-6:
            place = written[name].place_of(("resources", "cpus"))
            what = f"host {name}: {dedicated + shared:g} CPUs are allocated to its {len(tiers)} tenants"
            expected = f"at most {resources.cpus:g} (shared tiers count 1/{resources.cpu_overcommit:g})"
            yield Mistake(place, what, expected, "move a tenant to another host", overfull=name)


def shared_keys(trees: Trees) -> Iterator[Mistake]:
    """Keys that two operators share: removing one of the operators would not remove the key."""
    kit = trees.settings.get(RECOVERY)
    owners = {_key(item): (RECOVERY, item.place) for item in (kit.entries().values() if kit else ())}
    for tree in (trees.settings, *(trees.hosts or {}).values()):
        people = tree.get("operators")
        for person in people.items() if people else ():
            named = person.get("name")
            if named is None or not isinstance(named.value, str):
                continue
            for kind in ("keys", "signing_keys", "recipients"):
                for item in (person.get(kind) or Tree(person.place, ())).items():
                    owner, where = owners.setdefault(_key(item), (named.value, item.place))
                    if owner != named.value:
                        what = f"{named.value} has a key that {owner} has too ({where})"
                        hint = "if one of the two is removed, hosts still accept the key"
                        yield Mistake(item.place, what, "each key for only one operator", hint)


def _key(item: Tree) -> str:
    """A key as written, without its comment."""
    return " ".join(str(item.value).split()[:2])


def _too_much(place: Place, host: str, what: str, promised: int, available: int) -> Iterator[Mistake]:
    if promised > available:
        expected = f"at most {Size(available)}, without the host's reserve"
        told = f"host {host}: {Size(promised)} of {what} allocated to its tenants"
        yield Mistake(place, told, expected, "move a tenant to another host", overfull=host)


def _tiers_by_host(fleet: Fleet, trees: Trees) -> dict[str, list[Tier]]:
    """The tiers of each host's tenants."""
    found: dict[str, list[Tier]] = {}
    for tree in trees.tenants.values():
        host, named = tree.get("host"), tree.get("tier")
        tier = _by_text(fleet.tiers).get(str(named.value)) if named is not None else None
        if host is not None and tier is not None:
            found.setdefault(str(host.value), []).append(tier)
    return found


def _app(fleet: Fleet, tree: Tree) -> App | None:
    named = tree.get("app")
    return _by_text(fleet.apps).get(str(named.value)) if named is not None else None


def _by_text(records: Mapping[Any, Found]) -> Mapping[str, Found]:
    """The same mapping, for lookups with any text."""
    return records
