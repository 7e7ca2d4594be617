"""Causes behind the app: the provider of its model, its key, its channels. Read from the app's own log."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.diagnosing.collected import Collected, CollectedTenant, Diagnosis
from launchpad.runner.hint import Next

RECENT_SECONDS = 3600.0
OUTAGE_SECONDS = 900.0
LEAST_OUTAGE = 3
"""One answer of a busy provider in a quarter of an hour is no outage."""
_PROVIDERS = {
    "anthropic": ("Anthropic", "ANTHROPIC_API_KEY"),
    "openrouter": ("OpenRouter", "OPENROUTER_API_KEY"),
    "openai": ("OpenAI", "OPENAI_API_KEY"),
    "gemini": ("Google", "GEMINI_API_KEY"),
    "google": ("Google", "GEMINI_API_KEY"),
    "groq": ("Groq", "GROQ_API_KEY"),
    "mistral": ("Mistral", "MISTRAL_API_KEY"),
    "deepseek": ("DeepSeek", "DEEPSEEK_API_KEY"),
    "xai": ("xAI", "XAI_API_KEY"),
}
_TURN = re.compile(r"isError=true|FailoverError|lane task error|(?i:llm request|model call|agent failed before reply)")
"""How an app writes that a turn of its agent failed: what follows is what the provider answered."""
_ANSWER = re.compile(
    r"(?i)(?:error[=:]|failed[=:]?|rejected:)\W*(?:\w*error:?\s*)?\W*(?:http\W*)?(?:status\W*)?(\d{3})\b"
)
_REVOKED = re.compile(
    r"(?i)refuses the key|forbids its use|invalid x-api-key|authentication_error|incorrect api key"
    r"|invalid[_ ]api[_ ]key"
    r"|api key (?:is )?(?:invalid|not valid|expired)"
    r"|no auth credentials found|\b401\b[^\n]{0,60}user not found|invalid authentication credentials"
    r"|account_deactivated|permission_error|organization has been disabled|key (?:has been|was) (?:disabled|deleted)"
    r"|reason=auth(?:_permanent)?\b|provider key (?:was )?(?:refused|revoked)"
    r"|(?:provider|model|llm)\b[^\n]{0,60}\b401\b"
)
_NO_MONEY = re.compile(
    r"(?i)has no money left|credit balance is too low|insufficient[_ ](?:quota|credits|funds|balance)"
    r"|exceeded your current quota|billing_(?:error|hard_limit)"
    r"|payment required|\b402\b[^\n]{0,60}credit|requires more credits|reason=billing\b|billing hard limit"
    r"|requires billing|billing (?:is )?(?:not enabled|disabled|inactive)|spend(?:ing)? limit"
    r"|usage limits?\b[^\n]{0,40}regain"
)
_DOWN = re.compile(
    r"(?i)^provider \w+ (?:cannot be reached|has a fault)|overloaded_error|\b529\b"
    r"|(?:provider|model|llm|anthropic|openai|openrouter|api)\b[^\n]{0,80}\b(?:50[0234]|econnrefused|etimedout"
    r"|enotfound|econnreset|eai_again|timed out|service unavailable|bad gateway|fetch failed|cannot be reached)\b"
    r"|internal server error|reason=(?:overloaded|timeout|server_error)\b"
)
_UNREACHED = re.compile(
    r"(?i)fetch failed|\bE(?:CONN\w+|TIMEDOUT|HOSTUNREACH|NETUNREACH|NOTFOUND|AI_AGAIN|PIPE)\b|UND_ERR_\w+"
    r"|socket hang up"
    r"|connection error|timed? ?out|model is overloaded|(?:temporarily|service) unavailable"
)
"""Only of a turn: anything else may miss somebody else."""
_CERTIFICATE = re.compile(
    r"\bCERT_\w+|SELF_SIGNED_CERT\w*|UNABLE_TO_(?:GET_ISSUER|VERIFY)\w*|ERR_TLS_CERT\w*|(?i:x509: certificate)"
)
_NO_MODEL = re.compile(
    r"(?i)not_found_error|model[_ ]not[_ ]found|\bmodel\b[^\n]{0,60}(?:does not exist|not found|deprecated)"
)
_NOT_HERE = re.compile(r"(?i)(?:country|region|territory|location)\b[^\n]{0,40}\bnot supported")
_TAKEN = re.compile(
    r"(?i)messages to another place|\b409\b[^\n]{0,40}conflict|terminated by other getupdates|getupdates conflict"
    r"|(?:stream|session|connection)[ _]?(?:was )?replaced|stream errored \(conflict\)|\btype=replaced"
)
_UNAUTHORIZED = re.compile(
    r"(?i)^\[\w+\] \w+ (?:refuses the key|accepts the key and forbids)|bot token unauthorized"
    r"|(?:telegram|discord|slack)\b[^\n]{0,120}(?:\b401\b|invalid_auth|not_authed|account_inactive|token_revoked"
    r"|authentication failed|disallowed intents|invalid token)"
)
_CHANNELS = ("telegram", "whatsapp", "discord", "slack", "signal")


def key_revoked(collected: Collected) -> Iterator[Diagnosis]:
    """The provider does not take the customer's key."""
    for tenant in collected.tenants():
        said = [
            line
            for line in _app_lines(collected, tenant, RECENT_SECONDS)
            if (_REVOKED.search(line) or _answer(line) in (401, 403)) and not _of_channel(line)
        ]
        said = [line for line in said if not _NO_MONEY.search(line) and not _NOT_HERE.search(line)]
        if said and not _answered_since(tenant, said[-1]):
            name, secret = _provider(tenant, said)
            yield Diagnosis(
                cause="key-revoked",
                tenant=tenant.name,
                message=f"{name} does not accept {tenant.name}'s key: the key is wrong, was revoked or has expired",
                hint=Next("secret set", tenant.name, secret) + ", then " + Next("deploy", tenant.name),
                evidence=tuple(said[-2:]),
            )


