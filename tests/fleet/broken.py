"""Broken inventories as data: what is written instead of the right one, and which mistakes there are, where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.fleet.inventory import DIGEST, RIGHT

ALICE = "inventory/tenants/alice.yaml"
BOB = "inventory/tenants/bob.yaml"
HOSTS = "inventory/hosts.yaml"
TIERS = "inventory/tiers.yaml"
ECHO = "inventory/apps/echo.yaml"
TARGETS = "inventory/targets.yaml"
DISK = "disk: {kind: local, url: /mnt/disk}\n"
CLAW = "inventory/apps/openclaw.yaml"
SETTINGS = "launchpad.yaml"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILoV++Mt6IECLaJEolaONTFYgz7x4Ocm0QcA48Y21tI4"
READER = "age1" + "q" * 58


@dataclass(frozen=True)
class Broken:
    name: str
    files: Mapping[str, str | bytes | None]
    mistakes: tuple[tuple[str, int, str], ...]
    """All of them in order: file, line (0 for the file as a whole), and the key or the value that is named."""


def changed(file: str, old: str, new: str) -> dict[str, str]:
    """The right file with one text in it replaced, which must be there."""
    assert old in RIGHT[file], (file, old)
    return {file: RIGHT[file].replace(old, new)}


BROKEN = (
    # keys
    Broken(
        "unknown key in a tenant",
        changed(ALICE, "domains:", "domans:"),
        (
            (ALICE, 1, "domain"),
            (ALICE, 6, "domans"),
        ),
    ),
    Broken(
        "unknown nested key in a host",
        changed(HOSTS, "    memory: 4GiB", "    memory: 4GiB\n    ram: 4GiB"),
        ((HOSTS, 12, "resources.ram"),),
    ),
    Broken(
        "a drill host that there is not",
        changed(HOSTS, "  address: 203.0.113.8", "  address: 203.0.113.8\n  drill_host: web-3"),
        ((HOSTS, 10, "web-3"),),
    ),
    Broken(
        "two collectors, and a host without an IP address",
        {
            HOSTS: RIGHT[HOSTS]
            .replace("  address: 203.0.113.7", "  address: vps1.example.com\n  collector: true")
            .replace("  address: 203.0.113.8", "  address: 203.0.113.8\n  collector: true")
        },
        ((HOSTS, 3, "vps1.example.com"), (HOSTS, 11, "web-1 and web-2")),
    ),
    Broken(
        "a host that is its own drill host",
        changed(HOSTS, "  address: 203.0.113.8", "  address: 203.0.113.8\n  drill_host: web-2"),
        ((HOSTS, 10, "web-2"),),
    ),
    Broken(
        "rings that cannot be followed",
        {SETTINGS: "rollout:\n  rings: [canary, 50%, 10%, canary, 100%]\n  soak: 5\n"},
        (
            (SETTINGS, 2, "100%"),
            (SETTINGS, 3, "unit"),
        ),
    ),
    Broken(
        "a ring that is a number",
        {SETTINGS: "rollout:\n  rings: [10, all]\n"},
        ((SETTINGS, 2, "10"),),
    ),
    Broken(
        "rings out of order",
        {SETTINGS: "rollout:\n  rings:\n    - canary\n    - 50%\n    - {ring: 10%, soak: 1m}\n    - canary\n"},
        (
            (SETTINGS, 2, "ring"),
            (SETTINGS, 5, "10%"),
            (SETTINGS, 6, "canary"),
        ),
    ),
    Broken(
        "a share behind all, and a tenant's soak that is too long",
        {SETTINGS: "rollout: {rings: [all, 10%], tenant_soak: 2h}\n"},
        (
            (SETTINGS, 1, "tenant_soak"),
            (SETTINGS, 1, "10%"),
        ),
    ),
    Broken(
        "a ring that there is not",
        {ALICE: RIGHT[ALICE] + "ring: canry\n"},
        ((ALICE, 10, "canry"),),
    ),
    Broken("unknown key in launchpad.yaml", {SETTINGS: "operater: []\n"}, ((SETTINGS, 1, "operater"),)),
    Broken(
        "a name where the file has it already",
        {BOB: "name: bob\n" + RIGHT[BOB]},
        ((BOB, 1, "name"),),
    ),
    Broken(
        "a key that steers the terminal",
        {BOB: RIGHT[BOB] + '"\\e[2J\\a": 1\n'},
        ((BOB, 7, "2J"),),
    ),
    Broken("missing key", changed(BOB, "tier: light\n", ""), ((BOB, 1, "tier"),)),
    Broken(
        "duplicate key",
        changed(ALICE, "tier: standard", "tier: standard\ntier: light"),
        ((ALICE, 5, "tier"),),
    ),
    Broken(
        "duplicate host",
        changed(HOSTS, "web-2:", "web-1:"),
        ((HOSTS, 8, "web-1"),),
    ),
    Broken(
        "a key that is a number",
        changed(ALICE, "  model:", "  7: x\n  model:"),
        ((ALICE, 9, "7"),),
    ),
    # names
    Broken(
        "bad tenant name",
        {"inventory/tenants/Bob_2.yaml": RIGHT[BOB], BOB: None},
        (("inventory/tenants/Bob_2.yaml", 0, "Bob_2"),),
    ),
    Broken("bad host name", changed(HOSTS, "web-2:", "Web.2:"), ((HOSTS, 8, "Web.2"),)),
    Broken(
        "bad tier name",
        changed(TIERS, "light:", "li ght:"),
        (
            (BOB, 4, "light"),
            (TIERS, 1, "li ght"),
        ),
    ),
    Broken(
        "a shell command as a name",
        changed(BOB, "host: web-1", "host: $(reboot)"),
        ((BOB, 5, "$(reboot)"),),
    ),
    Broken(
        "clawdbot as an app",
        {"inventory/apps/clawdbot.yaml": RIGHT[ECHO]},
        (("inventory/apps/clawdbot.yaml", 0, "clawdbot"),),
    ),
    Broken(
        "moltbot as a tenant's app",
        changed(ALICE, "app: openclaw", "app: moltbot"),
        ((ALICE, 2, "moltbot"),),
    ),
    # references
    Broken(
        "unknown host",
        changed(BOB, "host: web-1", "host: web-3"),
        ((BOB, 5, "web-3"),),
    ),
    Broken("unknown app", changed(ALICE, "app: openclaw", "app: openclow"), ((ALICE, 2, "openclow"),)),
    Broken(
        "a /tmp as large as the memory",
        changed(TIERS, "disk: 1GiB", "disk: 1GiB\n  tmp: 256MiB"),
        ((TIERS, 5, "256MiB"),),
    ),
    Broken("unknown tier", changed(BOB, "tier: light", "tier: huge"), ((BOB, 4, "huge"),)),
    Broken(
        "unknown version",
        changed(ALICE, "2026.9.6", "2026.9.7"),
        ((ALICE, 3, "2026.9.7"),),
    ),
    Broken(
        "a tenant on no host",
        changed(BOB, "host: web-1\n", ""),
        ((BOB, 1, "host"),),
    ),
    # two owners
    Broken(
        "duplicate slot",
        changed(BOB, "slot: 2", "slot: 1"),
        ((BOB, 1, "alice"),),
    ),
    Broken(
        "duplicate slot of a tenant with another mistake",
        changed(BOB, "slot: 2\napp: echo", "slot: 1\napp: eccho"),
        (
            (BOB, 1, "alice"),
            (BOB, 2, "eccho"),
        ),
    ),
    Broken(
        "the slot of a tenant that is gone",
        {"inventory/slots.yaml": "highest: 5\ngone:\n  2: zoe\n"},
        ((BOB, 1, "zoe"),),
    ),
    Broken(
        "duplicate domain",
        changed(BOB, "bob.example.com", "alice.example.com"),
        ((BOB, 6, "alice.example.com"),),
    ),
    Broken(
        "the same domain in capitals",
        changed(BOB, "bob.example.com", "Alice.Example.com"),
        (
            (BOB, 6, "Alice.Example.com"),
            (BOB, 6, "Alice.Example.com"),
        ),
    ),
    Broken(
        "a domain twice in one tenant",
        changed(BOB, "[bob.example.com]", "[bob.example.com, bob.example.com]"),
        ((BOB, 6, "bob.example.com"),),
    ),
    Broken(
        "two hosts at one address",
        changed(HOSTS, "203.0.113.8", "203.0.113.7"),
        ((HOSTS, 9, "203.0.113.7"),),
    ),
    # domains
    Broken(
        "wildcard",
        changed(BOB, "[bob.example.com]", "['*.example.com']"),
        ((BOB, 6, "*.example.com"),),
    ),
    Broken(
        "a domain with a port",
        changed(BOB, "[bob.example.com]", "['bob.example.com:80']"),
        ((BOB, 6, "bob.example.com:80"),),
    ),
    Broken(
        "a URL for a domain",
        changed(BOB, "[bob.example.com]", "['https://bob.example.com/']"),
        ((BOB, 6, "https://bob.example.com/"),),
    ),
    Broken("one label", changed(BOB, "bob.example.com", "localhost"), ((BOB, 6, "localhost"),)),
    Broken("an address for a domain", changed(BOB, "bob.example.com", "10.0.0.1"), ((BOB, 6, "10.0.0.1"),)),
    Broken(
        "a Caddyfile in a domain",
        changed(BOB, "[bob.example.com]", '["bob.example.com {\\n file_server /"]'),
        ((BOB, 6, "bob.example.com"),),
    ),
    Broken("no domain for a web app", changed(BOB, "[bob.example.com]", "[]"), ((BOB, 6, "domain"),)),
    # resources
    Broken(
        "over-committed memory",
        changed(TIERS, "memory: 2GiB", "memory: 7GiB") | changed(HOSTS, "memory: 8GiB", "memory: 7GiB"),
        ((HOSTS, 5, "web-1"),),
    ),
    Broken(
        "over-committed disk",
        changed(TIERS, "disk: 10GiB", "disk: 59GiB"),
        ((HOSTS, 7, "web-1"),),
    ),
    Broken(
        "over-committed CPUs",
        changed(TIERS, "cpus: 2", "cpus: 4\n  kind: dedicated"),
        ((HOSTS, 6, "web-1"),),
    ),
    Broken("a size without a unit", changed(TIERS, "2GiB", "2048"), ((TIERS, 6, "2048"),)),
    Broken("a size in gigabytes", changed(TIERS, "2GiB", "2GB"), ((TIERS, 6, "2GB"),)),
    Broken(
        "all memory reserved",
        changed(HOSTS, "memory: 4GiB", "memory: 256MiB"),
        ((HOSTS, 11, "memory"),),
    ),
    Broken("slot 0", changed(BOB, "slot: 2", "slot: 0"), ((BOB, 1, "0"),)),
    Broken("slot 4096", changed(BOB, "slot: 2", "slot: 4096"), ((BOB, 1, "4096"),)),
    # types
    Broken("slot as text", changed(BOB, "slot: 2", "slot: two"), ((BOB, 1, "two"),)),
    Broken("slot as a fraction", changed(BOB, "slot: 2", "slot: 2.5"), ((BOB, 1, "2.5"),)),
    Broken("slot as true", changed(BOB, "slot: 2", "slot: true"), ((BOB, 1, "true"),)),
    Broken(
        "a version that YAML takes for a number",
        changed(BOB, "version: 1.0.0", "version: 1.0"),
        ((BOB, 3, "1.0"),),
    ),
    Broken(
        "yes for true",
        changed(BOB, "tier: light", "tier: light\nrunning: yes"),
        ((BOB, 5, "running"),),
    ),
    Broken(
        "text for a list",
        changed(BOB, "[bob.example.com]", "bob.example.com"),
        ((BOB, 6, "bob.example.com"),),
    ),
    Broken("a list for a mapping", {TIERS: "- light\n"}, ((TIERS, 1, "mapping"),)),
    Broken("an empty value", changed(BOB, "tier: light", "tier:"), ((BOB, 4, "tier"),)),
    Broken("an empty tier", changed(TIERS, "light:", "tiny:\nlight:"), ((TIERS, 1, "tiny"),)),
    Broken(
        "port out of range",
        changed(HOSTS, "203.0.113.8", "203.0.113.8\n  port: 70000"),
        ((HOSTS, 10, "70000"),),
    ),
    Broken("bad address", changed(HOSTS, "203.0.113.8", "root@203.0.113.8"), ((HOSTS, 9, "root@203.0.113.8"),)),
    Broken(
        "another user",
        changed(HOSTS, "203.0.113.8", "203.0.113.8\n  user: root"),
        ((HOSTS, 10, "root"),),
    ),
    Broken(
        "bad fingerprint",
        changed(HOSTS, "203.0.113.8", "203.0.113.8\n  fingerprints: [aa:bb]"),
        ((HOSTS, 10, "aa:bb"),),
    ),
    Broken(
        "a private key for a recipient",
        {SETTINGS: "recipients: [AGE-SECRET-KEY-1QQQ]\n"},
        ((SETTINGS, 1, "AGE-SECRET-KEY-1QQQ"),),
    ),
    Broken(
        "an SSH key with options",
        {SETTINGS: "operators:\n  - name: al\n    keys:\n      - 'no-pty ssh-ed25519 AAAA'\n"},
        ((SETTINGS, 4, "ssh-ed25519"),),
    ),
    # YAML
    Broken(
        "a tab",
        changed(HOSTS, "    cpus: 2", "\tcpus: 2"),
        ((HOSTS, 12, "tab"),),
    ),
    Broken("not YAML", changed(BOB, "[bob.example.com]", "[bob"), ((BOB, 7, "YAML"),)),
    Broken("not UTF-8", {BOB: RIGHT[BOB].encode() + b"note: caf\xe9\n"}, ((BOB, 7, "UTF-8"),)),
    Broken("a control character", {BOB: RIGHT[BOB] + "note: a\x07b\n"}, ((BOB, 7, "control"),)),
    Broken("two documents", {BOB: RIGHT[BOB] + "---\nslot: 3\n"}, ((BOB, 7, "second"),)),
    Broken(
        "a tag that makes objects",
        {BOB: RIGHT[BOB] + "note: !!python/object/apply:os.system ['true']\n"},
        ((BOB, 7, "os.system"),),
    ),
    Broken(
        "a bomb of aliases",
        {
            BOB: "a: &a [x, x, x, x, x, x, x, x, x]\n"
            + "".join(
                f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
                for old, new in zip("abcdefgh", "bcdefghi", strict=True)
            )
        },
        ((BOB, 1, "aliases"),),
    ),
    Broken("an alias to itself", {BOB: "a: &a\n  b: *a\n"}, ((BOB, 1, "nested"),)),
    Broken("brackets without end", {BOB: "a: " + "[" * 600}, ((BOB, 1, "nested"),)),
    Broken("an alias to nothing", {BOB: RIGHT[BOB] + "note: *nobody\n"}, ((BOB, 7, "nobody"),)),
    Broken("too large", {BOB: RIGHT[BOB] + "#" * 300_000}, ((BOB, 0, "300084"),)),
    # variables
    Broken(
        "unknown variable",
        changed(ALICE, "  model:", "  modle:"),
        ((ALICE, 9, "modle"),),
    ),
    Broken(
        "a secret as a variable",
        {BOB: RIGHT[BOB] + "variables:\n  api_key: sk-1234\n"},
        ((BOB, 8, "api_key"),),
    ),
    Broken(
        "a variable of the wrong type",
        {BOB: RIGHT[BOB] + "variables:\n  count: many\n  loud: 1\n  greeting: 7\n"},
        (
            (BOB, 8, "variables.count"),
            (BOB, 9, "variables.loud"),
            (BOB, 10, "variables.greeting"),
        ),
    ),
    Broken(
        "a variable with a line break",
        {BOB: RIGHT[BOB] + 'variables:\n  greeting: "a\\nb"\n'},
        ((BOB, 8, "variables.greeting"),),
    ),
    # apps
    Broken(
        "web on an unknown service",
        changed(ECHO, "service: web,", "service: wep,"),
        ((ECHO, 8, "wep"),),
    ),
    Broken(
        "shares above one",
        {
            ECHO: RIGHT[ECHO]
            .replace("web: {}", "web: {memory: 0.7}")
            .replace("    image: web", "    image: web\n    memory: 0.6")
        },
        ((ECHO, 4, "services"),),
    ),
    Broken(
        "an image that no service uses",
        changed(ECHO, "images: {web:", "images: {wbe:"),
        (
            (ECHO, 21, "wbe"),
            (ECHO, 23, "wbe"),
        ),
    ),
    Broken(
        "an image without a registry",
        {ECHO: RIGHT[ECHO].replace("registry.example.com/echo:1.0.0@" + DIGEST, "echo:1.0.0")},
        ((ECHO, 21, "echo:1.0.0"),),
    ),
    Broken(
        "a secret that steers the loader",
        changed(ECHO, "  - name: API_KEY", "  - name: LD_PRELOAD"),
        ((ECHO, 14, "LD_PRELOAD"),),
    ),
    Broken(
        "a path out of the release",
        {ECHO: RIGHT[ECHO] + "files: [{template: a, path: ../x}]\n"},
        ((ECHO, 24, "../x"),),
    ),
    Broken(
        "a short token",
        changed(ECHO, "generate: 40", "generate: 8"),
        ((ECHO, 13, "generate"),),
    ),
    Broken("extends nothing", {CLAW: "extends: opencla\n"}, ((CLAW, 1, "opencla"),)),
    Broken(
        "apps that extend each other",
        {"inventory/apps/a.yaml": "extends: b\n", "inventory/apps/b.yaml": "extends: a\n"},
        (("inventory/apps/b.yaml", 1, "b extends a"),),
    ),
    Broken(
        "images of an unknown version",
        {CLAW: f"extends: openclaw\nimages:\n  2026.9.66:\n    gateway: ghcr.io/o/o@{DIGEST}\n"},
        ((CLAW, 3, "2026.9.66"),),
    ),
    Broken(
        "a bad image in an override",
        {CLAW: "extends: openclaw\nimages:\n  2026.9.6:\n    gateway: ghcr.io/o/o@sha256:abc\n"},
        ((CLAW, 4, "ghcr.io/o/o@sha256:abc"),),
    ),
    # files
    Broken(
        "a file that nothing reads",
        {"inventory/tenants/zoe.yml": "slot: 3\n"},
        (("inventory/tenants/zoe.yml", 0, "not part of the inventory"),),
    ),
    Broken(
        "slots.yaml by hand",
        {"inventory/slots.yaml": "2: zoe\n"},
        (("inventory/slots.yaml", 1, "format"),),
    ),
    # targets
    Broken(
        "a target that there is not",
        {TARGETS: DISK, **changed(TIERS, "disk: 1GiB", "disk: 1GiB\n  backup: {targets: [disc]}")},
        ((TIERS, 5, "disc"),),
    ),
    Broken(
        "a target twice",
        {TARGETS: DISK, **changed(TIERS, "disk: 1GiB", "disk: 1GiB\n  backup: {targets: [disk, disk]}")},
        ((TIERS, 5, "disk"),),
    ),
    Broken(
        "a tier with no target",
        {TARGETS: DISK, **changed(TIERS, "disk: 1GiB", "disk: 1GiB\n  backup: {targets: []}")},
        ((TIERS, 5, "backup.targets"),),
    ),
    Broken(
        "a target in Launchpad's own folder",
        {TARGETS: "disk: {kind: local, url: /srv/launchpad/backups}\n"},
        ((TARGETS, 1, "srv/launchpad/backups"),),
    ),
    Broken(
        "a target that is no path at all",
        {TARGETS: "disk: {kind: local, url: https://backup.example.com/x}\n"},
        ((TARGETS, 1, "https://backup.example.com/x"),),
    ),
    Broken(
        "a password in a target's URL",
        {TARGETS: "off: {kind: rest, url: 'https://me:word@backup.example.com/'}\n"},
        ((TARGETS, 1, "@backup.example.com/"),),
    ),
    Broken(
        "an SFTP target whose server could be anybody",
        {TARGETS: "off: {kind: sftp, url: sftp://me@backup.example.com/x}\n"},
        ((TARGETS, 1, "host_keys"),),
    ),
    Broken(
        "a folder on the host that promises to be append-only",
        {TARGETS: "disk: {kind: local, url: /mnt/disk, append_only: true}\n"},
        ((TARGETS, 1, "append-only"),),
    ),
    # people
    Broken(
        "two operators with one SSH key, one signing key and one recipient",
        {
            SETTINGS: f"operators:\n  - name: ann\n    keys: [{KEY} hers]\n    recipients: [{READER}]\n"
            f"  - name: bob\n    keys: [{KEY} his]\n    signing_keys:\n      - {KEY}\n"
            f"    recipients:\n      - {READER}\n"
        },
        (
            (SETTINGS, 6, "bob"),
            (SETTINGS, 8, "bob"),
            (SETTINGS, 10, "bob"),
        ),
    ),
    Broken(
        "an operator who appears twice",
        {SETTINGS: f"operators:\n  - name: ann\n    keys: [{KEY}]\n  - name: ann\n    keys: [{KEY}]\n"},
        ((SETTINGS, 4, "ann"),),
    ),
    Broken(
        "a host's own operator with another's key",
        {
            SETTINGS: f"operators:\n  - name: ann\n    keys: [{KEY}]\n",
            **changed(
                HOSTS,
                "  address: 203.0.113.8",
                f"  operators:\n    - {{name: bob, keys: [{KEY}]}}\n  address: 203.0.113.8",
            ),
        },
        ((HOSTS, 10, "bob"),),
    ),
)
