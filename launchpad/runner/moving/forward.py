"""The site of a tenant that left: every request is passed on to its new host, over TLS that its own name proves.

The text is made here, of a tombstone's address and of domains that were judged when they were deployed; nothing in it
is an operator's.
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
    """The text. Where the fleet's certificates come from an authority of its own, that is the one to trust."""
    number = ip_address(address)
    upstream = f"[{number}]:{HTTPS}" if number.version == 6 else f"{number}:{HTTPS}"
    trust = _TRUST if host.read(ACME_ROOT) else ""
    return "\n".join(_SITE.format(domain=domain, upstream=upstream, trust=trust) for domain in domains)
