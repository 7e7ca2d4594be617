"""Signed requests to an S3 server: whether the credentials work, and what a thief with them could do.

restic itself retries for a quarter of an hour with a wrong secret. Signatures are AWS signature version 4; paths
include the bucket (path style), as in a target's URL.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

SECONDS = 30
ANYWHERE = "us-east-1"
"""The region for a server without regions."""
REFUSALS = {
    "InvalidAccessKeyId": "does not know this S3_KEY_ID",
    "SignatureDoesNotMatch": "rejects this S3_SECRET",
    "NoSuchBucket": "has no such bucket: create the bucket first",
}
"""The messages for those of S3's error codes after which restic would retry, or create a bucket."""


def refusal(url: str, credentials: Mapping[str, str]) -> str:
    """Why nothing can be stored below the bucket's URL, as far as one request shows; empty when no problem was
    found."""
    endpoint = urlsplit(url)
    bucket = endpoint.path.strip("/").partition("/")[0]
    question = "list-type=2&max-keys=1"
    answer = ask("GET", f"{endpoint.scheme}://{endpoint.netloc}/{bucket}", credentials, query=question)
    reason = REFUSALS.get(_word("Code", answer.body), "")
    return f"{endpoint.netloc} {reason}" if reason else ""


def overwrites(url: str, credentials: Mapping[str, str]) -> bool:
    """Whether an object can be overwritten for good, judged by the stored object and not by the server's answer. In a
    bucket with versions: whether the first version can be deleted. Uses a new object, and deletes it if possible."""
    version = ask("PUT", url, credentials, data=b"first").version
    ask("PUT", url, credentials, data=b"other")
    found = ask("GET", url, credentials).body
    ask("DELETE", url, credentials)
    if version:
        ask("DELETE", url, credentials, query=f"versionId={quote(version, safe='')}")
        kept = ask("GET", url, credentials, query=f"versionId={quote(version, safe='')}").body
        return found == b"other" and kept != b"first"
    return found == b"other"


@dataclass(frozen=True)
class S3Answer:
    """The server's answer to one request."""

    status: int
    body: bytes
    version: str = ""
    """The object's version, in a bucket with versions."""
    region: str = ""
    """The bucket's region, if the server names it in a refusal."""


def ask(method: str, url: str, credentials: Mapping[str, str], *, query: str = "", data: bytes = b"") -> S3Answer:
    """The answer to one signed request; sent again when the server names another region."""
    answer = _asked(method, url, credentials, query=query, data=data, region=ANYWHERE)
    if not answer.region:
        return answer
    return _asked(method, url, credentials, query=query, data=data, region=answer.region)


def _asked(method: str, url: str, credentials: Mapping[str, str], *, query: str, data: bytes, region: str) -> S3Answer:
    place, now = urlsplit(url), datetime.datetime.now(datetime.UTC)
    digest = hashlib.sha256(data).hexdigest()
    headers = {"host": place.netloc, "x-amz-content-sha256": digest, "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ")}
    path = quote(place.path)
    names = ";".join(headers)
    lines = [method, path, query, *(f"{name}:{value}" for name, value in headers.items()), "", names, digest]
    signature, scope = _signature("\n".join(lines), credentials["S3_SECRET"], headers["x-amz-date"], region)
    signed = f"Credential={credentials['S3_KEY_ID']}/{scope},SignedHeaders={names},Signature={signature}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 {signed}"
    target = f"{place.scheme}://{place.netloc}{path}" + (f"?{query}" if query else "")
    request = urllib.request.Request(target, data=data or None, headers=headers, method=method)  # noqa: S310 judged
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:  # noqa: S310
            return S3Answer(reply.status, bytes(reply.read()), reply.headers.get("x-amz-version-id") or "")
    except urllib.error.HTTPError as error:
        with error:
            said = error.read()
        region = _word("Region", said) or error.headers.get("x-amz-bucket-region") or ""
        return S3Answer(error.code, said, region=region)
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"{place.netloc} does not answer like an S3 server") from error


def _signature(canonical: str, secret: str, at: str, region: str) -> tuple[str, str]:
    """The signature of a canonical request, and its scope."""
    scope = f"{at[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for word in (*scope.split("/"), text):
        key = hmac.digest(key, word.encode(), "sha256")
    return key.hex(), scope


def _word(name: str, said: bytes) -> str:
    """The text of the element of that name in the answer; empty when missing."""
    found = re.search(rf"<{name}>([^<]{{1,100}})</{name}>", said[:10_000].decode(errors="replace"))
    return found[1] if found else ""
