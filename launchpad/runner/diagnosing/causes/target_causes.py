"""Causes at the places for backups: full, gone, or opened with the wrong key."""

from __future__ import annotations

import re
from collections.abc import Iterator

from launchpad.runner.backups.inside import GONE
from launchpad.runner.backups.s3 import REFUSALS
from launchpad.runner.diagnosing.collected import Collected, Diagnosis
from launchpad.runner.hint import Next

_OUR_KEYS = "|".join(re.escape(REFUSALS[code]) for code in ("InvalidAccessKeyId", "SignatureDoesNotMatch"))
_CAUSES = (
    (
        "target-locked",
        re.compile(r"(?i)already locked|unable to create lock"),
        "is locked by another backup, or by one that died",
        Next("target show", "{target}") + "; when no backup runs anywhere: " + Next("backup", "{tenant}"),
    ),
    (
        "target-damaged",
        re.compile(r"(?i)ciphertext verification failed|contains \d+ errors|invalid data returned|hash mismatch"
        r"|does not match id|repository (?:contains errors|is damaged)"),
        "has damaged data",
        Next("backups verify", "{tenant}")
        + "; a new target in inventory/targets.yaml, then "
        + Next("backup", "{tenant}"),
    ),
    (
        "target-full",
        re.compile(r"(?i)no space left|disk quota|quota exceeded|insufficient storage|\b507\b|ENOSPC"
        r"|EntityTooLarge|storage limit|free drive threshold|storage[ \w]{0,20} (?:is )?full|over quota"
        r"|out of (?:disk )?space"),
        "is full",
        Next("backups forget", "{tenant}"),
    ),
    (
        "target-key",
        re.compile(
            rf"(?i)wrong password|no key found|access key id|{_OUR_KEYS}|permission denied"
            r"|unauthorized|forbidden"
            r"|access ?denied|\b40[13]\b|signature|invalidaccesskey|host key|authenticat|has no credentials|opens none"
        ),
        "does not accept the key or the credentials of this host",
        Next("target credential", "{target}", "NAME") + ", then " + Next("provision", "{host}"),
    ),
    (
        "target-gone",
        re.compile(
            r"(?i)cannot be reached|no such host|connection refused|timed? ?out|unreachable|no route"
            r"|no such bucket|not exist"
            rf"|no such file|\b404\b|{re.escape(GONE)}|gone|unable to open|reset by peer|\b50[0-4]\b|not mounted|EOF"
        ),
        "is gone or cannot be reached",
        Next("target show", "{target}"),
    ),
)  # fmt: skip


def target_failed(collected: Collected) -> Iterator[Diagnosis]:
    """The newest backup, or its verification, failed at a target."""
    told: set[tuple[str, str]] = set()
    for tenant in collected.tenants():
        for target, state in tenant.get("targets", otherwise={}).items():
            failed = state.get("failed") or state.get("damaged") or {}
            why = str(failed.get("message") or "")
            cause, _, what, hint = next((item for item in _CAUSES if item[1].search(why)), _OTHER)
            if not why or (target, cause) in told:
                continue
            told.add((target, cause))  # one target is full for all tenants
            yield Diagnosis(
                cause=cause,
                tenant=tenant.name,
                message=f"backup target {target} {what} ({why[:200]})",
                hint=hint.format(tenant=tenant.name, target=target, host=collected.host),
                evidence=(f"{target}: {why}",),
            )


_OTHER = ("target-failed", re.compile(""), "did not take the backup", Next("target show", "{target}"))
