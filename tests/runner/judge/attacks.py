"""Attempts to become root or to reach another tenant, as data. bob is the neighbour: slot 9, bob.example.com."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from launchpad.runner.judge.manifest import Neighbour
from tests.runner.judge.forgery import Attack, Forge, Forgery

NEIGHBOURS = {
    "alice": Neighbour(slot=7, domains=("alice.example.com",)),
    "bob": Neighbour(slot=9, domains=("bob.example.com",)),
}

TEXT_AND_COMPOSE = ("release", "compose")
TEXT_AND_SITE = ("release", "site")

SERVICE_KEYS: dict[str, Any] = {
    "annotations": {"run.oci.keep_original_groups": "1"},
    "cap_add": ["SYS_ADMIN"],
    "cgroup": "host",
    "cgroup_parent": "/",
    "container_name": "lp-bob-a-gateway-1",
    "deploy": {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"], "count": 1}]}}},
    "device_cgroup_rules": ["a *:* rwm"],
    "devices": ["/dev/sda:/dev/sda"],
    "dns": ["203.0.113.1"],
    "external_links": ["lp-bob-a-gateway-1:bob"],
    "extra_hosts": {"host.docker.internal": "host-gateway"},
    "group_add": ["docker"],
    "ipc": "host",
    "isolation": "default",
    "oom_kill_disable": True,
    "pid": "host",
    "ports": [{"target": 22, "published": "2222"}],
    "privileged": True,
    "profiles": ["later"],
    "pull_policy": "always",
    "runtime": "runc-unconfined",
    "scale": 40,
    "storage_opt": {"size": "1T"},
    "sysctls": {"net.ipv4.ip_forward": "1"},
    "ulimits": {"nproc": 100000},
    "userns_mode": "host",
    "uts": "host",
    "volumes_from": ["container:lp-bob-a-gateway-1"],
}
"""Keys of a service that would open its cell, each with a value that Compose takes."""

READ_WHILE_RESOLVING: dict[str, Any] = {
    "env_file": ["/etc/shadow"],
    "extends": {"file": "/srv/launchpad/tenants/bob/current/compose.yaml", "service": "gateway"},
    "build": {"context": "/"},
    "configs": [{"source": "shadow"}],
    "secrets": [{"source": "shadow"}],
    "credential_spec": {"file": "/etc/shadow"},
    "develop": {"watch": [{"path": "/", "action": "sync", "target": "/x"}]},
    "label_file": ["/etc/shadow"],
    "provider": {"type": "sh"},
}
"""Keys that make Compose read the host's files, or run its programs, before there is a resolved form."""

TOP_KEYS: dict[str, Any] = {
    "include": ["/srv/launchpad/tenants/bob/current/compose.yaml"],
    "secrets": {"shadow": {"file": "/etc/shadow"}},
    "configs": {"shadow": {"file": "/etc/shadow"}},
    "volumes": {"root": {"driver_opts": {"type": "none", "o": "bind", "device": "/"}}},
    "x-cell": {"privileged": True},
}

