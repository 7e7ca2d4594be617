"""Broken inventories as data: what is written instead of the right one, and what must be said of it, at which line."""

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
    said: tuple[str, ...]
    """Each must be the beginning of one line of the message; there must be no other line."""


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
            f"{ALICE}:6: unknown key domans; expected one of app, domains, host, note, ring, running, slot, tier, "
            "variables, version (did you mean domains?)",
            f"{ALICE}:1: no domain; expected at least one: openclaw is reached over HTTPS",
        ),
    ),
    Broken(
        "unknown nested key in a host",
        changed(HOSTS, "    memory: 4GiB", "    memory: 4GiB\n    ram: 4GiB"),
        (f"{HOSTS}:12: unknown key resources.ram; expected one of cpu_overcommit, cpus, disk, memory, reserve",),
    ),
    Broken(
        "a drill host that there is not",
        changed(HOSTS, "  address: 203.0.113.8", "  address: 203.0.113.8\n  drill_host: web-3"),
        (f"{HOSTS}:10: unknown drill_host web-3; expected one of web-1 (did you mean web-1?)",),
    ),
    Broken(
        "a host that is its own drill host",
        changed(HOSTS, "  address: 203.0.113.8", "  address: 203.0.113.8\n  drill_host: web-2"),
        (f"{HOSTS}:10: host web-2 is its own drill host; expected another host of the fleet",),
    ),
    Broken(
        "rings that cannot be followed",
        {SETTINGS: "rollout:\n  rings: [canary, 50%, 10%, canary, 100%]\n  soak: 5\n"},
        (
            f"{SETTINGS}:2: bad ring '100%'; expected a name such as canary, a share such as 10%, or all (write all)",
            f"{SETTINGS}:3: 5 has no unit; expected text such as 15s",
        ),
    ),
    Broken(
        "a ring that is a number",
        {SETTINGS: "rollout:\n  rings: [10, all]\n"},
        (f"{SETTINGS}:2: bad ring '10'; expected a name such as canary, a share such as 10%, or all (write 10%)",),
    ),
    Broken(
        "rings out of order",
        {SETTINGS: "rollout:\n  rings:\n    - canary\n    - 50%\n    - {ring: 10%, soak: 1m}\n    - canary\n"},
        (
            f"{SETTINGS}:5: ring 10% comes after a larger share; expected shares that grow",
            f"{SETTINGS}:6: ring canary appears twice; expected each ring once",
            f"{SETTINGS}:2: no ring takes the rest of the tenants; expected one ring that is all",
        ),
    ),
    Broken(
        "a share behind all, and a tenant's soak that is too long",
        {SETTINGS: "rollout: {rings: [all, 10%], tenant_soak: 2h}\n"},
        (
            f"{SETTINGS}:1: ring 10% comes after all, which leaves it nobody; expected shares before all",
            f"{SETTINGS}:1: a tenant_soak of 2h; expected at most 1h",
        ),
    ),
    Broken(
        "a ring that there is not",
        {ALICE: RIGHT[ALICE] + "ring: canry\n"},
        (f"{ALICE}:10: unknown ring canry; expected one of canary (did you mean canary?)",),
    ),
    Broken("unknown key in launchpad.yaml", {SETTINGS: "operater: []\n"}, (f"{SETTINGS}:1: unknown key operater",)),
    Broken(
        "a name where the file has it already",
        {BOB: "name: bob\n" + RIGHT[BOB]},
        (f"{BOB}:1: unknown key name; expected nothing: the name is that of the file or of the key",),
    ),
    Broken(
        "a key that steers the terminal",
        {BOB: RIGHT[BOB] + '"\\e[2J\\a": 1\n'},
        (f"{BOB}:7: unknown key \\x1b[2J\\x07; expected one of",),
    ),
    Broken("missing key", changed(BOB, "tier: light\n", ""), (f"{BOB}:1: missing key tier; expected 1 to 32 of a-z",)),
    Broken(
        "duplicate key",
        changed(ALICE, "tier: standard", "tier: standard\ntier: light"),
        (f"{ALICE}:5: duplicate key tier; expected each key once (it stands at line 4 already)",),
    ),
    Broken(
        "duplicate host",
        changed(HOSTS, "web-2:", "web-1:"),
        (f"{HOSTS}:8: duplicate key web-1; expected each key once (it stands at line 2 already)",),
    ),
    Broken(
        "a key that is a number",
        changed(ALICE, "  model:", "  7: x\n  model:"),
        (f'{ALICE}:9: key 7 is not text; expected text in quotes (write "7")',),
    ),
    # names
    Broken(
        "bad tenant name",
        {"inventory/tenants/Bob_2.yaml": RIGHT[BOB], BOB: None},
        ("inventory/tenants/Bob_2.yaml: bad tenant name 'Bob_2'; expected 1 to 32 of a-z, 0-9",),
    ),
    Broken("bad host name", changed(HOSTS, "web-2:", "Web.2:"), (f"{HOSTS}:8: bad host name 'Web.2'",)),
    Broken("bad tier name", changed(TIERS, "light:", "li ght:"), (f"{TIERS}:1: bad tier name 'li ght'", f"{BOB}:4: ")),
    Broken(
        "a shell command as a name",
        changed(BOB, "host: web-1", "host: $(reboot)"),
        (f"{BOB}:5: bad host name '$(reboot)'",),
    ),
    Broken(
        "clawdbot as an app",
        {"inventory/apps/clawdbot.yaml": RIGHT[ECHO]},
        ("inventory/apps/clawdbot.yaml: clawdbot cannot be hosted: it is an old name of OpenClaw",),
    ),
    Broken(
        "moltbot as a tenant's app",
        changed(ALICE, "app: openclaw", "app: moltbot"),
        (f"{ALICE}:2: moltbot cannot be hosted: it is an old name of OpenClaw",),
    ),
    # references
    Broken(
        "unknown host",
        changed(BOB, "host: web-1", "host: web-3"),
        (f"{BOB}:5: unknown host web-3; expected one of web-1, web-2 (did you mean web-2?)",),
    ),
    Broken(
        "unknown app", changed(ALICE, "app: openclaw", "app: openclow"), (f"{ALICE}:2: unknown app openclow; expected",)
    ),
    Broken(
        "a /tmp as large as the memory",
        changed(TIERS, "disk: 1GiB", "disk: 1GiB\n  tmp: 256MiB"),
        (f"{TIERS}:5: /tmp of 256MiB would fill the memory of 256MiB; expected less than the memory",),
    ),
    Broken("unknown tier", changed(BOB, "tier: light", "tier: huge"), (f"{BOB}:4: unknown tier huge; expected",)),
    Broken(
        "unknown version",
        changed(ALICE, "2026.9.6", "2026.9.7"),
        (f"{ALICE}:3: openclaw has no version 2026.9.7; expected one of 2026.7.35, 2026.9.5, 2026.9.6",),
    ),
    Broken(
        "a tenant on no host",
        changed(BOB, "host: web-1\n", ""),
        (f"{BOB}:1: missing key host",),
    ),
    # two owners
    Broken(
        "duplicate slot",
        changed(BOB, "slot: 2", "slot: 1"),
        (f"{BOB}:1: slot 1 belongs to alice ({ALICE}:1); expected a slot of its own",),
    ),
    Broken(
        "duplicate slot of a tenant with another mistake",
        changed(BOB, "slot: 2\napp: echo", "slot: 1\napp: eccho"),
        (f"{BOB}:1: slot 1 belongs to alice", f"{BOB}:2: unknown app eccho"),
    ),
    Broken(
        "the slot of a tenant that is gone",
        {"inventory/slots.yaml": "highest: 5\ngone:\n  2: zoe\n"},
        (f"{BOB}:1: slot 2 belonged to zoe, which is gone; expected a slot that was never given",),
    ),
    Broken(
        "duplicate domain",
        changed(BOB, "bob.example.com", "alice.example.com"),
        (f"{BOB}:6: domain alice.example.com belongs to alice ({ALICE}:7)",),
    ),
    Broken(
        "the same domain in capitals",
        changed(BOB, "bob.example.com", "Alice.Example.com"),
        (
            f"{BOB}:6: bad domain 'Alice.Example.com'; expected a host name such as",
            f"{BOB}:6: domain Alice.Example.com belongs to alice ({ALICE}:7)",
        ),
    ),
    Broken(
        "a domain twice in one tenant",
        changed(BOB, "[bob.example.com]", "[bob.example.com, bob.example.com]"),
        (f"{BOB}:6: domain bob.example.com appears twice",),
    ),
    Broken(
        "two hosts at one address",
        changed(HOSTS, "203.0.113.8", "203.0.113.7"),
        (f"{HOSTS}:9: address 203.0.113.7 belongs to web-1 ({HOSTS}:3)",),
    ),
    # domains
    Broken(
        "wildcard",
        changed(BOB, "[bob.example.com]", "['*.example.com']"),
        (f"{BOB}:6: bad domain '*.example.com'; expected",),
    ),
    Broken(
        "a domain with a port", changed(BOB, "[bob.example.com]", "['bob.example.com:80']"), (f"{BOB}:6: bad domain",)
    ),
    Broken(
        "a URL for a domain",
        changed(BOB, "[bob.example.com]", "['https://bob.example.com/']"),
        (f"{BOB}:6: bad domain 'https://bob.example.com/'",),
    ),
    Broken("one label", changed(BOB, "bob.example.com", "localhost"), (f"{BOB}:6: bad domain 'localhost'",)),
    Broken(
        "an address for a domain", changed(BOB, "bob.example.com", "10.0.0.1"), (f"{BOB}:6: bad domain '10.0.0.1'",)
    ),
    Broken(
        "a Caddyfile in a domain",
        changed(BOB, "[bob.example.com]", '["bob.example.com {\\n file_server /"]'),
        (f"{BOB}:6: bad domain 'bob.example.com {{\\n file_server /'",),
    ),
    Broken("no domain for a web app", changed(BOB, "[bob.example.com]", "[]"), (f"{BOB}:6: no domain; expected",)),
    # resources
    Broken(
        "over-committed memory",
        changed(TIERS, "memory: 2GiB", "memory: 7GiB") | changed(HOSTS, "memory: 8GiB", "memory: 7GiB"),
        (f"{HOSTS}:5: host web-1: memory is promised 7424MiB; expected at most 6656MiB",),
    ),
    Broken(
        "over-committed disk",
        changed(TIERS, "disk: 10GiB", "disk: 59GiB"),
        (f"{HOSTS}:7: host web-1: disk is promised 60GiB; expected at most 59GiB",),
    ),
    Broken(
        "over-committed CPUs",
        changed(TIERS, "cpus: 2", "cpus: 4\n  kind: dedicated"),
        (f"{HOSTS}:6: host web-1: its 2 tenants are promised 4.125 CPUs; expected at most 4",),
    ),
    Broken("a size without a unit", changed(TIERS, "2GiB", "2048"), (f"{TIERS}:6: 2048 has no unit; expected text",)),
    Broken("a size in gigabytes", changed(TIERS, "2GiB", "2GB"), (f"{TIERS}:6: bad size '2GB'; expected",)),
    Broken(
        "all memory reserved",
        changed(HOSTS, "memory: 4GiB", "memory: 256MiB"),
        (f"{HOSTS}:11: memory 256MiB is all reserved; expected more than 512MiB",),
    ),
    Broken("slot 0", changed(BOB, "slot: 2", "slot: 0"), (f"{BOB}:1: slot is 0; expected 1 or more",)),
    Broken("slot 4096", changed(BOB, "slot: 2", "slot: 4096"), (f"{BOB}:1: slot is 4096; expected 4095 or less",)),
    # types
    Broken("slot as text", changed(BOB, "slot: 2", "slot: two"), (f"{BOB}:1: slot is 'two'; expected a whole number",)),
    Broken(
        "slot as a fraction", changed(BOB, "slot: 2", "slot: 2.5"), (f"{BOB}:1: slot is 2.5; expected a whole number",)
    ),
    Broken("slot as true", changed(BOB, "slot: 2", "slot: true"), (f"{BOB}:1: slot is true; expected a whole number",)),
    Broken(
        "a version that YAML takes for a number",
        changed(BOB, "version: 1.0.0", "version: 1.0"),
        (f'{BOB}:3: version is 1.0; expected text (put it in quotes: version: "1.0")',),
    ),
    Broken(
        "yes for true",
        changed(BOB, "tier: light", "tier: light\nrunning: yes"),
        (f"{BOB}:5: running is 'yes'; expected true or false (write true)",),
    ),
    Broken(
        "text for a list",
        changed(BOB, "[bob.example.com]", "bob.example.com"),
        (f"{BOB}:6: domains is 'bob.example.com'; expected a list (write [bob.example.com])",),
    ),
    Broken("a list for a mapping", {TIERS: "- light\n"}, (f"{TIERS}:1: not a mapping",)),
    Broken("an empty value", changed(BOB, "tier: light", "tier:"), (f"{BOB}:4: tier is empty; expected text",)),
    Broken("an empty tier", changed(TIERS, "light:", "tiny:\nlight:"), (f"{TIERS}:1: tiny is empty; expected lines",)),
    Broken(
        "port out of range",
        changed(HOSTS, "203.0.113.8", "203.0.113.8\n  port: 70000"),
        (f"{HOSTS}:10: port is 70000; expected 65535 or less",),
    ),
    Broken("bad address", changed(HOSTS, "203.0.113.8", "root@203.0.113.8"), (f"{HOSTS}:9: bad address 'root@",)),
    Broken(
        "another user",
        changed(HOSTS, "203.0.113.8", "203.0.113.8\n  user: root"),
        (f"{HOSTS}:10: user is 'root'; expected launchpad",),
    ),
    Broken(
        "bad fingerprint",
        changed(HOSTS, "203.0.113.8", "203.0.113.8\n  fingerprints: [aa:bb]"),
        (f"{HOSTS}:10: bad host key fingerprint 'aa:bb'; expected SHA256: and 43 characters",),
    ),
    Broken(
        "a private key for a recipient",
        {SETTINGS: "recipients: [AGE-SECRET-KEY-1QQQ]\n"},
        (f"{SETTINGS}:1: bad age recipient",),
    ),
    Broken(
        "an SSH key with options",
        {SETTINGS: "operators:\n  - name: al\n    keys:\n      - 'no-pty ssh-ed25519 AAAA'\n"},
        (f"{SETTINGS}:4: bad SSH public key",),
    ),
    # YAML
    Broken(
        "a tab",
        changed(HOSTS, "    cpus: 2", "\tcpus: 2"),
        (f"{HOSTS}:12: a tab; expected spaces",),
    ),
    Broken("not YAML", changed(BOB, "[bob.example.com]", "[bob"), (f"{BOB}:7: not YAML: ",)),
    Broken("not UTF-8", {BOB: RIGHT[BOB].encode() + b"note: caf\xe9\n"}, (f"{BOB}:7: not UTF-8; expected",)),
    Broken("a control character", {BOB: RIGHT[BOB] + "note: a\x07b\n"}, (f"{BOB}:7: a control character",)),
    Broken("two documents", {BOB: RIGHT[BOB] + "---\nslot: 3\n"}, (f"{BOB}:7: a second document",)),
    Broken(
        "a tag that makes objects",
        {BOB: RIGHT[BOB] + "note: !!python/object/apply:os.system ['true']\n"},
        (f"{BOB}:7: tag tag:yaml.org,2002:python/object/apply:os.system; expected plain YAML without tags",),
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
        (f"{BOB}:1: too many values once its aliases are expanded; expected at most 20000",),
    ),
    Broken("an alias to itself", {BOB: "a: &a\n  b: *a\n"}, (f"{BOB}:1: nested too deep; expected at most 16",)),
    Broken("brackets without end", {BOB: "a: " + "[" * 600}, (f"{BOB}:1: nested too deep",)),
    Broken("an alias to nothing", {BOB: RIGHT[BOB] + "note: *nobody\n"}, (f"{BOB}:7: found undefined alias 'nobody'",)),
    Broken("too large", {BOB: RIGHT[BOB] + "#" * 300_000}, (f"{BOB}: 300",)),
    # variables
    Broken(
        "unknown variable",
        changed(ALICE, "  model:", "  modle:"),
        (
            f"{ALICE}:9: openclaw takes no variable modle; expected one of model, heartbeat, timezone "
            "(did you mean model?)",
        ),
    ),
    Broken(
        "a secret as a variable",
        {BOB: RIGHT[BOB] + "variables:\n  api_key: sk-1234\n"},
        (f"{BOB}:8: echo takes no variable api_key; expected one of greeting, count, loud (a secret never stands in",),
    ),
    Broken(
        "a variable of the wrong type",
        {BOB: RIGHT[BOB] + "variables:\n  count: many\n  loud: 1\n  greeting: 7\n"},
        (
            f"{BOB}:8: variables.count: not a whole number: 'many'",
            f"{BOB}:9: variables.loud: not true or false: 1",
            f"{BOB}:10: variables.greeting: not text: 7",
        ),
    ),
    Broken(
        "a variable with a line break",
        {BOB: RIGHT[BOB] + 'variables:\n  greeting: "a\\nb"\n'},
        (f"{BOB}:8: variables.greeting: the text has more than one line",),
    ),
    # apps
    Broken(
        "web on an unknown service",
        changed(ECHO, "service: web,", "service: wep,"),
        (f"{ECHO}:8: unknown service wep",),
    ),
    Broken(
        "shares above one",
        {
            ECHO: RIGHT[ECHO]
            .replace("web: {}", "web: {memory: 0.7}")
            .replace("    image: web", "    image: web\n    memory: 0.6")
        },
        (f"{ECHO}:4: the services' shares of memory are 1.3",),
    ),
    Broken(
        "an image that no service uses",
        changed(ECHO, "images: {web:", "images: {wbe:"),
        (f"{ECHO}:21: no service uses image wbe; expected one of web", f"{ECHO}:23: no service uses image wbe"),
    ),
    Broken(
        "an image without a registry",
        {ECHO: RIGHT[ECHO].replace("registry.example.com/echo:1.0.0@" + DIGEST, "echo:1.0.0")},
        (f"{ECHO}:21: bad image 'echo:1.0.0'; expected registry/repository:tag@sha256:…",),
    ),
    Broken(
        "a secret that steers the loader",
        changed(ECHO, "  - name: API_KEY", "  - name: LD_PRELOAD"),
        (f"{ECHO}:14: secret name 'LD_PRELOAD' would change how the container's programs are started",),
    ),
    Broken(
        "a path out of the release",
        {ECHO: RIGHT[ECHO] + "files: [{template: a, path: ../x}]\n"},
        (f"{ECHO}:24: bad file path",),
    ),
    Broken(
        "a short token",
        changed(ECHO, "generate: 40", "generate: 8"),
        (f"{ECHO}:13: secrets[1].generate is 8; expected 32",),
    ),
    Broken(
        "extends nothing", {CLAW: "extends: opencla\n"}, (f"{CLAW}:1: extends unknown app opencla; expected one of",)
    ),
    Broken(
        "apps that extend each other",
        {"inventory/apps/a.yaml": "extends: b\n", "inventory/apps/b.yaml": "extends: a\n"},
        ("inventory/apps/b.yaml:1: a circle: a extends b extends a; expected an app that does not extend this one",),
    ),
    Broken(
        "images of an unknown version",
        {CLAW: f"extends: openclaw\nimages:\n  2026.9.66:\n    gateway: ghcr.io/o/o@{DIGEST}\n"},
        (f"{CLAW}:3: images of unknown version 2026.9.66",),
    ),
    Broken(
        "a bad image in an override",
        {CLAW: "extends: openclaw\nimages:\n  2026.9.6:\n    gateway: ghcr.io/o/o@sha256:abc\n"},
        (f"{CLAW}:4: bad image",),
    ),
    # files
    Broken(
        "a file that nothing reads",
        {"inventory/tenants/zoe.yml": "slot: 3\n"},
        ("inventory/tenants/zoe.yml: nothing reads",),
    ),
    Broken(
        "slots.yaml by hand",
        {"inventory/slots.yaml": "2: zoe\n"},
        ("inventory/slots.yaml:1: not the file that launchpad",),
    ),
    # targets
    Broken(
        "a target that there is not",
        {TARGETS: DISK, **changed(TIERS, "disk: 1GiB", "disk: 1GiB\n  backup: {targets: [disc]}")},
        (f"{TIERS}:5: unknown target disc; expected one of disk (did you mean disk?)",),
    ),
    Broken(
        "a target twice",
        {TARGETS: DISK, **changed(TIERS, "disk: 1GiB", "disk: 1GiB\n  backup: {targets: [disk, disk]}")},
        (f"{TIERS}:5: target disk appears twice; expected each target once",),
    ),
    Broken(
        "a tier with no target",
        {TARGETS: DISK, **changed(TIERS, "disk: 1GiB", "disk: 1GiB\n  backup: {targets: []}")},
        (f"{TIERS}:5: ",),
    ),
    Broken(
        "a target in Launchpad's own folder",
        {TARGETS: "disk: {kind: local, url: /srv/launchpad/backups}\n"},
        (f"{TARGETS}:1: /srv/launchpad/backups is not where a target of kind local can be",),
    ),
    Broken(
        "a target that is no path at all",
        {TARGETS: "disk: {kind: local, url: https://backup.example.com/x}\n"},
        (f"{TARGETS}:1: https://backup.example.com/x is not where a target of kind local can be",),
    ),
    Broken(
        "a password in a target's URL",
        {TARGETS: "off: {kind: rest, url: 'https://me:word@backup.example.com/'}\n"},
        (f"{TARGETS}:1: bad target URL 'https://…@backup.example.com/'; expected ",),
    ),
    Broken(
        "an SFTP target whose server could be anybody",
        {TARGETS: "off: {kind: sftp, url: sftp://me@backup.example.com/x}\n"},
        (f"{TARGETS}:1: no host_keys; expected",),
    ),
    Broken(
        "a folder on the host that promises to be append-only",
        {TARGETS: "disk: {kind: local, url: /mnt/disk, append_only: true}\n"},
        (f"{TARGETS}:1: a folder on the host itself cannot be append-only",),
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
            f"{SETTINGS}:6: a key of bob that ann has too ({SETTINGS}:3); expected each key for one operator (with",
            f"{SETTINGS}:8: a key of bob that ann has too ({SETTINGS}:3); expected each key for one operator",
            f"{SETTINGS}:10: a key of bob that ann has too ({SETTINGS}:4); expected each key for one operator",
        ),
    ),
    Broken(
        "an operator who appears twice",
        {SETTINGS: f"operators:\n  - name: ann\n    keys: [{KEY}]\n  - name: ann\n    keys: [{KEY}]\n"},
        (f"{SETTINGS}:4: operator ann appears twice; expected one entry with all keys",),
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
        (f"{HOSTS}:10: a key of bob that ann has too ({SETTINGS}:3); expected each key for one operator",),
    ),
)
