"""The fleet: everything in one inventory, checked as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import Field

from launchpad.errors import InventoryError
from launchpad.fleet.model.alert import AlertDestination
from launchpad.fleet.model.app import App
from launchpad.fleet.model.base import Model, ModelMistake
from launchpad.fleet.model.dns import DnsProvider
from launchpad.fleet.model.host import CaddyOptions, Host, Operator, named_twice
from launchpad.fleet.model.maintenance import Maintenance
from launchpad.fleet.model.recovery import RECOVERY, Recovery
from launchpad.fleet.model.rings import RolloutDefaults
from launchpad.fleet.model.target import Target
from launchpad.fleet.model.tenant import Tenant, Value
from launchpad.fleet.model.tier import Tier
from launchpad.fleet.words.mistakes import InventoryMistakes, Mistake
from launchpad.fleet.words.names import PAST_NAMES, AppName, HostName, TargetName, TenantName, TierName, past
from launchpad.fleet.words.nearest import nearest
from launchpad.fleet.words.quantities import Duration
from launchpad.fleet.words.references import PublicKey, Recipient
from launchpad.runner.hint import Next
from launchpad.runner.slots import LAST_SLOT

Found = TypeVar("Found")


class Defaults(Model):
    """launchpad.yaml: the settings of the whole fleet."""

    operators: tuple[Operator, ...] = ()
    """The operators of every host that does not name its own operators."""
    recipients: tuple[Recipient, ...] = ()
    """Further age public keys that can read the secrets and belong to no operator."""
    recovery: Recovery | None = None
    """The emergency kit's public keys. Every secret is sealed for the kit too, and the kit can log in to every host."""
    caddy: CaddyOptions = CaddyOptions()
    dns: DnsProvider | None = None
    """The DNS provider of tenants' domains. Without a provider, Launchpad prints the records that an operator must
    set."""
    alerts: tuple[AlertDestination, ...] = ()
    """The destinations of alerts. Hosts send the alerts themselves; a change needs `launchpad provision` of each
    host."""
    rollout: RolloutDefaults = RolloutDefaults()
    """The rings and limits of `launchpad rollout`."""
    gameday_every: Duration = Duration(30 * 24 * 3600)
    """How old the last game day of a host may be before `launchpad health` warns: at most 720h. It starts no game
    day."""
    maintenance: Maintenance = Maintenance()
    """The window and the notices of `launchpad maintain`."""

    def findings(self) -> Iterator[ModelMistake]:
        yield from named_twice(self.operators)
        for index, item in enumerate(self.alerts):
            if item.name in [other.name for other in self.alerts[:index]]:
                yield ModelMistake(("alerts", index, "name"), f"alert destination {item.name} appears twice", "once")


def readers(defaults: Defaults) -> tuple[Recipient, ...]:
    """The age recipients that can read the secrets: the operators' and the further ones, each once."""
    own = [recipient for person in defaults.operators for recipient in person.recipients]
    return tuple(dict.fromkeys([*own, *defaults.recipients]))


def further_readers(defaults: Defaults) -> tuple[Recipient, ...]:
    """The recipients that can read the secrets and belong to no operator."""
    own = {recipient for person in defaults.operators for recipient in person.recipients}
    return tuple(dict.fromkeys(item for item in defaults.recipients if item not in own))


def kit_recipients(defaults: Defaults) -> tuple[Recipient, ...]:
    """The recipients that can read everything that is sealed: the readers and the emergency kit."""
    return (*readers(defaults), *((defaults.recovery.recipient,) if defaults.recovery else ()))


def signers(defaults: Defaults) -> dict[str, tuple[PublicKey, ...]]:
    """The signers of runners and host settings, including the emergency kit: name → signing keys."""
    admins = (person for person in defaults.operators if person.admin and person.signing_keys)
    found = {str(person.name): person.signing_keys for person in admins}
    return found | ({RECOVERY: (defaults.recovery.signing_key,)} if defaults.recovery else {})


def intent_signers(defaults: Defaults, host: Host) -> dict[str, tuple[PublicKey, ...]]:
    """Who else of a host's operators may sign what changes a tenant: name → signing keys."""
    people = (person for person in host.operators if person.signing_keys)
    return {str(person.name): person.signing_keys for person in people if str(person.name) not in signers(defaults)}


@dataclass(frozen=True)
class UnreadablePart:
    """A tenant, or an app, that is in the inventory and counts as none: its own file is wrong, or its app's, or it has
    what is another's too."""

    mistakes: tuple[Mistake, ...]
    tenant: Tenant | None = None
    """The tenant as in its file, when only another tenant's file conflicts with it."""

    def as_error(self) -> InventoryMistakes:
        return InventoryMistakes(
            self.mistakes, hint="correct the file, then: " + Next("check") + "; other tenants are not affected"
        )