MOUNTS: dict[str, dict[str, Any]] = {
    "the root": {"source": "/"},
    "the root, written otherwise": {"source": "/srv/launchpad/tenants/alice/data/state/../../../../../.."},
    "Docker's socket": {"source": "/var/run/docker.sock"},
    "the kernel's /proc": {"source": "/proc"},
    "what root may do over SSH": {"source": "/root/.ssh"},
    "who may sign a runner": {"source": "/etc/launchpad"},
    "Caddy's admin socket": {"source": "/srv/launchpad/caddy/run"},
    "the neighbour's data": {"source": "/srv/launchpad/tenants/bob/data/state"},
    "the neighbour's secrets": {"source": "/run/launchpad/bob/0123456789ab", "target": "/run/secrets"},
    "an older release's secrets": {"source": "/run/launchpad/alice/0123456789ab", "target": "/run/secrets"},
    "the sealed secrets": {"source": "/srv/launchpad/tenants/alice/secrets"},
    "all of the tenant's data": {"source": "/srv/launchpad/tenants/alice/data"},
    "a link in the tenant's data": {"source": "/srv/launchpad/tenants/alice/data/state/link-to-root"},
    "a volume that is not one": {"source": "/srv/launchpad/tenants/alice/data/other"},
    "the whole release": {"source": "."},
    "a file that is not of the release": {"source": "./other"},
    "its files, to write": {"source": "./entrypoint.sh", "read_only": False},
    "its secrets elsewhere": {"source": "${LAUNCHPAD_SECRETS}", "target": "/home/node/.openclaw/secrets"},
    "its secrets, to write": {"source": "${LAUNCHPAD_SECRETS}", "target": "/run/secrets", "read_only": False},
    "its data over its secrets": {"source": "/srv/launchpad/tenants/alice/data/state", "target": "/run/secrets/x"},
    "its data over /proc": {"source": "/srv/launchpad/tenants/alice/data/state", "target": "/proc/sys"},
    "its data over /dev": {"source": "/srv/launchpad/tenants/alice/data/state", "target": "/dev"},
    "a target that climbs": {"source": "./passwd", "target": "/home/../proc"},
    "mounts that spread to the host": {"source": "./group", "bind": {"propagation": "shared"}},
    "mounts that come from the host": {"source": "./group", "bind": {"propagation": "rslave"}},
    "a folder made by Docker": {"source": "./group", "bind": {"create_host_path": True}},
    "a label for everybody": {"source": "./group", "bind": {"selinux": "z"}},
    "an unbounded tmpfs": {"type": "tmpfs", "source": "", "read_only": False},
    "a pipe": {"type": "npipe", "source": "/var/run/docker.sock"},
}

SERVICE_VALUES: dict[str, tuple[str, Any]] = {
    "root": ("user", "0:0"),
    "the neighbour's uid": ("user", "10009:10009"),
    "a group of the host": ("user", "10007:0"),
    "a file system to write": ("read_only", False),
    "capabilities": ("cap_drop", []),
    "some capabilities": ("cap_drop", ["NET_RAW"]),
    "no seccomp": ("security_opt", ["no-new-privileges:true", "seccomp:unconfined"]),
    "new privileges": ("security_opt", ["no-new-privileges:false"]),
    "more memory than its tier": ("mem_limit", "64g"),
    "swap": ("memswap_limit", "8g"),
    "more CPU than its tier": ("cpus", 64),
    "processes without end": ("pids_limit", -1),
    "restarts by Docker": ("restart", "always"),
    "a stop that never comes": ("stop_grace_period", "24h"),
    "another image": ("image", "ghcr.io/openclaw/openclaw@sha256:" + "f" * 64),
    "another tenant's name as its host's": ("hostname", "bob"),
    "an image by its tag": ("image", "ghcr.io/openclaw/openclaw:latest"),
    "logs to another machine": ("logging", {"driver": "syslog", "options": {"syslog-address": "tcp://203.0.113.1:1"}}),
    "logs with options": ("logging", {"driver": "local", "options": {"max-size": "10m", "max-file": "3", "env": "X"}}),
    "logs without end": ("logging", {"driver": "local", "options": {"max-file": "3"}}),
    "no logs": ("logging", {"driver": "none"}),
    "the neighbour's label": ("labels", {"launchpad.tenant": "bob"}),
    "a secret in the environment": ("environment", {"ANTHROPIC_API_KEY": "sk-ant-visible"}),
    "an address of its own choice": ("networks", {"default": {"ipv4_address": "10.200.0.146"}}),
    "the gateway's address": ("networks", {"default": {"ipv4_address": "10.200.0.113"}}),
    "the neighbour's name": (
        "networks",
        {"default": {"ipv4_address": "${LAUNCHPAD_ADDRESS_GATEWAY}", "aliases": ["bob.example.com"]}},
    ),
    "a program to run in /tmp": ("tmpfs", ["/tmp:size=256m,mode=1777,exec,nosuid,nodev"]),
    "a tmpfs without bound": ("tmpfs", ["/tmp:noexec,nosuid,nodev"]),
    "a tmpfs with devices": ("tmpfs", ["/tmp:size=256m,noexec,nosuid"]),
    "a tmpfs over /sys": ("tmpfs", ["/sys:size=256m,noexec,nosuid,nodev"]),
    "a tmpfs over its secrets": ("tmpfs", ["/run/secrets:size=1m,noexec,nosuid,nodev"]),
    "shared memory beyond its limit": ("shm_size", "64g"),
    "a check every moment": ("healthcheck", {"test": ["CMD", "true"], "interval": "1ms"}),
}

