"""Causes between the visitor and the app: Caddy, names, certificates, proxies, origins."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from launchpad.runner.diagnosing.collected import Collected, CollectedTenant, Diagnosis, stamp
from launchpad.runner.hint import Next

RECENT_SECONDS = 3600.0
FORBIDDEN = 403
_REFUSED = (
    (
        "certificate-limit",
        re.compile(r"(?i)ratelimited|too many (?:certificates|failed authorizations|new orders|requests)|\b429\b"),
        "the authority's limit is reached",
        Next("certificates", "{tenant}") + " after the time that the authority names; no --retry before",
    ),
    (
        "certificate-caa",
        re.compile(r"(?i)\bcaa\b"),
        "a CAA record of the domain forbids the authority",
        Next("dns show", "{tenant}")
        + "; then change or remove the CAA record, and "
        + Next("certificates", "{tenant}", "--retry"),
    ),
    (
        "certificate-name",
        re.compile(r"(?i)^HTTP \d+ dns\b"
        r"|nxdomain|no valid a(?:aaa)? records|dns problem|no such host|servfail|looking up a\b"
        r"|dnssec|acme:error:dns"),
        "the name does not lead to an address",
        Next("dns point", "{tenant}") + ", then " + Next("certificates", "{tenant}", "--retry"),
    ),
    (
        "certificate-unreached",
        re.compile(r"(?i)likely firewall|timeout during connect|acme:error:connection|^HTTP \d+ connection\b"
        r"|connection refused\b.*\bauthorization"
        r"|authorization failed.*(?:connection refused|timeout|timed out|no route)"),
        "the authority does not reach ports 80 and 443 of the host",
        Next("provision", "{host}")
        + "; then open ports 80 and 443 in the firewall of the VPS's provider, and "
        + Next("certificates", "{tenant}", "--retry"),
    ),
    (
        "certificate-elsewhere",
        re.compile(r"(?i)unauthorized|invalid response from|key authorization|incorrect (?:validation|txt)"
        r"|cannot negotiate alpn|acme:error:tls"),
        "another server answers the authority under this name",
        Next("dns show", "{tenant}") + ", then " + Next("dns point", "{tenant}"),
    ),
    (
        "certificate-authority",
        re.compile(r"(?i)provisioning client|directory|dial tcp|no route to host|network is unreachable"
        r"|timed? ?out|deadline exceeded|\b50[0-4]\b|serverinternal|x509"),
        "the host does not reach the certificate authority, or the authority is down",
        Next("status", "{host}") + "; then " + Next("certificates", "{tenant}", "--retry"),
    ),
)  # fmt: skip
_PROXY = re.compile(
    r"(?i)proxy.{0,40}(?:untrusted|attribution)|untrusted proxy|proxy_attribution_required|trustedproxies"
)
_ORIGIN = re.compile(
    r"(?i)origin not allowed|origin[^.\n]{0,40}(?:rejected|refused|mismatch|does not match)|allowedorigins"
)


def caddy_down(collected: Collected) -> Iterator[Diagnosis]:
    """Caddy does not answer, so nobody reaches any tenant."""
    if collected.get("caddy", "answers") is not False or collected.get("docker", "answers") is False:
        return
    lines = [line for line in collected.get("caddy", "lines", otherwise=[]) if '"error"' in line or "rror:" in line][
        -3:
    ]
    if taken := next(filter(None, (_TAKEN.search(line) for line in reversed(lines))), None):
        yield _port_taken(collected, taken)
        return
    yield Diagnosis(
        cause="caddy-down",
        message="Caddy does not answer: no visitor reaches any tenant",
        hint=Next("provision", collected.host),
        evidence=("Caddy's admin socket does not answer", *lines),
    )


def _port_taken(collected: Collected, taken: re.Match[str]) -> Diagnosis:
    """Caddy cannot listen, because another program does."""
    port = taken[1]
    sockets = [line for line in collected.get("network", "sockets", otherwise=[]) if f":{port} " in line]
    programs = sorted({found[1] for line in sockets if (found := _PROGRAM.search(line))} - {"caddy"})
    who = f": {', '.join(programs)}" if programs else ""
    return Diagnosis(
        cause="port-taken",
        message=f"Caddy does not start: another program listens on port {port}{who}",
        hint=f"as root on {collected.host}: ss -tlnp sport = :{port}; stop and disable that program; then "
        + Next("provision", collected.host),
        evidence=(taken.string[-300:], *sockets[:2]),
    )


_TAKEN = re.compile(r"listen \w+ \S*:(\d+): bind: address already in use")
_PROGRAM = re.compile(r"users:\(\(\"([^\"]+)\"")


def resolver_down(collected: Collected) -> Iterator[Diagnosis]:
    """The host's name servers do not answer."""
    servers = collected.get("resolver", "servers", otherwise={})
    if "resolver" not in collected.sections or any(servers.values()):
        return
    which = f"no name server answers ({', '.join(servers)})" if servers else "the host has no name server"
    yield Diagnosis(
        cause="resolver",
        message=f"{which}: neither the host nor its tenants find any name",
        hint=f"as root on {collected.host}: cat /etc/resolv.conf; mend it, then " + Next("provision", collected.host),
        evidence=tuple(f"{server}: no answer" for server in servers) or ("no name server",),
    )


