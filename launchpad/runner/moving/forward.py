"""The site of a tenant that has moved: Caddy forwards every request to the new host, over TLS with the tenant's name.

The text is built from a tombstone's address and from domains that were judged at the deploy; it contains no text from
an operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from launchpad.runner.host import Host
from launchpad.runner.provision.fleet_caddyfile import ACME_ROOT

HTTPS = 443
_SITE = """\
{domain} {{
	log {{
		format filter {{
			request>uri regexp "[?].*" ""
			request>headers delete
			resp_headers delete
		}}
	}}
	reverse_proxy https://{upstream} {{
		# It waits as long as it does for a deploy: the other host may still be starting it.
		lb_try_duration 28s
		lb_try_interval 250ms
		header_up Host {domain}
		transport http {{
			tls_server_name {domain}
{trust}			versions 1.1
		}}
	}}
	handle_errors 502 503 504 {{
		header Retry-After 5
		header Cache-Control no-store
		respond "Not ready. Try again in a few seconds." 503
	}}
}}
"""
_TRUST = f"\t\t\ttls_trust_pool file {ACME_ROOT}\n"


def forward(host: Host, domains: Sequence[str], address: str) -> str:
    """The site's text. It trusts the fleet's own certificate authority if there is one."""
    number = ip_address(address)
    upstream = f"[{number}]:{HTTPS}" if number.version == 6 else f"{number}:{HTTPS}"
    trust = _TRUST if host.read(ACME_ROOT) else ""
    return "\n".join(_SITE.format(domain=domain, upstream=upstream, trust=trust) for domain in domains)