DIRECTIVES: dict[str, tuple[str, tuple[str, ...]]] = {
    "the host's files": ("file_server", TEXT_AND_SITE),
    "the host's files, browsable": ("file_server browse", TEXT_AND_SITE),
    "templates that read files": ("templates", TEXT_AND_SITE),
    "a path rewritten": ("rewrite /x", TEXT_AND_SITE),
    "variables": ("vars x y", TEXT_AND_SITE),
    "PHP": ("php_fastcgi 127.0.0.1:9000", TEXT_AND_SITE),
    "a forward to the metadata service": ("forward_auth 169.254.169.254:80 {\n\t\turi /\n\t}", TEXT_AND_SITE),
    "a certificate authority": ("acme_server", TEXT_AND_SITE),
    "metrics of every tenant": ("metrics", TEXT_AND_SITE),
    "tracing to elsewhere": ("tracing", TEXT_AND_SITE),
    "a password of the attacker's": (
        "basic_auth {\n\t\teve $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4wHe\n\t}",
        TEXT_AND_SITE,
    ),
    "a key of the host's": ("tls /etc/ssl/certs/x.pem /etc/ssl/private/x.key", TEXT_AND_SITE),
    "an authority of its own": ("tls internal", TEXT_AND_SITE),
    "a listener of its own": ("bind 0.0.0.0", ("release",)),
    "the host's environment": ('respond "{env.LAUNCHPAD_KEY}"', ("site",)),
    "a file as a placeholder": ('respond "{file./etc/shadow}"', ("site",)),
    "a file in a header": (
        'header X-Stolen "{file./run/launchpad/bob/0123456789ab/OPENCLAW_GATEWAY_TOKEN}"',
        ("site",),
    ),
    "a file in a header's name": ("header {file./etc/hostname} x", ("site",)),
    "the host's system": ('respond "{system.hostname}"', ("site",)),
    "variables that read files": ('respond "{http.vars.file}"', ("site",)),
    "SSH on the host": ("reverse_proxy /ssh 127.0.0.1:22", ("site",)),
    "Caddy's own admin": ("reverse_proxy /admin unix//srv/launchpad/caddy/run/admin.sock", ("site",)),
    "the neighbour's service": ("reverse_proxy /bob 10.200.0.146:18789", ("site",)),
    "another port of its own": ("reverse_proxy /x 10.200.0.114:22", ("site",)),
    "an address by a placeholder": ("reverse_proxy /x {http.request.header.x}:80", ("site",)),
    "upstreams by DNS": ("reverse_proxy {\n\t\tdynamic a evil.example.com 80\n\t}", TEXT_AND_SITE),
    "a check of another port": (
        "reverse_proxy 10.200.0.114:18789 {\n\t\thealth_uri /\n\t\thealth_port 22\n\t}",
        TEXT_AND_SITE,
    ),
    "a proxy by TLS": (
        "reverse_proxy 10.200.0.114:18789 {\n\t\ttransport http {\n\t\t\ttls\n\t\t}\n\t}",
        TEXT_AND_SITE,
    ),
    "a transport of another kind": (
        "reverse_proxy 10.200.0.114:18789 {\n\t\ttransport fastcgi {\n\t\t\troot /\n\t\t}\n\t}",
        TEXT_AND_SITE,
    ),
    "a response from a file": (
        "reverse_proxy 10.200.0.114:18789 {\n\t\thandle_response {\n\t\t\tfile_server\n\t\t}\n\t}",
        TEXT_AND_SITE,
    ),
    "a log to any file": ("log other {\n\t\toutput file /etc/cron.d/x\n\t}", ("site",)),
    "a log to another machine": ("log other {\n\t\toutput net 203.0.113.1:514\n\t}", ("site",)),
    "a matcher that reads files": ("@x file /etc/shadow\n\trespond @x yes", ("site",)),
    "a matcher that runs code": ("@x expression `true`\n\trespond @x yes", ("release", "site")),
    "a neighbour's name in a matcher": ("@x host bob.example.com\n\trespond @x yes", ("site",)),
}