def key_without_money(collected: Collected) -> Iterator[Diagnosis]:
    """The key is right, and its account has no money left."""
    for tenant in collected.tenants():
        lines = _app_lines(collected, tenant, RECENT_SECONDS)
        said = [line for line in lines if _NO_MONEY.search(line) or _answer(line) == 402]
        if said and not _answered_since(tenant, said[-1]):
            name, secret = _provider(tenant, said)
            yield Diagnosis(
                cause="key-without-money",
                tenant=tenant.name,
                message=f"{name} does not answer {tenant.name}: the account of the key has no money or quota left",
                hint=f"the customer adds credit at {name}, or: " + Next("secret set", tenant.name, secret),
                evidence=tuple(said[-2:]),
            )


def provider_down(collected: Collected) -> Iterator[Diagnosis]:
    """The provider does not answer, whatever the key."""
    servers = collected.get("resolver", "servers", otherwise={})
    if servers and not any(servers.values()):
        return  # nobody is found behind a dead resolver
    for tenant in collected.tenants():
        said = [
            line
            for line in _app_lines(collected, tenant, OUTAGE_SECONDS)
            if (_DOWN.search(line) or 500 <= _answer(line) < 600 or _is_unreached(line)) and not _of_channel(line)
        ]
        said = [
            line for line in said if not (_REVOKED.search(line) or _NO_MONEY.search(line) or _CERTIFICATE.search(line))
        ]
        by_check = any(line.startswith(_BY_CHECK) for line in said)
        if (len(said) >= LEAST_OUTAGE or by_check) and not _answered_since(tenant, said[-1]):
            name, _ = _provider(tenant, said)
            yield Diagnosis(
                cause="provider-down",
                tenant=tenant.name,
                message=f"{name} does not answer {tenant.name}: it is down or overloaded, or the host does not "
                f"reach it",
                hint=f"{name}'s status page; then " + Next("logs", tenant.name, "--since", "15m"),
                evidence=tuple(said[-3:]),
            )


def provider_refuses(collected: Collected) -> Iterator[Diagnosis]:
    """The provider answers and the key is right, and something else of each turn is not."""
    for tenant in collected.tenants():
        turns = [line for line in _app_lines(collected, tenant, RECENT_SECONDS) if _TURN.search(line)]
        for cause, pattern, what, hint in _REFUSALS:
            said = [line for line in turns if pattern.search(line)]
            if said and not _answered_since(tenant, said[-1]):
                name, _ = _provider(tenant, said)
                yield Diagnosis(
                    cause=cause,
                    tenant=tenant.name,
                    message=what.format(name=name, tenant=tenant.name),
                    hint=hint.format(tenant=tenant.name),
                    evidence=tuple(said[-2:]),
                )
                break


_REFUSALS = (
    (
        "provider-certificate",
        _CERTIFICATE,
        "{tenant} does not trust the certificate that {name} shows: a proxy stands between, the image is old, "
        "or the clock is wrong",
        Next("upgrade", "{tenant}", "--latest") + "; then ask who runs a proxy between the host and the Internet",
    ),
    (
        "model-gone",
        _NO_MODEL,
        "{name} does not have the model that {tenant} asks for, or not for this key",
        "another model in inventory/tenants/{tenant}.yaml or in the app, then " + Next("deploy", "{tenant}"),
    ),
    (
        "provider-refuses",
        _NOT_HERE,
        "{name} does not answer requests from the country of the host",
        Next("move", "{tenant}", "--to", "HOST") + " in another country, or another provider",
    ),
)


