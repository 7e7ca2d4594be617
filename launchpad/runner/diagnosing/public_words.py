"""Which names and addresses say nothing about anybody, so that a bundle keeps them. Pure."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, ip_address

from launchpad.runner import slots

_PUBLIC = (
    "anthropic.com", "openai.com", "openrouter.ai", "googleapis.com", "groq.com", "mistral.ai", "deepseek.com", "x.ai",
    "telegram.org", "discord.com", "discord.gg", "whatsapp.net", "whatsapp.com", "signal.org",
    "openclaw.ai", "clawhub.ai", "npmjs.org", "npmjs.com", "nodejs.org", "github.com", "githubusercontent.com",
    "ghcr.io", "docker.io", "docker.com", "quay.io", "gcr.io", "letsencrypt.org", "zerossl.com", "buypass.com",
    "pki.goog", "debian.org", "ntp.org", "kernel.org", "freedesktop.org", "systemd.io", "caddyserver.com", "restic.net",
    "openssh.com", "libssh.org", "python.org", "golang.org", "json-schema.org", "compose-spec.io",
)  # fmt: skip
_EXACTLY = frozenset({"slack.com", "api.slack.com", "files.slack.com", "hooks.slack.com", "wss-primary.slack.com"})
"""Names below these are customers' own."""
_WORLDS_TEXT = (
    "com net org info biz io ai app dev cloud xyz online site tech store shop me tv name pro email page space website "
    "world live digital agency studio solutions systems network services host hosting gmbh berlin hamburg wien koeln "
    "eu de at ch li fr it es pt nl be lu dk se no fi is ie uk us ca mx br ar cl co pe au nz jp cn kr tw hk sg in id "
    "my th vn ph pl cz sk hu ro bg gr tr ru ua by lt lv ee hr si rs il za ng ke eg ma ae sa ir pk gg im to fm la ws "
    "internal test local lan home corp intranet example invalid lab edu gov mil int onion"
)
_WORLDS = frozenset(_WORLDS_TEXT.split())
"""The last labels of names; those that are also endings of files or of Python's modules are left out."""
NAMES_TEXT = (
    "root daemon nobody launchpad node caddy docker systemd sshd www-data backup mail man sys bin sync games "
    "messagebus polkitd admin user operator unknown localhost watch boot none"
)
NAMES = frozenset(NAMES_TEXT.split())
"""Users and the like that every host has."""
_KEPT_NETWORKS = (
    slots.NETWORK, slots.CLONES, IPv4Network("127.0.0.0/8"), IPv4Network("0.0.0.0/32"), IPv4Network("255.0.0.0/8"),
    IPv4Network("172.17.0.0/16"), IPv4Network("169.254.169.254/32"), IPv4Network("192.0.2.1/32"),
    IPv4Network("10.0.0.0/32"), IPv4Network("172.16.0.0/32"), IPv4Network("192.168.0.0/32"),
    IPv4Network("169.254.0.0/32"),
    IPv4Network("100.64.0.0/32"), IPv4Network("224.0.0.0/3"),
)  # fmt: skip
"""Launchpad's own, Docker's first bridge, and those that stand in every firewall's rules."""


def may_be_domain(text: str) -> bool:
    """Whether the text may be a name in the DNS, and not that of a file, a unit or a module."""
    return text.rpartition(".")[2].lower() in _WORLDS


def is_public(name: str) -> bool:
    """Whether the name is a well-known service's."""
    name = name.lower().removeprefix("*.")
    return name in _EXACTLY or any(name == known or name.endswith(f".{known}") for known in _PUBLIC)


@lru_cache(maxsize=4096)
def is_no_address(text: str) -> bool:
    """Whether the text is no address, or one that says nothing about anybody."""
    try:
        address = ip_address(text)
    except ValueError:
        return True
    if address.version == 6:
        return address.is_loopback or address.is_unspecified or address.is_multicast
    return any(address in network for network in _KEPT_NETWORKS)