SITES: dict[str, tuple[str, tuple[str, ...]]] = {
    "the neighbour's name": ("bob.example.com {\n\trespond stolen\n}\n", TEXT_AND_SITE),
    "every name": (":443 {\n\trespond stolen\n}\n", TEXT_AND_SITE),
    "every name in a domain": ("*.example.com {\n\trespond stolen\n}\n", TEXT_AND_SITE),
    "another port": ("alice.example.com:2019 {\n\trespond stolen\n}\n", TEXT_AND_SITE),
    "a global option": ("{\n\tadmin 0.0.0.0:2019\n}\nalice.example.com {\n\trespond x\n}\n", TEXT_AND_SITE),
    "another file": ("import /etc/shadow\nalice.example.com {\n\trespond x\n}\n", ("release",)),
    "another file, quoted": ('alice.example.com {\n\t"import" /etc/shadow\n}\n', ("release",)),
    "another file, after a long text": (
        'alice.example.com {\n\trespond "a\nb"\n\timport /etc/shadow\n}\n',
        ("release",),
    ),
    "another file, after a backtick": (
        "alice.example.com {\n\trespond `\n# `\n\timport /etc/shadow\n}\n",
        ("release",),
    ),
    "the environment": ("alice.example.com {\n\trespond {$HOME}\n}\n", ("release",)),
    "a line that goes on": ("alice.example.com {\n\trespond \\\n\timport x\n}\n", ("release",)),
    "a text of many lines": ("alice.example.com {\n\trespond <<END\n\t\tx\n\t\tEND\n}\n", ("release",)),
    "a text over two lines": ('alice.example.com {\n\trespond "a\n\tencode"\n}\n', ("release",)),
    "a carriage return": ("alice.example.com {\n\trespond x\r\n}\n", ("release",)),
}


def attacks() -> tuple[Attack, ...]:
    """Every attempt, each with a name of its own."""
    return tuple(_attacks())


def _attacks() -> Iterator[Attack]:
    yield from _manifest()
    for key, value in SERVICE_KEYS.items():
        yield Attack(
            f"service key {key}", _service(key, value), f".{key}: is not allowed in a release", TEXT_AND_COMPOSE
        )
    for key, value in READ_WHILE_RESOLVING.items():
        yield Attack(f"service key {key}", _service(key, value), f".{key}: is not allowed in a release")
    for key, value in TOP_KEYS.items():
        yield Attack(f"top key {key}", _top(key, value), f"compose.yaml.{key}: is not allowed in a release")
    for name, mount in MOUNTS.items():
        yield Attack(f"mounts {name}", _mounts(mount), "compose.services.gateway", ("compose",))
    for name, (key, value) in SERVICE_VALUES.items():
        yield Attack(f"says {name}", _service(key, value), "compose.services.gateway", ("compose",))
    yield from _projects()
    for name, (text, layers) in DIRECTIVES.items():
        yield Attack(f"site with {name}", _directive(text), "site", layers)
    for name, (text, layers) in SITES.items():
        yield Attack(f"site for {name}", _site(text), "site", layers)


def _manifest() -> Iterator[Attack]:
    for name, key, value, says in (
        ("takes the neighbour's slot", "slot", 9, "slot"),
        ("changes its own slot", "slot", 10, "slot never changes"),
        ("has slot 0, the host's own", "slot", 0, "release.slot"),
        ("takes the neighbour's domain", "domains", ["alice.example.com", "bob.example.com"], "belongs to bob"),
        ("takes every domain", "domains", ["*.example.com"], "release.domains"),
        ("writes Caddyfile into a domain", "domains", ["a.example.com {\n\tfile_server\n}\nb.example.com"], "domains"),
        ("climbs out of its folder", "tenant", "../../../etc", "release.tenant"),
        ("is called like an option", "tenant", "-v", "release.tenant"),
        ("climbs with a volume", "volumes", ["../../bob/data/state"], "release.volumes"),
        ("has an absolute volume", "volumes", ["/etc"], "release.volumes"),
        ("climbs with a secret", "secrets", {"../bob/KEY": 1}, "release.secrets"),
        ("climbs with a version", "version", "../../bob", "release.version"),
        ("climbs with an app", "app", "../openclaw", "release.app"),
        ("has no end of disk", "disk_mb", 1 << 40, "release.disk_mb"),
        ("never stops", "stop_seconds", 10**9, "release.stop_seconds"),
        ("never starts", "start_seconds", 10**9, "release.start_seconds"),
        ("is never steady", "steady_seconds", 10**9, "release.steady_seconds"),
        ("dials another service", "web", "bob:18789", "release.web"),
        ("dials another address", "web", "gateway:18789@127.0.0.1:22", "release.web"),
        ("has a format nobody knows", "format", 2, "release.format"),
    ):
        yield Attack(name, _release(key, value), says)
    for name, key, value in (
        ("has an image by its tag", "image", "ghcr.io/openclaw/openclaw:2026.9.6"),
        ("writes options into an image", "image", "--privileged ghcr.io/x/y@sha256:" + "1" * 64),
        ("has an image from nowhere", "image", "openclaw@sha256:" + "1" * 64),
        ("has no memory limit", "memory_mb", 0),
        ("has less than no limit", "memory_mb", -1),
        ("has no CPU limit", "cpus", 0.0),
        ("has a CPU limit that is no number", "cpus", float("nan")),
        ("has no process limit", "pids", 0),
        ("writes YAML into a service", "name", "gateway:\n    privileged"),
    ):
        yield Attack(name, _manifest_service(key, value), "release.services")
    yield from _files()
    yield from _asks()