def channel_taken(collected: Collected) -> Iterator[Diagnosis]:
    """Another program uses the bot's token."""
    for tenant in collected.tenants():
        said = [line for line in _app_lines(collected, tenant, RECENT_SECONDS) if _TAKEN.search(line)]
        channel = next((name for name in _CHANNELS if any(name in line.lower() for line in said)), "telegram")
        said = [line for line in said if _of_channel(line) or "getupdates" in line.lower()]
        certain = any("getupdates" in line.lower() or "another place" in line for line in said)
        least = 1 if certain else 2
        if len(said) >= least:
            yield Diagnosis(
                cause="channel-taken",
                tenant=tenant.name,
                message=f"another program uses {tenant.name}'s {channel.capitalize()} bot (409): only one may",
                hint="stop the other one, or a new token: "
                + Next("secret set", tenant.name, f"{channel.upper()}_BOT_TOKEN")
                + ", then "
                + Next("deploy", tenant.name),
                evidence=tuple(said[-2:]),
            )


def channel_refused(collected: Collected) -> Iterator[Diagnosis]:
    """The channel does not take the bot's token."""
    for tenant in collected.tenants():
        said = [line for line in _app_lines(collected, tenant, RECENT_SECONDS) if _UNAUTHORIZED.search(line)]
        channel = next((name for name in _CHANNELS if any(name in line.lower() for line in said)), "telegram")
        if said:
            yield Diagnosis(
                cause="channel-refused",
                tenant=tenant.name,
                message=f"{channel.capitalize()} does not accept the token of {tenant.name}'s bot",
                hint=Next("secret set", tenant.name, f"{channel.upper()}_BOT_TOKEN")
                + ", then "
                + Next("deploy", tenant.name),
                evidence=tuple(said[-2:]),
            )


def _app_lines(collected: Collected, tenant: CollectedTenant, seconds: float) -> list[str]:
    """What the app wrote, and what the watch found at the provider and the channels."""
    if not tenant.is_wanted:
        return []
    found = collected.get("account", "findings", otherwise=[])
    own = [
        item for item in found if item.get("tenant") == tenant.name and item.get("subject") in ("provider", "channel")
    ]
    return [*tenant.lines_since_start(seconds=seconds), *map(_line_of, own)]


def _line_of(fact: Mapping[str, Any]) -> str:
    """What the watch found by the app's own check, as the app would write it."""
    message = str(fact.get("message"))
    return f"[{message.split(' ')[0]}] {message}" if fact.get("subject") == "channel" else f"{_BY_CHECK}{message}"


_BY_CHECK = "provider "


_ANSWERED = re.compile(
    r"(?i)\b(?:run|turn|reply|completion)\b[^\n]{0,60}\b(?:completed|finished|succeeded|delivered|done|ok)\b"
    r"|provider answers again"
)


def _answered_since(tenant: CollectedTenant, line: str) -> bool:
    """Whether a turn went well after that line: what it says is over then. OpenClaw writes that a run is done also of
    one that failed."""
    if not line.startswith("2"):
        return False  # the watch's, which says what is so now
    lines = tenant.lines(seconds=RECENT_SECONDS)
    failed = {found[1] for item in lines if _FAILED_RUN.search(item) and (found := _RUN.search(item))}
    since = lines[lines.index(line) + 1 :] if line in lines else ()
    later = (item for item in since if _ANSWERED.search(item))
    return any((found := _RUN.search(item)) is None or found[1] not in failed for item in later)


_RUN = re.compile(r"\brunId=(\S+)")
_FAILED_RUN = re.compile(r"isError=true|failover decision|error=")


def _answer(line: str) -> int:
    """The status with which the provider answered a turn that failed; 0 for any other line."""
    found = _ANSWER.search(line) if _TURN.search(line) else None
    return int(found[1]) if found else 0


def _is_unreached(line: str) -> bool:
    return _TURN.search(line) is not None and _UNREACHED.search(line) is not None


def _of_channel(line: str) -> bool:
    return any(f"[{name}" in line.lower() for name in _CHANNELS)


def _provider(tenant: CollectedTenant, lines: list[str]) -> tuple[str, str]:
    """Whose it is, by what the lines name, else by the only key that the tenant has."""
    for word, known in _PROVIDERS.items():
        if any(word in line.lower() for line in lines):
            return known
    if any("x-api-key" in line.lower() or "credit balance" in line.lower() for line in lines):
        return _PROVIDERS["anthropic"]
    secrets = tenant.get("record", "secrets", otherwise={})
    own = [known for known in dict.fromkeys(_PROVIDERS.values()) if known[1] in secrets]
    return own[0] if len(own) == 1 else ("the provider", "NAME")
