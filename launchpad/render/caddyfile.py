"""The Caddyfile of a host: what all its sites share."""

from __future__ import annotations

from launchpad.errors import InventoryError
from launchpad.fleet.model.host import Host
from launchpad.render.templates import TemplateSource
from launchpad.runner import paths

ACME_ROOT = f"{paths.CADDY}/acme-root.pem"
"""The host's file with the certificate authority of its ACME server, if the inventory names one."""


def render_caddyfile(host: Host, *, templates: TemplateSource) -> str:
    """The global Caddyfile, which imports the sites of the host's tenants."""
    name = templates.find("caddy/Caddyfile")
    if name is None:
        raise InventoryError(
            "template caddy/Caddyfile.j2 is missing",
            code="caddyfile-template-missing",
            hint="reinstall Launchpad, which includes the template",
        )
    caddy = host.caddy
    values = {
        "socket": f"unix/{paths.CADDY_SOCKET}|0600",
        "storage": f"{paths.CADDY}/data",
        "email": caddy.acme_email,
        "acme_ca": caddy.acme_ca,
        "acme_ca_root": ACME_ROOT if caddy.acme_ca_root else None,
    }
    return templates.render(name, "Caddyfile", values)
