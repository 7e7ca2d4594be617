"""Messages to people by Debian's apprise, and signs of life by HTTP. No URL is shown anywhere: it is a credential."""

from __future__ import annotations

import os
import re
import time

from launchpad.runner.host import Failed
from launchpad.runner.machine.command import ENVIRONMENT, WITH_THE_RUNNER

TELL_SECONDS = 20.0
FETCH_SECONDS = 5.0
NOBODY = 65534
_ALONE = (
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--no-new-privs",
    "--inh-caps=-all",
    "--bounding-set=-all",
)


class HostMessages:
    """Implements `view.Messages`."""

    def tell(self, url: str, subject: str, text: str) -> None:
        import subprocess

        readable, writable = os.pipe()
        try:
            os.fchown(readable, NOBODY, NOBODY)  # apprise opens it anew by its name
            os.write(writable, url.encode() + b"\n")
            os.close(writable)
            words = ["apprise", "-c", f"/dev/fd/{readable}", "-t", subject]
            done = subprocess.run(
                [WITH_THE_RUNNER[0], *_ALONE, *WITH_THE_RUNNER[1:], *words],
                input=text.encode(), capture_output=True, env=ENVIRONMENT, timeout=TELL_SECONDS, check=False,
                pass_fds=(readable,),
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Failed(f"apprise did not end within {TELL_SECONDS:.0f} s", code="apprise-did-not-end") from error
        except OSError as error:
            raise Failed(f"cannot run apprise: {error.strerror}", code="cannot-run-apprise") from error
        finally:
            os.close(readable)
        if done.returncode:
            said = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
            why = hidden(said[-1], url)[:200] if said else f"exit status {done.returncode}"
            raise Failed(f"apprise could not deliver it ({why})", code="apprise-could-not-deliver")

    def fetch(self, url: str) -> None:
        import urllib.error
        import urllib.request

        from launchpad.runner.judge.alert_texts import HEARTBEAT

        if HEARTBEAT.fullmatch(url) is None:
            raise Failed("the URL of a heartbeat begins with https://", code="heartbeat-url")
        try:
            with urllib.request.urlopen(url, timeout=FETCH_SECONDS):  # noqa: S310 judged above
                pass
        except urllib.error.HTTPError as error:
            raise Failed(f"answered {error.code}", code="heartbeat-answer") from error
        except (OSError, ValueError) as error:
            raise Failed(hidden(str(getattr(error, "reason", error)), url), code="heartbeat-unreachable") from error

    def minute_of_day(self, timezone: str) -> int:
        from datetime import UTC, datetime
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return int(time.time() // 60) % 1440
        there = datetime.now(UTC).astimezone(zone)
        return there.hour * 60 + there.minute

    def stamp(self, at: float) -> str:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def hidden(text: str, url: str) -> str:
    """The text without any part of the URL."""
    parts = {part for part in re.split(r"[/:@?&=,;#]+", url) if len(part) > 3}
    for part in sorted({url, *parts}, key=len, reverse=True):
        text = text.replace(part, "[hidden]")
    return text
