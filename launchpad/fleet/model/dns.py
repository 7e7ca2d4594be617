"""The DNS provider of tenants' domains; without a provider, operators set the records by hand."""

from __future__ import annotations

from typing import Literal

from launchpad.fleet.model.base import Model
from launchpad.fleet.words.names import Name, SecretName

CREDENTIAL = SecretName("HCLOUD_TOKEN")


class DnsProvider(Model):
    """A provider whose zones contain the tenants' domains. Its credential is sealed in inventory/secrets/dns/."""

    provider: Literal["hetzner"]
    """hetzner: Hetzner's DNS, through the Hetzner Cloud API. The token needs read and write access to the zones'
    project."""

    @property
    def owner(self) -> Name:
        """The owner of the credential in the secret store."""
        return Name(self.provider)
