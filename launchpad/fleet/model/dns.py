"""Who keeps the DNS records of tenants' names; where nobody is named, a person does."""

from __future__ import annotations

from typing import Literal

from launchpad.fleet.model.base import Model
from launchpad.fleet.words.names import Name, SecretName

CREDENTIAL = SecretName("HCLOUD_TOKEN")


class DnsProvider(Model):
    """A provider whose zones have the tenants' names in them. Its credential is sealed in inventory/secrets/dns/."""

    provider: Literal["hetzner"]
    """Hetzner's DNS, by the API of its cloud; the token needs to read and write in the zones' project."""

    @property
    def owner(self) -> Name:
        """Whose the credential is."""
        return Name(self.provider)
