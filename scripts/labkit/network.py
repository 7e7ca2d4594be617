"""The lab's own network: a bridge, its address plan, and one nftables table a family."""

import re
from pathlib import Path

from labkit.errors import LabError
from labkit.shell import attempt, run

BRIDGE = "lplab0"
SUBNET = "10.77.0.0/24"
GATEWAY = "10.77.0.1"
DOMAIN = "lab.test"
FIRST_HOST = 10
MOST_HOSTS = 200
TABLE = "launchpad_lab"

# `ip`: guests reach the package mirrors under this machine's address; the clamp is for links with a small MTU, and no
# guest may set the one clock that all share.
# `bridge`: a cut host's packets vanish without a trace, between guests too, as behind a pulled cable's switch.
_RULES = f"""
add table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr {SUBNET} ip daddr != {SUBNET} masquerade
  }}
  chain forward {{
    type filter hook forward priority mangle;
    tcp flags syn tcp option maxseg size set rt mtu
    ip saddr {SUBNET} udp dport 123 drop
  }}
}}
add table bridge {TABLE}
table bridge {TABLE} {{
  set cut {{ type ipv4_addr; }}
  chain input {{ type filter hook input priority 0; ip saddr @cut drop; }}
  chain output {{ type filter hook output priority 0; ip daddr @cut drop; }}
  chain forward {{ type filter hook forward priority 0; ip saddr @cut drop; ip daddr @cut drop; }}
}}
"""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


def check_name(name: str) -> str:
    """Return `name` when it can be a host's: lower-case letters, digits, hyphens, at most 31 of them."""
    if not _NAME.fullmatch(name) or name in ("registry", "acme", "mirror"):
        raise LabError(f"{name!r} cannot be a host's name", hint="take something like web-1", exit_code=2)
    return name


def address_of(index: int) -> str:
    """The address of the host with this index."""
    return f"10.77.0.{FIRST_HOST + index}"


def up() -> None:
    """Make the bridge and the rules, or leave them as they are when they stand."""
    if not _bridge_stands():
        run(["ip", "link", "add", BRIDGE, "type", "bridge", "stp_state", "0", "forward_delay", "0"])
        run(["ip", "addr", "add", f"{GATEWAY}/24", "dev", BRIDGE])
        run(["ip", "link", "set", BRIDGE, "up"])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
    if attempt(["nft", "list", "table", "bridge", TABLE]).status != 0:
        run(["nft", "-f", "-"], stdin=_RULES)


def down() -> None:
    """Remove the bridge and the rules; nothing else was made."""
    for family in ("ip", "bridge"):
        attempt(["nft", "delete", "table", family, TABLE])
    if _bridge_stands():
        run(["ip", "link", "delete", BRIDGE])


def _bridge_stands() -> bool:
    return attempt(["ip", "link", "show", BRIDGE]).status == 0


def cut(address: str) -> None:
    """Drop every packet to and from `address` from now on; open connections hang."""
    attempt(["nft", "add", "element", "bridge", TABLE, "cut", f"{{ {address} }}"])


def heal(address: str) -> None:
    """Let packets of `address` through again."""
    attempt(["nft", "delete", "element", "bridge", TABLE, "cut", f"{{ {address} }}"])


def is_cut(address: str) -> bool:
    """True while `cut` holds for this address."""
    return attempt(["nft", "get", "element", "bridge", TABLE, "cut", f"{{ {address} }}"]).status == 0


def unplug(label: str) -> None:
    """Take a guest's cable off the bridge. The kernel does that by itself, but a while after the guest's last process
    has gone, and the next boot would find the name taken."""
    if Path(f"/sys/class/net/vb-{label}").exists():
        attempt(["ip", "link", "delete", f"vb-{label}"])