def _files() -> Iterator[Attack]:
    for name, path in (
        ("writes cron jobs", "/etc/cron.d/evil"),
        ("climbs with a file", "../../../../../etc/cron.d/evil"),
        ("climbs with a folder", "a/../../evil"),
        ("sends Compose's environment", ".env"),
        ("sends a hidden file", "a/.profile"),
        ("sends a second Compose file", "compose.override.yaml"),
        ("sends a first Compose file", "docker-compose.yml"),
        ("sends the runner's manifest", "release.json"),
        ("sends a file for a device", "a\x00b"),
        ("sends a file like an option", "-f"),
        ("sends files below a file", "passwd/evil"),
        ("sends a very deep file", "a/b/c/d/e/f"),
    ):
        yield Attack(name, _file(path), "release.files")
    yield Attack("sends too many files", _many_files, "at most 64")
    yield Attack("sends a huge file", _file("big", "x" * (1 << 20) + "x"), "at most 1048576 bytes")
    yield Attack("sends a lot in all", _much, "together at most")
    yield Attack("sends broken Unicode", lambda f: f.late.append(lambda: f.files.update(passwd="\ud800")), "Unicode")
    yield Attack("changes a file after all", lambda f: f.late.append(lambda: f.files.update(passwd="x")), "its digest")
    yield Attack("sends one file more", lambda f: f.late.append(lambda: f.files.update(more="x")), "not listed")
    yield Attack("sends one file less", lambda f: f.late.append(lambda: f.files.pop("passwd")), "not sent")
    yield Attack("sends no Compose file", _without_compose, "compose.yaml is missing")
    yield Attack("sends a site for nobody", _site_without_web, "site.caddy is required with a web")


def _asks() -> Iterator[Attack]:
    ready = {"kind": "ready", "service": "gateway", "port": 18789, "path": "/", "expect": 200}
    for name, change in (
        ("splits a probe's request", {"path": "/ HTTP/1.1\r\nHost: x\r\n\r\nDELETE /"}),
        ("probes another URL", {"path": "@169.254.169.254/"}),
        ("probes another's service", {"service": "bob"}),
        ("probes no port", {"port": 0}),
        ("expects anything", {"expect": 0}),
        ("probes an address as a process", {"kind": "process"}),
    ):
        yield Attack(name, _release("probes", [ready | change]), "release.probes")
    action = {"name": "open", "service": "gateway", "argv": ["openclaw"], "timeout_seconds": 60}
    for name, change in (
        ("acts in another's service", {"service": "bob"}),
        ("lets the caller choose the program", {"argv": ["{0}"]}),
        ("acts with an option of docker's", {"argv": ["--privileged", "sh"]}),
        ("acts with nothing", {"argv": []}),
        ("acts with a line break", {"argv": ["sh", "-c", "a\nb"]}),
        ("acts with a gap in its arguments", {"argv": ["sh", "{1}"]}),
        ("acts for ever", {"timeout_seconds": 10**9}),
        ("acts under a bad name", {"name": "../open"}),
    ):
        yield Attack(name, _release("actions", [action | change]), "release.actions")