class Fleet(Model):
    """What should exist. Every name in it resolves; every slot and domain has one owner; no host is over-committed."""

    defaults: Defaults = Defaults()
    hosts: Mapping[HostName, Host] = {}
    apps: Mapping[AppName, App] = {}
    tiers: Mapping[TierName, Tier] = {}
    targets: Mapping[TargetName, Target] = {}
    tenants: Mapping[TenantName, Tenant] = {}
    highest_slot: int = 0
    """The highest slot ever assigned, including removed tenants."""
    gone_slots: Mapping[int, str] = {}
    """The slots of removed tenants whose deletion no receipt confirms yet: slot → name."""
    free_slots: Mapping[int, int] = {}
    """The slots that may be given again: slot → epoch of the next tenant."""
    unreadable: Mapping[str, UnreadablePart] = Field(default={}, exclude=True)
    """Tenants that are not among `tenants`, by the names of their files."""
    unreadable_apps: Mapping[str, UnreadablePart] = Field(default={}, exclude=True)
    """Apps that are not among `apps`, by the names of their files; all of their tenants are unreadable."""
    amiss: tuple[Mistake, ...] = Field(default=(), exclude=True)
    """Mistakes that stop no command: overcommitted hosts, which two clones of the inventory can cause, and keys that
    two operators share."""

    @property
    def known(self) -> frozenset[str]:
        """Every tenant of the inventory, including unreadable ones."""
        return frozenset([*map(str, self.tenants), *self.unreadable])

    def tenant(self, name: str) -> Tenant:
        """The tenant; InventoryError with the nearest name when there is none, or with the mistake in its file."""
        if name in self.unreadable:
            raise self.unreadable[name].as_error()
        return _find(self.tenants, name, "tenant")

    def host(self, name: str) -> Host:
        """The host; InventoryError with the nearest name when there is none."""
        return _find(self.hosts, name, "host")

    def app(self, name: str) -> App:
        """The app; InventoryError with the nearest name when there is none, or with the reason for an old name of
        OpenClaw."""
        if name in PAST_NAMES:
            raise InventoryError(
                past(name),
                code="app-was-renamed",
                hint="write openclaw; to import its data: " + Next("import", "--help"),
            )
        if name in self.unreadable_apps:
            raise self.unreadable_apps[name].as_error()
        return _find(self.apps, name, "app")

    def tier(self, name: str) -> Tier:
        """The tier; InventoryError with the nearest name when there is none."""
        return _find(self.tiers, name, "tier")

    def target(self, name: str) -> Target:
        """The target; InventoryError with the nearest name when there is none."""
        return _find(self.targets, name, "target")

    def backup_targets(self, tenant: Tenant) -> tuple[Target, ...]:
        """The targets of the tenant's backups; none when its tier has no backups."""
        backup = self.tiers[tenant.tier].backup
        return tuple(self.targets[name] for name in backup.targets) if backup else ()

    def tenants_of(self, host: str) -> tuple[Tenant, ...]:
        """The host's tenants, by name."""
        return tuple(self.tenants[name] for name in sorted(self.tenants) if self.tenants[name].host == host)

    def variables(self, tenant: Tenant) -> dict[str, Value]:
        """The tenant's variables with the app's defaults; a variable that has neither is absent."""
        declared = self.apps[tenant.app].variables
        defaults = {str(name): item.default for name, item in declared.items() if item.default is not None}
        return defaults | {str(name): value for name, value in tenant.variables.items()}

    @property
    def next_slot(self) -> tuple[int, int]:
        """The slot of the next tenant, and its epoch: a slot that was never assigned (epoch 0), and when there is none,
        the lowest free one. InventoryError when all slots are taken."""
        slot = max([self.highest_slot, *(tenant.slot for tenant in self.tenants.values())], default=0) + 1
        if slot <= LAST_SLOT:
            return slot, 0
        if self.free_slots:
            return min(self.free_slots.items())
        gone = ", ".join(sorted(self.gone_slots.values())[:3])
        raise InventoryError(
            f"all {LAST_SLOT} slots of this fleet are taken",
            code="slots-taken",
            hint=f"free the slots of removed tenants ({gone}): " + Next("tenant remove", "TENANT")
            if gone
            else "make another fleet: " + Next("init") + " in another folder",
        )

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; amounts as people write them."""
        return self.model_dump(mode="json")


def remote_targets(fleet: Fleet, tenant: Tenant) -> tuple[Target, ...]:
    """The targets of the tenant's backups that outlive its host."""
    return tuple(target for target in fleet.backup_targets(tenant) if target.kind != "local")


def _find(records: Mapping[Any, Found], name: str, noun: str) -> Found:
    found = records.get(name)
    if found is None:
        guess = nearest(name, records)
        hint = f"did you mean {guess}?" if guess else Next(f"{noun} list")
        raise InventoryError(f"no {noun} {name} in the inventory", code="not-in-inventory", hint=hint)
    return found
