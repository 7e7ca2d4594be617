"""The texts of an alert destination, each pattern fitted to the whole text; both sides judge by them."""

from __future__ import annotations

import re

URL_PREFIX = "alert:"
"""Of a destination's name among the secrets that come beside a host's settings."""
LOGS_CERTIFICATE = "logs:CERTIFICATE"
"""Among the same secrets: the host's certificate for the collector of logs."""
QUIET = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:[01][0-9]|2[0-3]):[0-5][0-9]")
HEARTBEAT = re.compile(r"https://.+|http://(?:127\.0\.0\.1|localhost)(?:[:/].*)?", re.IGNORECASE)
"""The URL of a heartbeat contains a token, so it goes out encrypted; a relay on the host itself needs none of that."""
TIMEZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")