def name_elsewhere(collected: Collected) -> Iterator[Diagnosis]:
    """A tenant's name leads to another machine, or nowhere."""
    own = set(collected.get("network", "addresses", otherwise=[]))
    servers = collected.get("resolver", "servers", otherwise={})
    if not own or not any(servers.values()):
        return  # behind a dead resolver no name leads anywhere
    for tenant in collected.tenants():
        for domain, leads in tenant.get("leads", otherwise={}).items():
            if leads is None or own & set(leads) or not tenant.is_wanted:
                continue
            where = f"leads to {', '.join(sorted(leads))}, not to this host" if leads else "leads nowhere"
            yield Diagnosis(
                cause="name-elsewhere",
                tenant=tenant.name,
                message=f"{domain} {where}",
                hint=Next("dns point", tenant.name),
                evidence=(f"{domain}: {', '.join(sorted(leads)) or 'no address'}",),
            )


def certificate_refused(collected: Collected) -> Iterator[Diagnosis]:
    """The authority gives a name no certificate."""
    elsewhere = {item.tenant for item in name_elsewhere(collected)}
    deaf = any(True for _ in resolver_down(collected))
    for tenant in collected.tenants():
        for domain, own in tenant.get("certificates", otherwise={}).items():
            why = str(own.get("why") or "")
            if not why or not own.get("since"):
                continue
            cause, _, what, hint = next((item for item in _REFUSED if item[1].search(why)), _OTHER)
            if (cause in _BY_NAME and tenant.name in elsewhere) or (cause in _BY_RESOLVER and deaf):
                continue  # the name is the root, and named by its own analyser
            yield Diagnosis(
                cause=cause,
                tenant=tenant.name,
                message=f"{domain} gets no certificate: {what} ({why[:200]})",
                hint=hint.format(tenant=tenant.name, host=collected.host),
                evidence=(f"{domain}: {why}",),
            )


_BY_NAME = frozenset({"certificate-name", "certificate-elsewhere", "certificate-unreached"})
_BY_RESOLVER = frozenset({"certificate-name", "certificate-authority"})
_OTHER = ("certificate-refused", re.compile(""), "the authority refuses", Next("certificates", "{tenant}"))


def untrusted_proxy(collected: Collected) -> Iterator[Diagnosis]:
    """The app does not trust Caddy, and answers everything with 403."""
    for tenant in collected.tenants():
        probes = [
            str(item.get("name", "")) for item in tenant.get("probes", otherwise=[]) if item.get("status") == FORBIDDEN
        ]
        said = [line for line in tenant.lines_since_start(seconds=RECENT_SECONDS) if _PROXY.search(line)][-2:]
        if (probes or said) and tenant.is_wanted:
            yield Diagnosis(
                cause="untrusted-proxy",
                tenant=tenant.name,
                message=f"{tenant.name}'s app does not trust Caddy's address and refuses requests (403): "
                f"gateway.trustedProxies is wrong",
                hint=Next("render", tenant.name) + ", compare trustedProxies, then " + Next("deploy", tenant.name),
                evidence=(*(f"{name} answered 403" for name in probes), *said),
            )


def origin_refused(collected: Collected) -> Iterator[Diagnosis]:
    """The app refuses the browser's origin."""
    for tenant in collected.tenants():
        said = _refused_origins(tenant)[-2:]
        if said:
            yield Diagnosis(
                cause="origin-refused",
                tenant=tenant.name,
                message=f"{tenant.name}'s app refuses browsers: their origin is not in "
                f"gateway.controlUi.allowedOrigins",
                hint=Next("tenant show", tenant.name)
                + ": add the domain that people open, then "
                + Next("deploy", tenant.name),
                evidence=tuple(said),
            )


def _refused_origins(tenant: CollectedTenant) -> list[str]:
    """The lines about browsers that were refused since the last one that was not. The page of a stranger is refused
    rightly: its origin counts only while somebody tries again and again, and nobody else comes."""
    lines = tenant.lines_since_start(seconds=RECENT_SECONDS)
    last = max((number for number, line in enumerate(lines) if _CONNECTED.search(line)), default=-1)
    said = [line for line in lines[last + 1 :] if _ORIGIN.search(line)]
    own = tenant.get("record", "domains", otherwise=[])
    of = [(found[1] if (found := _FROM.search(line)) else "", line) for line in said]
    counts = Counter(name for name, line in of if tenant.at - TRYING_SECONDS <= stamp(line))
    often = {name for name, count in counts.items() if count >= LEAST_REFUSED}
    return [line for name, line in of if not name or name in own or name in often]


LEAST_REFUSED, TRYING_SECONDS = 3, 600.0
_CONNECTED = re.compile(r"(?i)\b(?:webchat|client|browser) connected\b")
_FROM = re.compile(r"(?i)\borigin[=: ]+\"?(?:https?://)?([\w.-]+\.[\w-]+)")