def _projects() -> Iterator[Attack]:
    other = {"image": "docker.io/library/evil@sha256:" + "e" * 64, "privileged": True}
    yield Attack("one more service", _top_in("services", "evil", other), "privileged", TEXT_AND_COMPOSE)
    yield Attack(
        "a service that is not listed",
        _top_in("services", "evil", {"image": other["image"]}),
        "services.evil",
        ("compose",),
    )
    yield Attack("a service less", lambda f: f.compose["services"].clear(), "compose", ("compose",))
    yield Attack("another project's name", _top("name", "lp-bob-a"), ".name", TEXT_AND_COMPOSE)
    network = "compose.networks"
    for name, value in (
        ("the neighbour's network", {"default": {"name": "lp-bob", "external": True}}),
        ("the host's network", {"default": {"name": "host", "external": True}}),
        ("a network of its own", {"default": {"name": "lp-alice"}}),
        (
            "a network on a card",
            {"default": {"name": "lp-alice", "driver": "macvlan", "driver_opts": {"parent": "eth0"}}},
        ),
    ):
        yield Attack(name, _top("networks", value), network, ("compose",))
    yield Attack("one network more", _second_network, "networks.bob", ("compose",))
    yield Attack("the host's own network", _host_network, ".network_mode", TEXT_AND_COMPOSE)
    yield Attack("YAML that is not JSON", lambda f: f.say("services: &a {b: *a}\n"), "must be JSON")
    yield Attack("a key that stands twice", lambda f: f.say('{"services": {}, "services": {}}'), "twice")
    yield Attack("depth without end", lambda f: f.say("[" * 100000), "must be JSON")
    yield Attack("deep nesting", lambda f: f.say("[" * 50 + "]" * 50), "nested too deep")
    yield Attack("nothing", lambda f: f.say("[]"), "expected an object")
    yield Attack("no services", lambda f: f.say("{}"), "services")
    for variable in ("${HOME}", "$HOME", "${LAUNCHPAD_SECRETS:-/}", "${LAUNCHPAD_ADDRESS_BOB}", "${A$B}"):
        yield Attack(f"the variable {variable}", _service("working_dir", variable), "is not allowed in a release")
    yield Attack("a variable as a key", _service("environment", {"$PATH": "x"}), "is not allowed in a release")
    yield Attack("the runner's environment", _service("environment", {"PATH": None}), "expected text")
    yield Attack("the runner's environment, as a list", _service("environment", ["PATH"]), "expected an object")


def _release(key: str, value: Any) -> Forge:
    return lambda forgery: forgery.release.update({key: value})


def _manifest_service(key: str, value: Any) -> Forge:
    return lambda forgery: forgery.manifest_service.update({key: value})


def _service(key: str, value: Any) -> Forge:
    return lambda forgery: forgery.service.update({key: value})


def _top(key: str, value: Any) -> Forge:
    return lambda forgery: forgery.compose.update({key: value})


def _top_in(key: str, name: str, value: Any) -> Forge:
    return lambda forgery: forgery.compose[key].update({name: value})


def _second_network(forgery: Forgery) -> None:
    forgery.compose["networks"]["bob"] = {"name": "lp-bob", "external": True}
    forgery.service["networks"]["bob"] = {}


def _host_network(forgery: Forgery) -> None:
    forgery.service.update(network_mode="host")
    del forgery.service["networks"]


def _mounts(mount: dict[str, Any]) -> Forge:
    return lambda forgery: forgery.mount(**mount)


def _directive(text: str) -> Forge:
    return lambda forgery: forgery.directive(text)


def _site(text: str) -> Forge:
    return lambda forgery: forgery.files.update({"site.caddy": text})


def _file(path: str, content: str = "evil") -> Forge:
    return lambda forgery: forgery.files.update({path: content})


def _many_files(forgery: Forgery) -> None:
    forgery.files.update({f"file-{number}": "" for number in range(64)})


def _much(forgery: Forgery) -> None:
    forgery.files.update({f"file-{number}": "x" * (1 << 20) for number in range(5)})


def _without_compose(forgery: Forgery) -> None:
    forgery.say("")
    forgery.late.append(lambda: (forgery.files.pop("compose.yaml"), forgery.release["files"].pop("compose.yaml")))


def _site_without_web(forgery: Forgery) -> None:
    forgery.release.update(web="", domains=[])
